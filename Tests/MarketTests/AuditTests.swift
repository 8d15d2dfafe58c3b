import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import Synchronization
import TestSupport
import Testing

@testable import Market

@Suite("The audit reads a database in pieces, and misses nothing at their edges")
struct AuditTests {
    private final class Findings: Sendable {
        private let list = Mutex<[AuditFinding]>([])

        var all: [AuditFinding] { list.withLock { $0 } }
        func add(_ finding: AuditFinding) { list.withLock { $0.append(finding) } }
    }

    private let session = AuditFinding.Kind(name: "focus_session")

    private func audit(
        _ url: String, users: Int = 1_000, entries: Int = 5_000
    ) async throws -> (done: PostgresAudit.Progress, findings: [AuditFinding]) {
        let findings = Findings()
        let done = try await PostgresAudit(
            url: url, rules: testRules, earnings: testViews.earnings, usersAtOnce: users, entriesAtOnce: entries
        ).run {
            findings.add($0)
        }
        #expect(done.findings == Int64(findings.all.count))
        return (done, findings.all)
    }

    @Test(
        "Whatever the size of the pieces, it counts the same and finds the same", arguments: [1, 2, 3, 1_000],
        [1, 2, 7, 5_000])
    func pieces(users: Int, entries: Int) async throws {
        try await withTestDatabase { database, url in
            var people: [Person] = []
            for number in 1...5 {
                let person = try await Person.register(database)
                for _ in 0..<number { try await person.earn(10) }
                people.append(person)
            }
            // One who has no wallet, and one whose wallet is empty.
            _ = try await Person.register(database)
            let poor = try await Person.register(database)
            try await PostgresSession.run("INSERT INTO user_wallet (user_id) VALUES ('\(poor.user.id.text)')", at: url)
            let clean = try await audit(url, users: users, entries: entries)
            #expect(clean.findings.isEmpty && clean.done.users == 7 && clean.done.entries == 15)
            try await PostgresSession.run(
                """
                SET session_replication_role = replica;
                UPDATE market_transactions SET reason = 'edited' WHERE seq = 2;
                UPDATE user_wallet SET total_coins = 1, earned_coins = 1 WHERE user_id = '\(poor.user.id.text)'
                """, at: url)
            let found = try await audit(url, users: users, entries: entries).findings
            let ledgers = Set(found.filter { $0.kind == .transaction }.compactMap(\.user))
            #expect(ledgers == Set(people.dropFirst().map(\.user.id)))
            #expect(found.filter { $0.user == poor.user.id }.count == 2 && found.count == 6)
        }
    }

    @Test("Rows of nobody are found at both ends of all ids")
    func strays() async throws {
        try await withTestDatabase { database, url in
            let person = try await Person.register(database)
            try await person.earn(5)
            let ends = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
            for id in ends {
                try await PostgresSession.run(
                    "SELECT wallet_move('\(id)', '\(id)', 'earn', 5, 'a gift', NULL, 1, '2026-01-10')", at: url)
            }
            for users in [1, 1_000] {
                let found = try await audit(url, users: users).findings
                #expect(Set(found.compactMap { $0.user?.text }) == Set(ends) && found.allSatisfy { $0.kind == .wallet })
            }
        }
    }

    @Test("Two purchases of one item and cost that are refunded need two entries")
    func twoRefunds() async throws {
        try await withTestDatabase { database, url in
            let person = try await Person.register(database)
            try await person.earn(100)
            let item = try await stock(url, "tea", 10)
            for _ in 0..<2 {
                let id = UUID.v7()
                try await person.buy(item, id: id)
                try await person.refund(id)
            }
            #expect(try await audit(url).findings.isEmpty)
            // Both at the same moment: only one of the entries is of it.
            try await PostgresSession.run(
                """
                SET session_replication_role = replica;
                UPDATE user_market_purchases SET refunded_at = (SELECT max(refunded_at) FROM user_market_purchases)
                """, at: url)
            let found = try await audit(url).findings
            #expect(
                found.contains {
                    $0.kind == .purchase && $0.what.contains("refunded, with 1 entries of the ledger for 2")
                })
        }
    }

    @Test("What the rules let end unpaid, or let use an old id again, is no finding")
    func unpaid() async throws {
        try await withTestDatabase { database, url in
            let person = try await Person.register(database)
            let old = UUID.v7()
            try await person.earn(10, id: old)
            let item = try await stock(url, "tea", 1)
            let bought = UUID.v7()
            try await person.buy(item, id: bought)
            // Long ago, and forgotten: then the same ids are given to sessions, which complete.
            try await PostgresSession.run(
                """
                DELETE FROM mutations;
                INSERT INTO mutations (user_id, id, device_id, name, fingerprint, status, created_at)
                SELECT user_id, id, id, 'market.redeem', '', 'rejected', now() + interval '31 days'
                FROM market_transactions;
                INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, remaining_seconds,
                    coins_awarded, completed_at, version)
                SELECT user_id, id, 'focus', 'completed', 1500, now(), 0, 0, now(), 1 FROM market_transactions
                """, at: url)
            #expect(try await audit(url).findings.isEmpty)
            let unpaid = """
                INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, remaining_seconds,
                    coins_awarded, completed_at, version)
                VALUES ('\(person.user.id.text)', gen_random_uuid(), 'focus', 'completed', 1500, now(), 0, 0, now(), 1)
                """
            try await PostgresSession.run(unpaid, at: url)
            #expect(try await audit(url).findings.map(\.kind) == [session])
            // That it was paid is not to be said where another entry has the id.
            try await PostgresSession.run(
                "UPDATE focus_sessions SET coins_awarded = 10 WHERE id = '\(old.text)'", at: url)
            #expect(try await audit(url).findings.map(\.kind) == [session, session])
            try await PostgresSession.run("UPDATE focus_sessions SET coins_awarded = 0", at: url)
            // Who has earned all that a wallet holds is paid no more; that this was not earned is told of the wallet alone.
            try await PostgresSession.run(
                """
                UPDATE user_wallet SET earned_coins = 9007199254740990, total_coins = 9007199254740990 - spent_coins
                """, at: url)
            #expect(try await audit(url).findings.allSatisfy { $0.kind == .wallet })
        }
    }
}
