import API
import FoundationEssentials
import Sync
import Testing

@testable import Market

@Suite("What the market takes, and how it says no")
struct MarketTests {
    private func order(_ json: String) throws -> Order { try Order(reading: JSON(parsing: json.utf8)) }

    private func item(_ json: String, _ action: PersonalItemChange.Action = .create) throws -> PersonalItemChange {
        try PersonalItemChange(action, reading: JSON(parsing: json.utf8))
    }

    /// Where the first fault is; nil: there is none.
    private func fault<Value>(_ body: @autoclosure () throws -> Value) -> String? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? Problem)?.errors.first?.pointer
        }
    }

    private let id = "0190b3a4-0000-7000-8000-00000000abcd"

    @Test("A purchase without a quantity is of one piece: the same request as one that says so")
    func defaults() throws {
        let plain = try order(#"{"item_id":"\#(id)"}"#).args
        #expect(try plain == order(#"{"quantity":1.0,"item_id":"\#(id.uppercased())","x":[]}"#).args)
        #expect(try plain == order(#"{"quantity":null,"item_id":"\#(id)"}"#).args)
        #expect(try plain != order(#"{"quantity":2,"item_id":"\#(id)"}"#).args)
        #expect(try plain != order(#"{"expected_cost_coins":5,"item_id":"\#(id)"}"#).args)
    }

    @Test("Who redeems is asked for no price, whatever he says about one")
    func redeeming() throws {
        let json = try JSON(parsing: #"{"item_id":"\#(id)","quantity":2,"expected_cost_coins":"-1"}"#.utf8)
        let item = try #require(UUID(text: id))
        #expect(try Order(redeeming: json) == Order(item: item, quantity: 2))
    }

    @Test("1 to 99 pieces", arguments: ["1", "99", "2.0", "1e1"])
    func quantities(text: String) {
        #expect(fault(try order(#"{"item_id":"\#(id)","quantity":\#(text)}"#)) == nil)
    }

    @Test(
        "Any other quantity is refused",
        arguments: ["0", "-1", "1.5", "2147483648", "100", "1e300", #""1""#, "[1]", "true"])
    func wrongQuantities(text: String) {
        #expect(fault(try order(#"{"item_id":"\#(id)","quantity":\#(text)}"#)) == "/quantity")
    }

    @Test(
        "What is no id is refused",
        arguments: [#""""#, #""x""#, "5", "null", #""0190b3a4-0000-7000-8000-00000000abcx""#])
    func wrongIDs(text: String) {
        #expect(fault(try order(#"{"item_id":\#(text)}"#)) == "/item_id")
        #expect(fault(try JSON(parsing: #"{"reward_id":\#(text)}"#.utf8).identifier("reward_id")) == "/reward_id")
    }

    @Test(
        "A price is 0 to 2^53 − 1",
        arguments: [
            ("0", true), ("9007199254740991", true), ("9007199254740992", false), ("-1", false), ("0.5", false),
            (#""5""#, false), ("null", false),
        ])
    func prices(text: String, good: Bool) {
        #expect(fault(try item(#"{"name":"Ice","cost_coins":\#(text)}"#)) == (good ? nil : "/cost_coins"))
        let expected = fault(try order(#"{"item_id":"\#(id)","expected_cost_coins":\#(text)}"#))
        #expect(expected == (good || text == "null" ? nil : "/expected_cost_coins"))
    }

    @Test("A name has something in it, and all of an item's texts have an end")
    func texts() {
        func long(_ count: Int) -> String { String(repeating: "é", count: count) }
        for name in ["", "  ", long(201)] {
            #expect(fault(try item(#"{"cost_coins":1,"name":"\#(name)"}"#)) == "/name", "\(name)")
        }
        #expect(fault(try item(#"{"cost_coins":1,"name":"\#(long(200))"}"#)) == nil)
        #expect(fault(try item(#"{"cost_coins":1,"name":"x","category":""}"#)) == "/category")
        #expect(fault(try item(#"{"cost_coins":1,"name":"x","category":"\#(long(101))"}"#)) == "/category")
        #expect(fault(try item(#"{"cost_coins":1,"name":"x","description":"\#(long(2_001))"}"#)) == "/description")
        #expect(fault(try item(#"{"cost_coins":1}"#)) == "/name")
        #expect(fault(try item(#"{"name":"x"}"#)) == "/cost_coins")
    }

    @Test("In a change a null takes a description away, but neither a name nor a price")
    func nulls() throws {
        let action = PersonalItemChange.Action.patch(.v7())
        #expect(fault(try item(#"{"name":null}"#, action)) == "/name")
        #expect(fault(try item(#"{"cost_coins":null}"#, action)) == "/cost_coins")
        let change = try item(#"{"description":null,"category":null}"#, action)
        #expect(change == PersonalItemChange(action, description: "", category: "personal"))
        #expect(try item("{}", action) == PersonalItemChange(action))
    }

    @Test("A place in a list survives its way through a URL, and nothing else is one")
    func places() throws {
        for key in ["", "cafe au lait", "ёлка ☕️ /+=?&", String(repeating: "\u{1F600}", count: 200)] {
            let place = ItemPlace(nameKey: key, id: .v7())
            let text = place.text
            #expect(text.utf8.allSatisfy { $0.isURLSafe })
            #expect(try #require(ItemPlace(text)) == place)
        }
        for text in ["", "x", "....", id, "AAAA", String(repeating: "A", count: 9_000), "'; DROP"] {
            #expect(ItemPlace(text) == nil, "\(text)")
        }
    }

    @Test("What storage refused is said in the feature's words, with the members of the contract")
    func refusals() throws {
        func problem(_ code: String, _ json: String = "{}") throws -> Problem {
            try #require(MarketRefusal(code: code, members: JSON(parsing: json.utf8))).problem
        }
        let poor = try problem("insufficient_coins", #"{"balance":3,"cost":10}"#)
        #expect(poor.status == 409 && poor.members == ["balance": .int(3), "cost": .int(10)])
        let dearer = try problem("price_changed", #"{"cost_coins":7}"#)
        #expect(dearer.status == 409 && dearer.members == ["cost_coins": .int(7)])
        for code in [
            "item_unavailable", "limit_reached", "out_of_stock", "nothing_to_redeem", "not_refundable",
            "already_claimed", "too_many_items",
        ] {
            let problem = try problem(code)
            #expect(problem.status == 409 && problem.code == code)
        }
        #expect(try problem("not_found").status == 404)
        #expect(try problem("version_mismatch").status == 412)
        #expect(MarketRefusal(code: "other", members: .null) == nil)
    }
}

extension UInt8 {
    fileprivate var isURLSafe: Bool {
        switch self {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
