import API
import Foundation
import HTTPTypes
import Logging

/// Every setting of the server, an entry each: the variable of the environment, its twin the flag (`--data-dir` of LOCKSTEP_DATA_DIR),
/// what it is for, its default, and what it must be. From here come the flags' help, `lockstep config`, what is refused with one line
/// that names it, and the typed value under the entry's name in `Configuration`.
struct SettingTable: Sendable {
    let host = Setting(text: "LOCKSTEP_HOST", "Where to listen", default: "127.0.0.1")
    let port = Setting(number: "LOCKSTEP_PORT", "Where to listen; 0: any free one", 0...65_535, default: 8_080)
    let databaseURL = Setting<String?>(
        "DATABASE_URL", "PostgreSQL, as a URL", default: "", as: "unset: a private one that serve starts itself",
        isSecret: true, wanted: "a URL", fallback: nil
    ) { $0.isEmpty ? .some(nil) : $0 }
    let dataFolder = Setting(text: "LOCKSTEP_DATA_DIR", "Where the private PostgreSQL lives", default: ".lockstep")
    let proxies = Setting(
        "LOCKSTEP_TRUSTED_PROXIES", "Proxies whose X-Forwarded-* headers count, addresses or networks", default: "",
        as: "default none", wanted: "addresses or networks, such as 10.0.0.0/8", fallback: TrustedProxies.none
    ) { TrustedProxies($0) }
    let addressHeader = Setting<HTTPField.Name?>(
        "LOCKSTEP_CLIENT_ADDRESS_HEADER", "Which header of a trusted proxy names the client, such as Fly-Client-IP",
        default: "", as: "default X-Forwarded-For, or Forwarded",
        wanted: "the name of one header, such as Fly-Client-IP", fallback: nil
    ) { $0.isEmpty ? .some(nil) : HTTPField.Name($0).map { .some($0) } }
    /// nil: as each request says that it was sent to.
    let publicOrigin = Setting<Origin?>(
        "LOCKSTEP_PUBLIC_URL", "How browsers reach this server, such as https://lockstep.example.com", default: "",
        as: "default as each request says",
        wanted:
            "scheme, host and port alone, such as https://lockstep.example.com: the server has a host name of its own "
            + "and cannot stand below a path", fallback: nil
    ) { $0.isEmpty ? .some(nil) : Origin(asWritten: $0).map { .some($0) } }
    let cookieName = Setting(
        "LOCKSTEP_COOKIE_NAME", "The session cookie's name; servers that share a host name need one each",
        default: "lockstep_session", wanted: "1 to 64 letters, digits, “-” and “_”", fallback: "lockstep_session"
    ) { $0.wholeMatch(of: /[A-Za-z0-9_-]{1,64}/) == nil ? nil : $0 }
    let databaseConnections = Setting(
        number: "LOCKSTEP_DATABASE_CONNECTIONS", "Connections to PostgreSQL for statements", 2...200, default: 8)
    let allowedOrigins = Setting<Set<Origin>>(
        "LOCKSTEP_ALLOWED_ORIGINS", "Origins that may use the cookie besides the server's own, comma-separated",
        default: "", as: "default none", wanted: "origins, such as https://app.example.com", fallback: []
    ) { list in
        let entries = list.split(separator: ",").map { Origin(asWritten: $0.trimmingCharacters(in: .whitespaces)) }
        return entries.contains(nil) ? nil : Set(entries.compactMap(\.self))
    }
    let logLevel = Setting(
        "LOCKSTEP_LOG_LEVEL", "How much is logged", default: "info",
        wanted: "trace, debug, info, notice, warning, error or critical", fallback: Logger.Level.info
    ) { Logger.Level(rawValue: $0) }
    let logFormat = Setting(
        "LOCKSTEP_LOG_FORMAT", "How a line is logged; json: as one object", default: "text", wanted: "text or json",
        fallback: Configuration.LogFormat.text
    ) { Configuration.LogFormat(rawValue: $0) }
    let pollSeconds = Setting(
        number: "LOCKSTEP_POLL_SECONDS", "After how many seconds a polling client asks again", 1...3_600, default: 30)
    let signInAttemptsPerMinute = Setting(
        number: "LOCKSTEP_SIGN_IN_ATTEMPTS_PER_MINUTE",
        "Sign-ins a minute, of an address and of an e-mail; 0: no limit",
        0...100_000, default: 10)
    let requestsPerMinute = Setting(
        number: "LOCKSTEP_REQUESTS_PER_MINUTE", "Requests a minute of a user; 0: no limit", 0...10_000_000,
        default: 600)
    /// 0: half of all.
    let connectionsPerAddress = Setting(
        number: "LOCKSTEP_CONNECTIONS_PER_ADDRESS",
        "Connections from one address that is no trusted proxy's; 0: half of all", 0...1_000_000, default: 0)
    let passwordCost = Setting(number: "LOCKSTEP_PASSWORD_COST", "log2 of scrypt's N", 10...20, default: 15)
    let sessionDays = Setting(
        number: "LOCKSTEP_SESSION_DAYS", "How long a session lasts unused, in days", 1...3_650, default: 30)
    let pauseExpirySeconds = Setting(
        number: "LOCKSTEP_PAUSE_EXPIRY_SECONDS", "After how many seconds of pause a focus session expires",
        1...31_536_000, default: 3_600)
    let seedDemo = Setting(
        "LOCKSTEP_SEED_DEMO", "Fill an empty catalogue with the demo's", default: "off", withPrivateDatabase: "on",
        as: "default on with the private PostgreSQL", wanted: "on or off", fallback: false
    ) { ["on": true, "true": true, "1": true, "off": false, "false": false, "0": false][$0.lowercased()] }

