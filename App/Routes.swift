import API
import Accounts
import Flags
import Focus
import Foundation
import HTTPTypes
import Hummingbird
import Market
import NIOCore
import NIOHTTP1
import Persistence
import Realtime
import Settings
import Sync

/// Which address is answered by whom: the whole table, and what stands in front of it.
struct Routes: Sendable {
    let configuration: Configuration
    let home: Home
    let authenticator: Authenticator
    let accounts: any AccountsRepository
    let settings: any SettingsRepository
    let flags: any FlagsRepository
    let focus: any FocusRepository
    let clockwork: Clockwork
    let market: any MarketRepository
    let arrivals: Arrivals
    let sync: any SyncRepository
    let reader: SyncReader
    let door: MutationDoor
    let feed: ChangeFeed
    let database: Database
    let metrics: PrometheusMetrics
    let migrations: [String]

    func router() throws -> Router<EdgeContext> {
        let router = Router(context: EdgeContext.self, options: .autoGenerateHeadEndpoints)
        let table = RouteTable()
        router.middlewares.add(EdgeMiddleware(trusting: configuration.trustedProxies, table: table))
        router.middlewares.add(CrossOriginMiddleware(origins: authenticator.origins))
        let api = router.group("api")
        let authenticated = api.group()
            .add(
                middleware: AuthenticatingMiddleware(
                    authenticator: authenticator, requestsPerMinute: configuration.requestsPerMinute))
        let hasher = PasswordHasher(cost: configuration.passwordCost)
        let throttle = SignInThrottle(perMinute: configuration.signInAttemptsPerMinute)
        AccountsRoutes(
            repository: accounts, authenticator: authenticator, hasher: hasher, feed: feed, throttle: throttle,
            onSignIn: { await arrivals.signedIn($0) }
        ).add(to: api, authenticated: authenticated)
        OwnAccountRoutes(
            repository: accounts, authenticator: authenticator, hasher: hasher, feed: feed, throttle: throttle
        ).add(to: authenticated)
        DevicesRoutes(repository: accounts, authenticator: authenticator, feed: feed).add(to: authenticated)
        SettingsRoutes(repository: settings, door: door).add(to: authenticated)
        FocusRoutes(repository: focus, door: door, clockwork: clockwork).add(to: authenticated)
        MarketRoutes(repository: market, door: door).add(to: authenticated)
        FlagsRoutes(
            repository: flags, origins: authenticator.origins,
            reportsPerMinute: configuration.requestsPerMinute == 0 ? 0 : max(1, configuration.requestsPerMinute / 20)
        ).add(to: api)
        SyncRoutes(repository: sync, reader: reader, door: door, pollAfterMilliseconds: pollAfter)
            .add(to: authenticated.group().add(middleware: ArrivalMiddleware(arrivals: arrivals)))
        api.get("realtime", use: withoutUpgrade)
        Operations(database: database, feed: feed, metrics: metrics, home: home, migrations: migrations).add(to: router)
        try WebApp(home: home, authenticator: authenticator, accounts: accounts, settings: settings).add(to: router)
        table.read(router)
        return router
    }

    /// When a polling client should ask again, in milliseconds: later, up to four times, the more statements wait.
    @Sendable private func pollAfter() -> Int64 {
        let patience = min(4, 1 + database.gauges.waiting / 100)
        return Int64(configuration.pollSeconds * patience) * 1_000
    }

    /// What is said to who asks for the socket without a handshake that we take.
    @Sendable private func withoutUpgrade(_ request: Request, _ context: EdgeContext) async throws -> Response {
        switch authenticator.credential(in: request.headers) {
        case .cookie:
            switch authenticator.origins.judge(request.headers, own: context.client.origin) {
            case .own, .allowed: break
            case .foreign, .unknown: throw Problem.crossOrigin
            }
        case .bearer, .malformed, .none: break
        }
        throw Problem(
            426, "upgrade_required", "This address is a WebSocket",
            detail: "Open it as a WebSocket (version 13) with the subprotocol lockstep.v1.",
            headers: [.upgrade: "websocket", .connection: "upgrade", .secWebSocketVersion: "13"])
    }

    /// Who may have a socket. While the database is away nobody.
    func admission(_ head: HTTPRequestHead, peer: String) async -> RealtimeAdmission {
        var headers = HTTPFields()
        for (name, value) in head.headers {
            if let name = HTTPField.Name(name) { headers.append(HTTPField(name: name, value: value)) }
        }
        let token: SessionToken
        switch authenticator.credential(in: headers) {
        case .none: return .anonymous
        case .malformed: return .badToken
        case .bearer(let given): token = given
        case .cookie(let given):
            let request = HTTPRequest(
                method: .get, scheme: nil, authority: head.headers.first(name: "host"), path: head.uri,
                headerFields: headers)
            let own = configuration.trustedProxies.client(of: request, from: peer).origin
            switch authenticator.origins.judge(headers, own: own) {
            case .own, .allowed: token = given
            case .foreign, .unknown: return .refused
            }
        }
        do {
            guard let caller = try await authenticator.caller(bearing: token) else { return .badToken }
            try await authenticator.slide(caller)
            try await arrivals.note(caller.user)
            return .caller(caller)
        } catch {
            return .unavailable(error as? Problem ?? .internalError)
        }
    }
}

/// Lets the pages of the origins that the operator named call this server with the cookie; for all others there is no
/// CORS at all.
struct CrossOriginMiddleware: RouterMiddleware {
    let origins: OriginPolicy

    func handle(
        _ request: Request, context: EdgeContext, next: (Request, EdgeContext) async throws -> Response
    ) async throws -> Response {
        guard let origin = request.headers[.origin], origins.allowed.contains(origin.lowercased()) else {
            return try await next(request, context)
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
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlAllowCredentials] = "true"
        response.headers[.accessControlExposeHeaders] =
            "etag, idempotency-replayed, retry-after, x-request-id, lockstep-poll-after-ms, lockstep-server-time"
        response.headers[.vary] = "Origin"
        return response
    }
}
