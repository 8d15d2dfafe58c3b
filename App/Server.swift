import API
import Accounts
import Focus
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import Market
import NIOCore
import NIOPosix
import Persistence
import Realtime
import ServiceLifecycle
import Settings
import Sync
import UnixSignals

/// The composition root: every implementation is chosen here, and handed to who needs it through `init`.
struct Server {
    /// Starts what there is to start, in order, and runs until it is told to stop; then stops it in reverse.
    static func run(_ configuration: Configuration, migrate: Bool) async throws {
        let logger = makeLogger(configuration)
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
            let server = try Server(configuration, url: url, home: home, metrics: metrics, logger: logger)
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
        let migrator = try Migrator(url: url, folder: home.migrations)
        let deadline = ContinuousClock.now + .seconds(20)
        var states: [(name: String, state: Migrator.State)] = []
        while true {
            do {
                states = try await migrator.status()
                break
            } catch let error as DatabaseError {
                guard error.isUnavailable, !error.isHopeless, ContinuousClock.now < deadline else {
                    throw StartFailure(
                        description: "the database of DATABASE_URL cannot be reached: \(error.message); "
                            + "start it, or unset DATABASE_URL to use a private PostgreSQL")
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
        }
        if let postgres, postgres.restored {
            logger.warning("The data folder is a copy; every device will read everything anew")
            try await migrator.beginNewEpoch()
            postgres.acceptRestore()
        }
    }

    /// Fills an empty catalogue with the demo's; one that holds anything is left alone.
    private static func seed(_ url: String, _ home: Home, _ logger: Logger) async throws {
        guard let file = FileManager.default.contents(atPath: home.demoCatalogue) else {
            logger.warning("There is no demo catalogue to seed", metadata: ["file": .string(home.demoCatalogue)])
            return
        }
        let catalogue = try Catalogue(file: Array(file))
        let seeded = try await PostgresCatalogue(url: url).bring(to: catalogue, .writeIfEmpty)
        if seeded.shared != nil {
            logger.info("Seeded the demo catalogue", metadata: ["items": "\(catalogue.items.count)"])
        }
    }

    private let configuration: Configuration
    private let logger: Logger
    private let database: Database
    private let hub: Hub
    private let feed: ChangeFeed
    private let application: any ApplicationProtocol
    private let services: [any Service]

    private init(_ configuration: Configuration, url: String, home: Home, metrics: PrometheusMetrics, logger: Logger)
        throws
    {
        self.configuration = configuration
        self.logger = logger
        let process = UUID.v7()
        let database = Database(
            try DatabaseConfiguration(url: url, connections: configuration.databaseConnections), logger: logger)
        let sync = PostgresSync(database: database)
        let settings = PostgresSettings(database: database)
        let focus = PostgresFocus(database: database, expirySeconds: configuration.pauseExpirySeconds)
        let market = PostgresMarket(database: database)
        let accounts = PostgresAccounts(database: database)
        let feed = ChangeFeed()
        let clock = ServerClock()
        let reader = SyncReader(repository: sync, feed: feed, clock: clock)
        let door = MutationDoor(
            verbs: SettingsMutations(repository: settings).verbs + FocusMutations(repository: focus).verbs
                + MarketMutations(repository: market).verbs,
            repository: sync, feed: feed)
        let recommender = Recommender(
            repository: PostgresRecommendations(database: database, process: process), feed: feed,
            loop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
        let clockwork = Clockwork(
            repository: focus, feed: feed, loop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
        let arrivals = Arrivals(feed: feed, clock: clock) { try await market.arrive($0) }
        let authenticator = Authenticator(
            repository: accounts, origins: OriginPolicy(allowed: configuration.allowedOrigins),
            sessionDays: configuration.sessionDays)
        let hub = Hub(
            loops: MultiThreadedEventLoopGroup.singleton, feed: feed,
            needs: .init(
                reader: reader, clock: clock,
                authenticate: { token in
                    guard let token = SessionToken(token), let caller = try await authenticator.caller(bearing: token)
                    else { return nil }
                    try await authenticator.slide(caller)
                    try await arrivals.note(caller.user)
                    return caller
                },
                push: { json, caller in
                    try await Push(reading: json["mutations"]).carryOut(through: door, for: caller)
                }),
            logger: logger)
        let survey = HeadsSurvey(hub: hub, feed: feed, repository: sync, clock: clock, logger: logger)
        let presence = Presence(
            repository: PostgresPresence(database: database), process: process, feed: feed, logger: logger,
            tell: { hub.tell($0, $1) })
        hub.report(to: presence)
        let bus = HintBus(
            process: process, feed: feed, incoming: Self.incoming(database), logger: logger,
            send: { try await database.notify($0) },
            onEstablished: {
                survey.ask()
                clockwork.look()
            })
        let routes = Routes(
            configuration: configuration, home: home, authenticator: authenticator, accounts: accounts,
            settings: settings, flags: PostgresFlags(database: database), focus: focus, clockwork: clockwork,
            market: market, arrivals: arrivals, sync: sync,
            reader: reader, door: door, feed: feed, database: database,
            metrics: metrics, migrations: try Migrator(url: url, folder: home.migrations).migrations.map(\.name))
        let listening = Listening()
        application = Application(
            router: try routes.router(),
            server: HTTPServerBuilder { responder in
                RealtimeServerChannel(hub: hub, responder: responder) { head, peer in
                    await routes.admission(head, peer: peer)
                }
            },
            configuration: .init(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil, backlog: 4_096),
            onServerRunning: { channel in listening.announce(channel, configuration) },
            logger: logger)
        services = [
            database, bus, survey, presence, clockwork, recommender,
            PostgresHousekeeping(database: database, logger: logger),
        ]
        self.database = database
        self.hub = hub
        self.feed = feed
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
        let farewell = Farewell(hub: hub, feed: feed)
        var group = ServiceGroupConfiguration(
            services: services + [application as any Service, farewell], gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger)
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

/// The first to be stopped: tells the sockets, and ends the waits.
private struct Farewell: Service {
    let hub: Hub
    let feed: ChangeFeed

    func run() async throws {
        try? await gracefulShutdown()
        feed.close()
        await hub.shutdown()
    }
}

/// Says once where the server can be reached.
private struct Listening: Sendable {
    func announce(_ channel: any Channel, _ configuration: Configuration) {
        let port = channel.localAddress?.port ?? configuration.port
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
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

extension DatabaseError {
    /// Waiting does not mend it: a wrong password, a database that does not exist, a name that means nothing.
    fileprivate var isHopeless: Bool {
        ["authentication failed", "does not exist", "could not translate", "invalid"].contains { message.contains($0) }
    }
}
