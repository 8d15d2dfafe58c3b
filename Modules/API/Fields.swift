package import FoundationEssentials
import HTTPTypes
package import Hummingbird

/// A request's JSON object, read member by member. What is wrong is collected with its pointer, so that one answer
/// names everything; `check()` throws it. Until then a wrong member reads as a harmless value.
package struct Fields {
    private let members: JSON.Members
    private let pointer: String
    private var faults: [Problem.Fault] = []

    /// - Throws: 422 `invalid_body` when `json` is not an object.
    package init(_ json: JSON, at pointer: String = "") throws(Problem) {
        guard case .object(let members) = json else {
            throw .invalidBody("A JSON object should stand here.", at: pointer)
        }
        self.members = members
        self.pointer = pointer
    }

    package func pointer(to name: Verbatim) -> String {
        pointer + "/" + name.text.escapedForPointer
    }

    package mutating func fault(_ name: Verbatim, _ detail: String) {
        // A body may have thousands, and a fault is longer than what it is about.
        guard faults.count < Problem.mostFaults else { return }
        faults.append(.init(pointer: pointer(to: name), detail: detail))
    }

    package func check() throws(Problem) {
        if !faults.isEmpty { throw .invalidBody(faults) }
    }

    /// The member, or nil when it is absent; null counts as a value.
    package subscript(_ name: Verbatim) -> JSON? { members[name] }

    package mutating func required(_ name: Verbatim) -> JSON {
        if let value = members[name] { return value }
        fault(name, "This member is missing.")
        return .null
    }

    /// A string of so many characters; nil when it is absent.
    package mutating func optionalString(_ name: Verbatim, length: ClosedRange<Int>) -> String? {
        switch members[name] {
        case nil, .null?: return nil
        case .string(let text)? where length.contains(text.unicodeScalars.count): return text
        default:
            fault(name, "A string of \(length.lowerBound) to \(length.upperBound) characters should stand here.")
            return nil
        }
    }

    package mutating func string(_ name: Verbatim, length: ClosedRange<Int>) -> String {
        guard members[name] != nil, members[name] != .null else {
            fault(name, "A string of \(length.lowerBound) to \(length.upperBound) characters should stand here.")
            return ""
        }
        return optionalString(name, length: length) ?? ""
    }

    package mutating func optionalInteger(_ name: Verbatim, in range: ClosedRange<Int64>) -> Int64? {
        guard let value = members[name], value != .null else { return nil }
        if let integer = value.integer, range.contains(integer) { return integer }
        fault(name, "A whole number from \(range.lowerBound) to \(range.upperBound) should stand here.")
        return nil
    }

    package mutating func optionalBool(_ name: Verbatim) -> Bool? {
        guard let value = members[name], value != .null else { return nil }
        if let bool = value.bool { return bool }
        fault(name, "true or false should stand here.")
        return nil
    }

    package mutating func optionalID(_ name: Verbatim) -> UUID? {
        guard let value = members[name], value != .null else { return nil }
        if let id = value.string.flatMap({ UUID(text: $0) }) { return id }
        fault(name, "A UUID should stand here.")
        return nil
    }

    /// Without one a harmless id, and the fault is told by `check()`.
    package mutating func id(_ name: Verbatim) -> UUID {
        if members[name] == nil || members[name] == .null { fault(name, "A UUID should stand here.") }
        return optionalID(name) ?? UUID.v7()
    }

    package mutating func optionalObject(_ name: Verbatim) -> JSON? {
        switch members[name] {
        case nil, .null?: return nil
        case .object?: return members[name]
        default:
            fault(name, "A JSON object should stand here.")
            return nil
        }
    }
}

extension String {
    /// As a reference token of RFC 6901.
    package var escapedForPointer: String {
        // By bytes: a character may be a slash and what combines with it.
        String(
            decoding: utf8.flatMap { byte -> [UInt8] in
                switch byte {
                case UInt8(ascii: "~"): Array("~0".utf8)
                case UInt8(ascii: "/"): Array("~1".utf8)
                default: [byte]
                }
            }, as: UTF8.self)
    }
}

extension Request {
    private static let taken: [Verbatim] = ["application/json", "application/x-www-form-urlencoded", "text/plain"]

    /// The body as JSON.
    /// - Parameter limit: in bytes; above it 413 `payload_too_large`, and the connection is closed rather than read on.
    /// - Throws: 422 `invalid_body` for text that is not JSON as we take it; 415 when another type is declared.
    package func json(upTo limit: Int = 65_536) async throws -> JSON { try await json(upTo: limit, empty: nil) }

    private func json(upTo limit: Int, empty: JSON?) async throws -> JSON {
        if let type = headers[.contentType]?.upTo(";").trimmed.asciiLowercased.verbatim,
            !Self.taken.contains(type),
            !type.text.utf8.reversed().starts(with: "+json".utf8.reversed())
        {
            throw Problem(.unsupportedMediaType)
        }
        if let length = headers[.contentLength].flatMap(Int.init), length > limit {
            throw Problem.payloadTooLarge(most: limit)
        }
        let body = try await bytes(upTo: limit)
        if let empty, body.readableBytes == 0 { return empty }
        do throws(JSONError) {
            return try JSON(parsing: body.readableBytesView)
        } catch {
            if error.isTooMuch {
                throw Problem.payloadTooLarge(.tooManyValues)
            }
            throw Problem.invalidBody("The body cannot be taken: \(error.reason), at byte \(error.offset).")
        }
    }

    /// The body as it came.
    /// - Throws: 413 above `limit` bytes; 400 where it was broken off.
    private func bytes(upTo limit: Int) async throws(Problem) -> ByteBuffer {
        do {
            return try await body.collect(upTo: limit)
        } catch let error as any HTTPResponseError where error.status == .contentTooLarge {
            throw Problem.payloadTooLarge(most: limit)
        } catch {
            // The client broke off in the middle, or what came was no HTTP.
            throw Problem(.badRequest, detail: .brokenOff)
        }
    }

    /// The request with its body read: how long a chunked one is shows only at its end.
    package func collected(upTo limit: Int) async throws(Problem) -> Request {
        var request = self
        request.body = .init(buffer: try await bytes(upTo: limit))
        return request
    }

    /// An object as body, or none at all.
    package func optionalJSON() async throws -> JSON {
        if headers[.contentLength]?.verbatim == "0"
            || (headers[.contentLength] == nil && headers[.transferEncoding] == nil)
        {
            return .object([:])
        }
        // Chunked, which somebody in between may have made of nothing, can still be nothing.
        return try await json(upTo: 65_536, empty: .object([:]))
    }
}
