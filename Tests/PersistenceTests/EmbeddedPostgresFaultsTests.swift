import Foundation
import TestSupport
import Testing

@testable import Persistence

#if canImport(Glibc)
import Glibc
#endif

/// What befalls a private PostgreSQL, and what it says. One after another: each makes a cluster.
@Suite(.serialized) struct EmbeddedPostgresFaultsTests {
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

    private func failure(_ folder: String) async -> String {
        let failure = await #expect(throws: EmbeddedPostgres.Failure.self) {
            try await EmbeddedPostgres.start(under: folder)
        }
        let words = failure?.description ?? ""
        #expect(!words.contains("\n"))
        return words
    }

    /// As a power cut leaves it: stopped, with the files of the one that ran; in them another number, where one is given.
    private func cutPower(_ folder: String, process: Int32? = nil) async throws {
        let postgres = try await EmbeddedPostgres.start(under: folder)
        try await PostgresSession.run("CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS n", at: postgres.url)
        let paths = [folder + "/postgres/postmaster.pid", folder + "/socket/.s.PGSQL.5432.lock"]
        let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        await postgres.stop()
        for (path, text) in zip(paths, texts) {
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            if let process { lines[0] = String(process) }
            try lines.joined(separator: "\n").write(toFile: path, atomically: false, encoding: .utf8)
            try PostgresInstallation.find().handOver(path)
        }
    }

    /// A process of PostgreSQL's user that is none of PostgreSQL's.
    private func withStranger(_ body: (Int32) async throws -> Void) async throws {
        let user = try PostgresInstallation.find().user
        let become = user.map { ["--reuid=\($0.id)", "--regid=\($0.group)", "--clear-groups"] } ?? []
        let stranger = try ChildProcess.start("/usr/bin/setpriv", become + ["/bin/sleep", "300"])
        defer {
            kill(stranger, SIGKILL)
            waitpid(stranger, nil, 0)
        }
        try await body(stranger)
    }

    @Test("After a power cut it starts although its number is now that of another process of the same user")
    func staleNumber() async throws {
        try await withFolder { folder in
            try await withStranger { stranger in
                try await cutPower(folder, process: stranger)
                let took = try await ContinuousClock().measure {
                    let again = try await EmbeddedPostgres.start(under: folder)
                    #expect(try await PostgresSession.run("SELECT n FROM kept", at: again.url) == [["7"]])
                    await again.stop()
                }
                #expect(took < .seconds(20) && kill(stranger, 0) == 0)
            }
        }
    }

    @Test("Nor do the files hinder it that were cut off as they were written", arguments: ["", "12", "garbage\n/x\n"])
    func cutFiles(text: String) async throws {
        try await withFolder { folder in
            try await cutPower(folder)
            for path in [folder + "/postgres/postmaster.pid", folder + "/socket/.s.PGSQL.5432.lock"] {
                try text.write(toFile: path, atomically: false, encoding: .utf8)
            }
            let again = try await EmbeddedPostgres.start(under: folder)
            #expect(try await PostgresSession.run("SELECT n FROM kept", at: again.url) == [["7"]])
            await again.stop()
        }
    }

    @Test("While another lockstep uses the folder, a number that means nothing here may mean something there")
    func shared() async throws {
        try await withFolder { folder in
            try await withStranger { stranger in
                try await cutPower(folder, process: stranger)
                let other = open(folder + "/users.lock", O_RDWR | O_CLOEXEC)
                #expect(flock(other, LOCK_SH) == 0)
                let words = await failure(folder)
                #expect(words.contains("names process \(stranger) (sleep), which is no PostgreSQL"))
                #expect(words.contains("fuser -v"))
                close(other)
                await (try await EmbeddedPostgres.start(under: folder)).stop()
            }
        }
    }

    @Test("A cluster whose making was interrupted is made anew")
    func interrupted() async throws {
        try await withFolder { folder in
            for name in ["postgres.making", "postgres"] {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            }
            try "15\n".write(toFile: folder + "/postgres.making/PG_VERSION", atomically: false, encoding: .utf8)
            await (try await EmbeddedPostgres.start(under: folder)).stop()
            #expect(!FileManager.default.fileExists(atPath: folder + "/postgres.making"))
        }
    }

    @Test("What does not let it start is said with what heals it, and when that is done it starts")
    func remedies() async throws {
        try await withFolder { folder in
            await (try await EmbeddedPostgres.start(under: folder)).stop()
            let data = folder + "/postgres"
            chmod(data, 0o777)
            #expect(await failure(folder).contains("invalid permissions; `chmod 0700 \(data)` heals it"))
            chmod(data, 0o700)

            let settings = data + "/postgresql.auto.conf"
            let kept = try String(contentsOfFile: settings, encoding: .utf8)
            try (kept + "nonsense = 1\n").write(toFile: settings, atomically: false, encoding: .utf8)
            #expect(await failure(folder).contains("mend \(data)/postgresql.conf and postgresql.auto.conf"))
            try kept.write(toFile: settings, atomically: false, encoding: .utf8)

            let control = data + "/global/pg_control"
            let bytes = try Data(contentsOf: URL(fileURLWithPath: control))
            truncate(control, 100)
            #expect(await failure(folder).contains("the data are damaged: put a backup back"))
            try FileHandle(forWritingTo: URL(fileURLWithPath: control)).write(contentsOf: bytes)

            chown(control, 0, 0)
            chmod(control, 0o600)
            // Who is not root reads his own.
            if getuid() == 0 { #expect(await failure(folder).contains("give all of \(data) to the user")) }
            try PostgresInstallation.find().handOver(control)
            await (try await EmbeddedPostgres.start(under: folder)).stop()
        }
    }

    @Test("A full disk is named, when it is made and when it starts, and room heals it")
    func fullDisk() async throws {
        guard getuid() == 0 else { return }
        try await withFolder { folder in
            func mount(_ size: String) throws {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                #expect(
                    try ChildProcess.run(
                        "/bin/mount", ["-t", "tmpfs", "-o", "size=\(size),mode=755", "tmpfs", folder]
                    ).status == 0)
            }
            try mount("20m")
            defer { _ = try? ChildProcess.run("/bin/umount", ["-l", folder]) }
            let making = await failure(folder)
            #expect(making.contains("cannot be made") && making.contains("make room on"), "\(making)")
            #expect(try ChildProcess.run("/bin/mount", ["-o", "remount,size=150m", folder]).status == 0)
            await (try await EmbeddedPostgres.start(under: folder)).stop()
            let filler = folder + "/filler"
            _ = try ChildProcess.run("/bin/dd", ["if=/dev/zero", "of=\(filler)", "bs=64k"])
            let starting = await failure(folder)
            #expect(starting.contains("make room on"), "\(starting)")
            unlink(filler)
            await (try await EmbeddedPostgres.start(under: folder)).stop()
        }
    }

    @Test("Its log holds nothing that a failing statement, its values or its errors held")
    func discretion() async throws {
        try await withFolder { folder in
            let postgres = try await EmbeddedPostgres.start(under: folder)
            for statement in [
                "CREATE TABLE t (secret text CONSTRAINT t_pkey PRIMARY KEY CHECK (length(secret) < 20))",
                "INSERT INTO t VALUES ('ada@example.org')",
                "INSERT INTO t VALUES ('ada@example.org')",
                "INSERT INTO t VALUES ('ada@example.org and much more')",
                "PREPARE p AS INSERT INTO t VALUES ($1)", "EXECUTE p ('ada@example.org')",
            ] { _ = try? await PostgresSession.run(statement, at: postgres.url) }
            try await onQueue {
                let connection = try DirectConnection(url: postgres.url)
                let email = "ada@example.org"
                #expect(throws: DatabaseError.self) { try connection.query("INSERT INTO t VALUES (\(email))") }
            }
            await postgres.stop()
            let log = try String(contentsOfFile: folder + "/postgres/server.log", encoding: .utf8)
            #expect(log.contains("duplicate key value violates unique constraint \"t_pkey\""))
            #expect(log.contains("violates check constraint"))
            #expect(!log.contains("ada@"), "\(log)")
        }
    }
}
