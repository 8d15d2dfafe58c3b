import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Market

/// The numbers behind the lists are those of what users own, whoever counts, however often, and whatever gets in between.
@Suite struct RecommendationCountingTests {
    /// What differs between the numbers and what is owned, worked out anew and apart from the functions that count.
    private func differences(_ url: String) async throws -> [[String?]] {
        try await PostgresSession.run(
            """
            WITH own AS (
                SELECT user_id, item_id FROM user_inventory v
                WHERE quantity > 0 AND EXISTS (SELECT FROM market_items i WHERE i.id = v.item_id)
                    AND EXISTS (SELECT FROM sync_heads h WHERE h.user_id = v.user_id)
            ), items AS (
                SELECT item_id, count(*) AS users FROM own GROUP BY item_id
            ), pairs AS (
                SELECT x.item_id AS item_a, y.item_id AS item_b, count(*) AS users
                FROM own x JOIN own y ON y.user_id = x.user_id AND x.item_id < y.item_id GROUP BY 1, 2
            ), heats AS (
                SELECT item_id, sum(power(2::float8,
                    extract(epoch FROM purchased_at - timestamptz '2026-01-01 00:00:00Z') / 604800)) AS heat
                FROM (
                    SELECT p.item_id, p.purchased_at,
                        row_number() OVER (PARTITION BY p.user_id, p.item_id ORDER BY p.purchased_at DESC) AS place
                    FROM user_market_purchases p JOIN own o ON o.user_id = p.user_id AND o.item_id = p.item_id
                    WHERE p.refunded_at IS NULL) AS last
                WHERE place <= 3 GROUP BY item_id
            )
            SELECT 'item', i.item_id::text, i.users::text, c.users::text
            FROM items i FULL JOIN recommendation_items c ON c.item_id = i.item_id
            WHERE coalesce(i.users, 0) <> coalesce(c.users, 0)
            UNION ALL SELECT 'pair', p.item_a::text, p.users::text, c.users::text
            FROM pairs p FULL JOIN recommendation_pairs c ON c.item_a = p.item_a AND c.item_b = p.item_b
            WHERE coalesce(p.users, 0) <> coalesce(c.users, 0)
            UNION ALL SELECT 'heat', h.item_id::text, h.heat::text, c.heat::text
            FROM heats h FULL JOIN recommendation_items c ON c.item_id = h.item_id
            WHERE abs(coalesce(h.heat, 0) - coalesce(c.heat, 0)) > 1e-6 * greatest(h.heat, c.heat, 1)
            UNION ALL SELECT 'users', NULL, count(DISTINCT o.user_id)::text, max(s.users)::text
            FROM recommendation_state s LEFT JOIN own o ON true HAVING count(DISTINCT o.user_id) <> max(s.users)
            """, at: url)
    }

    private func shelf(_ url: String, _ items: Int) async throws -> [UUID] {
        var shelf: [UUID] = []
        for number in 0..<items { shelf.append(try await stock(url, "Item \(number)", 1)) }
        return shelf
    }

    /// Buys at random, and takes every fourth purchase back.
    private func trade(_ person: Person, _ shelf: [UUID], _ times: Int, seed: Int) async throws {
        var random = SeededGenerator(seed: UInt64(seed))
        for turn in 1...times {
            let id = UUID.v7()
            guard let item = shelf.randomElement(using: &random) else { return }
            try await person.buy(item, id: id)
            if turn % 4 == 0 { try await person.refund(id) }
        }
    }

    @Test("Counting again changes nothing; refunds count off what purchases counted")
    func again() async throws {
        try await withTestDatabase { database, url in
            let shelf = try await shelf(url, 8)
            let people = try await crowd(database, 5)
            for (seed, person) in people.enumerated() { try await trade(person, shelf, 12, seed: seed) }
            try await count(database, atMost: 7)
            #expect(try await differences(url) == [])
            // The first time it changes what is owned, the second time only how much it is wanted.
            for _ in 1...2 {
                for person in people { try await person.buy(shelf[0]) }
                try await count(database, atMost: 7)
                #expect(try await differences(url) == [])
            }
            let before = try await PostgresSession.run(
                "SELECT item_id, users, heat FROM recommendation_items ORDER BY 1", at: url)
            // From the beginning, as after a loss of the place.
            try await PostgresSession.run("UPDATE recommendation_state SET counted_to = '-infinity'", at: url)
            try await count(database, atMost: 7)
            let after = try await PostgresSession.run(
                "SELECT item_id, users, heat FROM recommendation_items ORDER BY 1", at: url)
            #expect(before == after)
            #expect(try await differences(url) == [])
        }
    }

    @Test(
        "Purchases from before there was anything to count with are found by the walk, and so is what was edited by hand"
    )
    func walk() async throws {
        try await withTestDatabase { database, url in
            let shelf = try await shelf(url, 8)
            let people = try await crowd(database, 9)
            for (seed, person) in people.enumerated() { try await trade(person, shelf, 6, seed: seed) }
            try await PostgresSession.run(
                """
                UPDATE user_market_purchases SET purchased_at = purchased_at - interval '1 year', refunded_at = NULL
                WHERE refunded_at IS NULL
                """, at: url)
            try await count(database, atMost: 2)
            #expect(try await differences(url) == [])
            try await PostgresSession.run(
                """
                DELETE FROM user_inventory WHERE user_id = '\(people[0].user.id.text)';
                DELETE FROM user_market_purchases WHERE user_id = '\(people[0].user.id.text)';
                UPDATE recommendation_state SET walked_at = now() - interval '25 hours'
                """, at: url)
            try await count(database, atMost: 2)
            #expect(try await differences(url) == [])
        }
    }

