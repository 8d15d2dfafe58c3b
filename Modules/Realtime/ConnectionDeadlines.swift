import API
import HTTPTypes
package import NIOCore
import NIOHTTPTypes

/// What is demanded of a connection before a request has been read.
package struct ConnectionLimits: Sendable {
    /// Bytes of a request's head.
    package var head = 16_384
    /// Bytes of a body, whoever takes it or does not: twice the largest that is taken.
    package var body = 2_097_152
    /// From a head's first byte (or the connection's opening) to its last.
    var headTime: TimeAmount = .seconds(30)
    /// From a head to the end of its body.
    var bodyTime: TimeAmount = .seconds(60)
    /// Between an answer and the next request.
    package var idle: TimeAmount = .seconds(75)
    /// Without a byte of an answer taken.
    package var progress: TimeAmount = .seconds(30)
    /// From the last answer to the end, for what is still coming in.
    package var farewell: TimeAmount = .seconds(3)
    /// Bytes of a connection that are taken in only to be dropped.
    var dropped = 8_388_608
    package init() {}

    /// How often it is looked at whether an answer is taken.
    var glance: TimeAmount { .nanoseconds(progress.nanoseconds / 3) }

    /// Of one that came when there was hardly a place left: it asks at once, is answered, and goes.
    static var late: ConnectionLimits {
        var limits = ConnectionLimits()
        (limits.headTime, limits.bodyTime, limits.idle, limits.progress) =
            (.seconds(3), .seconds(3), .seconds(1), .seconds(3))
        limits.farewell = .zero
        return limits
    }
}

/// Cuts a connection off that does not finish a head or a body in time, or is idle too long. Two handlers share it: one
/// before the decoder sees bytes come, one behind it sees what they became. One timer, moved on only when it fires.
/// `@unchecked`: touched on the channel's loop only.
final class ConnectionDeadlines: @unchecked Sendable {
    private enum Phase {
        case head, body, answer, idle, leaving
    }

    private let limits: ConnectionLimits
    private var phase = Phase.head
    private var deadline: NIODeadline
    private var timer: Scheduled<Void>?
    private var isOver = false
    /// Of the answer: what the client had not taken when it was looked at last, and since when.
    private var unsent = 0
    private var taken = NIODeadline.now()
    private var line = HeadLine()
    private var hasLeft = false
    private var context: ChannelHandlerContext?
    /// Called when nothing is answered any more.
    var leaving: () -> Void = {}

    /// Whether the first line of a head is most of what a head may be.
    var isTargetLong: Bool { line.target > limits.head / 2 }

    init(_ limits: ConnectionLimits) {
        self.limits = limits
        deadline = .now() + limits.headTime
    }

    var bytes: Bytes { Bytes(self) }
    var parts: Parts { Parts(self) }

    /// It became a socket, which has rules of its own.
    func end(_ channel: any Channel) {
        isOver = true
        timer?.cancel()
    }

    /// Says that nothing more comes, and drops for a little while what is still on its way: who closes with bytes unread resets
    /// the connection, and the client may lose the answer that it has not read yet (RFC 9112, 9.6).
    func leave() {
        guard !isOver, phase != .leaving, let context else { return }
        guard !hasLeft, limits.farewell > .zero else { return cut(context.channel) }
        enter(.leaving, within: limits.farewell)
        timer?.cancel()
        watch(context.channel)
        context.channel.close(mode: .output, promise: nil)
        leaving()
        context.read()
    }

    private func cut(_ channel: any Channel) {
        end(channel)
        channel.close(promise: nil)
    }

