import CLibPQ
import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// A private PostgreSQL under a data folder, for who has none of their own: made, started and stopped by us, on a Unix
/// socket that nobody else can reach. Several processes on one folder share it, and the last one stops it; one that was
/// left running by a process killed in the middle is used again.
package final class EmbeddedPostgres: Sendable {
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// How to reach it, for `DatabaseConfiguration`.
    package let url: String
    /// Whether the data are a copy: restored from a backup, so that cursors given out since then mean nothing here. Stays so,
    /// whoever starts it, until `acceptRestore`.
    package let restored: Bool
    private let installation: PostgresInstallation
    private let root: String
    private let data: String
    private let socket: String
    /// Shared with every process that uses this one; whoever can hold it alone is the last.
    private let lock: Int32

    private init(
        installation: PostgresInstallation, root: String, data: String, socket: String, lock: Int32, restored: Bool
    ) {
        self.installation = installation
        self.root = root
        self.data = data
        self.socket = socket
        self.lock = lock
        self.restored = restored
        url = "host=\(socket) user=lockstep dbname=lockstep"
    }

    /// Makes it if there is none, starts it if it does not run, and returns when it takes connections.
    /// - Parameter making: false: where there is none, that is a failure, and nothing is made.
    /// - Throws: `Failure`, one line that says what to do.
    package static func start(
        under folder: String, making: Bool = true, progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> EmbeddedPostgres {
        try await onThread { try begin(folder, making: making, progress) }
    }

    /// A new epoch has begun: the data are where they belong from now on.
    package func acceptRestore() {
        DataMarker(data: data).renew()
    }

    /// Whether it ended without us: the system had no memory left and chose it, or somebody stopped it by hand.
    package var isGone: Bool { PostmasterFile(path: data + "/postmaster.pid", data: data).holder == .nobody }

    /// Starts it again, unless another process that uses it was quicker.
    /// - Throws: `Failure`, as `start`.
    package func revive() async throws {
        try await onThread { [self] in
            let starter = try Self.exclusively(root + "/start.lock")
            defer { close(starter) }
            try Self.ensureRunning(installation, data: data, socket: socket, lock: lock) { _ in }
        }
    }

    /// Stops it, unless another process uses it.
    package func stop() async {
        try? await onThread { [self] in
            defer { close(lock) }
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { return }
            _ = try? installation.run("pg_ctl", ["-D", data, "-m", "fast", "-w", "-t", "30", "stop"])
        }
    }

    private static func begin(
        _ folder: String, making: Bool, _ progress: (String) -> Void
    ) throws -> EmbeddedPostgres {
        let installation = try PostgresInstallation.find()
        let root = URL(fileURLWithPath: folder).standardizedFileURL.path
        let data = root + "/postgres"
        // pg_ctl pastes the folder into a command of the shell, between these.
        guard !root.contains(where: { "\"\\$`\n".contains($0) }) else {
            throw Failure(
                description: "LOCKSTEP_DATA_DIR is “\(root)”; pg_ctl cannot handle \" \\ $ ` or a line break in it")
        }
        guard making || exists(data) else {
            throw Failure(
                description: "there is no private PostgreSQL in \(root); name its folder by LOCKSTEP_DATA_DIR, or "
                    + "another database by DATABASE_URL (`lockstep serve` makes one)")
        }
        do {
            try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        } catch {
            throw Failure(
                description: "cannot make the folder \(root); set LOCKSTEP_DATA_DIR to one that you may write")
        }
        try installation.requireEntry(to: root)
        let lock = open(root + "/users.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            let reason = errno
            throw Failure(
                description: reason == EACCES
                    ? "\(root) belongs to somebody else; run as its owner, or set LOCKSTEP_DATA_DIR to another folder"
                    : "nothing can be written in \(root) (\(String(cString: strerror(reason)).lowercased())); mend "
                        + "that, or set LOCKSTEP_DATA_DIR to another folder")
        }
        var kept = false
        defer { if !kept { close(lock) } }
        let starter = try exclusively(root + "/start.lock")
        defer { close(starter) }
        guard flock(lock, LOCK_SH | LOCK_NB) == 0 || flock(lock, LOCK_SH) == 0 else {
            throw Failure(description: "\(root)/users.lock cannot be locked")
        }
        if !exists(data) {
            progress("making a private PostgreSQL in \(data)")
            try installation.initialize(data)
        }
        try installation.requireOwnership(of: data)
        try installation.requireVersion(of: data)
        let socket = try socketFolder(root, installation)
        try ensureRunning(installation, data: data, socket: socket, lock: lock, progress)
        try installation.makeDatabase(at: socket, data: data)
        let marker = DataMarker(data: data)
        // Without a marker it was just made, or its making was interrupted before there was anything to lose.
        let restored = marker.exists && !marker.fits
        if !restored { marker.renew() }
        kept = true
        return EmbeddedPostgres(
            installation: installation, root: root, data: data, socket: socket, lock: lock, restored: restored)
    }

    /// Whether there is a cluster, or one that may not be looked into.
    private static func exists(_ data: String) -> Bool {
        access(data + "/PG_VERSION", F_OK) == 0 || errno == EACCES
    }

    /// Starts it unless it runs. One that runs and does not answer is starting, recovering or dying: it is given time to
    /// come up, or to be gone and be started.
    private static func ensureRunning(
        _ installation: PostgresInstallation, data: String, socket: String, lock: Int32, _ progress: (String) -> Void
    ) throws {
        let end = ContinuousClock.now + .seconds(30)
        let file = PostmasterFile(path: data + "/postmaster.pid", data: data)
        waiting: while true {
            let holder = file.holder
            if holder == .nobody { break waiting }
            if (try? installation.run("pg_isready", ["-q", "-h", socket])) != nil { return }
            if case .stranger(let process) = holder {
                if disown(file, lock) { break waiting }
                // One that is just dying is in no folder any more either: it is gone in a moment.
                guard .now < end - .seconds(25) else {
                    throw Failure(
                        description: "\(file.path) names process \(process), which is no PostgreSQL, while another "
                            + "lockstep uses \(data); end that one (`fuser -v \(data)/../users.lock` names it) and start "
                            + "again")
                }
            }
            guard .now < end else {
                throw Failure(
                    description: "the private PostgreSQL runs and does not answer; its log is \(data)/server.log; if "
                        + "that says nothing new, end it (`pkill -INT -F \(file.path)`) and start again")
            }
            usleep(50_000)
        }
        // Nobody else makes a socket there.
        let socketLock = PostmasterFile(path: socket + "/.s.PGSQL.5432.lock", data: data)
        if case .stranger = socketLock.holder { socketLock.disown() }
        progress("starting the private PostgreSQL")
        try installation.startServer(data: data, socket: socket)
    }

    /// Only where nobody else uses the folder: to a container beside this one, whose numbers mean nothing here, its own
    /// PostgreSQL would be lost.
    private static func disown(_ file: PostmasterFile, _ lock: Int32) -> Bool {
        let alone = flock(lock, LOCK_EX | LOCK_NB) == 0
        if alone { file.disown() }
        _ = flock(lock, LOCK_SH)
        return alone
    }

    /// One process at a time looks and starts.
    private static func exclusively(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else {
            throw Failure(description: "\(path) cannot be locked; remove it if no lockstep runs")
        }
        return descriptor
    }

    /// Where the socket lies: in the data folder, or where the path would be longer than a socket's may be (107 bytes),
    /// under /tmp. Only its owner may enter.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func socketFolder(_ root: String, _ installation: PostgresInstallation) throws -> String {
        var folder = root + "/socket"
        // Longer ones do not fit into a socket's address, and others would have to be quoted wherever they are named.
        if folder.utf8.count > 85 || !folder.utf8.allSatisfy(isPlain) {
            let name = root.utf8.reduce(UInt64(5_381)) { $0 &* 33 &+ UInt64($1) }
            folder = "/tmp/lockstep-" + String(name, radix: 36)
        }
        try? FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Anybody may make names in /tmp: a link or a folder of somebody else's must not be given away, nor used.
        let found = try? FileManager.default.attributesOfItem(atPath: folder)
        let owners = [getuid(), installation.user?.id ?? getuid()].map { NSNumber(value: $0) }
        guard let found, found[.type] as? FileAttributeType == .typeDirectory,
            let owner = found[.ownerAccountID] as? NSNumber, owners.contains(owner)
        else {
            throw Failure(
                description: "\(folder) is somebody else's; remove it, or set LOCKSTEP_DATA_DIR to a shorter path")
        }
        try installation.handOver(folder)
        return folder
    }
}

/// Remembers which files on which disk the data are, in the data: a copy has the memory and other files.
private struct DataMarker {
    let data: String

    private var path: String { data + "/lockstep_origin" }

    private var current: String {
        ["PG_VERSION", "global/pg_control"].map { file in
            var status = file_status()
            guard read_file_status("\(data)/\(file)", &status) == 0 else { return "-" }
            // PG_VERSION is written once: when it was last changed tells a copy over the old files from the old files.
            let changed = file == "PG_VERSION" ? ":\(status.changed_seconds).\(status.changed_nanoseconds)" : ""
            return "\(status.device):\(status.inode)\(changed)"
        }.joined(separator: " ")
    }

    var exists: Bool { FileManager.default.fileExists(atPath: path) }

    var fits: Bool { (try? String(contentsOfFile: path, encoding: .utf8)) == current }

    func renew() {
        try? current.write(toFile: path, atomically: false, encoding: .utf8)
    }
}
