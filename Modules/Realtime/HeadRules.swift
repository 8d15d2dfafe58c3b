package import API
import HTTPTypes
import NIOCore
import NIOHTTP1

extension Problem {
    static let unreadable = Problem(.badRequest)
    static let unknownCoding = Problem(.notImplemented)
}

extension HTTPRequestHead {
    /// As RFC 9112 wants it read, where its author and somebody between us could read it in two ways: with the host that is meant in `Host`,
    /// and the path alone as its target.
    /// - Throws: what is answered instead, when the connection ends with it.
    func judged() throws(Problem) -> HTTPRequestHead {
        try judgeCoding()
        var head = self
        let hosts = headers["host"]
        // What origin is our own rests on it (3.2).
        guard version == .http1_1 ? hosts.count == 1 : hosts.count <= 1 else { throw .unreadable }
        if let host = hosts.first, !host.isEmpty, !Self.isAuthority(host) { throw .unreadable }
        if let (authority, path) = try absoluteForm() {
            head.uri = path
            // Whatever Host says (3.2.2).
            head.headers.replaceOrAdd(name: "host", value: authority)
        }
        return head
    }

    /// Whether its client wants the connection to end with the answer (RFC 9112, 9.3).
    var isLast: Bool {
        let options = headers.words("connection").map { $0.asciiLowercased.verbatim }
        let (close, keepAlive): (Verbatim, Verbatim) = ("close", "keep-alive")
        return options.contains(close) || version == .http1_0 && !options.contains(keepAlive)
    }

    /// RFC 9112, 6.1 and 6.3: where a body that is not chunked at last ends, nobody knows.
    private func judgeCoding() throws(Problem) {
        guard headers.contains(name: "transfer-encoding") else { return }
        let codings = headers.words("transfer-encoding").map { $0.asciiLowercased.verbatim }
        let chunked: Verbatim = "chunked"
        guard version != .http1_0, codings.last == chunked, !codings.dropLast().contains(chunked) else {
            throw .unreadable
        }
        if codings.count > 1 { throw .unknownCoding }
    }

    /// `http://host/path`, in its parts; nil for a target in another form.
    private func absoluteForm() throws(Problem) -> (authority: String, path: String)? {
        let bytes = uri.utf8
        guard method != .CONNECT, let first = bytes.first, first != UInt8(ascii: "/"), first != UInt8(ascii: "*") else {
            return nil
        }
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), bytes[colon...].starts(with: "://".utf8) else {
            throw .unreadable
        }
        let rest = bytes[colon...].dropFirst(3)
        let end = rest.firstIndex { "/?#".utf8.contains($0) } ?? rest.endIndex
        let authority = String(decoding: rest[..<end], as: UTF8.self)
        guard ["http", "https"].contains(uri.upTo(":").asciiLowercased.verbatim), Self.isAuthority(authority) else {
            throw .unreadable
        }
        let path = String(decoding: rest[end...], as: UTF8.self)
        return (authority, path.starts(with: "/") ? path : "/" + path)
    }

    private static func isAuthority(_ text: String) -> Bool { Origin(scheme: "http", authority: text) != nil }
}

extension HTTPHeaders {
    /// What a list in a header names, over all headers of the name. NIO's own (`canonicalForm`) goes by characters, which
    /// costs the square of their number where they are combining marks.
    func words(_ name: String) -> [Substring] {
        self[name].flatMap { $0.pieces(between: ",").map(\.trimmed) }.filter { !$0.isEmpty }
    }
}

/// Stands in front of the translation of requests, on connections that are no sockets: whoever reads a head behind it compares
/// with one spelling.
final class PlainHeads: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = data
        if case .head(var head) = unwrapInboundIn(data) {
            let options = head.headers.words("connection")
            // Nobody of that time knows what 100 is (RFC 9110, 10.1.1).
            if head.version == .http1_0, head.headers.contains(name: "expect") {
                head.headers.remove(name: "expect")
                data = wrapInboundOut(.head(head))
            }
            if !options.isEmpty {
                head.headers.remove(name: "connection")
                for option in ["close", "keep-alive"] as [Verbatim]
                where options.contains(where: { $0.asciiLowercased.verbatim == option }) {
                    head.headers.add(name: "connection", value: option.text)
                    break
                }
                data = wrapInboundOut(.head(head))
            }
        }
        context.fireChannelRead(data)
    }
}

extension ProblemCode {
    /// What is said of heads that are not taken, and of handshakes that are none.
    package static let realtime: [ProblemCode] = [notImplemented, uriTooLong, headersTooLarge, upgradeRequired]

    package static let upgradeRequired = ProblemCode(
        "upgrade_required", 426, "This address is a WebSocket",
        detail: "Open it as a WebSocket (version 13) with the subprotocol lockstep.v1.",
        meaning: "Open the address as a WebSocket of version 13 with the subprotocol lockstep.v1.")

    static let notImplemented = ProblemCode(
        "not_implemented", 501, "The body's transfer coding is not known here",
        detail: "Send the body as it is, or with `Transfer-Encoding: chunked` alone.",
        meaning: "Of transfer codings this server knows chunked alone. Send the body as it is, or with that one.")
    static let uriTooLong = ProblemCode(
        "uri_too_long", 414, "The address is too long", detail: "Send what is long in a body.",
        meaning: "The address and its query fit into no request here. Send what is long in a body.")
    static let headersTooLarge = ProblemCode(
        "headers_too_large", 431, "The headers are too large",
        detail:
            "The lines before the body may have 16 KiB together, and be 100. Often it is cookies that have piled up.",
        meaning:
            "The lines before the body may have 16 KiB together, and be 100. Often it is cookies that have piled up.")
}

extension Problem {
    /// What is said to who asks for the socket without a handshake that we take.
    package static let upgradeRequired = Problem(
        .upgradeRequired, headers: [.upgrade: "websocket", .connection: "upgrade", .secWebSocketVersion: "13"])
}
