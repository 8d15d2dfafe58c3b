import API
import Foundation
import HTTPTypes
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
    struct Callbacks {
        /// Called once, before the first request that is no handshake goes on.
        let http: () throws -> Void
        /// Called at most once, instead of passing the handshake on. From then on the gate is out of the way.
        let socket: (ChannelHandlerContext, HTTPRequestHead, SocketAdmission) throws -> Void
        /// Called at most once: nothing goes on, the connection ends with this, behind so many answers.
        let problem: (Problem, _ behind: Int) -> Void
        /// Called with whether more may be read: while an answer is owed, only the rest of the request that it is to.
        let reading: (Bool) -> Void
    }

    /// What is answered also where there is a place for hardly anybody.
    private static let health: Set<Verbatim> = ["/healthz", "/readyz", "/metrics"]

    private enum State {
        case requests
        /// A handshake, behind so many answers that are still to come.
        case handshake([HTTPServerRequestPart])
        case deciding([HTTPServerRequestPart])
        case over
    }

    private let path: String
    private let subprotocol: String
    private let admit: @Sendable (HTTPRequest, _ peer: String) async -> SocketAdmission
    private let callbacks: Callbacks
    /// There was hardly a place left for this connection.
    private let isLate: Bool
    private var state = State.requests
    private var isHTTP = false
    private var unanswered = 0
    /// A request's head has come, and not its end.
    private var isReceiving = false
    /// The client says nothing any more.
    private var hasLeft = false
    /// Nothing is read behind the request that was passed on last.
    private var isLast = false

    init(
        path: String, subprotocol: String, callbacks: Callbacks, isLate: Bool = false,
        admit: @escaping @Sendable (HTTPRequest, _ peer: String) async -> SocketAdmission
    ) {
        self.path = path
        self.subprotocol = subprotocol
        self.callbacks = callbacks
        self.isLate = isLate
        self.admit = admit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        // A late one was told already, and nothing behind it is listening; a socket's frames come another way.
        case .over: if !isLate { context.fireChannelRead(data) }
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
            if isLate, case .head(let head) = part, !Self.health.contains(head.uri.verbatim) {
                state = .over
                return callbacks.problem(.unavailable(retryAfter: 10), unanswered)
            }
            guard case .head(let head) = part, isHandshake(head) else { return passOn(context, [part]) }
            state = .handshake([part])
            decide(context)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .over = state { return context.write(data, promise: promise) }
        switch unwrapOutboundIn(data) {
        case .head(var head) where isLast && unanswered == 1 && head.status.code >= 200:
            let said = head.headers["connection"].filter { $0 != "close" }  // ours: the answer
            head.headers.replaceOrAdd(name: "connection", value: (said + ["close"]).joined(separator: ", "))
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .head, .body: context.write(data, promise: promise)
        case .end:
            context.write(data, promise: promise)
            unanswered -= 1
            tellReading()
            decide(context)
        }
    }

    private func tellReading() {
        callbacks.reading(unanswered == 0 || unanswered == 1 && isReceiving)
    }

    private func passOn(_ context: ChannelHandlerContext, _ parts: [HTTPServerRequestPart]) {
        do {
            if !isHTTP { try callbacks.http() }
            isHTTP = true
        } catch {
            return context.close(promise: nil)
        }
        for part in parts {
            if case .end = part { isReceiving = false }
            if case .head(let head) = part {
                unanswered += 1
                isReceiving = true
                // HTTP/1.0 closes unless it is asked not to (RFC 9112, 9.3).
                isLast = isLate || Self.asksToUpgrade(head) || head.version == .http1_0 && head.isLast
                context.fireChannelRead(wrapInboundOut(.head(isLast ? Self.ordinary(head) : head)))
            } else {
                context.fireChannelRead(wrapInboundOut(part))
            }
        }
        tellReading()
    }

    /// Asks who wants the socket, when it is the handshake's turn.
    private func decide(_ context: ChannelHandlerContext) {
        guard case .handshake(let parts) = state, unanswered == 0, case .head(let head)? = parts.first else { return }
        state = .deciding(parts)
        let admit = admit
        let peer = context.remoteAddress?.ipAddress ?? "local"
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let request = Self.request(head)
        context.eventLoop.makeFutureWithTask { await admit(request, peer) }.whenSuccess { verdict in
            self.decided(bound.value, head, verdict)
        }
    }

    private static func request(_ head: HTTPRequestHead) -> HTTPRequest {
        var headers = HTTPFields()
        for (name, value) in head.headers {
            if let name = HTTPField.Name(name) { headers.append(HTTPField(name: name, value: value)) }
        }
        return HTTPRequest(
            method: .get, scheme: nil, authority: head.headers.first(name: "host"), path: head.uri,
            headerFields: headers)
    }

    private func decided(_ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ verdict: SocketAdmission) {
        guard case .deciding(let parts) = state else { return }
        // A body behind the handshake is no handshake.
        let hasBody = parts.contains { if case .body = $0 { true } else { false } }
        switch verdict {
        case .unavailable(let problem):
            state = .over
            callbacks.problem(problem, unanswered)
        case _ where hasBody, .refused:
            state = .requests
            passOn(context, parts)
            context.fireChannelReadComplete()
        case .caller, .anonymous, .badToken:
            state = .over
            // The socket would not hear of it any more.
            guard !hasLeft else { return context.close(promise: nil) }
            do {
                try callbacks.socket(context, head, verdict)
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
            head.uri.upTo("?").verbatim == path.verbatim, Self.asksToUpgrade(head),
            headers.words("upgrade").contains(where: { $0.asciiLowercased.verbatim == "websocket" }),
            headers["sec-websocket-version"].map(\.verbatim) == ["13"], headers["sec-websocket-key"].count == 1,
            let key = headers.first(name: "sec-websocket-key"), Data(base64Encoded: key)?.count == 16,
            !headers.contains(name: "transfer-encoding"), (headers.first(name: "content-length") ?? "0").verbatim == "0"
        else { return false }
        let offered = headers.words("sec-websocket-protocol")
        return offered.isEmpty || offered.contains { $0.verbatim == subprotocol.verbatim }
    }

    private static func asksToUpgrade(_ head: HTTPRequestHead) -> Bool {
        head.method == .CONNECT
            || head.headers.contains(name: "upgrade")
                && head.headers.words("connection").contains { $0.asciiLowercased.verbatim == "upgrade" }
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
