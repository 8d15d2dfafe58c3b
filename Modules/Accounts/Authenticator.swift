package import API
import FoundationEssentials
package import HTTPTypes
package import Hummingbird

/// Finds out who is asking, from a bearer token or the session cookie, for REST requests and for sockets alike.
package struct Authenticator: Sendable {
    package static let cookieName = "lockstep_session"

    package enum Credential: Sendable {
        case bearer(SessionToken)
        case cookie(SessionToken)
        /// There is one, and no token looks like that.
        case malformed
        case none
    }

    private let repository: any AccountsRepository
    package let origins: OriginPolicy
    package let sessionDays: Int

    package init(repository: any AccountsRepository, origins: OriginPolicy, sessionDays: Int) {
        self.repository = repository
        self.origins = origins
        self.sessionDays = sessionDays
    }

    /// A bearer header goes before the cookie: who sends it is no web page that was tricked.
    package func credential(in headers: HTTPFields) -> Credential {
        if let header = headers[.authorization] {
            let parts = header.split(separator: " ", omittingEmptySubsequences: true)
            guard parts.count == 2, parts[0].lowercased() == "bearer", let token = SessionToken(parts[1]) else {
                return .malformed
            }
            return .bearer(token)
        }
        for header in headers[values: .cookie] {
            for pair in header.split(separator: ";") {
                let trimmed = pair.drop { $0 == " " }
                guard trimmed.hasPrefix(Self.cookieName + "=") else { continue }
                return SessionToken(trimmed.dropFirst(Self.cookieName.count + 1)).map { .cookie($0) } ?? .malformed
            }
        }
        return .none
    }

    package func caller(bearing token: SessionToken) async throws -> Caller? {
        try await repository.caller(tokenHash: token.hash)
    }

    /// Moves the end of a session that is in use, at most once an hour, and notes that its device was here, every few
    /// minutes: no request costs a write of its own. Returns the new end, nil where it was not moved.
    @discardableResult
    package func slide(_ caller: Caller) async throws -> Timestamp? {
        let full = Timestamp.now().advanced(bySeconds: Int64(sessionDays) * 86_400 - 3_600)
        guard caller.expires < full else {
            // Nobody is refused because this cannot be written.
            if caller.noteIsDue { try? await repository.note(caller) }
            return nil
        }
        return try await repository.extend(caller, days: sessionDays)
    }

    /// The cookie that carries `token`, or with nil takes it away.
    package func cookie(_ token: SessionToken?, client: EdgeContext.Client) -> String {
        "\(Self.cookieName)=\(token?.text ?? ""); Path=/; HttpOnly; SameSite=Lax; "
            + "Max-Age=\(token == nil ? 0 : sessionDays * 86_400)" + (client.scheme == "https" ? "; Secure" : "")
    }
}

/// Lets only signed-in callers through, and each only so often.
package struct AuthenticatingMiddleware: RouterMiddleware {
    private let authenticator: Authenticator
    private let limiter: RateLimiter<UUID>

    package init(authenticator: Authenticator, requestsPerMinute: Int) {
        self.authenticator = authenticator
        limiter = RateLimiter(perMinute: requestsPerMinute)
    }

    package func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        let token: SessionToken
        var byCookie = false
        switch authenticator.credential(in: request.headers) {
        case .bearer(let given): token = given
        case .cookie(let given):
            token = given
            byCookie = true
        case .malformed, .none: throw Problem.unauthenticated
        }
        guard let caller = try await authenticator.caller(bearing: token) else { throw Problem.unauthenticated }
        if byCookie, !request.method.isSafe {
            switch authenticator.origins.judge(request.headers, own: context.client.origin) {
            case .own, .allowed: break
            case .foreign, .unknown: throw Problem.crossOrigin
            }
        }
        if let wait = limiter.take(caller.user) {
            throw Problem.rateLimited("You have sent too many requests.", retryAfter: wait)
        }
        let moved = try await authenticator.slide(caller)
        context.identity = caller
        if let moved { context.identity?.expires = moved }
        var response = try await next(request, context)
        if moved != nil, byCookie, response.headers[.setCookie] == nil {
            response.headers[.setCookie] = authenticator.cookie(token, client: context.client)
        }
        return response
    }
}

extension HTTPRequest.Method {
    fileprivate var isSafe: Bool { self == .get || self == .head || self == .options }
}
