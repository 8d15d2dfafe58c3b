package import API
package import FoundationEssentials
package import Hummingbird
package import Logging
package import NIOCore
package import ServiceLifecycle

/// A feature of the server, as it registers itself: once, in its `<Noun>Feature.swift`. App lists the features, and everything that
/// goes over all of them is built from that list: the rules of the database, the table of problems, "changed since", the digest,
/// conflicts, the purge, what is said of accounts that are nearly full, the routes and the dispatcher's handlers. Nobody else names one.
/// `Storage` is what App makes repositories of.
package struct Feature<Storage>: Sendable {
    package let name: String
    /// Its rules: the texts of its SQL, in an order in which views find what they name.
    package let rules: [[UInt8]]
    /// The names of the mutations that its rules carry out, each by the function of its name: `habits.set` by `habits_set`.
    package let mutations: [String]
    /// What it refuses with, beside what everybody does.
    package let problems: [ProblemCode]
    /// What its SQL publishes for Sync.
    package let views: FeatureViews
    /// Makes what runs, on this storage.
    package let open: @Sendable (Storage, House) -> FeatureParts

    package init(
        name: String, rules: [[UInt8]], mutations: [String] = [], problems: [ProblemCode] = [],
        views: FeatureViews = FeatureViews(),
        open: @escaping @Sendable (Storage, House) -> FeatureParts = { _, _ in FeatureParts() }
    ) {
        self.name = name
        self.rules = rules
        self.mutations = mutations
        self.problems = problems
        self.views = views
        self.open = open
    }
}

/// What the house gives a feature to work with.
package struct House: Sendable {
    package let announce: Announce
    package let clock: ServerClock
    /// For alarms.
    package let loops: any EventLoopGroup
    package let logger: Logger
    /// The documents that hold users' time zones.
    package let zones: [DocumentName]

    package init(
        announce: @escaping Announce, clock: ServerClock, loops: any EventLoopGroup, logger: Logger,
        zones: [DocumentName]
    ) {
        self.announce = announce
        self.clock = clock
        self.loops = loops
        self.logger = logger
        self.zones = zones
    }
}

/// What of a feature runs in a server.
package struct FeatureParts: Sendable {
    /// Its mutations.
    package var handlers: [MutationHandler] = []
    package var addRoutes: @Sendable (Edge) -> Void = { _ in }
    package var services: [any Service] = []
    package var listeners: [Listener] = []
    /// Is told who has signed in, before they are answered.
    package var onSignIn: @Sendable (UUID) async -> Void = { _ in }
    /// Is told who syncs (pulls, pushes or opens a socket), before they are let in.
    package var onSync: @Sendable (UUID) async throws -> Void = { _ in }
    /// Whether `onSync` has nothing to do for them, as far as is known without asking the database.
    package var syncIsNoted: @Sendable (UUID) -> Bool = { _ in true }
    /// What is answered in front of the router.
    package var directReads: [DirectRead] = []
    /// Hints were lost, perhaps: it looks again at what it waits for.
    package var lookAgain: @Sendable () -> Void = {}
    /// What a user's pages look like, by the names that their templates have.
    package var appearance: @Sendable (UUID) async throws -> [Verbatim: String] = { _ in [:] }

    package init() {}
}

extension [FeatureParts] {
    package func onSignIn(_ user: UUID) async {
        for parts in self { await parts.onSignIn(user) }
    }

    package func onSync(_ user: UUID) async throws {
        for parts in self { try await parts.onSync(user) }
    }

    package func syncIsNoted(_ user: UUID) -> Bool { allSatisfy { $0.syncIsNoted(user) } }

    package func appearance(of user: UUID) async throws -> [Verbatim: String] {
        var values: [Verbatim: String] = [:]
        for parts in self { values.merge(try await parts.appearance(user)) { first, _ in first } }
        return values
    }
}

/// What the edge gives a feature's routes: the groups that they are added to, and what they stand on.
package struct Edge {
    /// /api, for everybody.
    package let open: RouterGroup<EdgeContext>
    /// /api, for who is signed in.
    package let authenticated: RouterGroup<EdgeContext>
    package let dispatcher: MutationDispatcher
    package let unsent: UnsentBudget
    package let origins: OriginPolicy
    /// Of a user; 0: no limit.
    package let requestsPerMinute: Int

    package init(
        open: RouterGroup<EdgeContext>, authenticated: RouterGroup<EdgeContext>, dispatcher: MutationDispatcher,
        unsent: UnsentBudget, origins: OriginPolicy, requestsPerMinute: Int
    ) {
        self.open = open
        self.authenticated = authenticated
        self.dispatcher = dispatcher
        self.unsent = unsent
        self.origins = origins
        self.requestsPerMinute = requestsPerMinute
    }
}
