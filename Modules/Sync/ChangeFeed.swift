package import FoundationEssentials
import Synchronization

/// Where every committed change of this process, and every hint of another's, is announced, in the order of commits.
/// The hub and the bus listen for good (`listeners`, given once by the composition root); a long poll waits for one
/// user's next change. Nothing that matters is kept here: who misses an announcement reads the database.
package final class ChangeFeed: Sendable {
    package enum Event: Sendable {
        /// Committed by this process: with its documents.
        case changed(Change)
        /// Another process says that this user's head is now at least here.
        case hint(user: UUID, version: Version)
        /// The shared sequence is now at least here, by this process (`local`) or another.
        case shared(version: Version, local: Bool)
        /// Sessions of this user may have ended (sign-out, revocation); `local`: this process ended them.
        case sessionsEnded(user: UUID, local: Bool)
        /// Devices of this user came or went.
        case presence(user: UUID, local: Bool)
        /// This process renamed or removed devices of this user: his sockets, everywhere, are to be told who is there.
        case devicesChanged(user: UUID)
    }

    private struct Waiter {
        let place: Place
        let signal: AsyncStream<Void>.Continuation
    }

    private struct State {
        var listeners: [@Sendable (Event) -> Void] = []
        var waiters: [UUID: [UInt64: Waiter]] = [:]
        var next: UInt64 = 0
        var closed = false
    }

    private let state = Mutex(State())

    package init() {}

    /// Adds a listener for the life of the process. It is called on the thread that announces and must not block.
    package func listen(_ listener: @escaping @Sendable (Event) -> Void) {
        state.withLock { $0.listeners.append(listener) }
    }

    package func announce(_ event: Event) {
        let listeners = state.withLock { $0.listeners }
        for listener in listeners { listener(event) }
        switch event {
        case .changed(let change): wake(change.user) { $0.user < change.version }
        case .hint(let user, let version): wake(user) { $0.user < version }
        case .shared(let version, _): wakeAll { $0.shared < version }
        case .sessionsEnded(let user, _): wake(user) { _ in true }
        case .presence, .devicesChanged: break
        }
    }

    /// How many waits there are.
    package var waitCount: Int { state.withLock { $0.waiters.values.reduce(0) { $0 + $1.count } } }

    /// The users who wait here, for the comparison of heads.
    package var waitingUsers: [UUID] { state.withLock { Array($0.waiters.keys) } }

    /// Wakes those who wait below these heads, or everybody.
    package func wakeWaiting(heads: [UUID: Version], shared: Version, all: Bool) {
        for user in waitingUsers {
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
        state.withLock { state in
            guard !state.closed else { return nil }
            state.next += 1
            state.waiters[user, default: [:]][state.next] = waiter
            return state.next
        }
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
