import API
import TestSupport
import Testing

/// One of every kind that a model can be made of.
private struct Thing: Model {
    enum Colour: String, Decodable, Sendable, CaseIterable {
        case red, green
    }

    struct Part: Model {
        let weight: Double
    }

    let itemID: RawJSON
    let costCoins: Int64
    let colour: Colour?
    let madeAt: Timestamp?
    let parts: [Part]
    let note: String?

    static let leftOut = ["note"]
}

@Suite("What a type says of what travels")
struct ModelTests {
    private static let good =
        #"{"item_id": [1], "cost_coins": 3, "colour": "red", "made_at": null, "parts": [{"weight": 0.5}]}"#

    private static let schema = #"""
        {"components": {"schemas": {"Colour": {"type": ["string", "null"], "enum": ["red", "green", null]}, "Thing":
        {"type": "object", "required": ["item_id", "cost_coins", "colour", "made_at", "parts"], "properties": {
        "item_id": {}, "cost_coins": {"type": "integer"}, "colour": {"$ref": "#/components/schemas/Colour"},
        "made_at": {"type": ["string", "null"], "format": "date-time"}, "parts": {"type": "array", "items":
        {"allOf": [{"type": "object", "required": ["weight"], "properties": {"weight": {"type": "number"}}}]}},
        "note": {"type": "string"}}}}}}
        """#

    private func thing(_ text: String) throws -> Thing { try Thing(exactly: JSON(parsing: text.utf8)) }

    @Test("A value is read member by member")
    func reads() throws {
        let thing = try thing(Self.good)
        #expect(thing.costCoins == 3 && thing.colour == .red && thing.madeAt == nil && thing.note == nil)
        #expect(thing.parts == [.init(weight: 0.5)] && thing.itemID == RawJSON(.array([.int(1)])))
        #expect(try self.thing(Self.good.dropLast() + #", "note": "x"}"#).note == "x")
    }

    @Test(
        "A member that is unknown, missing, null or of another kind is a fault",
        arguments: [
            (#""cost_coins": 3"#, #""cost_coins": 3, "more": 1"#, "Thing: more is unknown"),
            (#""cost_coins": 3, "#, "", "cost_coins is missing"),
            (#""made_at": null, "#, "", "Thing: made_at is missing"),
            (#""made_at": null"#, #""made_at": null, "note": null"#, "Thing: note is null and should be left out"),
            (#""made_at": null"#, #""made_at": "2026-01-10T12:00:00Z""#, "is not a time with milliseconds"),
            (#""cost_coins": 3"#, #""cost_coins": null"#, "is not a whole number"),
            (#""cost_coins": 3"#, #""cost_coins": 0.5"#, "is not a whole number"),
            (#""red""#, #""blue""#, "is not one of red, green"),
            (#"0.5"#, #"0.5, "size": 1"#, "parts: Part: size is unknown"),
            (#"[1]"#, "null", "is not any JSON"),
        ])
    func faults(_ old: String, _ new: String, _ fault: String) throws {
        let text = Self.good.replacing(old, with: new)
        #expect(text != Self.good)
        let misread = #expect(throws: Misread.self) { try thing(text) }
        #expect(misread?.description.contains(fault) == true, "\(misread?.description ?? "")")
    }

    @Test("A schema that says the same as the type has no fault")
    func agreement() throws { #expect(try compare(Self.schema) == []) }

    @Test(
        "A schema that differs in members, in what is required or null, in a kind or a word is found out",
        arguments: [
            (#""note": {"type": "string"}"#, #""note": {"type": "string"}, "extra": {}"#, "T: the type has no extra"),
            (#""cost_coins": {"type": "integer"}, "#, "", "T.cost_coins is not described"),
            (#""made_at", "parts"]"#, #""parts"]"#, "T.made_at is not required"),
            (#""parts"]"#, #""parts", "note"]"#, "T.note is required"),
            (#"["string", "null"], "format""#, #""string", "format""#, "T.made_at may not be null"),
            (#""type": "integer""#, #""type": ["integer", "null"]"#, "T.cost_coins may be null"),
            (#""type": "integer""#, #""type": "string""#, "T.cost_coins: is [\"string\"], not integer"),
            (#""green", "#, "", "T.colour: lists [\"red\"], the type has [\"green\", \"red\"]"),
            (#""format": "date-time""#, #""format": "date""#, "T.made_at: its format is not date-time"),
            (#""weight": {"type": "number"}"#, #""weight": {"type": "boolean"}"#, "T.parts[].weight: is"),
        ])
    func differences(_ old: String, _ new: String, _ fault: String) throws {
        let text = Self.schema.replacing(old, with: new)
        #expect(text != Self.schema)
        let found = try compare(text)
        #expect(found.contains { $0.contains(fault) }, "\(found)")
    }

    private func compare(_ text: String) throws -> [String] {
        let document = OpenAPIDocument(try JSON(parsing: text.utf8))
        return document.faults(try #require(document.schema("Thing")), try Thing.shape, at: "T")
    }
}
