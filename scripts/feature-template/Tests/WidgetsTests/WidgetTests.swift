import API
import FoundationEssentials
import TestSupport
import Testing
import Widgets

@Suite struct WidgetTests {
    private let id = UUID.v7()

    private func change(_ members: JSON.Members) throws -> WidgetChange {
        try WidgetChange(reading: .object(members))
    }

    @Test("A name has 1 to 100 characters; null deletes, and what is missing is no null")
    func names() throws {
        let longest = String(repeating: "é", count: Widget.longestName)
        #expect(try change(["id": .string(id.text), "name": .string(longest)]).name == longest)
        #expect(try change(["id": .string(id.text), "name": .null]).name == nil)
        for wrong: JSON in [.string(""), .string(longest + "x"), .int(1), .object([:])] {
            #expect(throws: Problem.self) { try change(["id": .string(id.text), "name": wrong]) }
        }
        #expect(throws: Problem.self) { try change(["id": .string(id.text)]) }
    }

    @Test("Everything that is wrong is told at once, with where it is")
    func faults() {
        #expect {
            try change(["id": .string("seven")])
        } throws: { error in
            (error as? Problem)?.errors.map(\.pointer) == ["/id", "/name"]
        }
    }

    @Test("The OpenAPI document says of widgets what the types say")
    func openAPI() throws {
        let document = try OpenAPIDocument.published
        #expect(
            try document.faults(
                below: "/api/widgets", ["get /api/widgets": WidgetList.self, "post /api/widgets": Widget.self]) == [])
        let name = document.schema("Widget")?["properties"]?["name"]
        #expect(name?["maxLength"]?.integer == Int64(Widget.longestName))
    }
}
