import API
import FoundationEssentials
package import Market

/// Reads everything that has to do with coins, as of one moment, and tells what cannot be. User by user in ranges, the ledger
/// in batches, so that its memory does not grow with the database; a connection of its own, and it locks nobody out.
package struct PostgresAudit: Sendable {
    package struct Progress: Sendable {
        package var users: Int64 = 0
        package var allUsers: Int64 = 0
        package var entries: Int64 = 0
        package var findings: Int64 = 0
    }

    private let url: String
    private let usersAtOnce: Int64
    private let entriesAtOnce: Int

    package init(url: String, usersAtOnce: Int = 1_000, entriesAtOnce: Int = 5_000) {
        self.url = url
        self.usersAtOnce = Int64(usersAtOnce)
        self.entriesAtOnce = entriesAtOnce
    }

    /// - Parameters:
    ///   - found: each finding, as soon as it is known.
    ///   - progress: after each batch.
    package func run(
        found: @escaping @Sendable (AuditFinding) -> Void, progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws -> Progress {
        try await onThread {
            let connection = try DirectConnection(url: url)
            // Joins within a range are by hash or merge: a nested loop over tables that nobody has analysed takes for ever.
            try connection.execute(
                script: """
                    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                    SET LOCAL enable_nestloop = off; SET LOCAL idle_in_transaction_session_timeout = 0
                    """)
            var audit = Audit(
                connection: connection, entriesAtOnce: entriesAtOnce, found: found, progress: progress)
            try audit.countUsers()
            var from = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
            while let next = try audit.bound(after: usersAtOnce, from: from) {
                try audit.check(Users(from: from, to: next))
                audit.done.users += usersAtOnce
                from = next
            }
            try audit.check(Users(from: from, to: nil))
            try audit.checkShared()
            audit.done.users = audit.done.allUsers
            return audit.done
        }
    }
}

/// Users by their ids: from the first up to, not including, the second; nil: all the rest. Every possible id is in one range, so
/// that rows which belong to nobody are looked at too.
struct Users {
    let from: UUID
    let to: UUID?

    /// The condition on a table's user.
    func hold(_ column: StaticString) -> SQL {
        guard let to else { return "\(raw: column) >= \(from)" }
        return "\(raw: column) >= \(from) AND \(raw: column) < \(to)"
    }
}

private struct Audit {
    let connection: DirectConnection
    let entriesAtOnce: Int
    let found: @Sendable (AuditFinding) -> Void
    let progress: @Sendable (PostgresAudit.Progress) -> Void
    var done = PostgresAudit.Progress()

    mutating func countUsers() throws {
        done.allUsers = try connection.query("SELECT count(*) AS users FROM users").first?.decode("users") ?? 0
        progress(done)
    }

    /// Where the range that begins at `from` ends; nil: it is the last.
    func bound(after users: Int64, from: UUID) throws -> UUID? {
        try connection.query(
            """
            SELECT id FROM (
                (SELECT id FROM users WHERE id >= \(from) ORDER BY id LIMIT \(users + 1))
                UNION (SELECT user_id FROM user_wallet WHERE user_id >= \(from) ORDER BY user_id LIMIT \(users + 1))
            ) AS either ORDER BY id OFFSET \(users) LIMIT 1
            """
        ).first?.decode("id")
    }

    mutating func check(_ users: Users) throws {
        try checkLedgers(users)
        for rule in AuditRules.ofUsers {
            for row in try connection.query(rule.statement(users)) {
                tell(
                    AuditFinding(
                        user: try row.decode("user_id"), kind: rule.kind, row: try row.decode("id"),
                        what: try row.decode("what")))
            }
        }
        progress(done)
    }

    mutating func checkShared() throws {
        for row in try connection.query(AuditRules.items) {
            tell(AuditFinding(user: nil, kind: .item, row: try row.decode("id"), what: try row.decode("what")))
        }
    }

    private mutating func tell(_ finding: AuditFinding) {
        done.findings += 1
        found(finding)
    }

    // The chains

    private mutating func checkLedgers(_ users: Users) throws {
        var wallets = try wallets(users)[...]
        var chain: LedgerChain?
        var place: (user: UUID, sequence: Int64)?
        while true {
            let batch = try entries(users, after: place)
            for entry in batch {
                if chain?.user != entry.user {
                    if let chain { close(chain, &wallets) }
                    chain = LedgerChain(user: entry.user)
                }
                chain?.take(entry).forEach { tell($0) }
            }
            done.entries += Int64(batch.count)
            progress(done)
            guard batch.count == entriesAtOnce, let last = batch.last else { break }
            place = (last.user, last.sequence)
        }
        if let chain { close(chain, &wallets) }
        for wallet in wallets { LedgerChain(user: wallet.user).close(wallet.sums).forEach { tell($0) } }
    }

    /// Both come in the order of users: the wallets that stand before this chain's have no entries.
    private mutating func close(_ chain: LedgerChain, _ wallets: inout ArraySlice<(user: UUID, sums: WalletSums)>) {
        while let first = wallets.first, first.user.precedes(chain.user) {
            wallets.removeFirst()
            LedgerChain(user: first.user).close(first.sums).forEach { tell($0) }
        }
        let own = wallets.first?.user == chain.user ? wallets.removeFirst().sums : nil
        chain.close(own).forEach { tell($0) }
    }

    private func wallets(_ users: Users) throws -> [(user: UUID, sums: WalletSums)] {
        let rows = try connection.query(
            """
            SELECT user_id, total_coins, earned_coins, spent_coins, seq, hash FROM user_wallet
            WHERE \(sql: users.hold("user_id")) ORDER BY user_id
            """)
        return try rows.map { row in
            (
                try row.decode("user_id"),
                WalletSums(
                    total: try row.decode("total_coins"), earned: try row.decode("earned_coins"),
                    spent: try row.decode("spent_coins"), sequence: try row.decode("seq"),
                    hash: try row.decode("hash"))
            )
        }
    }

    private func entries(_ users: Users, after place: (user: UUID, sequence: Int64)?) throws -> [LedgerEntry] {
        let further: SQL = place.map { "AND (user_id, seq) > (\($0.user), \($0.sequence))" } ?? ""
        let rows = try connection.query(
            """
            SELECT user_id, seq, id, transaction_type, coins_amount, balance_after, reason, item_id, created_at, hash
            FROM market_transactions WHERE \(sql: users.hold("user_id")) \(sql: further)
            ORDER BY user_id, seq LIMIT \(entriesAtOnce)
            """)
        return try rows.map { row in
            LedgerEntry(
                user: try row.decode("user_id"), sequence: try row.decode("seq"), id: try row.decode("id"),
                type: try row.decode("transaction_type"), coins: try row.decode("coins_amount"),
                balance: try row.decode("balance_after"), reason: try row.decode("reason"),
                item: try row.decode("item_id", as: UUID?.self), at: try row.decode("created_at"),
                hash: try row.decode("hash"))
        }
    }
}

extension UUID {
    /// In the order in which PostgreSQL sorts them.
    fileprivate func precedes(_ other: UUID) -> Bool {
        withUnsafeBytes(of: uuid) { a in withUnsafeBytes(of: other.uuid) { a.lexicographicallyPrecedes($0) } }
    }
}
