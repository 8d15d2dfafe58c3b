import API
import ArgumentParser
import Configuration
import Foundation
import Logging

/// The flags, each the twin of an environment variable.
struct Options: ParsableArguments {
    @Option(help: "Where to listen (LOCKSTEP_HOST, default 127.0.0.1).")
    var host: String?
    @Option(help: "Where to listen (LOCKSTEP_PORT, default 8080; 0: any free one).")
    var port: String?
    @Option(help: "PostgreSQL, as a URL (DATABASE_URL; unset: a private one that serve starts itself).")
    var databaseURL: String?
    @Option(help: "Where the private PostgreSQL lives (LOCKSTEP_DATA_DIR, default .lockstep).")
    var dataDir: String?
    @Option(
        help:
            "Proxies whose X-Forwarded-* headers count, addresses or networks (LOCKSTEP_TRUSTED_PROXIES, default none)."
    )
    var trustedProxies: String?
    @Option(help: "Connections to PostgreSQL for statements (LOCKSTEP_DATABASE_CONNECTIONS, default 8).")
    var databaseConnections: String?
    @Option(
        help: "Origins that may use the cookie besides the server's own, comma-separated (LOCKSTEP_ALLOWED_ORIGINS).")
    var allowedOrigins: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical (LOCKSTEP_LOG_LEVEL, default info).")
    var logLevel: String?
    @Option(help: "text, or json for one object a line (LOCKSTEP_LOG_FORMAT, default text).")
    var logFormat: String?
    @Option(help: "After how many seconds a polling client asks again (LOCKSTEP_POLL_SECONDS, default 30).")
    var pollSeconds: String?
    @Option(
        help:
            "Sign-ins a minute, of an address and of an e-mail; 0: no limit (LOCKSTEP_SIGN_IN_ATTEMPTS_PER_MINUTE, default 10)."
    )
    var signInAttemptsPerMinute: String?
    @Option(help: "Requests a minute of a user; 0: no limit (LOCKSTEP_REQUESTS_PER_MINUTE, default 600).")
    var requestsPerMinute: String?
    @Option(help: "log2 of scrypt's N, 10 to 20 (LOCKSTEP_PASSWORD_COST, default 15).")
    var passwordCost: String?
    @Option(
        help: "After how many seconds of pause a focus session expires (LOCKSTEP_PAUSE_EXPIRY_SECONDS, default 3600).")
    var pauseExpirySeconds: String?
    @Option(help: "How long a session lasts unused, in days (LOCKSTEP_SESSION_DAYS, default 30).")
    var sessionDays: String?
    @Option(
        help:
            "on or off: fill an empty catalogue with the demo's (LOCKSTEP_SEED_DEMO, default on with the private PostgreSQL)."
    )
    var seedDemo: String?

    fileprivate var given: [String: String?] {
        [
            "lockstep.host": host, "lockstep.port": port, "database.url": databaseURL, "lockstep.data.dir": dataDir,
            "lockstep.trusted.proxies": trustedProxies, "lockstep.database.connections": databaseConnections,
            "lockstep.allowed.origins": allowedOrigins, "lockstep.log.level": logLevel,
            "lockstep.log.format": logFormat, "lockstep.poll.seconds": pollSeconds,
            "lockstep.sign.in.attempts.per.minute": signInAttemptsPerMinute,
            "lockstep.requests.per.minute": requestsPerMinute, "lockstep.password.cost": passwordCost,
            "lockstep.session.days": sessionDays, "lockstep.pause.expiry.seconds": pauseExpirySeconds,
            "lockstep.seed.demo": seedDemo,
        ]
    }
}

/// What the environment and the flags say, checked: a wrong value stops the start with one line that names it.
struct Configuration: Sendable {
    enum LogFormat: String, Sendable {
        case text, json
    }

    let host: String
    let port: Int
    /// nil: a private PostgreSQL.
    let databaseURL: String?
    let dataFolder: String
    let trustedProxies: TrustedProxies
    let databaseConnections: Int
    let allowedOrigins: Set<String>
    let logLevel: Logger.Level
    let logFormat: LogFormat
    let pollSeconds: Int
    let signInAttemptsPerMinute: Int
    let requestsPerMinute: Int
    let passwordCost: Int
    let sessionDays: Int
    let seedDemo: Bool
    let pauseExpirySeconds: Int
    /// As `lockstep config` prints them.
    let listing: [(name: String, value: String)]

