import API
import Foundation
import Hummingbird
import Market
import Sync
import Synchronization

/// Notices the first sign-in, sync or socket of a user's day and has it rewarded. Who has been noticed is remembered until
/// his day ends, so that an ordinary poll asks the database nothing; the memory is bounded, and only a memory: a user whom
/// this process has forgotten, or another has noticed, costs one statement that finds nothing to do.
final class Arrivals: Sendable {
    private static let most = 100_000

    private let feed: ChangeFeed
    private let clock: ServerClock
    private let arrive: @Sendable (UUID) async throws -> Arrival
    /// Until when nobody need ask; 0 while it is being asked.
    private let known = Mutex<[UUID: Timestamp]>([:])

    /// - Parameter arrive: grants what the day earns.
    init(feed: ChangeFeed, clock: ServerClock, arrive: @escaping @Sendable (UUID) async throws -> Arrival) {
        self.feed = feed
        self.clock = clock
        self.arrive = arrive
        feed.listen { [weak self] event in
            switch event {
            case .changed(let change):
                // In another time zone it may be another day.
                guard change.documents.contains(where: { $0.collection == "settings" && $0.id == "time_zone" }) else {
                    return
                }
                self?.forget(change.user)
            case .hint(let user, _): self?.forget(user)
            case .shared, .sessionsEnded, .presence, .devicesChanged: break
            }
        }
    }

    /// Once this returns, what the day earned is in the database and announced.
    func note(_ user: UUID) async throws {
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
        // Unless he was forgotten meanwhile: then it was asked in a time zone that may have changed.
        known.withLock { if $0[user] != nil { $0[user] = arrival.dayEnds } }
        if let change = arrival.change { feed.announce(.changed(change)) }
    }

    /// The session stands whether or not this can be done now; his next sync makes up for it. Seldom enough to be asked
    /// whatever is remembered.
    func signedIn(_ user: UUID) async {
        forget(user)
        try? await note(user)
    }

    private func forget(_ user: UUID) {
        known.withLock { _ = $0.removeValue(forKey: user) }
    }
}

/// In front of the routes of Sync: whoever pulls or pushes is here.
struct ArrivalMiddleware: RouterMiddleware {
    let arrivals: Arrivals

    func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        if request.uri.path == "/api/sync" { try await arrivals.note(try context.caller.user) }
        return try await next(request, context)
    }
}
