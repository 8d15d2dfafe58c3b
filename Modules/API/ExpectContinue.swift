package import HTTPTypes
import Hummingbird
import NIOCore

/// The body of the request whose turn it is on a connection is wanted: what `AskedBody` tells the connection.
package struct BodyWanted: Sendable {}

extension HTTPRequest {
    /// Whether its client sends the body when it is told to, and not before.
    package var awaitsContinue: Bool { headerFields[.expect]?.asciiLowercased.verbatim == "100-continue" }
}

/// A body that is asked for when somebody begins to read it, and so by nobody who refuses the request before.
struct AskedBody: AsyncSequence, Sendable {
    let body: RequestBody
    let channel: any Channel

    struct AsyncIterator: AsyncIteratorProtocol {
        var body: RequestBody.AsyncIterator
        let channel: any Channel
        var isAsked = false

        mutating func next() async throws -> ByteBuffer? {
            if !isAsked {
                isAsked = true
                try await channel.triggerUserOutboundEvent(BodyWanted()).get()
            }
            return try await body.next()
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(body: body.makeAsyncIterator(), channel: channel)
    }
}
