import API
import DequeModule
import FoundationEssentials
import Logging
import NIOCore
import NIOWebSocket
import Sync

/// What Lockstep says over one WebSocket: it keeps the place of its client (`SocketState`) and does what client and hub say;
/// it lives on its channel's event loop.
/// `@unchecked`: touched on that loop only.
final class Socket: Conversation, @unchecked Sendable {
    private let hub: Hub
    private let shard: HubShard
    private(set) var caller: Caller?
    private let opening: SocketAdmission
    private let requested: Cursor?
    private var line: WebSocketLine?
    private var state = SocketState()
    /// Its place in the queue of those who read the database.
    var turn: HubShard.Turn?
    private var admitted = false
    private(set) var isClosing = false
    private var authenticating = false
    private var pushing = false
    private var renewing = false
    /// What had been decoded already when reading was turned off: it waits its turn.
    private var backlog: Deque<ByteBuffer> = []
    /// What could not be written yet: only the latest of each kind is owed. Of a `ping` its `t`, because the time is told as it
    /// is when the answer leaves.
    private var owed: (ping: JSON?, refusal: Problem?, presence: ByteBuffer?)
    /// What its last frame would have taken of the room for what waits to be sent, where there was none; and the room taken for
    /// the next, before that is read.
    private var wanted = 0
    private var room: UnsentBudget.Place?
    /// How often it may be told in a minute that it asks too much.
    private var patience = Pace(most: 120, perSecond: 2)

    init(hub: Hub, shard: HubShard, admission: SocketAdmission, cursor: Cursor?) {
        self.hub = hub
        self.shard = shard
        opening = admission
        requested = cursor
    }

    func began(on line: WebSocketLine) {
        self.line = line
        switch opening {
        case .caller(let caller, _): begin(caller)
        case .badToken: line.close(.signedOut)
        case .anonymous, .refused, .unavailable:
            line.takes(atMost: FrameRules.largestUnknown)
            line.eventLoop?.scheduleTask(in: hub.limits.authentication) { [weak self] in
                guard let self, caller == nil, !authenticating else { return }
                close(.signedOut)
            }
        }
    }

    private func begin(_ caller: Caller) {
        guard !isClosing, self.caller == nil else { return }
        guard !hub.isStopping else { return close(.goingAway) }
        guard hub.admit(caller) else { return close(.tooManySockets) }
        self.caller = caller
        admitted = true
        // Registered first, read then: whatever is committed in between is announced to this socket.
        shard.add(self, of: caller.user)
        write(ServerMessage.welcome(device: caller.device.id, time: hub.needs.clock.now()))
        flush()
        perform(state.begin(at: requested))
    }

    func ended() {
        isClosing = true
        line = nil
        backlog = []
        room = nil
        guard let caller, admitted else { return }
        admitted = false
        shard.remove(self, of: caller.user)
        hub.leave(caller)
    }

    func close(_ code: CloseCode) { line?.close(code) }

    // MARK: From the client

    func heard(_ message: ByteBuffer, _ opcode: WebSocketOpcode) {
        // What comes behind the token is not looked at before it is known whose it is.
        line?.takes(atMost: FrameRules.largest)
        backlog.append(message)
        resume()
    }

    /// One thing at a time: while a sign-in or a push is under way, and until its results have left, nothing more is read
    /// from this client, and what came in the same packet waits.
    private var isBusy: Bool { authenticating || pushing || state.holdsResults }

    /// Goes on with what waits; a client that says more than is ever read at once is none of ours.
    private func resume() {
        while !isClosing, !isBusy, let message = backlog.popFirst() { understand(message) }
        if backlog.count > 1_024 { close(.badMessage) }
        if !isClosing, !isBusy { line?.hold(false) }
    }

    private func understand(_ message: ByteBuffer) {
        guard !isClosing, let message = ClientMessage(message) else { return close(.badMessage) }
        guard let caller else {
            guard case .auth(let token) = message else { return close(.signedOut) }
            return authenticate(token)
        }
        switch message {
        case .auth: break
        case .ping(let t): answer(ping: t)
        case .sync(let text):
            guard isAllowed(caller) else { return }
            wanted = 0
            perform(state.resync(to: text.flatMap { Cursor($0) }))
        case .push(let json): if isAllowed(caller) { push(json, caller) }
        }
    }

