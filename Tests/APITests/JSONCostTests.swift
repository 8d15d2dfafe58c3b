import API
import Testing

@Suite("What a parse costs is bounded by the bytes, whatever they say")
struct JSONCostTests {
    /// Shapes in which something else than the bytes could count, each made so many bytes long.
    static let shapes: [(name: String, make: @Sendable (Int) -> String)] = [
        ("a member's name of combining marks", { "{\"" + marks($0) + "\":1}" }),
        (
            "names that differ in their last mark",
            { size in
                "{" + (0..<8).map { "\"\(marks(size / 8))\($0)\":1" }.joined(separator: ",") + "}"
            }
        ),
        ("a text of combining marks", { "\"" + marks($0) + "\"" }),
        (
            "many members",
            { size in "{" + (0..<size / 12).map { "\"k\($0)\":\($0 % 10)" }.joined(separator: ",") + "}" }
        ),
        ("numbers of one digit", { "[" + String(repeating: "1,", count: $0 / 2) + "1]" }),
        ("empty arrays", { "[" + String(repeating: "[],", count: $0 / 3) + "[]]" }),
        ("arrays of one", { "[" + String(repeating: "[0],", count: $0 / 4) + "0]" }),
        ("objects of one", { "[" + String(repeating: "{\"\":0},", count: $0 / 7) + "0]" }),
        ("towers", { "[" + String(repeating: tower, count: $0 / tower.utf8.count) + "0]" }),
        ("towers of objects", { "[" + String(repeating: objects, count: $0 / objects.utf8.count) + "0]" }),
        ("a number of many digits", { "0." + String(repeating: "7", count: $0) }),
        ("a number of many noughts", { "1." + String(repeating: "0", count: $0) }),
        (
            "noughts behind a digit, taken back by the exponent",
            { size in
                "1" + String(repeating: "0", count: size) + "e-\(size)"
            }
        ),
        ("escapes", { "\"" + String(repeating: "\\u0301", count: $0 / 6) + "\"" }),
        ("short escapes", { "\"" + String(repeating: "\\n", count: $0 / 2) + "\"" }),
        ("escapes with text between", { "\"" + String(repeating: "a\\n", count: $0 / 3) + "\"" }),
        ("blanks", { "[" + String(repeating: " ", count: $0) + "]" }),
    ]

    private static let tower = String(repeating: "[", count: 30) + String(repeating: "]", count: 30) + ","

    private static let objects =
        String(repeating: "{\"\":", count: 30) + "0" + String(repeating: "}", count: 30) + ","

    private static func marks(_ bytes: Int) -> String {
        String(String.UnicodeScalarView((0..<bytes / 4).flatMap { _ -> [Unicode.Scalar] in ["\u{0301}", "\u{0316}"] }))
    }

    @Test("Steps a byte do not grow with the size, for every hostile shape", arguments: shapes.indices)
    func steps(shape: Int) throws {
        let (name, make) = Self.shapes[shape]
        let costs = try [4_096, 16_384, 65_536, 262_144].map { size in
            let text = make(size)
            let steps = try JSON.parse(text.utf8, heaviest: .max).cost.steps
            return Double(steps) / Double(text.utf8.count)
        }
        #expect(costs.allSatisfy { $0 <= costs[0] * 1.05 + 0.1 && $0 < 12 }, "\(name): \(costs)")
    }

    @Test("No text of 64 KiB is too heavy, and a megabyte weighs at most eight", arguments: shapes.indices)
    func weight(shape: Int) throws {
        let (name, make) = Self.shapes[shape]
        let small = make(65_000)
        #expect(throws: Never.self, "\(name)") { try JSON.parse(small.utf8) }
        let large = make(1_000_000)
        do {
            let weight = try JSON.parse(large.utf8).cost.weight
            #expect(weight <= 8 * large.utf8.count, "\(name): \(weight)")
        } catch {
            #expect(error.isTooMuch, "\(name): \(error)")
        }
    }

    @Test("A body of a million tiny values is refused as too much, not as wrong")
    func tooMuch() throws {
        let error = #expect(throws: JSONError.self) { try JSON(parsing: Self.shapes[4].make(1_000_000).utf8) }
        #expect(error?.isTooMuch == true)
        #expect(throws: Never.self) {
            try JSON(parsing: ("[" + String(repeating: "\"abcdefgh\",", count: 90_000) + "0]").utf8)
        }
    }

    @Test("Names and texts that look alike are two where their bytes differ")
    func verbatim() throws {
        let object = try JSON(parsing: #"{"\u00e9": 1, "e\u0301": 2, "K": 3, "\u212a": 4}"#.utf8)
        #expect(object["\u{E9}"]?.integer == 1 && object["e\u{301}"]?.integer == 2)
        #expect(object["K"]?.integer == 3 && object["\u{212A}"]?.integer == 4)
        #expect(JSON.string("\u{E9}") != .string("e\u{301}"))
        #expect(Set([JSON.string("\u{E9}"), .string("e\u{301}"), .string("\u{E9}")]).count == 2)
        let canonical = "{\"K\":3,\"e\u{301}\":2,\"\u{E9}\":1,\"\u{212A}\":4}"
        #expect(RawJSON(object).utf8 == Array(canonical.utf8))
        #expect(throws: JSONError.self) { try JSON(parsing: #"{"\u00e9": 1, "é": 2}"#.utf8) }
    }
}

@Suite("Text from outside is handled by its bytes")
struct VerbatimTests {
    @Test("A mark behind a separator does not hide it, and pieces come back as they were")
    func pieces() {
        #expect("a,\u{301}b".pieces(between: ",").map(\.verbatim) == ["a", "\u{301}b"])
        #expect("a=b=c".pieces(between: "=", most: 2).map(\.verbatim) == ["a", "b=c"])
        #expect("".pieces(between: ",").map(\.verbatim) == [""])
        #expect(" \t a \u{301} ".trimmed.verbatim == "a \u{301}" && "  ".trimmed.isEmpty)
        #expect("x=1".behind("x=")?.verbatim == "1" && "x".behind("x=") == nil)
        #expect("a?b?c".upTo("?").verbatim == "a" && "abc".upTo("?").verbatim == "abc")
    }

    @Test("Small letters are made of A to Z alone: the Kelvin sign is no k")
    func lowercase() {
        #expect("CLOSE\u{212A}É".asciiLowercased.verbatim == "close\u{212A}É")
        #expect("K".verbatim != "\u{212A}".verbatim && "\u{E9}".verbatim != "e\u{301}".verbatim)
        #expect("a".verbatim < "b" && "Z".verbatim < "a" && "z".verbatim < "é")
    }

    @Test("Percent-encoding is decoded by bytes, or not at all")
    func percent() {
        #expect("a%20%C3%a9+b".percentDecoded()?.verbatim == "a é+b")
        #expect("a+b".percentDecoded(plusIsBlank: true)?.verbatim == "a b")
        for wrong in ["%", "%2", "%zz", "%C3", "%ff", "%ED%A0%80", "%00", "a%00b"] {
            #expect(wrong.percentDecoded() == nil)
        }
    }
}
