package import FoundationEssentials

/// A statement and what is bound to it. It is written as a string literal whose interpolations are always bound, never
/// pasted: the literal's parts are `StaticString`, so text made at run time cannot become SQL; the compiler refuses it.
///
///     let sql: SQL = "SELECT value FROM user_settings WHERE user_id = \(user) AND key = \(key)"
package struct SQL: Sendable, ExpressibleByStringInterpolation {
    /// Stands in `template` where a value is bound; no SQL of ours contains it.
    private static let mark: UInt8 = 1

    fileprivate var template: [UInt8]
    package fileprivate(set) var bindings: [Binding]

    package init(stringLiteral literal: StaticString) {
        template = Array(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
        bindings = []
    }

    package init(stringInterpolation: StringInterpolation) {
        template = stringInterpolation.sql.template
        bindings = stringInterpolation.sql.bindings
    }

    /// The text as PostgreSQL takes it, values as `$1`, `$2` …
    package var text: String {
        var text: [UInt8] = []
        text.reserveCapacity(template.count + bindings.count * 2)
        var number = 0
        for byte in template {
            if byte == Self.mark {
                number += 1
                text.append(UInt8(ascii: "$"))
                text.append(contentsOf: String(number).utf8)
            } else {
                text.append(byte)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var sql: SQL

        package init(literalCapacity: Int, interpolationCount: Int) {
            sql = SQL(stringLiteral: "")
            sql.template.reserveCapacity(literalCapacity + interpolationCount)
            sql.bindings.reserveCapacity(interpolationCount)
        }

        package mutating func appendLiteral(_ literal: StaticString) {
            sql.template.append(
                contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
        }

        /// Binds a value.
        package mutating func appendInterpolation<Value: SQLBindable>(_ value: Value) {
            sql.template.append(SQL.mark)
            sql.bindings.append(Binding(type: Value.sqlType, bytes: value.sqlBytes))
        }

        /// Binds a value, or NULL of its type.
        package mutating func appendInterpolation<Value: SQLBindable>(_ value: Value?) {
            sql.template.append(SQL.mark)
            sql.bindings.append(Binding(type: Value.sqlType, bytes: value?.sqlBytes))
        }

        /// A fragment of the code itself, such as a list of columns that several statements share.
        package mutating func appendInterpolation(raw fragment: StaticString) {
            appendLiteral(fragment)
        }

        /// Another statement, with what is bound to it.
        package mutating func appendInterpolation(sql other: SQL) {
            sql.template.append(contentsOf: other.template)
            sql.bindings.append(contentsOf: other.bindings)
        }
    }
}

/// A bound value in PostgreSQL's binary format, sent with its length: a NUL character in text arrives (and is refused
/// there) instead of cutting the text off. nil is NULL.
package struct Binding: Sendable, Equatable {
    package let type: SQLType
    package let bytes: [UInt8]?
}

/// PostgreSQL's numbers of the types that we speak (pg_type.oid, the same in every database).
package enum SQLType: UInt32, Sendable {
    /// What our rules make: its number differs from database to database, and begins here.
    case ours = 16_384
    case bool = 16, bytes = 17, int8 = 20, int2 = 21, int4 = 23, text = 25, json = 114, float8 = 701
    case varchar = 1043, timestamptz = 1184, uuid = 2950, name = 19
    case jsonArray = 199, bytesArray = 1001, textArray = 1009, int8Array = 1016, uuidArray = 2951
}

/// A value that can be bound to a statement.
package protocol SQLBindable: Sendable {
    static var sqlType: SQLType { get }
    var sqlBytes: [UInt8] { get }
}

extension String: SQLBindable {
    package static var sqlType: SQLType { .text }
    package var sqlBytes: [UInt8] { Array(utf8) }
}

extension Int64: SQLBindable {
    package static var sqlType: SQLType { .int8 }
    package var sqlBytes: [UInt8] { bigEndianBytes }
}

extension Int: SQLBindable {
    package static var sqlType: SQLType { .int8 }
    package var sqlBytes: [UInt8] { Int64(self).bigEndianBytes }
}

extension Bool: SQLBindable {
    package static var sqlType: SQLType { .bool }
    package var sqlBytes: [UInt8] { [self ? 1 : 0] }
}

extension Double: SQLBindable {
    package static var sqlType: SQLType { .float8 }
    package var sqlBytes: [UInt8] { bitPattern.bigEndianBytes }
}

extension UUID: SQLBindable {
    package static var sqlType: SQLType { .uuid }
    package var sqlBytes: [UInt8] { withUnsafeBytes(of: uuid) { Array($0) } }
}

/// Lists bind as one array, so that a statement's text does not depend on how many there are.
extension Array: SQLBindable where Element: SQLArrayElement {
    package static var sqlType: SQLType { Element.arrayType }

    package var sqlBytes: [UInt8] {
        // Dimensions, whether it holds NULLs, the element's type; then of the one dimension its length and lower bound.
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20 + count * 20)
        bytes.append(contentsOf: UInt32(isEmpty ? 0 : 1).bigEndianBytes)
        bytes.append(contentsOf: UInt32(Element.mayBeNull ? 1 : 0).bigEndianBytes)
        bytes.append(contentsOf: Element.elementType.rawValue.bigEndianBytes)
        if isEmpty { return bytes }
        bytes.append(contentsOf: UInt32(count).bigEndianBytes)
        bytes.append(contentsOf: UInt32(1).bigEndianBytes)
        for element in self {
            if let value = element.elementBytes {
                bytes.append(contentsOf: UInt32(value.count).bigEndianBytes)
                bytes.append(contentsOf: value)
            } else {
                bytes.append(contentsOf: UInt32.max.bigEndianBytes)
            }
        }
        return bytes
    }
}

/// A value that can stand in a bound array; bytes (`[UInt8]`) are one value of their own, bytea.
package protocol SQLArrayElement: Sendable {
    static var arrayType: SQLType { get }
    static var elementType: SQLType { get }
    static var mayBeNull: Bool { get }
    var elementBytes: [UInt8]? { get }
}

extension SQLArrayElement {
    package static var mayBeNull: Bool { false }
}

extension SQLArrayElement where Self: SQLBindable {
    package static var elementType: SQLType { sqlType }
    package var elementBytes: [UInt8]? { sqlBytes }
}

extension String: SQLArrayElement { package static var arrayType: SQLType { .textArray } }
extension UUID: SQLArrayElement { package static var arrayType: SQLType { .uuidArray } }
extension Int64: SQLArrayElement { package static var arrayType: SQLType { .int8Array } }

/// Bytes in a bound array.
package struct BytesElement: SQLArrayElement {
    package static var arrayType: SQLType { .bytesArray }
    package static var elementType: SQLType { .bytes }
    private let bytes: [UInt8]
    package var elementBytes: [UInt8]? { bytes }

    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }
}

extension Optional: SQLArrayElement where Wrapped: SQLArrayElement {
    package static var arrayType: SQLType { Wrapped.arrayType }
    package static var elementType: SQLType { Wrapped.elementType }
    package static var mayBeNull: Bool { true }
    package var elementBytes: [UInt8]? { self?.elementBytes }
}

extension SQL.StringInterpolation {
    /// Binds bytes (bytea).
    package mutating func appendInterpolation(_ bytes: [UInt8]) {
        sql.template.append(1)
        sql.bindings.append(Binding(type: .bytes, bytes: bytes))
    }
}

extension FixedWidthInteger {
    var bigEndianBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
}

extension [SQL] {
    /// One behind the other, with these words between them.
    package func joined(by separator: StaticString) -> SQL {
        guard let first else { return "" }
        return dropFirst().reduce(first) { "\(sql: $0)\(raw: separator)\(sql: $1)" }
    }
}
