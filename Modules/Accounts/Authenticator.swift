package import API
package import FoundationEssentials
package import HTTPTypes
package import Hummingbird

/// Finds out who is asking, from a bearer token or the session cookie, for REST requests and for sockets alike.
package struct Authenticator: Sendable {
    package enum Credential: Sendable, Equatable {
        case bearer(SessionToken)
        /// Several where a stale one was left, on another path or domain, beside the good one.
        case cookies([SessionToken])
        /// There is one, and no token looks like that.
        case malformed
        case none

        package var tokens: [SessionToken] {
            switch self {
            case .bearer(let token): [token]
            case .cookies(let tokens): tokens
            case .malformed, .none: []
            }
        }

        package var isCookie: Bool {
            if case .cookies = self { true } else { false }
        }
    }

    private let repository: any AccountsRepository
    package let origins: OriginPolicy
    package let sessionDays: Int
    private let cookieName: String
    private let now: @Sendable () -> Timestamp
    private let recent = RecentCallers()

    /// - Parameter now: the database's clock, by which sessions end; this machine's may be days off.
    package init(
        repository: any AccountsRepository, origins: OriginPolicy, sessionDays: Int,
        cookieName: String = "lockstep_session", now: @escaping @Sendable () -> Timestamp = { .now() }
    ) {
        self.repository = repository
        self.origins = origins
        self.sessionDays = sessionDays
        self.cookieName = cookieName
        self.now = now
    }

    /// A bearer header goes before the cookie: who sends it is no web page that was tricked. Another scheme is not ours: a
    /// proxy that asks for a password of its own has browsers send one with everything.
    package func credential(in headers: HTTPFields) -> Credential {
        if let header = headers[.authorization] {
            let parts = header.pieces(between: " ").filter { !$0.isEmpty }
            if let scheme = parts.first, scheme.asciiLowercased.verbatim == "bearer" {
                guard parts.count == 2, let token = SessionToken(parts[1]) else { return .malformed }
                return .bearer(token)
            }
        }
        let cookies = cookies(in: headers)
        var known: Set<[UInt8]> = []
        let tokens = cookies.compactMap { SessionToken($0) }.filter { known.insert($0.hash).inserted }
        if !tokens.isEmpty { return .cookies(tokens) }
        return cookies.allSatisfy(\.isEmpty) ? .none : .malformed
    }

    /// The values of each cookie of our name, in their order: as many as a head holds.
    private func cookies(in headers: HTTPFields) -> [String] {
        let start = Array((cookieName + "=").utf8)
        return headers[values: .cookie].flatMap { header in
            header.utf8.split(separator: UInt8(ascii: ";")).compactMap { pair in
                let trimmed = pair.drop { $0 == 0x20 }
                guard trimmed.starts(with: start) else { return nil }
                let value = trimmed.dropFirst(start.count).filter { $0 != 0x20 && $0 != UInt8(ascii: "\"") }
                return String(decoding: value.prefix(SessionToken.length + 1), as: UTF8.self)
            }
        }
    }

    /// Who bears one of these tokens, and which: the first that is worth something. However many they are, it is one question to
    /// the database.
    package func caller(bearing tokens: [SessionToken]) async throws -> (caller: Caller, token: SessionToken)? {
        guard let found = try await repository.caller(bearing: tokens),
            tokens.indices.contains(found.place)
        else {
            return nil
        }
        return (found.caller, tokens[found.place])
    }

    /// Who bore this token moments ago, where nothing about their session is due to be written. Whether it still holds, what they
    /// ask for must ask.
    package func recall(_ credential: Credential) -> (caller: Caller, token: SessionToken)? {
        let tokens = credential.tokens
        guard tokens.count == 1, let token = tokens.first, let caller = recent.caller(bearing: token),
            caller.expires >= slidesBefore
        else {
            return nil
        }
        return (caller, token)
    }

    /// - Parameter expires: when their session ends now, where that was moved.
    /// - Returns: the caller, of whose session and device nothing is left to be written.
    package func remember(_ caller: Caller, expires: Timestamp?, bearing token: SessionToken) -> Caller {
        var caller = caller
        caller.noteIsDue = false
        if let expires { caller.expires = expires }
        recent.remember(caller, bearing: token)
        return caller
    }

    package func forget(_ token: SessionToken) { recent.forget(token) }

    /// Who bears this token, for which the database is asked.
    /// - Throws: 401 where nobody does.
    func prove(_ token: SessionToken) async throws -> Caller {
        guard let found = try await caller(bearing: [token])?.caller else {
            recent.forget(token)
            throw Problem.unauthenticated
        }
        // The next request moves its end, and the cookie's.
        if found.expires < slidesBefore { recent.forget(token) }
        if found.noteIsDue { try? await repository.note(found) }
        return found
    }

    /// A session that ends before is moved.
    private var slidesBefore: Timestamp { now().advanced(bySeconds: Int64(sessionDays) * 86_400 - 3_600) }

    /// Moves the end of a session that is in use, at most once an hour, and notes that its device was here, every few
    /// minutes: no request costs a write of its own. Returns the new end, nil where it was not moved.
    @discardableResult
    package func slide(_ caller: Caller) async throws -> Timestamp? {
        guard caller.expires < slidesBefore else {
            // Nobody is refused because this cannot be written.
            if caller.noteIsDue { try? await repository.note(caller) }
            return nil
        }
        return try await repository.extend(caller, days: sessionDays)
    }

    /// The cookie that carries `token`, or with nil takes it away.
    package func cookie(_ token: SessionToken?, client: EdgeContext.Client) -> String {
        // Browsers take a name that begins like this only with the mark.
        let mustBeSecure = cookieName.behind("__Host-") != nil || cookieName.behind("__Secure-") != nil
        return "\(cookieName)=\(token?.text ?? ""); Path=/; HttpOnly; SameSite=Lax; "
            + "Max-Age=\(token == nil ? 0 : sessionDays * 86_400)"
            + (client.scheme == "https" || mustBeSecure ? "; Secure" : "")
    }
}

