package import API
package import FoundationEssentials

/// What Sync needs of storage. Each verb is one statement and so one snapshot; all throw `Problem.unavailable` while the
/// database is away and `Problem.unauthenticated` when the account is gone.
package protocol SyncRepository: Sendable {
    /// Where the user's and the shared sequence end now.
    func heads(of user: UUID) async throws -> Heads

    /// The heads, and every document that changed beyond `place` (deleted ones with a nil value), ordered by version
    /// within a sequence; with nil every live document.
    func documents(of user: UUID, beyond place: Place?) async throws -> (heads: Heads, documents: [Document])

    /// The heads and the names of all live documents, without their values.
    func inventory(of user: UUID) async throws -> (
        heads: Heads, documents: [(collection: String, id: String, version: Version)]
    )

    /// For each of these sessions that is still alive and each of these users: where its head is. One statement, however
    /// many; what is missing from the answer is gone.
    func survey(sessions: [UUID], users: [UUID]) async throws -> Survey

    /// Keeps a refusal that was decided before the database was asked, unless the id has an answer already.
    func refuse(_ mutation: SignedMutation, _ problem: Problem) async throws -> Outcome

    /// What offline changes of this user lost, newest first.
    func conflicts(of user: UUID) async throws -> [Conflict]

    /// Forgets one of them; nothing happens when there is none by that id.
    func dismissConflict(_ id: UUID, of user: UUID) async throws -> Bool
}

/// What the comparison of heads found.
package struct Survey: Sendable {
    /// Of the sessions that were asked for, those that still hold.
    package let aliveSessions: Set<UUID>
    package let heads: [UUID: Version]
    package let shared: Version
    /// Of the database as a whole: another one than before means that it was restored, and that no cursor fits it.
    package let epoch: String
    package let time: Timestamp

    package init(
        aliveSessions: Set<UUID>, heads: [UUID: Version], shared: Version, epoch: String, time: Timestamp
    ) {
        self.aliveSessions = aliveSessions
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
