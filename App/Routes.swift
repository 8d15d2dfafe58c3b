import API
import Accounts
import Foundation
import HTTPTypes
import Hummingbird
import Persistence
import Realtime
import Site
import Sync

/// Which address is answered by whom: the whole table, and what stands in front of it.
struct Routes: Sendable {
    let configuration: Configuration
    let home: Home
    let authenticator: Authenticator
    let sockets: SocketAuthenticator
    let accounts: any AccountsRepository
    let features: [FeatureParts]
    let sync: SyncRoutes
    let dispatcher: MutationDispatcher
    let announce: Announce
    let database: Database
    let limiter: RateLimiter<UUID>
    let unsent: UnsentBudget
    let metrics: @Sendable () -> String
    let migrations: [Migrator.Migration]

    func router() throws -> Router<EdgeContext> {
        let router = Router(context: EdgeContext.self, options: .autoGenerateHeadEndpoints)
        let table = RouteTable()
        router.middlewares.add(EdgeMiddleware(trusting: configuration.trustedProxies, table: table))
        router.middlewares.add(CrossOriginMiddleware(origins: authenticator.origins))
        let app = try WebApp(
            folder: home.web, authenticator: authenticator, accounts: accounts,
            appearance: { try await features.appearance(of: $0) })
        router.middlewares.add(NotFoundPages(app: app))
        let api = router.group("api")
        let authenticated = api.group()
            .add(
                middleware: AuthenticatingMiddleware(
                    authenticator: authenticator, limiter: limiter, unsent: unsent))
        let hasher = PasswordHasher(cost: configuration.passwordCost)
        let throttle = SignInThrottle(perMinute: configuration.signInAttemptsPerMinute)
        AccountsRoutes(
            repository: accounts, authenticator: authenticator, hasher: hasher, announce: announce, throttle: throttle,
            onSignIn: { await features.onSignIn($0) }
        ).add(to: api, authenticated: authenticated)
        OwnAccountRoutes(
            repository: accounts, authenticator: authenticator, hasher: hasher, announce: announce, throttle: throttle
        ).add(to: authenticated)
        DevicesRoutes(repository: accounts, authenticator: authenticator, announce: announce).add(to: authenticated)
        let edge = Edge(
            open: api, authenticated: authenticated, dispatcher: dispatcher, unsent: unsent,
            origins: authenticator.origins, requestsPerMinute: configuration.requestsPerMinute)
        for feature in features { feature.addRoutes(edge) }
        sync.add(to: authenticated)
        api.get("realtime") { request, context -> Response in
            try sockets.checkOrigin(request.headers, client: context.client)
            throw Problem.upgradeRequired
        }
        OperationsRoutes(missing: { try await database.missing(migrations) }, metrics: metrics).add(to: router)
        app.add(to: router)
        ProblemPages(app: app, codes: ProblemCatalogue.codes).add(to: router)
        table.read(router)
        return router
    }
}
