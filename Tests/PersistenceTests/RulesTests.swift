import Foundation
import Logging
import Persistence
import TestSupport
import Testing

@Suite struct RulesTests {
    private static let table = ("CREATE TABLE a (n bigint, m bigint);", "DROP TABLE a;")

    /// Rules whose function `answer` says a number.
    private func rules(_ number: Int, _ more: String = "") -> Rules {
        Rules([
            Array("CREATE FUNCTION answer() RETURNS bigint LANGUAGE sql AS 'SELECT \(number)::bigint';\n\(more)".utf8)
        ])
    }

    private func migrator(_ url: String, _ rules: Rules, _ more: [String: (String, String)] = [:]) throws -> Migrator {
        let folder = NSTemporaryDirectory() + "rules-\(UUID())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (name, texts) in more.merging(["0001_a": Self.table], uniquingKeysWith: { one, _ in one }) {
            try texts.0.write(toFile: "\(folder)/\(name).sql", atomically: true, encoding: .utf8)
            try texts.1.write(toFile: "\(folder)/\(name).down.sql", atomically: true, encoding: .utf8)
        }
        return try Migrator(url: url, folder: folder, rules: rules)
    }

    private func open(_ url: String, _ rules: Rules, installRules: @escaping @Sendable () async throws -> Void = {})
        throws -> Database
    {
        Database(
            try DatabaseConfiguration(url: url, rules: rules, connections: 2), installRules: installRules,
            logger: Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    private func answer(_ database: Database) async throws -> Int? {
        try await database.read("SELECT answer() AS answer").first?.decode("answer")
    }

    private func schemas(_ url: String) async throws -> Set<String> {
        Set(
            try await PostgresSession.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rules%'", at: url)
                .flatMap { $0.compactMap(\.self) })
    }

    @Test("Two releases beside each other answer each by its own rules, and one that is rolled back by its old ones")
    func sideBySide() async throws {
        try await withEmptyDatabase { url in
            try await migrator(url, rules(1)).up()
            let old = try open(url, rules(1))
            defer { old.close() }
            #expect(try await answer(old) == 1)
            try await migrator(url, rules(2)).up()
            let new = try open(url, rules(2))
            defer { new.close() }
            #expect(try await answer(new) == 2)
            #expect(try await answer(old) == 1)
            try await migrator(url, rules(1)).up()
            let again = try open(url, rules(1))
            defer { again.close() }
            #expect(try await answer(again) == 1)
            #expect(try await schemas(url) == [rules(1).schema, rules(2).schema])
        }
    }

    @Test("What is to be carried out by its name is a case in the text, and part of what the rules are named after")
    func cases() async throws {
        try await withEmptyDatabase { url in
            let text = Array(
                """
                CREATE FUNCTION add_one(m bigint, r bigint) RETURNS bigint LANGUAGE sql AS 'SELECT r + m';
                CREATE FUNCTION carry_out(name text, m bigint, r bigint) RETURNS bigint LANGUAGE plpgsql AS $$
                BEGIN
                    CASE name
                        -- <a case for each mutation>
                    END CASE;
                    RETURN r;
                END
                $$;
                """.utf8)
            let rules = Rules([text], mutations: ["add.one"])
            #expect(rules.schema != Rules([text]).schema)
            try await migrator(url, rules).up()
            let database = try open(url, rules)
            defer { database.close() }
            #expect(try await database.read("SELECT carry_out('add.one', 2, 40) AS sum").first?.decode("sum") == 42)
        }
    }

    @Test("Rules that no process has used for a day go; those of one that lives stay")
    func unused() async throws {
        try await withEmptyDatabase { url in
            for number in 1...3 { try await migrator(url, rules(number)).up() }
            let lives = try open(url, rules(1))
            defer { lives.close() }
            #expect(try await answer(lives) == 1)
            try await eventually("its bus says that it uses them") {
                try await PostgresSession.run("SELECT FROM pg_locks WHERE locktype = 'advisory'", at: url).count >= 1
            }
            try await PostgresSession.run(
                "UPDATE rules_used SET used_at = now() - interval '25 hours' WHERE name <> '\(rules(3).schema)'",
                at: url)
            try await migrator(url, rules(4)).up()
            #expect(try await schemas(url) == [rules(1).schema, rules(3).schema, rules(4).schema])
            #expect(try await answer(lives) == 1)
        }
    }

    @Test("A column goes beneath the views of old rules, which go with it, but not while a process uses any")
    func beneath() async throws {
        try await withEmptyDatabase { url in
            let old = rules(1, "CREATE VIEW numbers AS SELECT n FROM a;")
            try await migrator(url, old).up()
            let lives = try open(url, old)
            #expect(try await answer(lives) == 1)
            let next = try migrator(
                url, rules(2), ["0002_b": ("ALTER TABLE a DROP COLUMN n;", "ALTER TABLE a ADD COLUMN n bigint;")])
            try await eventually("its bus says that it uses them") {
                let failure = await #expect(throws: Migrator.Failure.self) { try await next.up() }
                return failure?.description.contains("a server is connected to this database; stop it") == true
            }
            let refused = await #expect(throws: Migrator.Failure.self) { try await next.down(to: 0) }
            #expect(refused?.description.contains("a server is connected") == true)
            #expect(try await answer(lives) == 1)
            lives.close()
            try await eventually("it is gone") { (try? await next.up()) != nil }
            #expect(try await schemas(url) == [rules(2).schema])
            #expect(try await next.down(to: 0) == ["0002_b", "0001_a"])
            #expect(try await schemas(url).isEmpty)
        }
    }

    @Test("A process that finds its rules missing puts them back, and goes on")
    func restored() async throws {
        try await withEmptyDatabase { url in
            let migrator = try migrator(url, rules(1))
            try await migrator.up()
            let database = try open(url, rules(1)) { try await migrator.installRules() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await database.run() }
                #expect(try await answer(database) == 1)
                try await PostgresSession.run("DROP SCHEMA \(rules(1).schema) CASCADE", at: url)
                try await PostgresSession.run(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                    """, at: url)
                try await eventually("the rules are back") { (try? await answer(database)) == 1 }
                group.cancelAll()
                database.close()
            }
        }
    }

    @Test("A role that may not create schemas is told what its owner has to grant")
    func withoutRight() async throws {
        try await withEmptyDatabase { url in
            let role = "limited_" + UUID().uuidString.prefix(8).lowercased()
            try await PostgresSession.run(
                "CREATE ROLE \(role) LOGIN; GRANT CREATE ON SCHEMA public TO \(role)", at: url)
            let limited = url + " user='\(role)'"
            let failure = await #expect(throws: Migrator.Failure.self) { try await migrator(limited, rules(1)).up() }
            #expect(failure?.description.contains("GRANT CREATE ON DATABASE") == true, "\(failure.debugDescription)")
            let name = try await PostgresSession(url: url).value("SELECT current_database()") ?? ""
            try await PostgresSession.run("GRANT CREATE ON DATABASE \(name) TO \(role)", at: url)
            try await migrator(limited, rules(1)).up()
            let database = try open(limited, rules(1))
            #expect(try await answer(database) == 1)
            database.close()
            try await PostgresSession.run("DROP OWNED BY \(role) CASCADE; DROP ROLE \(role)", at: url)
        }
    }

    @Test("A schema that a stranger gave the name of the rules is not asked, but named")
    func strangers() async throws {
        try await withEmptyDatabase { url in
            let role = "stranger_" + UUID().uuidString.prefix(8).lowercased()
            try await PostgresSession.run(
                """
                CREATE ROLE \(role); CREATE SCHEMA \(rules(1).schema) AUTHORIZATION \(role);
                CREATE FUNCTION \(rules(1).schema).answer() RETURNS bigint LANGUAGE sql AS 'SELECT 666::bigint'
                """, at: url)
            let failure = await #expect(throws: Migrator.Failure.self) { try await migrator(url, rules(1)).up() }
            #expect(failure?.description.contains("somebody else made it") == true, "\(failure.debugDescription)")
            #expect(throws: DatabaseError.self) { try DirectConnection(url: url, rules: rules(1)) }
            try await PostgresSession.run("DROP SCHEMA \(rules(1).schema) CASCADE; DROP ROLE \(role)", at: url)
        }
    }
}
