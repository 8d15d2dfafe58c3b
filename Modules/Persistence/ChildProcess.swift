import CLibPQ
import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// Runs other programs. Not by Foundation's `Process`: that learns of a child's end from a socket which every other child
/// that is started at the same moment inherits, so that a daemon among them makes the first one seem to run for ever.
/// Here a child is given its three standard descriptors and nothing else.
package enum ChildProcess {
    /// What a child finds in its environment: nothing of ours, so that no PGHOST or LANG of whoever started the server
    /// changes what PostgreSQL's programs do or say.
    package static let plainEnvironment = ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"]

    /// Starts a program and does not wait for it.
    /// - Parameters:
    ///   - path: the executable.
    ///   - input: what it reads; nil: nothing.
    ///   - output: where what it writes goes, errors too; nil: nowhere.
    /// - Returns: its process id, which `waitpid` must be asked about some day.
    package static func start(
        _ path: String, _ arguments: [String], folder: String = "/", environment: [String] = plainEnvironment,
        input: Int32? = nil, output: Int32? = nil
    ) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (wanted, given) in [(0, input), (1, output), (2, output)] as [(Int32, Int32?)] {
            if let given {
                posix_spawn_file_actions_adddup2(&actions, given, wanted)
            } else {
                posix_spawn_file_actions_addopen(&actions, wanted, "/dev/null", O_RDWR, 0)
            }
        }
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        posix_spawn_file_actions_addchdir_np(&actions, folder)
        let words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { (words + variables).forEach { free($0) } }
        var child: pid_t = 0
        let failure = posix_spawn(&child, path, &actions, nil, words, variables)
        guard failure == 0 else {
            throw EmbeddedPostgres.Failure(description: "\(path) cannot be run: \(String(cString: strerror(failure)))")
        }
        return child
    }

    /// Runs a program to its end, on the calling thread.
    /// - Returns: its exit status, 128 and more for a signal, and all that it wrote.
    package static func run(
        _ path: String, _ arguments: [String], folder: String = "/", environment: [String] = plainEnvironment
    ) throws -> (status: Int32, output: String) {
        // A file, not a pipe: a server that it leaves behind would hold a pipe open for ever.
        var name = Array("/tmp/lockstep-output-XXXXXX".utf8CString)
        let file = mkstemp(&name)
        guard file >= 0 else {
            let reason = String(cString: strerror(errno))
            throw EmbeddedPostgres.Failure(description: "no file can be made in /tmp: \(reason)")
        }
        unlink(name)
        let reader = FileHandle(fileDescriptor: file, closeOnDealloc: true)
        let child = try start(path, arguments, folder: folder, environment: environment, output: file)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        try reader.seek(toOffset: 0)
        let output = String(decoding: try reader.readToEnd() ?? Data(), as: UTF8.self)
        let signal = status & 0x7F
        return (signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output)
    }
}
