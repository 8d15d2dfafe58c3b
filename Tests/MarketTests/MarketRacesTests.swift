import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Market

/// Many at once, in two processes: exactly as many succeed as may, the others say why, and the sums hold.
@Suite struct MarketRacesTests {
    /// Runs `count` of them at once and counts the answers: `applied`, or the refusal's code.
    private func race(_ count: Int, _ body: @escaping @Sendable (Int) async throws -> Applied) async throws -> [String:
        Int]
    {
        try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<count {
                group.addTask {
                    // Whom a busy machine turned away comes again, as a client does; nothing of it was applied.
                    while true {
                        do {
                            let outcome = try await body(number).outcome
                            return outcome.problem?.code ?? outcome.status.rawValue
                        } catch let problem as Problem where problem.code == "unavailable" {}
                    }
                }
            }
            return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
    }

    /// Ada here and at another process.
    private func withTwoProcesses(
        _ body: @Sendable (@escaping @Sendable (Int) -> Person, String) async throws -> Void
    ) async throws {
        try await withTestDatabase { database, url in
            let other = try openDatabase(url, connections: 4)
            defer { other.close() }
            let ada = try await Person.register(database)
            let elsewhere = ada.through(other)
            try await body({ $0 % 2 == 0 ? ada : elsewhere }, url)
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("A thousand purchases with the last coins: as many as they last for")
    func lastCoins() async throws {
        try await withTwoProcesses { ada, url in
            let tea = try await stock(url, "Tea", 7)
            try await ada(0).earn(100)
            let answers = try await race(1_000) { try await ada($0).buy(tea) }
            #expect(answers == ["applied": 14, "insufficient_coins": 986])
            #expect(try await ada(0).balance == 2)
            #expect(
                try await ada(0).market.transactions(of: ada(0).user.id, before: nil, limit: 100).bodies.count == 15)
        }
    }

    @Test("A thousand purchases of the last pieces, by many: each piece goes to one")
    func lastPieces() async throws {
        try await withTwoProcesses { ada, url in
            let rare = try await stock(url, "Rare", 1, "stock_remaining = 7")
            var buyers: [Person] = []
            for number in 0..<20 {
                buyers.append(try await Person.register(ada(number).database))
                try await buyers[number].earn(1_000)
            }
            let everybody = buyers
            let before = try await ada(0).sync.heads(of: ada(0).user.id).place.shared
            let answers = try await race(1_000) { try await everybody[$0 % 20].buy(rare) }
            #expect(answers == ["applied": 7, "out_of_stock": 993])
            #expect(try await PostgresSession.run("SELECT stock_remaining FROM market_items", at: url) == [["0"]])
            // Who was refused moved nothing that all share.
            #expect(try await ada(0).sync.heads(of: ada(0).user.id).place.shared == before + 7)
        }
    }

    @Test("Nobody gets more than the limit, however he hurries")
    func limits() async throws {
        try await withTwoProcesses { ada, url in
            let one = try await stock(url, "Once", 1, "max_per_user = 3, stock_remaining = 1000")
            try await ada(0).earn(1_000)
            let answers = try await race(200) { try await ada($0).buy(one) }
            #expect(answers == ["applied": 3, "limit_reached": 197])
        }
    }

    @Test("While the price changes, each buyer pays the price that he agreed to or none")
    func prices() async throws {
        try await withTwoProcesses { ada, url in
            let tea = try await stock(url, "Tea", 10)
            try await ada(0).earn(100_000)
            async let changing: Void = {
                for cost in [11, 10, 12, 10, 11, 10, 12] {
                    try await PostgresSession.run("UPDATE market_items SET cost_coins = \(cost)", at: url)
                }
            }()
            let answers = try await race(1_000) { try await ada($0).buy(tea, expecting: 10) }
            try await changing
            let bought = answers["applied"] ?? 0
            #expect(bought + (answers["price_changed"] ?? 0) == 1_000 && bought > 0, "\(answers)")
            #expect(try await ada(0).balance == Int64(100_000 - 10 * bought))
            #expect(try await ada(1).buy(tea, expecting: 10).outcome.problem?.code == "price_changed")
        }
    }

    @Test("One id, a hundred times at once: one purchase, and one answer for all")
    func oneID() async throws {
        try await withTwoProcesses { ada, url in
            let tea = try await stock(url, "Tea", 10)
            try await ada(0).earn(1_000)
            let id = UUID.v7()
            #expect(try await race(100) { try await ada($0).buy(tea, id: id) } == ["applied": 100])
            #expect(try await ada(0).balance == 990)
        }
    }

    @Test("A refund against a redemption of the same piece: one of them")
    func refundOrRedeem() async throws {
        try await withTwoProcesses { ada, url in
            let tea = try await stock(url, "Tea", 10)
            try await ada(0).earn(1_000)
            for _ in 0..<20 {
                let id = UUID.v7()
                try await ada(0).buy(tea, id: id)
                let answers = try await race(2) { try await $0 == 0 ? ada(0).refund(id) : ada(1).redeem(tea) }
                #expect(answers["applied"] == 1, "\(answers)")
            }
        }
    }

    @Test("A reward is paid once, however often it is claimed at once")
    func claims() async throws {
        try await withTwoProcesses { ada, url in
            try await ada(0).buy(try await stock(url, "Water", 0))
            let reward = try #require(try await ada(0).rewards.first)
            #expect(reward.type == "first_purchase")
            let answers = try await race(50) { try await ada($0).claim(reward.id) }
            #expect(answers == ["applied": 1, "already_claimed": 49])
            #expect(try await ada(0).balance == 5)
        }
    }

    @Test("Buying, refunding and redeeming at random from many sides leaves the books in order", arguments: 0..<2)
    func everything(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        // Drawn beforehand: how the tasks are scheduled does not change who does what.
        let moves = (0..<600).map { _ in
            (kind: Int.random(in: 0..<4, using: &random), amount: Int64.random(in: 1...9, using: &random))
        }
        try await withTwoProcesses { ada, url in
            let items = [
                try await stock(url, "Tea", 3), try await stock(url, "Rare", 9, "stock_remaining = 20"),
                try await stock(url, "Few", 5, "max_per_user = 4"),
            ]
            try await ada(0).earn(500)
            let answers = try await race(moves.count) { number in
                let item = items[number % 3]
                let (kind, amount) = moves[number]
                let id = UUID.v7()
                switch kind {
                case 0: return try await ada(number).redeem(item)
                case 1:
                    _ = try await ada(number).buy(item, 1 + amount % 3, id: id)
                    return try await ada(number + 1).refund(id)
                case 2: return try await ada(number).earn(amount)
                default: return try await ada(number).buy(item, 1 + amount % 3)
                }
            }
            #expect((answers["applied"] ?? 0) > 100, "seed \(seed): \(answers)")
            let sold = try await PostgresSession.run(
                """
                SELECT i.stock_remaining + coalesce(sum(v.quantity), 0)
                FROM market_items i LEFT JOIN user_inventory v ON v.item_id = i.id WHERE i.name = 'Rare' GROUP BY i.id
                """, at: url)
            #expect(sold == [["20"]], "seed \(seed)")
        }
    }
}
