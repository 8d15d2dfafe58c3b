import API
import Accounts
import FoundationEssentials
import Logging
import NIOPosix
import Persistence
import Sync
import Synchronization
import TestSupport
import Testing

@testable import Focus

/// What the schedulers said, and to how many.
private final class Told: Sendable {
    private let changes = Mutex<[Change]>([])

    var announce: Announce {
        { event in
            if case .changed(let change) = event { self.changes.withLock { $0.append(change) } }
        }
    }

    var all: [Change] { changes.withLock { $0 } }
    var users: [UUID] { all.map(\.user) }
}

@Suite struct FocusSchedulerTests {
    /// So many accounts, each with a session of 300 s that was over an hour ago.
    private func crowd(_ number: Int, _ url: String) async throws {
        try await PostgresSession.run(
            """
            WITH heads AS (
                INSERT INTO users (id, email, password_hash)
                SELECT gen_random_uuid(), n || '@example.org', 'x' FROM generate_series(1, \(number)) AS n RETURNING id
            ), made AS (
                INSERT INTO sync_heads (user_id, version) SELECT id, 1 FROM heads RETURNING user_id
            ), sessions AS (
                INSERT INTO focus_sessions
                    (user_id, id, mode, status, duration_seconds, started_at, ends_at, version)
                SELECT user_id, gen_random_uuid(), 'focus', 'active', 300, now() - interval '65 min',
                    now() - interval '1 hour', 1
                FROM made
            )
            SELECT 1
            """, at: url)
    }

