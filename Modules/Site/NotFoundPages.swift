package import API
import HTTPTypes
package import Hummingbird

/// Answers a person who came to an address where there is nothing with a page. Programs, and whoever asks the API, get the
/// problem as it is.
package struct NotFoundPages: RouterMiddleware {
    private let app: WebApp

    package init(app: WebApp) {
        self.app = app
    }

    package func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch  where isPage(request) && isNotFound(error) {
            return await app.notFound(request, context)
        }
    }

    private func isNotFound(_ error: any Error) -> Bool {
        if let problem = error as? Problem { return problem.status == 404 }
        return (error as? any HTTPResponseError)?.status == .notFound
    }

    private func isPage(_ request: Request) -> Bool {
        request.wantsPage && request.uri.path.verbatim != "/api" && request.uri.path.behind("/api/") == nil
    }
}
