import CLibPQ

#if canImport(Glibc)
import Glibc
#endif

/// One libpq connection in pipeline mode, non-blocking. It lives on the thread of `DatabaseLoop` and nowhere else; the
/// loop tells it when its socket can be read or written, and it answers with what happened.
///
/// libpq owns the socket: its descriptor may change while connecting, so the loop asks for it after every step.
final class Connection {
    enum Readiness: Equatable {
        case reading, writing, both, broken
    }

    enum Event {
        /// It can take statements now.
        case ready
        /// The oldest statement under way was answered.
        case answered(Result<Rows, DatabaseError>)
        case notified(String)
    }

    /// A statement ready to be sent.
    struct Statement {
        let text: String
        let bindings: [Binding]
        /// Of those that a connection begins with: whether it does without where the role has no right to it.
        var mayBeRefused = false
        /// Of those: the schema of rules that must be `there`.
        var entering: String?
    }

    private struct Pending {
        let text: String
        var rows: Rows?
        var error: DatabaseError?
        /// Whether the answer to its preparation is still to come.
        var expectsPrepared: Bool
    }

    private let handle: OpaquePointer
    private let startup: [Statement]
    private var connecting = true
    private var startupLeft: Int
    private var pending: [Pending] = []
    private var pendingHead = 0
    private var prepared: [String: String] = [:]
    /// Counts on when one is forgotten: the server may hold the old name still. So may a pooler's session that was not
    /// cleared behind its last client, hence the prefix.
    private var namesGiven = 0
    private let namePrefix = "s" + String(UInt32.random(in: 0...UInt32.max), radix: 36) + "_"
    /// Why it was given up while it began.
    private(set) var refusal: DatabaseError?
    private(set) var readiness: Readiness = .writing

    /// Begins to connect; nil when libpq has no memory for it.
    /// - Parameter startup: run first, their results thrown away.
    init?(conninfo: String, startup: [Statement]) {
        guard let handle = PQconnectStart(conninfo) else { return nil }
        self.handle = handle
        self.startup = startup
        startupLeft = startup.count
        // Notices would go to stderr.
        PQsetNoticeReceiver(handle, { _, _ in }, nil)
        if PQstatus(handle) == CONNECTION_BAD { readiness = .broken }
    }

    deinit {
        PQfinish(handle)
    }

    var descriptor: Int32 { PQsocket(handle) }

    var errorMessage: String {
        if let refusal { return refusal.message }
        return String(cString: PQerrorMessage(handle)).split(separator: "\n").joined(separator: "; ")
    }

    /// Something happened at the socket. Returns what came of it; afterwards `readiness` says what to wait for.
    func advance() -> [Event] {
        guard readiness != .broken else { return [] }
        if connecting { return advanceConnecting() }
        guard PQconsumeInput(handle) == 1 else {
            readiness = .broken
            return results() + notifications()
        }
        let events = results() + notifications()
        flush()
        return events
    }

    private func advanceConnecting() -> [Event] {
        switch PQconnectPoll(handle) {
        case PGRES_POLLING_READING: readiness = .reading
        case PGRES_POLLING_WRITING: readiness = .writing
        case PGRES_POLLING_OK:
            connecting = false
            guard PQsetnonblocking(handle, 1) == 0, PQenterPipelineMode(handle) == 1 else {
                readiness = .broken
                return []
            }
            readiness = .reading
            for statement in startup { send(statement) }
            flush()
            return startup.isEmpty ? [.ready] : []
        default: readiness = .broken
        }
        return []
    }

    /// Queues a statement with a Sync of its own; it leaves with the next `flush`.
    func send(_ statement: Statement) {
        guard readiness != .broken else { return }
        var preparing = false
        let name: String
        if let known = prepared[statement.text] {
            name = known
        } else {
            name = namePrefix + String(namesGiven)
            namesGiven += 1
            let types = statement.bindings.map { Oid($0.type.rawValue) }
            guard PQsendPrepare(handle, name, statement.text, Int32(types.count), types) == 1 else {
                readiness = .broken
                return
            }
            prepared[statement.text] = name
            preparing = true
        }
        guard execute(name, statement.bindings), PQpipelineSync(handle) == 1 else {
            readiness = .broken
            return
        }
        pending.append(Pending(text: statement.text, expectsPrepared: preparing))
    }

