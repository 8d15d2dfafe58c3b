import Crypto
import Foundation

/// Brings a database's schema to where this binary wants it, and back. A migration is `NNNN_name.sql` with
/// `NNNN_name.down.sql`; each runs in one transaction, under an advisory lock, so that processes that start together
/// migrate once. Any number that is missing is applied, in the order of numbers, whatever is applied already.
package struct Migrator: Sendable {
    package struct Migration: Sendable, Equatable {
        package let number: Int
        /// With the number: `0015_user_settings`.
        package let name: String
        let up: String
        let down: String
        let checksum: String
    }

    package enum State: String, Sendable {
        case applied, pending
        /// Applied, and its file was changed since.
        case edited
        /// Applied by a newer release; this binary does not know it.
        case unknown
    }

    package struct Failure: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    private struct Applied {
        let number: Int
        let name: String
        let checksum: String
    }

    /// Any number that nobody else uses for an advisory lock: "lockstep" in ASCII.
    private static let lock: Int64 = 0x6C6F_636B_7374_6570

    package let url: String
    package let migrations: [Migration]
    /// nil: the structure alone.
    package let rules: Rules?

    /// Reads the folder whole before anything is touched.
    package init(url: String, folder: String, rules: Rules? = nil) throws {
        self.url = url
        self.rules = rules
        migrations = try Self.read(folder)
    }

    private static func read(_ folder: String) throws -> [Migration] {
        guard let files = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw Failure(description: "there is no folder of migrations at \(folder)")
        }
        let ups = files.filter { $0.hasSuffix(".sql") && !$0.hasSuffix(".down.sql") }.sorted()
        let migrations = try ups.map { file in
            let name = String(file.dropLast(4))
            guard let match = name.wholeMatch(of: /([0-9]{4})_[A-Za-z0-9_]+/), let number = Int(match.1) else {
                throw Failure(description: "\(file) is not called NNNN_name.sql")
            }
            guard files.contains("\(name).down.sql") else {
                throw Failure(description: "\(file) has no \(name).down.sql")
            }
            let up = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            let down = try String(contentsOfFile: "\(folder)/\(name).down.sql", encoding: .utf8)
            let checksum = SHA256.hash(data: Array(up.utf8)).map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined()
            return Migration(number: number, name: name, up: up, down: down, checksum: checksum)
        }
        for (one, next) in zip(migrations, migrations.dropFirst()) where one.number == next.number {
            throw Failure(description: "\(one.name) and \(next.name) have the same number")
        }
        return migrations
    }

    /// Every migration that is known or applied, in the order of numbers.
    package func status() async throws -> [(name: String, state: State)] {
        try await onThread {
            try compare(DirectConnection(url: url)).sorted { $0.name < $1.name }
        }
    }

    /// Tables that the role of the address may not write: those of a role that may only read, or that another role made.
    package func tablesWithoutInsert() async throws -> [String] {
        try await onThread {
            try DirectConnection(url: url).query(
                """
                SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, 'INSERT')
                ORDER BY 1
                """
            ).map { try $0.decode("name") }
        }
    }

    /// Applies what is missing. Returns the names of what it applied; `progress` is told each before it starts.
    @discardableResult
    package func up(progress: @escaping @Sendable (String) -> Void = { _ in }) async throws -> [String] {
        try await underLock { connection in
            let states = try compare(connection)
            try refuseEdited(states)
            let pending = Set(states.lazy.filter { $0.state == .pending }.map(\.name))
            let missing = migrations.filter { pending.contains($0.name) }
            for migration in missing {
                progress(migration.name)
                try run(migration.up, of: migration.name, on: connection) {
                    try connection.query(
                        """
                        INSERT INTO schema_migrations (number, name, checksum)
                        VALUES (\(migration.number), \(migration.name), \(migration.checksum))
                        """)
                }
            }
            try install(connection)
            return missing.map(\.name)
        }
    }

    /// Undoes what is above `number` (nil: the last one alone), the highest first.
    @discardableResult
    package func down(
        to number: Int?, progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> [String] {
        try await underLock { connection in
            let applied = try applied(connection).sorted { $0.number > $1.number }
            let condemned = number.map { number in applied.filter { $0.number > number } } ?? Array(applied.prefix(1))
            let known = try condemned.map { applied in
                guard let migration = migrations.first(where: { $0.name == applied.name }) else {
                    throw Failure(
                        description: "\(applied.name) was applied by a newer release; undo it with that release")
                }
                return migration
            }
            guard !known.isEmpty else { return [] }
            try withoutRules(connection) { removal in
                for migration in known {
                    progress(migration.name)
                    try run(migration.down, of: migration.name, on: connection, removing: removal) {
                        try connection.query("DELETE FROM schema_migrations WHERE number = \(migration.number)")
                    }
                }
            }
            return known.map(\.name)
        }
    }

    /// - Parameter waiting: for another process that migrates, in seconds; nil: as long as it takes.
    func underLock<Value: Sendable>(
        waiting seconds: Int? = nil, _ work: @escaping @Sendable (DirectConnection) throws -> Value
    ) async throws -> Value {
        try await onThread {
            let connection = try DirectConnection(url: url)
            if let seconds { try connection.execute(script: "SET lock_timeout = '\(seconds)s'") }
            try connection.query("SELECT pg_advisory_lock(\(Self.lock))")
            defer { _ = try? connection.query("SELECT pg_advisory_unlock(\(Self.lock))") }
            let there = try connection.query(
                "SELECT to_regclass('schema_migrations') IS NOT NULL AND to_regclass('rules_used') IS NOT NULL AS there"
            )
            if try there.first?.decode("there", as: Bool.self) != true {
                try connection.execute(
                    script: """
                        CREATE TABLE IF NOT EXISTS schema_migrations (
                            number integer NOT NULL CONSTRAINT schema_migrations_pkey PRIMARY KEY,
                            name text NOT NULL, checksum text NOT NULL,
                            applied_at timestamptz NOT NULL DEFAULT clock_timestamp());
                        CREATE TABLE IF NOT EXISTS rules_used (
                            name text NOT NULL CONSTRAINT rules_used_pkey PRIMARY KEY, used_at timestamptz NOT NULL);
                        """)
            }
            return try work(connection)
        }
    }

    /// Where the rules of some release stand on what it alters, all rules go in the same transaction, if no process uses any.
    private func run(
        _ script: String, of name: String, on connection: DirectConnection, removing removal: String? = nil,
        record: () throws -> Void
    ) throws {
        do {
            do {
                try transact((removal ?? "") + script, on: connection, record)
            } catch let error as DatabaseError where error.isHeldByRules && removal == nil {
                try withoutRules(connection) { try transact($0 + script, on: connection, record) }
            }
        } catch let error as DatabaseError {
            throw Failure(description: "migration \(name) failed and changed nothing: \(error.message)")
        }
    }

    private func transact(_ script: String, on connection: DirectConnection, _ record: () throws -> Void) throws {
        do {
            try connection.execute(script: "BEGIN")
            try connection.execute(script: script)
            try record()
            try connection.execute(script: "COMMIT")
        } catch {
            _ = try? connection.execute(script: "ROLLBACK")
            throw error
        }
    }

    private func applied(_ connection: DirectConnection) throws -> [Applied] {
        let exists = try connection.query("SELECT to_regclass('schema_migrations') IS NOT NULL AS there")
        guard try exists.first?.decode("there", as: Bool.self) == true else { return [] }
        return try connection.query("SELECT number, name, checksum FROM schema_migrations").map { row in
            Applied(
                number: try row.decode("number"), name: try row.decode("name"), checksum: try row.decode("checksum"))
        }
    }

    private func compare(_ connection: DirectConnection) throws -> [(name: String, state: State)] {
        let applied = try applied(connection)
        let known = migrations.map { migration -> (name: String, state: State) in
            guard let found = applied.first(where: { $0.number == migration.number }) else {
                return (migration.name, .pending)
            }
            return (migration.name, found.checksum == migration.checksum ? .applied : .edited)
        }
        let unknown = applied.filter { found in !migrations.contains { $0.number == found.number } }
        return known + unknown.map { ($0.name, .unknown) }
    }

    /// - Throws: `Failure` naming what was edited after it had been applied.
    package func refuseEdited(_ states: [(name: String, state: State)]) throws {
        let edited = states.filter { $0.state == .edited }.map(\.name)
        guard edited.isEmpty else {
            throw Failure(
                description: "\(edited.joined(separator: ", ")) was edited after it had been applied; "
                    + "restore its text and write what you want to change as a new migration. Or these data are from "
                    + "before the first release, whose schema is given up: begin anew, with an empty database in "
                    + "DATABASE_URL or without the folder of LOCKSTEP_DATA_DIR (.lockstep)")
        }
    }
}

extension Migrator {
    /// Makes every cursor that was given out worth a reset: the data are not those that they spoke of.
    package func beginNewEpoch() async throws {
        try await onThread {
            _ = try DirectConnection(url: url).query(
                "UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid())")
        }
    }
}

extension Database {
    /// Those of these migrations that are not applied.
    package func missing(_ migrations: [Migrator.Migration]) async throws -> [String] {
        try await read(
            """
            SELECT m.name FROM unnest(\(migrations.map(\.name))) AS m (name)
            LEFT JOIN schema_migrations s ON s.name = m.name WHERE s.name IS NULL
            """
        ).map { try $0.decode("name") }
    }
}
