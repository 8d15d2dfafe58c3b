import API
import Accounts
import Focus
import FoundationEssentials
import HTTPTypes
import Logging
import NIOPosix
import Persistence
import Sync
import TestSupport
import Testing

@Suite struct FocusRoutesTests {
    private func calls(_ person: Person) -> RouterCalls {
        RouterCalls(as: person) { routes in
            let announce: Announce = { _ in }
            let dispatcher = MutationDispatcher(
                handlers: FocusMutations(repository: person.focus).handlers, repository: person.sync, announce: announce
            )
            let scheduler = SessionScheduler(
                repository: person.focus, announce: announce, loop: MultiThreadedEventLoopGroup.singleton.next(),
                logger: Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() }))
            FocusRoutes(repository: person.focus, dispatcher: dispatcher, scheduler: scheduler).add(to: routes)
        }
    }

    @Test("A session is started under its key, paused, resumed and abandoned, and each answer is the session")
    func session() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            let idle = try await ada.get("/focus/active")
            #expect(try !idle.read(ActiveSession.self).sessionActive && idle.tag == "\"0\"")
            #expect(try await ada.get("/focus/pause").read(PauseState.self).sessionID == nil)

            let key = UUID.v7()
            let started = try await ada.post("/focus", .object(["task_title": .string("write")]), key: key)
            #expect(try started.status == 201 && started.read(FocusSession.self).id == key && started.tag == "\"1\"")
            #expect(try started.read(FocusSession.self).durationSeconds == 1_500)
            let again = try await ada.post("/focus", .object(["task_title": .string("write")]), key: key)
            #expect(again.status == 201 && again.isReplayed && again.body == started.body)

            let paused = try await ada.post("/focus/pause")
            #expect(try paused.status == 200 && paused.read(FocusSession.self).status == .paused)
            let state = try await ada.get("/focus/pause")
            #expect(try state.read(PauseState.self).isPaused && state.tag == "\"2\"")
            #expect(try state.read(PauseState.self).sessionID == key)
            #expect(try await ada.send(.delete, "/focus/pause").read(FocusSession.self).status == .active)
            let live = try await ada.get("/focus/active")
            #expect(try live.read(ActiveSession.self).session?.id == key && live.tag == "\"3\"")
            let ended = try await ada.post("/focus/\(key.text)/abandon")
            #expect(try ended.read(FocusSession.self).status == .abandoned)
            #expect(try await ada.get("/focus/active").read(ActiveSession.self).session == nil)
        }
    }

    @Test("One that is due is ended before anybody sees it run on, and pays")
    func due() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            try await ada.start(seconds: 300, id: id)
            try await ada.pass(301, url)
            #expect(try await calls(ada).get("/focus/active").read(ActiveSession.self).session == nil)
            let sessions = try await calls(ada).get("/focus").read(FocusSessionPage.self).sessions
            #expect(sessions.map(\.status) == [.completed] && sessions.map(\.coinsAwarded) == [2])
            let completed = try await calls(ada).post("/focus/\(id.text)/complete")
            #expect(try completed.status == 200 && completed.read(FocusSession.self).status == .completed)
            let statistics = try await calls(ada).get("/focus/stats?days=2&tz=UTC").read(FocusStatistics.self)
            #expect(statistics.sessions == 1 && statistics.focusSeconds == 300 && statistics.coinsAwarded == 2)
            #expect(statistics.perDay.count == 2)
        }
    }

    @Test("Each refusal has its code, says what is in the way, and changes nothing")
    func refusals() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            #expect(try await ada.post("/focus/pause").said == "404 no_session")
            #expect(try await ada.send(.delete, "/focus/pause").said == "404 no_session")
            let id = UUID.v7()
            _ = try await ada.post("/focus", .object(["duration_seconds": .int(600)]), key: id)
            let second = try await ada.post("/focus")
            #expect(try second.said == "409 session_live" && second.json["session"]?["id"]?.string == id.text)
            #expect(try await ada.send(.delete, "/focus/pause").said == "409 not_paused")
            let early = try await ada.post("/focus/\(id.text)/complete")
            let left = try #require(try early.json["remaining_seconds"]?.integer)
            #expect(try early.said == "409 too_early" && (595...600).contains(left))
            #expect(try early.json["detail"]?.string?.hasPrefix("It has \(left) s to go; ") == true)
            _ = try await ada.post("/focus/pause")
            #expect(try await ada.post("/focus/pause").said == "409 not_active")
            let stale = try await ada.post("/focus/\(id.text)/abandon", headers: [.ifMatch: "\"1\""])
            #expect(try stale.said == "412 version_mismatch" && stale.json["current"]?["status"]?.string == "paused")
            #expect(try await ada.post("/focus", .object(["replace": .bool(true)])).status == 201)
            #expect(try await ada.post("/focus/\(id.text)/abandon").said == "409 already_ended")
            for path in ["/focus/\(UUID.v7().text)/abandon", "/focus/x/complete"] {
                #expect(try await ada.post(path).said == "404 not_found")
            }
            for body: JSON.Members in [
                ["mode": .string("nap")], ["duration_seconds": .int(14_401)], ["duration_seconds": .int(0)],
                ["task_title": .string(String(repeating: "x", count: 201))],
            ] {
                #expect(try await ada.post("/focus", .object(body)).said == "422 invalid_body", "\(body)")
            }
            for query in ["days=0", "days=367", "tz=Mars/Olympus"] {
                #expect(try await ada.get("/focus/stats?\(query)").said == "422 invalid_query", "\(query)")
            }
            #expect(try await ada.get("/focus?limit=101").said == "422 invalid_query")
            #expect(try await ada.get("/focus?before=x").said == "422 invalid_query")
            #expect(try await ada.signedOut.get("/focus/active").said == "401 unauthenticated")
        }
    }

    @Test("Sessions come in pages, newest first, and to their user alone")
    func pages() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            for _ in 0..<3 { try await ada.start(replacing: true) }
            let first = try await calls(ada).get("/focus?limit=2").read(FocusSessionPage.self)
            let next = try #require(first.next)
            let rest = try await calls(ada).get("/focus?limit=2&before=\(next)").read(FocusSessionPage.self)
            #expect(
                first.sessions.map(\.status) == [.active, .abandoned] && rest.sessions.map(\.status) == [.abandoned])
            #expect(rest.next == nil)
            let ben = calls(try await Person.register(database))
            #expect(try await ben.get("/focus").read(FocusSessionPage.self).sessions.isEmpty)
            #expect(try await ben.post("/focus/\(first.sessions[0].id.text)/abandon").said == "404 not_found")
        }
    }
}
