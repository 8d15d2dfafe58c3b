package import API
import FoundationEssentials

/// What a type is made of, as JSON has it.
package indirect enum Shape: Equatable, CustomStringConvertible {
    /// Whatever JSON there is, but null.
    case any
    case boolean, integer, number, text, id, time
    case word([String])
    case list(Shape)
    case object([String: Member])

    package struct Member: Equatable {
        package let shape: Shape
        package let isNullable: Bool
        package let isLeftOut: Bool
    }

    package var description: String {
        switch self {
        case .any: "any JSON"
        case .boolean: "a boolean"
        case .integer: "a whole number"
        case .number: "a number"
        case .text: "a text"
        case .id: "a lower-case UUID"
        case .time: "a time with milliseconds"
        case .word(let words): "one of \(words.joined(separator: ", "))"
        case .list(let element): "a list of \(element)"
        case .object(let members): "an object of \(members.keys.sorted().joined(separator: ", "))"
        }
    }
}

/// JSON that is not what its type says, and where.
package struct Misread: Error, Equatable, CustomStringConvertible {
    package let description: String
}

extension Model {
    /// Reads a value in which every member stands that the type has, and no other.
    /// - Throws: `Misread`.
    package init(exactly json: JSON) throws {
        let decoder = ModelDecoder(Self.self, try json.members(of: "\(Self.self)"))
        self = try Self(from: decoder)
        try decoder.check("\(Self.self)")
    }

    package init(exactly text: RawJSON) throws {
        try self.init(exactly: JSON(parsing: text.utf8))
    }

    package static var shape: Shape {
        get throws {
            let decoder = ModelDecoder(Self.self, nil)
            _ = try Self(from: decoder)
            return .object(decoder.shape)
        }
    }
}

extension JSON {
    fileprivate func members(of name: String) throws -> Members {
        guard case .object(let members) = self else { throw Misread(description: "\(name) is no object: \(self)") }
        return members
    }
}

