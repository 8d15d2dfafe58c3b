import API
import Testing

@testable import Flags

@Suite("What a storage guard reports")
struct GuardReportTests {
    private func report(_ text: String) throws -> GuardReport {
        try GuardReport(reading: JSON(parsing: text.utf8))
    }

    @Test("Counts are taken by key, and known old keys are told from others")
    func counts() throws {
        let report = try report(#"{"counts": {"wallet": 3, "theme": 1, "mine": 5}, "mode": "enforce"}"#)
        #expect(report.mode == .enforce && report.counts == ["wallet": 3, "theme": 1, "mine": 5])
        #expect(report.totals.known == 4 && report.totals.other == 5)
        #expect(try self.report(#"{"counts": {}, "mode": "report"}"#).counts.isEmpty)
    }

    @Test("Each fault is named with its pointer")
    func faults() throws {
        let wrong = [
            #"{}"#: ["/mode", "/counts"], #"{"counts": {"a/b": 0}, "mode": "report"}"#: ["/counts/a~1b"],
            #"{"counts": {"a": 1000001, "b": 1}, "mode": "report"}"#: ["/counts/a"],
            #"{"counts": [1], "mode": "report"}"#: ["/counts"], #"{"counts": {}, "mode": "off"}"#: ["/mode"],
            #"[]"#: [""],
        ]
        for (text, pointers) in wrong {
            let problem = #expect(throws: Problem.self) { try report(text) }
            #expect(problem?.code == "invalid_body" && problem?.errors.map(\.pointer) == pointers, "\(text)")
        }
    }

    @Test("At most 64 keys are taken, each up to a million times")
    func limits() throws {
        func keys(_ count: Int) -> String {
            "{" + (0..<count).map { "\"k\($0)\": 1000000" }.joined(separator: ",") + "}"
        }
        #expect(try report("{\"mode\": \"report\", \"counts\": \(keys(64))}").totals.other == 64_000_000)
        #expect(throws: Problem.self) { try report("{\"mode\": \"report\", \"counts\": \(keys(65))}") }
    }

    @Test("A key is cut, cannot break a line or a terminal, and two that are cut to one add up")
    func names() throws {
        #expect(GuardReport.readable("a\nb\u{1B}c\u{202E}d\u{2028}e") == "a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}e")
        #expect(GuardReport.readable("") == "(empty)" && GuardReport.readable("Schlüssel 🔑") == "Schlüssel 🔑")
        let long = String(repeating: "x", count: 64)
        let report = try report("{\"mode\": \"report\", \"counts\": {\"\(long)1\": 1, \"\(long)2\": 2}}")
        #expect(report.counts == [long.verbatim: 3])
    }

    @Test("Every known old key is kept under its own name")
    func known() {
        for key in GuardReport.knownKeys { #expect(GuardReport.readable(key.text) == key.text) }
        #expect(GuardReport.knownKeys.count < 50)
    }
}
