package import API
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
            let gate = HandshakeGate(path: Self.path, subprotocol: Self.subprotocol, admit: admit)
            let malformed = MalformedRequestHandler()
            let bound = NIOLoopBound(malformed, eventLoop: channel.eventLoop)
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(deadlines.bytes)
            var configuration = NIOUpgradableHTTPServerPipelineConfiguration<Negotiated>(
                upgradeConfiguration: .init(upgraders: [upgrader(gate, deadlines)]) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        .http(try Self.http(channel, deadlines, bound.value, logger))
                    }
                })
            configuration.enablePipelining = false
            configuration.enableResponseHeaderValidation = false
            configuration.enableErrorHandling = false
            configuration.decoderConfiguration.maxHeaderListSize = limits.head
            configuration.decoderConfiguration.maxHeaderFieldSize = limits.head
            configuration.decoderConfiguration.maxHeaderFieldCount = 100
            let negotiated = try pipeline.configureUpgradableHTTPServerPipeline(configuration: configuration)
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(gate, position: .after(decoder))
            try pipeline.addHandler(malformed, position: .after(decoder))
            return Value(channel: channel, negotiated: negotiated)
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

    /// What the gate lets through is upgraded.
    private func upgrader(
        _ gate: HandshakeGate, _ deadlines: ConnectionDeadlines
    ) -> NIOTypedWebSocketServerUpgrader<Negotiated> {
        let hub = hub
        return NIOTypedWebSocketServerUpgrader(
            maxFrameSize: 65_536, enableAutomaticErrorHandling: false,
            shouldUpgrade: { channel, head in
                let offers = !head.headers["sec-websocket-protocol"].isEmpty
                let headers: HTTPHeaders = offers ? ["Sec-WebSocket-Protocol": Self.subprotocol] : [:]
                return channel.eventLoop.makeSucceededFuture(headers)
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    guard let shard = hub.shard(of: channel.eventLoop) else {
                        throw ChannelError.inappropriateOperationForState
                    }
                    deadlines.end(channel)
                    let socket = Socket(
                        hub: hub, shard: shard, admission: gate.admission, cursor: Self.cursor(head.uri))
                    // What the kernel holds for a client that does not read is memory too, and so much less is merged.
                    try channel.syncOptions?.setOption(.socketOption(.so_sndbuf), value: 131_072)
                    try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: 32_768, high: 65_536))
                    channel.pipeline.syncOperations.removeHandler(gate, promise: nil)
                    try channel.pipeline.syncOperations.addHandler(socket)
                    return .socket(channel)
                }
            })
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
