import API
import Accounts
import FeatureList
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Persistence
import Realtime
import ServiceLifecycle
import Sync
import UnixSignals

/// The composition root: every implementation is chosen here, and handed to who needs it through `init`.
struct Server {
    /// Starts what there is to start, in order, and runs until it is told to stop; then stops it in reverse.
    static func run(_ configuration: Configuration, migrate: Bool) async throws {
        ReturnedMemory.limitArenas()
        let logger = makeLogger(configuration)
        for variable in configuration.unknown {
            logger.warning(
                "An environment variable is called like a setting and is none",
                metadata: ["variable": .string(variable.name), "nearest": .string(variable.nearest ?? "")])
        }
        let home = try Home.find()
        let metrics = PrometheusMetrics.install()
        var postgres: EmbeddedPostgres?
        if configuration.databaseURL == nil {
            postgres = try await EmbeddedPostgres.start(under: configuration.dataFolder) { say("lockstep: \($0)") }
        }
        do {
            let url = configuration.databaseURL ?? postgres?.url ?? ""
            try await prepare(url, home, migrate: migrate, postgres, logger)
            if configuration.seedDemo { try await seed(url, home, logger) }
            let server = try Server(
                configuration, url: url, postgres, home: home, metrics: metrics, logger: logger)
            try await server.serve()
        } catch {
            await postgres?.stop()
            throw error
        }
        await postgres?.stop()
    }

    private static func makeLogger(_ configuration: Configuration) -> Logger {
        LoggingSystem.bootstrap { label in
            switch configuration.logFormat {
            case .json: JSONLogHandler(label: label)
            case .text: StreamLogHandler.standardError(label: label)
            }
        }
        var logger = Logger(label: "lockstep")
        logger.logLevel = configuration.logLevel
        return logger
    }

    /// Waits up to 20 s for the database, and brings it up to date or says what is missing.
    private static func prepare(
        _ url: String, _ home: Home, migrate: Bool, _ postgres: EmbeddedPostgres?, _ logger: Logger
    ) async throws {
        let migrator = try Migrator(url: url, folder: home.migrations, rules: .all)
        let deadline = ContinuousClock.now + .seconds(20)
        var states: [(name: String, state: Migrator.State)] = []
        while true {
            do {
                states = try await migrator.status()
                break
            } catch let error as DatabaseError where error.kind == .unusable {
                throw StartFailure(description: error.message)
            } catch let error as DatabaseError {
                guard error.isUnavailable, !error.isHopeless, ContinuousClock.now < deadline else {
                    throw StartFailure(description: error.connectComplaint)
                }
                try await Task.sleep(for: .milliseconds(250))
            }
        }
        for (name, state) in states where state == .unknown {
            logger.warning("The database has a migration of a newer release", metadata: ["migration": .string(name)])
        }
        if migrate {
            try await migrator.up { logger.info("Applying a migration", metadata: ["migration": .string($0)]) }
        } else {
            try migrator.refuseEdited(states)
            let missing = states.filter { $0.state == .pending }.map(\.name)
            guard missing.isEmpty else {
                throw StartFailure(
                    description:
                        "the database lacks \(missing.joined(separator: ", ")); `lockstep migrate up` applies it")
            }
            guard try await migrator.hasRules() else {
                throw StartFailure(
                    description: "the database lacks this release's rules; `lockstep migrate up` puts them there")
            }
        }
        if let postgres, postgres.restored {
            logger.warning("The data folder is a copy; every device will read everything anew")
            try await migrator.beginNewEpoch()
            postgres.acceptRestore()
        }
    }

    private let configuration: Configuration
    private let logger: Logger
    private let database: Database
    private let hub: Hub
    private let polls: LongPolls
    private let application: any ApplicationProtocol
    private let services: [any Service]

