package import FoundationEssentials
import Synchronization

/// Requests that are held back until there is something new: each waits for one user's next change. Nothing that matters is
/// kept here; who is not woken asks again at its time.
package final class LongPolls: Sendable {
    private struct Waiter {
        let place: Place
        let signal: AsyncStream<Void>.Continuation
    }

    private struct State {
        var waiters: [UUID: [UInt64: Waiter]] = [:]
        var next: UInt64 = 0
        var closed = false
    }

    private let mostWaits: Int
    private let state = Mutex(State())

    /// - Parameter mostWaits: of one user; beyond it the one that waits longest ends, as at its time.
    package init(mostWaits: Int = 50) {
        self.mostWaits = mostWaits
    }

    /// Wakes those whom it concerns.
    package func hear(_ event: ChangeEvent) {
        switch event {
        case .changed(let change): wake(change.user) { $0.user < change.version }
        case .hint(let user, let version): wake(user) { $0.user < version }
        case .shared(let version, _): wakeAll { $0.shared < version }
        case .sessionsEnded(let user, _): wake(user) { _ in true }
        case .presence, .devicesChanged: break
        }
    }

    /// How many waits there are.
    package var count: Int { state.withLock { $0.waiters.values.reduce(0) { $0 + $1.count } } }

    /// The users who wait here, for the comparison of heads.
    package var users: [UUID] { state.withLock { Array($0.waiters.keys) } }

    /// Wakes those who wait below these heads, or everybody.
    package func wake(heads: [UUID: Version], shared: Version, all: Bool) {
        for user in users {
            wake(user) { all || $0.isBehind(Place(user: heads[user] ?? 0, shared: shared)) }
        }
    }

    /// Ends every wait, now and later: the process is about to stop.
    package func close() {
        let woken = state.withLock { state in
            state.closed = true
            defer { state.waiters = [:] }
            return state.waiters.values.flatMap(\.values)
        }
        for waiter in woken { waiter.signal.finish() }
    }

    /// Calls `look` (which reads the database) and, while it finds nothing, again each time something beyond `place` is
    /// announced for this user, until it finds something or `limit` has passed; then returns what `look` found last.
    /// The wait is registered before the first look, so nothing falls in between; it asks the database nothing by timer.
    package func wait<Found: Sendable>(
        user: UUID, beyond place: Place, limit: Duration, look: @Sendable @escaping () async throws -> Found?
    ) async throws -> Found? {
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        guard let id = register(Waiter(place: place, signal: signal), for: user) else { return try await look() }
        defer { remove(id, of: user) }
        if let found = try await look() { return found }
        return try await withThrowingTaskGroup(of: Found?.self) { group in
            group.addTask {
                for await _ in signals {
                    if let found = try await look() { return found }
                }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    private func register(_ waiter: Waiter, for user: UUID) -> UInt64? {
        let (id, displaced) = state.withLock { state -> (UInt64?, Waiter?) in
            guard !state.closed else { return (nil, nil) }
            state.next += 1
            state.waiters[user, default: [:]][state.next] = waiter
            guard let own = state.waiters[user], own.count > mostWaits, let oldest = own.keys.min() else {
                return (state.next, nil)
            }
            return (state.next, state.waiters[user]?.removeValue(forKey: oldest))
        }
        displaced?.signal.finish()
        return id
    }

    private func remove(_ id: UInt64, of user: UUID) {
        state.withLock { state in
            state.waiters[user]?[id] = nil
            if state.waiters[user]?.isEmpty == true { state.waiters[user] = nil }
        }
    }

    private func wake(_ user: UUID, where condition: (Place) -> Bool) {
        let signals = state.withLock { $0.waiters[user]?.values.filter { condition($0.place) }.map(\.signal) ?? [] }
        for signal in signals { signal.yield() }
    }

    private func wakeAll(where condition: (Place) -> Bool) {
        let signals = state.withLock { state in
            state.waiters.values.flatMap { $0.values.filter { condition($0.place) }.map(\.signal) }
        }
        for signal in signals { signal.yield() }
    }
}