    init(_ options: Options) throws {
        var reader = SettingReader(options)
        host = reader.text("LOCKSTEP_HOST", default: "127.0.0.1")
        port = try reader.number("LOCKSTEP_PORT", default: 8_080, in: 0...65_535)
        databaseURL = reader.optional("DATABASE_URL", secret: true)
        dataFolder = reader.text("LOCKSTEP_DATA_DIR", default: ".lockstep")
        trustedProxies = try reader.parsed(
            "LOCKSTEP_TRUSTED_PROXIES", default: "", "addresses or networks, such as 10.0.0.0/8"
        ) {
            TrustedProxies($0)
        }
        databaseConnections = try reader.number("LOCKSTEP_DATABASE_CONNECTIONS", default: 8, in: 2...200)
        allowedOrigins = try reader.parsed(
            "LOCKSTEP_ALLOWED_ORIGINS", default: "", "origins, such as https://app.example.com"
        ) {
            Self.origins($0)
        }
        logLevel = try reader.parsed(
            "LOCKSTEP_LOG_LEVEL", default: "info", "trace, debug, info, notice, warning, error or critical"
        ) {
            Logger.Level(rawValue: $0)
        }
        logFormat = try reader.parsed("LOCKSTEP_LOG_FORMAT", default: "text", "text or json") {
            LogFormat(rawValue: $0)
        }
        pollSeconds = try reader.number("LOCKSTEP_POLL_SECONDS", default: 30, in: 1...3_600)
        signInAttemptsPerMinute = try reader.number(
            "LOCKSTEP_SIGN_IN_ATTEMPTS_PER_MINUTE", default: 10, in: 0...100_000)
        requestsPerMinute = try reader.number("LOCKSTEP_REQUESTS_PER_MINUTE", default: 600, in: 0...10_000_000)
        passwordCost = try reader.number("LOCKSTEP_PASSWORD_COST", default: 15, in: 10...20)
        sessionDays = try reader.number("LOCKSTEP_SESSION_DAYS", default: 30, in: 1...3_650)
        pauseExpirySeconds = try reader.number("LOCKSTEP_PAUSE_EXPIRY_SECONDS", default: 3_600, in: 1...31_536_000)
        seedDemo = try reader.parsed("LOCKSTEP_SEED_DEMO", default: databaseURL == nil ? "on" : "off", "on or off") {
            ["on": true, "true": true, "1": true, "off": false, "false": false, "0": false][$0.lowercased()]
        }
        listing = reader.listing
    }

    private static func origins(_ list: String) -> Set<String>? {
        var origins: Set<String> = []
        for entry in list.split(separator: ",") {
            let origin = entry.trimmingCharacters(in: .whitespaces).lowercased()
            guard let url = URL(string: origin), let scheme = url.scheme, ["http", "https"].contains(scheme),
                url.host() != nil, url.path().isEmpty
            else { return nil }
            origins.insert(origin)
        }
        return origins
    }
}

private struct SettingReader {
    private let reader: ConfigReader
    private(set) var listing: [(name: String, value: String)] = []

    init(_ options: Options) {
        let flags = options.given.compactMapValues(\.self).map { name, value in
            (
                AbsoluteConfigKey(name.split(separator: ".").map(String.init), context: [:]),
                ConfigValue(.string(value), isSecret: false)
            )
        }
        reader = ConfigReader(providers: [
            InMemoryProvider(values: Dictionary(flags) { first, _ in first }), EnvironmentVariablesProvider(),
        ])
    }

    mutating func optional(_ name: String, secret: Bool = false) -> String? {
        let key = ConfigKey(name.lowercased().split(separator: "_").map(String.init))
        let value = reader.string(forKey: key, isSecret: secret).flatMap { $0.isEmpty ? nil : $0 }
        listing.append((name, secret && value != nil ? "(set)" : value ?? "(unset)"))
        return value
    }

    mutating func text(_ name: String, default standard: String) -> String {
        let value = optional(name) ?? standard
        listing[listing.count - 1].value = value
        return value
    }

    mutating func number(_ name: String, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
        try parsed(name, default: String(standard), "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            Int($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func parsed<Value>(
        _ name: String, default standard: String, _ wanted: String, _ parse: (String) -> Value?
    ) throws -> Value {
        let text = text(name, default: standard)
        guard let value = parse(text) else {
            throw StartFailure(description: "\(name) is “\(text)”, and should be \(wanted)")
        }
        return value
    }
}

/// Where the files are that come with the binary: the migrations, the web client, and the demo's catalogue.
struct Home: Sendable {
    let migrations: String
    let web: String
    /// May be missing: then there is nothing to seed.
    let demoCatalogue: String

    /// Looks beside the binary and in each folder above it (a checkout), then in its share folder (an installation).
    static func find() throws -> Home {
        var folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        while true {
            for candidate in [folder, folder.appendingPathComponent("share/lockstep")] {
                let migrations = candidate.appendingPathComponent("Migrations").path
                let web = candidate.appendingPathComponent("Clients/Web").path
                if FileManager.default.fileExists(atPath: migrations), FileManager.default.fileExists(atPath: web) {
                    return Home(
                        migrations: migrations, web: web,
                        demoCatalogue: candidate.appendingPathComponent("Catalog/demo.json").path)
                }
            }
            guard folder.path != "/" else { break }
            folder.deleteLastPathComponent()
        }
        throw StartFailure(
            description: "the folders Migrations and Clients/Web are not beside this binary nor above it; "
                + "install them under share/lockstep, or run it from its checkout")
    }
}
