#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Why a text is not the JSON that we take, and at which byte.
package struct JSONError: Error, Sendable, Equatable {
    package let reason: String
    package let offset: Int
}

extension JSON {
    /// What any body may be nested: 32 levels of a value and the few of the request around it.
    package static let deepestBody = 37
    /// What a single stored value may be nested.
    package static let deepestValue = 32

    /// Parses RFC 8259 text, strictly. Refused beyond the grammar, because somebody on the way would change or lose it:
    /// members named twice, NUL characters, lone surrogates, bad UTF-8, numbers that no double holds, and nesting
    /// deeper than `deepestBody`. Foundation's decoder lets the first two through and recurses to 512.
    package init(parsing bytes: some Sequence<UInt8>, deepest: Int = deepestBody) throws(JSONError) {
        var parser = JSONParser(bytes: Array(bytes), deepest: deepest)
        self = try parser.document()
    }
}

private struct JSONParser {
    let bytes: [UInt8]
    let deepest: Int
    var position = 0
    var depth = 0

    init(bytes: [UInt8], deepest: Int) {
        self.bytes = bytes
        self.deepest = deepest
    }

    mutating func document() throws(JSONError) -> JSON {
        let value = try value()
        skipSpace()
        guard position == bytes.count else { throw error("there is more text after the value") }
        return value
    }

    func error(_ reason: String, at offset: Int? = nil) -> JSONError {
        JSONError(reason: reason, offset: offset ?? position)
    }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func value() throws(JSONError) -> JSON {
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case let byte? where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte): return .number(try number())
        case nil: throw error("the text ends where a value should stand")
        default: throw error("no JSON value begins like this")
        }
    }

    mutating func word(_ text: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let count = text.utf8CodeUnitCount
        guard bytes.count - position >= count,
            bytes[position..<position + count].elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: count))
        else { throw error("no JSON value begins like this") }
        position += count
        return value
    }

    mutating func enter() throws(JSONError) {
        depth += 1
        position += 1
        guard depth <= deepest else { throw error("the value is nested deeper than \(JSON.deepestValue) levels") }
    }

    mutating func array() throws(JSONError) -> JSON {
        try enter()
        defer { depth -= 1 }
        var elements: [JSON] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return .array([])
        }
        while true {
            elements.append(try value())
            guard try another(closing: UInt8(ascii: "]")) else { return .array(elements) }
        }
    }

    mutating func object() throws(JSONError) -> JSON {
        try enter()
        defer { depth -= 1 }
        var members: [String: JSON] = [:]
        skipSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return .object([:])
        }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("a member's name should stand here") }
            let start = position
            let name = try string()
            skipSpace()
            guard next == UInt8(ascii: ":") else { throw error("a colon should stand after a member's name") }
            position += 1
            guard members.updateValue(try value(), forKey: name) == nil else {
                throw error("the object names a member twice", at: start)
            }
            guard try another(closing: UInt8(ascii: "}")) else { return .object(members) }
        }
    }

    /// Steps over a comma (true) or the closing bracket (false).
    mutating func another(closing: UInt8) throws(JSONError) -> Bool {
        skipSpace()
        switch next {
        case UInt8(ascii: ","):
            position += 1
            return true
        case closing:
            position += 1
            return false
        case nil: throw error("the text ends inside an array or object")
        default: throw error("a comma or a closing bracket should stand here")
        }
    }
}

extension JSONParser {
    mutating func string() throws(JSONError) -> String {
        let start = position
        position += 1
        var text: [UInt8] = []
        while true {
            guard let byte = next else { throw error("the text ends inside a string", at: start) }
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw error("the string is not UTF-8", at: start)
                }
                return string
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &text)
            case 0..<0x20: throw error("a control character must be written as an escape")
            default:
                text.append(byte)
                position += 1
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw error("the text ends inside a string") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: Array(String(try escapedScalar()).utf8))
        default: throw error("no such escape", at: position - 1)
        }
    }

    private mutating func escapedScalar() throws(JSONError) -> Character {
        let start = position - 2
        var code = try hex4()
        if (0xD800..<0xDC00).contains(code) {
            guard next == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u")
            else {
                throw error("half a surrogate pair stands alone", at: start)
            }
            position += 2
            let low = try hex4()
            guard (0xDC00..<0xE000).contains(low) else { throw error("half a surrogate pair stands alone", at: start) }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard code != 0 else { throw error("a NUL character cannot be kept", at: start) }
        guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair stands alone", at: start) }
        return Character(scalar)
    }

    private mutating func hex4() throws(JSONError) -> UInt32 {
        guard bytes.count - position >= 4 else { throw error("the text ends inside an escape") }
        var code: UInt32 = 0
        for _ in 0..<4 {
            switch bytes[position] {
            case let byte where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"):
                code = code << 4 | UInt32(byte - UInt8(ascii: "0"))
            case let byte where byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "f"):
                code = code << 4 | UInt32(byte | 0x20 - UInt8(ascii: "a") + 10)
            default: throw error("an escape needs four hexadecimal digits")
            }
            position += 1
        }
        return code
    }

    mutating func number() throws(JSONError) -> JSON.Number {
        let start = position
        let negative = next == UInt8(ascii: "-")
        if negative { position += 1 }
        var significand = try digits()
        if significand.count > 1, significand[0] == UInt8(ascii: "0") {
            throw error("a number has no leading zero", at: start)
        }
        var exponent = 0
        if next == UInt8(ascii: ".") {
            position += 1
            let fraction = try digits()
            significand += fraction
            exponent = -fraction.count
        }
        if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            var below = false
            if let sign = next, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
                below = sign == UInt8(ascii: "-")
                position += 1
            }
            // Bounded while it is read: more digits than fit an Int say the same as 10^6 does, "no double".
            let written = try digits().reduce(0) { min($0 * 10 + Int($1 - UInt8(ascii: "0")), 1_000_000) }
            exponent += below ? -written : written
        }
        guard let number = canonical(negative: negative, significand: significand, exponent: exponent) else {
            throw error("no double holds this number", at: start)
        }
        return number
    }

    private mutating func digits() throws(JSONError) -> [UInt8] {
        let start = position
        while let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        guard position > start else { throw error("a digit should stand here") }
        return Array(bytes[start..<position])
    }

    /// The one text of a number: plain where 21 digits do (as JavaScript prints), otherwise `d.ddde±x`; every digit kept.
    private func canonical(negative: Bool, significand: [UInt8], exponent: Int) -> JSON.Number? {
        let zero = UInt8(ascii: "0")
        var digits = significand.drop { $0 == zero }
        var exponent = exponent
        while digits.last == zero {
            digits.removeLast()
            exponent += 1
        }
        if digits.isEmpty { return JSON.Number(canonical: "0") }
        let point = digits.count + exponent
        var text = negative ? "-" : ""
        let all = String(decoding: digits, as: UTF8.self)
        switch point {
        case digits.count...max(digits.count, 21) where point <= 21:
            text += all + String(repeating: "0", count: point - digits.count)
        case 1..<max(2, digits.count):
            text += all.prefix(point) + "." + all.dropFirst(point)
        case -5...0:
            text += "0." + String(repeating: "0", count: -point) + all
        default:
            text += all.prefix(1) + (digits.count > 1 ? "." + all.dropFirst() : "") + "e\(point - 1)"
        }
        let double = strtod(text, nil)
        return double.isFinite && double != 0 ? JSON.Number(canonical: text) : nil
    }
}