    /// Runs a scheduler on each of these databases while `body` looks on.
    private func run(_ databases: [Database], _ told: Told, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for database in databases {
                let scheduler = SessionScheduler(
                    repository: PostgresFocus(
                        database: database, sync: PostgresSync(database: database, views: testViews),
                        expirySeconds: 3_600),
                    announce: told.announce, loop: MultiThreadedEventLoopGroup.singleton.next(),
                    logger: Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() }))
                group.addTask { try await scheduler.run() }
            }
            try await body()
            group.cancelAll()
        }
    }

    private func number(_ sql: String, _ url: String) async throws -> Int? {
        try await PostgresSession.run(sql, at: url).first?.first?.flatMap { Int($0) }
    }

    @Test("Of many that are due at one instant, at two schedulers, each is completed once, paid once and told once")
    func many() async throws {
        try await withTestDatabase { database, url in
            let other = try openDatabase(url, connections: 4)
            defer { other.close() }
            try await crowd(900, url)
            let told = Told()
            try await run([database, other], told) {
                try await eventually(within: .seconds(60), "all are told") { told.users.count >= 900 }
            }
            #expect(told.users.count == 900 && Set(told.users).count == 900)
            for change in told.all {
                #expect(change.previous == 1 && change.version == 2 && change.mutationIDs.isEmpty)
                #expect(change.documents.map(\.collection) == ["wallet", "rewards", "focus"])
                #expect(change.documents.allSatisfy { $0.version == 2 })
                #expect(change.documents.last?.id == "active" && change.documents.last?.value == nil)
            }
            #expect(
                try await number(
                    """
                    SELECT count(*) FROM focus_sessions s JOIN sync_heads h USING (user_id) JOIN user_wallet w USING (user_id)
                    JOIN user_rewards r USING (user_id) JOIN market_transactions t USING (user_id)
                    WHERE s.status = 'completed' AND s.completed_at = s.ends_at AND s.coins_awarded = 2 AND s.version = 2
                        AND h.version = 2 AND w.total_coins = 2 AND w.version = 2 AND r.reward_type = 'first_focus'
                        AND r.version = 2 AND t.id = s.id AND t.seq = 1 AND t.coins_amount = 2
                    """, url) == 900)
            #expect(try await number("SELECT count(*) FROM market_transactions", url) == 900)
            #expect(try await number("SELECT count(*) FROM user_rewards", url) == 900)
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("A session that cannot be ended holds up nobody else's, and ends once what was wrong is mended")
    func poisoned() async throws {
        try await withTestDatabase { database, url in
            try await crowd(300, url)
            let ada = try await Person.register(database)
            try await ada.start(seconds: 300)
            // An entry of the ledger that no wallet knows: the next one cannot have its number.
            try await PostgresSession.run(
                """
                INSERT INTO market_transactions (user_id, seq, id, transaction_type, coins_amount, balance_after, reason,
                    created_at, hash)
                VALUES ('\(ada.user.id.text)', 1, gen_random_uuid(), 'earn', 1, 1, 'x', now(), 'x')
                """, at: url)
            try await ada.pass(4_000, url)
            let told = Told()
            try await run([database], told) {
                try await eventually(within: .seconds(60), "the others are told") { told.users.count == 300 }
                #expect(!told.users.contains(ada.user.id) && Set(told.users).count == 300)
                #expect(try await ada.focus.due(limit: 1_000).users == [ada.user.id])
                try await PostgresSession.run(
                    """
                    INSERT INTO user_wallet (user_id, total_coins, earned_coins, seq, hash)
                    VALUES ('\(ada.user.id.text)', 1, 1, 1, 'x')
                    """, at: url)
                try await eventually("it is told too") { told.users.last == ada.user.id }
            }
            #expect(told.users.count == 301)
            #expect(try await ada.balance == 3)
        }
    }

    @Test("Whoever is held by somebody is passed by, in nobody's way, and has their session ended once they are free")
    func held() async throws {
        try await withTestDatabase { database, url in
            try await crowd(300, url)
            let ada = try await Person.register(database)
            try await ada.start(seconds: 300)
            try await ada.pass(9_000, url)
            let writer = try await PostgresSession(url: url)
            try await writer.run(
                "BEGIN; SELECT FROM sync_heads WHERE user_id = '\(ada.user.id.text)' FOR NO KEY UPDATE")
            let told = Told()
            try await run([database], told) {
                try await eventually(within: .seconds(60), "the others are told") { told.users.count == 300 }
                #expect(!told.users.contains(ada.user.id))
                // One that becomes due meanwhile is not held up either.
                let ben = try await Person.register(database)
                try await ben.start(seconds: 300)
                try await ben.pass(300, url)
                try await eventually("a later one") { told.users.contains(ben.user.id) }
                try await writer.run("COMMIT")
                try await eventually("the one that was held") { told.users.last == ada.user.id }
            }
            #expect(told.users.count == 302)
        }
    }

    @Test("What is earned many at a time goes on the chain of what was earned and spent before, and is earned once")
    func books() async throws {
        try await withTestDatabase { database, url in
            let item = try await stock(url, "Tea", 3)
            let ada = try await Person.register(database)
            for round in 1...10 {
                try await ada.earn(5)
                try await ada.buy(item)
                try await ada.start(round % 3 == 0 ? .shortBreak : .focus, seconds: 1_500)
                // Each on another day.
                try await ada.pass(86_400, url)
                #expect(try await ada.focus.settle([ada.user.id]).count == 1)
                #expect(try await ada.focus.settle([ada.user.id]).isEmpty)
            }
            #expect(try await ada.balance == 10 * (5 - 3) + 7 * 10)
            #expect(try await ada.rewards.map(\.type).filter { $0 != "first_purchase" } == ["first_focus"])
            #expect(try await faults(url).isEmpty)
        }
    }

    @Test("Who is set aside is in nobody's way, and who failed is tried alone")
    func dueUsers() {
        let users = (0..<450).map { _ in UUID.v7() }
        let start = ContinuousClock.now
        var due = DueUsers()
        let batches = due.batches(of: users, at: start)
        #expect(batches.map(\.count) == [200, 200, 50] && Set(batches.joined()) == Set(users))
        for user in users.dropFirst(3) { due.note(user, .settled, at: start) }
        due.note(users[0], .failed, at: start)
        due.note(users[1], .passedBy, at: start)
        due.note(users[2], .notNow, at: start)
        #expect(due.limit == DueUsers.most + 3 && due.hasFailed && due.pause(at: start) == DueUsers.soon)
        let stuck = Array(users.prefix(3))
        #expect(due.batches(of: stuck, at: start).isEmpty)
        #expect(due.batches(of: stuck, at: start + DueUsers.soon) == [[users[1]]])
        let later = due.batches(of: stuck, at: start + DueUsers.later)
        #expect(later.map(\.count) == [2, 1] && later.last == [users[0]])
        #expect(later.first.map(Set.init) == [users[1], users[2]])
        // Settled by another process meanwhile.
        #expect(due.batches(of: [users[1]], at: start).isEmpty && !due.hasFailed)
        #expect(due.batches(of: [], at: start).isEmpty && due.pause(at: start) == nil)
    }

    @Test("While the database refuses, batches become smaller until one is taken, and nobody is put behind for it")
    func refusedBatches() {
        let users = (0..<450).map { _ in UUID.v7() }
        let start = ContinuousClock.now
        var due = DueUsers()
        for user in users.prefix(200) { due.note(user, .notNow, at: start) }
        due.noteBatch(wasTaken: false)
        #expect(due.hasFailed && due.batches(of: users, at: start).map(\.count) == [100, 100, 50])
        let later = due.batches(of: users, at: start + DueUsers.later)
        #expect(later.map(\.count) == [100, 100, 100, 100, 50])
        for user in users { due.note(user, .settled, at: start) }
        due.noteBatch(wasTaken: true)
        #expect(!due.hasFailed && due.batches(of: users, at: start).map(\.count) == [200, 200, 50])
        // Down to one, who is then the one that fails.
        for _ in 0..<8 { due.noteBatch(wasTaken: false) }
        #expect(due.batches(of: users, at: start).count == DueUsers.mostBatches)
        due.note(users[0], .notNow, at: start)
        due.noteBatch(wasTaken: true)
        let last = due.batches(of: Array(users.prefix(5)), at: start + DueUsers.later)
        #expect(last.map(\.count) == [2, 2, 1] && last.last == [users[0]])
    }
}
