package import API
import Crypto
import Foundation
package import HummingbirdCore
package import Logging
package import NIOCore
package import NIOHTTP1
package import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket
import Sync

/// Who may have a socket, decided before the upgrade.
package enum RealtimeAdmission: Sendable {
    case caller(Caller)
    /// Neither cookie nor header: the first message must be `auth`.
    case anonymous
    /// A token that is worth nothing: the socket is opened and closed with 4401, which a browser can read.
    case badToken
    /// No socket: the request goes on to the router, which answers it.
    case refused
    /// It could not be found out.
    case unavailable(Problem)
}

/// An HTTP/1 connection that can become a WebSocket at `GET /api/realtime`, on the same port as everything else.
package struct RealtimeServerChannel: HTTPChannelHandler {
    /// A connection that has not said yet what it is.
    package struct Value: ServerChildChannelValue {
        package let channel: any Channel
        fileprivate let negotiated: EventLoopFuture<Negotiated>
    }

    package enum Negotiated: Sendable {
        case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
        case socket(any Channel)
    }

    package static let path = "/api/realtime"
    private static let subprotocol = "lockstep.v1"

    package let responder: HTTPChannelHandler.Responder
    private let hub: Hub
    private let limits: ConnectionLimits
    private let admit: @Sendable (HTTPRequestHead, _ peer: String) async -> RealtimeAdmission

    package init(
        hub: Hub, limits: ConnectionLimits = ConnectionLimits(), responder: @escaping HTTPChannelHandler.Responder,
        admit: @escaping @Sendable (HTTPRequestHead, _ peer: String) async -> RealtimeAdmission
    ) {
        self.hub = hub
        self.limits = limits
        self.responder = responder
        self.admit = admit
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let deadlines = ConnectionDeadlines(limits)
            let malformed = MalformedRequestHandler()
            let encoder = HTTPResponseEncoder()
            var decoding = NIOHTTPDecoderLimitConfiguration()
            decoding.maxHeaderListSize = limits.head
            decoding.maxHeaderFieldSize = limits.head
            decoding.maxHeaderFieldCount = 100
            // What a client sends without waiting for the answer to its handshake is read as frames, up to two messages of it.
            let decoder = ByteToMessageHandler(
                HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: decoding),
                maximumBufferSize: 131_072)
            let negotiated = channel.eventLoop.makePromise(of: Negotiated.self)
            let gate = HandshakeGate(
                path: Self.path, subprotocol: Self.subprotocol,
                fates: .init(
                    http: { negotiated.succeed(.http(try Self.http(channel, deadlines, malformed, logger))) },
                    socket: { context, head, admission in
                        deadlines.end(channel)
                        try upgrade(context, from: (encoder, decoder), head, admission)
                        negotiated.succeed(.socket(channel))
                    },
                    problem: { malformed.refuse($0) }),
                admit: admit)
            try channel.pipeline.syncOperations.addHandlers([deadlines.bytes, encoder, decoder, malformed, gate])
            // Of one that was neither.
            channel.closeFuture.whenComplete { _ in negotiated.fail(ChannelError.eof) }
            return Value(channel: channel, negotiated: negotiated.futureResult)
        }
    }

    private static func http(
        _ channel: any Channel, _ deadlines: ConnectionDeadlines, _ malformed: MalformedRequestHandler, _ logger: Logger
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HostRule(malformed))
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try pipeline.addHandler(deadlines.parts)
        try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
        return try NIOAsyncChannel(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    /// Answers the handshake and puts the socket where HTTP was. Handlers of HTTP that stand behind the gate, where the
    /// handshake was not the connection's first request, hear and say nothing any more.
    private func upgrade(
        _ context: ChannelHandlerContext, from http: (HTTPResponseEncoder, ByteToMessageHandler<HTTPRequestDecoder>),
        _ head: HTTPRequestHead, _ admission: RealtimeAdmission
    ) throws {
        let channel = context.channel
        let pipeline = channel.pipeline.syncOperations
        guard let shard = hub.shard(of: channel.eventLoop), let gate = context.handler as? HandshakeGate,
            let key = head.headers.first(name: "sec-websocket-key")
        else { throw ChannelError.inappropriateOperationForState }
        var headers: HTTPHeaders = [
            "upgrade": "websocket", "connection": "upgrade", "sec-websocket-accept": Self.accept(key),
        ]
        if !head.headers["sec-websocket-protocol"].isEmpty {
            headers.add(name: "sec-websocket-protocol", value: Self.subprotocol)
        }
        let answer = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers)
        context.write(NIOAny(HTTPServerResponsePart.head(answer)), promise: nil)
        context.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
        // What the kernel holds for a client that does not read is memory too, and so much less is merged.
        try channel.syncOptions?.setOption(.socketOption(.so_sndbuf), value: 131_072)
        try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: 32_768, high: 65_536))
        pipeline.removeHandler(http.0, promise: nil)
        let frames = ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 65_536))
        try pipeline.addHandlers([WebSocketFrameEncoder(), frames], position: .after(gate))
        // It says something as soon as it is there.
        let socket = Socket(hub: hub, shard: shard, admission: admission, cursor: Self.cursor(head.uri))
        try pipeline.addHandler(socket, position: .after(frames))
        pipeline.removeHandler(gate, promise: nil)
        // Last, because it passes on what it has not read.
        pipeline.removeHandler(http.1, promise: nil)
    }

    /// RFC 6455, 4.2.2.
    private static func accept(_ key: String) -> String {
        let hash = Insecure.SHA1.hash(data: Data((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        return Data(hash).base64EncodedString()
    }

    private static func cursor(_ uri: String) -> Cursor? {
        for pair in uri.drop(while: { $0 != "?" }).dropFirst().split(separator: "&") where pair.hasPrefix("cursor=") {
            return pair.dropFirst(7).removingPercentEncoding.flatMap { Cursor($0) }
        }
        return nil
    }

    package func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.negotiated.get() {
            case .http(let channel): await handleHTTP(asyncChannel: channel, logger: logger)
            // The socket lives on its loop; the connection's task has only to outlive it.
            case .socket(let channel): try await channel.closeFuture.get()
            }
        } catch {
            logger.trace("A connection ended before its first request", metadata: ["error": "\(error)"])
        }
    }
}
