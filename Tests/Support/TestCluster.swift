import Foundation
import Persistence

#if canImport(Glibc)
import Glibc
#endif

/// A PostgreSQL cluster of the tests' own in a temporary folder, on a Unix socket, with nothing made durable. It ends
/// and its folder goes when this process does, however it does.
package final class TestCluster: Sendable {
    package let folder: String
    private let installation: PostgresInstallation
    private let environment: [String]
    /// Whoever holds the other end sees it close when this process ends.
    private let lifeline: Int32

    /// Makes one and starts it.
    /// - Parameter settings: lines of postgresql.conf, which go before ours; `synchronous_commit = on` for what is to
    ///   outlast the death of a backend.
    /// - Parameter language: in which the server writes its messages, such as `de`; nil: English.
    package init(settings: [String] = [], language: String? = nil) async throws {
        let folder = "/tmp/lockstep-tests-\(UUID().uuidString.prefix(8))"
        let installation = try PostgresInstallation.find()
        self.folder = folder
        self.installation = installation
        environment = ChildProcess.plainEnvironment + (language.map { ["LANGUAGE=\($0)"] } ?? [])
        lifeline = try await onQueue {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try installation.handOver(folder)
            try installation.run(
                "initdb",
                [
                    "-D", folder + "/data", "-N", "-U", "lockstep", "-A", "trust", "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-instructions",
                ])
            let configuration = folder + "/data/postgresql.conf"
            let quick = [
                "listen_addresses = ''", "unix_socket_directories = '\(folder)'", "fsync = off",
                "synchronous_commit = off", "full_page_writes = off", "max_connections = 400", "shared_buffers = 64MB",
                "autovacuum = off", "max_wal_size = 2GB", "log_min_messages = fatal", "jit = off",
            ]
            let text = try String(contentsOfFile: configuration, encoding: .utf8)
            try (text + "\n" + (quick + settings).joined(separator: "\n") + "\n")
                .write(toFile: configuration, atomically: false, encoding: .utf8)
            return try Self.startJanitor(folder, installation)
        }
        try await start()
    }

    deinit {
        close(lifeline)
    }

    package func url(database: String = "postgres") -> String {
        "host=\(folder) user=lockstep dbname=\(database)"
    }

    package func start() async throws {
        let (installation, folder, environment) = (installation, folder, environment)
        try await onQueue {
            try installation.run(
                "pg_ctl", ["-D", folder + "/data", "-w", "-t", "30", "-l", folder + "/data/server.log", "start"],
                environment: environment)
        }
    }

    /// - Parameter mode: smart, fast or immediate.
    package func stop(mode: String = "fast") async throws {
        let (installation, folder) = (installation, folder)
        try await onQueue {
            try installation.run("pg_ctl", ["-D", folder + "/data", "-m", mode, "-w", "-t", "30", "stop"])
        }
    }

    /// Sends a signal to the postmaster, or to a process of its own.
    package func signal(_ number: Int32, to process: Int32? = nil) throws {
        let file = try String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8)
        guard let target = process ?? file.split(separator: "\n").first.flatMap({ Int32($0) }),
            kill(target, number) == 0
        else { throw PostgresSession.Failure(description: "the signal reached nobody") }
    }

    /// Runs one of PostgreSQL's programs, as the user of the cluster.
    @discardableResult
    package func run(_ program: String, _ arguments: [String]) async throws -> String {
        let installation = installation
        return try await onQueue { try installation.run(program, arguments) }
    }

    /// A shell that waits until this process is gone, then stops the cluster and removes its folder.
    /// - Returns: the descriptor that keeps it waiting.
    private static func startJanitor(_ folder: String, _ installation: PostgresInstallation) throws -> Int32 {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
            throw PostgresSession.Failure(description: "no descriptors are left")
        }
        _ = try ChildProcess.start(
            "/bin/sh",
            [
                "-c",
                """
                trap '' INT TERM HUP; read line
                kill -QUIT "$(head -1 '\(folder)/data/postmaster.pid')"; sleep 1; rm -rf '\(folder)'
                """,
            ], input: ends[0])
        close(ends[0])
        return ends[1]
    }
}
