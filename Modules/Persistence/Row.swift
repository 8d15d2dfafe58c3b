import CLibPQ
package import FoundationEssentials

#if canImport(Glibc)
import Glibc
#endif

/// The rows of one answer, decoded where they lie.
package struct Rows: Sendable, RandomAccessCollection {
    /// Owns the PGresult and clears it when the last row is gone.
    /// `@unchecked`: libpq never changes a PGresult once PQgetResult has returned it, and reading one from several
    /// threads is allowed.
    final class Storage: @unchecked Sendable {
        let result: OpaquePointer

        init(_ result: OpaquePointer) {
            self.result = result
        }

        deinit {
            PQclear(result)
        }
    }

    let storage: Storage?
    package let startIndex = 0
    package let endIndex: Int

    init(_ result: OpaquePointer?) {
        storage = result.map(Storage.init)
        endIndex = result.map { Int(PQntuples($0)) } ?? 0
    }

    /// What they take in memory.
    var bytes: Int { storage.map { PQresultMemorySize($0.result) } ?? 0 }

    package subscript(position: Int) -> Row { Row(storage: storage, index: Int32(position)) }
}

package struct Row: Sendable {
    fileprivate let storage: Rows.Storage?
    fileprivate let index: Int32

    /// The value in the column of that name; `Optional` where NULL may stand.
    /// - Throws: `DatabaseError` of kind `undecodable` naming the column, the type wanted and the one found.
    package func decode<Value: SQLDecodable>(_ column: StaticString, as type: Value.Type = Value.self) throws -> Value {
        guard let result = storage?.result else { throw failure(column, type, "there is no row") }
        guard let number = Self.number(of: column, in: result) else {
            throw failure(column, type, "there is no such column")
        }
        if PQgetisnull(result, index, number) == 1 {
            guard let value = Value.ofNull else { throw failure(column, type, "NULL stands there") }
            return value
        }
        let found = PQftype(result, number)
        guard let bytes = PQgetvalue(result, index, number), let sqlType = SQLType(found) else {
            throw failure(column, type, "the type with oid \(found) stands there")
        }
        let buffer = UnsafeRawBufferPointer(start: bytes, count: Int(PQgetlength(result, index, number)))
        guard let value = Value(sqlType: sqlType, bytes: buffer) else {
            throw failure(column, type, "\(sqlType) of \(buffer.count) bytes stands there")
        }
        return value
    }

    private static func number(of column: StaticString, in result: OpaquePointer) -> Int32? {
        (0..<PQnfields(result)).first { number in
            guard let name = PQfname(result, number) else { return false }
            return strcmp(name, UnsafeRawPointer(column.utf8Start).assumingMemoryBound(to: CChar.self)) == 0
        }
    }

    private func failure<Value>(_ column: StaticString, _ type: Value.Type, _ what: String) -> DatabaseError {
        DatabaseError(.undecodable, message: "column \(column) should be \(Value.self), but \(what)")
    }
}

/// A type that a column can be read as, from PostgreSQL's binary format.
package protocol SQLDecodable: Sendable {
    /// nil when this type is not read from that one.
    init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer)
    /// What NULL is; nil: NULL is an error.
    static var ofNull: Self? { get }
}

extension SQLDecodable {
    package static var ofNull: Self? { nil }
}

extension Optional: SQLDecodable where Wrapped: SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard let value = Wrapped(sqlType: sqlType, bytes: bytes) else { return nil }
        self = .some(value)
    }

    package static var ofNull: Wrapped?? { .some(nil) }
}

extension String: SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .text || sqlType == .varchar || sqlType == .name else { return nil }
        self.init(decoding: bytes, as: UTF8.self)
    }
}

extension Int64: SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        switch (sqlType, bytes.count) {
        case (.int8, 8): self = Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        case (.int4, 4): self = Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case (.int2, 2): self = Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        default: return nil
        }
    }
}

extension Int: SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard let value = Int64(sqlType: sqlType, bytes: bytes) else { return nil }
        self = Int(value)
    }
}

extension Bool: SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .bool, bytes.count == 1 else { return nil }
        self = bytes[0] != 0
    }
}

extension Double: SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .float8, bytes.count == 8 else { return nil }
        self.init(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)))
    }
}

extension UUID: SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .uuid, bytes.count == 16 else { return nil }
        self.init(uuid: bytes.loadUnaligned(as: uuid_t.self))
    }
}

extension Array: SQLDecodable where Element: SQLArrayElement & SQLDecodable {
    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == Element.arrayType, bytes.count >= 12 else { return nil }
        var elements: [Element] = []
        let dimensions = bytes.word(0)
        guard dimensions == 0 || dimensions == 1 else { return nil }
        if dimensions == 1 {
            guard let count = bytes.word(12), count >= 0 else { return nil }
            var offset = 20
            for _ in 0..<count {
                guard let length = bytes.word(offset) else { return nil }
                offset += 4
                if length < 0 {
                    guard let null = Element.ofNull else { return nil }
                    elements.append(null)
                    continue
                }
                guard bytes.count - offset >= length,
                    let element = Element(
                        sqlType: Element.elementType,
                        bytes: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
                else { return nil }
                elements.append(element)
                offset += length
            }
        }
        self = elements
    }
}

/// A value of a composite type of our rules, alone or in an array. Its columns are told by their place.
package struct Record: SQLDecodable, SQLArrayElement {
    package static var arrayType: SQLType { .ours }
    package static var elementType: SQLType { .ours }
    /// A record is never bound.
    package var elementBytes: [UInt8]? { nil }
    private let columns: [(type: SQLType?, bytes: [UInt8]?)]

    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .ours, let count = bytes.word(0), count >= 0 else { return nil }
        var columns: [(type: SQLType?, bytes: [UInt8]?)] = []
        var offset = 4
        for _ in 0..<count {
            guard let type = bytes.word(offset), let length = bytes.word(offset + 4) else { return nil }
            offset += 8
            guard bytes.count - offset >= length else { return nil }
            columns.append(
                (
                    SQLType(UInt32(truncatingIfNeeded: type)),
                    length < 0 ? nil : Array(bytes[offset..<offset + length])
                ))
            offset += max(0, length)
        }
        self.columns = columns
    }

    /// - Throws: as `Row.decode`.
    package func decode<Value: SQLDecodable>(_ place: Int, as type: Value.Type = Value.self) throws -> Value {
        guard columns.indices.contains(place) else { throw failure(place, type) }
        guard let bytes = columns[place].bytes else {
            guard let value = Value.ofNull else { throw failure(place, type) }
            return value
        }
        guard let found = columns[place].type, let value = bytes.withUnsafeBytes({ Value(sqlType: found, bytes: $0) })
        else { throw failure(place, type) }
        return value
    }

    private func failure<Value>(_ place: Int, _ type: Value.Type) -> DatabaseError {
        DatabaseError(.undecodable, message: "column \(place) of a record should be \(Value.self), and is not")
    }
}

extension SQLType {
    fileprivate init?(_ oid: UInt32) {
        self.init(rawValue: min(oid, SQLType.ours.rawValue))
    }
}

extension UnsafeRawBufferPointer {
    /// The number in the four bytes there; nil beyond the end.
    fileprivate func word(_ offset: Int) -> Int? {
        guard count - offset >= 4 else { return nil }
        return Int(Int32(bigEndian: loadUnaligned(fromByteOffset: offset, as: Int32.self)))
    }
}

/// Bytes (bytea), which are an array in Swift and one value in SQL.
package struct Bytes: SQLDecodable {
    package let bytes: [UInt8]

    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .bytes else { return nil }
        self.bytes = Array(bytes)
    }
}
