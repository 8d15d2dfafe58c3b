import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Focus

@Suite struct FocusRepositoryTests {
    /// The test itself takes time, more of it on a busy machine.
    private func near(_ seconds: Int64?, _ expected: Int64) -> Bool {
        seconds.map { abs($0 - expected) <= 15 } ?? false
    }

    @Test("A session has its mutation's id, and its document is the session without what changes with time")
    func starts() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            let started = try await ada.start(title: "Write <b>it</b>", id: id)
            let session = try #require(try started.session)
            #expect(session["id"]?.string == id.text && session["status"]?.string == "active")
            #expect(session["remaining_seconds"]?.integer == 1_500)
            #expect(session["task_title"]?.string == "Write <b>it</b>" && session["version"]?.integer == 1)
            let document = try #require(started.change?.documents.first)
            #expect(document.collection == "focus" && document.id == "active" && document.version == 1)
            let value = try JSON(parsing: try #require(document.value).utf8, deepest: 8)
            #expect(value["remaining_seconds"] == .null && value["ends_at"] == session["ends_at"])
            let pulled = try await ada.sync.documents(of: ada.user.id, beyond: nil)
            #expect(pulled.documents.filter { $0.collection == "focus" } == started.change?.documents)
            let named = try await ada.sync.inventory(of: ada.user.id).documents.filter { $0.collection == "focus" }
            #expect(named.map(\.id) == ["active"])
            #expect(pulled.heads.due != nil)
        }
    }

    @Test("How long it lasts: as asked, as set, or as the mode has it; what is no length is passed over")
    func lengths() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            func length(_ mode: FocusSession.Mode) async throws -> Int64? {
                try await ada.start(mode, seconds: nil, replacing: true).session?["duration_seconds"]?.integer
            }
            #expect(try await length(.focus) == 1_500)
            #expect(try await length(.shortBreak) == 300)
            #expect(try await length(.longBreak) == 900)
            try await ada.set("focus.duration_seconds", .int(3_000))
            try await ada.set("break.duration_seconds", .string("x"))
            try await ada.set("long_break.duration_seconds", .int(14_401))
            #expect(try await length(.focus) == 3_000)
            #expect(try await length(.shortBreak) == 300)
            #expect(try await length(.longBreak) == 900)
            let said = try await ada.start(seconds: 7, replacing: true)
            #expect(try said.session?["duration_seconds"]?.integer == 7)
        }
    }

    @Test("A second session is refused with the live one, or replaces it at one version")
    func replaces() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let first = UUID.v7()
            try await ada.start(id: first)
            let refused = try await ada.start()
            #expect(refused.outcome.problem?.code == "session_live" && refused.outcome.problem?.status == 409)
            #expect(refused.outcome.problem?.members["session"]?["id"]?.string == first.text)
            #expect(refused.change == nil)
            try await ada.pass(60, url)
            let second = UUID.v7()
            let replaced = try await ada.start(seconds: 60, replacing: true, id: second)
            #expect(replaced.change?.version == 2 && replaced.change?.documents.count == 1)
            #expect(try await ada.session(first)?["status"]?.string == "abandoned")
            #expect(near(try await ada.session(first)?["remaining_seconds"]?.integer, 1_440))
            let value = try await ada.sync.documents(of: ada.user.id, beyond: Place(user: 1, shared: 0)).documents
            #expect(value.filter { $0.collection == "focus" } == replaced.change?.documents)
        }
    }

    @Test("Pause and resume: what was left stays, the end moves, and each is refused where it is so already")
    func pauses() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            #expect(try await ada.pause().outcome.problem?.code == "no_session")
            try await ada.start()
            try await ada.pass(600, url)
            let paused = try #require(try await ada.pause().session)
            #expect(paused["status"]?.string == "paused" && near(paused["remaining_seconds"]?.integer, 900))
            #expect(paused["ends_at"] == .null && paused["paused_at"]?.string != nil)
            #expect(paused["pause_count"]?.integer == 1)
            let again = try await ada.pause()
            #expect(again.outcome.problem?.code == "not_active" && again.change == nil)
            #expect(again.outcome.problem?.members["session"]?["version"]?.integer == 2)
            let live = try await ada.focus.live(of: ada.user.id)
            #expect(live.pause.isPaused && live.pause.version == 2 && near(live.pause.remainingSeconds, 900))
            try await ada.pass(300, url)
            let resumed = try #require(try await ada.resume().session)
            #expect(resumed["status"]?.string == "active" && near(resumed["paused_seconds"]?.integer, 300))
            #expect(near(resumed["remaining_seconds"]?.integer, 900) && resumed["paused_at"] == .null)
            #expect(try await ada.resume().outcome.problem?.code == "not_paused")
            #expect(try await ada.focus.live(of: ada.user.id).pause.resumedAt != nil)
        }
    }

    @Test("A session that ended while nobody looked ended at its time, whoever asks first")
    func settles() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            let ends = try #require(try await ada.start(seconds: 300, id: id).session?["ends_at"]?.string)
            try await ada.pass(1_000, url)
            #expect(try await ada.focus.live(of: ada.user.id).isDue)
            // A pause comes too late: it is refused, and what was due is told all the same.
            let late = try await ada.pause()
            #expect(late.outcome.problem?.code == "no_session")
            #expect(
                late.change?.documents.filter { $0.collection == "focus" }.map(\.value) == [nil]
                    && late.change?.version == 2)
            let session = try #require(try await ada.session(id))
            #expect(session["status"]?.string == "completed" && session["coins_awarded"]?.integer == 2)
            #expect(session["completed_at"] == session["ends_at"] && session["ends_at"]?.string != ends)
            #expect(try await ada.focus.settle(ada.user.id) == nil)
            #expect(try await ada.head() == 2)
        }
    }

    @Test("A pause of an hour expires the session at that hour; a shorter one does not")
    func expires() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            try await ada.start(id: id)
            try await ada.pause()
            try await ada.pass(3_500, url)
            #expect(try await ada.focus.settle(ada.user.id) == nil)
            #expect(try await ada.focus.due(limit: 10).users.isEmpty)
            try await ada.pass(100, url)
            #expect(try await ada.focus.due(limit: 10).users == [ada.user.id])
            #expect(try await ada.focus.settle(ada.user.id)?.change?.documents.first?.value == nil)
            let session = try #require(try await ada.session(id))
            #expect(session["status"]?.string == "expired" && session["completed_at"] == .null)
            #expect(try await ada.abandon(id).outcome.problem?.code == "already_ended")
            #expect(try await ada.complete(id).outcome.problem?.code == "already_ended")
        }
    }

    @Test("Complete: refused before time, done near the end, the same again afterwards")
    func completes() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            try await ada.start(seconds: 1_500, id: id)
            let early = try await ada.complete(id)
            #expect(early.outcome.problem?.code == "too_early" && early.change == nil)
            #expect(early.outcome.problem?.members["remaining_seconds"]?.integer == 1_500)
            try await ada.pass(1_499, url)
            let done = try await ada.complete(id)
            #expect(try done.session?["status"]?.string == "completed")
            #expect(try done.session?["coins_awarded"]?.integer == 10)
            let again = try await ada.complete(id)
            #expect(again.outcome.status == .applied && again.change == nil && !again.outcome.replayed)
            #expect(try again.session == done.session)
            #expect(try await ada.complete(.v7()).outcome.problem?.code == "not_found")
            let ben = try await Person.register(database)
            #expect(try await ben.complete(id).outcome.problem == ben.complete(.v7()).outcome.problem)
            #expect(try await ben.abandon(id).outcome.problem?.code == "not_found")
            #expect(try await ben.pause(id).outcome.problem?.code == "not_found")
        }
    }

    @Test("What a stale device says of a session moves nothing: a conflict with the truth, kept to be seen")
    func conflicts() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            let id = UUID.v7()
            try await ada.start(id: id)
            try await phone.pause()
            for applied in [
                try await ada.pause(base: 1), try await ada.resume(base: 1), try await ada.complete(id, base: 1),
                try await ada.abandon(id, base: 1), try await ada.start(replacing: true, base: 1),
                try await ada.start(base: 0),
            ] {
                #expect(applied.outcome.status == .conflict && applied.change == nil)
                #expect(applied.outcome.version == 2 && applied.outcome.document?.version == 2)
                let value = try JSON(parsing: try #require(applied.outcome.document?.value).utf8, deepest: 8)
                #expect(value["status"]?.string == "paused")
            }
            let kept = try await ada.conflicts()
            #expect(kept.count == 6 && kept.allSatisfy { $0.current.version == 2 && $0.current.collection == "focus" })
            #expect(kept.last?.lostValue?.text.contains("paused") == true)
            // Ended by another meanwhile: the truth is that there is none.
            try await phone.abandon(id)
            let late = try await ada.complete(id, base: 1)
            #expect(late.outcome.status == .conflict && late.outcome.document?.value == nil)
            #expect(try await ada.session(id)?["status"]?.string == "abandoned")
        }
    }

    @Test("A device's own changes are no conflicts, and who completes what is completed has lost nothing")
    func ownQueue() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let first = UUID.v7()
            // All of it queued offline, on the knowledge that there is no session.
            try await ada.start(id: first, base: 0)
            #expect(try await ada.pause(first, base: 0).outcome.status == .applied)
            #expect(try await ada.resume(first, base: 0).outcome.status == .applied)
            try await ada.pass(2_000, url)
            _ = try await ada.focus.settle(ada.user.id)
            let done = try await ada.complete(first, base: 0)
            #expect(done.outcome.status == .applied && done.change == nil)
            // The scheduler wrote meanwhile, and nothing is live: a start is welcome, and what follows it too.
            let second = UUID.v7()
            #expect(try await ada.start(id: second, base: 3).outcome.status == .applied)
            #expect(try await ada.pause(second, base: 3).outcome.status == .applied)
            #expect(try await ada.conflicts().isEmpty)
        }
    }

    @Test("An id gives its first answer again, and one whose answer was forgotten makes no second session")
    func replays() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            let first = try await ada.start(id: id)
            let again = try await ada.start(id: id)
            #expect(again.outcome.replayed && again.change == nil && again.outcome.output == first.outcome.output)
            try await PostgresSession.run("DELETE FROM mutations", at: url)
            #expect(try await ada.start(id: id).outcome.problem?.code == "idempotency_key_reused")
            #expect(try await ada.head() == 1)
        }
    }

    @Test("A lost change whose answer was forgotten is refused under its id, not failed on for ever")
    func forgottenConflict() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            try await ada.start()
            try await phone.pause()
            let id = UUID.v7()
            #expect(try await ada.pause(id: id, base: 1).outcome.status == .conflict)
            try await PostgresSession.run("DELETE FROM mutations", at: url)
            await #expect(throws: Problem.keyReused) { try await ada.pause(id: id, base: 1) }
            #expect(try await ada.conflicts().map(\.id) == [id])
        }
    }

    @Test("If-Match holds a change to the version that its sender saw")
    func preconditions() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            #expect(try await ada.start(match: .exists).outcome.problem?.code == "version_mismatch")
            try await ada.start()
            let stale = try await ada.pause(match: .version(7))
            #expect(stale.outcome.problem?.status == 412 && stale.change == nil)
            #expect(stale.outcome.problem?.members["current"]?["version"]?.integer == 1)
            #expect(try await ada.pause(match: .version(1)).outcome.version == 2)
        }
    }

    @Test("Pages of sessions, newest first, hold each once")
    func pages() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            var made: [UUID] = []
            for _ in 0..<7 {
                made.append(.v7())
                try await ada.start(replacing: true, id: made[made.count - 1])
            }
            var seen: [UUID] = []
            var before: UUID?
            repeat {
                let page = try await ada.focus.sessions(of: ada.user.id, before: before, limit: 3)
                seen += page.map(\.id)
                before = page.last?.id
            } while before != nil
            #expect(seen == made.reversed())
            let ben = try await Person.register(database)
            #expect(try await ben.focus.sessions(of: ben.user.id, before: made[3], limit: 3).isEmpty)
        }
    }

    @Test("For an account that is gone nothing is written")
    func gone() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.start(seconds: 60)
            try await PostgresSession.run("SELECT account_erase('\(ada.user.id.text)')", at: url)
            await #expect(throws: Problem.unauthenticated) { try await ada.pause() }
            await #expect(throws: Problem.unauthenticated) { try await ada.focus.live(of: ada.user.id) }
            #expect(try await ada.focus.settle(ada.user.id) == nil)
            #expect(try await PostgresSession.run("SELECT count(*) FROM focus_sessions", at: url) == [["0"]])
        }
    }
}
