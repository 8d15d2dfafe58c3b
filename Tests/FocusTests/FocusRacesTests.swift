import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Focus

/// Two devices at the same instant, at two processes, a hundred times each.
@Suite struct FocusRacesTests {
    private static let rounds = 100

    private func withTwoDevices(_ body: @Sendable (Person, Person, String) async throws -> Void) async throws {
        try await withTestDatabase { database, url in
            let other = try openDatabase(url, connections: 4)
            defer { other.close() }
            for _ in 0..<Self.rounds {
                let ada = try await Person.register(database)
                let phone = try await ada.onAnotherDevice()
                try await body(
                    ada, phone.through(other), url)
            }
        }
    }

    @Test("Of two starts one wins, and the other gets the winner's session")
    func starts() async throws {
        try await withTwoDevices { one, other, _ in
            let (a, b) = (UUID.v7(), UUID.v7())
            async let first = one.start(id: a)
            async let second = other.start(id: b)
            let outcomes = try await [first.outcome, second.outcome]
            #expect(outcomes.map(\.status.rawValue).sorted() == ["applied", "rejected"])
            let problem = try #require(outcomes.compactMap(\.problem).first)
            let winner = outcomes[0].status == .applied ? a : b
            #expect(problem.code == "session_live" && problem.members["session"]?["id"]?.string == winner.text)
            #expect(try await one.head() == 1)
        }
    }

    @Test("Of two starts that replace, the later one's session is live and the other's abandoned")
    func replacing() async throws {
        try await withTwoDevices { one, other, _ in
            async let first = one.start(replacing: true)
            async let second = other.start(replacing: true)
            let applied = try await [first, second].sorted { $0.outcome.head < $1.outcome.head }
            #expect(applied.map { $0.outcome.head } == [1, 2])
            let live = try await one.focus.live(of: one.user.id)
            #expect(live.pause.sessionID?.text == (try applied[1].session?["id"]?.string))
            let sessions = try await one.focus.sessions(of: one.user.id, before: nil, limit: 10)
            #expect(sessions.count == 2)
        }
    }

    @Test("Of two pauses one changes something, and the other is refused with the session as that left it")
    func pauses() async throws {
        try await withTwoDevices { one, other, _ in
            try await one.start()
            async let first = one.pause()
            async let second = other.pause()
            let outcomes = try await [first.outcome, second.outcome]
            #expect(outcomes.map(\.status.rawValue).sorted() == ["applied", "rejected"])
            let problem = try #require(outcomes.compactMap(\.problem).first)
            #expect(problem.code == "not_active" && problem.members["session"]?["version"]?.integer == 2)
            #expect(try await one.head() == 2)
        }
    }

    @Test("However many complete a due session at once, schedulers and devices, it is completed once, at its time")
    func completions() async throws {
        try await withTwoDevices { one, other, url in
            let id = UUID.v7()
            try await one.start(seconds: 60, id: id)
            try await one.pass(90, url)
            async let scheduler = one.focus.settle(one.user.id)
            async let another = other.focus.settle(one.user.id)
            async let device = one.complete(id)
            async let late = other.abandon(id)
            let changes = try await [scheduler?.change, another?.change, device.change, late.change].compactMap(\.self)
            #expect(changes.count == 1 && changes.first?.version == 2)
            #expect(try await late.outcome.problem?.code == "already_ended")
            let session = try #require(try await one.session(id))
            #expect(session["completed_at"] == session["ends_at"] && session["version"]?.integer == 2)
        }
    }

    @Test("First stop wins: a pause and an abandonment at once leave what came first, or both in their order")
    func stops() async throws {
        try await withTwoDevices { one, other, _ in
            let id = UUID.v7()
            try await one.start(id: id)
            async let pause = one.pause(base: 1)
            async let abandon = other.abandon(id, base: 1)
            let outcomes = try await [pause.outcome, abandon.outcome]
            #expect(outcomes.map(\.status.rawValue).sorted() == ["applied", "conflict"])
            let status = try await one.session(id)?["status"]?.string
            #expect(status == (outcomes[0].status == .applied ? "paused" : "abandoned"))
        }
    }
}