    private func watch(_ channel: any Channel) {
        guard !isOver else { return }
        timer = channel.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            guard !self.isOver else { return }
            let now = NIODeadline.now()
            if self.phase == .answer {
                if self.isStalled(channel, now) { return channel.close(promise: nil) }
                self.deadline = max(self.deadline, now + self.limits.glance)
            } else if self.deadline <= now {
                return self.cut(channel)
            }
            self.watch(channel)
        }
    }

    /// Whether the client has taken nothing of the answer for too long. While it is only being worked on, nothing is owed.
    private func isStalled(_ channel: any Channel, _ now: NIODeadline) -> Bool {
        let left = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        if left == 0 || left < unsent { taken = now }
        unsent = left
        return now - taken > limits.progress
    }

    /// Bytes were taken, or an answer is too much to be taken at once: from now on it is looked at more often.
    private func writabilityChanged(_ channel: any Channel) {
        taken = .now()
        guard !channel.isWritable, phase == .answer else { return }
        timer?.cancel()
        deadline = .now() + limits.glance
        watch(channel)
    }

    private func enter(_ phase: Phase, within time: TimeAmount) {
        guard self.phase != .leaving else { return }
        self.phase = phase
        deadline = .now() + time
    }

    /// Before the decoder.
    final class Bytes: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer
        private let deadlines: ConnectionDeadlines
        private var dropped = 0

        init(_ deadlines: ConnectionDeadlines) { self.deadlines = deadlines }

        func handlerAdded(context: ChannelHandlerContext) {
            deadlines.context = context
            deadlines.watch(context.channel)
        }

        func handlerRemoved(context: ChannelHandlerContext) { deadlines.context = nil }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch deadlines.phase {
            case .leaving:
                dropped += unwrapInboundIn(data).readableBytes
                if dropped > deadlines.limits.dropped { deadlines.cut(context.channel) }
                return
            case .idle:
                deadlines.enter(.head, within: deadlines.limits.headTime)
                deadlines.timer?.cancel()
                deadlines.watch(context.channel)
            case .head, .body, .answer: break
            }
            if !deadlines.isOver { deadlines.line.take(unwrapInboundIn(data).readableBytesView) }
            context.fireChannelRead(data)
        }

        /// Nobody further on asks for what is dropped.
        func channelReadComplete(context: ChannelHandlerContext) {
            if deadlines.phase == .leaving { context.read() } else { context.fireChannelReadComplete() }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed = event {
                deadlines.hasLeft = true
                if deadlines.phase == .leaving { deadlines.cut(context.channel) }
            }
            context.fireUserInboundEventTriggered(event)
        }

        /// Who is done further on does not end a farewell.
        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            guard mode == .all, deadlines.phase == .leaving, !deadlines.isOver else {
                return context.close(mode: mode, promise: promise)
            }
            context.channel.closeFuture.cascade(to: promise)
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            if !deadlines.isOver { deadlines.writabilityChanged(context.channel) }
            context.fireChannelWritabilityChanged()
        }

        func channelInactive(context: ChannelHandlerContext) {
            deadlines.end(context.channel)
            context.fireChannelInactive()
        }
    }

    /// Behind the decoder.
    final class Parts: ChannelDuplexHandler {
        typealias InboundIn = HTTPRequestPart
        typealias InboundOut = HTTPRequestPart
        typealias OutboundIn = HTTPResponsePart
        typealias OutboundOut = HTTPResponsePart
        private let deadlines: ConnectionDeadlines
        /// The answer says that the connection ends with it, such as after a body that is not read to its end.
        private var closes = false
        /// Of each request that is not answered yet, in order: whether its client waits to be told to send the body.
        private var awaits: [Bool] = []
        /// Bytes of the body that is coming in.
        private var taken = 0
        /// It is too much to be taken in to its end.
        private var isTooLong: Bool { taken > deadlines.limits.body }

        init(_ deadlines: ConnectionDeadlines) { self.deadlines = deadlines }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                deadlines.enter(.body, within: deadlines.limits.bodyTime)
                closes = false
                taken = 0
                awaits.append(head.awaitsContinue)
            case .body(let bytes):
                if !awaits.isEmpty { awaits[awaits.count - 1] = false }
                // Who reads a body refuses it long before; one that nobody reads is not taken in without end, and its client
                // still hears the answer.
                taken += bytes.readableBytes
                if taken > deadlines.limits.dropped { return context.close(promise: nil) }
                if isTooLong { return awaits.isEmpty ? deadlines.leave() : () }
            case .end: deadlines.enter(.answer, within: deadlines.limits.glance)
            }
            context.fireChannelRead(data)
        }

        /// Somebody begins to read the body of the request whose turn it is: who asked whether to send it is told to. Who is
        /// refused before that is not.
        func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
            guard event is BodyWanted else { return context.triggerUserOutboundEvent(event, promise: promise) }
            if awaits.first == true {
                awaits[0] = false
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            promise?.succeed()
        }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            switch unwrapOutboundIn(data) {
            case .head(var head):
                // Whether a body follows that was not asked for, nobody knows (RFC 9110, 10.1.1).
                if awaits.first == true || isTooLong && awaits.count == 1 { head.headerFields[.connection] = "close" }
                closes = head.headerFields[.connection] == "close"  // ours: the answer
                context.write(wrapOutboundOut(.head(head)), promise: promise)
            case .body: context.write(data, promise: promise)
            case .end:
                // The next request's time begins when the answer has been taken, not when it was put into the buffer.
                let written = promise ?? context.eventLoop.makePromise()
                let (deadlines, closes) = (deadlines, closes || isTooLong && awaits.count == 1)
                written.futureResult.assumeIsolated().whenSuccess {
                    if closes { return deadlines.leave() }
                    if case .answer = deadlines.phase { deadlines.enter(.idle, within: deadlines.limits.idle) }
                }
                context.write(data, promise: written)
                if !awaits.isEmpty { awaits.removeFirst() }
            }
        }
    }
}
