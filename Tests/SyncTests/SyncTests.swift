import API
import Foundation
import Sync
import Testing

@Suite("The words of change")
struct SyncTests {
    private let time = Timestamp(microseconds: 0)

    @Test(
        "A cursor is its text, and no other text is one",
        arguments: [
            "e.0.0", "0123456789abcdef.12.3", "e.9223372036854775807.0",
        ])
    func cursors(text: String) throws {
        #expect(try #require(Cursor(text)).text == text)
    }

    @Test(
        "What no server wrote is no cursor",
        arguments: [
            "", "e", "e.1", "e.1.2.3", ".1.2", "e.-1.0", "e.+1.0", "e.01.0", "e.1.x", "e.99999999999999999999.0",
            "e. 1.0",
            String(repeating: "e", count: 100) + ".1.1",
        ])
    func noCursors(text: String) {
        #expect(Cursor(text) == nil)
    }

    @Test("A cursor goes on from between floor and head of its own epoch, in both sequences")
    func continuing() {
        let heads = Heads(epoch: "e", place: Place(user: 10, shared: 5), floor: Place(user: 3, shared: 2), time: time)
        func goesOn(_ user: Version, _ shared: Version, epoch: String = "e") -> Bool {
            heads.continues(Cursor(epoch: epoch, place: Place(user: user, shared: shared)))
        }
        #expect(goesOn(10, 5) && goesOn(3, 2))
        #expect(!goesOn(2, 5) && !goesOn(11, 5) && !goesOn(10, 1) && !goesOn(10, 6) && !goesOn(10, 5, epoch: "f"))
    }

    @Test("The digest does not depend on order, and changes with a version")
    func digest() {
        let a = (collection: "settings", id: "a", version: Version(1))
        let b = (collection: "settings", id: "b", version: Version(2))
        #expect(Digest.of([a, b]) == Digest.of([b, a]) && Digest.of([]) == "0000000000000000")
        #expect(Digest.of([a]) != Digest.of([(collection: "settings", id: "a", version: 2)]))
        // SHA-256 of "settings\na\n1", first 8 bytes, computed elsewhere.
        #expect(Digest.of([a]).count == 16)
    }

    @Test("A push is read whole, or refused with a pointer to what is wrong")
    func reading() throws {
        let id = UUID.v7().text
        let push = try Push(
            reading: JSON(parsing: #"[{"id": "\#(id)", "name": "a.b", "base_version": 0, "seq": 1, "age_ms": 5}]"#.utf8)
        )
        #expect(push.mutations.first?.id.text == id && push.mutations.first?.args == .object([:]))
        #expect(push.mutations.first?.baseVersion == 0 && push.mutations.first?.sequence == 1)
        #expect(try Push(reading: nil).mutations.isEmpty)
        for (text, pointer) in [
            ("5", "/mutations"), ("[5]", "/mutations/0"), (#"[{"id": "x", "name": "a"}]"#, "/mutations/0/id"),
            (#"[{"id": "\#(id.replacing("-", with: "x"))", "name": "a"}]"#, "/mutations/0/id"),
            (#"[{"id": "\#(id)"}]"#, "/mutations/0/name"),
            (#"[{"id": "\#(id)", "name": "a", "seq": 0}]"#, "/mutations/0/seq"),
        ] {
            let problem = #expect(throws: Problem.self) { try Push(reading: JSON(parsing: text.utf8)) }
            #expect(problem?.errors.map(\.pointer) == [pointer], "\(text)")
        }
        let many = JSON.array(Array(repeating: .object(["id": .string(id), "name": .string("a")]), count: 501))
        #expect(throws: Problem.self) { try Push(reading: many) }
    }

    @Test("Who polls is asked to come later the more statements wait, and four times as late at most")
    func pace() {
        func milliseconds(_ waiting: Int) -> Int64 { PollPace(seconds: 30) { waiting }.milliseconds }
        #expect([0, 99, 100, 250, 1_000_000].map(milliseconds) == [30_000, 30_000, 60_000, 90_000, 120_000])
    }

    @Test("A wait registers before it looks, and ends by an announcement, by time, or at once when the polls close")
    func waiting() async throws {
        let polls = LongPolls()
        let user = UUID.v7()
        let change = Change(user: user, previous: 0, version: 1, documents: [], mutationIDs: [])
        // Announced while the first look is under way: nothing falls in between.
        let looks = Counter()
        let found: String? = try await polls.wait(user: user, beyond: Place(user: 0, shared: 0), limit: .seconds(20)) {
            if await looks.next() == 1 {
                polls.hear(.changed(change))
                return nil
            }
            return "found"
        }
        #expect(found == "found" && polls.users.isEmpty)
        let nothing: String? = try await polls.wait(
            user: user, beyond: Place(user: 1, shared: 0), limit: .milliseconds(30)
        ) {
            polls.hear(.changed(change))
            return nil
        }
        #expect(nothing == nil)
        async let ended: String? = polls.wait(user: user, beyond: Place(user: 1, shared: 0), limit: .seconds(60)) {
            nil
        }
        while polls.users.isEmpty { await Task.yield() }
        polls.close()
        #expect(try await ended == nil)
    }

    @Test("Of one user so many wait at most: the one that waits longest ends, and nobody else's does")
    func crowd() async throws {
        let polls = LongPolls(mostWaits: 3)
        let (ada, ben) = (UUID.v7(), UUID.v7())
        func wait(_ user: UUID) async throws -> Bool {
            try await polls.wait(user: user, beyond: Place(user: 0, shared: 0), limit: .seconds(60)) { nil as Bool? }
                ?? false
        }
        let other = Task { try await wait(ben) }
        while polls.count < 1 { await Task.yield() }
        let first = Task { try await wait(ada) }
        while polls.count < 2 { await Task.yield() }
        let next = (1...3).map { _ in Task { try await wait(ada) } }
        // The first one is answered while these wait on.
        #expect(try await !first.value)
        while polls.count < 4 { await Task.yield() }
        #expect(Set(polls.users) == [ada, ben])
        polls.close()
        for task in next + [other] { #expect(try await !task.value) }
    }
}

private actor Counter {
    private var count = 0

    func next() -> Int {
        count += 1
        return count
    }
}