/// Reads an object member by member, or without one says which members its type has.
private final class ModelDecoder: Decoder {
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]
    private(set) var shape: [String: Shape.Member] = [:]
    private let members: JSON.Members?
    private let leftOut: Set<String>
    private var optional: Set<String> = []
    private var faults: [String] = []

    init(_ type: any Model.Type, _ members: JSON.Members?) {
        self.members = members
        leftOut = Set(type.leftOut.map(\.inSnakeCase))
    }

    func check(_ name: String) throws {
        let unknown = (members ?? [:]).keys.map(\.text).filter { shape[$0] == nil && !optional.contains($0) }
        faults += unknown.sorted().map { "\($0) is unknown" }
        if !faults.isEmpty { throw Misread(description: "\(name): \(faults.joined(separator: "; "))") }
    }

    /// Whether an optional member has a value.
    func hasValue(_ key: any CodingKey) -> Bool {
        let name = key.stringValue.inSnakeCase
        optional.insert(name)
        guard let members else { return true }
        switch members[name.verbatim] {
        case nil where !leftOut.contains(name): faults.append("\(name) is missing")
        case .null? where leftOut.contains(name): faults.append("\(name) is null and should be left out")
        case nil, .null?: return false
        default: return true
        }
        return false
    }

    func value<Value: Decodable>(_ key: any CodingKey) throws -> Value {
        let name = key.stringValue.inSnakeCase
        var json: JSON?
        if let members {
            guard let member = members[name.verbatim] else { throw Misread(description: "\(name) is missing") }
            json = member
        }
        do {
            let (value, shape) = try read(Value.self, json)
            self.shape[name] = Shape.Member(
                shape: shape, isNullable: optional.contains(name) && !leftOut.contains(name),
                isLeftOut: leftOut.contains(name))
            guard let value = value as? Value else { throw Misread(description: "is no \(Value.self)") }
            return value
        } catch let fault as Misread {
            throw Misread(description: "\(name): \(fault)")
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(MemberReading(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Misread(description: "is read as a list") }
    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        throw Misread(description: "is read as a single value")
    }
}

/// One value of a type, and what the type is; without JSON a harmless one.
private func read(_ type: any Decodable.Type, _ json: JSON?) throws -> (value: Any, shape: Shape) {
    func plain<Value>(_ shape: Shape, _ harmless: Value, _ value: (JSON) -> Value?) throws -> (Any, Shape) {
        guard let json else { return (harmless, shape) }
        guard let value = value(json) else { throw Misread(description: "\(json) is not \(shape)") }
        return (value, shape)
    }
    switch type {
    case is Bool.Type: return try plain(.boolean, false) { $0.bool }
    case is Int64.Type: return try plain(.integer, Int64(0)) { $0.integer }
    case is Double.Type:
        return try plain(.number, 0.0) { if case .number(let number) = $0 { Double(number.text) } else { nil } }
    case is String.Type: return try plain(.text, "") { $0.string }
    case is UUID.Type:
        return try plain(.id, UUID()) { json in
            json.string.flatMap { text in UUID(text: text).flatMap { $0.text == text ? $0 : nil } }
        }
    case is Timestamp.Type:
        return try plain(.time, Timestamp(microseconds: 0)) { json in
            json.string.flatMap { text in Timestamp(text: text).flatMap { $0.text == text ? $0 : nil } }
        }
    case is RawJSON.Type: return try plain(.any, RawJSON(.int(0))) { $0 == .null ? nil : RawJSON($0) }
    case let type as any CaseIterable.Type:
        let words = words(of: type)
        return try plain(.word(words.map(\.word)), words[0].value) { json in
            words.first { $0.word == json.string }?.value
        }
    case let type as any ListReading.Type: return try type.read(json)
    case let type as any Model.Type: return try one(type, json)
    default: throw Misread(description: "\(type) is no part of a model")
    }
}

private func one<M: Model>(_ type: M.Type, _ json: JSON?) throws -> (Any, Shape) {
    let decoder = ModelDecoder(type, try json?.members(of: "\(type)"))
    let value = try M(from: decoder)
    try decoder.check("\(type)")
    return (value, json == nil ? .object(decoder.shape) : .any)
}

private func words<Words: CaseIterable>(of type: Words.Type) -> [(word: String, value: Any)] {
    type.allCases.map { (((($0 as? any RawRepresentable)?.rawValue as? String) ?? "\($0)"), $0) }
}

private protocol ListReading {
    static func read(_ json: JSON?) throws -> (value: Any, shape: Shape)
}

extension Array: ListReading where Element: Decodable {
    fileprivate static func read(_ json: JSON?) throws -> (value: Any, shape: Shape) {
        guard let json else {
            return ([Element](), .list(try TestSupport.read(Element.self, nil).shape))
        }
        guard case .array(let elements) = json else { throw Misread(description: "\(json) is no list") }
        let values = try elements.compactMap { try TestSupport.read(Element.self, $0).value as? Element }
        return (values, .list(.any))
    }
}

extension String {
    /// `costCoins` as `cost_coins`, `itemID` as `item_id`.
    fileprivate var inSnakeCase: String {
        var text = ""
        for letter in self {
            if letter.isUppercase, text.last?.isUppercase == false, text.last != "_" { text += "_" }
            text.append(letter)
        }
        return text.lowercased()
    }
}

private struct MemberReading<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: ModelDecoder

    let codingPath: [any CodingKey] = []
    let allKeys: [Key] = []
    func contains(_ key: Key) -> Bool { decoder.hasValue(key) }
    func decodeNil(forKey key: Key) -> Bool { false }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try decoder.value(key) }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try decoder.value(key) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try decoder.value(key) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try decoder.value(key) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try decoder.value(key) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try decoder.value(key) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try decoder.value(key) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try decoder.value(key) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try decoder.value(key) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try decoder.value(key) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try decoder.value(key) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try decoder.value(key) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try decoder.value(key) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try decoder.value(key) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try decoder.value(key) }
    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { throw Misread(description: "\(key.stringValue) is nested") }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        throw Misread(description: "\(key.stringValue) is nested")
    }
    func superDecoder() -> any Decoder { decoder }
    func superDecoder(forKey key: Key) -> any Decoder { decoder }
}
