import API

extension Feature {
    /// What Sync itself keeps: answers of mutations, and what conflicts lost.
    package static var sync: Feature {
        Feature(
            name: "sync", rules: SyncRules.texts, problems: ProblemCode.sync,
            views: FeatureViews(
                purges: [
                    Purge("mutations", in: "mutations_purgeable", by: "mutations_purge", gatheredDays: 3),
                    Purge("conflicts", in: "conflicts_purgeable", by: "conflicts_purge", keptDays: 90),
                ],
                rooms: [.answers]))
    }
}
