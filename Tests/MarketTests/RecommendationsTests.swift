import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Market

/// What stands on a list, with names instead of ids.
struct Recommended: Equatable {
    let name: String
    let reason: String
    let score: Double
}

extension Person {
    var recommended: [Recommended] {
        get async throws {
            try await market.recommendations(of: user.id).map { body in
                let body = try body.parsed
                guard let name = body["item"]?["name"]?.string, let reason = body["reason"]?.string,
                    let score = body["score"]?.fraction, body["item_id"] == body["item"]?["id"]
                else { throw Problem.internalError }
                return Recommended(name: name, reason: reason, score: score)
            }
        }
    }

    /// Why an item stands on the list; nil: it does not.
    func reason(for name: String) async throws -> String? {
        try await recommended.first { $0.name == name }?.reason
    }
}

extension JSON {
    fileprivate var fraction: Double? {
        if case .number(let number) = self { Double(number.text) } else { nil }
    }
}

/// Counts until nothing is left to count.
func count(_ database: Database, process: UUID = .v7(), atMost purchases: Int = 100) async throws {
    let recommendations = PostgresRecommendations(database: database, process: process)
    while try await recommendations.step(atMost: purchases, after: .zero) != .done {}
}

/// So many people with coins, each of whom buys these.
@discardableResult
func crowd(_ database: Database, _ number: Int, buying items: UUID...) async throws -> [Person] {
    var people: [Person] = []
    for _ in 0..<number {
        let one = try await Person.register(database)
        try await one.earn(10_000)
        for item in items { try await one.buy(item) }
        people.append(one)
    }
    return people
}

