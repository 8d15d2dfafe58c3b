import CLibPQ
import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// PostgreSQL's own programs, and the user that they run as: PostgreSQL refuses to run as root.
package struct PostgresInstallation: Sendable {
    typealias Failure = EmbeddedPostgres.Failure

    let folder: String
    /// Whom to become; nil: we are nobody special, and stay who we are.
    let user: (name: String, id: uid_t, group: gid_t)?

    package static func find() throws -> PostgresInstallation {
        let debian = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? [])
            .compactMap { Int($0) }.sorted(by: >)
        let folders = versions.map { "\(debian)/\($0)/bin" } + ["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"]
        guard let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: $0 + "/initdb") }) else {
            throw Failure(
                description: "there is no PostgreSQL on this machine; `apt-get install postgresql` installs it, "
                    + "or set DATABASE_URL to one that runs elsewhere")
        }
        guard getuid() == 0 else { return PostgresInstallation(folder: folder, user: nil) }
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) {
                return PostgresInstallation(
                    folder: folder, user: (name, entry.pointee.pw_uid, entry.pointee.pw_gid))
            }
        }
        throw Failure(description: "PostgreSQL does not run as root, and there is no user `postgres` to run it as")
    }

    /// Runs one of PostgreSQL's programs to its end.
    /// - Throws: `Failure` with the last line that it said.
    @discardableResult
    package func run(
        _ program: String, _ arguments: [String], environment: [String] = ChildProcess.plainEnvironment
    ) throws -> String {
        let (status, output) = try execute(program, arguments, environment: environment)
        guard status == 0 else {
            let last = output.split(separator: "\n").last.map(String.init) ?? "it said nothing"
            throw Failure(description: "\(program) failed: \(last)")
        }
        return output
    }

    private func execute(
        _ program: String, _ arguments: [String], environment: [String] = ChildProcess.plainEnvironment
    ) throws -> (status: Int32, output: String) {
        let path = "\(folder)/\(program)"
        guard let user else { return try ChildProcess.run(path, arguments, environment: environment) }
        return try ChildProcess.run(
            "/usr/bin/setpriv", ["--reuid=\(user.id)", "--regid=\(user.group)", "--clear-groups", path] + arguments,
            environment: environment)
    }

    /// Makes a cluster, beside its place first: what was interrupted leaves nothing that looks like one.
    func initialize(_ data: String) throws {
        let making = data + ".making"
        let files = FileManager.default
        try? files.removeItem(atPath: making)
        do {
            try files.createDirectory(
                atPath: making, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try handOver(making)
            let (status, output) = try execute(
                "initdb",
                [
                    "-D", making, "-k", "-U", "lockstep", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8",
                    "--no-instructions",
                ])
            guard status == 0 else {
                throw Failure(
                    description: "the private PostgreSQL cannot be made: "
                        + StartComplaint(
                            said: output, data: URL(fileURLWithPath: data).deletingLastPathComponent().path
                        )
                        .words)
            }
        } catch let failure {
            try? files.removeItem(atPath: making)
            throw failure
        }
        guard rename(making, data) == 0 else {
            throw Failure(
                description: "\(data) holds something that is no PostgreSQL; move it away, or set LOCKSTEP_DATA_DIR to "
                    + "another folder")
        }
    }

    func startServer(data: String, socket: String) throws {
        let settings =
            [
                "listen_addresses=", "unix_socket_directories=\(socket)", "unix_socket_permissions=0700",
                "max_connections=60", "shared_buffers=128MB", "wal_compression=on", "jit=off", "max_wal_size=1GB",
                "log_timezone=UTC", "timezone=UTC",
            ] + Self.discretion
        let log = data + "/server.log"
        let before = (try? FileManager.default.attributesOfItem(atPath: log)[.size] as? UInt64) ?? 0
        let arguments = [
            "-D", data, "-w", "-t", "60", "-l", log, "-o", settings.map { "-c '\($0)'" }.joined(separator: " "),
            "start",
        ]
        let end = ContinuousClock.now + .seconds(10)
        while true {
            let (status, output) = try execute("pg_ctl", arguments)
            if status == 0 { return }
            let said = Self.tail(of: log, from: before) + output
            // Of one that was killed some processes live for a moment longer.
            if said.contains("pre-existing shared memory block"), .now < end {
                usleep(200_000)
                continue
            }
            throw Failure(
                description: "the private PostgreSQL does not start: \(StartComplaint(said: said, data: data).words); "
                    + "its log is \(log)")
        }
    }

    /// What it writes into its log of a statement that fails: its message, and nothing of what users sent, which stands in
    /// the message's details, in the statement, and in the values that were bound to it.
    private static let discretion = [
        "log_min_messages=warning", "log_error_verbosity=terse", "log_min_error_statement=panic", "log_statement=none",
        "log_parameter_max_length=0", "log_parameter_max_length_on_error=0", "log_min_duration_statement=-1",
        "log_min_duration_sample=-1", "log_transaction_sample_rate=0", "debug_print_parse=off",
        "debug_print_rewritten=off", "debug_print_plan=off",
    ]

    private static func tail(of log: String, from place: UInt64) -> String {
        guard let file = FileHandle(forReadingAtPath: log), (try? file.seek(toOffset: place)) != nil,
            let data = try? file.readToEnd()
        else { return "" }
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    /// Makes the database in it, unless it is there.
    func makeDatabase(at socket: String, data: String) throws {
        let (status, output) = try execute("createdb", ["-h", socket, "-U", "lockstep", "lockstep"])
        guard status == 0 || output.contains("already exists") else {
            throw Failure(
                description: "the private PostgreSQL runs and has no database: "
                    + StartComplaint(said: output, data: data).words)
        }
    }

    /// Gives a folder to the user that PostgreSQL runs as.
    package func handOver(_ path: String) throws {
        guard let user else { return }
        guard chown(path, user.id, user.group) == 0 else {
            throw Failure(description: "\(path) cannot be given to the user \(user.name)")
        }
    }

    /// Every parent folder must let PostgreSQL's user through.
    func requireEntry(to path: String) throws {
        guard let user else { return }
        var folder = "/"
        for part in URL(fileURLWithPath: path).pathComponents.dropFirst() {
            folder += (folder == "/" ? "" : "/") + part
            var status = file_status()
            guard read_file_status(folder, &status) == 0 else { return }
            let mode = status.mode
            let enters =
                status.owner == user.id
                ? mode & 0o100 != 0
                : status.group == user.group ? mode & 0o010 != 0 : mode & 0o001 != 0
            guard enters else {
                throw Failure(
                    description: "PostgreSQL runs as the user \(user.name), who may not enter \(folder); "
                        + "`chmod o+x \(folder)` lets it, or set LOCKSTEP_DATA_DIR to a folder elsewhere")
            }
        }
    }

    func requireOwnership(of data: String) throws {
        var status = file_status()
        let owner = user?.id ?? getuid()
        guard read_file_status(data, &status) == 0, status.owner == owner else {
            throw Failure(
                description:
                    "\(data) belongs to another user; run as its owner, `chown -R \(user?.name ?? NSUserName()) "
                    + "\(data)`, or set LOCKSTEP_DATA_DIR to another folder")
        }
    }

    /// The data must be of the major version that is installed.
    func requireVersion(of data: String) throws {
        let theirs = (try? String(contentsOfFile: data + "/PG_VERSION", encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let ours = try run("postgres", ["--version"]).split(separator: " ").dropFirst(2).first?
            .split(separator: ".").first.map(String.init)
        guard let theirs, let ours, theirs != ours else { return }
        throw Failure(
            description: "\(data) is of PostgreSQL \(theirs), and \(ours) is installed; install postgresql-\(theirs), "
                + "or move the data with pg_upgrade")
    }
}
