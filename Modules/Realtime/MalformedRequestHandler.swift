import API
import FoundationEssentials
import HTTPTypes
import NIOCore
import NIOHTTP1

/// Answers bytes that are no HTTP once, with a problem, and ends the connection; so it does for the gate, where a handshake
/// cannot be decided. Whatever a handler further on says of the same request is not sent any more. A request without a Host,
/// or with two, is no HTTP/1.1 either (RFC 9112, 3.2): what origin is our own rests on it.
final class MalformedRequestHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private static let unreadable = Problem(
        400, "bad_request", "The request cannot be read", detail: "What was sent is not HTTP/1.1 as RFC 9112 has it.")

    private(set) var isOver = false
    private var context: ChannelHandlerContext?

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is HTTPParserError: refuse()
        // Of one that says much more before it has its answer, behind a request where nothing is read any more.
        case is ByteToMessageDecoderError.PayloadTooLargeError: context.close(promise: nil)
        default: context.fireErrorCaught(error)
        }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func refuse(_ problem: Problem = unreadable) {
        guard let context, !isOver else { return }
        isOver = true
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
        let channel = context.channel
        let done = context.eventLoop.makePromise(of: Void.self)
        done.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isOver else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(data, promise: promise)
    }
}

/// Stands in front of the translation of requests, on connections that are no sockets.
final class HostRule: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    private let malformed: MalformedRequestHandler

    init(_ malformed: MalformedRequestHandler) {
        self.malformed = malformed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data), head.version == .http1_1, head.headers["host"].count != 1 {
            malformed.refuse()
        }
        // Of a refused connection nothing goes on to anybody.
        if !malformed.isOver { context.fireChannelRead(data) }
    }
}
