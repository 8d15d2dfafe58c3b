package import API
package import FoundationEssentials
import Synchronization

/// Answers "what is new since my cursor?" for every transport alike: nothing, changes, or everything anew.
package struct SyncReader: Sendable {
    private let repository: any SyncRepository
    private let feed: ChangeFeed
    private let clock: ServerClock

    package init(repository: any SyncRepository, feed: ChangeFeed, clock: ServerClock) {
        self.repository = repository
        self.feed = feed
        self.clock = clock
    }

    /// What `user` has to apply at `cursor` to be where the database is: an empty pull when it is there already, a
    /// reset when the cursor is nil, of another epoch, below a floor or above a head. A cursor costs one statement when
    /// nothing changed; one more reads the documents.
    package func pull(user: UUID, since cursor: Cursor?) async throws -> Pull {
        guard let cursor else { return try await everything(user: user) }
        let heads = try await repository.heads(of: user)
        clock.observe(heads.time)
        guard heads.continues(cursor) else { return try await everything(user: user) }
        if heads.place == cursor.place {
            return Pull(previous: cursor, cursor: cursor, reset: false, documents: [], time: heads.time, due: heads.due)
        }
        let (current, documents) = try await repository.documents(of: user, beyond: cursor.place)
        guard current.continues(cursor) else { return try await everything(user: user) }
        return Pull(
            previous: cursor, cursor: current.cursor, reset: false, documents: documents, time: current.time,
            due: current.due)
    }

    /// The same, but held back for up to `limit` while there is nothing new; who is signed out meanwhile gets 401.
    package func pull(for caller: Caller, since cursor: Cursor, waitingUpTo limit: Duration) async throws -> Pull {
        let user = caller.user
        let waited = Atomic(false)
        let found = try await feed.wait(user: user, beyond: cursor.place, limit: limit) { () -> Pull? in
            if waited.exchange(true, ordering: .relaxed) {
                let survey = try await repository.survey(sessions: [caller.session], users: [user])
                guard survey.aliveSessions.contains(caller.session) else { throw Problem.unauthenticated }
            }
            let pull = try await self.pull(user: user, since: cursor)
            return pull.isEmpty ? nil : pull
        }
        // "Nothing" is said by the heads as they are in the end, and with what is due next.
        if let found { return found }
        return try await pull(user: user, since: cursor)
    }

    private func everything(user: UUID) async throws -> Pull {
        let (heads, documents) = try await repository.documents(of: user, beyond: nil)
        clock.observe(heads.time)
        return Pull(
            previous: nil, cursor: heads.cursor, reset: true, documents: documents, time: heads.time, due: heads.due)
    }
}
