import HTTPTypes
package import NIOCore
import NIOHTTPTypes

/// What is demanded of a connection before a request has been read.
package struct ConnectionLimits: Sendable {
    /// Bytes of a request's head.
    package var head = 16_384
    /// From a head's first byte (or the connection's opening) to its last.
    package var headTime: TimeAmount = .seconds(30)
    /// From a head to the end of its body.
    package var bodyTime: TimeAmount = .seconds(60)
    /// Between an answer and the next request.
    package var idle: TimeAmount = .seconds(75)
    package init() {}
}

/// Cuts a connection off that does not finish a head or a body in time, or is idle too long. Two handlers share it: one
/// before the decoder sees bytes come, one behind it sees what they became. One timer, moved on only when it fires.
/// `@unchecked`: touched on the channel's loop only.
final class ConnectionDeadlines: @unchecked Sendable {
    private enum Phase {
        case head, body, answer, idle
    }

    private let limits: ConnectionLimits
    private var phase = Phase.head
    private var deadline: NIODeadline
    private var timer: Scheduled<Void>?
    private var isOver = false

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

    private func watch(_ channel: any Channel) {
        guard !isOver else { return }
        timer = channel.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            guard !self.isOver, self.phase != .answer || self.deadline > .now() else {
                if !self.isOver {
                    self.deadline = .now() + self.limits.idle
                    self.watch(channel)
                }
                return
            }
            if self.deadline <= .now() { channel.close(promise: nil) } else { self.watch(channel) }
        }
    }

    private func enter(_ phase: Phase, within time: TimeAmount) {
        self.phase = phase
        deadline = .now() + time
    }

    /// Before the decoder.
    final class Bytes: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let deadlines: ConnectionDeadlines

        init(_ deadlines: ConnectionDeadlines) { self.deadlines = deadlines }

        func handlerAdded(context: ChannelHandlerContext) { deadlines.watch(context.channel) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if case .idle = deadlines.phase {
                deadlines.enter(.head, within: deadlines.limits.headTime)
                deadlines.timer?.cancel()
                deadlines.watch(context.channel)
            }
            context.fireChannelRead(data)
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

        init(_ deadlines: ConnectionDeadlines) { self.deadlines = deadlines }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                deadlines.enter(.body, within: deadlines.limits.bodyTime)
                closes = false
                // Whoever asks first whether he may send his body is told to: what is wrong with it is told then.
                if head.headerFields[.expect]?.lowercased() == "100-continue" {
                    context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
                }
            case .body: break
            case .end: deadlines.enter(.answer, within: deadlines.limits.idle)
            }
            context.fireChannelRead(data)
        }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            switch unwrapOutboundIn(data) {
            case .head(let head):
                closes = head.headerFields[.connection] == "close"
                context.write(data, promise: promise)
            case .body: context.write(data, promise: promise)
            case .end:
                // The next request's time begins when the answer has been taken, not when it was put into the buffer.
                let written = promise ?? context.eventLoop.makePromise()
                let (deadlines, closes, channel) = (deadlines, closes, context.channel)
                written.futureResult.assumeIsolated().whenSuccess {
                    if closes { return channel.close(promise: nil) }
                    if case .answer = deadlines.phase { deadlines.enter(.idle, within: deadlines.limits.idle) }
                }
                context.write(data, promise: written)
            }
        }
    }
}