@Suite struct RecommendationsTests {
    @Test("The reasons are told apart, the first that holds is given, and the best score comes first")
    func reasons() async throws {
        try await withTestDatabase { database, url in
            let tea = try await stock(url, "Tea", 10)
            let cup = try await stock(url, "Cup", 10)
            let coffee = try await stock(url, "Coffee", 10)
            let song = try await stock(url, "Song", 10)
            _ = try await stock(url, "Nothing special", 10)
            try await crowd(database, 4, buying: tea, cup)
            try await crowd(database, 6, buying: song)
            let ada = try await crowd(database, 1, buying: tea, coffee, coffee)[0]
            try await count(database)
            let list = try await ada.recommended
            #expect(
                Set(list.map { "\($0.name): \($0.reason)" }) == [
                    "Cup: bought_together", "Coffee: frequently_purchased", "Tea: trending", "Song: trending",
                    "Nothing special: affordable",
                ])
            #expect(list.allSatisfy { (0...1).contains($0.score) })
            #expect(list.map(\.score) == list.map(\.score).sorted(by: >))
            #expect(list.last?.name == "Nothing special" && Set(list.map(\.name)).count == list.count)
            // Bought again and bought together: the first reason counts.
            try await ada.buy(cup)
            try await ada.buy(cup)
            #expect(try await ada.reason(for: "Cup") == "bought_together")
        }
    }

    @Test("Two users who bought the same two things are no rule; three are")
    func support() async throws {
        try await withTestDatabase { database, url in
            let tea = try await stock(url, "Tea", 10)
            let cup = try await stock(url, "Cup", 10)
            let ada = try await crowd(database, 1, buying: tea)[0]
            try await crowd(database, 2, buying: tea, cup)
            try await count(database)
            #expect(try await ada.reason(for: "Cup") == "trending")
            try await crowd(database, 1, buying: tea, cup)
            try await count(database)
            #expect(try await ada.reason(for: "Cup") == "bought_together")
        }
    }

    @Test("What everybody buys anyway is not bought together with something, however many bought both")
    func association() async throws {
        try await withTestDatabase { database, url in
            let hit = try await stock(url, "Hit", 10)
            let tea = try await stock(url, "Tea", 10)
            let cup = try await stock(url, "Cup", 10)
            try await crowd(database, 30, buying: hit)
            try await crowd(database, 6, buying: hit, tea)
            try await crowd(database, 4, buying: tea, cup)
            let ada = try await crowd(database, 1, buying: tea)[0]
            try await count(database)
            #expect(try await ada.reason(for: "Hit") == "trending")
            #expect(try await ada.reason(for: "Cup") == "bought_together")
        }
    }

    @Test("What trends cools down by half a week by week, and one user heats an item three times at most")
    func trend() async throws {
        try await withTestDatabase { database, url in
            let old = try await stock(url, "Old", 10)
            let new = try await stock(url, "New", 10)
            let mine = try await stock(url, "Mine", 10)
            try await crowd(database, 3, buying: old)
            try await crowd(database, 2, buying: new)
            try await crowd(database, 1, buying: mine, mine, mine, mine, mine, mine)
            try await PostgresSession.run(
                """
                UPDATE user_market_purchases SET purchased_at = purchased_at - interval '7 days'
                WHERE item_id = '\(old.text)'
                """, at: url)
            try await count(database)
            let ada = try await crowd(database, 1)[0]
            let heats = try await PostgresSession.run(
                """
                SELECT round((heat / recommendation_weight(clock_timestamp()))::numeric, 2) FROM recommendation_items
                JOIN market_items ON id = item_id ORDER BY name
                """, at: url)
            #expect(heats == [["3.00"], ["2.00"], ["1.50"]])
            #expect(try await ada.reason(for: "New") == "trending")
            #expect(try await ada.reason(for: "Mine") == "trending")
            #expect(try await ada.reason(for: "Old") == "affordable")
        }
    }

    @Test("What can be owned once is not recommended to its owner, and what is used up is")
    func owned() async throws {
        try await withTestDatabase { database, url in
            let theme = try await stock(url, "Theme", 10, "consumable = false")
            let tea = try await stock(url, "Tea", 10)
            let crowd = try await crowd(database, 4, buying: theme, tea)
            try await count(database)
            #expect(try await crowd[0].recommended.map(\.name) == ["Tea"])
            let bought = try await PostgresSession.run(
                "SELECT id FROM user_market_purchases WHERE item_id = '\(theme.text)' AND user_id = '\(crowd[0].user.id.text)'",
                at: url)
            try await crowd[0].refund(try #require(bought[0][0].flatMap { UUID(text: $0) }))
            #expect(try await crowd[0].recommended.map(\.name).sorted() == ["Tea", "Theme"])
        }
    }

    @Test("Recommended is only what can be bought at this moment, without waiting for a count, and the list stays full")
    func buyable() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.earn(100)
            for number in 1...60 { _ = try await stock(url, "Plain \(number)", 1 + Int64(number)) }
            let special = [
                ("Withdrawn", "available = false"), ("Dear", "cost_coins = 101"), ("Sold out", "stock_remaining = 0"),
                ("Owned", "max_per_user = 1"), ("Over", "available_until = now() - interval '1 s'"),
                ("Not yet", "available_from = now() + interval '1 h'"),
            ]
            for (name, _) in special {
                let id = try await stock(url, name, 1)
                try await crowd(database, 4, buying: id)
                if name == "Owned" { try await ada.buy(id) }
            }
            try await count(database)
            #expect(try await ada.recommended.prefix(6).map(\.name).sorted() == special.map(\.0).sorted())
            for (name, change) in special {
                try await PostgresSession.run("UPDATE market_items SET \(change) WHERE name = '\(name)'", at: url)
            }
            let list = try await ada.recommended
            #expect(list.count == 50 && list.allSatisfy { $0.name.hasPrefix("Plain") && $0.reason == "affordable" })
            let poor = try await Person.register(database)
            #expect(try await poor.recommended.isEmpty)
        }
    }

    @Test("Of what users made for themselves nothing is counted and nobody else hears, and the maker may be told of it")
    func personal() async throws {
        try await withTestDatabase { database, url in
            let tea = try await stock(url, "Tea", 10)
            let people = try await crowd(database, 4, buying: tea)
            let secret = UUID.v7()
            // All of them under the same id, and one of them often: if anything were counted by it, it would be.
            for person in people {
                try await person.make("Secret", 1, id: secret)
                for _ in 1...4 { try await person.buy(secret) }
            }
            let ada = try await crowd(database, 1, buying: tea)[0]
            try await count(database)
            #expect(try await ada.recommended.map(\.name) == ["Tea"])
            #expect(try await people[0].reason(for: "Secret") == "frequently_purchased")
            for table in [
                "recommendation_items", "recommendation_pairs",
                "market_recommendations WHERE user_id = "
                    + "'\(ada.user.id.text)'",
            ] {
                let rows = try await PostgresSession.run(
                    "SELECT row_to_json(t) FROM (SELECT * FROM \(table)) t", at: url)
                #expect(!rows.contains { $0[0]?.contains(secret.text) == true }, "\(table)")
            }
        }
    }

    @Test("Who bought finds his list kept with its time, twenty items at most")
    func kept() async throws {
        try await withTestDatabase { database, url in
            for number in 1...30 { _ = try await stock(url, "Plain \(number)", 10) }
            let tea = try await stock(url, "Tea", 10)
            let ada = try await crowd(database, 1, buying: tea, tea)[0]
            try await count(database)
            let rows = try await PostgresSession.run(
                """
                SELECT count(*), max(score) FILTER (WHERE reason = 'frequently_purchased') = max(score),
                    bool_and(computed_at > now() - interval '1 minute')
                FROM market_recommendations WHERE user_id = '\(ada.user.id.text)'
                """, at: url)
            #expect(rows == [["20", "t", "t"]])
        }
    }
}
