package import API
import Synchronization

/// The time that clients are shown: the database's, so that every process says the same. Each statement that brings
/// the database's clock along corrects this process's own by the difference.
package final class ServerClock: Sendable {
    /// Microseconds to add to this machine's clock. An observation is late by the way back (well under a millisecond).
    private let offset = Atomic<Int64>(0)

    package init() {}

    package func observe(_ time: Timestamp) {
        offset.store(time.microseconds - Timestamp.now().microseconds, ordering: .relaxed)
    }

    package func now() -> Timestamp {
        Timestamp(microseconds: Timestamp.now().microseconds + offset.load(ordering: .relaxed))
    }
}
