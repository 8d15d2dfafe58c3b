import Foundation
import TestSupport
import Testing

@testable import Persistence

@Suite struct MigratorTests {
    /// A folder with migrations of the test's own: name to up and down.
    private func withFolder(
        _ files: [String: (up: String, down: String)], _ body: (String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("migrations-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (name, scripts) in files { try write(name, scripts, in: folder) }
        try await body(folder)
    }

    private func write(_ name: String, _ scripts: (up: String, down: String), in folder: String) throws {
        try scripts.up.write(toFile: "\(folder)/\(name).sql", atomically: false, encoding: .utf8)
        try scripts.down.write(toFile: "\(folder)/\(name).down.sql", atomically: false, encoding: .utf8)
    }

    private static let small: [String: (up: String, down: String)] = [
        "0001_a": ("CREATE TABLE a (n bigint);", "DROP TABLE a;"),
        "0003_c": ("CREATE TABLE c (n bigint);", "DROP TABLE c;"),
    ]

    private func dump(_ url: String) throws -> String {
        try PostgresInstallation.find().run("pg_dump", ["--schema-only", "--no-owner", "-d", url])
            .split(separator: "\n").filter { !$0.hasPrefix("\\restrict") && !$0.hasPrefix("\\unrestrict") }
            .joined(separator: "\n")
    }

    private func states(_ migrator: Migrator) async throws -> [String] {
        try await migrator.status().map { "\($0.name) \($0.state.rawValue)" }
    }

    @Test("Up, down and up again leave the identical schema, and down leaves nothing")
    func upDownUp() async throws {
        try await withEmptyDatabase { url in
            let migrator = try Migrator(url: url, folder: migrationsFolder, rules: testRules)
            let names = migrator.migrations.map(\.name)
            #expect(names.contains("0015_user_settings"))
            #expect(try await migrator.up() == names)
            let first = try await onQueue { try dump(url) }
            #expect(try await migrator.down(to: 0) == names.reversed())
            let left = try await PostgresSession.run(
                """
                SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'c'
                """, at: url)
            #expect(left.compactMap(\.first).allSatisfy { $0 == "schema_migrations" || $0 == "rules_used" })
            #expect(try await migrator.up() == names)
            let second = try await onQueue { try dump(url) }
            #expect(first == second)
            #expect(first.contains("CREATE TABLE public.user_settings"))
        }
    }

    @Test("A second time there is nothing to apply")
    func idempotent() async throws {
        try await withEmptyDatabase { url in
            try await withFolder(Self.small) { folder in
                let migrator = try Migrator(url: url, folder: folder)
                #expect(try await states(migrator) == ["0001_a pending", "0003_c pending"])
                #expect(try await migrator.up() == ["0001_a", "0003_c"])
                #expect(try await migrator.up().isEmpty)
                #expect(try await states(migrator) == ["0001_a applied", "0003_c applied"])
            }
        }
    }

    @Test("Processes that start together apply each migration once")
    func concurrent() async throws {
        try await withEmptyDatabase { url in
            let migrator = try Migrator(url: url, folder: migrationsFolder, rules: testRules)
            let applied = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<5 { group.addTask { try await migrator.up() } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied == migrator.migrations.map(\.name))
        }
    }

    @Test("One that was edited after it had been applied is refused by name, and nothing is applied")
    func edited() async throws {
        try await withEmptyDatabase { url in
            try await withFolder(Self.small) { folder in
                try await Migrator(url: url, folder: folder).up()
                try write("0001_a", ("CREATE TABLE a (n text);", "DROP TABLE a;"), in: folder)
                try write("0004_d", ("CREATE TABLE d (n text);", "DROP TABLE d;"), in: folder)
                let migrator = try Migrator(url: url, folder: folder)
                let failure = await #expect(throws: Migrator.Failure.self) { try await migrator.up() }
                #expect(failure?.description.contains("0001_a was edited") == true)
                #expect(try await states(migrator) == ["0001_a edited", "0003_c applied", "0004_d pending"])
            }
        }
    }

    @Test("One that a newer release applied is tolerated and reported, and only that release may undo it")
    func unknown() async throws {
        try await withEmptyDatabase { url in
            try await withFolder(Self.small) { folder in
                let migrator = try Migrator(url: url, folder: folder)
                try await migrator.up()
                try await PostgresSession.run(
                    "INSERT INTO schema_migrations (number, name, checksum) VALUES (9000, '9000_newer', 'x')", at: url)
                #expect(try await migrator.up().isEmpty)
                #expect(try await states(migrator).last == "9000_newer unknown")
                let failure = await #expect(throws: Migrator.Failure.self) { try await migrator.down(to: 0) }
                #expect(failure?.description.contains("9000_newer") == true)
                #expect(try await states(migrator).first == "0001_a applied")
            }
        }
    }

    @Test("A number that is missing is applied, whatever is applied already")
    func missingNumber() async throws {
        try await withEmptyDatabase { url in
            try await withFolder(Self.small) { folder in
                try await Migrator(url: url, folder: folder).up()
                try write("0002_b", ("CREATE TABLE b (n bigint);", "DROP TABLE b;"), in: folder)
                #expect(try await Migrator(url: url, folder: folder).up() == ["0002_b"])
            }
        }
    }

    @Test("Down undoes the last one alone, or all above a number")
    func down() async throws {
        try await withEmptyDatabase { url in
            try await withFolder(Self.small) { folder in
                let migrator = try Migrator(url: url, folder: folder)
                try await migrator.up()
                #expect(try await migrator.down(to: nil) == ["0003_c"])
                #expect(try await states(migrator) == ["0001_a applied", "0003_c pending"])
                try await migrator.up()
                #expect(try await migrator.down(to: 1) == ["0003_c"])
            }
        }
    }

    @Test(
        "A folder that holds something else than pairs with numbers of their own is refused before anything is touched")
    func badFolders() async throws {
        try await withFolder(Self.small) { folder in
            try FileManager.default.removeItem(atPath: folder + "/0003_c.down.sql")
            let failure = #expect(throws: Migrator.Failure.self) { try Migrator(url: "", folder: folder) }
            #expect(failure?.description == "0003_c.sql has no 0003_c.down.sql")
        }
        try await withFolder(["0001_a": ("", ""), "0001_b": ("", "")]) { folder in
            let failure = #expect(throws: Migrator.Failure.self) { try Migrator(url: "", folder: folder) }
            #expect(failure?.description == "0001_a and 0001_b have the same number")
        }
        try await withFolder(["nonsense": ("", "")]) { folder in
            let failure = #expect(throws: Migrator.Failure.self) { try Migrator(url: "", folder: folder) }
            #expect(failure?.description == "nonsense.sql is not called NNNN_name.sql")
        }
        let failure = #expect(throws: Migrator.Failure.self) { try Migrator(url: "", folder: "/nowhere") }
        #expect(failure?.description == "there is no folder of migrations at /nowhere")
    }

    @Test("One that fails changes nothing, and those before it stay")
    func failing() async throws {
        try await withEmptyDatabase { url in
            var files = Self.small
            files["0004_d"] = ("CREATE TABLE d (n bigint); INSERT INTO nowhere VALUES (1);", "DROP TABLE d;")
            try await withFolder(files) { folder in
                let migrator = try Migrator(url: url, folder: folder)
                let failure = await #expect(throws: Migrator.Failure.self) { try await migrator.up() }
                #expect(failure?.description.contains("migration 0004_d failed and changed nothing") == true)
                #expect(try await states(migrator) == ["0001_a applied", "0003_c applied", "0004_d pending"])
                #expect(try await PostgresSession.run("SELECT to_regclass('d')", at: url) == [[nil]])
            }
        }
    }

    @Test("A database that cannot be reached says so in one line")
    func unreachable() async throws {
        try await withFolder(Self.small) { folder in
            let migrator = try Migrator(url: "host=/nowhere user=nobody dbname=none", folder: folder)
            let error = await #expect(throws: DatabaseError.self) { try await migrator.up() }
            #expect(error?.kind == .unavailable)
            #expect(error?.message.contains("\n") == false)
        }
    }
}
