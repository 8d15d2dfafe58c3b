import API
import Accounts
import FoundationEssentials
import Persistence
import Settings
import TestSupport
import Testing

@testable import Sync

@Suite struct SyncRepositoryTests {
    @Test("What changed beyond a place comes in the order of versions, deleted ones too; a reset brings what lives")
    func changes() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set("a", .int(1))
            try await ada.set("b", .int(2))
            try await ada.set("a", .int(3))
            try await ada.delete("b")
            let all = try await ada.sync.documents(of: ada.user.id, beyond: nil)
            // What all users share is in it too.
            #expect(all.documents.filter { $0.collection == "settings" }.map(\.id) == ["a"])
            #expect(all.heads.place.user == 4)
            let shared = all.heads.place.shared
            let changed = try await ada.sync.documents(of: ada.user.id, beyond: Place(user: 1, shared: shared))
            #expect(changed.documents.map(\.id) == ["a", "b"])
            #expect(changed.documents.map(\.version) == [3, 4])
            #expect(changed.documents.map { $0.value?.text } == ["3", nil])
            let none = try await ada.sync.documents(of: ada.user.id, beyond: all.heads.place)
            #expect(none.documents.isEmpty)
            let heads = try await ada.sync.heads(of: ada.user.id)
            #expect(heads.cursor == none.heads.cursor)
            let inventory = try await ada.sync.inventory(of: ada.user.id)
            let named = Set(all.documents.map { "\($0.collection) \($0.id) \($0.version)" })
            #expect(Set(inventory.documents.map { "\($0.collection) \($0.id) \($0.version)" }) == named)
            #expect(named.contains("settings a 3"))
        }
    }

    @Test("An id seen before gives its first answer again, through any device and process, a refusal too")
    func replay() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            let first = try await ada.set("k", .int(1), id: id)
            try await ada.set("k", .int(2))
            let other = try openDatabase(url, connections: 2)
            defer { other.close() }
            let phone = try await ada.onAnotherDevice()
            let again = try await phone.through(other)
                .set("k", .int(1), id: id)
            #expect(again.outcome.replayed && again.change == nil)
            #expect(again.outcome.version == 1 && again.outcome.document == first.outcome.document)
            #expect(again.outcome.output == first.outcome.output)
            #expect(try await ada.value(of: "k") == "2")

            let refused = UUID.v7()
            #expect(try await ada.set("k", .int(3), id: refused, match: .version(1)).outcome.status == .rejected)
            let refusedAgain = try await ada.set("k", .int(3), id: refused)
            #expect(refusedAgain.outcome.replayed && refusedAgain.outcome.problem?.code == "version_mismatch")
        }
    }

    @Test("Sent many times at once, a mutation happens once")
    func atOnce() async throws {
        try await withTestDatabase { database, url in
            let other = try openDatabase(url, connections: 4)
            defer { other.close() }
            let ada = try await Person.register(database)
            let elsewhere = ada.through(other)
            let id = UUID.v7()
            let fresh = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        let outcome = try await (number % 2 == 0 ? ada : elsewhere).set("k", .int(1), id: id).outcome
                        #expect(outcome.version == 1)
                        return !outcome.replayed
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(fresh == 1)
            #expect(try await ada.sync.heads(of: ada.user.id).place.user == 1)
        }
    }

    @Test("An id that belongs to another request is refused, and the first answer stays")
    func reuse() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            try await ada.set("k", .int(1), id: id)
            let reused = try await ada.set("k", .int(2), id: id)
            #expect(reused.outcome.status == .rejected)
            #expect(reused.outcome.problem?.code == "idempotency_key_reused")
            #expect(reused.outcome.problem?.status == 422)
            #expect(try await ada.set("k", .int(1), id: id).outcome.replayed)
            // Another user's id is another id.
            let ben = try await Person.register(database)
            #expect(try await !ben.set("k", .int(2), id: id).outcome.replayed)
        }
    }

    @Test("Another mutation under a device's seq says that the device was copied, and is kept as refused")
    func forked() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set("k", .int(1), sequence: 1)
            let id = UUID.v7()
            let forked = try await ada.set("k", .int(2), id: id, sequence: 1)
            #expect(forked.outcome.status == .rejected && forked.outcome.problem?.code == "device_forked")
            let again = try await ada.set("k", .int(2), id: id, sequence: 1)
            #expect(again.outcome.replayed && again.outcome.problem?.code == "device_forked")
            #expect(try await ada.value(of: "k") == "1")
            let phone = try await ada.onAnotherDevice()
            #expect(try await phone.set("k", .int(3), sequence: 1).outcome.status == .applied)
        }
    }

    @Test("A seq not above the highest purged one is a replay without a document")
    func forgotten() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            for number in 1...3 { try await ada.set("k", .int(number), sequence: Int64(number)) }
            let user = ada.user.id.text
            let purged = try await PostgresSession.run(
                "SELECT purged FROM mutations_purge('\(user)', clock_timestamp() + interval '1 second', NULL, 10)",
                at: url)
            #expect(purged == [["3"]])
            let late = try await ada.set("k", .int(9), sequence: 3)
            #expect(late.outcome.status == .applied && late.outcome.replayed)
            #expect(late.outcome.document == nil && late.change == nil)
            #expect(try await ada.value(of: "k") == "3")
            #expect(try await ada.set("k", .int(9), sequence: 4).change?.version == 4)
        }
    }

    @Test("A refusal decided beforehand is kept like any other answer, unless the id has one")
    func refusals() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let signed = ada.sign("settings.set", .object(["key": .string("théme")]))
            let problem = Problem.invalidBody("no", at: "/key")
            let first = try await ada.sync.refuse(signed, problem)
            #expect(first.status == .rejected && !first.replayed)
            let second = try await ada.sync.refuse(signed, Problem.invalidBody("other"))
            #expect(second.replayed)
            #expect(second.problem?.detail == problem.detail && second.problem?.errors == problem.errors)
            #expect(second.head == 0)
        }
    }

    @Test("What another device wrote since stands, and the lost value is kept until it is dismissed")
    func conflict() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            try await ada.set("k", .int(1))
            try await phone.set("k", .int(2), base: 1)
            let id = UUID.v7()
            let lost = try await ada.set("k", .int(3), id: id, base: 1)
            #expect(lost.outcome.status == .conflict && lost.change == nil)
            #expect(lost.outcome.document?.value?.text == "2" && lost.outcome.document?.version == 2)
            #expect(try await ada.set("k", .int(3), id: id, base: 1).outcome.status == .conflict)
            try await phone.set("k", .int(4))
            let conflicts = try await ada.conflicts()
            let conflict = try #require(conflicts.first)
            #expect(conflicts.count == 1 && conflict.id == id && conflict.mutationName == "settings.set")
            #expect(conflict.lostValue?.text == "3")
            #expect(conflict.current == Document(collection: "settings", id: "k", value: RawJSON(.int(4)), version: 3))
            let ben = try await Person.register(database)
            #expect(try await !ben.sync.dismissConflict(id, of: ben.user.id))
            #expect(try await ada.sync.dismissConflict(id, of: ada.user.id))
            #expect(try await !ada.sync.dismissConflict(id, of: ada.user.id))
            #expect(try await ada.conflicts().isEmpty)
        }
    }

    @Test("The rules of conflicts, case by case")
    func conflictRules() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            func status(_ applied: Applied) -> Outcome.Status { applied.outcome.status }
            // A device does not conflict with itself: it queued two changes before it heard of the first.
            #expect(try await status(ada.set("own", .int(1), base: 0)) == .applied)
            #expect(try await status(ada.set("own", .int(2), base: 0)) == .applied)
            // But with what another wrote in between, even if its own write came after.
            #expect(try await status(phone.set("own", .int(3), base: 2)) == .applied)
            #expect(try await status(ada.set("own", .int(4), base: 3)) == .applied)
            #expect(try await status(ada.set("own", .int(5), base: 2)) == .conflict)
            // base_version 0: it was absent when it was decided.
            #expect(try await status(phone.set("new", .int(1), base: 0)) == .applied)
            #expect(try await status(ada.set("new", .int(2), base: 0)) == .conflict)
            // The same value is no conflict, and changes nothing.
            let same = try await ada.set("new", .int(1), base: 0)
            #expect(status(same) == .applied && same.change == nil)
            // A deleted one is absent to who knew of none, and a loss to who knew it.
            let known = try #require(try await ada.settings.setting("new", of: ada.user.id)).version
            try await phone.delete("new")
            #expect(try await status(ada.set("new", .int(7), base: known)) == .conflict)
            #expect(try await status(ada.set("new", .int(7), base: 0)) == .applied)
            // Deleting what another has changed loses the deletion; deleting what is gone does not.
            let seen = try #require(try await ada.settings.setting("new", of: ada.user.id)).version
            try await phone.set("new", .int(8))
            let kept = try await ada.delete("new", base: seen)
            #expect(status(kept) == .conflict && kept.outcome.document?.value?.text == "8")
            try await phone.delete("new")
            #expect(try await status(ada.delete("new", base: seen)) == .applied)
            // Without a base nobody is asked.
            try await phone.set("new", .int(9))
            #expect(try await status(ada.set("new", .int(10))) == .applied)
            let lost = try await ada.conflicts()
            #expect(lost.map { $0.lostValue?.text } == [nil, "7", "2", "5"])
        }
    }

    @Test("Purging tombstones raises the floor, and a cursor below it is reset")
    func purge() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.set("a", .int(1))
            let old = try await ada.sync.heads(of: ada.user.id).cursor
            try await ada.delete("a")
            let aware = try await ada.sync.heads(of: ada.user.id).cursor
            try await ada.set("b", .int(1))
            let user = ada.user.id.text
            let young = try await PostgresSession.run(
                "SELECT purged FROM settings_purge('\(user)', clock_timestamp() - interval '1 hour', NULL, 10)",
                at: url)
            #expect(young == [["0"]])
            #expect(try await ada.sync.heads(of: ada.user.id).continues(old))
            let purged = try await PostgresSession.run(
                "SELECT purged FROM settings_purge('\(user)', clock_timestamp() + interval '1 second', NULL, 10)",
                at: url)
            #expect(purged == [["1"]])
            let heads = try await ada.sync.heads(of: ada.user.id)
            #expect(heads.floor.user == 2 && heads.place.user == 3)
            #expect(!heads.continues(old))
            #expect(heads.continues(aware) && heads.continues(heads.cursor))
            #expect(try await ada.settings.history(of: "a", user: ada.user.id).isEmpty)
            #expect(try await ada.settings.history(of: "b", user: ada.user.id).isEmpty)
        }
    }

    @Test("Another seed is another epoch, of which no cursor continues; users' epochs differ; processes agree")
    func epochs() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            let heads = try await ada.sync.heads(of: ada.user.id)
            #expect(heads.epoch.count == 16)
            #expect(try await ben.sync.heads(of: ben.user.id).epoch != heads.epoch)
            let other = try openDatabase(url, connections: 2)
            defer { other.close() }
            let elsewhere = PostgresSync(database: other, views: testViews)
            #expect(try await elsewhere.heads(of: ada.user.id).cursor == heads.cursor)
            try await Migrator(url: url, folder: migrationsFolder, rules: testRules).beginNewEpoch()
            let after = try await ada.sync.heads(of: ada.user.id)
            #expect(after.epoch != heads.epoch && !after.continues(heads.cursor))
            // Without the cluster's identity it would be another epoch again: every connection knows it.
            let cluster = try await database.write(for: ada.user.id, "SELECT current_setting('lockstep.cluster') AS c")
            let identity = try await PostgresSession.run(
                """
                SELECT s.system_identifier || ':' || lpad(upper(to_hex(c.timeline_id)), 8, '0') || ':' || d.oid
                FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d
                WHERE d.datname = current_database()
                """, at: url)
            let known = try cluster[0].decode("c", as: String.self)
            let identityText = try #require(identity[0][0])
            #expect(known.hasPrefix(identityText + ":"), "\(known) of \(identityText)")
        }
    }

    @Test("One survey tells which sessions hold and where the heads are, however many")
    func survey() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            try await ben.set("k", .int(1))
            let adas = try #require(try await ada.accounts.caller(bearing: ada.token)).session
            let bens = try #require(try await ben.accounts.caller(bearing: ben.token)).session
            let nobody = UUID.v7()
            let keys = [
                SessionKey(user: ada.user.id, session: adas), SessionKey(user: ben.user.id, session: bens),
                SessionKey(user: ben.user.id, session: nobody), SessionKey(user: ben.user.id, session: adas),
            ]
            func survey() async throws -> Survey {
                try await ada.sync.survey(sessions: keys, users: [ada.user.id, ben.user.id, nobody])
            }
            var found = try await survey()
            #expect(Set(found.sessions.keys) == [adas, bens])
            #expect(found.sessions.values.allSatisfy { $0 > found.time })
            #expect(found.heads == [ada.user.id: 0, ben.user.id: 1])
            #expect(try await found.shared == ada.sync.heads(of: ada.user.id).place.shared)
            try await ada.accounts.endSession(adas, of: ada.user.id)
            try await PostgresSession.run("DELETE FROM users WHERE id = '\(ben.user.id.text)'", at: url)
            found = try await survey()
            #expect(found.sessions.isEmpty)
            #expect(found.heads == [ada.user.id: 0])
            #expect(try await ada.sync.survey(sessions: [], users: []).heads.isEmpty)
        }
    }
}
