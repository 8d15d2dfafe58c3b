import API
package import FoundationEssentials
package import Sync

/// What Settings needs of storage: one transaction each. All throw `Problem.unavailable` while the database is away.
package protocol SettingsRepository: Sendable {
    /// All settings of a user sorted by key, and the head they belong to; throws `Problem.unauthenticated` when the
    /// account is gone.
    func settings(of user: UUID) async throws -> (head: Version, settings: [Setting])

    /// nil when there is none by that key.
    func setting(_ key: String, of user: UUID) async throws -> Setting?

    /// The last 20 values that this setting had before, newest first; none for a key that never was.
    func history(of key: String, user: UUID) async throws -> [FormerSetting]

    /// Carries out all of `changes` at one version, or none; nil clears every setting. Writing what is there already
    /// changes nothing. The mutation's id gives the first answer again; a stale `baseVersion` whose value differs is a
    /// conflict; a precondition that fails and a 1,001st setting are refused, and the refusal is kept.
    func apply(_ mutation: SignedMutation, _ changes: [SettingChange]?) async throws -> Applied
}
