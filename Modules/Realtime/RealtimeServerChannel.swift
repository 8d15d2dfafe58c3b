package import API
import Crypto
import Foundation
package import HTTPTypes
package import HummingbirdCore
package import Logging
package import NIOCore
import NIOHTTP1
package import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket
package import Sync

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

    /// Who speaks over a socket, made on its loop; nil: nobody can.
    package typealias Speaker =
        @Sendable (any EventLoop, SocketAdmission, Cursor?) -> (any Conversation)?

    package static let path = "/api/realtime"
    private static let subprotocol = "lockstep.v1"

    package let responder: HTTPChannelHandler.Responder
    private let sockets: SocketRules
    private let limits: ConnectionLimits
    private let places: ConnectionPlaces
    private let directReads: DirectReads
    private let speaker: Speaker
    private let admit: @Sendable (HTTPRequest, _ peer: String) async -> SocketAdmission

    /// What sockets are held to.
    package struct SocketRules: Sendable {
        package var line: WebSocketLine.Limits
        /// Lockstep speaks in text alone.
        package var takesBinary = false
        package init(line: WebSocketLine.Limits) { self.line = line }
    }

    package init(
        hub: Hub, places: ConnectionPlaces, directReads: DirectReads,
        responder: @escaping HTTPChannelHandler.Responder,
        admit: @escaping @Sendable (HTTPRequest, _ peer: String) async -> SocketAdmission
    ) {
        self.init(
            sockets: SocketRules(line: hub.limits.line), places: places, directReads: directReads, responder: responder,
            speaker: { loop, admission, cursor in
                hub.shard(of: loop).map { Socket(hub: hub, shard: $0, admission: admission, cursor: cursor) }
            }, admit: admit)
    }

    package init(
        sockets: SocketRules, limits: ConnectionLimits = ConnectionLimits(), places: ConnectionPlaces,
        directReads: DirectReads = .none, responder: @escaping HTTPChannelHandler.Responder, speaker: @escaping Speaker,
        admit: @escaping @Sendable (HTTPRequest, _ peer: String) async -> SocketAdmission
    ) {
        self.sockets = sockets
        self.limits = limits
        self.places = places
        self.directReads = directReads
        self.responder = responder
        self.speaker = speaker
        self.admit = admit
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let place = places.enter(channel)
            if case .none = place { channel.close(promise: nil) }
            let isLate = if case .ordinary = place { false } else { true }
            let deadlines = ConnectionDeadlines(isLate ? .late : limits)
            let valve = InboundValve()
            deadlines.leaving = { valve.set(open: true) }
            let malformed = MalformedRequestHandler(
                isTargetLong: { deadlines.isTargetLong }, leave: { deadlines.leave() })
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
                callbacks: .init(
                    http: { negotiated.succeed(.http(try http(channel, deadlines, logger))) },
                    socket: { context, head, admission in
                        deadlines.end(channel)
                        try upgrade(context, valve, from: (encoder, decoder, malformed), head, admission)
                        negotiated.succeed(.socket(channel))
                    },
                    problem: { malformed.refuse($0, behind: $1) }, reading: { valve.set(open: $0) }),
                isLate: isLate, admit: admit)
            // What the kernel holds of an answer that nobody takes is memory too.
            try? channel.syncOptions?.setOption(Self.unsentInKernel, value: 131_072)
            try channel.pipeline.syncOperations.addHandlers([valve, deadlines.bytes, encoder, decoder, malformed, gate])
            // Of one that was neither.
            channel.closeFuture.whenComplete { _ in negotiated.fail(ChannelError.eof) }
            return Value(channel: channel, negotiated: negotiated.futureResult)
        }
    }

    /// TCP_NOTSENT_LOWAT: what the window does not let out yet waits here, where it can be counted.
    private static var unsentInKernel: ChannelOptions.Types.SocketOption {
        .init(level: .tcp, name: .init(rawValue: 25))
    }

    private func http(
        _ channel: any Channel, _ deadlines: ConnectionDeadlines, _ logger: Logger
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(PlainHeads())
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try pipeline.addHandler(deadlines.parts)
        try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
        try pipeline.addHandler(DirectReadHandler(directReads))
        return try NIOAsyncChannel(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    /// Answers the handshake and puts the socket where HTTP was. Handlers of HTTP that stand behind the gate, where the
    /// handshake was not the connection's first request, hear and say nothing any more.
    private func upgrade(
        _ context: ChannelHandlerContext, _ valve: InboundValve,
        from http: (HTTPResponseEncoder, ByteToMessageHandler<HTTPRequestDecoder>, MalformedRequestHandler),
        _ head: HTTPRequestHead, _ admission: SocketAdmission
    ) throws {
        let channel = context.channel
        let pipeline = channel.pipeline.syncOperations
        guard let conversation = speaker(channel.eventLoop, admission, Self.cursor(head.uri)),
            let gate = context.handler as? HandshakeGate, let key = head.headers.first(name: "sec-websocket-key")
        else { throw ChannelError.inappropriateOperationForState }
        var headers: HTTPHeaders = [
            "upgrade": "websocket", "connection": "upgrade", "sec-websocket-accept": Self.accept(key),
        ]
        if !head.headers["sec-websocket-protocol"].isEmpty {
            headers.add(name: "sec-websocket-protocol", value: Self.subprotocol)
        }
        if case .caller(_, let cookie?) = admission { headers.add(name: "set-cookie", value: cookie) }
        let answer = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers)
        context.write(NIOAny(HTTPServerResponsePart.head(answer)), promise: nil)
        context.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
        // What the kernel holds for a client that does not read is memory too, and so much less is merged.
        try channel.syncOptions?.setOption(.socketOption(.so_sndbuf), value: 131_072)
        try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: 32_768, high: 65_536))
        pipeline.removeHandler(http.0, promise: nil)
        pipeline.removeHandler(http.2, promise: nil)
        let frames = ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 65_536))
        try pipeline.addHandlers([WebSocketFrameEncoder(), FrameLengths(), frames], position: .after(gate))
        // It says something as soon as it is there.
        let line = WebSocketLine(
            conversation, limits: sockets.line, rules: FrameRules(takesBinary: sockets.takesBinary), valve: valve)
        try pipeline.addHandler(line, position: .after(frames))
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
        for pair in uri.pieces(between: "?", most: 2).last?.pieces(between: "&") ?? [] {
            if let text = pair.behind("cursor=") { return text.percentDecoded().flatMap { Cursor($0) } }
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
