import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Market

/// If-Match: what a client has seen, and decided on, is still so.
@Suite struct MarketPreconditionTests {
    private func expectStale(
        _ applied: Applied, showing member: Verbatim, _ value: JSON?, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let problem = applied.outcome.problem
        #expect(problem?.status == 412 && problem?.code == "version_mismatch", sourceLocation: sourceLocation)
        #expect(problem?.members["current"]?[member] == value, sourceLocation: sourceLocation)
        #expect(applied.change == nil, sourceLocation: sourceLocation)
    }

    @Test("A purchase, a refund and a claim are held to the wallet's version, and their refusal is kept")
    func wallet() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 2)
            // Nobody's wallet is missing: before the first coin it is at version 0.
            #expect(
                try await ada.buy(tea, match: .version(0)).outcome.problem?.code == "insufficient_coins")
            expectStale(try await ada.buy(tea, match: .version(7)), showing: "version", .int(0))
            try await ada.earn(10)
            let version = try await ada.market.wallet(of: ada.user.id).version
            let (first, second) = (UUID.v7(), UUID.v7())
            expectStale(
                try await ada.buy(tea, id: first, match: .version(version - 1)), showing: "total_coins", .int(10))
            let again = try await ada.buy(tea, id: first, match: .version(version))
            #expect(again.outcome.replayed && again.outcome.problem?.code == "version_mismatch")
            #expect(try await ada.buy(.v7(), match: .version(version - 1)).outcome.problem?.code == "not_found")
            #expect(try await ada.buy(tea, id: second, match: .version(version)).outcome.status == .applied)
            #expect(try await ada.buy(tea, match: .exists).outcome.status == .applied)

            expectStale(try await ada.refund(second, match: .version(version)), showing: "total_coins", .int(6))
            #expect(try await ada.refund(.v7(), match: .version(version)).outcome.problem?.code == "not_found")
            var now = try await ada.market.wallet(of: ada.user.id).version
            #expect(try await ada.refund(second, match: .version(now)).outcome.status == .applied)

            let reward = try #require(try await ada.rewards.first).id
            expectStale(try await ada.claim(reward, match: .version(now)), showing: "total_coins", .int(8))
            #expect(try await ada.claim(.v7(), match: .version(now)).outcome.problem?.code == "not_found")
            now = try await ada.market.wallet(of: ada.user.id).version
            #expect(try await ada.claim(reward, match: .version(now)).outcome.status == .applied)
            #expect(try await ada.balance == 13)
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("Redeeming is held to the version of the inventory's row")
    func inventory() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 0)
            #expect(try await ada.redeem(.v7(), match: .exists).outcome.problem?.code == "not_found")
            let none = try await ada.redeem(tea, match: .exists).outcome.problem
            #expect(none?.code == "version_mismatch" && none?.members["current"] == .null)
            let version = try #require(try await ada.buy(tea, 3).change).version
            expectStale(try await ada.redeem(tea, match: .version(version - 1)), showing: "redeemed", .int(0))
            #expect(try await ada.redeem(tea, match: .version(version)).outcome.status == .applied)
            expectStale(try await ada.redeem(tea, match: .version(version)), showing: "redeemed", .int(1))
            #expect(try await ada.redeem(tea, match: .exists).outcome.status == .applied)
            #expect(try await faults(url).isEmpty)
        }
    }
}
