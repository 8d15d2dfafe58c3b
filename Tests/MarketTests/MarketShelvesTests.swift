import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Market

@Suite struct MarketShelvesTests {
    private func names(_ ada: Person, _ filter: ItemFilter = ItemFilter()) async throws -> [String] {
        try await ada.market.items(of: ada.user.id, filter, after: nil, limit: 100).bodies.compactMap {
            try $0.parsed["name"]?.string
        }
    }

    @Test("A search minds neither case nor accents, and means what it says with % and _")
    func search() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            _ = try await stock(url, "Café crème", 1)
            _ = try await stock(url, "Ёлка", 1)
            _ = try await stock(url, "ΌΜΗΡΟΣ", 1)
            _ = try await stock(url, "100% Æther_ß", 1, "description = 'a Łódź story'")
            for (words, found) in [
                (["CAFE"], "Café crème"), (["créme", "cafè"], "Café crème"), (["елка"], "Ёлка"), (["όμηρος"], "ΌΜΗΡΟΣ"),
                (["0%"], "100% Æther_ß"), (["_ss"], "100% Æther_ß"), (["lodz"], "100% Æther_ß"),
                (["aether"], "100% Æther_ß"), (["ﬁ", "x"], nil), (["c_f"], nil), (["%"], "100% Æther_ß"),
                (["cafe", "tea"], nil),
            ] as [([String], String?)] {
                #expect(try await names(ada, ItemFilter(words: words)) == [found].compactMap(\.self), "\(words)")
            }
        }
    }

    @Test("Upper and lower case of Latin, Greek, Cyrillic, Armenian and Georgian letters are found by one another")
    func folding() async throws {
        try await withTestDatabase { _, url in
            var pairs: [(String, String)] = []
            for range in [0xC0...0x24F, 0x370...0x52F, 0x531...0x587, 0x10A0...0x10FF] as [ClosedRange<UInt32>] {
                for scalar in range.compactMap(Unicode.Scalar.init) {
                    let properties = scalar.properties
                    if properties.uppercaseMapping != properties.lowercaseMapping {
                        pairs.append((properties.uppercaseMapping, properties.lowercaseMapping))
                    }
                }
            }
            #expect(pairs.count > 600)
            let rows = pairs.map { "('\($0)', '\($1)')" }.joined(separator: ",")
            let apart = try await PostgresSession.run(
                "SELECT u, l FROM (VALUES \(rows)) AS p (u, l) WHERE market_fold(u) <> market_fold(l)", at: url)
            #expect(apart == [])
            let folded = try await PostgresSession.run("SELECT market_fold('ŒUVRE Þór Ðađ Ŋ ſ')", at: url)
            #expect(folded == [["oeuvre thor dad n s"]])
        }
    }

    @Test("Names that fold to thousands of characters are kept, listed and paged like others")
    func longest() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let name = String(repeating: "\u{FDFA}", count: 200)
            var made: Set<UUID> = []
            for _ in 0..<2 { made.insert(try await stock(url, name, 1)) }
            for _ in 0..<2 {
                let id = UUID.v7()
                #expect(try await ada.make(name, 1, id: id).outcome.status == .applied)
                made.insert(id)
            }
            var seen: [UUID] = []
            var place: ItemPlace?
            repeat {
                let page = try await ada.market.items(of: ada.user.id, ItemFilter(), after: place, limit: 1)
                seen += try page.bodies.compactMap { try $0.parsed["id"]?.string.flatMap { UUID(text: $0) } }
                place = try page.next.map { try #require(ItemPlace($0.text)) }
            } while place != nil
            #expect(seen.count == 4 && Set(seen) == made)
        }
    }

    @Test("An id is one item: of the catalogue, whoever came first")
    func sharedID() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 1)
            let taken = try await ada.make("Mine", 1, id: tea)
            #expect(taken.outcome.problem?.code == "idempotency_key_reused" && taken.change == nil)
            // The other way round nobody is asked: the catalogue is brought in by whoever runs the server.
            let walk = UUID.v7()
            try await ada.make("Walk", 1, id: walk)
            _ = try await stock(url, "Chess", 2, id: walk)
            #expect(try await names(ada) == ["Chess", "Tea"])
            #expect(try await ada.market.item(walk, of: ada.user.id)?.body.parsed["name"]?.string == "Chess")
            try await ada.earn(10)
            try await ada.buy(tea)
            try await ada.buy(walk)
            try await count(database)
            let recommended = try await ada.market.recommendations(of: ada.user.id).map {
                try $0.parsed["item_id"]?.string ?? ""
            }
            #expect(recommended.count == Set(recommended).count && recommended.contains(walk.text))
            #expect(try await PostgresSession.run("SELECT count(*) FROM market_recommendations", at: url) != [["0"]])
        }
    }

    @Test("A list is cut into pages without a gap or a repetition, whatever comes and goes meanwhile")
    func pages() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            for name in ["b", "B", "ä", "z", "a", "a"] { _ = try await stock(url, name, 1) }
            try await ada.make("c", 1)
            var seen: [String] = []
            var place: ItemPlace?
            repeat {
                let page = try await ada.market.items(of: ada.user.id, ItemFilter(), after: place, limit: 2)
                seen += try page.bodies.compactMap { try $0.parsed["name"]?.string }
                place = page.next
                // Before the place: it moves nothing.
                _ = try await stock(url, "0", 1)
            } while place != nil
            #expect(
                Set(seen.prefix(3)) == ["a", "ä"] && seen.dropFirst(3).prefix(2).map { $0.lowercased() } == ["b", "b"])
            #expect(Array(seen.suffix(2)) == ["c", "z"] && seen.count == 7)
        }
    }

    @Test("Withdrawn items are on no shelf, and can still be looked at and stay owned")
    func withdrawn() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 1)
            _ = try await stock(url, "Soon", 1, "available_from = now() + interval '1 day', rarity = 'epic'")
            try await ada.earn(5)
            try await ada.buy(tea)
            let before = try await ada.sync.heads(of: ada.user.id).place.shared
            try await PostgresSession.run("UPDATE market_items SET available = false WHERE name = 'Tea'", at: url)
            #expect(try await ada.sync.heads(of: ada.user.id).place.shared == before + 1)
            #expect(try await names(ada) == ["Soon"])
            #expect(try await names(ada, ItemFilter(rarity: .epic)) == ["Soon"])
            #expect(try await names(ada, ItemFilter(rarity: .rare)) == [])
            #expect(try await names(ada, ItemFilter(category: "things")) == ["Soon"])
            #expect(try await names(ada, ItemFilter(category: "Things")) == [])
            let body = try #require(try await ada.market.item(tea, of: ada.user.id)).body.parsed
            #expect(body["available"]?.bool == false)
            let owned = try #require(try await ada.inventory().first).parsed
            #expect(owned["item"]?["name"]?.string == "Tea")
            #expect(try await ada.market.categories(of: ada.user.id) == [Market.Category(name: "things", items: 1)])
            let changed = try await ada.sync.documents(of: ada.user.id, beyond: Place(user: 99, shared: before))
                .documents
            #expect(try changed.map { try $0.value?.parsed["available"]?.bool } == [false])
        }
    }

    @Test("What a user makes for himself is seen by nobody else in anything, and sold to nobody else")
    func personal() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            let id = UUID.v7()
            let made = try await ada.make("Secret walk", 3, id: id)
            let body = try #require(made.outcome.output).parsed
            #expect(
                body["id"]?.string == id.text && body["personal"]?.bool == true && body["rarity"]?.string == "common")
            #expect(made.outcome.document?.collection == "personal_items" && made.outcome.version == 1)
            try await ada.earn(10)
            try await ben.earn(10)
            #expect(try await names(ada) == ["Secret walk"])
            #expect(try await names(ada, ItemFilter(words: ["SÉCRET"])) == ["Secret walk"])
            #expect(try await ada.market.recommendations(of: ada.user.id).count == 1)
            #expect(try await ada.market.overview(of: ada.user.id).items.count == 1)
            #expect(try await names(ben) == [])
            #expect(try await ben.market.item(id, of: ben.user.id) == nil)
            #expect(try await ben.market.categories(of: ben.user.id).isEmpty)
            #expect(try await ben.market.recommendations(of: ben.user.id).isEmpty)
            #expect(try await ben.market.overview(of: ben.user.id).items.isEmpty)
            #expect(
                try await ben.sync.documents(of: ben.user.id, beyond: nil).documents.map(\.collection)
                    .filter { $0 != "flags" } == ["wallet"])
            #expect(try await ben.buy(id).outcome.problem?.code == "not_found")
            #expect(try await ben.redeem(id).outcome.problem?.code == "not_found")
            let theft = try await ben.write(PersonalItemChange(.patch(id), name: "Mine"))
            #expect(theft.outcome.problem?.code == "not_found")
            #expect(try await ben.write(PersonalItemChange(.delete(id))).outcome.problem?.code == "not_found")
            #expect(try await ada.buy(id, 2, expecting: 3).outcome.status == .applied)
            #expect(try await ada.redeem(id, 2).outcome.status == .applied)
        }
    }

    @Test("A change of one's own item is held to the version that was seen; one that changes nothing tells nobody")
    func changes() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            try await ada.make("Walk", 3, id: id)
            let same = try await ada.write(PersonalItemChange(.patch(id), name: "Walk"), match: .version(1))
            #expect(same.outcome.status == .applied && same.change == nil && same.outcome.version == 1)
            let dearer = try await ada.write(PersonalItemChange(.patch(id), cost: 4), match: .version(1))
            #expect(dearer.outcome.version == 2 && dearer.change?.documents.first?.version == 2)
            let stale = try await ada.write(PersonalItemChange(.patch(id), name: "Run"), match: .version(1))
            #expect(stale.outcome.problem?.code == "version_mismatch")
            #expect(stale.outcome.problem?.members["current"]?["cost_coins"]?.integer == 4)
            #expect(
                try await ada.write(PersonalItemChange(.delete(id)), match: .version(1)).outcome.status == .rejected)
            let gone = try await ada.write(PersonalItemChange(.delete(id)), match: .version(2))
            #expect(gone.outcome.status == .applied && gone.outcome.output == nil)
            #expect(gone.change?.documents.first?.value == nil)
            #expect(try await ada.write(PersonalItemChange(.delete(id))).outcome.problem?.code == "not_found")
            #expect(try await ada.buy(id).outcome.problem?.code == "not_found")
        }
    }

    @Test("A thousand items of one's own and no more")
    func most() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await PostgresSession.run(
                """
                INSERT INTO market_personal_items (user_id, id, name, cost_coins, version)
                SELECT '\(ada.user.id.text)', gen_random_uuid(), 'n' || n, 1, 0 FROM generate_series(1, 999) n
                """, at: url)
            let id = UUID.v7()
            #expect(try await ada.make("last", 1, id: id).outcome.status == .applied)
            #expect(try await ada.make("more", 1).outcome.problem?.code == "too_many_items")
            try await ada.write(PersonalItemChange(.delete(id)))
            #expect(try await ada.make("more", 1).outcome.status == .applied)
        }
    }
}
