import API
import Accounts
import FoundationEssentials
import HTTPTypes
import Market
import Persistence
import Sync
import TestSupport
import Testing

@Suite struct MarketRoutesTests {
    private func calls(_ person: Person) -> RouterCalls {
        RouterCalls(as: person) { routes in
            let dispatcher = MutationDispatcher(
                handlers: MarketMutations(repository: person.market).handlers, repository: person.sync,
                announce: { _ in })
            MarketRoutes(repository: person.market, dispatcher: dispatcher).add(to: routes)
        }
    }

    private func order(_ item: UUID, _ quantity: Int64 = 1, expecting cost: Int64? = nil) -> JSON {
        var order: JSON.Members = ["item_id": .string(item.text), "quantity": .int(quantity)]
        order["expected_cost_coins"] = cost.map { .int($0) }
        return .object(order)
    }

    @Test("A purchase is seen in wallet, inventory, ledger and rewards; is used up, given back, and a reward claimed")
    func purchase() async throws {
        try await withTestDatabase { database, url in
            let person = try await Person.register(database)
            let tea = try await stock(url, "Tea", 10)
            try await person.earn(100)
            let ada = calls(person)
            let key = UUID.v7()
            let bought = try await ada.post("/market/purchase", order(tea, 2, expecting: 10), key: key)
            #expect(try bought.status == 201 && bought.read(Purchased.self).purchase.id == key)
            let again = try await ada.post("/market/purchase", order(tea, 2, expecting: 10), key: key)
            #expect(again.status == 201 && again.isReplayed && again.body == bought.body)
            let wallet = try await ada.get("/market/wallet")
            #expect(try wallet.read(Wallet.self).totalCoins == 80 && wallet.tag == "\"2\"")
            #expect(try await ada.get("/market/wallet", headers: [.ifNoneMatch: "\"2\""]).status == 304)
            let inventory = try await ada.get("/market/inventory").read(InventoryPage.self)
            #expect(inventory.totalItems == 1 && inventory.purchases.map(\.item.name) == ["Tea"])
            let ledger = try await ada.get("/market/transactions?limit=1").read(TransactionPage.self)
            #expect(ledger.transactions.map(\.id) == [key])
            let rest = try await ada.get("/market/transactions?before=\(try #require(ledger.next))")
            #expect(try rest.read(TransactionPage.self).transactions.map(\.reason) == ["a gift"])

            #expect(try await ada.post("/market/redeem", order(tea)).read(InventoryRow.self).redeemed == 1)
            let other = UUID.v7()
            _ = try await ada.post("/market/purchase", order(tea), key: other)
            let back = try await ada.post("/market/refund", .object(["transaction_id": .string(other.text)]))
            #expect(try back.read(CoinsMoved.self).transaction.transactionType == .refund)

            let reward = try #require(try await ada.get("/market/rewards").read(RewardPage.self).rewards.first)
            let claimed = try await ada.post("/market/rewards/\(reward.id.text)/claim")
            #expect(try claimed.status == 200 && claimed.read(Claimed.self).wallet.totalCoins == 85)
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("Each refusal has its code and its numbers, and moves no coin")
    func refusals() async throws {
        try await withTestDatabase { database, url in
            let person = try await Person.register(database)
            let tea = try await stock(url, "Tea", 10, "stock_remaining = 5, max_per_user = 3")
            let last = try await stock(url, "Last", 1, "stock_remaining = 1")
            let gone = try await stock(url, "Gone", 1, "available = false")
            let dear = try await stock(url, "Dear", 1_000)
            try await person.earn(100)
            let ada = calls(person)
            let bought = UUID.v7()
            _ = try await ada.post("/market/purchase", order(tea, 2), key: bought)
            let before = try await ada.get("/market/wallet").body
            #expect(try await ada.post("/market/purchase", order(tea)).said == "400 idempotency_key_required")
            let refused: [(JSON, String, String)] = [
                (order(.v7()), "404 not_found", "There is nothing here"),
                (order(gone), "409 item_unavailable", "It was withdrawn"),
                (order(tea, expecting: 9), "409 price_changed", "A piece costs 10 coins now"),
                (order(tea, 2), "409 limit_reached", "A user may own 3 of it and you own 2."),
                (order(last, 2), "409 out_of_stock", "Only 1 are left."),
                (order(dear), "409 insufficient_coins", "This costs 1000 coins and the wallet holds 80."),
                (order(tea, 100), "422 invalid_body", "/quantity"),
            ]
            for (order, said, detail) in refused {
                let answer = try await ada.post("/market/purchase", order, key: .v7())
                #expect(try answer.said == said)
                #expect(try answer.json["detail"]?.string?.hasPrefix(detail) == true, "\(said)")
            }
            #expect(try await ada.post("/market/redeem", order(tea, 3)).said == "409 nothing_to_redeem")
            #expect(try await ada.post("/market/redeem", order(.v7())).said == "404 not_found")
            let stale = try await ada.post("/market/redeem", order(tea), headers: [.ifMatch: "\"1\""])
            #expect(try stale.said == "412 version_mismatch" && stale.json["current"]?["quantity"]?.integer == 2)
            #expect(
                try await ada.post("/market/purchase", order(tea), key: bought).said == "422 idempotency_key_reused")
            #expect(try await ada.get("/market/wallet").body == before)

            _ = try await ada.post("/market/redeem", order(tea))
            let used = try await ada.post("/market/refund", .object(["transaction_id": .string(bought.text)]))
            #expect(try used.said == "409 not_refundable")
            let reward = try #require(try await person.rewards.first).id
            _ = try await ada.post("/market/rewards/\(reward.text)/claim")
            #expect(try await ada.post("/market/rewards/\(reward.text)/claim").said == "409 already_claimed")
            #expect(try await ada.post("/market/rewards/x/claim").said == "404 not_found")
        }
    }

    @Test("The last piece goes to one buyer, and the next is told that it is sold out")
    func soldOut() async throws {
        try await withTestDatabase { database, url in
            let last = try await stock(url, "Last", 1, "stock_remaining = 1")
            var said: [String] = []
            for _ in 0..<2 {
                let person = try await Person.register(database)
                try await person.earn(5)
                let answer = try await calls(person).post("/market/purchase", order(last), key: .v7())
                said.append(try answer.json["detail"]?.string ?? answer.said)
            }
            #expect(said == ["201", "It is sold out."])
        }
    }

    @Test("An item of one's own is made, changed under its tag and deleted, by its maker alone")
    func ownItems() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            let key = UUID.v7()
            let made = try await ada.post(
                "/market/items", .object(["name": .string("Walk"), "cost_coins": .int(3)]), key: key)
            #expect(try made.status == 201 && made.read(Item.self).personal && made.tag == "\"1\"")
            let path = "/market/items/\(key.text)"
            let changed = try await ada.send(
                .patch, path, .object(["cost_coins": .int(4)]), headers: [.ifMatch: "\"1\""])
            #expect(try changed.read(Item.self).costCoins == 4 && changed.tag == "\"2\"")
            let stale = try await ada.send(
                .patch, path, .object(["cost_coins": .int(5)]), headers: [.ifMatch: "\"1\""])
            #expect(try stale.said == "412 version_mismatch" && stale.json["current"]?["cost_coins"]?.integer == 4)
            for body: JSON.Members in [
                ["name": .string(" "), "cost_coins": .int(1)], ["name": .string("x")],
                ["name": .string("x"), "cost_coins": .int(-1)],
            ] {
                #expect(try await ada.post("/market/items", .object(body)).said == "422 invalid_body", "\(body)")
            }
            let ben = calls(try await Person.register(database))
            for answer in [try await ben.get(path), try await ben.send(.delete, path)] {
                #expect(try answer.said == "404 not_found")
            }
            #expect(try await ada.get("/market/items").read(ItemPage.self).items.map(\.name) == ["Walk"])
            #expect(try await ada.send(.delete, path).status == 204)
            #expect(try await ada.get(path).said == "404 not_found")
        }
    }

    @Test("The catalogue is searched, filtered and cut into pages; a query that cannot be is refused")
    func lists() async throws {
        try await withTestDatabase { database, url in
            let person = try await Person.register(database)
            for name in ["Black tea", "Coffee", "Green tea"] { _ = try await stock(url, name, 5) }
            let ada = calls(person)
            func names(_ query: String) async throws -> [String] {
                try await ada.get("/market/items?\(query)").read(ItemPage.self).items.map(\.name)
            }
            #expect(try await names("q=TEA") == ["Black tea", "Green tea"])
            #expect(try await names("rarity=epic") == [])
            #expect(try await names("category=things&limit=1") == ["Black tea"])
            let page = try await ada.get("/market/items?limit=2").read(ItemPage.self)
            #expect(try await names("after=\(try #require(page.next))") == ["Green tea"])
            let categories = try await ada.get("/market/categories").read(CategoryList.self).categories
            #expect(categories == [Category(name: "things", items: 3)])
            let overview = try await ada.get("/market").read(MarketOverview.self)
            #expect(overview.items.count == 3 && overview.wallet.totalCoins == 0)
            #expect(try await ada.get("/market/recommendations").read(RecommendationList.self).recommendations.isEmpty)
            for query in ["rarity=dear", "limit=0", "after=x", "q=" + String(repeating: "x", count: 201)] {
                #expect(try await ada.get("/market/items?\(query)").said == "422 invalid_query", "\(query)")
            }
            let item = try await ada.get("/market/items/\(try #require(page.items.first).id.text)")
            #expect(try item.read(Item.self) == page.items.first && item.tag == "\"\(page.items[0].version)\"")
            #expect(try await ada.get("/market/items/x").said == "404 not_found")
            #expect(try await ada.signedOut.get("/market").said == "401 unauthenticated")
        }
    }
}
