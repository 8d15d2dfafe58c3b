import HTTPTypes
package import Hummingbird
import Logging

/// The outermost ring: says who the client is, turns whatever was thrown into a problem, and puts on every answer what
/// every answer carries.
package struct EdgeMiddleware: RouterMiddleware {
    private let proxies: TrustedProxies
    private let table: RouteTable

    package init(trusting proxies: TrustedProxies, table: RouteTable) {
        self.proxies = proxies
        self.table = table
    }

    package func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.client = proxies.client(of: request.head, from: context.client.address)
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            let problem = problem(of: error, request, context)
            response = problem.response(requestID: context.requestID)
        }
        response.headers[.requestID] = context.requestID
        response.headers[.contentTypeOptions] = "nosniff"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        if context.client.scheme == "https" {
            response.headers[.strictTransportSecurity] = "max-age=31536000"
        }
        return response
    }

    private func problem(of error: any Error, _ request: Request, _ context: EdgeContext) -> Problem {
        switch error {
        case let problem as Problem:
            if problem.status >= 500 {
                context.logger.warning("Request refused", metadata: ["code": .string(problem.code)])
            }
            return problem
        case let error as any HTTPResponseError where error.status == .notFound:
            // The router says so too when the address is known and the method is not.
            let allowed = table.methods(at: request.uri.path)
            return allowed.isEmpty || allowed.contains(request.method.rawValue) ? .notFound : .methodNotAllowed(allowed)
        case let error as any HTTPResponseError where error.status == .contentTooLarge:
            return .payloadTooLarge("The body is larger than this call takes.")
        case let error as any HTTPResponseError where error.status.kind == .clientError:
            return Problem(
                error.status.code, "bad_request", "The request cannot be read",
                detail: "The request is not what this server understands.")
        default:
            context.logger.error("Request failed", metadata: ["error": "\(String(reflecting: error))"])
            return .internalError
        }
    }
}

extension Problem {
    package func response(requestID: String) -> Response {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        if status == 401 { headers[.wwwAuthenticate] = "Bearer realm=\"lockstep\"" }
        var writer = JSONWriter()
        writer.write(json(requestID: requestID))
        return Response(
            status: .init(code: status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}

extension Response {
    /// A JSON answer.
    package static func json(
        _ bytes: [UInt8], status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// Assembles a JSON answer.
    package static func json(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], _ write: (inout JSONWriter) -> Void
    ) -> Response {
        var writer = JSONWriter()
        write(&writer)
        return .json(writer.bytes, status: status, headers: headers)
    }
}