    @Test("Two workers at once, buyers meanwhile, and sessions that are ended in the middle: everything counts once")
    func workers() async throws {
        try await withTestDatabase { database, url in
            let shelf = try await shelf(url, 10)
            let people = try await crowd(database, 6)
            let others = try [openDatabase(url), openDatabase(url)]
            defer { others.forEach { $0.close() } }
            try await withThrowingTaskGroup { group in
                for other in others {
                    group.addTask {
                        let worker = PostgresRecommendations(database: other, process: .v7())
                        // Whoever's session is ended may fail; the next step makes good for it.
                        while !Task.isCancelled { _ = try? await worker.step(atMost: 5, after: .zero) }
                    }
                }
                group.addTask {
                    let executioner = try await PostgresSession(url: url)
                    while !Task.isCancelled {
                        try await executioner.run(
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE query LIKE 'SELECT more FROM recommendation_pass%' AND state = 'active'
                                AND datname = current_database() LIMIT 1
                            """)
                        try await Task.sleep(for: .milliseconds(30))
                    }
                }
                try await withThrowingTaskGroup { buyers in
                    for (seed, person) in people.enumerated() {
                        buyers.addTask { try await self.trade(person, shelf, 40, seed: seed) }
                    }
                    try await buyers.waitForAll()
                }
                group.cancelAll()
                while let done = await group.nextResult() { _ = done }
            }
            try await count(database)
            #expect(try await differences(url) == [])
        }
    }

    @Test("One process counts at a time; when it dies another takes over, and between steps there is a pause")
    func turns() async throws {
        try await withTestDatabase { database, url in
            let worker = PostgresRecommendations(database: database, process: .v7())
            let other = try await PostgresSession(url: url)
            try await other.run("BEGIN; SELECT more FROM recommendation_pass(100, interval '0')")
            #expect(try await worker.step(atMost: 100, after: .zero) == .elsewhere)
            try await PostgresSession.run("SELECT pg_terminate_backend(\(other.processID))", at: url)
            try await eventually("the work to be taken over") {
                try await worker.step(atMost: 100, after: .zero) == .done
            }
            #expect(try await worker.step(atMost: 100, after: .seconds(60)) == .elsewhere)
            #expect(try await worker.step(atMost: 100, after: .zero) == .done)
        }
    }

    @Test("A purchase whose transaction ends late is counted, although later ones were counted before it")
    func late() async throws {
        try await withTestDatabase { database, url in
            let tea = try await stock(url, "Tea", 1)
            let people = try await crowd(database, 2)
            let slow = try await PostgresSession(url: url)
            try await slow.run(
                """
                BEGIN;
                SELECT r.status FROM mutate('\(people[0].session.text)', '\(people[0].user.id.text)',
                    '\(people[0].device.text)', gen_random_uuid(), NULL, 'market.purchase', '',
                    '{"item_id": "\(tea.text)", "quantity": 1}', NULL, NULL, NULL, NULL) AS r
                """)
            // Longer than the second that is looked back in any case.
            try await PostgresSession.run("SELECT pg_sleep(1.2)", at: url)
            try await people[1].buy(tea)
            try await count(database)
            try await count(database)
            try await slow.run("COMMIT")
            try await count(database)
            #expect(try await differences(url) == [])
            let users = try await PostgresSession.run("SELECT users FROM recommendation_items", at: url)
            #expect(users == [["2"]])
        }
    }

    @Test("An erased user's purchases are counted off, and nothing of him is left")
    func erasure() async throws {
        try await withTestDatabase { database, url in
            let tea = try await stock(url, "Tea", 1)
            let cup = try await stock(url, "Cup", 1)
            let people = try await crowd(database, 4, buying: tea, cup)
            try await count(database)
            let gone = "user_id = '\(people[0].user.id.text)'"
            try await PostgresSession.run(
                """
                BEGIN; DELETE FROM user_inventory WHERE \(gone); DELETE FROM user_market_purchases WHERE \(gone);
                DELETE FROM market_recommendations WHERE \(gone); DELETE FROM sync_heads WHERE \(gone); COMMIT
                """, at: url)
            try await count(database)
            #expect(try await differences(url) == [])
            let users = try await PostgresSession.run("SELECT users FROM recommendation_pairs", at: url)
            #expect(users == [["3"]])
            let rest = try await PostgresSession.run(
                """
                SELECT (SELECT count(*) FROM recommendation_baskets WHERE \(gone)),
                    (SELECT count(*) FROM market_recommendations WHERE \(gone)),
                    (SELECT count(*) FROM recommendation_leavings)
                """, at: url)
            #expect(rest == [["0", "0", "0"]])
        }
    }
}
