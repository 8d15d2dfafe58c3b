import CLibPQ
package import Dispatch

/// A connection of a test's own, apart from the code that is tested: for looking into a database behind its back,
/// holding a lock, ending somebody's session. Text in, text out; a call blocks a thread of its own, no task.
package final class PostgresSession: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    // @unchecked: libpq's handle is used on `queue` alone.
    private struct Handle: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private let handle: Handle
    private let queue = DispatchQueue(label: "postgres-session")

    /// - Parameter url: a URL or keywords, as libpq takes them.
    package init(url: String) async throws {
        handle = try await onQueue(queue) {
            guard let pointer = PQconnectdb(url) else { throw Failure(description: "libpq has no memory") }
            PQsetNoticeReceiver(pointer, { _, _ in }, nil)
            guard PQstatus(pointer) == CONNECTION_OK else {
                defer { PQfinish(pointer) }
                throw Failure(description: String(cString: PQerrorMessage(pointer)))
            }
            // The rules that the database holds, which tests ask by their names; what tests make lies in front of them.
            PQclear(
                PQexec(
                    pointer,
                    """
                    SELECT set_config('search_path', concat_ws(', ', current_setting('search_path'),
                        (SELECT string_agg(nspname, ', ') FROM pg_namespace WHERE nspname LIKE 'rules\\_%')), false)
                    """))
            return Handle(pointer: pointer)
        }
    }

    deinit {
        PQfinish(handle.pointer)
    }

    /// The backend that serves it.
    package var processID: Int32 { PQbackendPID(handle.pointer) }

    /// Runs a script; the rows of its last statement, every value as PostgreSQL writes it, nil for NULL.
    @discardableResult
    package func run(_ script: String) async throws -> [[String?]] {
        let handle = handle
        return try await onQueue(queue) {
            let result = PQexec(handle.pointer, script)
            defer { PQclear(result) }
            guard PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK else {
                throw Failure(description: String(cString: PQerrorMessage(handle.pointer)) + "in: " + script)
            }
            return (0..<PQntuples(result)).map { row in
                (0..<PQnfields(result)).map { column in
                    PQgetisnull(result, row, column) == 1
                        ? nil : PQgetvalue(result, row, column).map { String(cString: $0) }
                }
            }
        }
    }

    /// The first value of the first row.
    package func value(_ script: String) async throws -> String? {
        try await run(script).first?.first ?? nil
    }

    /// Runs a script on a connection made for it.
    @discardableResult
    package static func run(_ script: String, at url: String) async throws -> [[String?]] {
        try await PostgresSession(url: url).run(script)
    }

    /// `url` with another database in it, as keywords.
    package static func url(_ url: String, database: String) throws -> String {
        guard let options = PQconninfoParse(url, nil) else { throw Failure(description: "libpq cannot read \(url)") }
        defer { PQconninfoFree(options) }
        var keywords: [String] = []
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val, String(cString: keyword) != "dbname" {
                let escaped = String(cString: value).replacing("\\", with: "\\\\").replacing("'", with: "\\'")
                keywords.append("\(String(cString: keyword))='\(escaped)'")
            }
            option += 1
        }
        return (keywords + ["dbname='\(database)'"]).joined(separator: " ")
    }
}

/// Runs what blocks on a queue, so that it holds up no task.
@discardableResult
package func onQueue<Value: Sendable>(
    _ queue: DispatchQueue = DispatchQueue(label: "blocking"), _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        queue.async { continuation.resume(with: Result { try work() }) }
    }
}
