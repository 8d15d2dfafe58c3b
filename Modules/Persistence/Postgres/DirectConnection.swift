import CLibPQ
import Foundation

/// One blocking connection for what runs seldom and in scripts: migrations and the commands. Used on a thread of its own
/// (`onThread`), never on the cooperative pool.
final class DirectConnection {
    private let handle: OpaquePointer

    /// - Throws: `DatabaseError` of kind `unavailable`.
    init(url: String) throws {
        guard let handle = PQconnectdb(try DatabaseConfiguration.conninfo(url, timeouts: false)) else {
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

    deinit {
        PQfinish(handle)
    }

    /// Runs a script, several statements if need be, values within it as they are: only for text from our own files.
    func execute(script: String) throws {
        let result = PQexec(handle, script)
        defer { PQclear(result) }
        try check(result)
    }

    /// Runs one statement with what is bound to it.
    @discardableResult
    func query(_ sql: SQL) throws -> Rows {
        let bindings = sql.bindings
        let storage: [UInt8] = bindings.reduce(into: []) { $0 += $1.bytes ?? [] } + [0]
        let result = storage.withUnsafeBytes { bytes in
            var offset = 0
            let values = bindings.map { binding -> UnsafePointer<CChar>? in
                guard let value = binding.bytes, let base = bytes.baseAddress else { return nil }
                defer { offset += value.count }
                return (base + offset).assumingMemoryBound(to: CChar.self)
            }
            return PQexecParams(
                handle, sql.text, Int32(bindings.count), bindings.map { Oid($0.type.rawValue) }, values,
                bindings.map { Int32($0.bytes?.count ?? 0) }, bindings.map { _ in 1 }, 1)
        }
        do {
            try check(result)
        } catch {
            PQclear(result)
            throw error
        }
        return Rows(result)
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
func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try work() }) }.start()
    }
}
