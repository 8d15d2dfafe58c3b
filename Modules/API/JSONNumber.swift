#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension JSONParser {
    mutating func number() throws(JSONError) -> JSON.Number {
        let start = position
        let negative = next == UInt8(ascii: "-")
        if negative { position += 1 }
        let whole = try digits()
        if whole.count > 1, bytes[whole.lowerBound] == UInt8(ascii: "0") {
            throw error("a number has no leading zero", at: start)
        }
        var fraction = position..<position
        if next == UInt8(ascii: ".") {
            position += 1
            fraction = try digits()
        }
        var exponent = -fraction.count
        if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            var below = false
            if let sign = next, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
                below = sign == UInt8(ascii: "-")
                position += 1
            }
            // Bounded while it is read: beyond this no number of the digits that fit in memory is a double, or not zero.
            let written = bytes[try digits()].reduce(0) { min($0 * 10 + Int($1 - UInt8(ascii: "0")), 1_000_000_000) }
            exponent += below ? -written : written
        }
        // Looked at, copied as digits and as text, and read by strtod.
        cost.steps += 4 * (position - start)
        guard let number = canonical(negative, bytes[whole] + bytes[fraction], exponent) else {
            throw error("no double holds this number", at: start)
        }
        if number.text.utf8.count > 15 { try weigh(32 + number.text.utf8.count) }
        return number
    }

    private mutating func digits() throws(JSONError) -> Range<Int> {
        let start = position
        while let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        guard position > start else { throw error("a digit should stand here") }
        return start..<position
    }

    /// The one text of a number: plain where 21 digits do (as JavaScript prints), otherwise `d.ddde±x`; every digit kept.
    private func canonical(_ negative: Bool, _ significand: some Collection<UInt8>, _ exponent: Int) -> JSON.Number? {
        let zero = UInt8(ascii: "0")
        let digits = Array(significand.drop { $0 == zero })
        guard let last = digits.lastIndex(where: { $0 != zero }) else { return JSON.Number(canonical: "0") }
        let count = last + 1
        /// Where the point stands, counted from the first digit.
        let point = digits.count + exponent
        var text: [UInt8] = negative ? [UInt8(ascii: "-")] : []
        text.reserveCapacity(count + 28)
        switch point {
        case count...max(count, 21) where point <= 21:
            text += digits[..<count]
            text += repeatElement(zero, count: point - count)
        case 1..<max(2, count):
            text += digits[..<point]
            text.append(UInt8(ascii: "."))
            text += digits[point..<count]
        case -5...0:
            text += "0.".utf8
            text += repeatElement(zero, count: -point)
            text += digits[..<count]
        default:
            text.append(digits[0])
            if count > 1 { text.append(UInt8(ascii: ".")) }
            text += digits[1..<count]
            text += "e\(point - 1)".utf8
        }
        return Self.isDouble(text) ? JSON.Number(canonical: String(decoding: text, as: UTF8.self)) : nil
    }

    /// Whether a double comes near this number, which is not zero.
    private static func isDouble(_ text: [UInt8]) -> Bool {
        let double = (text + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { $0.baseAddress.map { strtod($0, nil) } ?? 0 }
        }
        return double.isFinite && double != 0
    }
}
