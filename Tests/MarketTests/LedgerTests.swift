import API
import FoundationEssentials
import Testing

@testable import Market

@Suite("A user's ledger, recomputed")
struct LedgerTests {
    private let user = UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))

    /// Entries of these amounts, as the server would have written them.
    private func ledger(_ amounts: Int64...) -> [LedgerEntry] {
        var hash = ""
        var balance: Int64 = 0
        return amounts.enumerated().map { index, coins in
            balance += coins
            var entry = entry(index + 1, coins, balance, hash: "")
            hash = entry.hash(after: hash)
            entry = self.entry(index + 1, coins, balance, hash: hash)
            return entry
        }
    }

    private func entry(_ number: Int, _ coins: Int64, _ balance: Int64, hash: String) -> LedgerEntry {
        LedgerEntry(
            user: user, sequence: Int64(number),
            id: UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, UInt8(truncatingIfNeeded: number))),
            type: coins > 0 ? "earn" : "spend", coins: coins, balance: balance, reason: "é\nx", item: nil,
            at: Timestamp(microseconds: 1_768_046_400_123_000), hash: hash)
    }

    private func sums(_ ledger: [LedgerEntry]) -> WalletSums {
        let earned = ledger.filter { $0.type == "earn" }.map(\.coins).reduce(0, +)
        let total = ledger.map(\.coins).reduce(0, +)
        return WalletSums(
            total: total, earned: earned, spent: earned - total, sequence: Int64(ledger.count),
            hash: ledger.last?.hash ?? "")
    }

    private func findings(_ entries: [LedgerEntry], _ wallet: WalletSums?) -> [String] {
        var chain = LedgerChain(user: user)
        return entries.flatMap { chain.take($0) }.map { "\($0.kind.name) \($0.what)" }
            + chain.close(wallet).map { "\($0.kind.name) \($0.what)" }
    }

    @Test("An entry's hash is the SHA-256 of ten lines, as anybody can compute it")
    func hash() {
        // printf '\n01020304-0506-0708-090a-0b0c0d0e0f10\n1\n00000000-0000-0000-0000-000000000001\nearn\n5\n5\n\n2026-01-10T12:00:00.123Z\né\nx' | sha256sum
        #expect(ledger(5)[0].hash == "8d2aef4b0a6ecb38fa4b7bd8ea716d4251244b8819bde12bc3108921502ff067")
    }

    @Test("What the server writes is in order, an empty wallet too")
    func clean() {
        let whole = ledger(100, -30, 5, -75)
        #expect(findings(whole, sums(whole)).isEmpty)
        #expect(findings([], sums([])).isEmpty && findings([], nil).isEmpty)
    }

    @Test("An edited entry is told once, and not again of those behind it")
    func edited() {
        let whole = ledger(100, -30, 5)
        var edited = whole
        edited[1] = entry(2, -30, 70, hash: whole[2].hash)
        let wrong = findings(edited, sums(whole))
        #expect(wrong.count == 2 && wrong.allSatisfy { $0.contains("its hash fits neither") })
        edited[1] = entry(2, -20, 80, hash: whole[1].hash)
        #expect(findings(edited, sums(whole)).contains { $0.hasPrefix("transaction entry 2: its hash") })
        #expect(findings(edited, sums(whole)).contains { $0.hasPrefix("transaction entry 3: balance_after is 75") })
        #expect(findings(edited, sums(whole)).contains { $0.hasPrefix("wallet total_coins is 75") })
    }

    @Test("Missing entries are told by their numbers, wherever they were")
    func missing() {
        let whole = ledger(100, -30, 5, 6)
        #expect(findings(Array(whole[1...]), sums(whole))[0] == "transaction entry 2: entry 1 before it is missing")
        #expect(
            findings([whole[0], whole[3]], sums(whole))[0]
                == "transaction entry 4: entries 2 to 3 before it are missing")
        #expect(
            findings(Array(whole[..<2]), sums(whole)).last
                == "wallet the ledger ends at entry 2; entries up to 4 are missing")
        #expect(findings(whole, nil) == ["wallet it is missing, and the ledger has 4 entries"])
    }

    @Test("Numbers beyond any sum are told, and end nothing")
    func overflow() {
        let huge = [entry(1, .max, .max, hash: ""), entry(2, .max, .min, hash: ""), entry(.max, .min, 0, hash: "")]
        #expect(!findings(huge, WalletSums(total: .min, earned: .max, spent: .min, sequence: .max, hash: "")).isEmpty)
    }

    @Test("A type that does not go with its sign is told")
    func signs() {
        let odd = LedgerEntry(
            user: user, sequence: 1, id: user, type: "gift", coins: 1, balance: 1, reason: "", item: user, at: .now(),
            hash: "")
        #expect(findings([odd], nil)[0] == "transaction entry 1: its type gift does not go with coins_amount 1")
    }

    @Test(
        "What the server writes by itself is no reason for a grant",
        arguments: ["focus_session", "purchase", "refund", "reward:x"])
    func reserved(reason: String) {
        #expect(LedgerReason.isReserved(reason) && !LedgerReason.isReserved("a " + reason))
    }
}
