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

    package let status: Int
    package let code: String
    package let title: String
    package var detail: String
    package var errors: [Fault] = []
    /// Members beyond those of every problem: `current`, `session`, `balance` …
    package var members: [String: JSON] = [:]
    package var headers: HTTPFields = [:]

    package init(
        _ status: Int, _ code: String, _ title: String, detail: String, errors: [Fault] = [],
        members: [String: JSON] = [:], headers: HTTPFields = [:]
    ) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
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

    /// The problem that `json()` wrote, read back from where it was kept.
    package init?(json: JSON) {
        guard case .object(var members) = json, let status = members.removeValue(forKey: "status")?.integer,
            let code = members.removeValue(forKey: "code")?.string,
            let title = members.removeValue(forKey: "title")?.string,
            let detail = members.removeValue(forKey: "detail")?.string
        else { return nil }
        members["type"] = nil
        var errors: [Fault] = []
        if case .array(let faults)? = members.removeValue(forKey: "errors") {
            errors = faults.map {
                Fault(pointer: $0["pointer"]?.string ?? "", detail: $0["detail"]?.string ?? "")
            }
        }
        self.init(Int(clamping: status), code, title, detail: detail, errors: errors, members: members)
    }
}

extension Problem {
    package static func invalidBody(_ detail: String, at pointer: String = "") -> Problem {
        invalidBody([Fault(pointer: pointer, detail: detail)])
    }

    package static func invalidBody(_ errors: [Fault]) -> Problem {
        Problem(
            422, "invalid_body", "The request's content is not what this call takes",
            detail: errors.count == 1 && errors[0].pointer.isEmpty
                ? errors[0].detail : errors.map { "\($0.pointer): \($0.detail)" }.joined(separator: "; "),
            errors: errors)
    }

    package static func invalidQuery(_ parameter: String, _ detail: String) -> Problem {
        Problem(
            422, "invalid_query", "A query parameter is not what this call takes", detail: "\(parameter): \(detail)")
    }

    package static let notFound = Problem(
        404, "not_found", "Not found", detail: "There is nothing here under this address, or it is not yours.")

    package static let unauthenticated = Problem(
        401, "unauthenticated", "Not signed in",
        detail: "Sign in with POST /api/auth/login and send its token as `Authorization: Bearer <token>`.")

    package static let crossOrigin = Problem(
        403, "cross_origin", "This origin may not do that",
        detail: "A request signed in by cookie must come from the server's own origin or from one that "
            + "LOCKSTEP_ALLOWED_ORIGINS names; other clients send the token as a bearer header.")

    package static func payloadTooLarge(_ detail: String) -> Problem {
        Problem(
            413, "payload_too_large", "Too much at once", detail: detail, headers: [.connection: "close"])
    }

    package static func methodNotAllowed(_ allowed: [String]) -> Problem {
        let list = allowed.joined(separator: ", ")
        return Problem(
            405, "method_not_allowed", "This address does not take this method", detail: "It takes \(list).",
            headers: [.allow: list])
    }

    package static func rateLimited(_ detail: String, retryAfter seconds: Int) -> Problem {
        Problem(
            429, "rate_limited", "Too many requests", detail: "\(detail) Try again in \(seconds) s.",
            headers: [.retryAfter: String(seconds)])
    }

    package static func unavailable(retryAfter seconds: Int = 2) -> Problem {
        Problem(
            503, "unavailable", "Not available just now",
            detail: "The server cannot do this at the moment; nothing is lost. Try again in \(seconds) s.",
            headers: [.retryAfter: String(seconds)])
    }

    package static let internalError = Problem(
        500, "internal_error", "Something went wrong here",
        detail: "It is our fault, not yours, and it is logged under the request id.")

    package static func versionMismatch(current: JSON) -> Problem {
        Problem(
            412, "version_mismatch", "It has changed meanwhile",
            detail: "If-Match names another version than the current one; read it again and decide anew.",
            members: ["current": current])
    }
}
