import FoundationEssentials
import Synchronization

/// Which statements lately had a large answer, of which user. How large one will be nobody knows before; but who has megabytes
/// has had them for a while, and asks again.
final class LargeAnswers: Sendable {
    /// So many bytes are sent in the time of a few small answers.
    static let least = 262_144
    private static let lately: Duration = .seconds(600)

    /// Of each user when, by the statement.
    private let seen = Mutex<[UUID: [String: ContinuousClock.Instant]]>([:])
    private let tidied = Mutex<ContinuousClock.Instant?>(nil)
    private let now: @Sendable () -> ContinuousClock.Instant

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.now = now
    }

    func include(_ sql: SQL, of user: UUID) -> Bool {
        guard let mine = seen.withLock({ $0[user] }), let last = mine[sql.text] else { return false }
        return isLately(last)
    }

    func note(_ sql: SQL, of user: UUID) {
        let time = now()
        let isDue = tidied.withLock { last in
            if let last, time - last < .seconds(1) { return false }
            last = time
            return true
        }
        seen.withLock { seen in
            // There are never many more than have had one lately.
            if isDue { seen = seen.filter { $0.value.values.contains(where: isLately) } }
            seen[user, default: [:]][sql.text] = time
        }
    }

    private func isLately(_ time: ContinuousClock.Instant) -> Bool { now() - time < Self.lately }
}
