import Foundation
import UnixSignals

/// The three descriptors that a process is born with, as it happens to find them. Whoever starts a server may have
/// closed them, and whoever reads what it says may go away, or have no room left for it: none of that ends a process.
enum StandardStreams {
    /// To be called before anything else opens a file: what is closed would give its number to a socket, into which the
    /// next line of a log would go (libdispatch and NIO end the process over less).
    static func prepare() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) == -1 {
            // The lowest number that is free, hence this one.
            _ = open("/dev/null", O_RDWR)
        }
        // A write to a pipe that nobody reads fails, instead of ending who writes.
        signal(SIGPIPE, SIG_IGN)
    }

    /// What ends a server in good order: also the terminal that it was started in and that goes away, unless whoever started
    /// it wanted that ignored (`nohup`).
    static var endings: [UnixSignal] {
        let before = signal(SIGHUP, SIG_IGN)
        let isIgnored = unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        return isIgnored ? [.sigterm, .sigint] : [.sigterm, .sigint, .sighup]
    }

    /// Writes what can be written. `FileHandle.write(_:)` traps where this fails: no reader, no room on the disk.
    static func write(_ data: Data, to stream: FileHandle) {
        try? stream.write(contentsOf: data)
    }
}

/// A line for who asked for it.
func say(_ line: String) {
    StandardStreams.write(Data((line + "\n").utf8), to: .standardOutput)
}

/// A line for who should act on it.
func complain(_ line: String) {
    StandardStreams.write(Data((line + "\n").utf8), to: .standardError)
}
