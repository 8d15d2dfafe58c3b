import API
import Accounts
import Flags
import HTTPTypes
import Persistence
import Sync
import TestSupport
import Testing

@Suite struct FlagsRoutesTests {
    private func calls(_ database: Database, reportsPerMinute: Int = 0) -> RouterCalls {
        RouterCalls(as: nil) { routes in
            FlagsRoutes(
                repository: PostgresFlags(database: database), origins: OriginPolicy(allowed: []),
                reportsPerMinute: reportsPerMinute
            ).add(to: routes)
        }
    }

    private let report: JSON = .object(["mode": .string("enforce"), "counts": .object(["wallet": .int(2)])])

    @Test("Everybody reads the flags, and is told when they have them already")
    func list() async throws {
        try await withTestDatabase { database, _ in
            let calls = calls(database)
            let list = try await calls.get("/flags")
            let flags = try list.read(FlagList.self).flags
            #expect(flags.map(\.name) == ["DISABLE_MASS_LOCAL_PERSISTENCE"] && list.tag == "\"\(flags[0].version)\"")
            let again = try await calls.get("/flags", headers: [.ifNoneMatch: list.tag ?? ""])
            #expect(again.status == 304 && again.body.isEmpty)
        }
    }

    @Test("A report is counted; a foreign page's, a wrong one and one too many are refused")
    func reports() async throws {
        try await withTestDatabase { database, _ in
            let calls = calls(database, reportsPerMinute: 4)
            #expect(try await calls.post("/flags/reports", report).status == 204)
            #expect(try await PostgresFlags(database: database).reported().map(\.count) == [2])
            let own: HTTPFields = [.origin: "http://lockstep.example"]
            #expect(try await calls.post("/flags/reports", report, headers: own).status == 204)
            let foreign = try await calls.post("/flags/reports", report, headers: [.origin: "https://evil.example"])
            #expect(try foreign.said == "403 cross_origin")
            let wrong = try await calls.post("/flags/reports", .object(["mode": .string("off")]))
            #expect(try wrong.said == "422 invalid_body")
            _ = try await calls.post("/flags/reports", .object(["mode": .string("report"), "counts": .object([:])]))
            let late = try await calls.post("/flags/reports", report)
            #expect(try late.said == "429 rate_limited" && late.headers[.retryAfter] != nil)
            #expect(try await PostgresFlags(database: database).reported().map(\.count) == [4])
        }
    }
}
