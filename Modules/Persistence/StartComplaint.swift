import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// Why a PostgreSQL of ours was not made or does not start, and what heals it.
struct StartComplaint {
    /// What PostgreSQL's programs said, all of it.
    let said: String
    let data: String

    /// One line.
    var words: String {
        let lines = said.split(separator: "\n").map(String.init)
        let known = remedies.first { $0.signs.contains { said.contains($0) } }
        // The line that the remedy is for; others are often what followed from it.
        let telling = known.flatMap { known in lines.last { line in known.signs.contains { line.contains($0) } } }
        let grave = lines.last { line in Self.marks.contains { line.contains($0) } }
        let line = telling ?? grave ?? lines.last ?? "it said nothing"
        return "\(Self.bare(line)); \(known?.remedy ?? lastResort)"
    }

    private static let marks = ["FATAL:", "PANIC:", "ERROR:", "error:"]

    /// Without what PostgreSQL puts before it: the time, and what it was about to do.
    private static func bare(_ line: String) -> String {
        let start = marks.compactMap { line.range(of: $0)?.lowerBound }.min() ?? line.startIndex
        return line[start...].trimmingCharacters(in: .whitespaces)
    }

    private var remedies: [(signs: [String], remedy: String)] {
        [
            (
                ["could not create semaphores"],
                "end other PostgreSQLs of this machine, or raise the kernel's limit (`sysctl kernel.sem`)"
            ),
            (
                ["shared memory segment", "anonymous shared memory"],
                "it needs 160 MB of memory and of /dev/shm (a container: --shm-size=256m)"
            ),
            (
                ["No space left on device", "Disk quota exceeded"],
                "make room on the disk (`df -h \(data)`) and start again, nothing is lost"
            ),
            (["Read-only file system"], "make \(data) writable, or set LOCKSTEP_DATA_DIR to another folder"),
            (
                ["Cannot allocate memory", "out of memory"],
                "it needs 160 MB of memory: end other programs, or set DATABASE_URL to a PostgreSQL elsewhere"
            ),
            (["Too many open files", "insufficient file descriptors"], "allow more open files (`ulimit -n 4096`)"),
            (["has invalid permissions"], "`chmod 0700 \(data)` heals it"),
            (
                ["Permission denied", "Operation not permitted", "has wrong ownership"],
                "give all of \(data) to the user that PostgreSQL runs as (`ls -l \(data)`; `chown -R`)"
            ),
            (["pre-existing shared memory block"], "end what is left of the one before (`pgrep -a postgres`)"),
            (
                ["lock file"],
                "another PostgreSQL uses \(data); end it (`pgrep -a postgres`), or set LOCKSTEP_DATA_DIR to another folder"
            ),
            (
                ["incompatible with server"],
                "these data are of another PostgreSQL: install that one, or put a backup back"
            ),
            (
                ["unrecognized configuration parameter", "contains errors", "invalid value for parameter"],
                "mend \(data)/postgresql.conf and postgresql.auto.conf"
            ),
            (
                [
                    "checkpoint record", "control file", "could not read", "invalid page",
                    "is not a valid data directory",
                ],
                "the data are damaged: put a backup back"
            ),
            (
                ["Unix-domain socket", "Unix address"],
                "set LOCKSTEP_DATA_DIR to another folder, or remove its `socket`"
            ),
            (["locale"], "install the locale C.UTF-8 (Debian has it in libc-bin)"),
            (
                ["did not start in time"],
                "it may still be recovering from a crash: start again, and it goes on from where it is"
            ),
        ]
    }

    private var lastResort: String {
        // On a full disk it cannot even write why.
        return Self.isFull(data)
            ? "the disk is full: make room on it (`df -h \(data)`) and start again, nothing is lost"
            : "set LOCKSTEP_DATA_DIR to another folder to begin anew, or DATABASE_URL to a PostgreSQL of yours"
    }

    private static func isFull(_ folder: String) -> Bool {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return false }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize) < 17 << 20
    }
}
