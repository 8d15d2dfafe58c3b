package import FoundationEssentials
import HTTPTypes
package import Hummingbird

extension Request {
    /// `Idempotency-Key: <uuid>`, bare or as a quoted string; nil without one.
    /// - Throws: 400 `invalid_idempotency_key` when it is something else.
    package var idempotencyKey: UUID? {
        get throws(Problem) {
            guard let header = headers[.idempotencyKey] else { return nil }
            var text = header[...]
            if text.count >= 2, text.first == "\"", text.last == "\"" { text = text.dropFirst().dropLast() }
            guard let key = UUID(text: text) else {
                throw Problem(
                    400, "invalid_idempotency_key", "The Idempotency-Key is not a UUID",
                    detail: "Send `Idempotency-Key: <uuid>`, a new one for each new change.")
            }
            return key
        }
    }

    /// `If-Match: "<version>"` or `*`; nil without one.
    /// - Throws: 400 `invalid_if_match` when it is something else; 412 would be its answer for ever.
    package var ifMatch: EntityTag? {
        get throws(Problem) {
            guard let header = headers[.ifMatch] else { return nil }
            if header == "*" { return .any }
            guard header.count >= 3, header.first == "\"", header.last == "\"",
                let version = Int64(header.dropFirst().dropLast()), version >= 0
            else {
                throw Problem(
                    400, "invalid_if_match", "If-Match cannot be read",
                    detail: "Send one ETag as this server gave it, `If-Match: \"<version>\"`.")
            }
            return .version(version)
        }
    }

    /// Whether `If-None-Match` lists this tag, so that 304 is the answer. Compared weakly (RFC 9110, 13.1.2).
    package func alreadyHas(_ tag: String) -> Bool {
        headers[values: .ifNoneMatch].contains { header in
            header == "*"
                || header.split(separator: ",").contains { entry in
                    var entry = entry.drop { $0 == " " }
                    while entry.last == " " { entry.removeLast() }
                    if entry.hasPrefix("W/") { entry = entry.dropFirst(2) }
                    return entry == tag
                }
        }
    }
}

package enum EntityTag: Sendable, Equatable {
    case any
    case version(Int64)

    /// As the ETag header has it.
    package static func text(_ version: Int64) -> String { "\"\(version)\"" }
}
