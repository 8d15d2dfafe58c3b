import Synchronization

/// Allows each key so many events a minute, in any order within it, and then one more as each falls due (the generic
/// cell rate algorithm: one instant a key). In this process's memory: several processes allow several times as much.
package final class RateLimiter<Key: Hashable & Sendable>: Sendable {
    /// More keys than this are not kept: a stranger can walk through as many addresses as they like.
    private static var most: Int { 50_000 }

    /// 0: no limit.
    private let perMinute: Int
    private let due = Mutex<[Key: ContinuousClock.Instant]>([:])

    package init(perMinute: Int) {
        self.perMinute = perMinute
    }

    /// How many keys are remembered.
    package var count: Int { due.withLock(\.count) }

    /// Counts one event. Returns nil when it is allowed, else after how many whole seconds the next one is.
    package func take(_ key: Key, now: ContinuousClock.Instant = .now) -> Int? {
        guard perMinute > 0 else { return nil }
        let interval = Duration.seconds(60) / perMinute
        return due.withLock { due in
            let next = max(due[key] ?? now, now) + interval
            let wait = next - now - .seconds(60)
            guard wait <= .microseconds(1) else { return max(1, Int(wait.components.seconds) + 1) }
            due[key] = next
            if due.count > Self.most { Self.forget(&due, now) }
            return nil
        }
    }

    /// Forgets who owes nothing; where that is not half of them, who owes least: those are the many keys with one event
    /// each, and not the one that is being guessed at.
    private static func forget(_ due: inout [Key: ContinuousClock.Instant], _ now: ContinuousClock.Instant) {
        due = due.filter { $0.value > now }
        guard due.count > most / 2 else { return }
        let middle = due.values.sorted()[due.count / 2]
        due = due.filter { $0.value > middle }
    }
}
