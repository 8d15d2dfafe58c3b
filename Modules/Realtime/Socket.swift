import API
import DequeModule
import FoundationEssentials
import Logging
import NIOCore
import NIOWebSocket
import Sync

/// One WebSocket: a channel handler behind NIO's frame codec. It judges frames (`FrameRules`), keeps the place of its client
/// (`SocketState`) and does what they say; it lives on its channel's event loop.
/// `@unchecked`: a channel handler is touched on its channel's loop only.
final class Socket: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let hub: Hub
    private let shard: HubShard
    private(set) var caller: Caller?
    private let opening: RealtimeAdmission
    private let requested: Cursor?
    private var rules = FrameRules()
    private var state = SocketState()
    private var context: ChannelHandlerContext?
    private var admitted = false
    private var closing = false
    var isClosing: Bool { closing }
    private var authenticating = false
    private var pushing = false
    /// What had been decoded already when reading was turned off: it waits its turn.
    private var backlog: Deque<ByteBuffer> = []
    /// What could not be written yet: only the latest of each kind is owed (for pongs RFC 6455, 5.5.3).
    private var owed: (pong: ByteBuffer?, text: ByteBuffer?, presence: ByteBuffer?)
    /// When the client last took a byte, or had taken all.
    private var taken = NIODeadline.now()
    private var heard = NIODeadline.now()
    private var pinged = NIODeadline.now()
    private var messageBegan: NIODeadline?
    private var unwritten = 0
    private var isReading = true
    private let opened = NIODeadline.now()

    init(hub: Hub, shard: HubShard, admission: RealtimeAdmission, cursor: Cursor?) {
        self.hub = hub
        self.shard = shard
        opening = admission
        requested = cursor
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        switch opening {
        case .caller(let caller): begin(caller)
        case .badToken: close(.signedOut)
        case .anonymous, .refused, .unavailable:
            context.eventLoop.scheduleTask(in: hub.limits.authentication) { [weak self] in
                guard let self, caller == nil, !authenticating else { return }
                close(.signedOut)
            }
        }
    }

    private func begin(_ caller: Caller) {
        guard !closing, self.caller == nil else { return }
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

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    private func leave() {
        closing = true
        if admitted, let caller {
            admitted = false
            shard.remove(self, of: caller.user)
            hub.leave(caller)
        }
        context = nil
    }

    // MARK: From the client

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heard = .now()
        let event = rules.receive(unwrapInboundIn(data))
        messageBegan = rules.isInsideMessage ? messageBegan ?? .now() : nil
        switch event {
        case .text(let message)?:
            backlog.append(message)
            resume()
        case .ping(let data)?: answer(pong: data)
        case .pong?, nil: break
        case .close(let code)?: close(code.flatMap(CloseCode.init(rawValue:)) ?? .normal)
        case .violation(let code)?: close(code)
        }
    }

    /// One thing at a time: while a sign-in or a push is under way, and until its results have left, nothing more is read
    /// from this client, and what came in the same packet waits.
    private var isBusy: Bool { authenticating || pushing || state.holdsResults }

    /// Goes on with what waits; a client that says more than is ever read at once is none of ours.
    private func resume() {
        while !closing, !isBusy, let message = backlog.popFirst() { understand(message) }
        if backlog.count > 1_024 { close(.badMessage) }
        if !closing, !isBusy { setReading(true) }
    }

    private func understand(_ message: ByteBuffer) {
        guard !closing, let message = ClientMessage(message) else { return close(.badMessage) }
        guard let caller else {
            guard case .auth(let token) = message else { return close(.signedOut) }
            return authenticate(token)
        }
        switch message {
        case .auth: break
        case .ping(let t): answer(text: ServerMessage.pong(t))
        case .sync(let text): perform(state.resync(to: text.flatMap { Cursor($0) }))
        case .push(let json): push(json, caller)
        }
    }

    private func authenticate(_ token: String) {
        guard let context else { return }
        authenticating = true
        setReading(false)
        let needs = hub.needs
        context.eventLoop.makeFutureWithTask { try await needs.authenticate(token) }.whenComplete { result in
            self.authenticating = false
            switch result {
            case .success(let caller?): self.begin(caller)
            case .success(nil): self.close(.signedOut)
            case .failure(let error):
                self.write(ServerMessage.error(error as? Problem ?? .internalError))
                self.close(.goingAway)
            }
            self.resume()
        }
    }

    private func push(_ json: JSON, _ caller: Caller) {
        guard let context else { return }
        pushing = true
        setReading(false)
        let needs = hub.needs
        context.eventLoop.makeFutureWithTask { try await needs.push(json, caller) }.whenComplete { result in
            self.pushing = false
            guard !self.closing else { return }
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

    private func answer(pong data: ByteBuffer) {
        guard let context, context.channel.isWritable else { return owed.pong = data }
        writeFrame(.pong, data)
        flush()
    }

    private func answer(text frame: ByteBuffer) {
        guard let context, context.channel.isWritable else { return owed.text = frame }
        write(frame)
        flush()
    }

    private func payOwed() {
        guard let context, context.channel.isWritable else { return }
        if let data = owed.pong { writeFrame(.pong, data) }
        if let frame = owed.text { write(frame) }
        (owed.pong, owed.text) = (nil, nil)
        // Who is there is told behind the first changes.
        guard let frame = owed.presence, state.cursor != nil else { return }
        owed.presence = nil
        write(frame)
    }

    private func setReading(_ reading: Bool) {
        guard let channel = context?.channel else { return }
        guard reading != isReading else { return }
        isReading = reading
        _ = channel.setOption(.autoRead, value: reading)
        if reading {
            heard = .now()
            channel.read()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error as? NIOWebSocketError {
        case .invalidFrameLength?: close(.tooBig)
        case .fragmentedControlFrame?, .multiByteControlFrameLength?: close(.protocolError)
        default: context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: context.close(promise: nil)
        case is ChannelShouldQuiesceEvent: close(.goingAway)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        payOwed()
        perform(state.writability(context.channel.isWritable))
        flush()
        context.fireChannelWritabilityChanged()
    }

    // MARK: To the client

    /// - Parameter frame: makes (or finds) the frame of this change for who stands at the first cursor.
    func changed(_ change: Change, frame: (Cursor, Cursor) -> ByteBuffer) {
        guard !closing else { return }
        for action in state.changed(change) {
            if case .deliver(let delivered, let from) = action, delivered.version == change.version {
                let to = Cursor(epoch: from.epoch, place: Place(user: change.version, shared: from.place.shared))
                write(frame(from, to))
            } else {
                perform([action])
            }
        }
    }

    func hinted(user: Version, shared: Version) {
        guard !closing else { return }
        perform(state.hinted(user: user, shared: shared))
    }

    func restored() {
        guard !closing else { return }
        perform(state.restored())
    }

    func pulled(_ pull: Pull) {
        guard !closing else { return }
        let (ids, actions) = state.pulled(pull)
        if let ids { write(ServerMessage.changes(pull, mutationIDs: ids)) }
        payOwed()
        perform(actions)
        flush()
    }

    func pullFailed() {
        guard !closing else { return }
        perform(state.pullFailed())
    }

    private func perform(_ actions: [SocketState.Action]) {
        for action in actions {
            switch action {
            case .pull(let cursor): shard.pull(self, since: cursor)
            case .pullSoon:
                context?.eventLoop.scheduleTask(in: .milliseconds(3)) { [weak self] in
                    guard let self, !closing else { return }
                    perform(state.waited())
                }
            case .sendResults(let frame):
                write(frame)
                context?.eventLoop.execute { self.resume() }
            case .deliver(let change, let from):
                let to = Cursor(epoch: from.epoch, place: Place(user: change.version, shared: from.place.shared))
                write(ServerMessage.changes(change, from: from, to: to, time: hub.needs.clock.now()))
            }
        }
    }

    /// Tells who is there, now or when it can be told.
    func tell(presence frame: ByteBuffer) {
        guard !closing else { return }
        owed.presence = frame
        payOwed()
        flush()
    }

    private func write(_ text: ByteBuffer) { writeFrame(.text, text) }

    private func writeFrame(_ opcode: WebSocketOpcode, _ data: ByteBuffer) {
        guard let context, !closing || opcode == .connectionClose else { return }
        context.write(wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, data: data)), promise: nil)
    }

    func flush() { context?.flush() }

    /// Says why and ends; a client that does not take it is cut off.
    func close(_ code: CloseCode) {
        guard !closing, let context else { return }
        closing = true
        var body = context.channel.allocator.buffer(capacity: 2)
        body.writeInteger(code.rawValue)
        let channel = context.channel
        context.writeAndFlush(
            wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: body)), promise: nil)
        // The client closes its side on reading that; who does not within 3 s, or cannot be written to, is cut off.
        channel.close(mode: .output, promise: nil)
        context.eventLoop.scheduleTask(in: .seconds(3)) { channel.close(promise: nil) }
        if let caller, admitted {
            admitted = false
            shard.remove(self, of: caller.user)
            hub.leave(caller)
        }
    }

    // MARK: The clock

    func tick(_ now: NIODeadline) {
        guard let context, !closing else { return }
        let left = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        // Bytes that were taken are a sign of life too: a slow client of a long frame is not dead. Nor is one that we do not
        // listen to just now.
        if left < unwritten || left == 0 { taken = now }
        if left < unwritten || isBusy { heard = now }
        unwritten = left
        if now - heard > hub.limits.silence || now - taken > hub.limits.silence { return close(.noSignOfLife) }
        if let began = messageBegan, now - began > hub.limits.message { return close(.noSignOfLife) }
        if now - pinged > hub.limits.ping {
            pinged = now
            writeFrame(.ping, ByteBuffer())
            flush()
        }
    }
}
