import API
import Foundation
import TestSupport
import Testing

@testable import Persistence

@Suite struct RowTests {
    @Test("Every type comes back as it was bound")
    func roundTrip() async throws {
        try await withTestDatabase { database, _ in
            let id = UUID()
            let time = Timestamp(microseconds: 1_768_046_400_123_456)
            let before = Timestamp(microseconds: -5_000_000)
            let text = "ünïcode 🧭 'quotes' \\ \u{1}"
            let json = RawJSON(utf8: Array(#"{"a":1e308,"b":[null]}"#.utf8))
            let rows = try await database.read(
                """
                SELECT \(text) AS text, \(Int64.min) AS low, \(Int.max) AS high, \(true) AS yes, \(false) AS no,
                    \(-0.1) AS real, \(id) AS id, \(time) AS time, \(before) AS before, \(json) AS json,
                    \([UInt8]([0, 1, 255])) AS bytes, \([UInt8]()) AS none, \("") AS empty
                """)
            let row = try #require(rows.first)
            #expect(try row.decode("text") == text)
            #expect(try row.decode("low") == Int64.min)
            #expect(try row.decode("high") == Int.max)
            #expect(try row.decode("yes") == true)
            #expect(try row.decode("no") == false)
            #expect(try row.decode("real") == -0.1)
            #expect(try row.decode("id") == id)
            #expect(try row.decode("time") == time)
            #expect(try row.decode("before") == before)
            #expect(try row.decode("json") == json)
            #expect(try row.decode("bytes", as: Bytes.self).bytes == [0, 1, 255])
            #expect(try row.decode("none", as: Bytes.self).bytes.isEmpty)
            #expect(try row.decode("empty") == "")
        }
    }

    @Test("What is bound is what PostgreSQL sees, not only what comes back")
    func meaning() async throws {
        try await withTestDatabase { database, _ in
            let time = Timestamp(microseconds: 1_768_046_400_123_456)
            let id = UUID()
            let rows = try await database.read(
                """
                SELECT \(time) = '2026-01-10T12:00:00.123456Z'::timestamptz AS time, \(id)::text AS id,
                    \(-1.5)::text AS real, octet_length(\("é")) AS length, (\(["x", "y"]))[2] AS second
                """)
            let row = try #require(rows.first)
            #expect(try row.decode("time") == true)
            #expect(try row.decode("id") == id.text)
            #expect(try row.decode("real") == "-1.5")
            #expect(try row.decode("length") == 2)
            #expect(try row.decode("second") == "y")
        }
    }

    @Test("Values of a composite type come in an array, each column by its place")
    func records() async throws {
        try await withTestDatabase { database, url in
            try await PostgresSession.run("CREATE TYPE pair AS (a text, b bigint, c json)", at: url)
            let rows = try await database.read(
                """
                SELECT ARRAY[('x', 1, '{"y":2}'), (NULL, 2, NULL)]::pair[] AS some, NULL::pair[] AS none, \
                ARRAY[]::pair[] AS empty, ARRAY[NULL]::pair[] AS broken
                """)
            let row = try #require(rows.first)
            let some = try row.decode("some", as: [Record].self)
            #expect(try some.map { try $0.decode(0, as: String?.self) } == ["x", nil])
            #expect(try some.map { try $0.decode(1, as: Int.self) } == [1, 2])
            #expect(
                try some.map { try $0.decode(2, as: RawJSON?.self) } == [RawJSON(utf8: Array(#"{"y":2}"#.utf8)), nil])
            #expect(throws: DatabaseError.self) { try some[1].decode(0, as: String.self) }
            #expect(throws: DatabaseError.self) { try some[0].decode(1, as: String.self) }
            #expect(throws: DatabaseError.self) { try some[0].decode(3, as: String.self) }
            #expect(try row.decode("none", as: [Record]?.self)?.count == nil)
            #expect(try row.decode("empty", as: [Record].self).isEmpty)
            #expect(throws: DatabaseError.self) { try row.decode("broken", as: [Record].self) }
        }
    }

    @Test("NULL of every type is bound and read")
    func nulls() async throws {
        try await withTestDatabase { database, _ in
            let rows = try await database.read(
                """
                SELECT \(String?.none) AS text, \(Int64?.none) AS number, \(Bool?.none) AS flag, \(Double?.none) AS real,
                    \(UUID?.none) AS id, \(Timestamp?.none) AS time, \(RawJSON?.none) AS json, \([String]?.none) AS list
                """)
            let row = try #require(rows.first)
            #expect(try row.decode("text", as: String?.self) == nil)
            #expect(try row.decode("number", as: Int64?.self) == nil)
            #expect(try row.decode("flag", as: Bool?.self) == nil)
            #expect(try row.decode("real", as: Double?.self) == nil)
            #expect(try row.decode("id", as: UUID?.self) == nil)
            #expect(try row.decode("time", as: Timestamp?.self) == nil)
            #expect(try row.decode("json", as: RawJSON?.self) == nil)
            #expect(try row.decode("list", as: [String]?.self) == nil)
        }
    }

    @Test("Lists bind as one array: empty ones, ones with NULL, ones of every element type")
    func arrays() async throws {
        try await withTestDatabase { database, _ in
            let ids = [UUID(), UUID()]
            let holed: [RawJSON?] = [RawJSON(utf8: Array("1".utf8)), nil]
            let rows = try await database.read(
                """
                SELECT \(["a", "", "ü"]) AS texts, \([String]()) AS none, \([Int64.min, 0, 7]) AS numbers, \(ids) AS ids,
                    \(holed) AS holed, cardinality(\([UUID]())) AS count, (\(holed))[2] IS NULL AS null
                """)
            let row = try #require(rows.first)
            #expect(try row.decode("texts") == ["a", "", "ü"])
            #expect(try row.decode("none") == [String]())
            #expect(try row.decode("numbers") == [Int64.min, 0, 7])
            #expect(try row.decode("ids") == ids)
            #expect(try row.decode("holed") == holed)
            #expect(try row.decode("count") == 0)
            #expect(try row.decode("null") == true)
            #expect(throws: DatabaseError.self) { try row.decode("holed", as: [RawJSON].self) }
        }
    }

    @Test("A value that cannot be read names the column, the type wanted and what was found")
    func undecodable() async throws {
        try await withTestDatabase { database, _ in
            let rows = try await database.read("SELECT 'x'::text AS name, NULL::text AS missing, 1.5::numeric AS odd")
            let row = try #require(rows.first)
            func message(_ body: () throws -> Void) -> String {
                do {
                    try body()
                    return "nothing was thrown"
                } catch let error as DatabaseError where error.kind == .undecodable {
                    return error.message
                } catch {
                    return "\(error)"
                }
            }
            #expect(
                message { _ = try row.decode("name", as: Int64.self) }
                    == "column name should be Int64, but text of 1 bytes stands there")
            #expect(
                message { _ = try row.decode("missing", as: String.self) }
                    == "column missing should be String, but NULL stands there")
            #expect(
                message { _ = try row.decode("odd", as: Double.self) }
                    == "column odd should be Double, but the type with oid 1700 stands there")
            #expect(
                message { _ = try row.decode("nowhere", as: String?.self) }
                    == "column nowhere should be Optional<String>, but there is no such column")
        }
    }

    @Test("A NUL character in text is refused, not cut off")
    func refusesNUL() async throws {
        try await withTestDatabase { database, _ in
            let error = await #expect(throws: DatabaseError.self) {
                try await database.read("SELECT \("admin\0evil") AS name")
            }
            #expect(error?.sqlState == "22021")
            #expect(error?.kind == .refused)
        }
    }
}
