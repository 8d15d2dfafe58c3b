import HTTPTypes
package import Hummingbird
import Logging

/// The outermost ring: says who the client is, turns whatever was thrown into a problem, and puts on every answer what
/// every answer carries.
package struct EdgeMiddleware: RouterMiddleware {
    private let proxies: TrustedProxies
    private let table: RouteTable
    /// Strangers can bring refusals about as often as they like; so many of them a minute stand in the log.
    private let refusalsToLog = RateLimiter<Verbatim>(perMinute: 60)

    package init(trusting proxies: TrustedProxies, table: RouteTable) {
        self.proxies = proxies
        self.table = table
    }

    package func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.client = proxies.client(of: request.head, from: context.peer)
        var response: Response
        do {
            try refuseCoded(request)
            // Also where nobody reads it: then it would be taken in to its end, only to be thrown away.
            let most = request.uri.path.verbatim == "/api/sync" ? 1_048_576 : 65_536
            if let length = request.headers[.contentLength].flatMap(Int.init), length > most {
                throw Problem.payloadTooLarge(most: most)
            }
            response = try await next(context.askingForBody(request), context)
        } catch {
            let problem = problem(of: error, request, context)
            response = problem.response(requestID: context.requestID)
            // Where nothing is, nobody has seen to it; and a body behind HEAD is taken for the next answer.
            if request.method == .head { response = response.createHeadResponse() }
        }
        response.headers.addOfEveryAnswer(requestID: context.requestID, scheme: context.client.scheme)
        return response
    }

    /// A body that somebody has compressed on its way is not taken for the text that it stands for (RFC 9110, 8.4).
    private func refuseCoded(_ request: Request) throws(Problem) {
        guard let coding = request.headers[.contentEncoding], coding.asciiLowercased.verbatim != "identity",
            !coding.isEmpty
        else {
            return
        }
        throw Problem(
            .unsupportedMediaType, detail: .contentEncoding,
            headers: [.acceptEncoding: "identity", .connection: "close"])
    }

    private func problem(of error: any Error, _ request: Request, _ context: EdgeContext) -> Problem {
        switch error {
        case let problem as Problem:
            if problem.status >= 500 {
                context.logger.warning("Request refused", metadata: ["code": .string(problem.code)])
            }
            if problem.code == "cross_origin", refusalsToLog.take("") == nil {
                // Often a proxy that does not say how it was called, and then nobody can sign in.
                context.logger.notice(
                    "Request of another origin refused",
                    metadata: [
                        "origin": .string(problem.members["origin"]?.string ?? "none"),
                        "expected": .string(problem.members["expected"]?.string ?? "none"),
                    ])
            }
            return problem
        case let error as any HTTPResponseError where error.status == .notFound:
            // The router says so too when the address is known and the method is not.
            let allowed = table.methods(at: request.uri.path)
            return allowed.isEmpty || allowed.contains(request.method.rawValue) ? .notFound : .methodNotAllowed(allowed)
        case let error as any HTTPResponseError where error.status == .contentTooLarge:
            return .payloadTooLarge(.bodyTooLarge)
        case let error as any HTTPResponseError where error.status.kind == .clientError:
            return Problem(.badRequest, detail: .notUnderstood)
        default:
            context.logger.error("Request failed", metadata: ["error": "\(String(reflecting: error))"])
            return .internalError
        }
    }
}

extension Problem {
    package func response(requestID: String) -> Response {
        let (headers, body) = said(under: requestID)
        return Response(status: .init(code: status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }

    func said(under requestID: String) -> (headers: HTTPFields, body: [UInt8]) {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        if status == 401 { headers[.wwwAuthenticate] = "Bearer realm=\"lockstep\"" }
        var writer = JSONWriter()
        writer.write(json(requestID: requestID))
        return (headers, writer.bytes)
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
