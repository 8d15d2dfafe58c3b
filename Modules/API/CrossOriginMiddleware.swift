import HTTPTypes
package import Hummingbird

/// Lets the pages of the origins that the operator named call this server with the cookie; for all others there is no
/// CORS at all.
package struct CrossOriginMiddleware: RouterMiddleware {
    private let origins: OriginPolicy

    package init(origins: OriginPolicy) {
        self.origins = origins
    }

    package func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        guard let text = request.headers[.origin], let origin = Origin(text), origins.allowed.contains(origin) else {
            var response = try await next(request, context)
            // What is kept on the way for one origin is not the answer to another.
            if !origins.allowed.isEmpty { response.varies(by: "Origin") }
            return response
        }
        var response: Response
        if request.method == .options, request.headers[.accessControlRequestMethod] != nil {
            response = Response(
                status: .noContent,
                headers: [
                    .accessControlAllowMethods: "GET, POST, PATCH, DELETE",
                    .accessControlAllowHeaders: "authorization, content-type, idempotency-key, if-match, if-none-match",
                    .accessControlMaxAge: "600",
                ])
        } else {
            do {
                response = try await next(request, context)
            } catch let problem as Problem {
                response = problem.response(requestID: context.requestID)
            }
        }
        response.headers[.accessControlAllowOrigin] = text
        response.headers[.accessControlAllowCredentials] = "true"
        response.headers[.accessControlExposeHeaders] =
            "etag, idempotency-replayed, retry-after, x-request-id, lockstep-poll-after-ms, lockstep-server-time"
        response.varies(by: "Origin")
        return response
    }
}

extension Response {
    package mutating func varies(by name: String) {
        headers[.vary] = headers[.vary].map { "\($0), \(name)" } ?? name
    }
}
