package import FoundationEssentials
import Synchronization

/// Lets each account have one answer at a time of a kind that may be megabytes, and many at a time where the last one was small
/// a moment ago: nearly everybody's is, and nobody knows before.
package final class AnswerTurns: Sendable {
    /// As many small ones at a time.
    private static let most = 64
    /// An account's answer does not grow from small to many megabytes in so short a time.
    private static let lately = Duration.seconds(1)
    private static let mostRemembered = 20_000

    private let turns = Turns<UUID>(most: AnswerTurns.most)
    private let small = Mutex<[UUID: ContinuousClock.Instant]>([:])
    private let now: @Sendable () -> ContinuousClock.Instant

    package init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.now = now
    }

    /// - Parameters:
    ///   - size: of the answer, in bytes.
    ///   - work: makes the answer.
    /// - Throws: what `work` throws; CancellationError where the caller is gone by the time that its turn comes.
    package func take<Value>(
        _ user: UUID, size: (Value) -> Int, _ work: () async throws -> Value
    ) async throws -> Value {
        try await turns.take(user, weight: wasSmall(user) ? 1 : Self.most) {
            let value = try await work()
            note(user, isSmall: size(value) <= UnsentBudget.small)
            return value
        }
    }

    private func wasSmall(_ user: UUID) -> Bool {
        guard let last = small.withLock({ $0[user] }) else { return false }
        return now() - last < Self.lately
    }

    private func note(_ user: UUID, isSmall: Bool) {
        let time = now()
        small.withLock { small in
            if small.count >= Self.mostRemembered { small = small.filter { time - $0.value < Self.lately } }
            small[user] = isSmall && small.count < Self.mostRemembered ? time : nil
        }
    }
}
