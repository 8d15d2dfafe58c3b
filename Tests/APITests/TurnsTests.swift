import FoundationEssentials
import Synchronization
import Testing

@testable import API

@Suite("Turns of one account")
struct TurnsTests {
    /// Work that ends when the test says so.
    private final class Work: Sendable {
        private let state = Mutex<(begun: [Int], ends: [CheckedContinuation<Void, Never>])>(([], []))
        var begun: [Int] { state.withLock { $0.begun } }

        func run(_ number: Int) async {
            await withCheckedContinuation { end in
                state.withLock {
                    $0.begun.append(number)
                    $0.ends.append(end)
                }
            }
        }

        func endFirst() { state.withLock { $0.ends.removeFirst() }.resume() }
    }

    private func until(_ holds: () -> Bool) async {
        while !holds() { await Task.yield() }
    }

    @Test("So many of one account are under way, the others wait in their order, and other accounts do not")
    func order() async throws {
        let (turns, work) = (Turns<String>(most: 2), Work())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...4 {
                group.addTask { try await turns.take("one") { await work.run(number) } }
                await until { work.begun.count + turns.waiters == number }
            }
            #expect(work.begun == [1, 2] && turns.waiters == 2)
            group.addTask { try await turns.take("other") { await work.run(5) } }
            await until { work.begun.count == 3 }
            #expect(work.begun == [1, 2, 5])
            work.endFirst()
            await until { work.begun.count == 4 }
            #expect(work.begun == [1, 2, 5, 3] && turns.waiters == 1)
            work.endFirst()
            await until { work.begun.count == 5 }
            for _ in 0..<3 { work.endFirst() }
            try await group.waitForAll()
        }
        #expect(turns.waiters == 0)
    }

    @Test("What is heavy counts for more, nobody light overtakes it, and what is heavier than all goes alone")
    func weights() async throws {
        let (turns, work) = (Turns<String>(most: 8), Work())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, weight) in [(1, 5), (2, 3), (3, 6), (4, 1), (5, 9)] {
                group.addTask { try await turns.take("one", weight: weight) { await work.run(number) } }
                await until { work.begun.count + turns.waiters == number }
            }
            #expect(work.begun == [1, 2])
            work.endFirst()
            // There would be room for the fourth.
            #expect(work.begun == [1, 2] && turns.waiters == 3)
            work.endFirst()
            await until { work.begun.count == 4 }
            #expect(turns.waiters == 1)
            work.endFirst()
            work.endFirst()
            await until { work.begun.count == 5 }
            work.endFirst()
            try await group.waitForAll()
        }
    }

    @Test("Who is gone when its turn comes does nothing, and who fails holds nobody up")
    func gone() async throws {
        let (turns, work) = (Turns<String>(most: 1), Work())
        let first = Task { try await turns.take("one") { await work.run(1) } }
        await until { work.begun == [1] }
        let gone = Task { try await turns.take("one") { await work.run(2) } }
        await until { turns.waiters == 1 }
        gone.cancel()
        work.endFirst()
        try await first.value
        await #expect(throws: CancellationError.self) { try await gone.value }
        await #expect(throws: Problem.self) { try await turns.take("one") { throw Problem.notFound } }
        #expect(try await turns.take("one") { 7 } == 7)
        #expect(work.begun == [1])
    }

    @Test("Where the last answer was small many go at once, where it was large or a while ago one at a time")
    func answers() async throws {
        let time = Mutex(ContinuousClock.now)
        let (turns, work) = (AnswerTurns(now: { time.withLock { $0 } }), Work())
        let ada = UUID.v7()
        /// How many of four are under way at once; each answer has so many bytes.
        func atOnce(_ bytes: Int, expecting most: Int) async throws -> Int {
            let before = work.begun.count
            return try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...4 {
                    group.addTask { try await turns.take(ada, size: { bytes }) { await work.run(number) } }
                }
                await until { work.begun.count - before == most }
                for _ in 0..<100 { await Task.yield() }
                let found = work.begun.count - before
                for ended in 1...4 {
                    await until { work.begun.count - before >= ended }
                    work.endFirst()
                }
                try await group.waitForAll()
                return found
            }
        }
        #expect(try await atOnce(1_000, expecting: 1) == 1, "nobody knows yet")
        #expect(try await atOnce(1_000, expecting: 4) == 4)
        #expect(try await atOnce(100_000, expecting: 4) == 4)
        #expect(try await atOnce(1_000, expecting: 1) == 1, "the last one was large")
        time.withLock { $0 += .seconds(2) }
        #expect(try await atOnce(1_000, expecting: 1) == 1, "it was a while ago")
    }
}
