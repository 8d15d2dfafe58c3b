import CLibPQ
import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// A file in which a running PostgreSQL says that it runs, its process first: `postmaster.pid` in the data, and a lock
/// beside its socket. A power cut leaves both, and after it the number may be anybody's: PostgreSQL takes whoever is alive
/// and of its own user for itself, and refuses to start until somebody removes the file by hand.
struct PostmasterFile {
    enum Holder: Equatable {
        /// There is no file, or nobody is alive by its number.
        case nobody
        /// A PostgreSQL on these data.
        case postgres
        /// Somebody else has the number now, or the file was never written to its end.
        case stranger(String)
    }

    let path: String
    /// The folder whose PostgreSQL it is.
    let data: String

    var holder: Holder {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return .nobody }
        guard let first = text.split(separator: "\n").first, let process = pid_t(first), process > 0 else {
            return .stranger("nobody")
        }
        guard kill(process, 0) == 0 || errno == EPERM else { return .nobody }
        let name = (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)) ?? "?"
        // Every process of PostgreSQL stays in its data folder. A dead one that nobody has waited for is nowhere.
        var here = file_status()
        var there = file_status()
        let isHere =
            read_file_status(data, &here) == 0 && read_file_status("/proc/\(process)/cwd", &there) == 0
            && here.device == there.device && here.inode == there.inode
        return isHere ? .postgres : .stranger("\(process) (\(name.trimmingCharacters(in: .whitespacesAndNewlines)))")
    }

    /// Gives it a number that no process can have. Not removed: PostgreSQL reads further down in it whether anybody is left
    /// of the one before, and then still refuses to start.
    func disown() {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return }
        let rest = text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
        guard rest.count > 1, let file = FileHandle(forWritingAtPath: path) else {
            // Cut off at its beginning: there is nothing to read.
            unlink(path)
            return
        }
        // Above the kernel's PID_MAX_LIMIT.
        let disowned = (["4194305"] + rest).joined(separator: "\n")
        try? file.truncate(atOffset: 0)
        try? file.write(contentsOf: Data(disowned.utf8))
        try? file.close()
    }
}
