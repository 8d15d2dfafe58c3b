import API
import Foundation
import HTTPTypes
import Testing

@Suite("The words of the edge")
struct EdgeTests {
    @Test(
        "A time is RFC 3339 with milliseconds, rounded down",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_768_046_400_000_000, "2026-01-10T12:00:00.000Z"),
            (1_709_164_799_999_999, "2024-02-28T23:59:59.999Z"), (1_709_251_199_000_000, "2024-02-29T23:59:59.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
        ])
    func time(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).text == text)
    }

    @Test("Ids are lower-case UUIDs of version 7, in the order in which they were made")
    func ids() throws {
        let early = UUID.v7(at: Timestamp(microseconds: 1_000_000_000_000))
        let late = UUID.v7(at: Timestamp(microseconds: 1_000_000_001_000))
        #expect(early.text < late.text && early.text == early.text.lowercased())
        #expect(Array(early.text)[14] == "7" && "89ab".contains(Array(early.text)[19]))
        #expect(UUID(text: early.text.uppercased()) == early)
        #expect(UUID(text: early.text + "0") == nil && UUID(text: "{" + early.text.dropLast()) == nil)
        for wrong in ["g", "-", "\u{0}", "é"] { #expect(UUID(text: wrong + early.text.dropFirst()) == nil) }
        #expect(UUID(text: early.text.replacing("-", with: "0")) == nil && UUID(text: "") == nil)  // ours
    }

    @Test("So many a minute, then one as each falls due, each key for itself; and 0 is no limit")
    func rateLimit() {
        let limiter = RateLimiter<String>(perMinute: 10)
        let start = ContinuousClock.now
        #expect((0..<10).allSatisfy { _ in limiter.take("a", now: start) == nil })
        #expect(limiter.take("a", now: start).map { (1...7).contains($0) } == true)
        #expect(limiter.take("b", now: start) == nil)
        #expect(limiter.take("a", now: start + .seconds(6.01)) == nil)
        #expect(limiter.take("a", now: start + .seconds(6.02)) != nil)
        let unlimited = RateLimiter<String>(perMinute: 0)
        #expect((0..<1_000).allSatisfy { _ in unlimited.take("a") == nil })
    }

    @Test("A stranger who walks through keys makes the throttle forget those, and not the one that is guessed at")
    func boundedThrottle() {
        let limiter = RateLimiter<Int>(perMinute: 10)
        let start = ContinuousClock.now
        for _ in 0..<10 { _ = limiter.take(-1, now: start) }
        for key in 0..<200_000 { #expect(limiter.take(key, now: start + .milliseconds(key / 100)) == nil) }
        #expect(limiter.count <= 50_000)
        #expect(limiter.take(-1, now: start + .seconds(2)) != nil)
    }

    @Test("A problem that was stored is the same when it is read back")
    func problems() throws {
        let problem = Problem(
            ProblemCode("session_live", 409, "Title", detail: "Detail", meaning: "Meaning"),
            errors: [.init(pointer: "/a~1b", detail: "x")],
            members: ["session": .object(["id": .int(5)])])
        #expect(Problem(json: problem.json()) == problem)
        #expect(problem.json(requestID: "r")["type"] == .string("/problems/session_live"))
        #expect(Problem(json: .object(["code": .string("x")])) == nil)
    }

    @Test("Everything that is wrong with a body is named at once, each with its pointer")
    func fields() throws {
        var fields = try Fields(JSON(parsing: #"{"a/b": 5, "n": 1.5, "o": []}"#.utf8))
        _ = fields.string("a/b", length: 1...3)
        _ = fields.optionalInteger("n", in: 0...10)
        _ = fields.optionalObject("o")
        _ = fields.required("missing")
        let problem = #expect(throws: Problem.self) { try fields.check() }
        #expect(problem?.errors.map(\.pointer) == ["/a~1b", "/n", "/o", "/missing"] && problem?.status == 422)
        #expect(throws: Problem.self) { try Fields(.array([])) }
    }
}
