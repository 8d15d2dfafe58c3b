import CLibPQ
import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// One blocking connection for what runs seldom and in scripts: migrations and the commands. Used on a thread of its own
/// (`onThread`), never on the cooperative pool.
package final class DirectConnection {
    private let handle: OpaquePointer

    /// Connects, makes the session ours, and sees to it that it stays so.
    /// - Parameter rules: whose functions and views its statements name.
    /// - Throws: `DatabaseError` of kind `unavailable`, or `unusable`.
    package convenience init(url: String, rules: Rules? = nil) throws {
        let address = try DatabaseAddress(url)
        let conninfo = DatabaseConfiguration.conninfo(address)
        do {
            try self.init(conninfo: conninfo)
        } catch let error as DatabaseError where error.message.contains("session is read-only") {
            throw Self.whyReadOnly(conninfo) ?? error
        }
        try refuseOtherEncodings()
        let settings = try SessionSettings(options: address.options, timeouts: false)
        do {
            let backend = try query(settings.statement, within: 5).first?.decode("backend", as: Int.self)
            // A pooler gives its clients numbers of its own; PostgreSQL itself gives the backend's.
            if let backend, backend != Int(PQbackendPID(handle)) { try refuseSharedSessions(conninfo) }
        } catch let error as DatabaseError where error.kind == .refused && !error.isUnavailable {
            throw DatabaseError(.unusable, message: "the parameter `options` of DATABASE_URL: \(error.message)")
        }
        try query(Rules.leave)
        if let rules {
            try query(rules.hold)
            guard try query(rules.enter).first?.decode("there", as: Bool.self) == true else {
                throw Rules.missing(rules.schema)
            }
        }
    }

    private init(conninfo: String) throws {
        guard let handle = PQconnectdb(conninfo) else {
            throw DatabaseError(.unavailable, message: "libpq has no memory")
        }
        self.handle = handle
        PQsetNoticeReceiver(handle, { _, _ in }, nil)
        guard PQstatus(handle) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(handle))
            throw DatabaseError(
                .unavailable, message: message.split(separator: "\n").first.map(String.init) ?? "cannot connect")
        }
    }

    /// libpq says no more than that no session may write. A standby may be promoted in a moment; a setting stays.
    private static func whyReadOnly(_ conninfo: String) -> DatabaseError? {
        let reader = try? DirectConnection(conninfo: conninfo + " target_session_attrs='any'")
        let row = try? reader?.query("SELECT pg_is_in_recovery() AS standby", within: 5).first
        guard let isStandby = try? row?.decode("standby", as: Bool.self) else { return nil }
        if isStandby { return DatabaseError(.unavailable, message: "it is a standby, which takes no writes") }
        return DatabaseError(
            .unusable,
            message:
                "the database that DATABASE_URL names takes no writes, because default_transaction_read_only is on "
                + "(some providers set it where a disk is full): make room, then `ALTER DATABASE … RESET "
                + "default_transaction_read_only`, or the same of the role or the system")
    }

    /// Text is UTF-8 on its way through us; a database that keeps it otherwise loses characters or refuses them.
    private func refuseOtherEncodings() throws {
        guard let encoding = PQparameterStatus(handle, "server_encoding").map({ String(cString: $0) }),
            encoding.utf8.elementsEqual("UTF8".utf8) == false
        else { return }
        throw DatabaseError(
            .unusable,
            message:
                "the database that DATABASE_URL names keeps its text as \(encoding), and Lockstep needs UTF8: make "
                + "another one (`createdb --template=template0 --encoding=UTF8 NAME`) and name that")
    }

    /// Two clients of a pooler that gives each a session for as long as they stay never meet in one, and neither ever gets
    /// another. Where it gives one for each transaction, the second finds the one that the first has just used (the last one
    /// used is the next one given), or the first finds another one than before (they are given in turn, or somebody was
    /// quicker).
    private func refuseSharedSessions(_ conninfo: String) throws {
        let other = try DirectConnection(conninfo: conninfo)
        var mine: Set<Int> = []
        var theirs: Set<Int> = []
        for _ in 0..<4 {
            for _ in 0..<2 { mine.insert(try backend()) }
            for _ in 0..<2 { theirs.insert(try other.backend()) }
        }
        guard mine.count == 1, theirs.count == 1, mine.isDisjoint(with: theirs) else {
            throw DatabaseError(
                .unusable,
                message: "the pooler that DATABASE_URL leads to gives a session for each transaction (with PgBouncer: "
                    + "pool_mode = transaction or statement), and Lockstep needs one that stays: set pool_mode = session "
                    + "for this database, or name PostgreSQL itself in DATABASE_URL")
        }
    }

    private func backend() throws -> Int {
        try query("SELECT pg_backend_pid() AS backend", within: 5).first?.decode("backend") ?? 0
    }

    deinit {
        PQfinish(handle)
    }

    /// Runs a script, several statements if need be, values within it as they are: only for text from our own files.
    package func execute(script: String) throws {
        let result = PQexec(handle, script)
        defer { PQclear(result) }
        try check(result)
    }

    /// Runs one statement with what is bound to it.
    /// - Parameter seconds: how long it may take; nil: as long as it likes.
    @discardableResult
    package func query(_ sql: SQL, within seconds: Int? = nil) throws -> Rows {
        let bindings = sql.bindings
        let storage: [UInt8] = bindings.reduce(into: []) { $0 += $1.bytes ?? [] } + [0]
        let sent = storage.withUnsafeBytes { bytes in
            var offset = 0
            let values = bindings.map { binding -> UnsafePointer<CChar>? in
                guard let value = binding.bytes, let base = bytes.baseAddress else { return nil }
                defer { offset += value.count }
                return (base + offset).assumingMemoryBound(to: CChar.self)
            }
            return PQsendQueryParams(
                handle, sql.text, Int32(bindings.count), bindings.map { Oid($0.type.rawValue) }, values,
                bindings.map { Int32($0.bytes?.count ?? 0) }, bindings.map { _ in 1 }, 1)
        }
        guard sent == 1 else { throw DatabaseError(.lost, message: String(cString: PQerrorMessage(handle))) }
        if let seconds { try waitForAnswer(until: .now + .seconds(seconds)) }
        let result = PQgetResult(handle)
        while let further = PQgetResult(handle) { PQclear(further) }
        do {
            try check(result)
        } catch {
            PQclear(result)
            throw error
        }
        return Rows(result)
    }

    private func waitForAnswer(until end: ContinuousClock.Instant) throws {
        while PQisBusy(handle) == 1 {
            let left = max(.zero, end - .now).components
            var waiting = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Int32(left.seconds * 1_000 + left.attoseconds / 1_000_000_000_000_000))
            guard ready != 0 else {
                throw DatabaseError(
                    .unavailable,
                    message: "PostgreSQL was reached and did not answer for 5 s; behind a pooler: its pool_size holds "
                        + "fewer than LOCKSTEP_DATABASE_CONNECTIONS + 1 sessions a process, and two for the commands")
            }
            if ready > 0, PQconsumeInput(handle) == 0 { break }
        }
    }

    private func check(_ result: OpaquePointer?) throws {
        switch PQresultStatus(result) {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return
        default:
            let state = PQresultErrorField(result, 0x43).map { String(cString: $0) }
            let message = PQresultErrorField(result, 0x4D).map { String(cString: $0) }
            throw DatabaseError(
                state == nil ? .lost : .refused, sqlState: state,
                message: message ?? String(cString: PQerrorMessage(handle)))
        }
    }
}

/// Runs what blocks on a thread of its own, so that it holds up no task.
package func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try work() }) }.start()
    }
}
