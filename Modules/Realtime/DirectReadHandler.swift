import API
import Foundation
import HTTPTypes
import Metrics
import NIOCore
import NIOHTTPTypes

/// Answers what `DirectReads` takes, in front of the router's part of a connection, and passes on everything else. A request waits
/// here until its answer is there; then it is answered, or goes on to the router as if it had just come. While the router owes
/// an answer everything goes on to it, so that answers come in the order of their questions.
/// `@unchecked`: touched on the channel's loop only.
final class DirectReadHandler: ChannelDuplexHandler, @unchecked Sendable {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart
    private typealias Question = @Sendable (@escaping DirectRead.Reply) -> Void

    private enum State {
        case idle
        /// A head that can be answered here, if its end is next.
        case held(HTTPRequest, Question)
        /// It was asked; what came behind it (of the 2 KiB that are handed on at once), and whether the client said its last.
        case asked(HTTPRequest, then: [HTTPRequestPart], hasLeft: Bool)
        case over
    }

    private let reads: DirectReads
    private var state = State.idle
    /// Of requests that went on to the router.
    private var unanswered = 0
    private var isPassing = false
    private var date = (text: "", second: 0)
    private let answered = Counter(label: "lockstep_direct_reads")

    init(_ reads: DirectReads) {
        self.reads = reads
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(context, unwrapInboundIn(data))
    }

    private func take(_ context: ChannelHandlerContext, _ part: HTTPRequestPart) {
        switch (state, part) {
        case (.idle, .head(let head)) where unanswered == 0 && !isPassing:
            guard let question = reads.question(head) else { return pass(context, part) }
            state = .held(head, question)
        case (.held(let head, let question), .end):
            state = .asked(head, then: [], hasLeft: false)
            begin(context, question)
        case (.held(let head, _), _):
            state = .idle
            pass(context, .head(head))
            pass(context, part)
        case (.asked(let head, let parts, let hasLeft), _):
            state = .asked(head, then: parts + [part], hasLeft: hasLeft)
        case (.idle, _): pass(context, part)
        case (.over, _): break
        }
    }

    private func pass(_ context: ChannelHandlerContext, _ part: HTTPRequestPart) {
        switch part {
        case .head:
            unanswered += 1
            isPassing = true
        case .body: break
        case .end: isPassing = false
        }
        context.fireChannelRead(wrapInboundOut(part))
    }

    private func begin(_ context: ChannelHandlerContext, _ question: Question) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let loop = context.eventLoop
        question { answer in
            loop.execute { self.answer(bound.value, answer()) }
        }
    }

    private func answer(_ context: ChannelHandlerContext, _ answer: DirectAnswer?) {
        guard case .asked(let head, let parts, let hasLeft) = state else { return }
        state = .idle
        if let answer {
            var (response, body) = reads.complete(
                answer, to: head, from: context.remoteAddress?.ipAddress ?? "local")
            response.headerFields[.date] = now()
            context.write(wrapOutboundOut(.head(response)), promise: nil)
            if !body.isEmpty {
                context.write(wrapOutboundOut(.body(context.channel.allocator.buffer(bytes: body))), promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            answered.increment()
        } else {
            pass(context, .head(head))
            pass(context, .end(nil))
        }
        // What waited behind it, in order; one of them may have to wait as well.
        for part in parts { take(context, part) }
        if answer == nil || !parts.isEmpty { context.fireChannelReadComplete() }
        if hasLeft { left(context) }
    }

    private func left(_ context: ChannelHandlerContext) {
        if case .asked(let head, let parts, _) = state {
            state = .asked(head, then: parts, hasLeft: true)
        } else {
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The router would end the connection before this is answered.
        if case ChannelEvent.inputClosed = event { left(context) } else { context.fireUserInboundEventTriggered(event) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { unanswered -= 1 }
        context.write(data, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .over
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { state = .over }

    /// As RFC 9110 has dates; made anew each second.
    private func now() -> String {
        var time = time(nil)
        guard time != date.second else { return date.text }
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
        date = (String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self), time)
        return date.text
    }
}
