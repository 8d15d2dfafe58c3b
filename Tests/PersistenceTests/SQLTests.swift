import API
import Foundation
import TestSupport
import Testing

@testable import Persistence

@Suite struct SQLTests {
    @Test("An interpolated value is bound, never pasted")
    func binds() {
        let name = "'; DROP TABLE users; --"
        let sql: SQL = "SELECT \(name), \(7), \(Optional<String>.none) WHERE \(raw: "true")"
        #expect(sql.text == "SELECT $1, $2, $3 WHERE true")
        #expect(sql.bindings.map(\.type) == [.text, .int8, .text])
        #expect(sql.bindings.map(\.bytes) == [Array(name.utf8), [0, 0, 0, 0, 0, 0, 0, 7], nil])
    }

    @Test("A statement within another keeps its bindings, numbered through")
    func nests() {
        let inner: SQL = "a = \(1) AND b = \("x")"
        let sql: SQL = "SELECT \(true) WHERE \(sql: inner) LIMIT \(2)"
        #expect(sql.text == "SELECT $1 WHERE a = $2 AND b = $3 LIMIT $4")
        #expect(sql.bindings.map(\.type) == [.bool, .int8, .text, .int8])
    }

    @Test(
        "Text made at run time cannot become SQL: the compiler refuses it",
        arguments: [
            "let sql: SQL = text",
            "let sql = SQL(stringLiteral: text)",
            "let sql: SQL = \"SELECT \\(raw: text)\"",
            "let sql: SQL = \"SELECT \" + text",
            "var sql: SQL = \"SELECT 1\"; sql.template = Array(text.utf8)",
        ])
    func compilerRefuses(line: String) async throws {
        let (status, output) = try await compile(line)
        #expect(status != 0, "\(line) compiled")
        #expect(output.contains("main.swift"))
    }

    @Test("What the refusals are held against does compile")
    func compilerTakes() async throws {
        let (status, output) = try await compile("let sql: SQL = \"SELECT \\(text)\"")
        #expect(status == 0, "\(output)")
    }

    /// Type-checks one line, with `text` a variable, against the real SQL.swift.
    private func compile(_ line: String) async throws -> (status: Int32, output: String) {
        let source = URL(fileURLWithPath: migrationsFolder).deletingLastPathComponent()
            .appendingPathComponent("Modules/Persistence/SQL.swift")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sql-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // What SQL.swift takes from API, in a word, so that it stands alone.
        let alone =
            try String(contentsOf: source, encoding: .utf8).replacing("package import API", with: "")
            + "package struct Timestamp: Sendable { package let microseconds: Int64 }\n"
            + "package struct RawJSON: Sendable { package var utf8: [UInt8] }\n"
        try alone.write(to: folder.appendingPathComponent("SQL.swift"), atomically: false, encoding: .utf8)
        try "func use(_ text: String) {\n    \(line)\n    _ = sql\n}\n"
            .write(to: folder.appendingPathComponent("main.swift"), atomically: false, encoding: .utf8)
        return try await onQueue {
            try ChildProcess.run(
                "/usr/bin/env",
                [
                    "swiftc", "-typecheck", "-swift-version", "6", "-package-name", "lockstep", "SQL.swift",
                    "main.swift",
                ],
                folder: folder.path,
                environment: ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" })
        }
    }
}