    private init(
        _ configuration: Configuration, url: String, _ postgres: EmbeddedPostgres?, home: Home,
        metrics: PrometheusMetrics, logger: Logger
    ) throws {
        self.configuration = configuration
        self.logger = logger
        let process = UUID.v7()
        let migrator = try Migrator(url: url, folder: home.migrations, rules: .all)
        let database = Database(
            try DatabaseConfiguration(url: url, rules: .all, connections: configuration.databaseConnections),
            installRules: { try await migrator.installRules() }, logger: logger)
        let views = FeatureViews.all
        let sync = PostgresSync(database: database, views: views)
        let erasures = PostgresErasures(database: database, logger: logger)
        let accounts = PostgresAccounts(database: database) { erasures.ask() }
        let bus = ChangeBus()
        let announce: Announce = { bus.announce($0) }
        let polls = LongPolls()
        let clock = ServerClock()
        let unsent = UnsentBudget()
        let reader = SyncReader(repository: sync, polls: polls, clock: clock, unsent: unsent)
        let loops = MultiThreadedEventLoopGroup.singleton
        let house = House(announce: announce, clock: clock, loops: loops, logger: logger, zones: views.zones)
        let storage = FeatureStorage(
            database: database, sync: sync, process: process, pauseExpirySeconds: configuration.pauseExpirySeconds)
        let features = Features.all.map { $0.open(storage, house) }
        let dispatcher = MutationDispatcher(
            handlers: features.flatMap(\.handlers), repository: sync, announce: announce)
        let authenticator = Authenticator(
            repository: accounts,
            origins: OriginPolicy(allowed: configuration.allowedOrigins, named: configuration.publicOrigin),
            sessionDays: configuration.sessionDays, cookieName: configuration.cookieName, now: { clock.now() })
        let limiter = RateLimiter<UUID>(perMinute: configuration.requestsPerMinute)
        let sockets = SocketAuthenticator(
            authenticator: authenticator, proxies: configuration.trustedProxies, limiter: limiter,
            onSync: { try await features.onSync($0) })
        var limits = Hub.Limits()
        limits.line.isPaced = configuration.requestsPerMinute > 0
        let hub = Hub(
            loops: loops,
            needs: .init(
                reader: reader, clock: clock,
                authenticate: { try await sockets.caller(bearing: $0) },
                push: { json, caller in
                    try await Push(reading: json["mutations"]).carryOut(through: dispatcher, for: caller)
                },
                count: { limiter.take($0) },
                sessions: .init(seconds: Int64(configuration.sessionDays) * 86_400) {
                    try await authenticator.slide($0)
                },
                unsent: unsent),
            limits: limits, logger: logger)
        let feed = SharedFeed(hub: hub, repository: sync, logger: logger)
        let survey = HeadReconciler(hub: hub, feed: feed, polls: polls, repository: sync, clock: clock, logger: logger)
        let presence = Presence(
            repository: PostgresPresence(database: database), process: process, announce: announce, logger: logger,
            tell: { hub.tell($0, $1) })
        hub.report(to: presence)
        let hints = HintBus(
            process: process, announce: announce, incoming: Self.incoming(database), logger: logger,
            send: { try await database.notify($0) },
            onEstablished: {
                survey.ask()
                for feature in features { feature.lookAgain() }
            })
        // Who hears what happens here, in this order.
        bus.subscribe([
            Listener("hub", hub.hear), Listener("shared feed", feed.hear), Listener("hints", hints.hear),
            Listener("reconciler", survey.hear), Listener("presence", presence.hear),
        ])
        bus.subscribe(features.flatMap(\.listeners))
        bus.subscribe([Listener("long polls", polls.hear)])
        logger.debug("Changes are heard", metadata: ["by": .array(bus.names.map { .string($0) })])
        let syncRoutes = SyncRoutes(
            repository: sync, reader: reader, dispatcher: dispatcher,
            pace: PollPace(seconds: configuration.pollSeconds) { database.gauges.waiting },
            onSync: { try await features.onSync($0) }, syncIsNoted: { features.syncIsNoted($0) })
        let directReads = DirectReads(
            features.flatMap(\.directReads) + syncRoutes.directReads, authenticator: authenticator, limiter: limiter,
            proxies: configuration.trustedProxies)
        let routes = Routes(
            configuration: configuration, home: home, authenticator: authenticator, sockets: sockets,
            accounts: accounts, features: features, sync: syncRoutes, dispatcher: dispatcher, announce: announce,
            database: database, limiter: limiter, unsent: unsent,
            metrics: { metrics.text(extra: Self.gauges(database, polls)) }, migrations: migrator.migrations)
        let listening = Listening()
        let places = try Self.places(configuration)
        application = Application(
            router: try routes.router(),
            server: HTTPServerBuilder { responder in
                RealtimeServerChannel(hub: hub, places: places, directReads: directReads, responder: responder) {
                    handshake, peer in
                    await sockets.admit(handshake, from: peer)
                }
            },
            configuration: .init(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil, backlog: 4_096,
                availableConnectionsDelegate: places.gate),
            onServerRunning: { channel in listening.announce(channel, configuration) },
            logger: logger)
        var services: [any Service] = [
            database, hints, feed, survey, presence,
            PostgresDocumentShape(database: database, rules: .all, logger: logger),
            PostgresHousekeeping(database: database, purges: views.purges, logger: logger),
            erasures,
            StorageWatch(logger: logger) {
                try await PostgresStorage(database: database, rooms: views.rooms).budgets()
            },
            ReturnedMemory(),
        ]
        services += features.flatMap(\.services)
        if let postgres { services.insert(PrivatePostgresKeeper(postgres: postgres, logger: logger), at: 0) }
        self.services = services
        self.database = database
        self.hub = hub
        self.polls = polls
    }

