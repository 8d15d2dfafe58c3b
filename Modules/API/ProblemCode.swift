/// An entry in the table of problems: what its code says wherever it is sent. Whoever can refuse lists its own beside its
/// refusals, App puts the lists together, and /problems, docs/errors.md and the OpenAPI document show what is in them.
package struct ProblemCode: Sendable, Equatable {
    /// What a program decides by: stable, snake_case.
    package let name: String
    package let status: Int
    /// Where the same is refused with another status elsewhere.
    let otherStatus: Int?
    package let title: String
    /// What is said of one that happened: the first, unless who refuses names another.
    package private(set) var details: [ProblemDetail]
    /// What it means and what to do, in a sentence or two.
    package let meaning: String
    /// Whether the same request, under the same key, gets this answer for ever: a refused mutation is kept with it. What is
    /// not final may be sent again as it is, once the cause is gone.
    package let isFinal: Bool

    package init(
        _ name: StaticString, _ status: Int, or otherStatus: Int? = nil, _ title: String, final isFinal: Bool = true,
        detail: String, others: [ProblemDetail] = [], meaning: String
    ) {
        self.name = "\(name)"
        self.status = status
        self.otherStatus = otherStatus
        self.title = title
        details = [ProblemDetail(detail)] + others
        self.meaning = meaning
        self.isFinal = isFinal
    }

    /// The same with details that stand elsewhere.
    package func saying(_ more: [ProblemDetail]) -> ProblemCode {
        var code = self
        code.details += more
        return code
    }

    package var type: String { "/problems/\(name)" }
    package var statuses: [Int] { [status] + (otherStatus.map { [$0] } ?? []) }

}

/// What a problem says of what happened: a text in which `{name}` stands for a number or a text.
package struct ProblemDetail: Sendable, Equatable {
    package let template: String

    package init(_ template: String) { self.template = template }

    func text(_ values: JSON.Members) -> String {
        var text = ""
        var rest = template[...]
        while let open = rest.utf8.firstIndex(of: UInt8(ascii: "{")),
            let end = rest[open...].utf8.firstIndex(of: UInt8(ascii: "}"))
        {
            let value = values[String(rest[rest.index(after: open)..<end]).verbatim]
            text += rest[..<open]
            text += value?.string ?? value?.integer.map { String($0) } ?? String(rest[open...end])
            rest = rest[rest.index(after: end)...]
        }
        return text + rest
    }
}

extension ProblemCode {
    /// What every call can answer.
    package static let edge: [ProblemCode] = [
        badRequest, unauthenticated, crossOrigin, notFound, methodNotAllowed, versionMismatch, payloadTooLarge,
        unsupportedMediaType, invalidBody, invalidQuery, invalidIdempotencyKey, invalidIfMatch, rateLimited,
        internalError, unavailable,
    ]

