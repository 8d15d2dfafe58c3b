package import API
import Accounts
package import FoundationEssentials
package import HTTPTypes
package import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
package import Sync
import Synchronization

/// A feature's routes, behind the ring that stands around all of them, called without a socket.
package struct RouterCalls: Sendable {
    private let responder: RouterResponder<EdgeContext>
    private let caller: Caller?

    /// - Parameters:
    ///   - person: who is signed in; nil: nobody.
    ///   - add: registers the feature's routes below `/api`.
    package init(as person: Person?, _ add: (RouterGroup<EdgeContext>) -> Void) {
        let table = RouteTable()
        let router = Router(context: EdgeContext.self, options: .autoGenerateHeadEndpoints)
        router.middlewares.add(EdgeMiddleware(trusting: .none, table: table))
        add(router.group("api"))
        table.read(router)
        responder = router.buildResponder()
        caller = person.map {
            Caller(
                user: $0.user.id, session: $0.session, device: .init(id: $0.device, name: "laptop", kind: "desktop"),
                expires: .now().advanced(bySeconds: 86_400))
        }
    }

    private init(_ other: RouterCalls, caller: Caller?) {
        responder = other.responder
        self.caller = caller
    }

    /// The same routes to who is not signed in.
    package var signedOut: RouterCalls { RouterCalls(self, caller: nil) }

    package func get(_ path: String, headers: HTTPFields = [:]) async throws -> Answer {
        try await send(.get, path, headers: headers)
    }

    package func post(
        _ path: String, _ body: JSON? = nil, key: UUID? = nil, headers: HTTPFields = [:]
    ) async throws -> Answer {
        try await send(.post, path, body, key: key, headers: headers)
    }

    /// - Parameter key: the Idempotency-Key.
    package func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: JSON? = nil, key: UUID? = nil, headers: HTTPFields = [:]
    ) async throws -> Answer {
        var headers = headers
        var content = ByteBuffer()
        if let body {
            content.writeBytes(RawJSON(body).utf8)
            headers[.contentType] = "application/json"
            headers[.contentLength] = String(content.readableBytes)
        }
        if let key { headers[.idempotencyKey] = key.text }
        let silent = Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() })
        var context = EdgeContext(
            source: ApplicationRequestContextSource(channel: NIOAsyncTestingChannel(), logger: silent))
        context.identity = caller.map { .proven($0) }
        let request = Request(
            head: HTTPRequest(
                method: method, scheme: "http", authority: "lockstep.example", path: "/api" + path,
                headerFields: headers),
            body: RequestBody(buffer: content))
        let response = try await responder.respond(to: request, context: context)
        let writer = BodyWriter()
        try await response.body.write(writer)
        return Answer(
            status: response.status.code, headers: response.headers, body: writer.written.withLock { $0 })
    }

    private final class BodyWriter: ResponseBodyWriter, Sendable {
        let written = Mutex<[UInt8]>([])

        func write(_ buffer: ByteBuffer) async throws {
            written.withLock { $0.append(contentsOf: buffer.readableBytesView) }
        }
        func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }
}

package struct Answer: Sendable {
    package let status: Int
    package let headers: HTTPFields
    package let body: [UInt8]

    package var json: JSON { get throws { try JSON(parsing: body, heaviest: 1 << 26) } }
    package var tag: String? { headers[.eTag] }
    package var isReplayed: Bool { headers[.idempotencyReplayed] == "true" }

    /// The body, which has every member of its type and no other.
    package func read<M: Model>(_ type: M.Type) throws -> M { try M(exactly: json) }

    /// A problem's code behind its status; of anything else the status alone.
    package var said: String {
        get throws {
            guard status >= 400 else { return "\(status)" }
            return "\(status) \(try json["code"]?.string ?? "")"
        }
    }
}

extension Person {
    /// What clients hold about this person: their documents and everybody's, by `collection/id`; nil: deleted.
    package func documents(since place: Place? = Place(user: 0, shared: 0)) async throws -> [String: RawJSON?] {
        let documents = try await sync.documents(of: user.id, beyond: place).documents
        return Dictionary(documents.map { ("\($0.collection)/\($0.id)", $0.value) }) { _, last in last }
    }
}