    /// What is asked for at the moment of each scrape.
    private static func gauges(_ database: Database, _ polls: LongPolls) -> [(name: String, value: Double)] {
        let pool = database.gauges
        return [
            ("lockstep_database_connections_up", Double(pool.connectionsUp)),
            ("lockstep_database_statements_in_flight", Double(pool.inFlight)),
            ("lockstep_database_statements_waiting", Double(pool.waiting)),
            ("lockstep_waiting_polls", Double(polls.count)),
        ]
    }

    private static func places(_ configuration: Configuration) throws -> ConnectionPlaces {
        let most = try Descriptors.connections(
            within: Descriptors.raise(), databaseConnections: configuration.databaseConnections)
        let ofAddress = configuration.connectionsPerAddress
        let proxies = configuration.trustedProxies
        return ConnectionPlaces(most: most, ofAddress: ofAddress == 0 ? max(1, most / 2) : ofAddress) {
            proxies.trusts($0)
        }
    }

    private static func incoming(_ database: Database) -> AsyncStream<HintBus.Incoming> {
        let notices = database.notices
        return AsyncStream { continuation in
            let task = Task {
                for await notice in notices {
                    switch notice {
                    case .established: continuation.yield(.established)
                    case .payload(let payload): continuation.yield(.payload(payload))
                    }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Runs the services in the order database, bus, hub, server; they are stopped in reverse: the sockets are told (1001; so
    /// are those that come meanwhile), no new connections, what is under way is finished, the database is closed.
    private func serve() async throws {
        let farewell = DrainOnShutdown(hub: hub, polls: polls)
        var group = ServiceGroupConfiguration(
            services: services + [application as any Service, farewell],
            gracefulShutdownSignals: StandardStreams.endings, logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(20)
        do {
            try await ServiceGroup(configuration: group).run()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw StartFailure(
                description: "port \(configuration.port) of \(configuration.host) is taken; stop what uses it "
                    + "(`ss -ltnp 'sport = :\(configuration.port)'` names it), or set LOCKSTEP_PORT to another")
        } catch let error as IOError where error.errnoCode == EACCES {
            throw StartFailure(
                description:
                    "port \(configuration.port) may not be used by this user; set LOCKSTEP_PORT to one above 1023")
        } catch is SocketAddressError.UnknownHost {
            throw StartFailure(
                description: "LOCKSTEP_HOST is “\(configuration.host)”, which is neither an address nor a name that "
                    + "leads to one")
        } catch let error as IOError where error.errnoCode == EADDRNOTAVAIL {
            throw StartFailure(
                description: "LOCKSTEP_HOST is “\(configuration.host)”, which is no address of this machine")
        }
    }
}

/// Starts the private PostgreSQL again where it ends without us.
private struct PrivatePostgresKeeper: Service {
    let postgres: EmbeddedPostgres
    let logger: Logger

    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var pause = 1
            while true {
                try await Task.sleep(for: .seconds(pause))
                guard postgres.isGone else { continue }
                logger.warning("The private PostgreSQL has ended; starting it again")
                do {
                    try await postgres.revive()
                    pause = 1
                } catch let failure as EmbeddedPostgres.Failure {
                    pause = min(30, pause * 2)
                    logger.error("The private PostgreSQL does not start", metadata: ["reason": "\(failure)"])
                }
            }
        }
    }
}

/// The first to be stopped: tells the sockets, and ends the waits.
private struct DrainOnShutdown: Service {
    let hub: Hub
    let polls: LongPolls

    func run() async throws {
        try? await gracefulShutdown()
        polls.close()
        await hub.shutdown()
    }
}

/// Says once where the server can be reached.
private struct Listening: Sendable {
    func announce(_ channel: any Channel, _ configuration: Configuration) {
        let port = channel.localAddress?.port ?? configuration.port
        let host = configuration.host.utf8.contains(UInt8(ascii: ":")) ? "[\(configuration.host)]" : configuration.host
        let url = "http://\(host):\(port)"
        say(
            """

              Lockstep is ready.

              Web app      \(url)
              API          \(url)/docs   (\(url)/openapi.json)
              Try          curl -s \(url)/api/auth/register -H 'Content-Type: application/json' \\
                             -d '{"email":"me@example.com","password":"correct horse","device":{"name":"curl","kind":"other"}}'
              Stop         ctrl-C

            """)
    }
}