    package static let badRequest = ProblemCode(
        "bad_request", 400, "The request cannot be read", detail: "What was sent is not HTTP/1.1 as RFC 9112 has it.",
        others: [.brokenOff, .notUnderstood],
        meaning: "What came is not HTTP/1.1, or it ended before its end. Send it again, whole and as RFC 9112 has it.")
    package static let unauthenticated = ProblemCode(
        "unauthenticated", 401, "Not signed in", final: false,
        detail: "Sign in with POST /api/auth/login and send its token as `Authorization: Bearer <token>`.",
        meaning: "The request carries no token, or one whose session has ended. Sign in and send it again.")
    static let crossOrigin = ProblemCode(
        "cross_origin", 403, "This origin may not do that",
        detail: "The request comes from {origin}\(whereFrom)", others: [.originUnsaid],
        meaning:
            "A page of another origin tried to change something with the cookie. `origin` is where the request came "
            + "from and `expected` where it should; where these are one site, LOCKSTEP_TRUSTED_PROXIES or "
            + "LOCKSTEP_PUBLIC_URL is missing.")
    static let notFound = ProblemCode(
        "not_found", 404, "Not found", detail: "There is nothing here under this address, or it is not yours.",
        meaning: "There is nothing under this address or id, or it belongs to somebody else.")
    static let methodNotAllowed = ProblemCode(
        "method_not_allowed", 405, "This address does not take this method", detail: "It takes {allowed}.",
        meaning: "The address exists and is used in another way. The header Allow lists its methods.")
    static let versionMismatch = ProblemCode(
        "version_mismatch", 412, "It has changed meanwhile",
        detail: "If-Match names another version than the current one; read it again and decide anew.",
        meaning:
            "If-Match names another version than the current one, and nothing was changed. `current` is what stands "
            + "now: decide anew.")
    static let payloadTooLarge = ProblemCode(
        "payload_too_large", 413, "Too much at once", final: false, detail: "The body may be at most {most} bytes.",
        others: [.bodyTooLarge, .tooManyValues, .tooManyMutations],
        meaning: "The body is larger than this call takes. Send less, or send it in parts.")
    static let unsupportedMediaType = ProblemCode(
        "unsupported_media_type", 415, "A body of this kind is not taken here",
        detail: "Send the body as `Content-Type: application/json`.", others: [.contentEncoding],
        meaning: "Bodies are JSON, sent as Content-Type: application/json and without Content-Encoding.")
    static let invalidBody = ProblemCode(
        "invalid_body", 422, "The request's content is not what this call takes", detail: "{faults}",
        meaning: "`errors` names each fault and where it is in the body. Correct them and send the request again.")
    static let invalidQuery = ProblemCode(
        "invalid_query", 422, "A query parameter is not what this call takes", detail: "{parameter}: {why}",
        meaning: "`detail` names the parameter and what it takes.")
    static let invalidIdempotencyKey = ProblemCode(
        "invalid_idempotency_key", 400, "The Idempotency-Key is not a UUID",
        detail: "Send `Idempotency-Key: <uuid>`, a new one for each new change.",
        meaning: "The header takes a UUID, bare or in quotes: a new one for each new change.")
    static let invalidIfMatch = ProblemCode(
        "invalid_if_match", 400, "If-Match cannot be read",
        detail: "Send the ETag as this server gave it, `If-Match: \"<version>\"`, or several with commas between.",
        meaning: "The header takes an ETag as this server gave it, several with commas between, or *.")
    static let rateLimited = ProblemCode(
        "rate_limited", 429, "Too many requests", final: false, detail: "{why} Try again in {seconds} s.",
        meaning: "Wait for as many seconds as Retry-After says, and send the request again.")
    static let internalError = ProblemCode(
        "internal_error", 500, "Something went wrong here", final: false,
        detail: "It is our fault, not yours, and it is logged under the request id.",
        meaning: "The server has a fault, which is in its log under `request_id`. The same request may be sent again.")
    static let unavailable = ProblemCode(
        "unavailable", 503, "Not available just now", final: false,
        detail: "The server cannot do this at the moment; nothing is lost. Try again in {seconds} s.",
        others: [.migrationsMissing],
        meaning:
            "The database is away, out of date or full of work, and nothing is lost. Send the request again after as "
            + "many seconds as Retry-After says.")
}

extension ProblemDetail {
    static let brokenOff = ProblemDetail("The body ended before its end.")
    static let notUnderstood = ProblemDetail("The request is not what this server understands.")
    static let originUnsaid = ProblemDetail("The request does not say where it comes from\(whereFrom)")
    static let bodyTooLarge = ProblemDetail("The body is larger than this call takes.")
    static let tooManyValues = ProblemDetail(
        "The body holds more values than can be taken at once; send fewer in each.")
    package static let tooManyMutations = ProblemDetail(
        "A push carries at most {most} mutations; send the rest in the next one.")
    static let contentEncoding = ProblemDetail("Send the body without Content-Encoding.")
    static let migrationsMissing = ProblemDetail("Missing: {missing}. `lockstep migrate up` applies them.")
}

private let whereFrom =
    ", and what is signed in by cookie must come from {expected} or from an origin that LOCKSTEP_ALLOWED_ORIGINS names. "
    + "Are these two the same site, then the proxy in between does not say how it was called: see LOCKSTEP_TRUSTED_PROXIES "
    + "and LOCKSTEP_PUBLIC_URL. Clients that are no web page send the token as a bearer header."
