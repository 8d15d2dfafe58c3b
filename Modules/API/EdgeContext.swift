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
    package var identity: Caller?
    private let eventLoop: any EventLoop

    package struct Client: Sendable {
        /// The IP address, as throttles count it.
        package var address: String
        package var scheme: String
        /// `scheme://host[:port]`, as the client addressed this server; nil without a Host.
        package var origin: String?
    }

    package init(source: Source) {
        coreContext = .init(source: source)
        eventLoop = source.channel.eventLoop
        client = Client(address: source.channel.remoteAddress?.ipAddress ?? "local", scheme: "http", origin: nil)
    }

    /// Returns when what was written of a body so far was given to the socket. A writer of much calls it after each piece:
    /// `write` waits for a slow reader, but learns from the event loop that there is one, and is ahead of it until then.
    package func handedOver() async throws {
        try await eventLoop.submit {}.get()
    }

    /// The id of this request: in every answer and in every line of the log about it.
    package var requestID: String {
        guard case .string(let id)? = logger[metadataKey: "hb.request.id"] else {
            return logger[metadataKey: "hb.request.id"]?.description ?? ""
        }
        return id
    }

    /// Who is asking.
    /// - Throws: 401 `unauthenticated` on a route without the authenticating middleware.
    package var caller: Caller {
        get throws(Problem) {
            guard let identity else { throw .unauthenticated }
            return identity
        }
    }
}

extension HTTPField.Name {
    package static let requestID = Self(unchecked: "x-request-id")
    package static let idempotencyKey = Self(unchecked: "idempotency-key")
    package static let idempotencyReplayed = Self(unchecked: "idempotency-replayed")
    package static let forwardedFor = Self(unchecked: "x-forwarded-for")
    package static let forwardedProto = Self(unchecked: "x-forwarded-proto")
    package static let forwardedHost = Self(unchecked: "x-forwarded-host")
    package static let contentTypeOptions = Self(unchecked: "x-content-type-options")
    package static let frameOptions = Self(unchecked: "x-frame-options")
    package static let referrerPolicy = Self(unchecked: "referrer-policy")
    package static let permissionsPolicy = Self(unchecked: "permissions-policy")
    package static let openerPolicy = Self(unchecked: "cross-origin-opener-policy")

    /// For names that are literals of ours. They are tokens of RFC 9110, so the fallback is never taken.
    package init(unchecked literal: StaticString) {
        self = HTTPField.Name("\(literal)") ?? .server
    }
}
