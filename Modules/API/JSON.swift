/// A JSON value as a request carried it: numbers keep every digit, so that what is stored comes back value for value.
/// Made only by `JSON.init(parsing:)`, which refuses what no client could read back (see there), or by the server.
/// Texts and names are what their bytes are: two that Unicode composes in different ways are two.
package enum JSON: Sendable {
    package typealias Members = [Verbatim: JSON]

    case null
    case bool(Bool)
    case number(Number)
    case string(String)
    case array([JSON])
    case object(Members)

    /// A finite number by its canonical text: `1.0`, `1` and `1e0` are all `1`, so equal numbers are equal bytes.
    package struct Number: Sendable {
        package let text: String

        init(canonical text: String) {
            self.text = text
        }
    }

    package static func int(_ value: some BinaryInteger) -> JSON { .number(Number(canonical: String(value))) }

    package subscript(_ name: Verbatim) -> JSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    /// The whole number that this value is, if it is one and fits: `3` and `3.0`, not `3.5`, `"3"` or 2^63.
    package var integer: Int64? {
        guard case .number(let number) = self else { return nil }
        return Int64(number.text)
    }

    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// How many arrays and objects stand inside one another at the deepest place; 0 for a scalar.
    package var depth: Int {
        switch self {
        case .array(let elements): 1 + (elements.lazy.map(\.depth).max() ?? 0)
        case .object(let members): 1 + (members.values.lazy.map(\.depth).max() ?? 0)
        default: 0
        }
    }
}

extension JSON: Hashable {
    package static func == (a: JSON, b: JSON) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a.text.verbatim == b.text.verbatim
        case (.string(let a), .string(let b)): a.verbatim == b.verbatim
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0 as UInt8)
        case .bool(let value): hasher.combine(value)
        case .number(let number): hasher.combine(number.text.verbatim)
        case .string(let text): hasher.combine(text.verbatim)
        case .array(let elements): hasher.combine(elements)
        case .object(let members): hasher.combine(members)
        }
    }
}

/// JSON that is text already: canonical bytes on their way between the database and a socket, never parsed in between.
package struct RawJSON: Sendable, Hashable {
    package var utf8: [UInt8]

    package init(utf8: [UInt8]) {
        self.utf8 = utf8
    }

    package init(_ value: JSON) {
        var writer = JSONWriter()
        writer.write(value)
        utf8 = writer.bytes
    }
}

/// Appends JSON to an array of bytes. Objects are written with their members sorted by UTF-8, so that equal values
/// are equal bytes; the hot answers are assembled by hand with `raw` and `string`.
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(capacity: Int = 256) {
        bytes.reserveCapacity(capacity)
    }

    package mutating func raw(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func raw(_ json: RawJSON) {
        // Megabytes are nearly all of what is written: the little behind them would double the array.
        if json.utf8.count >> 20 > 0 { bytes.reserveCapacity(bytes.count + json.utf8.count + 1_024) }
        bytes.append(contentsOf: json.utf8)
    }

    package mutating func int(_ value: Int64) {
        ascii(String(value))
    }

    /// Text that needs no escaping: ids, times, cursors.
    package mutating func plain(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        ascii(text)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func ascii(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    package mutating func string(_ text: String) {
        var text = text
        bytes.append(UInt8(ascii: "\""))
        text.withUTF8 { utf8 in
            var start = 0
            for (index, byte) in utf8.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5C {
                bytes.append(contentsOf: utf8[start..<index])
                escape(byte)
                start = index + 1
            }
            bytes.append(contentsOf: utf8[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case 0x22: raw("\\\"")
        case 0x5C: raw("\\\\")
        case 0x0A: raw("\\n")
        case 0x0D: raw("\\r")
        case 0x09: raw("\\t")
        default:
            raw("\\u00")
            let digits: StaticString = "0123456789abcdef"
            bytes.append(digits.utf8Start[Int(byte >> 4)])
            bytes.append(digits.utf8Start[Int(byte & 0x0F)])
        }
    }

    package mutating func write(_ value: JSON) {
        switch value {
        case .null: raw("null")
        case .bool(true): raw("true")
        case .bool(false): raw("false")
        case .number(let number): ascii(number.text)
        case .string(let text): string(text)
        case .array(let elements):
            list(elements) { $0.write($1) }
        case .object(let members):
            raw("{")
            var first = true
            for (name, member) in members.sorted(by: { $0.key < $1.key }) {
                if !first { raw(",") }
                first = false
                string(name.text)
                raw(":")
                write(member)
            }
            raw("}")
        }
    }

    /// An array, each element written by `body`.
    package mutating func list<Elements: Sequence>(
        _ elements: Elements, _ body: (inout JSONWriter, Elements.Element) -> Void
    ) {
        raw("[")
        var first = true
        for element in elements {
            if !first { raw(",") }
            first = false
            body(&self, element)
        }
        raw("]")
    }
}
