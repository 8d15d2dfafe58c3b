package import FoundationEssentials
import HTTPTypes
package import Hummingbird

extension Request {
    /// `Idempotency-Key: <uuid>`, bare or as a quoted string; nil without one.
    /// - Throws: 400 `invalid_idempotency_key` when it is something else.
    package var idempotencyKey: UUID? {
        get throws(Problem) {
            guard let header = headers[.idempotencyKey] else { return nil }
            guard let key = UUID(text: header.unquoted ?? header[...]) else {
                throw Problem(.invalidIdempotencyKey)
            }
            return key
        }
    }

    /// `If-Match: "<version>"`, several of them, or `*`; nil without one. A weak tag counts as the strong one that it was
    /// made of: proxies that compress do that to ours.
    /// - Throws: 400 `invalid_if_match` where none of them is a version; 412 would be its answer for ever.
    package var ifMatch: EntityTag? {
        get throws(Problem) {
            let tags = headers.tags(of: .ifMatch)
            guard let tags else { return nil }
            if tags.map(\.verbatim) == ["*"] { return .any }
            let versions = tags.prefix(50).compactMap { tag in
                tag.utf8.count < 24 ? tag.unquoted.flatMap { Int64($0) } : nil
            }.filter { $0 >= 0 }
            guard !versions.isEmpty else { throw Problem(.invalidIfMatch) }
            return .versions(versions)
        }
    }

    /// Whether `If-None-Match` lists this tag, so that 304 is the answer. Compared weakly (RFC 9110, 13.1.2).
    package func alreadyHas(_ tag: String) -> Bool { headers.alreadyHas(tag) }
}

extension String {
    /// What stands between two quotes; nil when there are none around it.
    fileprivate var unquoted: Substring? {
        guard utf8.count >= 2, utf8.first == UInt8(ascii: "\""), utf8.last == UInt8(ascii: "\"") else { return nil }
        return Substring(utf8.dropFirst().dropLast())
    }
}

package enum EntityTag: Sendable, Equatable {
    case any
    /// Any of these.
    case versions([Int64])

    /// As the ETag header has it.
    package static func text(_ version: Int64) -> String { "\"\(version)\"" }
}
