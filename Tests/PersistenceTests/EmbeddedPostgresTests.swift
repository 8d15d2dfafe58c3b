import Foundation
import TestSupport
import Testing

@testable import Persistence

#if canImport(Glibc)
import Glibc
#endif

/// The private PostgreSQL. One after another: each makes a cluster.
@Suite(.serialized) struct EmbeddedPostgresTests {
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = "/tmp/lockstep-embedded-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        do {
            try await body(folder + "/home")
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func postmaster(_ folder: String) throws -> Int32 {
        let file = try String(contentsOfFile: folder + "/postgres/postmaster.pid", encoding: .utf8)
        return try #require(file.split(separator: "\n").first.flatMap { Int32($0) })
    }

    private func copy(_ from: String, _ to: String) throws {
        #expect(try ChildProcess.run("/bin/cp", ["-a", from, to]).status == 0)
    }

    @Test("It is made, started, stopped, and found again with its data; a backup put in its place is told from it")
    func life() async throws {
        try await withFolder { folder in
            let first = try await EmbeddedPostgres.start(under: folder)
            #expect(!first.restored)
            try await PostgresSession.run("CREATE TABLE kept AS SELECT 7 AS n", at: first.url)
            await first.stop()
            #expect(!FileManager.default.fileExists(atPath: folder + "/postgres/postmaster.pid"))
            try copy(folder, folder + "-backup")

            let again = try await EmbeddedPostgres.start(under: folder)
            #expect(!again.restored)
            #expect(again.url == first.url)
            #expect(try await PostgresSession.run("SELECT n FROM kept", at: again.url) == [["7"]])
            await again.stop()

            let elsewhere = try await EmbeddedPostgres.start(under: folder + "-backup")
            #expect(elsewhere.restored)
            #expect(try await PostgresSession.run("SELECT n FROM kept", at: elsewhere.url) == [["7"]])
            await elsewhere.stop()
            // Whoever looks at it in between uses nothing up.
            let asked = try await EmbeddedPostgres.start(under: folder + "-backup")
            #expect(asked.restored)
            asked.acceptRestore()
            await asked.stop()
            let settled = try await EmbeddedPostgres.start(under: folder + "-backup")
            #expect(!settled.restored)
            await settled.stop()

            // Over the old files, which keep their places on the disk.
            try copy(folder + "-backup/postgres/.", folder + "/postgres/")
            let overwritten = try await EmbeddedPostgres.start(under: folder)
            #expect(overwritten.restored)
            await overwritten.stop()
        }
    }

    @Test("Two that use one folder share it, and the last one stops it")
    func shared() async throws {
        try await withFolder { folder in
            async let one = EmbeddedPostgres.start(under: folder)
            async let other = EmbeddedPostgres.start(under: folder)
            let (first, second) = try await (one, other)
            #expect(first.url == second.url)
            await first.stop()
            try await PostgresSession.run("SELECT 1", at: second.url)
            await second.stop()
            await #expect(throws: PostgresSession.Failure.self) {
                try await PostgresSession.run("SELECT 1", at: second.url)
            }
        }
    }

    @Test("One that was left running, or killed itself, is used again")
    func leftBehind() async throws {
        try await withFolder { folder in
            let first = try await EmbeddedPostgres.start(under: folder)
            try await PostgresSession.run("CREATE TABLE kept AS SELECT 7 AS n", at: first.url)
            await first.stop()
            // As a server killed in the middle leaves it: running, with nobody who holds it.
            let installation = try PostgresInstallation.find()
            try await onQueue {
                try installation.startServer(data: folder + "/postgres", socket: folder + "/socket")
            }
            let running = try postmaster(folder)
            let second = try await EmbeddedPostgres.start(under: folder)
            #expect(try postmaster(folder) == running)
            #expect(!second.restored)
            kill(running, SIGKILL)
            let third = try await EmbeddedPostgres.start(under: folder)
            #expect(try postmaster(folder) != running)
            #expect(try await PostgresSession.run("SELECT n FROM kept", at: third.url) == [["7"]])
            await second.stop()
            await third.stop()
        }
    }

    @Test("A folder whose path is too long for a socket works all the same")
    func longPath() async throws {
        try await withFolder { folder in
            let long = folder + "/" + String(repeating: "long", count: 30)
            let postgres = try await EmbeddedPostgres.start(under: long)
            try await PostgresSession.run("SELECT 1", at: postgres.url)
            await postgres.stop()
            let socket = try #require(postgres.url.firstMatch(of: /host=(\S+)/)).1
            #expect(socket.hasPrefix("/tmp/"))
            try FileManager.default.removeItem(atPath: String(socket))
        }
    }

    @Test("A folder that PostgreSQL's user may not enter is named, with what lets it in")
    func noEntry() async throws {
        // Who is not root runs PostgreSQL as himself, and enters what he owns.
        guard getuid() == 0 else { return }
        try await withFolder { folder in
            let closed = URL(fileURLWithPath: folder).deletingLastPathComponent().path
            chmod(closed, 0o700)
            let failure = await #expect(throws: EmbeddedPostgres.Failure.self) {
                try await EmbeddedPostgres.start(under: folder)
            }
            #expect(failure?.description.contains("may not enter \(closed); `chmod o+x \(closed)` lets it") == true)
            #expect(!FileManager.default.fileExists(atPath: folder + "/postgres"))
        }
    }

    @Test("Where there is none, and none is to be made, that is said and nothing is made")
    func noneToBeMade() async throws {
        try await withFolder { folder in
            let failure = await #expect(throws: EmbeddedPostgres.Failure.self) {
                try await EmbeddedPostgres.start(under: folder, making: false)
            }
            #expect(failure?.description.hasPrefix("there is no private PostgreSQL in \(folder); name its") == true)
            #expect(!FileManager.default.fileExists(atPath: folder))
            await (try await EmbeddedPostgres.start(under: folder)).stop()
            await (try await EmbeddedPostgres.start(under: folder, making: false)).stop()
        }
    }

    @Test("Data that belong to somebody else are named, and left alone")
    func somebodyElses() async throws {
        guard getuid() == 0 else { return }
        try await withFolder { folder in
            let first = try await EmbeddedPostgres.start(under: folder)
            await first.stop()
            let data = folder + "/postgres"
            chown(data, 12_345, 12_345)
            let failure = await #expect(throws: EmbeddedPostgres.Failure.self) {
                try await EmbeddedPostgres.start(under: folder)
            }
            #expect(failure?.description.hasPrefix("\(data) belongs to another user; run as its owner") == true)
            #expect(failure?.description.contains("\n") == false)
        }
    }

    @Test("Data of another PostgreSQL's version are named with what to install")
    func otherVersion() async throws {
        try await withFolder { folder in
            let first = try await EmbeddedPostgres.start(under: folder)
            await first.stop()
            try "9\n".write(toFile: folder + "/postgres/PG_VERSION", atomically: false, encoding: .utf8)
            let failure = await #expect(throws: EmbeddedPostgres.Failure.self) {
                try await EmbeddedPostgres.start(under: folder)
            }
            #expect(failure?.description.contains("is of PostgreSQL 9") == true)
            #expect(failure?.description.contains("install postgresql-9") == true)
        }
    }
}