    static let entries = SettingTable()
    /// In the order above.
    static let all: [any SettingEntry] = Mirror(reflecting: entries).children.compactMap {
        $0.value as? any SettingEntry
    }
}

/// A setting, whatever its type.
protocol SettingEntry: Sendable {
    var name: String { get }
    var help: String { get }
    var isSecret: Bool { get }
    func standard(isDatabasePrivate: Bool) -> String
    /// - Throws: `StartFailure` that names it.
    func value(of text: String) throws -> any Sendable
}

extension SettingEntry {
    var flag: String {
        (name.hasPrefix("LOCKSTEP_") ? String(name.dropFirst("LOCKSTEP_".count)) : name).lowercased()
            .replacing("_", with: "-")
    }
}

struct Setting<Value: Sendable>: SettingEntry {
    let name: String
    let help: String
    let isSecret: Bool
    /// What stands there where nobody says anything: its text, and its value.
    private let standard: (own: String, private: String)
    let fallback: Value
    private let wanted: String
    private let parse: @Sendable (String) -> Value?

    /// - Parameter described: the default in the help's words; nil: as it is.
    init(
        _ name: String, _ purpose: String, default standard: String, withPrivateDatabase other: String? = nil,
        as described: String? = nil, isSecret: Bool = false, wanted: String, fallback: Value,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        self.name = name
        help = "\(purpose) (\(name), \(described ?? "default \(standard)"))."
        self.isSecret = isSecret
        self.standard = (standard, other ?? standard)
        self.wanted = wanted
        self.fallback = fallback
        self.parse = parse
    }

    func standard(isDatabasePrivate: Bool) -> String { isDatabasePrivate ? standard.private : standard.own }

    func value(of text: String) throws -> any Sendable {
        guard let value = parse(text) else {
            throw StartFailure(description: "\(name) is “\(text)”, and should be \(wanted)")
        }
        return value
    }
}

extension Setting where Value == String {
    init(text name: String, _ purpose: String, default standard: String) {
        self.init(name, purpose, default: standard, wanted: "a text", fallback: standard) { $0 }
    }
}

extension Setting where Value == Int {
    init(number name: String, _ purpose: String, _ range: ClosedRange<Int>, default standard: Int) {
        self.init(
            name, purpose, default: String(standard),
            wanted: "a whole number from \(range.lowerBound) to \(range.upperBound)", fallback: standard
        ) { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }
}

extension Origin {
    /// As people write it: also with a slash at its end.
    fileprivate init?(asWritten text: String) {
        self.init(text.hasSuffix("/") ? text.dropLast() : text[...])
    }
}
