/// When a client that polls should ask again: later, up to four times, the more statements wait for the database.
package struct PollPace: Sendable {
    private let seconds: Int
    private let waiting: @Sendable () -> Int

    /// - Parameters:
    ///   - seconds: while nobody waits.
    ///   - waiting: how many statements wait now.
    package init(seconds: Int, waiting: @escaping @Sendable () -> Int) {
        self.seconds = seconds
        self.waiting = waiting
    }

    package var milliseconds: Int64 { Int64(seconds * min(4, 1 + waiting() / 100)) * 1_000 }
}
