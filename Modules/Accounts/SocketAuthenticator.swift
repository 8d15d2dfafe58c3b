package import API
package import FoundationEssentials
package import HTTPTypes

/// Who may have a socket: by what the handshake bears, or by the token in its first message.
package struct SocketAuthenticator: Sendable {
    private let authenticator: Authenticator
    private let proxies: TrustedProxies
    private let limiter: RateLimiter<UUID>
    private let onSync: @Sendable (UUID) async throws -> Void

    /// - Parameters:
    ///   - limiter: counts the requests of a user, by whatever door they come.
    ///   - onSync: is told who is here, before they are let in.
    package init(
        authenticator: Authenticator, proxies: TrustedProxies, limiter: RateLimiter<UUID>,
        onSync: @escaping @Sendable (UUID) async throws -> Void
    ) {
        self.authenticator = authenticator
        self.proxies = proxies
        self.limiter = limiter
        self.onSync = onSync
    }

    /// What becomes of a handshake. While the database is away nobody has a socket.
    package func admit(_ handshake: HTTPRequest, from peer: String) async -> SocketAdmission {
        let headers = handshake.headerFields
        let credential = authenticator.credential(in: headers)
        switch credential {
        case .none: return .anonymous
        case .malformed: return .badToken
        case .bearer, .cookies: break
        }
        let client = proxies.client(of: handshake, from: peer)
        if credential.isCookie {
            switch authenticator.origins.judge(headers, client: client) {
            case .own, .allowed: break
            case .foreign, .unknown: return .refused
            }
        }
        do {
            guard let (caller, token) = try await enter(credential.tokens) else { return .badToken }
            return .caller(caller, cookie: credential.isCookie ? authenticator.cookie(token, client: client) : nil)
        } catch {
            return .unavailable(error as? Problem ?? .internalError)
        }
    }

    /// Who bears this token; nil: nobody.
    package func caller(bearing token: String) async throws -> Caller? {
        guard let token = SessionToken(token) else { return nil }
        return try await enter([token])?.caller
    }

    /// What a socket is sent first costs as much as a request, and is counted as one.
    private func enter(_ tokens: [SessionToken]) async throws -> (caller: Caller, token: SessionToken)? {
        guard let found = try await authenticator.caller(bearing: tokens) else { return nil }
        if let wait = limiter.take(found.caller.user) {
            throw Problem.rateLimited("You have sent too many requests.", retryAfter: wait)
        }
        try await authenticator.slide(found.caller)
        try await onSync(found.caller.user)
        return found
    }

    /// Refuses who asks for the socket without a handshake, by a cookie and from elsewhere, as any such request.
    package func checkOrigin(_ headers: HTTPFields, client: EdgeContext.Client) throws {
        if authenticator.credential(in: headers).isCookie { try authenticator.origins.admit(headers, client: client) }
    }
}
