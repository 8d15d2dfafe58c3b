import API
import FoundationEssentials
import Sync
import Synchronization
import Testing

@testable import Focus

@Suite struct FocusMutationsTests {
    private func prepare(_ name: String, _ text: String) throws -> MutationHandler.Prepared {
        let handler = try #require(FocusMutations(repository: Nowhere()).handlers.first { $0.name == name })
        return try handler.prepare(try JSON(parsing: Array(text.utf8), deepest: 32))
    }

    private func pointers(_ name: String, _ text: String) throws -> [String] {
        do {
            _ = try prepare(name, text)
            return []
        } catch let problem as Problem {
            #expect(problem.status == 422 && problem.code == "invalid_body")
            return problem.errors.map(\.pointer)
        }
    }

    @Test("Defaults are filled in, so that a request that says them is the same request")
    func defaults() throws {
        let short = try prepare("focus.start", "{}").args
        let long = try prepare(
            "focus.start", #"{"mode":"focus","replace":false,"task_title":null,"duration_seconds":null,"more":1}"#
        ).args
        #expect(short == long)
        #expect(try prepare("focus.pause", "{}").args == prepare("focus.pause", #"{"id":null}"#).args)
        let id = "0190f5a4-7b5c-7cc4-8000-00000000000A"
        #expect(
            try prepare("focus.complete", #"{"id":"\#(id)"}"#).args
                == prepare("focus.complete", #"{"id":"\#(id.lowercased())"}"#).args)
    }

    @Test(
        "Lengths that are none are refused",
        arguments: ["0", "-1", "14401", "1.5", "1e9", "\"60\"", "true", "[]", "9223372036854775808"])
    func lengths(text: String) throws {
        #expect(try pointers("focus.start", #"{"duration_seconds":\#(text)}"#) == ["/duration_seconds"])
    }

    @Test("1 and 14,400 s are lengths, and so is 60.0")
    func lengthsThatAre() throws {
        for text in ["1", "14400", "60.0", "6e1"] {
            #expect(try pointers("focus.start", #"{"duration_seconds":\#(text)}"#).isEmpty)
        }
    }

    @Test("All that is wrong is said at once")
    func everything() throws {
        let title = String(repeating: "x", count: 201)
        let body = #"{"mode":"nap","duration_seconds":0,"task_title":"\#(title)","replace":"yes"}"#
        #expect(try pointers("focus.start", body) == ["/mode", "/duration_seconds", "/task_title", "/replace"])
        let fits = String(repeating: "é", count: 200)
        #expect(try pointers("focus.start", #"{"task_title":"\#(fits)","mode":"long_break"}"#).isEmpty)
    }

    @Test("What ends a session names it")
    func ids() throws {
        for name in ["focus.complete", "focus.abandon"] {
            #expect(try pointers(name, "{}") == ["/id"])
            #expect(try pointers(name, #"{"id":"seven"}"#) == ["/id"])
        }
        #expect(try pointers("focus.pause", #"{"id":7}"#) == ["/id"])
        #expect(try pointers("focus.resume", #"{"id":"x"}"#) == ["/id"])
    }
}

/// Reading arguments needs no storage.
private struct Nowhere: FocusRepository {
    func live(of user: UUID) async throws -> LiveSession { throw Problem.unavailable() }
    func sessions(of user: UUID, before: UUID?, limit: Int) async throws -> [(id: UUID, session: RawJSON)] { [] }
    func statistics(of user: UUID, days: Int, zone: TimeZoneName?) async throws -> FocusStatistics {
        throw Problem.unavailable()
    }
    func apply(_ mutation: SignedMutation, _ change: FocusChange) async throws -> Applied {
        throw Problem.unavailable()
    }
    func settle(_ user: UUID) async throws -> Applied? { nil }
    func settle(_ users: [UUID]) async throws -> [Change] { [] }
    func due(limit: Int) async throws -> DueSessions { DueSessions(users: [], next: nil) }
}
