package import HTTPTypes
package import Hummingbird
import Logging
import NIOCore

/// What travels with a request from the edge to its handler.
package struct EdgeContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Whom the request came from; corrected by `EdgeMiddleware` when a trusted proxy stands in between.
    package var client: Client
    /// Set by the authenticating middleware, on routes that ask for it.
    package var identity: Identity?
    /// The other end of the connection.
    let peer: String
    private let channel: any Channel

    package enum Identity: Sendable {
        /// The database was asked, for this request.
        case proven(Caller)
        /// They were who they say moments ago; `prove` asks again.
        case claimed(Caller, prove: @Sendable () async throws -> Caller)
    }

    package struct Client: Sendable {
        /// The IP address.
        package private(set) var address: String
        /// What counts as one client where it is counted: the address, of IPv6 its /64.
        package private(set) var network: String
        /// That, and before it the networks that it is in which one site may have, the widest first.
        package var networks: [String] { IPAddress(address)?.networks ?? [network] }
        package internal(set) var scheme = "http"
        /// `host[:port]`, as the client addressed this server; nil without a Host.
        var host: String?
        var hostIsForwarded = false
        /// As a proxy says besides.
        var port: Int?
        package internal(set) var isBehindTrustedProxy = false

        init(address: IPAddress?, else text: String) {
            self.address = address?.description ?? text
            network = address?.network ?? text
        }

        func at(_ address: IPAddress) -> Client {
            var client = self
            client.address = address.description
            client.network = address.network
            return client
        }

        /// The server's own origin as this client addressed it. Two where a proxy says another port than `Host`, which
        /// may be the proxy's or the browser's; none where there is no Host.
        package var origins: [Origin] {
            guard let host, let stated = Origin(scheme: scheme, authority: host) else { return [] }
            guard let port, let moved = Origin(scheme: scheme, authority: host, port: port) else { return [stated] }
            guard Origin.namesPort(host) else { return [moved] }
            return hostIsForwarded ? [stated] : [moved, stated]
        }
    }

    package init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
        peer = source.channel.remoteAddress?.ipAddress ?? "local"
        client = Client(address: IPAddress(peer), else: peer)
    }

    /// Returns when what was written of a body so far was given to the socket. A writer of much calls it after each piece:
    /// `write` waits for a slow reader, but learns from the event loop that there is one, and is ahead of it until then.
    package func handedOver() async throws {
        try await channel.eventLoop.submit {}.get()
    }

    /// The request, whose client is told to send its body when somebody begins to read it, where it waits to be told
    /// (`Expect: 100-continue`).
    func askingForBody(_ request: Request) -> Request {
        guard request.head.awaitsContinue else { return request }
        var request = request
        request.body = RequestBody(asyncSequence: AskedBody(body: request.body, channel: channel))
        return request
    }

    /// Ends the connection that this request came by, whatever is on its way there.
    package func hangUp() { channel.close(promise: nil) }

    /// The id of this request: in every answer and in every line of the log about it.
    package var requestID: String {
        guard case .string(let id)? = logger[metadataKey: "hb.request.id"] else {
            return logger[metadataKey: "hb.request.id"]?.description ?? ""
        }
        return id
    }

    /// Who is asking, for which the database was asked, or is now.
    /// - Throws: 401 `unauthenticated` where their session has ended, and on a route without the authenticating middleware.
    package var caller: Caller {
        get async throws {
            switch identity {
            case .proven(let caller): return caller
            case .claimed(_, let prove): return try await prove()
            case nil: throw Problem.unauthenticated
            }
        }
    }

    /// Who says that they ask, and did so truly moments ago: only for what has its own statement ask whether their session
    /// holds, which spares the trip that `caller` takes (docs/decisions/0041).
    /// - Throws: 401 `unauthenticated` on a route without the authenticating middleware.
    package var claimant: Caller {
        get throws(Problem) {
            switch identity {
            case .proven(let caller), .claimed(let caller, _): return caller
            case nil: throw .unauthenticated
            }
        }
    }
}

extension HTTPField.Name {
    package static let requestID = Self(unchecked: "x-request-id")
    package static let idempotencyKey = Self(unchecked: "idempotency-key")
    package static let idempotencyReplayed = Self(unchecked: "idempotency-replayed")
    static let forwardedFor = Self(unchecked: "x-forwarded-for")
    static let forwardedProto = Self(unchecked: "x-forwarded-proto")
    static let forwardedHost = Self(unchecked: "x-forwarded-host")
    static let contentTypeOptions = Self(unchecked: "x-content-type-options")
    package static let frameOptions = Self(unchecked: "x-frame-options")
    package static let referrerPolicy = Self(unchecked: "referrer-policy")
    package static let permissionsPolicy = Self(unchecked: "permissions-policy")
    package static let openerPolicy = Self(unchecked: "cross-origin-opener-policy")

    /// For names that are literals of ours. They are tokens of RFC 9110, so the fallback is never taken.
    package init(unchecked literal: StaticString) {
        self = HTTPField.Name("\(literal)") ?? .server
    }
}
