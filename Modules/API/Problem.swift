package import HTTPTypes

/// What went wrong, as RFC 9457 says it to a client: a stable `code`, and a `detail` that says what to do next.
/// Thrown anywhere at the edge and by features for refusals; `ProblemMiddleware` turns it into the answer.
package struct Problem: Error, Sendable, Equatable {
    package struct Fault: Sendable, Equatable {
        /// RFC 6901, into the request's body.
        package let pointer: String
        package let detail: String

        package init(pointer: String, detail: String) {
            self.pointer = pointer
            self.detail = detail
        }
    }

    /// How many faults one answer names.
    package static let mostFaults = 100

    package let status: Int
    package let code: String
    package let title: String
    /// Whether this is the answer for ever: `ProblemCode.isFinal`.
    package let isFinal: Bool
    package let detail: String
    package var errors: [Fault] = []
    /// Members beyond those of every problem: `current`, `session`, `balance` …
    package var members: JSON.Members = [:]
    package var headers: HTTPFields = [:]

    /// - Parameters:
    ///   - status: where it is not the code's own.
    ///   - detail: one of the code's, where it is not its first.
    ///   - values: what stands in the detail where it is no member.
    package init(
        _ code: ProblemCode, status: Int? = nil, detail: ProblemDetail? = nil, values: JSON.Members = [:],
        errors: [Fault] = [], members: JSON.Members = [:], headers: HTTPFields = [:]
    ) {
        self.status = status ?? code.status
        self.code = code.name
        title = code.title
        isFinal = code.isFinal
        self.detail = (detail ?? code.details[0]).text(members.merging(values) { $1 })
        self.errors = errors
        self.members = members
        self.headers = headers
    }

    /// The body of the answer; without `requestID` the part that is stored with a refused mutation.
    package func json(requestID: String? = nil) -> JSON {
        var body = members
        body["type"] = .string("/problems/\(code)")
        body["title"] = .string(title)
        body["status"] = .int(status)
        body["detail"] = .string(detail)
        body["code"] = .string(code)
        body["request_id"] = requestID.map { .string($0) }
        if !errors.isEmpty {
            body["errors"] = .array(
                errors.map { .object(["pointer": .string($0.pointer), "detail": .string($0.detail)]) })
        }
        return .object(body)
    }

    /// The problem that `json()` wrote, read back from where it was kept: only what is final is kept. It stays as it was
    /// written, whatever the table says of its code meanwhile.
    package init?(json: JSON) {
        guard case .object(var members) = json, let status = members.removeValue(forKey: "status")?.integer,
            let code = members.removeValue(forKey: "code")?.string,
            let title = members.removeValue(forKey: "title")?.string,
            let detail = members.removeValue(forKey: "detail")?.string
        else { return nil }
        members["type"] = nil
        self.status = Int(clamping: status)
        self.code = code
        self.title = title
        self.detail = detail
        if case .array(let faults)? = members.removeValue(forKey: "errors") {
            errors = faults.map {
                Fault(pointer: $0["pointer"]?.string ?? "", detail: $0["detail"]?.string ?? "")
            }
        }
        self.members = members
        isFinal = true
    }
}

extension Problem {
    package static func invalidBody(_ detail: String, at pointer: String = "") -> Problem {
        invalidBody([Fault(pointer: pointer, detail: detail)])
    }

    package static func invalidBody(_ errors: [Fault]) -> Problem {
        Problem(
            .invalidBody,
            values: [
                "faults": .string(
                    errors.count == 1 && errors[0].pointer.isEmpty
                        ? errors[0].detail : errors.map { "\($0.pointer): \($0.detail)" }.joined(separator: "; "))
            ], errors: errors)
    }

    package static func invalidQuery(_ parameter: String, _ why: String) -> Problem {
        Problem(.invalidQuery, values: ["parameter": .string(parameter), "why": .string(why)])
    }

    package static let notFound = Problem(.notFound)
    package static let unauthenticated = Problem(.unauthenticated)
    package static let internalError = Problem(.internalError)

    package static func payloadTooLarge(_ detail: ProblemDetail? = nil, most: Int? = nil) -> Problem {
        Problem(
            .payloadTooLarge, detail: detail, values: most.map { ["most": .int($0)] } ?? [:],
            headers: [.connection: "close"])
    }

    static func methodNotAllowed(_ allowed: [String]) -> Problem {
        let list = allowed.joined(separator: ", ")
        return Problem(
            .methodNotAllowed, values: ["allowed": .string(list)],
            headers: [.allow: list])
    }

    package static func rateLimited(_ why: String, retryAfter seconds: Int) -> Problem {
        Problem(
            .rateLimited, values: ["why": .string(why), "seconds": .int(seconds)],
            headers: [.retryAfter: String(seconds)])
    }

    package static func unavailable(retryAfter seconds: Int = 2) -> Problem {
        Problem(
            .unavailable, values: ["seconds": .int(seconds)],
            headers: [.retryAfter: String(seconds)])
    }

    package static func versionMismatch(current: JSON) -> Problem {
        Problem(.versionMismatch, members: ["current": current])
    }
}
