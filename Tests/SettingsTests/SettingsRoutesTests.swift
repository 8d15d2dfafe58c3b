import API
import Accounts
import FoundationEssentials
import HTTPTypes
import Persistence
import Settings
import Sync
import TestSupport
import Testing

@Suite struct SettingsRoutesTests {
    private func calls(_ person: Person) -> RouterCalls {
        RouterCalls(as: person) { routes in
            let dispatcher = MutationDispatcher(
                handlers: SettingsMutations(repository: person.settings).handlers, repository: person.sync,
                announce: { _ in })
            SettingsRoutes(repository: person.settings, dispatcher: dispatcher, unsent: UnsentBudget()).add(to: routes)
        }
    }

    @Test("A setting is written, read, listed, changed and deleted, and its former values are kept")
    func settings() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            let set = try await ada.post("/settings", .object(["key": .string("theme"), "value": .string("dark")]))
            #expect(try set.status == 200 && set.read(Setting.self).value.text == "\"dark\"")
            #expect(set.tag == "\"1\"" && set.headers[.cacheControl] == "no-store")
            let read = try await ada.get("/settings/theme")
            #expect(try read.read(Setting.self) == set.read(Setting.self) && read.tag == "\"1\"")
            let patched = try await ada.send(
                .patch, "/settings", .object(["theme": .string("light"), "b": .int(1), "c": .null]))
            #expect(try patched.read(SettingList.self).settings.map(\.key) == ["b", "theme"])
            let list = try await ada.get("/settings")
            #expect(try list.read(SettingList.self).settings.map(\.version) == [2, 2] && list.tag == "\"2\"")
            let history = try await ada.get("/settings/theme/history").read(SettingHistory.self).history
            #expect(history.map(\.value.text) == ["\"dark\""] && history.map(\.deviceName) == ["laptop"])
            #expect(try await ada.send(.delete, "/settings/theme").status == 204)
            #expect(try await ada.get("/settings/theme").said == "404 not_found")
            #expect(try await ada.send(.delete, "/settings").status == 204)
            #expect(try await ada.get("/settings").read(SettingList.self).settings.isEmpty)
        }
    }

    @Test("Who has it already is told so, with the tag, and a HEAD is answered without a body")
    func tags() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set("theme", .string("dark"))
            let calls = calls(ada)
            for path in ["/settings", "/settings/theme"] {
                let again = try await calls.get(path, headers: [.ifNoneMatch: "\"1\""])
                #expect(again.status == 304 && again.tag == "\"1\"" && again.body.isEmpty)
                #expect(try await calls.get(path, headers: [.ifNoneMatch: "\"0\""]).status == 200)
                let head = try await calls.send(.head, path)
                #expect(head.status == 200 && head.tag == "\"1\"" && head.body.isEmpty)
            }
        }
    }

    @Test("A key gives the first answer again, and is refused to another request")
    func keys() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            let key = UUID.v7()
            func set(_ value: Int, _ key: UUID?) async throws -> Answer {
                try await ada.post("/settings", .object(["key": .string("n"), "value": .int(value)]), key: key)
            }
            let first = try await set(1, key)
            let again = try await set(1, key)
            #expect(!first.isReplayed && again.isReplayed)
            #expect(again.body == first.body && again.tag == first.tag)
            #expect(try await set(2, key).said == "422 idempotency_key_reused")
            let wrong = try await ada.post(
                "/settings", .object(["key": .string("n"), "value": .int(3)]),
                headers: [.idempotencyKey: "not a key"])
            #expect(try wrong.said == "400 invalid_idempotency_key")
        }
    }

    @Test("If-Match lets nobody write over what they have not seen")
    func preconditions() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            func set(_ value: Int, _ match: String) async throws -> Answer {
                try await ada.post(
                    "/settings", .object(["key": .string("n"), "value": .int(value)]), headers: [.ifMatch: match])
            }
            #expect(try await set(1, "*").said == "412 version_mismatch")
            _ = try await ada.post("/settings", .object(["key": .string("n"), "value": .int(1)]))
            #expect(try await set(2, "W/\"1\"").status == 200)
            let stale = try await set(3, "\"1\"")
            #expect(try stale.said == "412 version_mismatch" && stale.json["current"]?["version"]?.integer == 2)
            #expect(try await set(3, "x").said == "400 invalid_if_match")
        }
    }

    @Test("What cannot be is refused by its code, with a pointer to each fault")
    func refusals() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let calls = calls(ada)
            let wrong: [(JSON, String, String)] = [
                (.object(["key": .string("a b"), "value": .int(1)]), "422 invalid_setting", "/key"),
                (.object(["key": .string("theme"), "value": .string("blue")]), "422 invalid_setting", "/value"),
                (.object(["key": .string("n"), "value": .null]), "422 invalid_setting", "/value"),
                (.object(["key": .string("n")]), "422 invalid_body", "/value"), (.array([]), "422 invalid_body", ""),
            ]
            for (body, said, pointer) in wrong {
                let answer = try await calls.post("/settings", body)
                #expect(try answer.said == said && answer.headers[.contentType] == "application/problem+json")
                guard case .array(let faults)? = try answer.json["errors"] else {
                    Issue.record("\(body) has no faults")
                    continue
                }
                #expect(faults.compactMap { $0["pointer"]?.string } == [pointer], "\(body)")
            }
            let both = try await calls.send(.patch, "/settings", .object(["a b": .int(1), "theme": .int(1)]))
            #expect(try both.said == "422 invalid_setting")
            #expect(try await calls.send(.patch, "/settings", .object([:])).said == "422 invalid_body")
            #expect(try await calls.get("/settings/none").said == "404 not_found")
            #expect(try await calls.get("/settings/a%20b").said == "404 not_found")
            let text = try await calls.post(
                "/settings", .object(["key": .string("n"), "value": .int(1)]),
                headers: [.contentEncoding: "gzip"])
            #expect(try text.said == "415 unsupported_media_type")
            try await PostgresSession.run(
                """
                INSERT INTO user_settings (user_id, key, value, version, updated_at, device_id)
                SELECT '\(ada.user.id.text)', 'k' || n, '1', 1, now(), '\(ada.device.text)'
                FROM generate_series(1, 1000) AS n
                """, at: url)
            let full = try await calls.post("/settings", .object(["key": .string("more"), "value": .int(1)]))
            #expect(try full.said == "409 too_many_settings")
            #expect(try full.json["detail"]?.string?.hasPrefix("A user has at most 1000 settings") == true)
        }
    }

    @Test("Without signing in there are no settings, and another user's are not seen")
    func strangers() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set("theme", .string("dark"))
            #expect(try await calls(ada).signedOut.get("/settings").said == "401 unauthenticated")
            let ben = calls(try await Person.register(database))
            #expect(try await ben.get("/settings/theme").said == "404 not_found")
            #expect(try await ben.get("/settings").read(SettingList.self).settings.isEmpty)
        }
    }
}
