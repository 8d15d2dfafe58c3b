import API
import TestSupport
import Testing

@Suite("JSON keeps every value or refuses it")
struct JSONTests {
    private func parse(_ text: String) throws(JSONError) -> JSON { try JSON(parsing: text.utf8) }

    private func written(_ text: String) throws -> String {
        String(decoding: RawJSON(try parse(text)).utf8, as: UTF8.self)
    }

    @Test(
        "A number has one text, with every digit that it came with",
        arguments: [
            ("0", "0"), ("-0", "0"), ("0.0e5", "0"), ("1.0", "1"), ("1e0", "1"), ("10e-1", "1"), ("100", "100"),
            ("1e3", "1000"), ("-1.50", "-1.5"), ("0.001", "0.001"), ("1e-7", "1e-7"), ("1.25e-9", "1.25e-9"),
            ("123456789012345678901", "123456789012345678901"), ("1e21", "1e21"), ("12e21", "1.2e22"),
            ("0.1234567890123456789", "0.1234567890123456789"), ("1e308", "1e308"), ("5e-324", "5e-324"),
        ])
    func numbers(text: String, canonical: String) throws {
        #expect(try written(text) == canonical)
        #expect(try written(canonical) == canonical)
    }

    @Test("Equal values are equal bytes, whatever the order of their members")
    func canonicalObjects() throws {
        #expect(
            try written(#" { "b" : [1.0, 2e0], "a" : {"d":null, "c":true} } "#)
                == #"{"a":{"c":true,"d":null},"b":[1,2]}"#)
    }

    @Test(
        "Strings come back character for character",
        arguments: [
            #""é""#, #""\ud83d\ude00""#, #""\u0001\n\t\"\\\/""#, #""\u2028""#, #""""#,
        ])
    func strings(text: String) throws {
        let value = try parse(text)
        #expect(try JSON(parsing: RawJSON(value).utf8) == value)
    }

    @Test(
        "What nobody could read back is refused",
        arguments: [
            "", " ", "{", "[1", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "01", "1.", ".5", "+1", "1e", "--1", "NaN",
            "Infinity", "1e400",
            "-1e400", "1e-400", "1e99999999999999999999", "tru", "nul", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u0000\"",
            "\"\\ud800\"",
            "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"a\nb\"", "1 2", "{\"a\":1,\"a\":2}", "\u{FEFF}1", "[1 2]",
            "{\"a\" 1}",
        ])
    func refusals(text: String) {
        #expect(throws: JSONError.self) { try JSON(parsing: text.utf8) }
    }

    @Test("Bytes that are not UTF-8 are refused")
    func badUTF8() {
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xFF, 0x22] as [UInt8]) }
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xC3, 0x22] as [UInt8]) }
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xED, 0xA0, 0x80, 0x22] as [UInt8]) }
    }

    @Test("Nesting ends at the limit, and a hundred thousand levels cost nothing")
    func depth() throws {
        let deepest = String(repeating: "[", count: JSON.deepestBody) + String(repeating: "]", count: JSON.deepestBody)
        #expect(try parse(deepest).depth == JSON.deepestBody)
        #expect(throws: JSONError.self) { try JSON(parsing: ("[" + deepest + "]").utf8) }
        #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "[", count: 100_000).utf8) }
    }

    @Test(
        "What was parsed and written is the same when it is parsed again, for a thousand random values",
        arguments: 0..<8)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<125 {
            let value = Self.random(&random, depth: 4)
            #expect(try JSON(parsing: RawJSON(value).utf8) == value)
        }
    }

    private static func random(_ random: inout SeededGenerator, depth: Int) -> JSON {
        switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .int(Int64.random(in: .min ... .max, using: &random))
        case 3, 4:
            let scalars = (0..<Int.random(in: 0...12, using: &random)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 1...0x2FFFF, using: &random))
            }
            return .string(String(String.UnicodeScalarView(scalars)))
        case 5:
            return .array(
                (0..<Int.random(in: 0...4, using: &random)).map { _ in Self.random(&random, depth: depth - 1) })
        default:
            var members: JSON.Members = [:]
            for index in 0..<Int.random(in: 0...4, using: &random) {
                members[Verbatim("k\(index)\"")] = Self.random(&random, depth: depth - 1)
            }
            return .object(members)
        }
    }
}
