package import API
package import FoundationEssentials
package import Sync

/// What Widgets needs of storage: one transaction each. All throw `Problem.unavailable` while the database is away.
package protocol WidgetsRepository: Sendable {
    /// All widgets of a user by id, as the API shows them, and the head they belong to; throws `Problem.unauthenticated` when
    /// the account is gone.
    func widgets(of user: UUID) async throws -> (head: Version, widgets: [RawJSON])

    /// Makes, renames or deletes a widget. Writing what is there already changes nothing. The mutation's id gives the first
    /// answer again; a stale `baseVersion` where the name differs is a conflict; a precondition that fails and one widget too
    /// many are refused, and the refusal is kept.
    func set(_ mutation: SignedMutation, _ change: WidgetChange) async throws -> Applied
}