    /// What costs the database something counts as a request of the user, by whichever door it comes.
    private func isAllowed(_ caller: Caller) -> Bool {
        guard let wait = hub.needs.count(caller.user) else { return true }
        guard patience.spend(1, now: .now()) == nil else {
            close(.tooManySockets)
            return false
        }
        var problem = Problem.rateLimited("You have sent too many requests.", retryAfter: wait)
        problem.members["retry_after_seconds"] = .int(wait)
        owed.refusal = problem
        payOwed()
        flush()
        return false
    }

    private func authenticate(_ token: String) {
        guard let loop = line?.eventLoop else { return }
        authenticating = true
        line?.hold(true)
        let needs = hub.needs
        loop.makeFutureWithTask { try await needs.authenticate(token) }.whenComplete { result in
            self.authenticating = false
            switch result {
            case .success(let caller?): self.begin(caller)
            case .success(nil): self.close(.signedOut)
            case .failure(let error):
                let problem = error as? Problem ?? .internalError
                self.write(ServerMessage.error(problem))
                self.close(problem.status == 429 ? .tooManySockets : .goingAway)
            }
            self.resume()
        }
    }

    private func push(_ json: JSON, _ caller: Caller) {
        guard let loop = line?.eventLoop else { return }
        pushing = true
        line?.hold(true)
        let needs = hub.needs
        loop.makeFutureWithTask { try await needs.push(json, caller) }.whenComplete { result in
            self.pushing = false
            guard !self.isClosing else { return }
            switch result {
            case .success(let results):
                let head = results.map(\.outcome.head).max() ?? 0
                self.perform(self.state.pushed(ServerMessage.pushed(results), head: head))
            case .failure(let problem as Problem) where problem.status == 401: self.close(.signedOut)
            case .failure(let error):
                let frame = ServerMessage.error(error as? Problem ?? .internalError)
                self.perform(self.state.pushed(frame, head: 0))
            }
            self.flush()
            self.resume()
        }
    }

    private func answer(ping t: JSON) {
        owed.ping = t
        payOwed()
        flush()
    }

    private func payOwed() {
        guard let line, line.isWritable else { return }
        if let t = owed.ping { write(ServerMessage.pong(t, time: hub.needs.clock.now())) }
        if let problem = owed.refusal { write(ServerMessage.error(problem)) }
        (owed.ping, owed.refusal) = (nil, nil)
        // Who is there is told behind the first changes.
        guard let frame = owed.presence, state.cursor != nil else { return }
        owed.presence = nil
        write(frame)
    }

    func writable(_ isWritable: Bool) {
        payOwed()
        perform(state.writability(isWritable))
    }

    // MARK: To the client

    /// - Parameter frame: makes (or finds) the frame of this change for who stands at the first cursor.
    func changed(_ change: Change, frame: (Cursor, Cursor) -> ByteBuffer) {
        guard !isClosing else { return }
        for action in state.changed(change) {
            if case .deliver(let delivered, let from) = action, delivered.version == change.version {
                let to = Cursor(epoch: from.epoch, place: Place(user: change.version, shared: from.place.shared))
                write(frame(from, to))
            } else {
                perform([action])
            }
        }
        hurry()
    }

    /// - Parameter tail: of the frame, which is the same for all.
    func changed(_ changes: SharedChanges, tail: ByteBuffer) {
        guard !isClosing else { return }
        let (step, actions) = state.changed(sharedFrom: changes.previous, to: changes.version)
        if let step {
            write(ServerMessage.changes(from: step.from, to: step.to, tail: tail))
            flush()
        }
        perform(actions)
    }

    func hinted(user: Version, shared: Version) {
        guard !isClosing else { return }
        perform(state.hinted(user: user, shared: shared))
        if user > 0 { hurry() }
    }

    /// What waits its turn to read what all users share waits no longer once there is something of the user's own.
    private func hurry() {
        if state.isPulling, state.isForOwn { shard.hurry(self) }
    }

    func restored() {
        guard !isClosing else { return }
        perform(state.restored())
    }

    /// Its turn has come. Returns from where to read.
    func pullBegins() -> Cursor? { state.pullBegins() }

