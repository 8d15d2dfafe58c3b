import API
import Testing

@Suite("What a problem says of what happened")
struct ProblemTests {
    private static let none = ProblemDetail("None is left of {name}.")
    private let code = ProblemCode(
        "few_left", 409, "Few are left", detail: "{left} of {most} are left.", others: [Self.none], meaning: "Meaning")

    @Test("It says what stands in the table, with the numbers of its members")
    func template() {
        let problem = Problem(code, members: ["left": .int(2), "most": .int(5), "item": .object([:])])
        #expect(problem.detail == "2 of 5 are left." && problem.members["left"] == .int(2))
    }

    @Test("Who refuses may say another of its details, with texts that are no members and are not read as templates")
    func other() {
        let problem = Problem(
            code, detail: Self.none, values: ["name": .string("{left} tea")], members: ["left": .int(0)])
        #expect(problem.detail == "None is left of {left} tea." && problem.members == ["left": .int(0)])
    }
}