extension DirectReads {
    /// - Parameter limiter: counts the requests of a user, by whatever door they come.
    package init(
        _ reads: [DirectRead], authenticator: Authenticator, limiter: RateLimiter<UUID>, proxies: TrustedProxies
    ) {
        self.init(reads, proxies: proxies, varies: !authenticator.origins.allowed.isEmpty) { headers in
            guard let caller = authenticator.recall(authenticator.credential(in: headers))?.caller,
                limiter.take(caller.user) == nil
            else { return nil }
            return caller
        }
    }
}

/// Lets only signed-in callers through, and each only so often.
package struct AuthenticatingMiddleware: RouterMiddleware {
    private let authenticator: Authenticator
    private let limiter: RateLimiter<UUID>
    private let unsent: UnsentBudget
    /// Of sessions, beyond what their user may ask.
    private let ending = RateLimiter<UUID>(perMinute: 10)

    /// - Parameter limiter: counts the requests of a user, by whatever door they come.
    package init(authenticator: Authenticator, limiter: RateLimiter<UUID>, unsent: UnsentBudget) {
        self.authenticator = authenticator
        self.limiter = limiter
        self.unsent = unsent
    }

    package func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        let credential = authenticator.credential(in: request.headers)
        var context = context
        var recalled = authenticator.recall(credential)
        var isCounted = false
        while true {
            guard
                let (caller, token) =
                    if let recalled { recalled } else {
                        try await authenticator.caller(bearing: credential.tokens)
                    }
            else {
                throw Problem.unauthenticated
            }
            do {
                if !isCounted { try admit(caller, credential.isCookie, request, context) }
                isCounted = true
                var moved: Timestamp?
                if recalled == nil {
                    moved = try await authenticator.slide(caller)
                    context.identity = .proven(authenticator.remember(caller, expires: moved, bearing: token))
                } else {
                    context.identity = .claimed(caller) { try await authenticator.prove(token) }
                }
                let request = try await Self.bodyMeasured(request)
                var response = try unsent.paced(try await next(request, context), for: caller.user, context)
                if moved != nil, credential.isCookie, response.headers[.setCookie] == nil {
                    response.headers[.setCookie] = authenticator.cookie(token, client: context.client)
                }
                return response
            } catch  where recalled != nil && (error as? Problem)?.status ?? 0 < 500 {
                // Whoever was refused before anything asked whether their session holds, is nobody where it does not.
                _ = try await authenticator.prove(token)
                // It holds, and was only looked at anew: its end is due to be moved.
                guard (error as? Problem)?.status == 401, request.method.isSafe else { throw error }
                recalled = nil
            }
        }
    }

    private func admit(_ caller: Caller, _ byCookie: Bool, _ request: Request, _ context: EdgeContext) throws {
        if byCookie, !request.method.isSafe {
            try authenticator.origins.admit(request.headers, client: context.client)
        }
        if let wait = limiter.take(caller.user) {
            // Whoever uses a stolen session can use up what its user may ask, and not what ends that session.
            guard request.endsSessions, ending.take(caller.session) == nil else {
                throw Problem.rateLimited("You have sent too many requests.", retryAfter: wait)
            }
        }
    }

    /// A change that takes no body would be carried out before it shows how long the body is. A push waits for its turn
    /// unread; all others take so much at most.
    private static func bodyMeasured(_ request: Request) async throws -> Request {
        guard request.headers[.transferEncoding] != nil, !request.method.isSafe,
            request.uri.path.verbatim != "/api/sync"
        else {
            return request
        }
        return try await request.collected(upTo: 65_536)
    }
}

extension HTTPRequest.Method {
    fileprivate var isSafe: Bool { self == .get || self == .head || self == .options }
}

extension Request {
    /// Whether this is a call by which an owner finds sessions and ends them.
    fileprivate var endsSessions: Bool {
        let known: Set<Verbatim> = ["/api/auth/logout", "/api/auth/password", "/api/devices"]
        return known.contains(uri.path.verbatim) || uri.path.behind("/api/devices/") != nil
    }
}
