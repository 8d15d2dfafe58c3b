import CLibPQ

/// Where PostgreSQL is and how much of it we take.
package struct DatabaseConfiguration: Sendable {
    /// The channel on which processes tell one another what changed.
    static let channel: StaticString = "lockstep"

    let conninfo: String
    let lanes: [Pool.Lane]
    /// How long a statement may wait for a connection.
    let waitLimit: Duration = .seconds(4)
    /// How long a call may take in all, attempts and waiting together: 503 within 5 s, even of a database that is frozen.
    let callLimit: Duration = .milliseconds(4_750)
    /// A connection that has not answered for so long is given up; its statements end sooner by `statement_timeout`.
    let answerLimit: Duration = .seconds(6)
    let connectLimit: Duration = .seconds(5)
    let mostWaiting = 4_096

    /// - Parameters:
    ///   - url: a URL or keywords as libpq takes them; what they set goes before our own settings.
    ///   - connections: in all for statements; a quarter for reads, the rest for writes, and one more for the bus.
    /// - Throws: `DatabaseError` when libpq cannot read `url`.
    package init(url: String, connections: Int = 8, bus: Bool = true) throws(DatabaseError) {
        conninfo = try Self.conninfo(url, timeouts: true)
        let reads = max(1, connections / 4)
        lanes =
            Array(repeating: .read, count: reads) + Array(repeating: .write, count: max(1, connections - reads))
            + (bus ? [.bus] : [])
    }

    /// `url` with what every connection of ours is to have, as keywords. A timeout that a statement set would be gone
    /// with the connection, and without these PostgreSQL waits for ever.
    static func conninfo(_ url: String, timeouts: Bool) throws(DatabaseError) -> String {
        var settings: [(String, String)] = [
            ("application_name", "lockstep"), ("connect_timeout", "5"), ("client_encoding", "UTF8"),
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
            // A server that still recovers lets readers in, and they would stay with the timeline it has then.
            ("target_session_attrs", "read-write"),
        ]
        var options =
            "-c TimeZone=UTC -c idle_in_transaction_session_timeout=10s -c client_min_messages=warning -c jit=off"
        if timeouts { options += " -c statement_timeout=4s -c lock_timeout=3s" }
        var message: UnsafeMutablePointer<CChar>?
        guard let parsed = PQconninfoParse(url, &message) else {
            defer { PQfreemem(message) }
            // What libpq says quotes the text, and a password may stand in it.
            throw DatabaseError(
                .refused,
                message: "invalid address: it is neither a URL (postgresql://user@host/database) nor keywords "
                    + "(host=… dbname=…)")
        }
        defer { PQconninfoFree(parsed) }
        var given: [String: String] = [:]
        var option = parsed
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        if let theirs = given.removeValue(forKey: "options") { options += " " + theirs }
        settings.removeAll { given[$0.0] != nil }
        settings += given.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        settings.append(("options", options))
        return settings.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
            return "\(name)='\(escaped)'"
        }.joined(separator: " ")
    }

    /// What a new connection runs first: the identity of the data, which is part of every epoch, kept as a setting so that
    /// statements can use it: the cluster and its timeline (another after a recovery), the database (another after a dump
    /// was restored into a new one), and when the data folder's first file came to be where it is, which no copy keeps
    /// (another after a backup of the files was put back). What the role may not look up is left out. The timeline is that of
    /// the log as it is written now: the control file's is the last checkpoint's, which may come minutes after a promotion.
    func startup(of lane: Pool.Lane) -> [Connection.Statement] {
        var statements: [SQL] = [
            """
            SELECT set_config('lockstep.cluster', concat_ws(':', s.system_identifier, substring(w.file FOR 8), d.oid), false)
            FROM pg_control_system() s, pg_walfile_name(pg_current_wal_lsn()) AS w (file), pg_database d
            WHERE d.datname = current_database()
            """,
            """
            SELECT set_config('lockstep.cluster', concat_ws(':', current_setting('lockstep.cluster', true),
                extract(epoch FROM (pg_stat_file('PG_VERSION')).change)), false)
            """,
        ]
        if lane == .bus { statements.append("LISTEN \(raw: Self.channel)") }
        return statements.map { Connection.Statement(text: $0.text, bindings: $0.bindings) }
    }
}
