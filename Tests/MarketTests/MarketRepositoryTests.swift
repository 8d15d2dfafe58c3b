import API
import Accounts
import FoundationEssentials
import Logging
import Persistence
import Sync
import TestSupport
import Testing

@testable import Market

@Suite struct MarketRepositoryTests {
    @Test("A purchase takes the coins and gives the pieces, at one version, and says both to the devices")
    func purchase() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let coffee = try await stock(url, "Coffee", 40)
            try await ada.earn(100)
            let id = UUID.v7()
            let bought = try await ada.buy(coffee, 2, expecting: 40, id: id)
            #expect(bought.outcome.status == .applied && bought.outcome.version == 2 && bought.shared == nil)
            let body = try #require(bought.outcome.output).parsed
            #expect(body["purchase"]?["id"]?.string == id.text && body["purchase"]?["cost_paid_coins"]?.integer == 80)
            #expect(body["transaction"]?["id"]?.string == id.text)
            #expect(body["transaction"]?["coins_amount"]?.integer == -80)
            #expect(body["transaction"]?["balance_after"]?.integer == 20)
            #expect(body["transaction"]?["reason"]?.string == "purchase")
            #expect(body["wallet"]?["total_coins"]?.integer == 20 && body["wallet"]?["version"]?.integer == 2)
            let change = try #require(bought.change)
            #expect(change.documents.map(\.collection) == ["wallet", "inventory", "rewards"])
            let again = try await ada.buy(coffee, 2, expecting: 40, id: id)
            #expect(again.outcome.replayed && again.outcome.output == bought.outcome.output && again.change == nil)
            let row = try #require(try await ada.inventory().first).parsed
            #expect(row["quantity"]?.integer == 2 && row["redeemed"]?.integer == 0)
            #expect(row["item"]?["name"]?.string == "Coffee")
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("Documents are what a pull brings, value for value")
    func documents() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let last = try await stock(url, "Last", 5, "stock_remaining = 3")
            try await ada.earn(100)
            let mine = UUID.v7()
            let changes = [
                try await ada.make("Walk", 3, id: mine), try await ada.buy(last), try await ada.buy(mine, 2),
                try await ada.redeem(mine), try await ada.write(PersonalItemChange(.delete(mine))),
                try await ada.claim(try #require(try await ada.rewards.first).id),
            ]
            var held: [String: Document] = [:]
            for document in changes.compactMap(\.change).flatMap(\.documents) {
                held[document.collection + document.id] = document
            }
            let pulled = try await ada.sync.documents(of: ada.user.id, beyond: Place(user: 0, shared: 0)).documents
            #expect(Set(pulled.filter { $0.collection != "items" && $0.collection != "flags" }) == Set(held.values))
            let item = try #require(pulled.first { $0.collection == "items" })
            #expect(try item.value?.parsed["stock_remaining"]?.integer == 2)
            #expect(item.version == changes[1].shared)
            #expect(try item.value == (await ada.market.item(last, of: ada.user.id))?.body)
            let live = try await ada.sync.documents(of: ada.user.id, beyond: nil).documents
            #expect(!live.contains { $0.collection == "personal_items" })
        }
    }

    @Test("A user's wallet is there from the beginning, empty, at version 0")
    func emptyWallet() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let (version, body) = try await ada.market.wallet(of: ada.user.id)
            #expect(version == 0)
            let wallet = try body.parsed
            #expect(wallet["total_coins"] == .int(0) && wallet["earned_coins"] == .int(0))
            let documents = try await ada.sync.documents(of: ada.user.id, beyond: nil).documents
            #expect(
                documents.filter { $0.collection != "flags" } == [
                    Document(collection: "wallet", id: "coins", value: body, version: 0)
                ])
        }
    }

    @Test("Refusals come in the order of the contract, are kept, and change nothing")
    func refusals() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let worst = try await stock(url, "Worst", 50, "available = false, stock_remaining = 0, max_per_user = 1")
            func refusal(_ quantity: Int64 = 2, expecting: Int64? = 49) async throws -> Problem? {
                let id = UUID.v7()
                let first = try await ada.buy(worst, quantity, expecting: expecting, id: id)
                #expect(first.change == nil && first.shared == nil && first.outcome.head == 0)
                let again = try await ada.buy(worst, quantity, expecting: expecting, id: id)
                #expect(again.outcome.replayed && again.outcome.problem == first.outcome.problem)
                return first.outcome.problem
            }
            func change(_ what: String) async throws {
                try await PostgresSession.run("UPDATE market_items SET \(what)", at: url)
            }
            #expect(try await refusal()?.code == "item_unavailable")
            try await change("available = true, available_from = now() + interval '1 hour'")
            #expect(try await refusal()?.code == "item_unavailable")
            try await change("available_from = now() - interval '2 hours', available_until = now()")
            #expect(try await refusal()?.code == "item_unavailable")
            try await change("available_until = now() + interval '1 hour'")
            let dearer = try #require(try await refusal())
            #expect(dearer.code == "price_changed" && dearer.members["cost_coins"] == .int(50))
            #expect(try await refusal(expecting: 50)?.code == "limit_reached")
            #expect(try await refusal(1, expecting: 50)?.code == "out_of_stock")
            try await change("stock_remaining = 9")
            let poor = try #require(try await refusal(1, expecting: nil))
            #expect(poor.code == "insufficient_coins")
            #expect(poor.members == ["balance": .int(0), "cost": .int(50)])
            #expect(try await ada.buy(.v7()).outcome.problem?.code == "not_found")
            #expect(try await PostgresSession.run("SELECT stock_remaining FROM market_items", at: url) == [["9"]])
        }
    }

    @Test("Amounts that no wallet holds are refused, and never a fault of ours")
    func amounts() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let dear = try await stock(url, "Dear", 9_007_199_254_740_991)
            let large = try await stock(url, "Large", 1_000_000_000_000)
            let beyond = try #require(try await ada.buy(dear, 99).outcome.problem)
            #expect(beyond.code == "insufficient_coins")
            #expect(beyond.members == ["balance": .int(0), "cost": .int(99 * 9_007_199_254_740_991)])
            #expect(try await ada.buy(dear, 1).outcome.problem?.code == "insufficient_coins")
            // More than a grant may give can be spent, and comes back.
            for _ in 0..<2 { try await ada.earn(1_000_000_000_000) }
            let both = UUID.v7()
            #expect(try await ada.buy(large, 2, id: both).outcome.status == .applied)
            #expect(try await ada.balance == 0)
            #expect(try await ada.refund(both).outcome.status == .applied)
            #expect(try await ada.balance == 2_000_000_000_000)
            #expect(try await ada.buy(large, 1).outcome.status == .applied)
            for coins in [0, -1, 1_000_000_000_001, Int64.max] {
                let refusal = await #expect(throws: Problem.self) { try await ada.earn(coins) }
                #expect(refusal?.status == 422)
            }
            #expect(try await faults(url).isEmpty)
            // A balance stops below 2^53.
            try await PostgresSession.run(
                "UPDATE user_wallet SET total_coins = 9007199254740990, earned_coins = 9007199254740990, spent_coins = 0",
                at: url)
            let refusal = await #expect(throws: Problem.self) { try await ada.earn(2) }
            #expect(refusal?.status == 422)
            #expect(try await ada.earn(1).outcome.status == .applied)
        }
    }

    @Test("What costs nothing can be had with nothing, and stands in the ledger too")
    func free() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let free = try await stock(url, "Water", 0)
            let id = UUID.v7()
            #expect(try await ada.buy(free, id: id).outcome.status == .applied)
            #expect(try await ada.refund(id).outcome.status == .applied)
            #expect(try await ada.balance == 0)
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("Redeeming uses up the oldest pieces first; what is not consumable cannot be used up")
    func redeem() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 1)
            let badge = try await stock(url, "Badge", 1, "consumable = false")
            try await ada.earn(100)
            let ids = [UUID.v7(), .v7(), .v7()]
            for (id, quantity) in zip(ids, [2, 3, 4] as [Int64]) { try await ada.buy(tea, quantity, id: id) }
            func redeemed() async throws -> [[String?]] {
                try await PostgresSession.run("SELECT redeemed FROM user_market_purchases ORDER BY quantity", at: url)
            }
            #expect(try await ada.redeem(tea).outcome.status == .applied)
            #expect(try await redeemed() == [["1"], ["0"], ["0"]])
            let more = try await ada.redeem(tea, 5)
            #expect(try more.outcome.output?.parsed["redeemed"]?.integer == 6)
            #expect(try more.outcome.output?.parsed["item"]?["name"]?.string == "Tea")
            #expect(try await redeemed() == [["2"], ["3"], ["1"]])
            #expect(try await ada.redeem(tea, 4).outcome.problem?.code == "nothing_to_redeem")
            #expect(try await redeemed() == [["2"], ["3"], ["1"]])
            #expect(try await ada.redeem(tea, 3).outcome.status == .applied)
            #expect(try await ada.redeem(tea).outcome.problem?.code == "nothing_to_redeem")
            try await ada.buy(badge)
            #expect(try await ada.redeem(badge).outcome.problem?.code == "nothing_to_redeem")
            #expect(try await ada.redeem(.v7()).outcome.problem?.code == "not_found")
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("A refund takes a purchase back: once, within 24 hours, nothing of it redeemed")
    func refund() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            let tea = try await stock(url, "Tea", 10, "stock_remaining = 5")
            try await ada.earn(100)
            let (first, second, third) = (UUID.v7(), UUID.v7(), UUID.v7())
            try await ada.buy(tea, 2, id: first)
            try await ada.buy(tea, 1, id: second)
            try await ada.redeem(tea)
            #expect(try await ada.refund(first).outcome.problem?.code == "not_refundable")
            let back = try await ada.refund(second)
            #expect(back.shared != nil)
            let body = try #require(back.outcome.output).parsed
            #expect(body["transaction"]?["transaction_type"]?.string == "refund")
            #expect(body["transaction"]?["coins_amount"]?.integer == 10)
            #expect(body["wallet"]?["spent_coins"]?.integer == 20 && body["wallet"]?["total_coins"]?.integer == 80)
            #expect(try await PostgresSession.run("SELECT stock_remaining FROM market_items", at: url) == [["3"]])
            #expect(try await ada.refund(second).outcome.problem?.code == "not_refundable")
            #expect(try await ben.refund(first).outcome.problem?.code == "not_found")
            let granted = UUID.v7()
            try await ada.earn(1, id: granted)
            #expect(try await ada.refund(granted).outcome.problem?.code == "not_refundable")
            try await ada.buy(tea, 1, id: third)
            try await PostgresSession.run(
                """
                UPDATE user_market_purchases SET purchased_at = purchased_at - interval '24 hours' WHERE id = '\(third.text)'
                """, at: url)
            #expect(try await ada.refund(third).outcome.problem?.code == "not_refundable")
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("An item of which everything was refunded leaves the inventory, and its tombstone is purged")
    func emptied() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.earn(10)
            let (item, id, kept) = (UUID.v7(), UUID.v7(), UUID.v7())
            try await ada.make("Walk", 1, id: item)
            try await ada.make("Sleep", 1, id: kept)
            try await ada.buy(item, id: id)
            try await ada.buy(kept)
            let back = try await ada.refund(id)
            let document = try #require(back.change?.documents.first { $0.collection == "inventory" })
            #expect(document.value == nil)
            for gone in [item, kept] { try await ada.write(PersonalItemChange(.delete(gone))) }
            #expect(try await ada.inventory().count == 1)
            let rows = try await PostgresSession.run(
                """
                SELECT (market_purge('\(ada.user.id.text)', now() + interval '1 day', NULL, 10)).purged,
                    (SELECT count(*) FROM market_personal_items)
                """, at: url)
            #expect(rows == [["2", "2"]])
            let row = try #require(try await ada.inventory().first).parsed
            #expect(row["item"]?["name"]?.string == "Sleep" && row["item"]?["available"]?.bool == false)
            let heads = try await ada.sync.heads(of: ada.user.id)
            #expect(heads.floor.user == heads.place.user - 1)
        }
    }

    @Test("A grant happens once for its id, and another grant cannot take it")
    func grants() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            #expect(try await ada.earn(5, id: id).change?.documents.map(\.collection) == ["wallet"])
            #expect(try await ada.earn(5, id: id).outcome.replayed)
            #expect(try await ada.earn(6, id: id).outcome.problem?.code == "idempotency_key_reused")
            // Even when its answer has been forgotten.
            try await PostgresSession.run("DELETE FROM mutations", at: url)
            #expect(try await ada.earn(5, id: id).outcome.replayed)
            #expect(try await ada.balance == 5)
        }
    }

    @Test("An id whose answer has been forgotten is not used again for another movement or item")
    func forgottenIDs() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let free = try await stock(url, "Water", 0)
            let (bought, made) = (UUID.v7(), UUID.v7())
            try await ada.buy(free, id: bought)
            try await ada.make("Walk", 1, id: made)
            try await PostgresSession.run("DELETE FROM mutations", at: url)
            for attempt in [{ try await ada.buy(free, id: bought) }, { try await ada.make("Walk", 1, id: made) }] {
                let refusal = await #expect(throws: Problem.self) { try await attempt() }
                #expect(refusal?.code == "idempotency_key_reused")
            }
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("Housekeeping forgets what left the inventory and the user's own items long ago")
    func housekeeping() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let (item, bought) = (UUID.v7(), UUID.v7())
            try await ada.make("Walk", 0, id: item)
            try await ada.buy(item, id: bought)
            try await ada.refund(bought)
            try await ada.write(PersonalItemChange(.delete(item)))
            let housekeeping = PostgresHousekeeping(
                database: database, purges: testViews.purges,
                logger: Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() }))
            func left() async throws -> [[String?]] {
                try await PostgresSession.run(
                    "SELECT (SELECT count(*) FROM user_inventory), (SELECT count(*) FROM market_personal_items)",
                    at: url)
            }
            await housekeeping.tidy()
            #expect(try await left() == [["1", "1"]])
            try await PostgresSession.run(
                """
                UPDATE user_inventory SET emptied_at = now() - interval '31 days';
                UPDATE market_personal_items SET deleted_at = now() - interval '31 days'
                """, at: url)
            await housekeeping.tidy()
            #expect(try await left() == [["0", "0"]])
        }
    }

    @Test("Nothing is written for an account that is gone")
    func gone() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let item = try await stock(url, "Tea", 0)
            try await PostgresSession.run("DELETE FROM users", at: url)
            await #expect(throws: Problem.unauthenticated) { try await ada.buy(item) }
            await #expect(throws: Problem.unauthenticated) { try await ada.earn(5) }
            await #expect(throws: Problem.unauthenticated) { try await ada.market.arrive(ada.user.id) }
            await #expect(throws: Problem.unauthenticated) { try await ada.market.wallet(of: ada.user.id) }
            await #expect(throws: Problem.unauthenticated) { try await ada.market.overview(of: ada.user.id) }
        }
    }
}
