import API
import ArgumentParser
import Configuration
import Foundation

/// The flags, each the twin of an environment variable: those of the table, which ArgumentParser is shown as if each were a property.
struct Options: ParsableArguments, CustomReflectable {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// By the variables' names.
    private(set) var given: [String: String] = [:]

    init() {}

    init(from decoder: any Decoder) throws {
        let flags = try decoder.container(keyedBy: Key.self)
        for setting in SettingTable.all {
            given[setting.name] = try flags.decode(Option<String?>.self, forKey: Key(stringValue: setting.flag))
                .wrappedValue
        }
    }

    var customMirror: Mirror {
        Mirror(
            self,
            children: SettingTable.all.map { setting in
                let option = Option<String?>(
                    name: .customLong(setting.flag), help: ArgumentHelp(stringLiteral: setting.help))
                return (label: "_" + setting.flag, value: option as Any)
            })
    }
}

/// What the environment and the flags say, checked: a wrong value stops the start with one line that names it. Each entry of the table is a
/// member: `configuration.port`.
@dynamicMemberLookup
struct Configuration: Sendable {
    enum LogFormat: String, Sendable {
        case text, json
    }

    private let values: [String: any Sendable]
    /// As `lockstep config` prints them.
    let listing: [(name: String, value: String)]
    /// Variables that are called like settings and are none: a name that was misspelled, or a newer release's.
    let unknown: [UnknownVariable]

    init(_ options: Options) throws {
        let reader = Self.reader(options)
        func said(_ name: String) -> String? {
            let key = ConfigKey(name.lowercased().split(separator: "_").map(String.init))
            return reader.string(forKey: key).flatMap { $0.isEmpty ? nil : $0 }
        }
        let isDatabasePrivate = said(SettingTable.entries.databaseURL.name) == nil
        var values: [String: any Sendable] = [:]
        var listing: [(name: String, value: String)] = []
        for setting in SettingTable.all {
            let text = said(setting.name)
            let standard = setting.standard(isDatabasePrivate: isDatabasePrivate)
            values[setting.name] = try setting.value(of: text ?? standard)
            let shown = setting.isSecret ? (text == nil ? "(unset)" : "(set)") : text ?? standard
            listing.append((setting.name, shown))
        }
        self.values = values
        self.listing = listing
        unknown = UnknownVariable.all(besides: listing.map(\.name))
    }

    subscript<Value>(dynamicMember path: KeyPath<SettingTable, Setting<Value>>) -> Value {
        let setting = SettingTable.entries[keyPath: path]
        return values[setting.name] as? Value ?? setting.fallback
    }

    var trustedProxies: TrustedProxies {
        var trusted = self[dynamicMember: \.proxies]
        trusted.addressHeader = self[dynamicMember: \.addressHeader]
        return trusted
    }

    /// A flag goes before its variable.
    private static func reader(_ options: Options) -> ConfigReader {
        let flags = options.given.map { name, value in
            (
                AbsoluteConfigKey(name.lowercased().split(separator: "_").map(String.init), context: [:]),
                ConfigValue(.string(value), isSecret: false)
            )
        }
        return ConfigReader(providers: [
            InMemoryProvider(values: Dictionary(flags) { first, _ in first }), EnvironmentVariablesProvider(),
        ])
    }
}