    private func execute(_ name: String, _ bindings: [Binding]) -> Bool {
        let count = bindings.count
        var storage: [UInt8] = []
        storage.reserveCapacity(bindings.reduce(0) { $0 + ($1.bytes?.count ?? 0) } + 1)
        for binding in bindings { storage.append(contentsOf: binding.bytes ?? []) }
        let lengths = bindings.map { Int32($0.bytes?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: count)
        storage.append(0)
        return storage.withUnsafeBytes { bytes in
            var offset = 0
            let values = bindings.map { binding -> UnsafePointer<CChar>? in
                guard let value = binding.bytes, let base = bytes.baseAddress else { return nil }
                defer { offset += value.count }
                return (base + offset).assumingMemoryBound(to: CChar.self)
            }
            return PQsendQueryPrepared(handle, name, Int32(count), values, lengths, formats, 1) == 1
        }
    }

    /// Sends what is queued, as far as the socket takes it.
    func flush() {
        guard readiness != .broken, !connecting else { return }
        switch PQflush(handle) {
        case 0: readiness = .reading
        case 1: readiness = .both
        default: readiness = .broken
        }
    }

    /// Takes the answers that have come, each up to its Sync.
    private func results() -> [Event] {
        var events: [Event] = []
        while pendingHead < pending.count, PQisBusy(handle) == 0 {
            // nil stands between the results of one statement and the next.
            guard let result = PQgetResult(handle) else {
                if PQstatus(handle) == CONNECTION_BAD { break }
                continue
            }
            if PQresultStatus(result) == PGRES_PIPELINE_SYNC {
                PQclear(result)
                let answer = pending[pendingHead]
                // The place stays for a while; the rows, which may be all that a user has, must not.
                pending[pendingHead].rows = nil
                pendingHead += 1
                events.append(contentsOf: finish(answer))
            } else {
                take(result)
            }
        }
        if pendingHead > 64, pendingHead * 2 > pending.count {
            pending.removeFirst(pendingHead)
            pendingHead = 0
        }
        return events
    }

    private func finish(_ answer: Pending) -> [Event] {
        // What could not be prepared, or fits the database no more since a migration, is prepared anew next time; what
        // failed while it ran stays prepared.
        if let error = answer.error, answer.expectsPrepared || error.isStalePlan { prepared[answer.text] = nil }
        if let error = answer.error, error.isConnectionGone {
            refusal = error
            readiness = .broken
        }
        if startupLeft > 0 {
            // What the role may not look up it does without; anything else would give this connection another epoch, or
            // leave the bus deaf.
            if let error = answer.error {
                guard startup[startup.count - startupLeft].mayBeRefused, error.sqlState == "42501" else {
                    refusal = error
                    readiness = .broken
                    return []
                }
            }
            if let schema = startup[startup.count - startupLeft].entering,
                (try? answer.rows?.first?.decode("there", as: Bool.self)) != true
            {
                refusal = Rules.missing(schema)
                readiness = .broken
                return []
            }
            startupLeft -= 1
            return startupLeft == 0 ? [.ready] : []
        }
        if let error = answer.error { return [.answered(.failure(error))] }
        return [.answered(.success(answer.rows ?? Rows(nil)))]
    }

    private func take(_ result: OpaquePointer) {
        switch PQresultStatus(result) {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
            if pending[pendingHead].expectsPrepared {
                pending[pendingHead].expectsPrepared = false
                PQclear(result)
            } else {
                pending[pendingHead].rows = Rows(result)
            }
        case PGRES_PIPELINE_ABORTED: PQclear(result)
        default:
            if pending[pendingHead].error == nil { pending[pendingHead].error = Self.error(of: result) }
            PQclear(result)
        }
    }

    private static func error(of result: OpaquePointer) -> DatabaseError {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
            return String(cString: text)
        }
        // The letters are libpq's PG_DIAG_SQLSTATE, PG_DIAG_CONSTRAINT_NAME, PG_DIAG_MESSAGE_PRIMARY.
        let state = field("C")
        let message = field("M") ?? String(cString: PQresultErrorMessage(result))
        // Without a state it is libpq that speaks: the connection broke.
        return DatabaseError(
            state == nil ? .lost : .refused, sqlState: state, constraint: field("n"), message: message)
    }

    private func notifications() -> [Event] {
        var events: [Event] = []
        while let notice = PQnotifies(handle) {
            events.append(.notified(notice.pointee.extra.map { String(cString: $0) } ?? ""))
            PQfreemem(notice)
        }
        return events
    }
}
