import API
package import FoundationEssentials
package import Sync
import Synchronization

/// Notices the first sign-in, sync or socket of a user's day and has it rewarded. Who has been noticed is remembered until
/// their day ends, so that an ordinary poll asks the database nothing; the memory is bounded, and only a memory: a user whom
/// this process has forgotten, or another has noticed, costs one statement that finds nothing to do.
package final class DailyLogin: Sendable {
    private static let most = 100_000

    private let announce: Announce
    private let clock: ServerClock
    private let zones: [DocumentName]
    private let arrive: @Sendable (UUID) async throws -> Arrival
    /// Until when nobody need ask; 0 while it is being asked.
    private let known = Mutex<[UUID: Timestamp]>([:])

    /// - Parameters:
    ///   - zones: the documents that say a user's time zone.
    ///   - arrive: grants what the day earns.
    package init(
        announce: @escaping Announce, clock: ServerClock, zones: [DocumentName],
        arrive: @escaping @Sendable (UUID) async throws -> Arrival
    ) {
        self.announce = announce
        self.clock = clock
        self.zones = zones
        self.arrive = arrive
    }

    package func hear(_ event: ChangeEvent) {
        switch event {
        case .changed(let change):
            // In another time zone it may be another day.
            if change.documents.contains(where: { document in zones.contains { $0.names(document) } }) {
                forget(change.user)
            }
        case .hint(let user, _): forget(user)
        case .shared, .sessionsEnded, .presence, .devicesChanged: break
        }
    }

    /// Whether their day is known to be noticed.
    func hasNoted(_ user: UUID) -> Bool {
        let now = clock.now()
        return known.withLock { known in known[user].map { now < $0 } ?? false }
    }

    /// Once this returns, what the day earned is in the database and announced.
    package func note(_ user: UUID) async throws {
        let now = clock.now()
        let isKnown = known.withLock { known in
            if let until = known[user], now < until { return true }
            if known.count >= Self.most { known = known.filter { now < $0.value } }
            if known.count >= Self.most { known.removeAll(keepingCapacity: true) }
            known[user] = Timestamp(microseconds: 0)
            return false
        }
        if isKnown { return }
        let arrival = try await arrive(user)
        // Unless they were forgotten meanwhile: then it was asked in a time zone that may have changed.
        known.withLock { if $0[user] != nil { $0[user] = arrival.dayEnds } }
        if let change = arrival.change { announce(.changed(change)) }
    }

    /// The session stands whether or not this can be done now; their next sync makes up for it. Seldom enough to be asked
    /// whatever is remembered.
    func noteSignIn(_ user: UUID) async {
        forget(user)
        try? await note(user)
    }

    private func forget(_ user: UUID) {
        known.withLock { _ = $0.removeValue(forKey: user) }
    }
}
