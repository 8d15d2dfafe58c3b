package import Persistence

/// Where accounts stand in the rooms that each of them has.
package struct PostgresStorage: Sendable {
    private let database: Database
    private let rooms: [StorageRoom]

    package init(database: Database, rooms: [StorageRoom]) {
        self.database = database
        self.rooms = rooms
    }

    package func budgets() async throws -> [StorageBudget] {
        try Self.read(try await database.read(Self.statement(rooms)))
    }

    /// A few rows of each account are looked at.
    fileprivate static func statement(_ rooms: [StorageRoom]) -> SQL {
        let taken = rooms.map { "SELECT \($0.what)::text AS what, amount FROM \(raw: $0.view)" as SQL }.joined(
            by: " UNION ALL ")
        return """
            SELECT b.what, storage_limit(b.what) AS most, coalesce(max(t.amount), 0) AS largest,
                count(t.amount) FILTER (WHERE t.amount >= storage_limit(b.what) * 0.8) AS near
            FROM unnest(\(rooms.map(\.what))) AS b (what)
            LEFT JOIN (\(sql: taken)) AS t ON t.what = b.what GROUP BY b.what ORDER BY b.what
            """
    }

    fileprivate static func read(_ rows: Rows) throws -> [StorageBudget] {
        try rows.map { row in
            StorageBudget(
                what: try row.decode("what"), limit: try row.decode("most"), largest: try row.decode("largest"),
                near: try row.decode("near"))
        }
    }
}

extension Migrator {
    /// The same for a command, which has no pool.
    package func storageBudgets(_ rooms: [StorageRoom]) async throws -> [StorageBudget] {
        try await onThread {
            try PostgresStorage.read(
                try DirectConnection(url: url, rules: rules).query(PostgresStorage.statement(rooms)))
        }
    }
}
