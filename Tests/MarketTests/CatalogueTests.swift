import API
import FoundationEssentials
import Testing

@testable import Market

@Suite("A catalogue's file, and what it means")
struct CatalogueTests {
    private func id(_ number: Int) -> String { "0190b1c0-0000-7000-8000-00000000000\(number)" }

    private func catalogue(_ text: String) throws -> Catalogue { try Catalogue(file: Array(text.utf8)) }

    private func faults(_ text: String) -> [String] {
        do {
            _ = try catalogue(text)
            return []
        } catch {
            return (error as? Catalogue.Faults)?.faults.map(\.description) ?? ["\(error)"]
        }
    }

    private func item(_ number: Int, _ more: String = "") -> String {
        #"{"id":"\#(id(number))","name":"N\#(number)","cost_coins":\#(number),"category":"c"\#(more)}"#
    }

    @Test("An array, and an object with `items`, with or without a byte order mark, are the same catalogue")
    func forms() throws {
        let plain = try catalogue("[\(item(1)),\(item(2))]")
        #expect(plain.items.map(\.name) == ["N1", "N2"] && plain.items.allSatisfy { $0.stock == .asItIs })
        #expect(try catalogue(#"{"note":["x",{"items":[1]}],"items":[\#(item(1)),\#(item(2))]}"#) == plain)
        #expect(try catalogue("\u{FEFF}[\(item(1)),\(item(2))]") == plain)
        #expect(try catalogue("[]").items.isEmpty)
    }

    @Test(
        "An item's fault is told with the line in which the item begins",
        arguments: [
            ("[\n%,\n\n  %\n]", [2, 4]), ("[%,%]", [1, 1]), ("\n\n{\"a\": [\n1,2], \"items\" :\n[\n%\n,\n%]}", [6, 8]),
            ("{\"items\": [%,\n%], \"x\": {\"items\": [\n1,\n2]}}", [1, 2]),
        ])
    func lines(frame: String, expected: [Int]) {
        // Names that look like structure must not be taken for it.
        let wrong = #"{"name":"]}[{\",\\","x":[1,[2]],"id":5}"#
        let found = faults(frame.replacing("%", with: wrong)).compactMap { Int($0.split(separator: " ")[1].dropLast()) }
        #expect(Array(Set(found)).sorted() == Array(Set(expected)).sorted())
    }

    @Test("What is no JSON is told by line and column, counted in characters")
    func malformed() {
        #expect(faults("[\n  \"é☕\", x]")[0].hasPrefix("line 2: column 9: "))
        #expect(faults("")[0].hasPrefix("line 1: column 1: "))
        #expect(faults("[1,\n\n")[0].hasPrefix("line 3: column 1: "))
    }

    @Test("An item without an id has the one of its name, the same in every file")
    func namedIDs() throws {
        let file = #"[{"name":"Tea","cost_coins":5,"category":"c"},{"name":"tea","cost_coins":5,"category":"c"}]"#
        let ids = try catalogue(file).items.map(\.id)
        #expect(try catalogue(file).items.map(\.id) == ids && ids[0] != ids[1])
        #expect(ids[0].text.dropFirst(14).first == "8")
        let twice = #"[{"name":"Tea","cost_coins":5,"category":"c"},{"name":"Tea","cost_coins":6,"category":"c"}]"#
        #expect(faults(twice) == ["line 1: item 2 has the name of item 1 and no id; give one of them an id"])
    }

    @Test("Two items with one id are told with both their numbers")
    func duplicates() {
        #expect(faults("[\(item(1)),\n\(item(2)),\n\(item(1))]") == ["line 3: item 3 has the id of item 1"])
    }

    @Test("The plan adds what is new, changes what differs, withdraws what is not named, and leaves the rest alone")
    func plan() throws {
        var stored = try catalogue("[\(item(1)),\(item(2)),\(item(3)),\(item(4))]").items.map { item in
            var item = item
            item.stock = .unlimited
            return item
        }
        stored[1].stock = .pieces(7)
        stored[3].available = false
        let wanted = try catalogue("[\(item(1)),\(item(2, #","rarity":"epic""#)),\(item(5))]")
        let plan = CataloguePlan(from: stored, to: wanted)
        #expect(plan.added.map(\.name) == ["N5"] && plan.withdrawn.map(\.name) == ["N3"] && plan.unchanged == 1)
        #expect(plan.changed.map { $0.members.map(\.name) } == [["rarity"]])
        #expect(plan.changed[0].item.stock == .pieces(7))
        #expect(plan.lines[1] == #"change    \#(id(2))  N2: rarity "common" → "epic""#)
        let again = CataloguePlan(from: stored, to: Catalogue.init(items: stored))
        #expect(again.isEmpty && again.unchanged == 4)
    }

    @Test("A stock is changed only by a file that names it")
    func stock() throws {
        var stored = try catalogue("[\(item(1))]").items
        stored[0].stock = .pieces(3)
        for (more, members) in [
            ("", 0), (#","stock_remaining":3"#, 0), (#","stock_remaining":4"#, 1), (#","stock_remaining":null"#, 1),
        ] {
            let plan = CataloguePlan(from: stored, to: try catalogue("[\(item(1, more))]"))
            #expect(plan.changed.flatMap(\.members).map(\.name) == Array(repeating: "stock_remaining", count: members))
        }
    }

    @Test("A name cannot forge a line of what is shown")
    func forgery() throws {
        let sly = try catalogue(
            #"[{"id":"\#(id(1))","name":"a\nwithdraw  x\u001b[2J\u202e","cost_coins":1,"category":"c"}]"#)
        let line = try #require(CataloguePlan(from: [], to: sly).lines.first)
        #expect(!line.unicodeScalars.contains { $0 == "\n" || $0 == "\u{1B}" || $0 == "\u{202E}" })
    }
}
