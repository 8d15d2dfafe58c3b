import API
import Accounts
import Focus
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@Suite struct FocusModelsTests {
    /// The document `focus/active` of a person; nil: no session is live.
    private func active(_ person: Person) async throws -> FocusSession? {
        let document = try #require(try await person.documents()["focus/active"])
        return try document.map { try FocusSession(exactly: $0) }
    }

    private func body(_ applied: Applied) throws -> FocusSession {
        try FocusSession(exactly: try #require(applied.outcome.output))
    }

    @Test("A session is its type in every state, as an answer and as a document")
    func states() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            let started = try body(try await ada.start(.shortBreak, seconds: 300, title: "tea", id: id))
            #expect(started.id == id && started.status == .active && started.mode == .shortBreak)
            #expect(started.taskTitle == "tea" && started.endsAt != nil && started.completedAt == nil)
            #expect((299...300).contains(try #require(started.remainingSeconds)))
            let document = try #require(try await active(ada))
            #expect(document.remainingSeconds == nil && document.endsAt == started.endsAt)

            #expect(try body(try await ada.pause()).status == .paused)
            let paused = try #require(try await active(ada))
            #expect(paused.status == .paused && paused.endsAt == nil && paused.pausedAt != nil)
            #expect(paused.pauseCount == 1 && paused.remainingSeconds != nil)
            #expect(try body(try await ada.resume()).status == .active)
            #expect(try await active(ada)?.pausedAt == nil)

            #expect(try body(try await ada.abandon(id)).status == .abandoned)
            #expect(try await active(ada) == nil)
            for (seconds, wait, status) in [(60, 61, "completed"), (60, 0, "expired")] as [(Int64, Int64, String)] {
                let next = UUID.v7()
                try await ada.start(seconds: seconds, id: next)
                if wait == 0 { try await ada.pause() }
                try await ada.pass(wait == 0 ? 3_601 : wait, url)
                _ = try await ada.focus.settle(ada.user.id)
                let ended = try FocusSession(exactly: try #require(try await ada.session(next)))
                #expect(ended.status.rawValue == status && (ended.completedAt != nil) == (status == "completed"))
                #expect(try await active(ada) == nil)
            }
            let all = try await ada.focus.sessions(of: ada.user.id, before: nil, limit: 10)
            #expect(try all.map { try FocusSession(exactly: $0.session).status } == [.expired, .completed, .abandoned])
        }
    }

    @Test("The OpenAPI document says of focus what the types say")
    func openAPI() throws {
        let types: [String: any Model.Type] = [
            "get /api/focus": FocusSessionPage.self, "post /api/focus": FocusSession.self,
            "get /api/focus/active": ActiveSession.self, "get /api/focus/pause": PauseState.self,
            "post /api/focus/pause": FocusSession.self, "delete /api/focus/pause": FocusSession.self,
            "get /api/focus/stats": FocusStatistics.self, "post /api/focus/{id}/complete": FocusSession.self,
            "post /api/focus/{id}/abandon": FocusSession.self,
        ]
        #expect(try OpenAPIDocument.published.faults(below: "/api/focus", types) == [])
    }
}
