import API
import Accounts
import Focus
import FoundationEssentials
import Market
import Persistence
import Settings
import TestSupport
import Testing

@testable import Sync

/// What one account may make the server keep (docs/decisions/0029).
@Suite struct StorageLimitsTests {
    @Test(
        "An account whose answers take all their room changes nothing, is told what is full, and nothing of it is kept")
    func answers() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let first = UUID.v7()
            try await ada.set("a", .int(1), id: first)
            try await fill(ada, url)
            let id = UUID.v7()
            let refused = try await ada.set("a", .int(2), id: id)
            #expect(refused.outcome.status == .rejected && refused.change == nil)
            let problem = try #require(refused.outcome.problem)
            #expect(problem.status == 409 && problem.code == "storage_full")
            #expect(problem.members["what"]?.string == "answers" && problem.members["limit"]?.integer == 129_600_000)
            #expect((1...10).contains(problem.members["retry_after_seconds"]?.integer ?? 0))
            // A refusal of another kind would be an answer too.
            #expect(try await ada.start().outcome.problem?.code == "storage_full")
            #expect(try await ada.refund(.v7()).outcome.problem?.code == "storage_full")
            // What is kept already is given again, and other accounts are as they were.
            #expect(try await ada.set("a", .int(1), id: first).outcome.replayed)
            #expect(try await ada.value(of: "a") == "1")
            let ben = try await Person.register(database)
            #expect(try await ben.set("a", .int(1)).outcome.status == .applied)
            // Who runs the server is not held up by it.
            #expect(try await ada.earn(5).outcome.status == .applied)
            // A moment later there is room, for the same id too.
            try await PostgresSession.run(
                "UPDATE sync_heads SET answers_room_empty_at = answers_room_empty_at - interval '1 min'", at: url)
            #expect(try await ada.set("a", .int(2), id: id).outcome.status == .applied)
        }
    }

    @Test("Each answer takes room by its bytes, and that of a setting is kept without the value and given with it")
    func weights() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let large = JSON.string(String(repeating: "0123456789abcdef", count: 1_000))
            let (one, several) = (UUID.v7(), UUID.v7())
            let set = try await ada.set("large", large, id: one)
            let patch = try await ada.patch(["a": large, "b": large, "large": large, "none": nil], id: several)
            let kept = try await PostgresSession.run(
                "SELECT coalesce(sum(octet_length(concat(document, output))), 0)::text FROM mutations", at: url)
            #expect(Int(kept[0][0] ?? "") ?? .max < 1_000)
            let taken = try await PostgresSession.run(
                """
                SELECT ceil(extract(epoch FROM answers_room_empty_at - clock_timestamp()) * 50)::text FROM sync_heads
                WHERE answers_room_empty_at > clock_timestamp()
                """, at: url)
            #expect((300...1_600).contains(Int(taken[0][0] ?? "") ?? 0))
            for (again, first) in [
                (try await ada.set("large", large, id: one), set),
                (try await ada.patch(["a": large, "b": large, "large": large, "none": nil], id: several), patch),
            ] {
                #expect(again.outcome.replayed && !first.outcome.replayed)
                #expect(again.outcome.output == first.outcome.output)
                #expect(again.outcome.document == first.outcome.document)
            }
            guard case .array(let body)? = try patch.outcome.output?.parsed["settings"] else {
                throw Problem.internalError
            }
            #expect(body.map { $0["key"]?.string } == ["a", "b", "large"])
            #expect(body.allSatisfy { $0["value"] == large } && body.map { $0["version"]?.integer } == [2, 2, 1])
            #expect(set.outcome.document?.value == RawJSON(large))
            // What another wrote is in no request, so it is kept, and counts.
            _ = try await ada.set("large", .int(1), match: .version(99))
            let more = try await PostgresSession.run(
                """
                SELECT ceil(extract(epoch FROM answers_room_empty_at - clock_timestamp()) * 50)::text FROM sync_heads
                WHERE answers_room_empty_at > clock_timestamp()
                """, at: url)
            #expect(Int(more[0][0] ?? "") ?? 0 > 16_000)
        }
    }

    @Test("Of what changes lost the newest 1,000 are kept, and they are read page by page")
    func conflicts() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            try await PostgresSession.run(
                """
                INSERT INTO sync_conflicts (user_id, id, name, args, collection, document_id, at)
                SELECT '\(ada.user.id.text)', gen_random_uuid(), 'settings.set', json_build_object('n', n), 'settings', 'k',
                    clock_timestamp() - make_interval(hours => 1 + n / 2) FROM generate_series(1, 1000) AS n
                """, at: url)
            try await phone.set("k", .int(1))
            #expect(try await ada.set("k", .int(2), base: 0).outcome.status == .conflict)
            let read = try await pages { try await ada.sync.conflicts(of: ada.user.id, before: $0, limit: 100) }
            #expect(read.pages == 10 && Set(read.all.map(\.id)).count == 1_000)
            #expect(zip(read.all, read.all.dropFirst()).allSatisfy { $0.at >= $1.at })
            let numbers = try read.all.dropFirst().map { try $0.args.parsed["n"]?.integer }
            #expect(Set(numbers) == Set(1...999))
            #expect(read.all.first?.lostValue?.text == "2")
        }
    }

    @Test(
        "Settings that were made and deleted are forgotten before their time when there are very many; cursors know it")
    func tombstones() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.set("first", .int(1))
            let old = try await ada.sync.heads(of: ada.user.id).cursor
            for round in 0..<5 {
                var made: [Verbatim: JSON?] = [:]
                var gone: [Verbatim: JSON?] = [:]
                for number in 0..<500 {
                    let key = "k\(round).\(number)".verbatim
                    made[key] = .some(.some(.int(1)))
                    gone[key] = .some(.none)
                }
                try await ada.patch(made)
                try await ada.patch(gone)
            }
            let rows = try await PostgresSession.run(
                "SELECT count(*)::text, (SELECT count(*)::text FROM user_setting_history) FROM user_settings", at: url)
            #expect(Int(rows[0][0] ?? "") ?? .max <= 2_001)
            #expect(Int(rows[0][1] ?? "") ?? .max <= 2_000)
            let heads = try await ada.sync.heads(of: ada.user.id)
            #expect(!heads.continues(old) && heads.floor.user < heads.place.user)
            #expect(try await ada.value(of: "first") == "1")
            // The newest of them still tell a device that was away for a moment.
            let lately = Place(user: heads.place.user - 1, shared: heads.place.shared)
            #expect(try await ada.sync.documents(of: ada.user.id, beyond: lately).documents.count == 500)
        }
    }

    @Test("Former values take 64 MiB at most: the oldest go, whatever setting they are of")
    func history() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            for number in 0..<20 {
                let value = JSON.string(String(repeating: "\(number % 10)", count: 100))
                try await ada.patch(["a": value, "b": value])
            }
            let user = ada.user.id.text
            try await PostgresSession.run("SELECT setting_history_trim('\(user)', 1000000)", at: url)
            #expect(try await ada.settings.history(of: "a", user: ada.user.id).count == 19)
            try await PostgresSession.run("SELECT setting_history_trim('\(user)', 2000)", at: url)
            for key in ["a", "b"] {
                let versions = try await ada.settings.history(of: key, user: ada.user.id).map(\.version)
                #expect((5...8).contains(versions.count) && versions.first == 19)
                #expect(versions == versions.sorted(by: >))
            }
        }
    }

    @Test("Who has started as many sessions as an account may starts no more, and the one that runs ends as ever")
    func sessions() async throws {
        try await withTestDatabase { database, url in
            try await limit("focus_sessions", to: 3, url)
            let ada = try await Person.register(database)
            for _ in 1...2 { try await ada.abandon(try #require(try await ada.started())) }
            let last = try #require(try await ada.started())
            let refused = try await ada.start(replacing: true)
            #expect(refused.outcome.problem?.code == "storage_full" && refused.change == nil)
            #expect(refused.outcome.problem?.members["what"]?.string == "focus_sessions")
            #expect(try await ada.focus.live(of: ada.user.id).pause.sessionID == last)
            try await ada.pass(1_500, url)
            #expect(try await ada.start().outcome.problem?.code == "storage_full")
            #expect(try await ada.complete(last).outcome.status == .applied)
            #expect(try await ada.balance == 10)
            let heads = try await ada.sync.heads(of: ada.user.id)
            let (_, documents) = try await ada.sync.documents(of: ada.user.id, beyond: nil)
            #expect(documents.allSatisfy { $0.version <= heads.place.user })
        }
    }

    @Test("A ledger that is full takes no more purchases; what it earns and what is given back still counts")
    func ledger() async throws {
        try await withTestDatabase { database, url in
            try await limit("transactions", to: 3, url)
            let ada = try await Person.register(database)
            try await ada.earn(100)
            let tea = try await stock(url, "Tea", 10)
            let bought = UUID.v7()
            try await ada.buy(tea, id: bought)
            try await ada.buy(tea)
            let refused = try await ada.buy(tea)
            #expect(refused.outcome.problem?.code == "storage_full" && refused.change == nil)
            #expect(refused.outcome.problem?.members["what"]?.string == "transactions")
            // The refusals of the contract go first.
            #expect(try await ada.buy(tea, 9).outcome.problem?.code == "insufficient_coins")
            #expect(try await ada.refund(bought).outcome.status == .applied)
            try await ada.claim(try #require(try await ada.rewards.first).id)
            #expect(try await ada.balance == 95)
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test(
        "Items of one's own that are deleted and owned are counted; those that nobody owns are forgotten when very many"
    )
    func personalItems() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await limit("personal_items", to: 1_003, url)
            for number in 1...3 {
                let id = UUID.v7()
                try await ada.make("Owned \(number)", 0, id: id)
                try await ada.buy(id)
                try await ada.write(PersonalItemChange(.delete(id)))
            }
            let old = try await ada.sync.heads(of: ada.user.id).cursor
            try await ada.set("k", .int(1))
            try await PostgresSession.run(
                """
                INSERT INTO market_personal_items (user_id, id, name, cost_coins, version, deleted_at)
                SELECT '\(ada.user.id.text)', gen_random_uuid(), 'gone', 1, 10, now() FROM generate_series(1, 999)
                """, at: url)
            // 1,002 of them are deleted: the 999 that nobody owns are too few to be forgotten.
            #expect(try await ada.make("One", 1).outcome.status == .applied)
            let refused = try await ada.make("Two", 1)
            #expect(refused.outcome.problem?.code == "storage_full" && refused.change == nil)
            #expect(refused.outcome.problem?.members["what"]?.string == "personal_items")
            try await PostgresSession.run(
                """
                INSERT INTO market_personal_items (user_id, id, name, cost_coins, version, deleted_at)
                VALUES ('\(ada.user.id.text)', gen_random_uuid(), 'gone', 1, 10, now())
                """, at: url)
            #expect(try await ada.make("Three", 1).outcome.status == .applied)
            #expect(try await ada.inventory().count == 3)
            #expect(try await !ada.sync.heads(of: ada.user.id).continues(old))
            #expect(
                try await PostgresSession.run("SELECT count(*)::text FROM market_personal_items", at: url) == [["5"]])
        }
    }

    @Test("Inventory and rewards are read page by page, each row once")
    func marketPages() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            var items: [UUID] = []
            for number in 1...7 {
                items.append(try await stock(url, "Item \(number)", 0))
                try await ada.buy(items[number - 1])
            }
            // Some at the same moment: then by the id.
            try await PostgresSession.run(
                "UPDATE user_inventory SET purchased_at = '2026-01-10T12:00:00Z' WHERE version > 3", at: url)
            try await PostgresSession.run(
                """
                INSERT INTO user_rewards (user_id, id, reward_type, coins_earned, created_at, day, version)
                SELECT '\(ada.user.id.text)', gen_random_uuid(), 'daily_login', 2, now() - make_interval(days => n / 2),
                    current_date - n, 1 FROM generate_series(1, 10) AS n
                """, at: url)
            let whole = try await ada.inventory().map { try $0.parsed["item_id"]?.string }
            var counts: Set<Int64> = []
            let read = try await pages { place -> ([RawJSON], next: TimePlace?) in
                let (page, items) = try await ada.market.inventory(of: ada.user.id, after: place, limit: 3)
                counts.insert(items)
                return (page.bodies, page.next)
            }
            #expect(read.pages == 3 && counts == [7])
            #expect(try read.all.map { try $0.parsed["item_id"]?.string } == whole && Set(whole).count == 7)
            let rewards = try await pages { place -> ([RawJSON], next: TimePlace?) in
                let page = try await ada.market.rewards(of: ada.user.id, before: place, limit: 4)
                return (page.bodies, page.next)
            }
            let ids = try rewards.all.map { try $0.parsed["id"]?.string }
            #expect(rewards.pages == 3 && ids.count == 11 && Set(ids).count == 11)
        }
    }

    @Test("How near accounts are to their limits is told, kind by kind")
    func budgets() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            _ = try await Person.register(database)
            try await PostgresSession.run(
                """
                UPDATE sync_heads SET answers_room_empty_at = clock_timestamp() + interval '648 hours'
                WHERE user_id = '\(ada.user.id.text)'
                """, at: url)
            try await ada.make("Walk", 1)
            let budgets = try await PostgresStorage(database: database, rooms: testViews.rooms).budgets()
            #expect(budgets.map(\.what) == ["answers", "focus_sessions", "personal_items", "transactions"])
            #expect(budgets.map(\.near) == [1, 0, 0, 0])
            #expect((116_600_000...116_700_000).contains(budgets[0].largest) && budgets[0].limit == 129_600_000)
            #expect(budgets.dropFirst().map(\.largest) == [0, 1, 0])
            #expect(
                try await Migrator(url: url, folder: migrationsFolder, rules: testRules).storageBudgets(testViews.rooms)
                    .map(\.near)
                    == [1, 0, 0, 0])
        }
    }

    /// Leaves no room for answers, for ten seconds.
    private func fill(_ person: Person, _ url: String) async throws {
        try await PostgresSession.run(
            """
            UPDATE sync_heads SET answers_room_empty_at = clock_timestamp() + interval '720 hours 10 seconds'
            WHERE user_id = '\(person.user.id.text)'
            """, at: url)
    }

    /// Gives this database another limit; it takes what a test can do in its place.
    private func limit(_ what: String, to number: Int, _ url: String) async throws {
        try await PostgresSession.run(
            """
            CREATE OR REPLACE FUNCTION \(testRules.schema).storage_limit(p_what text) RETURNS bigint
            LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE p_what WHEN '\(what)' THEN \(number) ELSE 129600000 END $$
            """, at: url)
    }
}

/// Everything that a list has, and how many parts it came in.
private func pages<Part>(
    isolation: isolated (any Actor)? = #isolation, _ part: (TimePlace?) async throws -> (Part, next: TimePlace?)
) async throws -> (all: [Part.Element], pages: Int) where Part: Sequence {
    var all: [Part.Element] = []
    var place: TimePlace?
    var pages = 0
    repeat {
        let (some, next) = try await part(place)
        all += some
        // It comes back as its text.
        place = try next.map { try #require(TimePlace($0.text)) }
        pages += 1
    } while place != nil && pages < 100
    return (all, pages)
}

extension Person {
    fileprivate func started() async throws -> UUID? {
        let id = UUID.v7()
        return try await start(id: id).outcome.status == .applied ? id : nil
    }
}
