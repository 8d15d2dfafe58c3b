/// Why the database that DATABASE_URL names cannot be reached, what heals it, and whether waiting may.
struct ConnectComplaint {
    /// What libpq or PostgreSQL said.
    let said: String

    private struct Remedy {
        let signs: [String]
        let words: String
        /// Somebody has to do it; it does not come by itself.
        var isHopeless = true
    }

    private static let remedies = [
        Remedy(
            signs: ["Temporary failure in name resolution"],
            words: "no name server answers: look at the network (`getent hosts NAME`)", isHopeless: false),
        Remedy(
            signs: ["could not translate"],
            words: "no name server knows this host: mend it in DATABASE_URL"),
        Remedy(
            signs: ["authentication failed", "no password supplied"],
            words: "mend the role or its password in DATABASE_URL"),
        Remedy(
            signs: ["does not exist"], words: "make it (`createuser`, `createdb`), or mend its name in DATABASE_URL"),
        Remedy(
            signs: ["permission denied for database", "not permitted to log in", "no pg_hba.conf entry"],
            words: "let the role in (`GRANT CONNECT ON DATABASE`, `ALTER ROLE … LOGIN`, pg_hba.conf)"),
        Remedy(
            signs: ["not currently accepting connections"],
            words: "name another database, or `ALTER DATABASE … ALLOW_CONNECTIONS true`"),
        Remedy(
            signs: ["certificate", "does not support SSL", "sslmode"],
            words: "mend sslmode, sslrootcert or sslcert in DATABASE_URL"),
        Remedy(
            signs: ["is not in hot standby mode"],
            words: "take target_session_attrs out of DATABASE_URL: what is needed is a primary"),
        Remedy(
            signs: ["invalid response to SSL negotiation", "expected authentication request"],
            words: "what listens there is no PostgreSQL: mend host and port in DATABASE_URL"),
        Remedy(signs: ["invalid"], words: "mend DATABASE_URL"),
        Remedy(
            signs: ["is a standby"],
            words: "name the primary, or every host with commas between, or promote this one", isHopeless: false),
        Remedy(
            signs: ["too many clients", "too many connections", "remaining connection slots"],
            words: "end other clients, raise max_connections, or lower LOCKSTEP_DATABASE_CONNECTIONS", isHopeless: false
        ),
    ]

    private var remedy: Remedy {
        Self.remedies.first { $0.signs.contains { said.contains($0) } }
            ?? Remedy(
                signs: [], words: "start it, or unset DATABASE_URL to use a private PostgreSQL", isHopeless: false)
    }

    var isHopeless: Bool { remedy.isHopeless }

    /// One line.
    var words: String { "the database of DATABASE_URL cannot be reached: \(said); \(remedy.words)" }
}

extension DatabaseError {
    /// One line for who started us.
    package var connectComplaint: String { ConnectComplaint(said: message).words }

    /// Waiting does not mend it: a wrong password, a database that does not exist, a name that means nothing.
    package var isHopeless: Bool { ConnectComplaint(said: message).isHopeless }
}
