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
    /// Who waits to read something of their own, and who only what all users share.
    private var waiting: (forOwn: Deque<Turn>, forShared: Deque<Turn>) = ([], [])
    private var pulling: (all: Int, forShared: Int, ofUser: [UUID: Int]) = (0, 0, [:])
    /// Of users who read as much as one may.
    private var parked: [UUID: Deque<Turn>] = [:]
    private var needs: Hub.Dependencies?
    private let deliveries = Counter(label: "lockstep_deliveries")
    private let merged = Counter(label: "lockstep_merged_pulls")
    /// What all share, to be passed on to all sockets in this order.
    private var shared: Deque<SharedChanges> = []

    /// One socket's wish to read what is new.
    final class Turn {
        fileprivate let socket: Socket
        fileprivate var isForOwn: Bool
        fileprivate var hasBegun = false

        fileprivate init(_ socket: Socket, isForOwn: Bool) {
            self.socket = socket
            self.isForOwn = isForOwn
        }
    }

    init(loop: any EventLoop, limits: Hub.Limits) {
        self.loop = loop
        self.limits = limits
    }

    func start(_ needs: Hub.Dependencies) {
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
        for socket in sockets.values.joined() { socket.hinted(user: 0, shared: version) }
    }

    /// Passes it to every socket, so many in one turn of the loop: what concerns one user goes in between.
    func deliver(_ changes: SharedChanges) {
        shared.append(changes)
        if shared.count == 1 { deliverNext() }
    }

    private func deliverNext() {
        guard let changes = shared.first else { return }
        // Who comes meanwhile reads for themselves.
        deliver(changes, ServerMessage.tail(of: changes), to: Array(sockets.values.joined())[...])
    }

    private func deliver(_ changes: SharedChanges, _ tail: ByteBuffer, to rest: ArraySlice<Socket>) {
        let now = rest.prefix(limits.deliveriesPerTurn)
        for socket in now { socket.changed(changes, tail: tail) }
        deliveries.increment(by: now.count)
        let later = rest.dropFirst(now.count)
        loop.execute {
            if !later.isEmpty { return self.deliver(changes, tail, to: later) }
            self.shared.removeFirst()
            self.deliverNext()
        }
    }

    func tell(_ user: UUID, _ devices: [PresentDevice]) {
        let frame = ServerMessage.presence(devices)
        for socket in sockets[user] ?? [] { socket.tell(presence: frame) }
    }

    /// - Parameter users: whose; nil: everybody's.
    func census(of users: Set<UUID>?) -> (sessions: [SessionKey], users: [UUID]) {
        let mine = users.map { users in sockets.filter { users.contains($0.key) } } ?? sockets
        return (mine.values.joined().compactMap { $0.caller.map { SessionKey($0) } }, Array(mine.keys))
    }

    func apply(_ survey: Survey, shared: Version, asked: Set<UUID>, restored: Bool) {
        var renewed: Set<UUID> = []
        for (user, mine) in sockets {
            for socket in mine {
                if restored { socket.restored() }
                guard let session = socket.caller?.session, asked.contains(session) else { continue }
                guard let expires = survey.sessions[session] else {
                    socket.close(.signedOut)
                    continue
                }
                socket.hinted(user: survey.heads[user] ?? 0, shared: shared)
                // Few at a time: who came together would else be written together, day after day.
                if renewed.count < limits.renewalsPerSurvey, !renewed.contains(session),
                    socket.renew(until: expires, now: survey.time)
                {
                    renewed.insert(session)
                }
            }
        }
    }

    /// Reads for a socket what is new, so many at a time; the others wait their turn, and those of whom only something
    /// shared has changed behind the others: one change of that kind concerns every socket there is.
    func pull(_ socket: Socket, isForOwn: Bool) {
        let turn = Turn(socket, isForOwn: isForOwn)
        socket.turn = turn
        if isForOwn { waiting.forOwn.append(turn) } else { waiting.forShared.append(turn) }
        work()
    }

    /// It need not wait behind those any longer.
    func hurry(_ socket: Socket) {
        guard let turn = socket.turn, !turn.isForOwn, !turn.hasBegun else { return }
        turn.isForOwn = true
        waiting.forOwn.append(turn)
        work()
    }

    /// What it read has no room among what waits to be sent: it stays where it is, and asks again a little later.
    func again(_ socket: Socket) {
        loop.scheduleTask(in: .milliseconds(.random(in: 300...1_000))) { socket.pullFailed() }
    }

    private func work() {
        while pulling.all < limits.pullsPerShard, let turn = next() { begin(turn) }
    }

    private func next() -> Turn? {
        while let turn = waiting.forOwn.popFirst() {
            if !turn.hasBegun, !turn.socket.isClosing, !park(turn) { return turn }
        }
        while pulling.forShared < limits.sharedPullsPerShard, let turn = waiting.forShared.popFirst() {
            if !turn.isForOwn, !turn.socket.isClosing, !park(turn) { return turn }
        }
        return nil
    }

    /// Whether its user reads as much as one may: it is asked again when one of those has ended.
    private func park(_ turn: Turn) -> Bool {
        guard let user = turn.socket.caller?.user, pulling.ofUser[user, default: 0] >= limits.pullsPerUser
        else { return false }
        parked[user, default: []].append(turn)
        return true
    }

    private func count(_ user: UUID, forShared share: Int, by number: Int) {
        let left = pulling.ofUser[user, default: 0] + number
        pulling.all += number
        pulling.forShared += share * number
        pulling.ofUser[user] = left > 0 ? left : nil
        guard number < 0, let mine = parked.removeValue(forKey: user) else { return }
        for turn in mine.reversed() {
            if turn.isForOwn { waiting.forOwn.prepend(turn) } else { waiting.forShared.prepend(turn) }
        }
    }

    private func begin(_ turn: Turn) {
        let socket = turn.socket
        turn.hasBegun = true
        guard let needs, let user = socket.caller?.user else { return }
        let cursor = socket.pullBegins()
        guard socket.hasRoom(from: cursor) else { return again(socket) }
        let share = turn.isForOwn ? 0 : 1
        count(user, forShared: share, by: 1)
        merged.increment()
        loop.makeFutureWithTask { try await needs.reader.pull(user: user, since: cursor) }
            .whenComplete { result in
                self.count(user, forShared: share, by: -1)
                switch result {
                case .success(let pull): socket.pulled(pull)
                case .failure(let problem as Problem) where problem.status == 401: socket.close(.signedOut)
                // The database is away: the socket stays, and asks again a little later.
                case .failure: self.again(socket)
                }
                self.work()
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
