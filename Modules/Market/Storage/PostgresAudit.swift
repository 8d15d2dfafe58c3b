import API
import FoundationEssentials
import Glibc
package import Persistence
package import Sync

#if canImport(Glibc)
#endif

/// Reads everything that has to do with coins, each user's as of one moment, and tells what cannot be. User by user in ranges,
/// each a transaction, the ledger in batches, so that neither its memory nor what it keeps from being vacuumed grows with
/// the database; a connection of its own, and it locks nobody out.
package struct PostgresAudit: Sendable {
    package struct Progress: Sendable {
        package var users: Int64 = 0
        package var allUsers: Int64 = 0
        package var entries: Int64 = 0
        package var findings: Int64 = 0
    }

    private let url: String
    private let rules: Rules?
    private let checks: [AuditRules.Rule]
    private let usersAtOnce: Int64
    private let entriesAtOnce: Int

    /// - Parameter earnings: what features let users earn.
    package init(
        url: String, rules: Rules?, earnings: [Earning], usersAtOnce: Int = 1_000, entriesAtOnce: Int = 5_000
    ) {
        self.url = url
        self.rules = rules
        checks = AuditRules.ofUsers + earnings.flatMap { AuditRules.paid(for: $0) }
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
            var audit = Audit(
                connection: try DirectConnection(url: url, rules: rules), checks: checks, entriesAtOnce: entriesAtOnce,
                found: found,
                progress: progress)
            try audit.surviving(url, rules) { try $0.countUsers() }
            var from: UUID? = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
            while let first = from {
                from = try audit.surviving(url, rules) { audit in
                    let next = try audit.bound(after: usersAtOnce, from: first)
                    try audit.check(Users(from: first, to: next, areAllOwned: audit.ownsAll))
                    audit.done.users += usersAtOnce
                    return next
                }
            }
            try audit.surviving(url, rules) { try $0.checkShared() }
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
    /// Whether this database owns every bucket; else those of the others are passed over.
    let areAllOwned: Bool

    /// The condition on a table's user. Of who left, rows go step by step, and mean nothing any more.
    func hold(_ column: StaticString) -> SQL {
        let end: SQL = to.map { "AND \(raw: column) < \($0)" } ?? ""
        let owned: SQL = areAllOwned ? "" : "AND user_is_owned(\(raw: column))"
        return """
            \(raw: column) >= \(from) \(sql: end) \(sql: owned)
            AND \(raw: column) <> ALL (ARRAY(SELECT e.id FROM leaving_users e))
            """
    }
}

private struct Audit {
    var connection: DirectConnection
    let checks: [AuditRules.Rule]
    let entriesAtOnce: Int
    let found: @Sendable (AuditFinding) -> Void
    let progress: @Sendable (PostgresAudit.Progress) -> Void
    var done = PostgresAudit.Progress()
    private(set) var ownsAll = true
    /// Of the range that is under way.
    private var pending: [AuditFinding] = []

    init(
        connection: DirectConnection, checks: [AuditRules.Rule], entriesAtOnce: Int,
        found: @escaping @Sendable (AuditFinding) -> Void,
        progress: @escaping @Sendable (PostgresAudit.Progress) -> Void
    ) {
        self.connection = connection
        self.checks = checks
        self.entriesAtOnce = entriesAtOnce
        self.found = found
        self.progress = progress
    }

    /// One step, as of one moment. When the database went away it waits for it, and does the step anew; what it found is
    /// told at its end, and so once.
    @discardableResult
    mutating func surviving<Value>(_ url: String, _ rules: Rules?, _ step: (inout Audit) throws -> Value) throws
        -> Value
    {
        let before = done
        let end = ContinuousClock.now + .seconds(60)
        while true {
            do {
                // Joins within a range are by hash or merge: a nested loop over tables that nobody has analysed takes for ever.
                try connection.execute(
                    script: """
                        BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                        SET LOCAL enable_nestloop = off; SET LOCAL idle_in_transaction_session_timeout = 0
                        """)
                let value = try step(&self)
                try connection.execute(script: "COMMIT")
                for finding in pending { found(finding) }
                pending = []
                return value
            } catch let error as DatabaseError where error.isUnavailable && .now < end {
                done = before
                pending = []
                usleep(500_000)
                if let again = try? DirectConnection(url: url, rules: rules) { connection = again }
            }
        }
    }

    mutating func countUsers() throws {
        let row = try connection.query(
            """
            SELECT (SELECT count(*) FROM user_ids WHERE user_is_owned(id)) AS users,
                (SELECT every FROM bucket_ownership) AS all_owned
            """
        ).first
        done.allUsers = try row?.decode("users") ?? 0
        ownsAll = try row?.decode("all_owned", as: Bool?.self) ?? false
        progress(done)
    }

    /// Where the range that begins at `from` ends; nil: it is the last.
    func bound(after users: Int64, from: UUID) throws -> UUID? {
        try connection.query(
            """
            SELECT id FROM (
                (SELECT id FROM user_ids WHERE id >= \(from) ORDER BY id LIMIT \(users + 1))
                UNION (SELECT user_id FROM user_wallet WHERE user_id >= \(from) ORDER BY user_id LIMIT \(users + 1))
            ) AS either ORDER BY id OFFSET \(users) LIMIT 1
            """
        ).first?.decode("id")
    }

    mutating func check(_ users: Users) throws {
        try checkLedgers(users)
        for rule in checks {
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
        pending.append(finding)
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
