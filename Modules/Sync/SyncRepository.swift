package import API
package import FoundationEssentials

/// What Sync needs of storage. Each verb is one statement and so one snapshot; all throw `Problem.unavailable` while the
/// database is away and `Problem.unauthenticated` when the account is gone, or the session in which they ask has ended; nil: they
/// were asked before.
package protocol SyncRepository: Sendable {
    /// Where the user's and the shared sequence end now.
    func heads(of user: UUID, asking caller: Caller?) async throws -> Heads

    /// The same without a task: `then` is called once, on a thread that it must not keep, with what decodes it or throws.
    func heads(
        of user: UUID, asking caller: Caller, then: @escaping @Sendable (@escaping @Sendable () throws -> Heads) -> Void
    )

    /// The heads, and every document that changed beyond `place` (deleted ones with a nil value), ordered by version
    /// within a sequence; with nil every live document.
    func documents(
        of user: UUID, asking caller: Caller?, beyond place: Place?
    ) async throws -> (heads: Heads, documents: [Document])

    /// What changed beyond there of what all users share.
    func sharedChanges(beyond version: Version) async throws -> SharedChanges

    /// The heads and the names of all live documents, without their values.
    func inventory(of user: UUID) async throws -> (
        heads: Heads, documents: [(collection: String, id: String, version: Version)]
    )

    /// For each of these sessions that is still alive its end, and for each of these users: where its head is. One statement,
    /// however many, which looks at no other session; what is missing from the answer is gone.
    func survey(sessions: [SessionKey], users: [UUID]) async throws -> Survey

    /// Keeps a refusal that was decided before the database was asked, unless the id has an answer already.
    func refuse(_ mutation: SignedMutation, _ problem: Problem) async throws -> Outcome

    /// What offline changes of this user lost, newest first, from the one before that place; `next`: there are more. The
    /// newest 1,000 are kept.
    func conflicts(
        of user: UUID, before place: TimePlace?, limit: Int
    ) async throws -> (conflicts: [Conflict], next: TimePlace?)

    /// Forgets one of them; nothing happens when there is none by that id.
    func dismissConflict(_ id: UUID, of user: UUID) async throws -> Bool
}

/// A session, by what its row is found with.
package struct SessionKey: Sendable, Hashable {
    package let user: UUID
    package let session: UUID

    package init(user: UUID, session: UUID) {
        self.user = user
        self.session = session
    }

    package init(_ caller: Caller) {
        self.init(user: caller.user, session: caller.session)
    }
}

/// What the comparison of heads found.
package struct Survey: Sendable {
    /// Of the sessions that were asked for, those that still hold, and until when.
    package let sessions: [UUID: Timestamp]
    package let heads: [UUID: Version]
    package let shared: Version
    /// Of the database as a whole: another one than before means that it was restored, and that no cursor fits it.
    package let epoch: String
    package let time: Timestamp

    package init(
        sessions: [UUID: Timestamp], heads: [UUID: Version], shared: Version, epoch: String, time: Timestamp
    ) {
        self.sessions = sessions
        self.heads = heads
        self.shared = shared
        self.epoch = epoch
        self.time = time
    }
}

/// An offline change that met a newer one: the server's value stood, and what was lost is kept here until dismissed.
package struct Conflict: Sendable {
    package let id: UUID
    package let mutationName: String
    package let args: RawJSON
    package let lostValue: RawJSON?
    /// The document as it is now.
    package let current: Document
    package let at: Timestamp

    package init(
        id: UUID, mutationName: String, args: RawJSON, lostValue: RawJSON?, current: Document, at: Timestamp
    ) {
        self.id = id
        self.mutationName = mutationName
        self.args = args
        self.lostValue = lostValue
        self.current = current
        self.at = at
    }
}
