import API
import DequeModule
import FoundationEssentials
import Logging
import Metrics
import NIOCore
import Sync

/// The sockets of one event loop.
/// `@unchecked`: everything but `loop` and `limits` is touched on `loop` only; `onLoop` is the way there.
final class HubShard: @unchecked Sendable {
    let loop: any EventLoop
    private let limits: Hub.Limits
    private var sockets: [UUID: [Socket]] = [:]
    private var waiting: Deque<(socket: Socket, cursor: Cursor?)> = []
    private var pulling = 0
    private var needs: Hub.Needs?
    private let deliveries = Counter(label: "lockstep_deliveries")
    private let merged = Counter(label: "lockstep_merged_pulls")
    /// The highest shared version that was announced and not passed on yet: at most ten times a second.
    private var sharedHint: Version = 0
    private var sharedPlanned = false

    init(loop: any EventLoop, limits: Hub.Limits) {
        self.loop = loop
        self.limits = limits
    }

    func start(_ needs: Hub.Needs) {
        onLoop { shard in
            shard.needs = needs
            // One clock for all sockets of the loop instead of timers of each.
            shard.loop.scheduleRepeatedTask(initialDelay: self.limits.tick, delay: self.limits.tick) { [weak shard] _ in
                shard?.tick()
            }
        }
    }

    func onLoop(_ body: @escaping @Sendable (HubShard) -> Void) {
        if loop.inEventLoop { body(self) } else { loop.execute { body(self) } }
    }

    func add(_ socket: Socket, of user: UUID) { sockets[user, default: []].append(socket) }

    func remove(_ socket: Socket, of user: UUID) {
        sockets[user]?.removeAll { $0 === socket }
        if sockets[user]?.isEmpty == true { sockets[user] = nil }
    }

    /// Passes a change to the sockets of its user; the frame is made once for all who stand at the same place.
    func deliver(_ change: Change) {
        guard let mine = sockets[change.user], let time = needs?.clock.now() else { return }
        var made: (from: Cursor, frame: ByteBuffer)?
        for socket in mine {
            socket.changed(change) { from, cursor in
                if let made, made.from == from { return made.frame }
                let frame = ServerMessage.changes(change, from: from, to: cursor, time: time)
                made = (from, frame)
                return frame
            }
        }
        deliveries.increment(by: mine.count)
        for socket in mine { socket.flush() }
    }

    func hint(_ user: UUID, _ version: Version) {
        for socket in sockets[user] ?? [] { socket.hinted(user: version, shared: 0) }
    }

    func hintAll(shared version: Version) {
        sharedHint = max(sharedHint, version)
        guard !sharedPlanned else { return }
        sharedPlanned = true
        loop.scheduleTask(in: .milliseconds(100)) { [weak self] in
            guard let self else { return }
            sharedPlanned = false
            for socket in sockets.values.joined() { socket.hinted(user: 0, shared: sharedHint) }
        }
    }

    func tell(_ user: UUID, _ devices: [PresentDevice]) {
        let frame = ServerMessage.presence(devices)
        for socket in sockets[user] ?? [] { socket.tell(presence: frame) }
    }

    func census() -> (sessions: [UUID], users: [UUID]) {
        (sockets.values.joined().compactMap { $0.caller?.session }, Array(sockets.keys))
    }

    func apply(_ survey: Survey, asked: Set<UUID>, restored: Bool) {
        for (user, mine) in sockets {
            for socket in mine {
                if restored { socket.restored() }
                guard let session = socket.caller?.session, asked.contains(session) else { continue }
                if survey.aliveSessions.contains(session) {
                    socket.hinted(user: survey.heads[user] ?? 0, shared: survey.shared)
                } else {
                    socket.close(.signedOut)
                }
            }
        }
    }

    /// Reads for a socket what is new, so many at a time; the others wait their turn.
    func pull(_ socket: Socket, since cursor: Cursor?) {
        guard pulling < limits.pullsPerShard else { return waiting.append((socket, cursor)) }
        guard let needs, let user = socket.caller?.user else { return }
        pulling += 1
        merged.increment()
        let loop = loop
        loop.makeFutureWithTask { try await needs.reader.pull(user: user, since: cursor) }
            .whenComplete { result in
                self.pulling -= 1
                switch result {
                case .success(let pull): socket.pulled(pull)
                case .failure(let problem as Problem) where problem.status == 401: socket.close(.signedOut)
                case .failure:
                    // The database is away: the socket stays, and asks again a little later.
                    loop.scheduleTask(in: .milliseconds(.random(in: 300...1_000))) { socket.pullFailed() }
                }
                while self.pulling < self.limits.pullsPerShard, let next = self.waiting.popFirst() {
                    if !next.socket.isClosing { self.pull(next.socket, since: next.cursor) }
                }
            }
    }

    private func tick() {
        let now = NIODeadline.now()
        for socket in sockets.values.joined() { socket.tick(now) }
    }

    func closeAll(over time: TimeAmount) {
        let all = Array(sockets.values.joined())
        for (index, socket) in all.enumerated() {
            let delay = TimeAmount.nanoseconds(time.nanoseconds / Int64(max(1, all.count)) * Int64(index))
            loop.scheduleTask(in: delay) { socket.close(.goingAway) }
        }
    }
}
