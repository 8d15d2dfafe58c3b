import API
import NIOCore
package import Sync

extension Feature {
    /// Focus sessions and their pause, and the scheduler that ends them.
    package static func focus(
        _ repository: @escaping @Sendable (Storage) -> any FocusRepository
    ) -> Feature {
        Feature(
            name: "focus", rules: FocusRules.texts, mutations: FocusRules.mutations, problems: ProblemCode.focus,
            views: FeatureViews(
                documents: [DocumentView("focus", in: "focus_documents")], due: ["focus_due"],
                rooms: StorageRoom.focus,
                earnings: [
                    Earning(
                        "focus_session", in: "focus_earnings",
                        missing: "no completed session of this id earned that much")
                ])
        ) { storage, house in
            let repository = repository(storage)
            let scheduler = SessionScheduler(
                repository: repository, announce: house.announce, loop: house.loops.next(), logger: house.logger)
            var parts = FeatureParts()
            parts.handlers = FocusMutations(repository: repository).handlers
            parts.addRoutes = { edge in
                FocusRoutes(repository: repository, dispatcher: edge.dispatcher, scheduler: scheduler)
                    .add(to: edge.authenticated)
            }
            parts.services = [scheduler]
            parts.listeners = [Listener("scheduler", scheduler.hear)]
            parts.lookAgain = { scheduler.look() }
            return parts
        }
    }
}
