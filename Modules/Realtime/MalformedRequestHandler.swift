import API
import FoundationEssentials
import HTTPTypes
import NIOCore
import NIOHTTP1

/// Answers bytes that are no HTTP once, with a problem, and ends the connection; so it does for the gate, where a handshake
/// cannot be decided. What was read before is answered first, in its order: it is carried out, and who asked must hear of it.
/// Whatever a handler further on says of the refused request itself is not sent any more.
final class MalformedRequestHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private static let longTarget = Problem(.uriTooLong)
    private static let largeHead = Problem(.headersTooLarge)

    private struct Refusal {
        /// nil: the answer before it says it all.
        let problem: Problem?
        /// How many answers are owed before it.
        var behind: Int
    }

    private let isTargetLong: () -> Bool
    private let leave: () -> Void
    /// Of the requests that were read, also the one that is still coming in.
    private var unanswered = 0
    private var isReceiving = false
    /// The request that came last said that nothing is to be read behind it.
    private var isLastRequest = false
    /// An answer has begun and not ended.
    private var isAnswering = false
    /// The answer that is written says that the connection ends with it.
    private var isLastAnswer = false
    private var refusal: Refusal?
    private var isOver = false
    private var context: ChannelHandlerContext?

    /// - Parameters:
    ///   - isTargetLong: of the head that is coming in: whether its first line is most of what is too much.
    ///   - leave: ends the connection, once all of it was said.
    init(isTargetLong: @escaping () -> Bool, leave: @escaping () -> Void) {
        self.isTargetLong = isTargetLong
        self.leave = leave
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Of a refused connection nothing goes on to anybody.
        guard refusal == nil else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            unanswered += 1
            isReceiving = true
            isLastRequest = head.isLast
            do throws(Problem) {
                context.fireChannelRead(wrapInboundOut(.head(try head.judged())))
            } catch {
                refuse(error)
            }
        case .body: context.fireChannelRead(data)
        case .end:
            isReceiving = false
            context.fireChannelRead(data)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        // It has been told, and is not read any more.
        case ByteToMessageDecoderError.dataReceivedInErrorState: return
        case let error as HTTPParserError:
            if case .headerOverflow = error { refuse(isTargetLong() ? Self.longTarget : Self.largeHead) }
            refuse(.unreadable)
            // Whoever reads a body that was broken off learns that this was not its end: what was asked is not done.
            context.fireErrorCaught(error)
        // Of one that says much more before it has its answer, behind a request where nothing is read any more.
        case is ByteToMessageDecoderError.PayloadTooLargeError: context.close(promise: nil)
        default: context.fireErrorCaught(error)
        }
    }

    /// - Parameter behind: how many answers are owed before this; without it those to all that was read whole.
    func refuse(_ problem: Problem, behind: Int? = nil) {
        guard refusal == nil else { return }
        let hasItsAnswer = isReceiving && (unanswered == 0 || unanswered == 1 && isAnswering)
        let behind = behind ?? unanswered - (isReceiving && !hasItsAnswer ? 1 : 0)
        // Behind a request that closes the connection nobody waits for more; where it is that request itself, its client does.
        let isBehindTheLast = isLastRequest && !isReceiving && behind >= unanswered
        refusal = Refusal(problem: hasItsAnswer || isBehindTheLast ? nil : problem, behind: behind)
        conclude()
    }

    /// Says the refusal, when it is its turn.
    private func conclude(after written: EventLoopFuture<Void>? = nil) {
        guard let refusal, refusal.behind <= 0, !isOver, let context else { return }
        isOver = true
        let last = refusal.problem.map { say($0, context) } ?? written ?? context.eventLoop.makeSucceededVoidFuture()
        last.assumeIsolated().whenComplete { [leave] _ in leave() }
    }

    private func say(_ problem: Problem, _ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
        let id = UUID.v7().text
        var writer = JSONWriter()
        writer.write(problem.json(requestID: id))
        var headers: HTTPHeaders = [
            "content-type": "application/problem+json", "content-length": String(writer.bytes.count),
            "x-request-id": id, "connection": "close",
        ]
        for field in problem.headers { headers.add(name: field.name.canonicalName, value: field.value) }
        let status = HTTPResponseStatus(statusCode: problem.status)
        context.write(
            wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: writer.bytes)))), promise: nil)
        return context.writeAndFlush(wrapOutboundOut(.end(nil)))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isOver else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(let head):
            if head.status.code >= 200 {
                isAnswering = true
                isLastAnswer = head.headers.words("connection").contains { $0.asciiLowercased.verbatim == "close" }
            }
            context.write(data, promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            let written = promise ?? context.eventLoop.makePromise()
            context.write(data, promise: written)
            isAnswering = false
            unanswered -= 1
            refusal?.behind -= 1
            // Behind an answer that closes nothing is said.
            if isLastAnswer { isOver = true }
            conclude(after: written.futureResult)
        }
    }
}
