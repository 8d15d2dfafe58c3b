import API
import Foundation
import Synchronization
import Testing

@testable import Accounts

@Suite("Places for exports")
struct ExportingTests {
    /// Places with a clock that the test moves on, and who was cut off.
    private final class Bench: Sendable {
        let exporting: Exporting
        private let clock: Clock
        private let cut = Mutex<[UUID]>([])

        init(most: Int) {
            let clock = Clock()
            exporting = Exporting(most: most, now: { clock.now.withLock { $0 } })
            self.clock = clock
        }

        private final class Clock: Sendable {
            let now = Mutex(ContinuousClock.now)
        }

        func wait(_ seconds: Double) { clock.now.withLock { $0 += .seconds(seconds) } }
        func enter(_ user: UUID) throws -> Exporting.Place {
            try exporting.enter(user) { [weak self] in self?.cut.withLock { $0.append(user) } }
        }
        var ended: [UUID] { cut.withLock { $0 } }

        /// All of them read for so long, each so many bytes a second.
        func read(_ seconds: Int, _ readers: [(Exporting.Place, pace: Int)]) throws {
            for _ in 0..<seconds {
                for (place, _) in readers { try place.offers() }
                wait(1)
                for (place, pace) in readers { try place.took(pace) }
            }
        }
    }

    @Test("Where all are taken, the one that has stood still longest gives way, and none that moves")
    func stillness() throws {
        let bench = Bench(most: 2)
        let (ada, ben, eve) = (UUID(), UUID(), UUID())
        let (adas, bens) = (try bench.enter(ada), try bench.enter(ben))
        for _ in 0..<10 {
            try bench.read(4, [(adas, 70_000), (bens, 70_000)])
            #expect(throws: Problem.self) { try bench.enter(eve) }
            #expect(throws: Problem.self) { try bench.enter(ada) }
        }
        try adas.offers()
        bench.wait(1)
        try bens.offers()
        bench.wait(5)
        let eves = try bench.enter(eve)
        #expect(throws: CancellationError.self) { try adas.took(1) }
        #expect(bench.ended == [ada])
        try bench.read(1, [(bens, 70_000), (eves, 1)])
        #expect(throws: Problem.self) { try bench.enter(ada) }
    }

    @Test("Where all are taken, the slowest below the least pace gives way, though it takes some all the time")
    func pace() throws {
        let bench = Bench(most: 3)
        let users = [UUID(), UUID(), UUID()]
        let places = try users.map { try bench.enter($0) }
        let readers = Array(zip(places, [14_000, 70_000, 20_000]).map { ($0, pace: $1) })
        try bench.read(4, readers)
        #expect(throws: Problem.self) { try bench.enter(UUID()) }
        try bench.read(2, readers)
        let fourth = try bench.enter(UUID())
        #expect(bench.ended == [users[0]])
        #expect(throws: CancellationError.self) { try places[0].offers() }
        let fifth = try bench.enter(UUID())
        #expect(bench.ended == [users[0], users[2]])
        #expect(throws: Problem.self) { try bench.enter(UUID()) }
        withExtendedLifetime((fourth, fifth)) {}
    }

    @Test("Who read fast once and dawdles now is slow, and who dawdled and reads fast now is not")
    func windows() throws {
        let bench = Bench(most: 2)
        let (ada, ben) = (UUID(), UUID())
        let (adas, bens) = (try bench.enter(ada), try bench.enter(ben))
        try bench.read(5, [(adas, 5_000_000), (bens, 100)])
        try bench.read(5, [(adas, 100), (bens, 70_000)])
        let next = try bench.enter(UUID())
        #expect(bench.ended == [ada])
        #expect(throws: Problem.self) { try bench.enter(UUID()) }
        withExtendedLifetime(next) {}
    }

    @Test("A slow reader whose place nobody wants reads to the end, and of a slow server no reader is the fault")
    func alone() throws {
        let bench = Bench(most: 2)
        let slow = try bench.enter(UUID())
        try bench.read(1_000, [(slow, 10)])
        let other = try bench.enter(UUID())
        try bench.read(1, [(slow, 10)])
        #expect(bench.ended.isEmpty)
        for _ in 0..<10 {
            // The database is away for so long; then it is taken at once.
            bench.wait(60)
            try bench.read(1, [(other, 1_000_000)])
        }
        bench.wait(60)
        let third = try bench.enter(UUID())
        #expect(bench.ended.count == 1)
        #expect(throws: CancellationError.self) { try slow.offers() }
        try other.offers()
        withExtendedLifetime(third) {}
    }

    @Test("A user's next one takes the place of one that stands still, and of no other")
    func again() throws {
        let bench = Bench(most: 2)
        let ada = UUID()
        let first = try bench.enter(ada)
        try bench.read(20, [(first, 10)])
        #expect(throws: Problem.self) { try bench.enter(ada) }
        try first.offers()
        bench.wait(5)
        let second = try bench.enter(ada)
        #expect(bench.ended == [ada])
        #expect(throws: CancellationError.self) { try first.took(1) }
        try second.offers()
    }
}
