import API
import NIOCore
package import Sync

extension Feature {
    /// Items, the wallet and its ledger, inventory, rewards, and what is recommended.
    package static func market(
        _ repositories: @escaping @Sendable (Storage) -> (any MarketRepository, any RecommendationRepository)
    ) -> Feature {
        Feature(
            name: "market", rules: MarketRules.texts, mutations: MarketRules.mutations, problems: ProblemCode.market,
            views: FeatureViews(
                documents: [
                    DocumentView("wallet", "inventory", "rewards", "personal_items", in: "market_documents"),
                    DocumentView("items", in: "market_item_documents", of: .everybody),
                ],
                purges: [Purge("market", in: "market_purgeable", by: "market_purge")],
                rooms: StorageRoom.market)
        ) { storage, house in
            let (repository, recommendations) = repositories(storage)
            let recommender = Recommender(
                repository: recommendations, loop: house.loops.next(), logger: house.logger)
            let dailyLogin = DailyLogin(announce: house.announce, clock: house.clock, zones: house.zones) {
                try await repository.arrive($0)
            }
            var parts = FeatureParts()
            parts.handlers = MarketMutations(repository: repository).handlers
            parts.addRoutes = { edge in
                MarketRoutes(repository: repository, dispatcher: edge.dispatcher).add(to: edge.authenticated)
            }
            parts.services = [recommender]
            parts.listeners = [
                Listener("daily login", dailyLogin.hear), Listener("recommender", recommender.hear),
            ]
            parts.onSignIn = { await dailyLogin.noteSignIn($0) }
            parts.onSync = { try await dailyLogin.note($0) }
            parts.syncIsNoted = { dailyLogin.hasNoted($0) }
            return parts
        }
    }
}
