import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Settings

@Suite struct SettingsRepositoryTests {
    @Test("A write moves the head by one, and says what changed")
    func write() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            let applied = try await ada.set("theme", .string("dark"), id: id)
            #expect(applied.outcome.status == .applied)
            #expect(applied.outcome.version == 1)
            #expect(applied.outcome.head == 1)
            let value = RawJSON(.string("dark"))
            let document = Document(collection: "settings", id: "theme", value: value, version: 1)
            #expect(applied.outcome.document == document)
            let change = try #require(applied.change)
            #expect(change.previous == 0 && change.version == 1)
            #expect(change.documents == [document])
            #expect(change.mutationIDs == [id])
            let setting = try #require(try await ada.settings.setting("theme", of: ada.user.id))
            #expect(setting.value == value && setting.version == 1)
            let body = try JSON(parsing: try #require(applied.outcome.output).utf8, deepest: 8)
            #expect(body["key"]?.string == "theme" && body["value"]?.string == "dark")
            #expect(body["updated_at"]?.string == setting.updatedAt.text)
            let (head, all) = try await ada.settings.settings(of: ada.user.id)
            #expect(head == 1 && all == [setting])
        }
    }

    @Test("Writing what is there already changes no version and tells nobody")
    func unchanged() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set("a", .int(1))
            try await ada.set("b", .int(2))
            let same = try await ada.set("a", .int(1))
            #expect(same.outcome.status == .applied && same.outcome.version == 1 && same.outcome.head == 2)
            #expect(same.change == nil)
            let patch = try await ada.patch(["a": .int(1), "b": .int(2), "none": nil])
            #expect(patch.change == nil && patch.outcome.head == 2)
            let gone = try await ada.delete("none")
            #expect(gone.outcome.status == .applied && gone.change == nil)
            #expect(try await ada.settings.history(of: "a", user: ada.user.id).isEmpty)
        }
    }

    @Test("A patch is carried out at one version, deletes included; clearing deletes all")
    func patchAndClear() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.patch(["a": .int(1), "b": .int(2), "c": .int(3)])
            let applied = try await ada.patch(["a": .int(1), "b": nil, "c": .int(4), "d": .int(5)])
            #expect(applied.outcome.version == 2)
            #expect(applied.change?.documents.map(\.id).sorted() == ["b", "c", "d"])
            #expect(applied.change?.documents.first { $0.id == "b" }?.value == nil)
            let body = try JSON(parsing: try #require(applied.outcome.output).utf8, deepest: 8)
            guard case .array(let settings)? = body["settings"] else { throw Problem.internalError }
            #expect(settings.map { $0["key"]?.string } == ["a", "c", "d"])
            #expect(settings.map { $0["version"]?.integer } == [1, 2, 2])
            let cleared = try await ada.clear()
            #expect(cleared.change?.documents.map(\.id).sorted() == ["a", "c", "d"])
            #expect(cleared.outcome.head == 3 && cleared.outcome.output == nil)
            #expect(try await ada.settings.settings(of: ada.user.id).settings.isEmpty)
            #expect(try await ada.clear().change == nil)
        }
    }

    @Test("The last 20 values are kept, newest first, with the device that wrote each")
    func history() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database, name: "laptop")
            let phone = try await ada.onAnotherDevice(name: "phone")
            for number in 1...25 { try await (number % 2 == 0 ? phone : ada).set("k", .int(number)) }
            try await ada.delete("k")
            let history = try await ada.settings.history(of: "k", user: ada.user.id)
            #expect(history.map(\.value.text) == (6...25).reversed().map(String.init))
            #expect(history.map(\.version) == (6...25).reversed().map { Int64($0) })
            #expect(history.map(\.deviceName) == (6...25).reversed().map { $0 % 2 == 0 ? "phone" : "laptop" })
            #expect(zip(history, history.dropFirst()).allSatisfy { $0.replacedAt >= $1.replacedAt })
        }
    }

    @Test("Settings come sorted by key, byte by byte")
    func sorted() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.patch([
                "b": .int(1), "B": .int(1), "a.b": .int(1), "a-b": .int(1), "a_b": .int(1), "1": .int(1),
            ])
            let keys = try await ada.settings.settings(of: ada.user.id).settings.map(\.key)
            #expect(keys == ["1", "B", "a-b", "a.b", "a_b", "b"])
        }
    }

    @Test("1,000 settings and no more; a patch that deletes one has room for another")
    func limit() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            var all: [Verbatim: JSON?] = [:]
            for number in 0..<1_000 { all["k\(number)"] = .int(number) }
            #expect(try await ada.patch(all).outcome.status == .applied)
            let refused = try await ada.set("more", .int(1))
            #expect(refused.outcome.status == .rejected)
            #expect(refused.outcome.problem?.code == "too_many_settings")
            #expect(refused.outcome.problem?.status == 409)
            #expect(refused.change == nil && refused.outcome.head == 1)
            #expect(try await ada.patch(["k0": nil, "x": .int(1), "y": .int(1)]).outcome.status == .rejected)
            #expect(try await ada.value(of: "k0") == "0")
            #expect(try await ada.patch(["k0": nil, "x": .int(1)]).outcome.status == .applied)
            #expect(try await ada.set("k1", .int(-1)).outcome.status == .applied)
        }
    }

    @Test("If-Match holds a write to the version that its writer saw")
    func preconditions() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let none = try await ada.set("k", .int(1), match: .exists)
            #expect(none.outcome.problem?.code == "version_mismatch")
            #expect(none.outcome.problem?.status == 412)
            try await ada.set("k", .int(1))
            #expect(try await ada.set("k", .int(2), match: .version(1)).outcome.version == 2)
            let stale = try await ada.set("k", .int(3), match: .version(1))
            #expect(stale.outcome.status == .rejected && stale.change == nil)
            #expect(stale.outcome.problem?.members["current"]?["version"]?.integer == 2)
            #expect(stale.outcome.problem?.members["current"]?["value"]?.integer == 2)
            #expect(try await ada.set("k", .int(3), match: .exists).outcome.version == 3)
            // Of several keys, against the head.
            #expect(try await ada.patch(["k": .int(4)], match: .version(2)).outcome.status == .rejected)
            #expect(try await ada.patch(["k": .int(4)], match: .version(3)).outcome.version == 4)
        }
    }

    @Test("Writers of one user in two processes get consecutive versions, and nothing is lost")
    func concurrentWriters() async throws {
        try await withTestDatabase { database, url in
            let other = try openDatabase(url, connections: 4)
            defer { other.close() }
            let ada = try await Person.register(database)
            let elsewhere = ada.through(other)
            let changes = try await withThrowingTaskGroup(of: (Version, Version).self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let writer = number % 2 == 0 ? ada : elsewhere
                        let change = try #require(try await writer.set("k\(number)", .int(number)).change)
                        return (change.previous, change.version)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(changes.map(\.1).sorted() == (1...100).map { Int64($0) })
            #expect(changes.allSatisfy { $0.0 + 1 == $0.1 })
            #expect(try await ada.settings.settings(of: ada.user.id).settings.count == 100)
        }
    }

    @Test("Values come back letter for letter")
    func letterForLetter() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            for text in ["1e308", "-0.1", #"{"b":1,"a":[true,null,"é🧭\\\""]}"#, #""""#, "[]", "9007199254740993"] {
                let value = try JSON(parsing: Array(text.utf8), deepest: 32)
                try await ada.set("k", value)
                #expect(try await ada.value(of: "k") == RawJSON(value).text)
            }
        }
    }

    @Test("Nobody sees or touches another user's settings")
    func apart() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            try await ada.set("k", .int(1))
            #expect(try await ben.value(of: "k") == nil)
            try await ben.clear()
            #expect(try await ada.value(of: "k") == "1")
            #expect(try await ben.settings.history(of: "k", user: ben.user.id).isEmpty)
        }
    }

    @Test("For an account that is gone nothing is written: unauthenticated")
    func goneAccount() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await PostgresSession.run("DELETE FROM users WHERE id = '\(ada.user.id.text)'", at: url)
            await #expect(throws: Problem.unauthenticated) { try await ada.set("k", .int(1)) }
            await #expect(throws: Problem.unauthenticated) { try await ada.settings.settings(of: ada.user.id) }
            #expect(try await PostgresSession.run("SELECT count(*) FROM user_settings", at: url) == [["0"]])
        }
    }
}
