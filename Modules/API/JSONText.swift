extension JSONParser {
    /// - Returns: the text of the string literal that begins here.
    mutating func string() throws(JSONError) -> String {
        let start = position
        position += 1
        // Most have no escape, and are taken over as they stand.
        let end = try plainPart(of: start)
        var text: String?
        if bytes[end] == UInt8(ascii: "\"") {
            text = String(validating: bytes[(start + 1)..<end], as: UTF8.self)
            position = end + 1
        } else {
            text = String(validating: try unescaped(from: start, upTo: end), as: UTF8.self)
        }
        guard let text else { throw error("the string is not UTF-8", at: start) }
        // It was looked at, copied, and validated.
        cost.steps += 3 * (position - start)
        // Up to 15 bytes lie in the value itself.
        if text.utf8.count > 15 { try weigh(32 + text.utf8.count) }
        return text
    }

    /// Where the part without escapes ends that begins at `position`.
    private func plainPart(of start: Int) throws(JSONError) -> Int {
        var end = position
        while end < bytes.count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return end }
            guard byte >= 0x20 else { throw error("a control character must be written as an escape", at: end) }
            end += 1
        }
        throw error("the text ends inside a string", at: start)
    }

    /// All of it, from the first escape, which stands at `end`.
    private mutating func unescaped(from start: Int, upTo end: Int) throws(JSONError) -> [UInt8] {
        var text = Array(bytes[position..<end])
        position = end
        while bytes[position] == UInt8(ascii: "\\") {
            position += 1
            try escape(into: &text)
            let end = try plainPart(of: start)
            text.append(contentsOf: bytes[position..<end])
            position = end
        }
        position += 1
        return text
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
        case UInt8(ascii: "u"): text.append(contentsOf: UTF8.encode(try escapedScalar()) ?? .init())
        default: throw error("no such escape", at: position - 1)
        }
    }

    private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
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
        return scalar
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
}
