import Foundation
import Synchronization
import Testing

@testable import API

@Suite("Room for answers that wait for their readers")
struct UnsentBudgetTests {
    /// A budget with a clock that the test moves on, and who was cut off.
    private final class Bench: Sendable {
        let budget: UnsentBudget
        private let clock: Clock
        private let cut = Mutex<[Int]>([])
        private let places = Mutex<[Int: UnsentBudget.Place]>([:])

        init(account: Int, all: Int, patient: Int = 1_000, modest: Int = 0, reserve: Int = 0) {
            var limits = UnsentBudget.Limits()
            (limits.ofAccount, limits.ofAll, limits.ofPatient) = (account, all, patient)
            (limits.modest, limits.reserve, limits.grace, limits.pace) = (modest, reserve, .seconds(5), 1)
            let clock = Clock()
            budget = UnsentBudget(limits: limits, now: { clock.time.withLock { $0 } })
            self.clock = clock
        }

        private final class Clock: Sendable {
            let time = Mutex(ContinuousClock.now)
        }

        func wait(_ seconds: Int) { clock.time.withLock { $0 += .seconds(seconds) } }

        /// Whether there was room for the answer of this number.
        func take(_ number: Int, _ bytes: Int, for user: UUID = UUID(), patient: Bool = false) -> Bool {
            let end: @Sendable () -> Void = { [weak self] in self?.cut.withLock { $0.append(number) } }
            let place = budget.take(bytes, for: user, orEnd: patient ? nil : end)
            places.withLock { $0[number] = place }
            return place != nil
        }

        func took(_ number: Int, _ bytes: Int) { places.withLock { $0[number] }?.took(bytes) }
        func drop(_ number: Int) { _ = places.withLock { $0.removeValue(forKey: number) } }
        var ended: [Int] { cut.withLock { $0 } }
    }

    @Test("An account has room for one answer, however large, and for more as far as they fit")
    func account() {
        let bench = Bench(account: 100, all: 1_000)
        let (ada, ben) = (UUID(), UUID())
        #expect(bench.take(1, 150, for: ada))
        #expect(!bench.budget.hasRoom(for: ada) && !bench.take(2, 1, for: ada))
        #expect(bench.budget.hasRoom(for: ben) && bench.take(3, 60, for: ben))
        #expect(!bench.take(4, 41, for: ben) && bench.take(5, 40, for: ben))
        bench.drop(1)
        #expect(bench.budget.total == 100 && bench.budget.hasRoom(for: ada))
    }

    @Test("Who was refused room has none for more before something of theirs was taken")
    func refused() {
        let bench = Bench(account: 100, all: 1_000)
        let ada = UUID()
        #expect(bench.take(1, 60, for: ada) && bench.take(2, 10, for: ada) && bench.budget.hasRoom(for: ada))
        #expect(!bench.take(3, 60, for: ada) && !bench.budget.hasRoom(for: ada))
        #expect(throws: Problem.self) { try bench.budget.checkRoom(for: ada) }
        #expect(bench.budget.hasRoom(for: UUID()))
        bench.drop(2)
        #expect(bench.budget.hasRoom(for: ada))
    }

    @Test("Who was refused much may ask for little two seconds later, whatever a slow reader still holds of theirs")
    func refusedForAWhile() {
        let bench = Bench(account: 100, all: 1_000)
        let ada = UUID()
        #expect(bench.take(1, 60, for: ada) && !bench.take(2, 60, for: ada))
        bench.wait(1)
        #expect(!bench.budget.hasRoom(for: ada))
        bench.wait(1)
        #expect(bench.budget.hasRoom(for: ada) && bench.take(3, 10, for: ada))
    }

    @Test("Room that is given back twice, or by nobody's holding it, is given back once")
    func release() throws {
        let bench = Bench(account: 100, all: 1_000)
        do {
            let place = try #require(bench.budget.take(70, for: UUID()) {})
            #expect(bench.take(1, 20))
            place.release()
        }
        #expect(bench.budget.total == 20)
    }

    @Test("Where all is full, who reads too slowly makes room, also where some is taken all the time")
    func pace() {
        let bench = Bench(account: 100, all: 200)
        #expect(bench.take(1, 100) && bench.take(2, 100))
        bench.wait(5)
        #expect(!bench.take(3, 100) && bench.ended.isEmpty)
        bench.wait(10)
        bench.took(1, 9)
        bench.took(2, 11)
        #expect(bench.take(3, 100) && bench.ended == [1])
        #expect(!bench.take(4, 100) && bench.ended == [1] && bench.budget.total == 200)
    }

    @Test("Accounts that fill all of it give way to one that holds less, the slowest of the one that holds most first")
    func fairness() {
        let bench = Bench(account: 100, all: 200)
        let (greedy, other) = (UUID(), UUID())
        for number in 1...4 { #expect(bench.take(number, 25, for: greedy)) }
        for number in 5...7 { #expect(bench.take(number, 30, for: other)) }
        bench.wait(10)
        for number in 1...7 { bench.took(number, number == 3 ? 6 : 20) }
        #expect(bench.take(8, 25) && bench.ended == [3])
        // Nobody is cut off in vain.
        #expect(!bench.take(9, 190) && bench.ended == [3] && bench.budget.total == 190)
    }

    @Test("Who may not be cut off is not, however slow they are, and so has less room in all")
    func patience() {
        let bench = Bench(account: 100, all: 200, patient: 120)
        #expect(bench.take(1, 60, patient: true) && bench.take(2, 60, patient: true))
        #expect(!bench.take(3, 1, patient: true) && bench.take(4, 80))
        bench.wait(1_000)
        #expect(bench.take(5, 80) && bench.ended == [4] && !bench.take(6, 81))
    }

    @Test("Who holds nothing and asks for little is not refused because others hold much")
    func modesty() {
        let bench = Bench(account: 100, all: 200, patient: 100, modest: 10, reserve: 20)
        let ada = UUID()
        #expect(bench.take(1, 100, patient: true) && bench.take(2, 100))
        #expect(!bench.take(3, 11) && bench.take(4, 10, for: ada) && !bench.take(5, 10, for: ada))
        #expect(bench.take(6, 10, patient: true) && !bench.take(7, 10))
    }
}
