package import API
package import FoundationEssentials
package import Sync

/// What Settings needs of storage: one transaction each. All throw `Problem.unavailable` while the database is away.
package protocol SettingsRepository: Sendable {
    /// All settings of a user sorted by key, and the head they belong to; throws `Problem.unauthenticated` when the
    /// account is gone, or the session in which they ask has ended; nil: they were asked before.
    func settings(of user: UUID, asking caller: Caller?) async throws -> (head: Version, settings: [Setting])

    /// The same without a task: `then` is called once, on a thread that it must not keep, with what decodes it or throws;
    /// which gives nil where it is large, and to be asked for by the other way.
    func settings(
        of user: UUID, asking caller: Caller,
        then: @escaping @Sendable (@escaping @Sendable () throws -> (head: Version, settings: [Setting])?) -> Void)

    /// The values of those of these keys that there are.
    func values(of keys: [String], of user: UUID) async throws -> [(key: String, value: RawJSON)]

    /// nil when there is none by that key.
    func setting(_ key: String, of user: UUID) async throws -> Setting?

    /// The last 20 values that this setting had before, newest first; none for a key that never was.
    func history(of key: String, user: UUID) async throws -> [FormerSetting]

    // Of the three that change something: what is so already changes nothing. The mutation's id gives the first answer again; a
    // precondition that fails and a 1,001st setting are refused, and the refusal is kept.

    /// Writes or deletes one setting. A stale `baseVersion` whose value differs is a conflict.
    func write(_ mutation: SignedMutation, _ change: SettingChange) async throws -> Applied

    /// Writes or deletes several at one version, or none of them.
    func patch(_ mutation: SignedMutation, _ changes: [SettingChange]) async throws -> Applied

    /// Deletes them all, at one version.
    func clear(_ mutation: SignedMutation) async throws -> Applied
}

extension SettingsRepository {
    /// What a user's pages look like: their theme, and the names of the switches that are on.
    package func appearance(of user: UUID) async throws -> [Verbatim: String] {
        var values: [Verbatim: String] = ["accessibility": ""]
        for (key, text) in try await self.values(of: ["theme", "accessibility"], of: user) {
            guard let value = try? JSON(parsing: text.utf8) else { continue }
            switch key.verbatim {
            case "theme": values["theme"] = value.string
            default:
                values["accessibility"] = Accessibility.CodingKeys.allCases.map(\.rawValue)
                    .filter { value[$0.verbatim]?.bool == true }.joined(separator: " ")
            }
        }
        return values
    }
}
