import Foundation
import NIOCore
import NIOHTTP1

/// Stands before NIO's upgrade handler and lets only handshakes through to it that will be accepted; every other first
/// request loses its Upgrade header there and becomes an ordinary one.
///
/// Why: NIO 2.101.2 drops the head of a request whose upgrade it refuses (also `Upgrade: h2c`, which curl sends), so that
/// nobody could be told why; and what it does with a handshake that has a body is no better.
/// `@unchecked`: touched on the channel's loop only.
final class HandshakeGate: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private enum State {
        case first
        case deciding([HTTPServerRequestPart])
        /// Whatever comes, bytes of frames too, passes as it is.
        case open
    }

    private let path: String
    private let subprotocol: String
    private let admit: @Sendable (HTTPRequestHead, _ peer: String) async -> RealtimeAdmission
    private var state = State.first
    private(set) var admission = RealtimeAdmission.refused

    init(
        path: String, subprotocol: String,
        admit: @escaping @Sendable (HTTPRequestHead, _ peer: String) async -> RealtimeAdmission
    ) {
        self.path = path
        self.subprotocol = subprotocol
        self.admit = admit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .open: context.fireChannelRead(data)
        case .deciding(let parts):
            // A handshake is a head and its end; more means somebody does not wait for the answer.
            guard parts.count < 8 else { return context.close(promise: nil) }
            state = .deciding(parts + [unwrapInboundIn(data)])
        case .first:
            guard case .head(let head) = unwrapInboundIn(data) else {
                state = .open
                return context.fireChannelRead(data)
            }
            if isHandshake(head) {
                decide(context, head)
            } else {
                state = .open
                context.fireChannelRead(wrapInboundOut(.head(Self.ordinary(head))))
            }
        }
    }

    private func decide(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        state = .deciding([.head(head)])
        let admit = admit
        let peer = context.remoteAddress?.ipAddress ?? "local"
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.makeFutureWithTask { await admit(head, peer) }.whenSuccess { verdict in
            self.admission = verdict
            self.open(bound.value)
        }
    }

    private func open(_ context: ChannelHandlerContext) {
        guard case .deciding(let parts) = state else { return }
        state = .open
        // A body behind the handshake is no handshake.
        let hasBody = parts.contains { if case .body = $0 { true } else { false } }
        if hasBody { admission = .refused }
        for part in parts {
            if case .head(let head) = part, case .refused = admission {
                context.fireChannelRead(wrapInboundOut(.head(Self.ordinary(head))))
            } else {
                context.fireChannelRead(wrapInboundOut(part))
            }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .open
        context.fireChannelInactive()
    }

    private func isHandshake(_ head: HTTPRequestHead) -> Bool {
        let headers = head.headers
        guard head.method == .GET, head.version == .http1_1, headers["host"].count == 1,
            head.uri.prefix(while: { $0 != "?" }) == path,
            headers[canonicalForm: "upgrade"].contains(where: { $0.lowercased() == "websocket" }),
            headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" }),
            headers["sec-websocket-version"] == ["13"], headers["sec-websocket-key"].count == 1,
            let key = headers.first(name: "sec-websocket-key"), Data(base64Encoded: key)?.count == 16,
            !headers.contains(name: "transfer-encoding"), headers.first(name: "content-length") ?? "0" == "0"
        else { return false }
        let offered = headers[canonicalForm: "sec-websocket-protocol"]
        return offered.isEmpty || offered.contains { $0 == subprotocol }
    }

    private static func ordinary(_ head: HTTPRequestHead) -> HTTPRequestHead {
        var head = head
        head.headers.remove(name: "upgrade")
        return head
    }
}
