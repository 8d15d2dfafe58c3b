import API
import Accounts
import Foundation
import Logging
import Sync
import Synchronization
import TestSupport
import Testing

@testable import Persistence

@Suite struct DatabaseTests {
    @Test("64 slow statements on 4 connections are all under way at once: pipelining, not threads")
    func pipelines() async throws {
        try await withTestDatabase(connections: 16) { database, _ in
            try await eventually("4 read connections are up") { database.gauges.connectionsUp == 17 }
            let pids = try await withThrowingTaskGroup(of: Int64.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        let rows = try await database.read("SELECT pg_backend_pid() AS pid, pg_sleep(0.05)")
                        return try rows[0].decode("pid")
                    }
                }
                try await eventually("all 64 are under way") { database.gauges.inFlight == 64 }
                #expect(database.gauges.waiting == 0)
                return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            }
            #expect(pids.values.sorted() == [16, 16, 16, 16])
        }
    }

    @Test("Connections come up by themselves, before anybody asks anything")
    func comesUpUnasked() async throws {
        try await withTestDatabase(connections: 6) { database, _ in
            // Less than what a connection is given up after.
            try await eventually(within: .seconds(4), "6 and the bus's are up") { database.gauges.connectionsUp == 7 }
        }
    }

    @Test("Who had a large answer has the next on a connection apart, behind which nobody's small read stands")
    func largeApart() async throws {
        try await withTestDatabase(connections: 4) { database, _ in
            // Until the connection apart is up, what is large comes where everything else does.
            try await eventually("all connections are up") { database.gauges.connectionsUp == 5 }
            let ada = UUID()
            func ask(of user: UUID, pausing seconds: Double = 0) async throws -> Int64 {
                let rows = try await database.read(
                    of: user,
                    """
                    SELECT pg_backend_pid() AS pid, pg_sleep(\(seconds)), repeat('x', CASE \(user) WHEN \(ada) THEN 300000
                        ELSE 1 END) AS text
                    """)
                return try rows[0].decode("pid")
            }
            func small() async throws -> Int64 {
                try await database.read("SELECT pg_backend_pid() AS pid")[0].decode("pid")
            }
            let everybodys = try await small()
            // Nobody knows before the first.
            #expect(try await ask(of: ada) == everybodys)
            let slow = Task { try await ask(of: ada, pausing: 2) }
            try await eventually("it is under way") { database.gauges.inFlight == 1 }
            #expect(try await small() == everybodys)
            #expect(try await ask(of: UUID()) == everybodys)
            try await eventually("the slow one alone is under way") { database.gauges.inFlight == 1 }
            #expect(try await slow.value != everybodys)
        }
    }

    @Test("What was large is not taken for large any more ten minutes later")
    func largeLately() {
        let time = Mutex(ContinuousClock.now)
        let (large, ada, ben) = (LargeAnswers(now: { time.withLock { $0 } }), UUID(), UUID())
        large.note("SELECT 1", of: ada)
        #expect(large.include("SELECT 1", of: ada))
        #expect(!large.include("SELECT 2", of: ada) && !large.include("SELECT 1", of: ben))
        time.withLock { $0 += .seconds(600) }
        #expect(!large.include("SELECT 1", of: ada))
    }

    @Test("While one user's head is locked, the others' writes take what they took before")
    func lockIsolation() async throws {
        try await withTestDatabase(connections: 6) { database, url in
            let ada = try await Person.register(database)
            let others = try await [Person.register(database), Person.register(database), Person.register(database)]
            func slowest(_ round: Int) async throws -> Duration {
                var slowest = Duration.zero
                for number in 0..<30 {
                    slowest = max(
                        slowest,
                        try await duration { try await others[number % 3].set("k\(number)", .int(round)) })
                }
                return slowest
            }
            _ = try await slowest(0)
            let before = try await slowest(1)
            let holder = try await PostgresSession(url: url)
            try await holder.run("BEGIN; SELECT FROM sync_heads WHERE user_id = '\(ada.user.id.text)' FOR UPDATE")
            try await withThrowingTaskGroup(of: Version.self) { group in
                // More than one connection carries: what overflows may stand in nobody's way either.
                for number in 0..<80 { group.addTask { try await ada.set("k", .int(number)).outcome.version ?? 0 } }
                try await eventually("ada's writes fill her connection and more") {
                    database.gauges.inFlight >= 64 && database.gauges.waiting == 16
                }
                let during = try await slowest(2)
                try await holder.run("ROLLBACK")
                #expect(during < max(before * 10, .milliseconds(500)), "before \(before), during \(during)")
                #expect(try await group.reduce(into: Set()) { $0.insert($1) } == Set(1...80))
            }
        }
    }

    @Test("A user's writes are carried out in the order in which they were asked for")
    func orderOfWrites() async throws {
        try await withTestDatabase { database, url in
            try await PostgresSession.run("CREATE TABLE log (id bigserial, number bigint)", at: url)
            // The loop itself: tasks would not ask in a certain order.
            let loop = DatabaseLoop(try DatabaseConfiguration(url: url, rules: nil), logger: .init(label: "loop")) {
                _ in
            }
            loop.start()
            defer { loop.stop() }
            let (answers, answer) = AsyncStream.makeStream(of: Bool.self)
            let users = (0..<3).map { _ in UUID() }
            for number in 0..<300 {
                let sql: SQL = "INSERT INTO log (number) VALUES (\(number))"
                loop.submit(
                    .init(
                        id: number, demand: .write(user: users[number % 3]), text: sql.text, bindings: sql.bindings,
                        deadline: .now + .seconds(4), answerBy: .now + .seconds(5),
                        completion: { result in answer.yield((try? result.get()) != nil) }))
            }
            var count = 0
            for await good in answers.prefix(300) where good { count += 1 }
            #expect(count == 300)
            for rest in 0..<3 {
                let rows = try await database.read("SELECT number FROM log WHERE number % 3 = \(rest) ORDER BY id")
                #expect(
                    try rows.map { try $0.decode("number", as: Int.self) } == Array(stride(from: rest, to: 300, by: 3)))
            }
        }
    }

    @Test("A statement that failed the first time it ran on a connection runs there again")
    func preparedAfterFailure() async throws {
        try await withTestDatabase(connections: 2) { database, _ in
            let user = UUID()
            _ = try await database.write(for: user, "CREATE TABLE t (id bigint CONSTRAINT t_pkey PRIMARY KEY)")
            _ = try await database.write(for: user, "INSERT INTO t VALUES (1), (2)")
            func insert(_ id: Int64) async throws {
                _ = try await database.write(for: user, "INSERT INTO t VALUES (\(id))")
            }
            for _ in 0..<3 {
                let error = await #expect(throws: DatabaseError.self) { try await insert(1) }
                #expect(error?.sqlState == "23505")
                #expect(error?.constraint == "t_pkey")
            }
            try await insert(3)
            // Nor does one that cannot be prepared harm those prepared before and after it.
            for _ in 0..<2 {
                let error = await #expect(throws: DatabaseError.self) {
                    try await database.write(for: user, "INSERT INTO nowhere VALUES (1)")
                }
                #expect(error?.sqlState == "42P01")
                _ = try await database.write(for: user, "DELETE FROM t WHERE id = \(3)")
                try await insert(3)
            }
        }
    }

    @Test("A failed statement does not disturb those sent right before and after it")
    func independentStatements() async throws {
        try await withTestDatabase(connections: 2) { database, _ in
            let answers = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for number in 0..<40 {
                    group.addTask {
                        do {
                            let rows = try await database.read("SELECT 10 / \(number % 4) AS n")
                            return (number, try String(rows[0].decode("n", as: Int64.self)))
                        } catch let error as DatabaseError {
                            return (number, error.sqlState)
                        }
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            for number in 0..<40 {
                #expect(answers[number] == (number % 4 == 0 ? "22012" : "\(10 / (number % 4))"))
            }
        }
    }

    @Test("A plan that a migration made stale is prepared anew")
    func stalePlans() async throws {
        try await withTestDatabase(connections: 2) { database, url in
            try await PostgresSession.run("CREATE TABLE t AS SELECT 1::integer AS n", at: url)
            func read() async throws -> Int64 { try await database.read("SELECT n FROM t")[0].decode("n") }
            #expect(try await read() == 1)
            try await PostgresSession.run("ALTER TABLE t ALTER n TYPE bigint", at: url)
            let values = try await withThrowingTaskGroup(of: Int64.self) { group in
                for _ in 0..<20 { group.addTask { try await read() } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(values == Array(repeating: 1, count: 20))
        }
    }

    @Test("What PostgreSQL undid for the sake of another transaction is tried again, at most four times")
    func contention() async throws {
        try await withTestDatabase { database, url in
            try await PostgresSession.run(
                """
                CREATE SEQUENCE tries;
                CREATE FUNCTION contend(times bigint) RETURNS bigint LANGUAGE plpgsql AS $$
                DECLARE n bigint := nextval('tries');
                BEGIN
                    IF n <= times THEN RAISE EXCEPTION USING ERRCODE = CASE n % 2 WHEN 0 THEN '40001' ELSE '40P01' END; END IF;
                    RETURN n;
                END $$;
                """, at: url)
            let rows = try await database.write(for: UUID(), "SELECT contend(\(4)) AS n")
            #expect(try rows[0].decode("n") == 5)
            try await PostgresSession.run("SELECT setval('tries', 1, false)", at: url)
            let error = await #expect(throws: DatabaseError.self) {
                try await database.write(for: UUID(), "SELECT contend(\(100))")
            }
            #expect(error?.isContention == true)
            #expect(try await PostgresSession.run("SELECT last_value FROM tries", at: url) == [["5"]])
        }
    }

    @Test("A cancelled waiter leaves at once, and its statement is never sent")
    func cancelledWaiter() async throws {
        try await withTestDatabase(connections: 2) { database, url in
            try await PostgresSession.run("CREATE TABLE t (n bigint)", at: url)
            let slow = Task { try await database.write(for: UUID(), "SELECT pg_sleep(1)") }
            try await eventually("the only write connection is taken") { database.gauges.inFlight == 1 }
            let waiter = Task { try await database.write(for: UUID(), "INSERT INTO t VALUES (1)") }
            try await eventually("the other waits") { database.gauges.waiting == 1 }
            let took = await duration {
                waiter.cancel()
                let error = await #expect(throws: DatabaseError.self) { try await waiter.value }
                #expect(error?.kind == .cancelled)
            }
            #expect(took < .milliseconds(500))
            _ = try await slow.value
            #expect(try await PostgresSession.run("SELECT count(*) FROM t", at: url) == [["0"]])
        }
    }

    @Test("Who is cancelled while the statement runs leaves at once; the connection serves the next when it is done")
    func cancelledUnderWay() async throws {
        try await withTestDatabase(connections: 2) { database, _ in
            let slow = Task { try await database.write(for: UUID(), "SELECT pg_sleep(0.5)") }
            try await eventually("it is under way") { database.gauges.inFlight == 1 }
            slow.cancel()
            let error = await #expect(throws: DatabaseError.self) { try await slow.value }
            #expect(error?.kind == .cancelled)
            let rows = try await database.write(for: UUID(), "SELECT 7::bigint AS n")
            #expect(try rows[0].decode("n") == 7)
        }
    }

    @Test("A statement that takes too long is ended by PostgreSQL, and that is no fault of the caller")
    func statementTimeout() async throws {
        try await withTestDatabase { database, _ in
            let error = await #expect(throws: DatabaseError.self) { try await database.read("SELECT pg_sleep(30)") }
            #expect(error?.sqlState == "57014")
            #expect(error?.isUnavailable == true)
        }
    }

    @Test("A lock that is not given up in time ends the wait")
    func lockTimeout() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let holder = try await PostgresSession(url: url)
            try await holder.run("BEGIN; SELECT FROM sync_heads WHERE user_id = '\(ada.user.id.text)' FOR UPDATE")
            await #expect(throws: Problem.unavailable()) { try await ada.set("k", .int(1)) }
            try await holder.run("ROLLBACK")
            #expect(try await ada.set("k", .int(1)).outcome.version == 1)
        }
    }

    @Test("Notices reach every process, after it was told that it listens")
    func notices() async throws {
        try await withTestDatabase { database, url in
            let other = try openDatabase(url, connections: 2)
            defer { other.close() }
            var heard = other.notices.makeAsyncIterator()
            #expect(await heard.next() == .established)
            try await database.notify("one")
            #expect(await heard.next() == .payload("one"))
            try await other.notify("two")
            #expect(await heard.next() == .payload("two"))
        }
    }

    @Test("A closed database answers what is under way and refuses the rest")
    func closes() async throws {
        try await withTestDatabase(connections: 2) { database, _ in
            let slow = Task { try await database.read("SELECT 1::bigint AS n, pg_sleep(0.3)") }
            try await eventually("it is under way") { database.gauges.inFlight == 1 }
            database.close()
            #expect(try await slow.value[0].decode("n", as: Int64.self) == 1)
            let error = await #expect(throws: DatabaseError.self) { try await database.read("SELECT 1") }
            #expect(error?.kind == .unavailable)
        }
    }

    @Test("Many callers at once all get their own answer")
    func noMixUps() async throws {
        try await withTestDatabase { database, _ in
            let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<2_000 {
                    group.addTask {
                        let sql: SQL = "SELECT \(number) AS n"
                        let rows =
                            number % 2 == 0 ? try await database.read(sql) : try await database.write(for: UUID(), sql)
                        return try rows[0].decode("n", as: Int.self) != number
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(wrong == 0)
        }
    }
}
