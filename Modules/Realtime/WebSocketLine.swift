package import NIOCore
package import NIOWebSocket

/// Who speaks over a socket. All of it is called on the channel's loop.
package protocol Conversation: AnyObject {
    /// The socket is open; `line` can be spoken into until `ended`.
    func began(on line: WebSocketLine)
    /// A whole message; `opcode` says whether it is text.
    func heard(_ message: ByteBuffer, _ opcode: WebSocketOpcode)
    /// Whether the client takes what is written.
    func writable(_ isWritable: Bool)
    /// Called once: nothing is heard any more, and nothing of what is written arrives.
    func ended()
}

/// One WebSocket as the RFC has it: a channel handler behind NIO's frame codec. It judges frames (`FrameRules`), answers
/// pings, closes, and cuts off who does not live; what the messages mean is its conversation's business.
/// `@unchecked`: a channel handler is touched on its channel's loop only.
package final class WebSocketLine: ChannelInboundHandler, @unchecked Sendable {
    package typealias InboundIn = WebSocketFrame
    package typealias OutboundOut = WebSocketFrame

    package struct Limits: Sendable {
        package var ping: TimeAmount = .seconds(25)
        /// Without a frame from the client, and without a byte taken by it.
        var silence: TimeAmount = .seconds(60)
        /// For the rest of a message that was begun.
        package var message: TimeAmount = .seconds(30)
        /// Whether who says very much is listened to more slowly.
        package var isPaced = true
        /// Who goes on sending after the end is cut off after so many bytes.
        var afterTheEnd = 262_144
        package init() {}
    }

    private let limits: Limits
    private let valve: InboundValve
    private var conversation: (any Conversation)?
    private var rules: FrameRules
    private var context: ChannelHandlerContext?
    /// It has said its close, or lost its client: whatever still comes is dropped.
    private(set) var isClosing = false
    private var afterTheEnd = 0
    /// Only the latest of what could not be answered at once is (RFC 6455, 5.5.3).
    private var owedPong: ByteBuffer?
    /// When the client last took a byte, or had taken all.
    private var taken = NIODeadline.now()
    private var heard = NIODeadline.now()
    private var pinged = NIODeadline.now()
    private var messageBegan: NIODeadline?
    private var unwritten = 0
    /// In sixteenths of a message: 4,000 at once and then 200 a second, of small ones.
    private var pace = Pace(most: 64_000, perSecond: 3_200)
    private var isHeld = false
    private var isPaused = false

    /// How large messages may be from now on, in bytes.
    func takes(atMost bytes: Int) { rules.largestMessage = bytes }

    init(_ conversation: any Conversation, limits: Limits, rules: FrameRules = FrameRules(), valve: InboundValve) {
        self.conversation = conversation
        self.limits = limits
        self.rules = rules
        self.valve = valve
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        valve.becomeSocket()
        conversation?.began(on: self)
    }

    package func handlerRemoved(context: ChannelHandlerContext) { leave() }

    package func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    private func leave() {
        isClosing = true
        end()
        context = nil
    }

    private func end() {
        let ending = conversation
        conversation = nil
        ending?.ended()
    }

    // MARK: From the client

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard !isClosing else { return drop(context, frame) }
        heard = .now()
        let event = rules.receive(frame)
        messageBegan = rules.isInsideMessage ? messageBegan ?? heard : nil
        var cost = 1
        switch event {
        case .message(let message)?:
            cost = 16 + message.readableBytes / 128
            conversation?.heard(message, rules.opcode)
        case .ping(let data)?:
            if context.channel.isWritable { cost = 16 }
            answer(pong: data)
        case .pong?, nil: break
        case .close(let code)?: close(code ?? CloseCode.normal.rawValue)
        case .violation(let code)?: close(code)
        }
        if limits.isPaced, !isClosing, let wait = pace.spend(cost, now: heard) { pause(wait) }
    }

    /// Behind the end only the client's own close counts, and that the socket is not used as a drain for ever.
    private func drop(_ context: ChannelHandlerContext, _ frame: WebSocketFrame) {
        afterTheEnd += frame.length + 6
        let hasAnswered = frame.opcode == .connectionClose && buffered == 0
        if hasAnswered || afterTheEnd > limits.afterTheEnd { context.close(promise: nil) }
    }

    /// Listens to nobody for a while: who floods waits, and not those who share the loop.
    private func pause(_ time: TimeAmount) {
        guard !isPaused, let context else { return }
        isPaused = true
        valve.set(open: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: time) {
            self.isPaused = false
            self.setReading()
        }
    }

    /// Reads nothing more until it is let go; what is decoded already still comes.
    package func hold(_ isHeld: Bool) {
        guard isHeld != self.isHeld else { return }
        self.isHeld = isHeld
        setReading()
    }

    private func setReading() {
        let reading = !isHeld && !isPaused
        if reading { heard = .now() }
        valve.set(open: reading || isClosing)
    }

    private func answer(pong data: ByteBuffer) {
        guard isWritable else { return owedPong = data }
        write(.pong, data)
        flush()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is FrameLengths.Forbidden: close(.protocolError)
        case NIOWebSocketError.invalidFrameLength: close(.tooBig)
        case NIOWebSocketError.fragmentedControlFrame, NIOWebSocketError.multiByteControlFrameLength:
            close(.protocolError)
        default: context.close(promise: nil)
        }
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: context.close(promise: nil)
        case is ChannelShouldQuiesceEvent: close(.goingAway)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let data = owedPong {
            owedPong = nil
            write(.pong, data)
        }
        conversation?.writable(context.channel.isWritable)
        flush()
        context.fireChannelWritabilityChanged()
    }

    // MARK: To the client

    package var isWritable: Bool { context?.channel.isWritable ?? false }
    package var eventLoop: (any EventLoop)? { context?.eventLoop }

    /// Bytes that were written and that the kernel has not taken.
    private var buffered: Int { (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }

    package func write(_ opcode: WebSocketOpcode = .text, _ data: ByteBuffer, promise: EventLoopPromise<Void>? = nil) {
        guard let context, !isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, data: data)), promise: promise)
    }

    package func flush() { context?.flush() }

    package func close(_ code: CloseCode) { close(code.rawValue) }

    /// Says why and ends; a client that does not take it is cut off.
    private func close(_ code: UInt16) {
        guard !isClosing, let context else { return }
        isClosing = true
        var body = context.channel.allocator.buffer(capacity: 2)
        body.writeInteger(code)
        let channel = context.channel
        context.writeAndFlush(
            wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: body)), promise: nil)
        // The client closes its side on reading that; who does not within 3 s, or cannot be written to, is cut off.
        channel.close(mode: .output, promise: nil)
        context.eventLoop.scheduleTask(in: .seconds(3)) { channel.close(promise: nil) }
        // Its own close must be heard.
        valve.set(open: true)
        end()
    }

    // MARK: The clock

    func tick(_ now: NIODeadline) {
        guard context != nil, !isClosing else { return }
        let left = buffered
        // Bytes that were taken are a sign of life too: a slow client of a long frame is not dead. Nor is one that we do not
        // listen to just now.
        if left < unwritten || left == 0 { taken = now }
        if left < unwritten || isHeld || isPaused { heard = now }
        unwritten = left
        if now - heard > limits.silence || now - taken > limits.silence { return close(.noSignOfLife) }
        if let began = messageBegan, now - began > limits.message { return close(.noSignOfLife) }
        if now - pinged > limits.ping {
            pinged = now
            write(.ping, ByteBuffer())
            flush()
        }
    }
}
