/// Why a text is not the JSON that we take, and at which byte.
package struct JSONError: Error, Sendable, Equatable {
    package let reason: String
    package let offset: Int
    /// It is JSON, only too much of it.
    package var isTooMuch = false
}

extension JSON {
    /// What any body may be nested: 32 levels of a value and the few of the request around it.
    package static let deepestBody = 37
    /// What a single stored value may be nested.
    package static let deepestValue = 32

    /// What a text of so many bytes may weigh once it is parsed, in bytes of memory. A text of numbers with one digit weighs
    /// 12 times itself, one of arrays in arrays 40 times, and who sends a hundred of them at once has them in memory together.
    /// No text of 64 KiB comes to the first amount, whatever stands in it.
    package static func heaviest(of bytes: Int) -> Int { max(3_145_728, bytes * 8) }

    /// Parses RFC 8259 text, strictly. Refused beyond the grammar, because somebody on the way would change or lose it:
    /// members named twice, NUL characters, lone surrogates, bad UTF-8, numbers that no double holds, and nesting
    /// deeper than `deepestBody`. Foundation's decoder lets the first two through and recurses to 512.
    ///
    /// The work is proportional to the bytes, whatever they are.
    /// - Parameter heaviest: in bytes of memory; nil: `heaviest(of:)`. Beyond it an error that `isTooMuch`.
    package init(
        parsing bytes: some Sequence<UInt8>, deepest: Int = deepestBody, heaviest: Int? = nil
    ) throws(JSONError) {
        (self, _) = try JSON.parse(bytes, deepest: deepest, heaviest: heaviest)
    }

    /// The same, and how much it cost: in bytes of memory, and in steps, each a byte looked at, copied, hashed or compared.
    package static func parse(
        _ bytes: some Sequence<UInt8>, deepest: Int = deepestBody, heaviest: Int? = nil
    ) throws(JSONError) -> (value: JSON, cost: Cost) {
        let bytes = Array(bytes)
        var parser = JSONParser(bytes: bytes, deepest: deepest, heaviest: heaviest ?? self.heaviest(of: bytes.count))
        let value = try parser.document()
        return (value, parser.cost)
    }

    package struct Cost: Sendable {
        package var steps = 0
        package var weight = 0
    }
}

struct JSONParser {
    let bytes: [UInt8]
    let deepest: Int
    let heaviest: Int
    var position = 0
    var depth = 0
    var cost = JSON.Cost()

    init(bytes: [UInt8], deepest: Int, heaviest: Int) {
        self.bytes = bytes
        self.deepest = deepest
        self.heaviest = heaviest
        cost.steps = bytes.count
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

    /// Notes that the value takes so much memory more.
    mutating func weigh(_ amount: Int) throws(JSONError) {
        cost.weight += amount
        guard cost.weight <= heaviest else {
            throw JSONError(
                reason: "there are more values in it than a text of this length may have", offset: position,
                isTooMuch: true)
        }
    }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
            cost.steps += 1
        }
    }

    mutating func value() throws(JSONError) -> JSON {
        skipSpace()
        try weigh(Weight.value)
        cost.steps += 1
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
        cost.steps += count
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
        skipSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return .array([])
        }
        try weigh(Weight.array)
        var elements: [JSON] = []
        while true {
            elements.append(try value())
            guard try another(closing: UInt8(ascii: "]")) else { return .array(elements) }
        }
    }

    mutating func object() throws(JSONError) -> JSON {
        try enter()
        defer { depth -= 1 }
        skipSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return .object([:])
        }
        try weigh(Weight.object)
        var members: JSON.Members = [:]
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("a member's name should stand here") }
            let start = position
            let name = Verbatim(try string())
            skipSpace()
            guard next == UInt8(ascii: ":") else { throw error("a colon should stand after a member's name") }
            position += 1
            try weigh(Weight.member)
            // It is hashed, and compared with one that has the same hash, most likely because it is the same.
            cost.steps += 2 * name.text.utf8.count + 1
            guard members.updateValue(try value(), forKey: name) == nil else {
                throw error("the object names a member twice", at: start)
            }
            guard try another(closing: UInt8(ascii: "}")) else { return .object(members) }
        }
    }

    /// Steps over a comma (true) or the closing bracket (false).
    mutating func another(closing: UInt8) throws(JSONError) -> Bool {
        skipSpace()
        cost.steps += 1
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

/// What a value takes in memory, estimated from the layouts; not measured.
private enum Weight {
    /// Its place in an array or object.
    static let value = MemoryLayout<JSON>.stride
    /// The head of an array's storage, and what it is rounded up to.
    static let array = 56
    /// The same of an object, with the places that stay empty.
    static let object = 136
    static let member = MemoryLayout<Verbatim>.stride
}
