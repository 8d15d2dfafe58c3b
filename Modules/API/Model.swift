/// What clients are shown, as a type: the value of a document, or the body of an answer. The database writes most of them, and
/// its bytes travel as they are; tests read each of them by its type, in which every member must stand and no other, and
/// hold the schemas of the OpenAPI document to it. A member is a property's name in snake_case. An optional travels as null
/// where there is no value, unless it is left out.
package protocol Model: Decodable, Sendable, Equatable {
    /// The properties that are left out where they have no value, and never null.
    static var leftOut: [String] { get }
}

extension Model {
    package static var leftOut: [String] { [] }
}

extension Timestamp: Decodable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let time = Timestamp(text: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no time of RFC 3339")
        }
        self = time
    }
}

/// Any JSON: whoever decodes a model takes its bytes as they are, and asks no decoder for them.
extension RawJSON: Decodable {
    package init(from decoder: any Decoder) throws {
        throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "any JSON"))
    }
}
