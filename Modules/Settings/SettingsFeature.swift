import API
package import Sync

extension Feature {
    /// A user's settings, typed where the contract says so.
    package static func settings(
        _ repository: @escaping @Sendable (Storage) -> any SettingsRepository
    ) -> Feature {
        Feature(
            name: "settings", rules: SettingsRules.texts, mutations: SettingsRules.mutations,
            problems: ProblemCode.settings,
            views: FeatureViews(
                documents: [DocumentView("settings", in: "settings_documents")],
                purges: [Purge("settings", in: "settings_purgeable", by: "settings_purge")],
                zones: [DocumentName("settings", "time_zone")])
        ) { storage, _ in
            let repository = repository(storage)
            var parts = FeatureParts()
            parts.handlers = SettingsMutations(repository: repository).handlers
            parts.addRoutes = { edge in
                SettingsRoutes(repository: repository, dispatcher: edge.dispatcher, unsent: edge.unsent)
                    .add(to: edge.authenticated)
            }
            parts.directReads = SettingsRoutes.directReads(repository)
            parts.appearance = { try await repository.appearance(of: $0) }
            return parts
        }
    }
}
