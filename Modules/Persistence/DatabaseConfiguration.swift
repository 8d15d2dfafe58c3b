/// Where PostgreSQL is and how much of it we take.
package struct DatabaseConfiguration: Sendable {
    /// The channel on which processes tell one another what changed.
    static let channel: StaticString = "lockstep"

    let conninfo: String
    private let settings: SessionSettings
    private let rules: Rules?
    let lanes: [Pool.Lane]
    var readsLargeApart: Bool { lanes.contains(.large) }
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
    ///   - rules: whose functions and views the statements name.
    ///   - connections: in all for statements; a quarter for reads, of four or more one for what is large, the rest for
    ///     writes, and one more for the bus.
    /// - Throws: `DatabaseError` when libpq cannot read `url`.
    package init(url: String, rules: Rules?, connections: Int = 8, bus: Bool = true) throws(DatabaseError) {
        self.rules = rules
        let address = try DatabaseAddress(url)
        conninfo = Self.conninfo(address)
        settings = try SessionSettings(options: address.options, timeouts: true)
        let reads = max(1, connections / 4)
        let large = connections >= 4 ? 1 : 0
        lanes =
            Array(repeating: .read, count: reads) + Array(repeating: .large, count: large)
            + Array(repeating: .write, count: max(1, connections - reads - large)) + (bus ? [.bus] : [])
    }

    /// The address with what every connection of ours is to have, as keywords; what it says itself goes before. Without
    /// `options`: a pooler takes none, so they are settings of the session.
    static func conninfo(_ address: DatabaseAddress) -> String {
        var settings: [(String, String)] = [
            ("application_name", "lockstep"), ("connect_timeout", "5"), ("client_encoding", "UTF8"),
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
            // A server that still recovers lets readers in, and they would stay with the timeline it has then.
            ("target_session_attrs", "read-write"),
        ]
        let given = address.parameters
        settings.removeAll { setting in given.contains { $0.name == setting.0 } }
        settings += given.map { ($0.name, $0.value) }
        settings.append(("options", ""))
        return settings.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
            return "\(name)='\(escaped)'"
        }.joined(separator: " ")
    }

    /// What a new connection runs first, in one round trip: its settings, and then the identity of the data, which is part of
    /// every epoch, kept as a setting so that statements can use it: the cluster and its timeline (another after a
    /// recovery), the database (another after a dump was restored into a new one), and when the data folder's first file
    /// came to be where it is, which no copy keeps (another after a backup of the files was put back). What the role may not
    /// look up is left out. The timeline is that of the log as it is written now: the control file's is the last
    /// checkpoint's, which may come minutes after a promotion.
    func startup(of lane: Pool.Lane) -> [Connection.Statement] {
        let identity: [SQL] = [
            """
            SELECT set_config('lockstep.cluster', concat_ws(':', s.system_identifier, substring(w.file FOR 8), d.oid), false)
            FROM pg_control_system() s, pg_walfile_name(pg_current_wal_lsn()) AS w (file), pg_database d
            WHERE d.datname = current_database()
            """,
            """
            SELECT set_config('lockstep.cluster', concat_ws(':', nullif(current_setting('lockstep.cluster'), ''),
                extract(epoch FROM (pg_stat_file('PG_VERSION')).change)), false)
            """,
        ]
        func statement(_ sql: SQL, mayBeRefused: Bool) -> Connection.Statement {
            .init(text: sql.text, bindings: sql.bindings, mayBeRefused: mayBeRefused)
        }
        let entry = rules.map { rules in
            (lane == .bus ? [statement(rules.hold, mayBeRefused: false)] : [])
                + [Connection.Statement(text: rules.enter.text, bindings: rules.enter.bindings, entering: rules.schema)]
        }
        return [statement(settings.statement, mayBeRefused: false), statement(Rules.leave, mayBeRefused: false)]
            + identity.map { statement($0, mayBeRefused: true) } + (entry ?? [])
            + (lane == .bus ? [statement("LISTEN \(raw: Self.channel)", mayBeRefused: false)] : [])
    }
}
