import Synchronization
import Testing

@testable import Sync

@Suite("Reads that are shared")
struct SharedReadsTests {
    /// Reads that are answered when the test says so.
    private final class Source: Sendable {
        private let state = Mutex<[CheckedContinuation<Int, any Error>]>([])
        private let begun = AsyncStream.makeStream(of: Void.self)

        /// Who has begun to read last.
        private let last = Mutex<Int?>(nil)
        var reader: Int? { last.withLock { $0 } }

        func look(as number: Int? = nil) async throws -> Int {
            last.withLock { $0 = number }
            return try await withCheckedThrowingContinuation { continuation in
                state.withLock { $0.append(continuation) }
                begun.continuation.yield()
            }
        }

        func answer(_ result: Result<Int, any Error>) {
            state.withLock { $0.removeFirst() }.resume(with: result)
        }

        func nextBegins() async {
            for await _ in begun.stream { return }
        }
    }

    private struct Broken: Error {}

    @Test("Who comes while one is under way shares the next, which begins when that has ended")
    func sharing() async throws {
        let reads = SharedReads<Int, Int>()
        let source = Source()
        async let first = reads.read(1) { try await source.look() }
        await source.nextBegins()
        let others = (0..<10).map { _ in Task { try await reads.read(1) { try await source.look() } } }
        // Another key is nobody's business.
        async let elsewhere = reads.read(2) { 7 }
        let other = try await elsewhere
        #expect(other == 7)
        await waiting(10, in: reads)
        source.answer(.success(1))
        let found = try await first
        #expect(found == 1)
        await source.nextBegins()
        source.answer(.success(2))
        for follower in others { #expect(try await follower.value == 2) }
        async let again = reads.read(1) { try await source.look() }
        await source.nextBegins()
        source.answer(.success(3))
        let fresh = try await again
        #expect(fresh == 3)
    }

    @Test("A failure is everybody's who waits: nobody waits for what failed just now once more")
    func failures() async throws {
        let reads = SharedReads<Int, Int>()
        let source = Source()
        let first = Task { try await reads.read(1) { try await source.look() } }
        await source.nextBegins()
        let others = (0..<3).map { _ in Task { try await reads.read(1) { try await source.look() } } }
        await waiting(3, in: reads)
        source.answer(.failure(Broken()))
        for reader in [first] + others { await #expect(throws: Broken.self) { try await reader.value } }
        let again = try await reads.read(1) { 4 }
        #expect(again == 4)
    }

    @Test("That a reader left is not an answer: the next of those who wait reads")
    func aReaderThatLeft() async throws {
        let reads = SharedReads<Int, Int>()
        let source = Source()
        let first = Task { try await reads.read(1) { try await source.look() } }
        await source.nextBegins()
        let others = (0..<3).map { number in
            Task { try await reads.read(1) { try await source.look(as: number) } }
        }
        await waiting(3, in: reads)
        source.answer(.success(1))
        await source.nextBegins()
        // A database says in words of its own that the one who asked has left.
        let left = try #require(source.reader)
        others[left].cancel()
        source.answer(.failure(Broken()))
        await source.nextBegins()
        source.answer(.success(5))
        var found: [Int] = []
        for other in others { if let value = try? await other.value { found.append(value) } }
        #expect(found == [5, 5])
        #expect(try await first.value == 1)
    }

    private func waiting(_ count: Int, in reads: SharedReads<Int, Int>) async {
        while reads.waiters != count { await Task.yield() }
    }
}
