import API
import Foundation
import NIOCore
import NIOHTTP1

/// Decides for each request of a connection what it is: a handshake, which turns the connection into a socket, or anything
/// else, which goes on to the router. A handshake may come behind other requests: proxies send it on connections that they
/// keep. It is decided once all of them are answered.
///
/// Why not NIO's upgrade handler: it looks at a connection's first request only, and drops the head of one whose upgrade it
/// refuses (2.101.2), so that nobody could be told why (docs/decisions/0019).
/// `@unchecked`: touched on the channel's loop only.
final class HandshakeGate: ChannelDuplexHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// What becomes of the connection.
    struct Fates {
        /// Called once, before the first request that is no handshake goes on.
        let http: () throws -> Void
        /// Called at most once, instead of passing the handshake on. From then on the gate is out of the way.
        let socket: (ChannelHandlerContext, HTTPRequestHead, RealtimeAdmission) throws -> Void
        /// Called at most once: nothing goes on, the connection ends with this.
        let problem: (Problem) -> Void
    }

    private enum State {
        case requests
        /// A handshake, behind so many answers that are still to come.
        case handshake([HTTPServerRequestPart])
        case deciding([HTTPServerRequestPart])
        case over
    }

    private let path: String
    private let subprotocol: String
    private let admit: @Sendable (HTTPRequestHead, _ peer: String) async -> RealtimeAdmission
    private let fates: Fates
    private var state = State.requests
    private var isHTTP = false
    private var unanswered = 0
    /// The client says nothing any more.
    private var hasLeft = false
    /// Nothing is read behind the request that was passed on last.
    private var isLast = false

    init(
        path: String, subprotocol: String, fates: Fates,
        admit: @escaping @Sendable (HTTPRequestHead, _ peer: String) async -> RealtimeAdmission
    ) {
        self.path = path
        self.subprotocol = subprotocol
        self.fates = fates
        self.admit = admit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .over: context.fireChannelRead(data)
        case .handshake(let parts), .deciding(let parts):
            // A handshake is a head and its end; more means somebody does not wait for the answer.
            guard parts.count < 8 else { return context.close(promise: nil) }
            if case .deciding = state {
                state = .deciding(parts + [unwrapInboundIn(data)])
            } else {
                state = .handshake(parts + [unwrapInboundIn(data)])
            }
        case .requests:
            let part = unwrapInboundIn(data)
            guard case .head(let head) = part else { return context.fireChannelRead(data) }
            guard isHandshake(head) else { return passOn(context, [part]) }
            state = .handshake([part])
            decide(context)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .over = state { return context.write(data, promise: promise) }
        switch unwrapOutboundIn(data) {
        case .head(var head) where isLast && unanswered == 1 && head.status.code >= 200:
            let said = head.headers["connection"].filter { $0 != "close" }
            head.headers.replaceOrAdd(name: "connection", value: (said + ["close"]).joined(separator: ", "))
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .head, .body: context.write(data, promise: promise)
        case .end:
            context.write(data, promise: promise)
            unanswered -= 1
            decide(context)
        }
    }

    private func passOn(_ context: ChannelHandlerContext, _ parts: [HTTPServerRequestPart]) {
        do {
            if !isHTTP { try fates.http() }
            isHTTP = true
        } catch {
            return context.close(promise: nil)
        }
        for part in parts {
            if case .head(let head) = part {
                unanswered += 1
                // HTTP/1.0 closes unless it is asked not to (RFC 9112, 9.3).
                isLast = Self.asksToUpgrade(head) || head.version == .http1_0 && !head.isKeepAlive
                context.fireChannelRead(wrapInboundOut(.head(isLast ? Self.ordinary(head) : head)))
            } else {
                context.fireChannelRead(wrapInboundOut(part))
            }
        }
    }

    /// Asks who wants the socket, when it is the handshake's turn.
    private func decide(_ context: ChannelHandlerContext) {
        guard case .handshake(let parts) = state, unanswered == 0, case .head(let head)? = parts.first else { return }
        state = .deciding(parts)
        let admit = admit
        let peer = context.remoteAddress?.ipAddress ?? "local"
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.makeFutureWithTask { await admit(head, peer) }.whenSuccess { verdict in
            self.decided(bound.value, head, verdict)
        }
    }

    private func decided(_ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ verdict: RealtimeAdmission) {
        guard case .deciding(let parts) = state else { return }
        // A body behind the handshake is no handshake.
        let hasBody = parts.contains { if case .body = $0 { true } else { false } }
        switch verdict {
        case .unavailable(let problem):
            state = .over
            fates.problem(problem)
        case _ where hasBody, .refused:
            state = .requests
            passOn(context, parts)
            context.fireChannelReadComplete()
        case .caller, .anonymous, .badToken:
            state = .over
            // The socket would not hear of it any more.
            guard !hasLeft else { return context.close(promise: nil) }
            do {
                try fates.socket(context, head, verdict)
            } catch {
                context.close(promise: nil)
            }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch (event, state) {
        case (ChannelEvent.inputClosed, _): hasLeft = true
        // The server stops, and nobody else on this connection can hear it yet.
        case (is ChannelShouldQuiesceEvent, .requests) where !isHTTP: return context.close(promise: nil)
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .over
        context.fireChannelInactive()
    }

    private func isHandshake(_ head: HTTPRequestHead) -> Bool {
        let headers = head.headers
        guard head.method == .GET, head.version == .http1_1, headers["host"].count == 1,
            head.uri.prefix(while: { $0 != "?" }) == path, Self.asksToUpgrade(head),
            headers[canonicalForm: "upgrade"].contains(where: { $0.lowercased() == "websocket" }),
            headers["sec-websocket-version"] == ["13"], headers["sec-websocket-key"].count == 1,
            let key = headers.first(name: "sec-websocket-key"), Data(base64Encoded: key)?.count == 16,
            !headers.contains(name: "transfer-encoding"), headers.first(name: "content-length") ?? "0" == "0"
        else { return false }
        let offered = headers[canonicalForm: "sec-websocket-protocol"]
        return offered.isEmpty || offered.contains { $0 == subprotocol }
    }

    private static func asksToUpgrade(_ head: HTTPRequestHead) -> Bool {
        head.method == .CONNECT
            || head.headers.contains(name: "upgrade")
                && head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
    }

    /// The decoder reads nothing behind a request that asks for an upgrade (curl does, for h2c) or a tunnel, whatever becomes of
    /// it, so that the connection ends with the answer, and the client is told.
    private static func ordinary(_ head: HTTPRequestHead) -> HTTPRequestHead {
        var head = head
        head.headers.remove(name: "upgrade")
        head.headers.replaceOrAdd(name: "connection", value: "close")
        return head
    }
}
