import API
package import Sync

extension Feature {
    /// A user's widgets.
    package static func widgets(_ repository: @escaping @Sendable (Storage) -> any WidgetsRepository) -> Feature {
        Feature(
            name: "widgets", rules: WidgetsRules.texts, mutations: WidgetsRules.mutations,
            problems: ProblemCode.widgets,
            views: FeatureViews(
                documents: [DocumentView("widgets", in: "widgets_documents")],
                purges: [Purge("widgets", in: "widgets_purgeable", by: "widgets_purge")])
        ) { storage, _ in
            let repository = repository(storage)
            var parts = FeatureParts()
            parts.handlers = WidgetsMutations(repository: repository).handlers
            parts.addRoutes = { edge in
                WidgetsRoutes(repository: repository, dispatcher: edge.dispatcher).add(to: edge.authenticated)
            }
            return parts
        }
    }
}
