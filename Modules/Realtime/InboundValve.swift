import NIOCore

/// The first handler of a connection: hands on what comes in small pieces, and none while it is shut. Then nothing more is
/// read either, so that what a client sends waits with the client, and not here as thousands of decoded requests or frames.
/// `@unchecked`: touched on the channel's loop only.
final class InboundValve: ChannelDuplexHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer

    /// How much is handed on at once. A request may have 24 bytes, and costs a kilobyte once it is decoded.
    private var piece = 2_048
    private var isSocket = false
    private var isOpen = true
    /// What was read and not handed on.
    private var held: ByteBuffer?
    private var wantsRead = false
    /// The client said its last, and that comes behind what is held.
    private var hasLeft = false
    private var isPassing = false
    private var isPlanned = false
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { drop() }

    /// It carries frames from now on, and who reads slowly is another's concern. So little is read at once that the other
    /// connections of the loop have their turn, whatever this one sends: a loop that is given tasks instead does not come back
    /// to its connections before it has done them all.
    func becomeSocket() {
        piece = .max
        isSocket = true
        let options = context?.channel.syncOptions
        try? options?.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4_096))
        try? options?.setOption(.maxMessagesPerRead, value: 1)
        set(open: true)
    }

    func set(open: Bool) {
        isOpen = open
        if open, held != nil { plan() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard held != nil else {
            held = unwrapInboundIn(data)
            return pass()
        }
        var more = unwrapInboundIn(data)
        held?.writeBuffer(&more)
    }

    func read(context: ChannelHandlerContext) {
        if held == nil { context.read() } else { wantsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if held != nil { plan() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event, held != nil {
            hasLeft = true
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        drop()
        context.fireChannelInactive()
    }

    private func drop() {
        held = nil
        context = nil
    }

    /// Not at once: who opens it is in the middle of something.
    private func plan() {
        guard !isPlanned, !isPassing, let context else { return }
        isPlanned = true
        context.eventLoop.execute {
            self.isPlanned = false
            self.pass()
        }
    }

    private func pass() {
        guard !isPassing, !isPlanned else { return }
        isPassing = true
        // Answers that are not taken are a reason too to ask nothing more.
        while isOpen, let context, isSocket || context.channel.isWritable, var bytes = held,
            let part = bytes.readSlice(length: min(piece, bytes.readableBytes))
        {
            held = bytes.readableBytes > 0 ? bytes : nil
            context.fireChannelRead(wrapInboundOut(part))
            context.fireChannelReadComplete()
        }
        isPassing = false
        guard held == nil, let context else { return }
        if hasLeft {
            hasLeft = false
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
        if wantsRead {
            wantsRead = false
            context.read()
        }
    }
}
