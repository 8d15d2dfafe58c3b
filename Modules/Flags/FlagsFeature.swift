package import Sync

extension Feature {
    /// Switches that reach every device, and what storage guards report.
    package static func flags(_ repository: @escaping @Sendable (Storage) -> any FlagsRepository) -> Feature {
        Feature(
            name: "flags", rules: FlagsRules.texts,
            views: FeatureViews(documents: [DocumentView("flags", in: "flag_documents", of: .everybody)])
        ) { storage, _ in
            let repository = repository(storage)
            var parts = FeatureParts()
            parts.addRoutes = { edge in
                // Of an address, however many users are behind it.
                let most = edge.requestsPerMinute
                FlagsRoutes(
                    repository: repository, origins: edge.origins, reportsPerMinute: most == 0 ? 0 : max(1, most / 20)
                ).add(to: edge.open)
            }
            return parts
        }
    }
}
