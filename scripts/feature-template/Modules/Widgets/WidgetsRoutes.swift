package import API
import HTTPTypes
package import Hummingbird
package import Sync

/// What Widgets offers on the wire.
package struct WidgetsRoutes: Sendable {
    private let repository: any WidgetsRepository
    private let dispatcher: MutationDispatcher

    package init(repository: any WidgetsRepository, dispatcher: MutationDispatcher) {
        self.repository = repository
        self.dispatcher = dispatcher
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("widgets")
            .get(use: list)
            .post(use: set)
    }

    @Sendable private func list(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let (head, widgets) = try await repository.widgets(of: context.caller.user)
        let tag = EntityTag.text(head)
        if request.alreadyHas(tag) { return Response(status: .notModified, headers: [.eTag: tag]) }
        return .json(headers: [.eTag: tag]) { writer in
            writer.raw("{\"widgets\":")
            writer.list(widgets) { $0.raw($1) }
            writer.raw("}")
        }
    }

    @Sendable private func set(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "widgets.set", args: try await request.json())
    }
}
