import API
import Accounts
import FoundationEssentials
import Market
import Persistence
import Sync
import TestSupport
import Testing

@Suite struct MarketModelsTests {
    private func read<M: Model>(_ type: M.Type, _ document: RawJSON??) throws -> M {
        let value = try #require(document ?? nil)
        return try M(exactly: value)
    }

    @Test("Items are their type, with every limit and with none, of the catalogue and of one's own")
    func items() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let bare = try await stock(url, "Bare", 5)
            let full = try await stock(
                url, "Full", 5,
                """
                stock_remaining = 3, max_per_user = 2, available_from = '2026-01-01', available_until = '2100-01-01',
                icon_url = '/web/icons/cup.svg', rarity = 'epic', description = 'All.', consumable = false
                """)
            let withdrawn = try await stock(url, "Gone", 5, "available = false")
            let mine = UUID.v7()
            let made = try await ada.make("Walk", 3, id: mine)
            let documents = try await ada.documents()
            let plain = try read(Item.self, documents["items/\(bare.text)"])
            #expect(plain.stockRemaining == nil && plain.maxPerUser == nil && plain.availableFrom == nil)
            #expect(plain.iconURL == nil && plain.rarity == .common && !plain.personal && plain.consumable)
            let limited = try read(Item.self, documents["items/\(full.text)"])
            #expect(limited.stockRemaining == 3 && limited.maxPerUser == 2 && limited.availableUntil != nil)
            #expect(limited.iconURL == "/web/icons/cup.svg" && limited.rarity == .epic && !limited.consumable)
            #expect(try !read(Item.self, documents["items/\(withdrawn.text)"]).available)
            let own = try read(Item.self, documents["personal_items/\(mine.text)"])
            #expect(own.personal && own.costCoins == 3 && own.version == 1)
            #expect(try Item(exactly: try #require(made.outcome.output)) == own)
            try await ada.write(PersonalItemChange(.delete(mine)))
            #expect(try await ada.documents()["personal_items/\(mine.text)"] == .some(nil))
        }
    }

    @Test("Wallet, inventory and rewards are their types before and after everything that can be done with them")
    func books() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 10, "stock_remaining = 9")
            #expect(try read(Wallet.self, try await ada.documents(since: nil)["wallet/coins"]).version == 0)
            let gift = try await ada.earn(100)
            #expect(try CoinsMoved(exactly: try #require(gift.outcome.output)).transaction.transactionType == .earn)

            let order = UUID.v7()
            let bought = try Purchased(exactly: try #require(try await ada.buy(tea, 2, id: order).outcome.output))
            #expect(bought.purchase.id == order && bought.purchase.costPaidCoins == 20)
            #expect(bought.wallet.totalCoins == 80 && bought.transaction.coinsAmount == -20)
            let entry = try read(InventoryEntry.self, try await ada.documents()["inventory/\(tea.text)"])
            #expect(entry.itemID == tea && entry.quantity == 2 && entry.redeemed == 0)

            let reward = try #require(try await ada.rewards.first).id
            let granted = try read(Reward.self, try await ada.documents()["rewards/\(reward.text)"])
            #expect(granted.rewardType == .firstPurchase && !granted.claimed && granted.claimedAt == nil)
            let claimed = try Claimed(exactly: try #require(try await ada.claim(reward).outcome.output))
            #expect(claimed.reward.claimed && claimed.reward.claimedAt != nil && claimed.wallet.totalCoins == 85)
            #expect(try read(Reward.self, try await ada.documents()["rewards/\(reward.text)"]) == claimed.reward)
            #expect(try read(Wallet.self, try await ada.documents()["wallet/coins"]) == claimed.wallet)

            let refunded = try await ada.refund(order)
            #expect(try CoinsMoved(exactly: try #require(refunded.outcome.output)).transaction.itemID == tea)
            #expect(try await ada.documents()["inventory/\(tea.text)"] == .some(nil))
            try await ada.buy(tea)
            let used = try InventoryRow(exactly: try #require(try await ada.redeem(tea).outcome.output))
            #expect(used.redeemed == 1 && used.item.id == tea && used.item.stockRemaining == 8)
            #expect(try read(InventoryEntry.self, try await ada.documents()["inventory/\(tea.text)"]).redeemed == 1)
            #expect(try await ada.inventory().map { try InventoryRow(exactly: $0) } == [used])

            let ledger = try await ada.market.transactions(of: ada.user.id, before: nil, limit: 10).bodies
                .map { try Transaction(exactly: $0) }
            #expect(ledger.map(\.transactionType) == [.spend, .refund, .earn, .spend, .earn])
            #expect(Set(ledger.map(\.reason)) == ["a gift", "purchase", "reward:first_purchase", "refund"])
            #expect(ledger.allSatisfy { $0.hash.utf8.count == 64 })
            let rewards = try await ada.market.rewards(of: ada.user.id, before: nil, limit: 10).bodies
            #expect(try rewards.map { try Reward(exactly: $0) } == [claimed.reward])
        }
    }

    @Test("No document comes whose collection has no type")
    func collections() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 10)
            try await ada.earn(100)
            try await ada.buy(tea)
            try await ada.make("Walk", 3)
            let known: [String: any Model.Type] = [
                "items": Item.self, "personal_items": Item.self, "wallet": Wallet.self,
                "inventory": InventoryEntry.self, "rewards": Reward.self,
            ]
            let documents = try await ada.documents().filter { !$0.key.hasPrefix("flags/") }
            #expect(Set(documents.keys.map { String($0.prefix { $0 != "/" }) }) == Set(known.keys))
            for (name, value) in documents {
                _ = try known[String(name.prefix { $0 != "/" })]?.init(exactly: try #require(value))
            }
        }
    }

    @Test("A recommendation is its type, whatever its reason")
    func recommendations() async throws {
        try await withTestDatabase { database, url in
            let tea = try await stock(url, "Tea", 10)
            let cup = try await stock(url, "Cup", 10)
            _ = try await stock(url, "Nothing special", 10)
            try await crowd(database, 4, buying: tea, cup)
            let ada = try await crowd(database, 1, buying: tea)[0]
            try await count(database)
            let list = try await ada.market.recommendations(of: ada.user.id).map { try Recommendation(exactly: $0) }
            #expect(Set(list.map(\.reason)).isSuperset(of: [.boughtTogether, .affordable]))
            #expect(list.allSatisfy { (0...1).contains($0.score) && $0.itemID == $0.item.id })
            let (items, recommendations, wallet) = try await ada.market.overview(of: ada.user.id)
            #expect(try recommendations.map { try Recommendation(exactly: $0) } == list)
            #expect(try items.map { try Item(exactly: $0) }.count == 3)
            #expect(try Wallet(exactly: wallet).totalCoins == 9_990)
        }
    }

    @Test("The OpenAPI document says of the market what the types say")
    func openAPI() throws {
        let types: [String: any Model.Type] = [
            "get /api/market": MarketOverview.self, "get /api/market/items": ItemPage.self,
            "post /api/market/items": Item.self, "get /api/market/items/{id}": Item.self,
            "patch /api/market/items/{id}": Item.self, "get /api/market/categories": CategoryList.self,
            "post /api/market/purchase": Purchased.self, "get /api/market/inventory": InventoryPage.self,
            "post /api/market/redeem": InventoryRow.self, "post /api/market/refund": CoinsMoved.self,
            "get /api/market/wallet": Wallet.self, "get /api/market/transactions": TransactionPage.self,
            "get /api/market/rewards": RewardPage.self, "post /api/market/rewards/{id}/claim": Claimed.self,
            "get /api/market/recommendations": RecommendationList.self,
        ]
        #expect(try OpenAPIDocument.published.faults(below: "/api/market", types) == [])
    }
}
