import FoundationEssentials
import Logging
import TestSupport
import Testing

@testable import Persistence

#if canImport(Glibc)
import Glibc
#endif

/// What befalls a PostgreSQL, on a cluster that the test may break. One after another: each costs a cluster.
@Suite(.serialized) struct OutageTests {
    private func withCluster(
        connections: Int = 4, _ body: (TestCluster, Database) async throws -> Void
    ) async throws {
        let cluster = try await TestCluster(settings: ["synchronous_commit = on"])
        let database = try openDatabase(cluster.url(), rules: nil, connections: connections)
        defer { database.close() }
        try await eventually("it connects") { database.gauges.connectionsUp == connections + 1 }
        try await body(cluster, database)
    }

    /// Both kinds of statement fail as `isUnavailable` within 5 s.
    private func expectUnavailable(_ database: Database) async throws {
        let took = await duration {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    let error = await #expect(throws: DatabaseError.self) { try await database.read("SELECT 1") }
                    #expect(error?.isUnavailable == true)
                }
                group.addTask {
                    let error = await #expect(throws: DatabaseError.self) {
                        try await database.write(for: UUID(), "SELECT 1")
                    }
                    #expect(error?.isUnavailable == true)
                }
            }
        }
        #expect(took < .seconds(5))
    }

    private func expectRecovery(_ cluster: TestCluster, _ database: Database) async throws {
        let took = await duration {
            _ = try? await database.write(for: UUID(), "SELECT 1")
            _ = try? await database.read("SELECT 1")
        }
        // What a connection takes at this moment, on a machine that may be busy with other suites, is not ours.
        let plain = try await duration { _ = try await PostgresSession.run("SELECT 1", at: cluster.url()) }
        #expect(took < .seconds(2) + plain * 4, "about 1 s after it is back; a plain connection takes \(plain)")
        #expect(await database.ping())
        try await eventually("every connection is back") { database.gauges.connectionsUp == 5 }
    }

    @Test("Stopped and started again: 503 within 5 s, and back within about a second")
    func stopped() async throws {
        try await withCluster { cluster, database in
            try await cluster.stop(mode: "fast")
            try await expectUnavailable(database)
            #expect(await !database.ping())
            try await cluster.start()
            try await expectRecovery(cluster, database)
        }
    }

    @Test("Killed: 503 within 5 s, and back within about a second")
    func killed() async throws {
        try await withCluster { cluster, database in
            try cluster.signal(SIGKILL)
            // Its backends find out a moment later.
            try await eventually("they are gone") { database.gauges.connectionsUp == 0 }
            try await expectUnavailable(database)
            // Its orphans go by themselves, and until then it does not start.
            try await eventually("it starts again") { (try? await cluster.start()) != nil }
            try await expectRecovery(cluster, database)
        }
    }

    @Test("A statement that waits while the database comes back is carried out")
    func waitsForReturn() async throws {
        try await withCluster { cluster, database in
            try await cluster.stop(mode: "fast")
            try await eventually("it is noticed") { database.gauges.connectionsUp == 0 }
            let answer = Task { try await database.read("SELECT 7::bigint AS n")[0].decode("n", as: Int64.self) }
            try await eventually("it waits") { database.gauges.waiting == 1 }
            try await cluster.start()
            #expect(try await answer.value == 7)
        }
    }

    @Test("One backend killed: all sessions fall, statements run again where that is safe")
    func backendKilled() async throws {
        try await withCluster { cluster, database in
            try await PostgresSession.run("CREATE TABLE t (n bigint)", at: cluster.url())
            for idempotent in [true, false] {
                let write = Task {
                    try await database.write(
                        for: UUID(), "INSERT INTO t SELECT 1 FROM pg_sleep(0.4)", idempotent: idempotent)
                }
                let session = try await PostgresSession(url: cluster.url())
                var backend: Int32?
                try await eventually("the write is under way") {
                    backend = try await session.value(
                        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'INSERT%' AND state = 'active'"
                    ).flatMap { Int32($0) }
                    return backend != nil
                }
                try cluster.signal(SIGKILL, to: backend)
                if idempotent {
                    _ = try await write.value
                } else {
                    let error = await #expect(throws: DatabaseError.self) { try await write.value }
                    #expect(error?.kind == .lost)
                }
                var count: [[String?]]?
                try await eventually("it has recovered") {
                    count = try? await PostgresSession.run("SELECT count(*) FROM t", at: cluster.url())
                    return count != nil
                }
                #expect(count == [["1"]])
                try await eventually("every connection is back") { database.gauges.connectionsUp == 5 }
            }
        }
    }

    @Test("A connection that PostgreSQL ends is replaced, and its statement runs again")
    func terminated() async throws {
        try await withCluster { cluster, database in
            let read = Task {
                try await database.read("SELECT pg_backend_pid() AS pid, pg_sleep(0.4)")[0].decode(
                    "pid", as: Int32Box.self)
            }
            let session = try await PostgresSession(url: cluster.url())
            var ended: Int32?
            try await eventually("it is ended in the middle") {
                ended = try await session.value(
                    """
                    SELECT pid FROM pg_stat_activity
                    WHERE query LIKE 'SELECT pg_backend_pid() AS pid%' AND state = 'active' AND pg_terminate_backend(pid)
                    """
                ).flatMap { Int32($0) }
                return ended != nil
            }
            #expect(try await read.value.number != ended)
        }
    }

    @Test("A database that is frozen costs nobody more than 5 s, and goes on where it stopped")
    func frozen() async throws {
        try await withCluster(connections: 2) { cluster, database in
            let pid = try await database.read("SELECT pg_backend_pid() AS pid")[0].decode("pid", as: Int32Box.self)
                .number
            try cluster.signal(SIGSTOP, to: pid)
            let took = await duration {
                let error = await #expect(throws: DatabaseError.self) { try await database.read("SELECT 1") }
                #expect(error?.kind == .lost)
            }
            #expect(took < .seconds(5))
            try cluster.signal(SIGCONT, to: pid)
            #expect(await database.ping())
        }
    }

    @Test("Connecting moves on to the next host where the first refuses")
    func nextHost() async throws {
        let cluster = try await TestCluster()
        let url = "host=127.0.0.1,\(cluster.folder) port=1,5432 user=lockstep dbname=postgres"
        let database = try openDatabase(url, rules: nil, connections: 2)
        defer { database.close() }
        let took = await duration { #expect(await database.ping()) }
        #expect(took < .seconds(2))
    }

    /// A backend's number, an `integer` in SQL.
    private struct Int32Box: SQLDecodable {
        let number: Int32

        init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
            guard let value = Int64(sqlType: sqlType, bytes: bytes) else { return nil }
            number = Int32(truncatingIfNeeded: value)
        }
    }
}
