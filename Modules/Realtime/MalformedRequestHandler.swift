import API
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// Answers bytes that are no HTTP once, with a problem, and ends the connection; whatever a handler further on says of the
/// same request is not sent any more.
final class MalformedRequestHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private var isOver = false

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !isOver else { return context.fireErrorCaught(error) }
        isOver = true
        let id = UUID.v7().text
        var writer = JSONWriter()
        writer.write(
            Problem(
                400, "bad_request", "The request cannot be read",
                detail: "What was sent is not HTTP/1.1 as RFC 9112 has it."
            )
            .json(requestID: id))
        let headers: HTTPHeaders = [
            "content-type": "application/problem+json", "content-length": String(writer.bytes.count),
            "x-request-id": id, "connection": "close",
        ]
        context.write(
            wrapOutboundOut(.head(.init(version: .http1_1, status: .badRequest, headers: headers))), promise: nil)
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
        // After an upgrade what is written is no part of an answer; then this handler has seen its last error.
        context.write(data, promise: promise)
    }
}
