package import API
package import FoundationEssentials
package import Logging
import Metrics
package import NIOCore
package import Sync
import Synchronization

/// All sockets of this process, sharded by event loop: each shard is touched on its own loop only, so nothing in it is
/// locked. The hub hears every change and passes it to the shards, which write it from the loop.
package final class Hub: Sendable {
    /// What is demanded of sockets; shorter in tests.
    package struct Limits: Sendable {
        /// Of one user at this process.
        var socketsPerUser = 20
        package var authentication: TimeAmount = .seconds(5)
        package var tick: TimeAmount = .seconds(1)
        var pullsPerShard = 32
        /// Of these, those of one user: what is large is read one after the other, and waits for its turn here.
        var pullsPerUser = 4
        /// Of these, those that a change which all users share has asked for.
        var sharedPullsPerShard = 8
        /// Of what all users share, between two turns of an event loop.
        var deliveriesPerTurn = 200
        var renewalsPerSurvey = 50
        package var line = WebSocketLine.Limits()
        package init() {}
    }

    /// What sockets need of the rest of the house.
    package struct Dependencies: Sendable {
        let reader: SyncReader
        let clock: ServerClock
        let authenticate: @Sendable (String) async throws -> Caller?
        let push: @Sendable (JSON, Caller) async throws -> [MutationResult]
        let count: @Sendable (UUID) -> Int?
        let sessions: Sessions
        let unsent: UnsentBudget

        /// How the session of a socket is kept from ending while it is in use.
        package struct Sessions: Sendable {
            let seconds: Int64
            let slide: @Sendable (Caller) async throws -> Timestamp?

            /// - Parameters:
            ///   - seconds: how long a session lasts unused.
            ///   - slide: moves its end.
            package init(seconds: Int64, slide: @escaping @Sendable (Caller) async throws -> Timestamp?) {
                self.seconds = seconds
                self.slide = slide
            }

            /// What ends before this is moved: a day was used up of it, or half of one that is short.
            func renewed(before now: Timestamp) -> Timestamp {
                now.advanced(bySeconds: seconds - min(86_400, seconds / 2))
            }
        }

        /// - Parameters:
        ///   - authenticate: who bears this token; nil: nobody.
        ///   - push: carries out {mutations: […]}; throws the problem of a malformed one.
        ///   - count: counts a request of this user; not nil: it is one too many, and the next is allowed in so many seconds.
        package init(
            reader: SyncReader, clock: ServerClock,
            authenticate: @escaping @Sendable (String) async throws -> Caller?,
            push: @escaping @Sendable (JSON, Caller) async throws -> [MutationResult],
            count: @escaping @Sendable (UUID) -> Int?, sessions: Sessions, unsent: UnsentBudget
        ) {
            self.reader = reader
            self.clock = clock
            self.authenticate = authenticate
            self.push = push
            self.count = count
            self.sessions = sessions
            self.unsent = unsent
        }
    }

    private struct State {
        var socketsOfUser: [UUID: Int] = [:]
        /// The sum of these.
        var sockets = 0
        var presence: Presence?
        /// Users of whom sessions ended lately.
        var ended: [UUID: ContinuousClock.Instant] = [:]
        var doubt: (@Sendable (UUID) -> Void)?
        var stopping = false
    }

    /// Who was found signed in longer ago than this has their socket, or has none.
    private static let longestSignIn: Duration = .seconds(15)

    let needs: Dependencies
    let limits: Limits
    let logger: Logger
    private let shards: [HubShard]
    private let state = Mutex(State())
    private let gauge = Gauge(label: "lockstep_sockets")

    package init(
        loops: any EventLoopGroup, needs: Dependencies, limits: Limits = Limits(), logger: Logger
    ) {
        self.needs = needs
        self.limits = limits
        self.logger = logger
        shards = loops.makeIterator().map { HubShard(loop: $0, limits: limits) }
        for shard in shards { shard.start(needs) }
    }

    /// The one who is told which devices come and go; set once by the composition root.
    package func report(to presence: Presence) {
        state.withLock { $0.presence = presence }
    }

    /// Calls `ask` when a socket came whose session may have ended while it was being let in: it was not here yet when all
    /// others were closed.
    func whenInDoubt(_ ask: @escaping @Sendable (UUID) -> Void) {
        state.withLock { $0.doubt = ask }
    }

    package func hear(_ event: ChangeEvent) {
        switch event {
        case .changed(let change): each(having: change.user) { $0.deliver(change) }
        case .hint(let user, let version): each(having: user) { $0.hint(user, version) }
        case .sessionsEnded(let user, _):
            let now = ContinuousClock.now
            state.withLock { state in
                state.ended = state.ended.filter { now - $0.value < Self.longestSignIn }
                state.ended[user] = now
            }
        case .shared, .presence, .devicesChanged: break
        }
    }

    /// Passes to all sockets what all users share.
    func deliver(_ changes: SharedChanges) {
        for shard in shards { shard.onLoop { $0.deliver(changes) } }
    }

    /// Has all sockets read that stand before there.
    func hint(shared version: Version) {
        for shard in shards { shard.onLoop { $0.hintAll(shared: version) } }
    }

    private func each(having user: UUID, _ body: @escaping @Sendable (HubShard) -> Void) {
        guard state.withLock({ $0.socketsOfUser[user] != nil }) else { return }
        for shard in shards { shard.onLoop(body) }
    }

    /// Hands a user's devices to their sockets.
    package func tell(_ user: UUID, _ devices: [PresentDevice]) {
        each(having: user) { $0.tell(user, devices) }
    }

    /// The sockets there are, of these users or of all, for the comparison of heads: their sessions and users.
    func census(of some: Set<UUID>? = nil) async -> (sessions: [SessionKey], users: Set<UUID>) {
        var sessions: [SessionKey] = []
        var users: Set<UUID> = []
        for shard in shards {
            guard let part = try? await shard.loop.submit({ shard.census(of: some) }).get() else { continue }
            sessions += part.sessions
            users.formUnion(part.users)
        }
        return (sessions, users)
    }

    /// Closes the sockets of `asked` sessions that are not among `alive`; hints all others at where the heads are, or has
    /// them read anew when the database was restored.
    /// - Parameter shared: how far they are hinted in the sequence that all share.
    func apply(_ survey: Survey, shared: Version, asked: Set<UUID>, restored: Bool) {
        for shard in shards { shard.onLoop { $0.apply(survey, shared: shared, asked: asked, restored: restored) } }
    }

    func shard(of loop: any EventLoop) -> HubShard? {
        shards.first { $0.loop === loop }
    }

    /// Counts a new socket of this user; false: they have too many.
    func admit(_ caller: Caller) -> Bool {
        let admitted = state.withLock { state -> (Presence?, (@Sendable (UUID) -> Void)?, Int)? in
            let count = state.socketsOfUser[caller.user] ?? 0
            guard count < limits.socketsPerUser else { return nil }
            state.socketsOfUser[caller.user] = count + 1
            state.sockets += 1
            let ended = state.ended[caller.user].map { .now - $0 < Self.longestSignIn } ?? false
            return (state.presence, ended ? state.doubt : nil, state.sockets)
        }
        guard let (presence, doubt, count) = admitted else { return false }
        doubt?(caller.user)
        gauge.record(Double(count))
        presence?.opened(DeviceKey(user: caller.user, device: caller.device.id))
        return true
    }

    func leave(_ caller: Caller) {
        let (presence, count) = state.withLock { state in
            let left = (state.socketsOfUser[caller.user] ?? 1) - 1
            state.sockets -= 1
            state.socketsOfUser[caller.user] = left > 0 ? left : nil
            return (state.presence, state.sockets)
        }
        gauge.record(Double(count))
        presence?.closed(DeviceKey(user: caller.user, device: caller.device.id))
    }

    var isStopping: Bool { state.withLock { $0.stopping } }

    /// Tells every socket that the server stops (1001), spread over a time that grows with their number, up to `longest`:
    /// they must not all come back at once.
    package func shutdown(longest: Duration = .seconds(3)) async {
        let count = state.withLock { state in
            state.stopping = true
            return state.sockets
        }
        let over = min(longest, .milliseconds(count * 10))
        for shard in shards { shard.onLoop { $0.closeAll(over: TimeAmount(over)) } }
        try? await Task.sleep(for: over + .milliseconds(100))
    }
}

extension EventLoopIterator {
    fileprivate func map<Value>(_ body: (any EventLoop) -> Value) -> [Value] {
        var values: [Value] = []
        for loop in self { values.append(body(loop)) }
        return values
    }
}
