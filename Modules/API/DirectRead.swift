package import HTTPTypes
import Hummingbird

/// A read so frequent that it is answered in front of the router, on the connection's event loop and without a task
/// (docs/decisions/0042). A feature registers it beside its route, which answers the same request in the same way, and all that this
/// one leaves to it: whatever is refused, large, or asked with anything more than is needed.
package struct DirectRead: Sendable {
    /// Called once, from any thread, with what makes the answer on the connection's loop; nil: the router is to answer.
    package typealias Reply = @Sendable (@escaping @Sendable () -> DirectAnswer?) -> Void
    /// Begins what was asked, for a claimant whose session it holds to it in its own statement.
    package typealias Begin = @Sendable (Caller, @escaping Reply) -> Void

    /// What this request asks of it; nil: nothing, or more than is answered here.
    package let question: @Sendable (HTTPRequest) -> Begin?

    package init(question: @escaping @Sendable (HTTPRequest) -> Begin?) {
        self.question = question
    }
}

/// What answers a `DirectRead`, without what every answer carries.
package struct DirectAnswer: Sendable {
    package var status: HTTPResponse.Status
    package var headers: HTTPFields
    package var body: [UInt8]
    /// Its body says the request's id.
    private var problem: Problem?

    package init(status: HTTPResponse.Status, headers: HTTPFields, body: [UInt8] = []) {
        self.init(status: status, headers: headers, body: body, problem: nil)
    }

    private init(status: HTTPResponse.Status, headers: HTTPFields, body: [UInt8] = [], problem: Problem?) {
        self.status = status
        self.headers = headers
        self.body = body
        self.problem = problem
    }

    /// Itself, as it is said under this id.
    fileprivate func said(under id: String) -> DirectAnswer {
        guard let problem else { return self }
        let (headers, body) = problem.said(under: id)
        return DirectAnswer(status: status, headers: headers, body: body)
    }

    /// A refusal that is not the router's to find out once more: 503, behind which it would wait as long again. nil: the router's.
    package static func problem(_ error: any Error) -> DirectAnswer? {
        guard let problem = error as? Problem, problem.status == 503 else { return nil }
        return DirectAnswer(status: .serviceUnavailable, headers: [:], problem: problem)
    }

    /// A JSON answer; nil where it is so large that it must wait for its room (`UnsentBudget`).
    package static func json(headers: HTTPFields, _ write: (inout JSONWriter) -> Void) -> DirectAnswer? {
        var writer = JSONWriter()
        write(&writer)
        guard writer.bytes.count <= UnsentBudget.small else { return nil }
        var headers = headers
        headers[.contentType] = "application/json"
        return DirectAnswer(status: .ok, headers: headers, body: writer.bytes)
    }
}

/// All of them, as connections ask them.
package struct DirectReads: Sendable {
    private let reads: [DirectRead]
    private let claimant: @Sendable (HTTPFields) -> Caller?
    private let proxies: TrustedProxies
    private let varies: Bool

    /// - Parameters:
    ///   - claimant: who says that they ask, if they may; nil leaves it to the router to say why not.
    ///   - varies: whether answers differ by `Origin`.
    package init(
        _ reads: [DirectRead], proxies: TrustedProxies, varies: Bool,
        claimant: @escaping @Sendable (HTTPFields) -> Caller?
    ) {
        self.reads = reads
        self.proxies = proxies
        self.varies = varies
        self.claimant = claimant
    }

    package static var none: DirectReads { DirectReads([], proxies: .none, varies: false) { _ in nil } }

    /// What this request asks; nil: it is the router's. Who may ask is looked at when it begins.
    package func question(_ request: HTTPRequest) -> (@Sendable (@escaping DirectRead.Reply) -> Void)? {
        guard request.method == .get, request.headerFields.allSatisfy(Self.isPlain) else { return nil }
        for read in reads {
            guard let begin = read.question(request) else { continue }
            return { reply in
                guard let caller = claimant(request.headerFields) else { return reply { nil } }
                begin(caller, reply)
            }
        }
        return nil
    }

    /// What says how the request is to be handled, and not what is asked, is the router's.
    private static func isPlain(_ field: HTTPField) -> Bool {
        switch field.name {
        case .connection: field.value == "keep-alive"  // ours: one of two words by now
        case .origin, .expect, .contentLength, .transferEncoding, .contentEncoding, .range: false
        default: true
        }
    }

    /// With what every answer carries.
    package func complete(
        _ answer: DirectAnswer, to request: HTTPRequest, from peer: String
    ) -> (head: HTTPResponse, body: [UInt8]) {
        let id = "\(RequestID())"
        let answer = answer.said(under: id)
        var headers = answer.headers
        let scheme = proxies.isEmpty ? "http" : proxies.client(of: request, from: peer).scheme
        headers.addOfEveryAnswer(requestID: id, scheme: scheme)
        if varies { headers[.vary] = "Origin" }
        if answer.status != .notModified { headers[.contentLength] = String(answer.body.count) }
        return (HTTPResponse(status: answer.status, headerFields: headers), answer.body)
    }
}

extension HTTPFields {
    /// What every answer carries.
    mutating func addOfEveryAnswer(requestID: String, scheme: String) {
        self[.requestID] = requestID
        self[.contentTypeOptions] = "nosniff"
        if self[.cacheControl] == nil { self[.cacheControl] = "no-store" }
        if scheme == "https" { self[.strictTransportSecurity] = "max-age=31536000" }
    }

    /// Whether `If-None-Match` lists this tag, so that 304 is the answer. Compared weakly (RFC 9110, 13.1.2).
    package func alreadyHas(_ tag: String) -> Bool {
        guard let tags = tags(of: .ifNoneMatch) else { return false }
        return tags.map(\.verbatim) == ["*"] || tags.contains { $0.utf8.elementsEqual(tag.utf8) }
    }

    /// The tags of a header, without what marks one as weak; nil without the header. None of ours has a comma in it.
    func tags(of name: HTTPField.Name) -> [String]? {
        let values = self[values: name]
        guard !values.isEmpty else { return nil }
        return values.flatMap { value in
            value.utf8.split(separator: UInt8(ascii: ",")).compactMap { part in
                func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
                var tag = Array(part.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
                if tag.starts(with: "W/\"".utf8) { tag.removeFirst(2) }
                return tag.isEmpty ? nil : String(decoding: tag, as: UTF8.self)
            }
        }
    }
}
