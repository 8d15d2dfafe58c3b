import Synchronization

/// Allows each key so many events a minute, in any order within it, and then one more as each falls due (the generic
/// cell rate algorithm: one instant a key). In this process's memory: several processes allow several times as much.
package final class RateLimiter<Key: Hashable & Sendable>: Sendable {
    /// When so many keys are known, those that owe nothing are forgotten.
    private static var sweepAt: Int { 50_000 }

    private struct State {
        var due: [Key: ContinuousClock.Instant] = [:]
        var sweepAt = RateLimiter.sweepAt
    }

    /// 0: no limit.
    private let perMinute: Int
    private let state = Mutex(State())

    package init(perMinute: Int) {
        self.perMinute = perMinute
    }

    /// Counts one event. Returns nil when it is allowed, else after how many whole seconds the next one is.
    package func take(_ key: Key, now: ContinuousClock.Instant = .now) -> Int? {
        guard perMinute > 0 else { return nil }
        let interval = Duration.seconds(60) / perMinute
        return state.withLock { state in
            let due = max(state.due[key] ?? now, now) + interval
            let wait = due - now - .seconds(60)
            guard wait <= .microseconds(1) else { return max(1, Int(wait.components.seconds) + 1) }
            state.due[key] = due
            if state.due.count > state.sweepAt {
                state.due = state.due.filter { $0.value > now }
                state.sweepAt = max(Self.sweepAt, state.due.count * 2)
            }
            return nil
        }
    }
}