    /// Whether what is read from there could be sent. A snapshot is read in vain where what was read before is not taken; and
    /// what found no room once is not read again before it has some.
    func hasRoom(from cursor: Cursor?) -> Bool {
        guard let caller else { return false }
        guard wanted > 0 else { return cursor != nil || hub.needs.unsent.hasRoom(for: caller.user) }
        room = hub.needs.unsent.take(wanted, for: caller.user, orEnd: nil)
        return room != nil
    }

    func pulled(_ pull: Pull) {
        var room = room.take()
        guard !isClosing, let caller else { return }
        guard state.isWanted else { return perform(state.pulled(pull).actions) }
        // A frame is large where a replica is; how many of them wait for their readers is bounded. Who reads slowly is not cut
        // off for it: only a minute without a byte taken ends a socket.
        let frame = pull.hasDocuments ? ServerMessage.changes(pull, mutationIDs: state.ids(upTo: pull)) : nil
        let size = frame?.readableBytes ?? 0
        if size > room?.bytes ?? UnsentBudget.small {
            room = nil
            room = hub.needs.unsent.take(size, for: caller.user, orEnd: nil)
            guard room != nil else {
                wanted = size
                return shard.again(self)
            }
        }
        wanted = 0
        let (ids, actions) = state.pulled(pull)
        if let ids { write(frame ?? ServerMessage.changes(pull, mutationIDs: ids), holding: room) }
        payOwed()
        perform(actions)
        flush()
    }

    func pullFailed() {
        room = nil
        guard !isClosing else { return }
        perform(state.pullFailed())
    }

    private func perform(_ actions: [SocketState.Action]) {
        for action in actions {
            switch action {
            case .pull: shard.pull(self, isForOwn: state.isForOwn)
            case .pullSoon:
                line?.eventLoop?.scheduleTask(in: .milliseconds(3)) { [weak self] in
                    guard let self, !isClosing else { return }
                    perform(state.waited())
                }
            case .sendResults(let frame):
                send(results: frame)
                line?.eventLoop?.execute { self.resume() }
            case .loseResults:
                // The database is another one now, and may not know what they say: the client sends it again.
                write(ServerMessage.error(.unavailable()))
                line?.eventLoop?.execute { self.resume() }
            case .deliver(let change, let from):
                let to = Cursor(epoch: from.epoch, place: Place(user: change.version, shared: from.place.shared))
                write(ServerMessage.changes(change, from: from, to: to, time: hub.needs.clock.now()))
            }
        }
    }

    /// Tells who is there, now or when it can be told.
    func tell(presence frame: ByteBuffer) {
        guard !isClosing else { return }
        owed.presence = frame
        payOwed()
        flush()
    }

    /// Results that tell of conflicts carry what stands, up to megabytes. Where there is no room for them the client is told to
    /// send the push again: it finds it done.
    private func send(results frame: ByteBuffer) {
        guard frame.readableBytes > UnsentBudget.small, let caller else { return write(frame) }
        let room = hub.needs.unsent.take(frame.readableBytes, for: caller.user, orEnd: nil)
        write(room == nil ? ServerMessage.error(.unavailable()) : frame, holding: room)
    }

    private func write(_ text: ByteBuffer) { line?.write(.text, text) }

    /// Its room is given back once the kernel has taken it, or the client is gone.
    private func write(_ text: ByteBuffer, holding room: UnsentBudget.Place?) {
        guard let room, let promise = line?.eventLoop?.makePromise(of: Void.self) else { return write(text) }
        promise.futureResult.whenComplete { _ in room.release() }
        line?.write(.text, text, promise: promise)
    }

    func flush() { line?.flush() }

    // MARK: The clock

    func tick(_ now: NIODeadline) { line?.tick(now) }

    /// A session that is in use goes on, also where nobody connects anew for a month. Written once a day.
    /// - Returns: whether it is being moved now.
    func renew(until expires: Timestamp, now: Timestamp) -> Bool {
        guard !renewing, var caller, let loop = line?.eventLoop, expires < hub.needs.sessions.renewed(before: now)
        else { return false }
        renewing = true
        caller.expires = expires
        let (needs, asking) = (hub.needs, caller)
        loop.makeFutureWithTask { try await needs.sessions.slide(asking) }.whenComplete { _ in self.renewing = false }
        return true
    }
}
