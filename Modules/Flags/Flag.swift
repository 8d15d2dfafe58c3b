package import API
package import Sync

/// A switch of the product, the same for everybody. It holds nothing about a user.
package struct Flag: Model {
    package let name: String
    package let enabled: Bool
    /// What is so while it is on.
    package let description: String
    /// Of a guard: the keys that it lets through; nil: the flag is no guard.
    package let allowedKeys: [String]?
    /// Of the sequence that all users share.
    package let version: Version

    package static let leftOut = ["allowedKeys"]

    package init(name: String, enabled: Bool, description: String, allowedKeys: [String]?, version: Version) {
        self.name = name
        self.enabled = enabled
        self.description = description
        self.allowedKeys = allowedKeys
        self.version = version
    }
}

/// GET /api/flags.
package struct FlagList: Model {
    package let flags: [Flag]
}

/// What a storage guard refused since it last said so, or in mode `report` let through and counted.
package struct GuardReport: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        case report, enforce
    }

    package static let mostKeys = 64
    package static let largestCount: Int64 = 1_000_000
    /// Names are cut to so many characters: they come from outside, and who looks at them must be able to read them.
    package static let keyLength = 64

    /// What apps kept in localStorage before there was a server: these are expected, everything else is news.
    package static let knownKeys: [Verbatim] = [
        "accessibility", "coins", "focus_paused_state", "focus_session", "inventory", "notifications_enabled",
        "purchases", "rewards", "settings", "theme", "time_zone", "wallet",
    ]

    package let mode: Mode
    package let counts: [Verbatim: Int64]

    /// - Throws: 422 `invalid_body`, with a pointer to each fault.
    package init(reading json: JSON) throws(Problem) {
        var fields = try Fields(json)
        let mode = Mode(rawValue: fields.string("mode", length: 1...16))
        if mode == nil, fields["mode"]?.string != nil {
            fields.fault("mode", "One of \(Mode.allCases.map(\.rawValue).joined(separator: ", ")) should stand here.")
        }
        let described = fields.optionalObject("counts")
        if fields["counts"] == nil || fields["counts"] == .null {
            fields.fault("counts", "An object of keys and how often each was refused should stand here.")
        }
        try fields.check()
        guard let mode, case .object(let members)? = described else {
            throw .invalidBody("An object {counts, mode} should stand here.")
        }
        guard members.count <= Self.mostKeys else {
            throw .invalidBody("At most \(Self.mostKeys) keys may stand here.", at: "/counts")
        }
        var counts: [Verbatim: Int64] = [:]
        var entries = try Fields(.object(members), at: "/counts")
        for (key, value) in members {
            guard let count = value.integer, (1...Self.largestCount).contains(count) else {
                entries.fault(key, "A whole number from 1 to \(Self.largestCount) should stand here.")
                continue
            }
            counts[Self.readable(key.text).verbatim, default: 0] += count
        }
        try entries.check()
        self.mode = mode
        self.counts = counts
    }

    /// How many were refused of the known old keys, and of others.
    package var totals: (known: Int64, other: Int64) {
        counts.reduce(into: (known: 0, other: 0)) { totals, entry in
            if Self.knownKeys.contains(entry.key) { totals.known += entry.value } else { totals.other += entry.value }
        }
    }

    /// A key as it is logged and kept: cut, and without what would break a line or a terminal.
    static func readable(_ key: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in key.unicodeScalars.prefix(keyLength) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                scalars.append("\u{FFFD}")
            default: scalars.append(scalar)
            }
        }
        return scalars.isEmpty ? "(empty)" : String(scalars)
    }
}

/// How often a key was refused so far, and when.
package struct GuardCount: Sendable, Equatable {
    package let key: String
    package let mode: String
    package let count: Int64
    package let firstSeenAt: Timestamp
    package let lastSeenAt: Timestamp

    package init(key: String, mode: String, count: Int64, firstSeenAt: Timestamp, lastSeenAt: Timestamp) {
        self.key = key
        self.mode = mode
        self.count = count
        self.firstSeenAt = firstSeenAt
        self.lastSeenAt = lastSeenAt
    }
}
