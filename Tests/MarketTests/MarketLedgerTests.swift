import API
import Accounts
import Focus
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Market

@Suite struct MarketLedgerTests {
    @Test(
        "The database itself refuses to change the ledger, whoever asks, and lets only the erasure of an account through"
    )
    func appendOnly() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            try await ada.earn(5)
            try await ben.earn(5)
            // Some try to look like the function on the call stack.
            for attempt in [
                "UPDATE market_transactions SET reason = 'x'", "DELETE FROM market_transactions",
                "TRUNCATE market_transactions",
                """
                DO $do$ BEGIN EXECUTE 'DELETE FROM market_transactions AS "
                PL/pgSQL function account_erase(uuid) line 1 at SQL statement"'; END $do$
                """,
                """
                DO $do$ BEGIN EXECUTE 'DELETE FROM market_transactions WHERE user_id = $1 /*
                PL/pgSQL function account_erase(uuid) line 1 at EXECUTE */' USING '\(ada.user.id.text)'::uuid; END $do$
                """,
                "DO $do$ BEGIN DELETE FROM market_transactions; END $do$ -- account_erase(uuid)",
            ] {
                let refusal = await #expect(throws: PostgresSession.Failure.self) {
                    try await PostgresSession.run(attempt, at: url)
                }
                #expect(refusal?.description.contains("only appended to") == true, "\(attempt)")
            }
            try await PostgresSession.run(
                "SELECT account_erase('\(ada.user.id.text)')", at: url)
            #expect(
                try await PostgresSession.run("SELECT user_id FROM market_transactions", at: url) == [
                    [ben.user.id.text]
                ])
        }
    }

    @Test("An account with a ledger is erased, and the ledger kept otherwise, in whatever language PostgreSQL speaks")
    func guardInGerman() async throws {
        let cluster = try await TestCluster(language: "de")
        try await Migrator(url: cluster.url(), folder: migrationsFolder, rules: testRules).up()
        let database = try openDatabase(cluster.url())
        defer { database.close() }
        let ada = try await Person.register(database)
        try await ada.earn(5)
        let spoken = await #expect(throws: PostgresSession.Failure.self) {
            try await PostgresSession.run("SELECT 1 / 0", at: cluster.url())
        }
        #expect(spoken?.description.contains("Division durch Null") == true)
        for impostor in [
            "DELETE FROM market_transactions",
            """
            DO $do$ BEGIN EXECUTE 'DELETE FROM market_transactions WHERE user_id = $1 /*
            PL/pgSQL-Funktion account_erase(uuid) Zeile 1 bei EXECUTE */' USING '\(ada.user.id.text)'::uuid; END $do$
            """,
        ] {
            let refusal = await #expect(throws: PostgresSession.Failure.self) {
                try await PostgresSession.run(impostor, at: cluster.url())
            }
            #expect(refusal?.description.contains("only appended to") == true, "\(impostor)")
        }
        try await PostgresSession.run("SELECT account_erase('\(ada.user.id.text)')", at: cluster.url())
        #expect(try await PostgresSession.run("SELECT id FROM market_transactions", at: cluster.url()).isEmpty)
        try await cluster.stop(mode: "immediate")
    }

    @Test("A session with the id of an older movement, or of who can earn no more, ends unpaid and says so")
    func unpaidFocus() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            try await ada.earn(5, id: id)
            try await PostgresSession.run("DELETE FROM mutations", at: url)
            try await ada.start(seconds: 1_500, id: id)
            try await ada.pass(1_500, url)
            let done = try await ada.complete(id)
            #expect(try done.outcome.output?.parsed["coins_awarded"]?.integer == 0)
            #expect(done.change?.documents.map(\.collection).sorted() == ["focus", "rewards"])
            #expect(try await ada.balance == 5)
            try await PostgresSession.run(
                """
                UPDATE user_wallet SET earned_coins = 9007199254740990, total_coins = 9007199254740990 - spent_coins
                """, at: url)
            let next = UUID.v7()
            try await ada.start(seconds: 1_500, id: next)
            try await ada.pass(1_500, url)
            #expect(try await ada.complete(next).outcome.output?.parsed["coins_awarded"]?.integer == 0)
        }
    }

    @Test("Pages of the ledger: newest first, without a gap, and its chain can be checked from them alone")
    func chain() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            for number in 1...7 { try await ada.earn(Int64(number), reason: "gift \(number)\nof two lines") }
            var entries: [JSON] = []
            var before: Int64?
            repeat {
                let page = try await ada.market.transactions(of: ada.user.id, before: before, limit: 3)
                entries += try page.bodies.map { try $0.parsed }
                before = page.next
            } while before != nil
            #expect(entries.map { $0["coins_amount"]?.integer } == [7, 6, 5, 4, 3, 2, 1])
            #expect(entries.first?["balance_after"]?.integer == 28)
            #expect(try await faults(url).isEmpty)
            // Edited by hand, it shows.
            try await PostgresSession.run(
                """
                ALTER TABLE market_transactions DISABLE TRIGGER ALL;
                UPDATE market_transactions SET reason = 'mine' WHERE seq = 4
                """, at: url)
            #expect(try await faults(url) == [["chain", ada.user.id.text, "4"]])
        }
    }

    @Test("daily_login: once on each local date, and no earlier date twice when the time zone goes back")
    func daily() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set("time_zone", .string("Pacific/Pago_Pago"))
            let first = try await ada.market.arrive(ada.user.id)
            #expect(first.change?.documents.map(\.collection) == ["rewards"] && first.change?.version == 2)
            #expect(first.dayEnds > .now() && first.dayEnds < Timestamp.now().advanced(bySeconds: 86_400))
            #expect(try await ada.market.arrive(ada.user.id).change == nil)
            // It is tomorrow there, if not the day after.
            try await ada.set("time_zone", .string("Pacific/Kiritimati"))
            #expect(try await ada.market.arrive(ada.user.id).change?.version == 4)
            try await ada.set("time_zone", .string("Pacific/Pago_Pago"))
            #expect(try await ada.market.arrive(ada.user.id).change == nil)
            #expect(try await ada.rewards.map(\.type) == ["daily_login", "daily_login"])
        }
    }

    @Test("daily_login: once, however many devices come at once")
    func arrivals() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let granted = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<50 { group.addTask { try await ada.market.arrive(ada.user.id).change != nil } }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(granted == 1)
            #expect(try await ada.sync.heads(of: ada.user.id).place.user == 1)
        }
    }

    @Test("A time zone that PostgreSQL does not know counts as UTC")
    func unknownZone() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.set("time_zone", .string("UTC"))
            try await PostgresSession.run("UPDATE user_settings SET value = '\"Mars/Olympus\"'", at: url)
            #expect(try await ada.market.arrive(ada.user.id).change != nil)
        }
    }

    @Test("Completing a focus session pays, once, in the transaction that completes it, with its document")
    func focusPays() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            try await ada.start(seconds: 1_500, id: id)
            try await ada.pass(1_500, url)
            let done = try await ada.complete(id)
            #expect(done.change?.documents.map(\.collection).sorted() == ["focus", "rewards", "wallet"])
            #expect(try await ada.balance == 10)
            #expect(try await ada.complete(id).change == nil)
            #expect(try await ada.balance == 10)
            let entry = try #require(
                try await ada.market.transactions(of: ada.user.id, before: nil, limit: 1).bodies.first
            ).parsed
            #expect(entry["id"]?.string == id.text && entry["reason"]?.string == "focus_session")
            #expect(try await ada.rewards.map(\.type) == ["first_focus"])
            // A break earns nothing.
            let rest = UUID.v7()
            try await ada.start(.shortBreak, seconds: 300, id: rest)
            try await ada.pass(300, url)
            try await ada.complete(rest)
            #expect(try await ada.balance == 10)
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("Ten and a hundred sessions and seven days in a row are rewarded, each once, on the last of them")
    func focusRewards() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            func complete() async throws -> [String] {
                let id = UUID.v7()
                try await ada.start(seconds: 60, id: id)
                try await ada.pass(60, url)
                let change = try #require(try await ada.complete(id).change)
                return try change.documents.filter { $0.collection == "rewards" }.compactMap {
                    try $0.value?.parsed["reward_type"]?.string
                }
            }
            func insert(_ count: Int, daysAgo: Int) async throws {
                try await PostgresSession.run(
                    """
                    INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at,
                        remaining_seconds, coins_awarded, completed_at, version)
                    SELECT '\(ada.user.id.text)', gen_random_uuid(), 'focus', 'completed', 60,
                        now() - interval '\(daysAgo) days', now() - interval '\(daysAgo) days', 0, 0, now() - interval '\(daysAgo) days', 0
                    FROM generate_series(1, \(count))
                    """, at: url)
            }
            #expect(try await complete() == ["first_focus"])
            for day in 2...6 { try await insert(1, daysAgo: day) }
            try await insert(2, daysAgo: 9)
            #expect(try await complete() == [])
            try await insert(1, daysAgo: 1)
            #expect(try await complete() == ["focus_10", "streak_7"])
            #expect(try await complete() == [])
            try await insert(86, daysAgo: 20)
            #expect(try await complete() == [])
            #expect(try await complete() == ["focus_100"])
            #expect(try await complete() == [])
            // Two of them were earned by one session, and stand in no order.
            #expect(try await ada.rewards.map(\.type).sorted() == ["first_focus", "focus_10", "focus_100", "streak_7"])
        }
    }
}
