package import API
package import Sync

/// One named value of a user, the same on all devices. Its value is canonical JSON and never null.
package struct Setting: Model {
    package let key: String
    package let value: RawJSON
    package let version: Version
    package let updatedAt: Timestamp

    package init(key: String, value: RawJSON, version: Version, updatedAt: Timestamp) {
        self.key = key
        self.value = value
        self.version = version
        self.updatedAt = updatedAt
    }

    /// The most bytes that a value may take as canonical JSON.
    package static let largestValue = 16_384
    /// How many settings a user may have; the repository holds it.
    package static let most = 1_000
}

/// A value that a setting had before, and which device had written it.
package struct FormerSetting: Model {
    package let value: RawJSON
    package let version: Version
    /// nil: the device has been removed since.
    package let deviceName: String?
    package let replacedAt: Timestamp

    package init(value: RawJSON, version: Version, deviceName: String?, replacedAt: Timestamp) {
        self.value = value
        self.version = version
        self.deviceName = deviceName
        self.replacedAt = replacedAt
    }
}

/// A key and the value that it shall have: nil deletes. One that exists has been checked.
package struct SettingChange: Sendable, Equatable {
    package let key: String
    package let value: RawJSON?

    /// - Throws: why this key cannot have this value. A JSON null is refused here; `deleting` says it where it may be said.
    package init(key: String, value: JSON) throws(SettingsRefusal) {
        try Self.check(key: key)
        try Self.check(value, of: key)
        let text = RawJSON(value)
        guard text.utf8.count <= Setting.largestValue else {
            throw .invalid(
                key: key, "a value may take \(Setting.largestValue) bytes as JSON, this one takes \(text.utf8.count)")
        }
        self.key = key
        self.value = text
    }

    package init(deleting key: String) throws(SettingsRefusal) {
        try Self.check(key: key)
        self.key = key
        value = nil
    }

    package static func check(key: String) throws(SettingsRefusal) {
        let allowed = key.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard allowed, (1...255).contains(key.utf8.count) else { throw .invalidKey }
    }

    /// The rules of the keys that the product itself reads; all others are free.
    private static func check(_ value: JSON, of key: String) throws(SettingsRefusal) {
        if value == .null { throw .invalid(key: key, "a value is never null; delete the setting instead") }
        guard value.depth <= JSON.deepestValue else {
            throw .tooDeep(key: key)
        }
        switch key.verbatim {
        case "theme":
            guard case .string(let theme) = value, Theme(rawValue: theme) != nil else {
                throw .invalid(key: key, "it is “light”, “dark” or “system”")
            }
        case "accessibility":
            guard case .object(let switches) = value,
                switches.allSatisfy({ accessibilitySwitches.contains($0.key) && $0.value.bool != nil })
            else {
                throw .invalid(
                    key: key,
                    "it is an object of booleans named \(accessibilitySwitches.map(\.text).joined(separator: ", "))")
            }
        case "notifications_enabled":
            guard value.bool != nil else { throw .invalid(key: key, "it is true or false") }
        case "time_zone":
            guard case .string(let name) = value, TimeZoneName(name) != nil else {
                throw .invalid(key: key, "it is the IANA name of a time zone, such as “Europe/Berlin”")
            }
        default: break
        }
    }

    private static let accessibilitySwitches = Accessibility.CodingKeys.allCases.map(\.rawValue.verbatim)
}

/// Why a change of settings is not carried out.
package enum SettingsRefusal: Error, Sendable, Equatable {
    case invalidKey
    case invalid(key: String, String)
    case tooDeep(key: String)
    case tooMany
    /// If-Match names another version; `current` is the setting as it is (null: there is none) or the head's version.
    case versionMismatch(current: JSON)

    /// A refusal by the code under which storage keeps it.
    package init?(code: String, current: JSON?) {
        switch code {
        case "too_many_settings": self = .tooMany
        case "version_mismatch": self = .versionMismatch(current: current ?? .null)
        default: return nil
        }
    }

    package var problem: Problem {
        switch self {
        case .invalidKey:
            Problem(
                .invalidSetting,
                errors: [.init(pointer: "/key", detail: "1 to 255 characters out of A-Z a-z 0-9 _ . : -")])
        case .invalid(let key, let why):
            Problem(
                .invalidSetting, detail: .invalidValue, values: ["key": .string(key), "why": .string(why)],
                errors: [.init(pointer: "/value", detail: "\(key): \(why).")])
        case .tooDeep(let key):
            .invalidBody("\(key): a value may be nested \(JSON.deepestValue) levels.", at: "/value")
        case .tooMany:
            Problem(.tooManySettings)
        case .versionMismatch(let current):
            .versionMismatch(current: current)
        }
    }
}

extension ProblemCode {
    package static let settings: [ProblemCode] = [invalidSetting, tooManySettings]

    static let invalidSetting = ProblemCode(
        "invalid_setting", 422, "The setting cannot have this name or value",
        detail: "A key has 1 to 255 characters out of A-Z a-z 0-9 _ . : -", others: [.invalidValue],
        meaning:
            "`detail` says what the setting takes. A key has 1 to 255 characters out of A-Z a-z 0-9 _ . : - and some keys "
            + "take values of one kind only.")
    static let tooManySettings = ProblemCode(
        "too_many_settings", 409, "Too many settings",
        detail: "A user has at most \(Setting.most) settings; delete some, or keep several values in one.",
        meaning: "The user has as many settings as one may have. Delete some, or keep several values in one.")
}

extension ProblemDetail {
    static let invalidValue = ProblemDetail("{key}: {why}.")
}
