import FoundationEssentials
import TestSupport
import Testing

@testable import Persistence

/// The pool's rules without a socket. Queries are numbers; `now` is any instant.
@Suite struct PoolTests {
    private let later = ContinuousClock.now + .seconds(4)
    private let ada = UUID(), ben = UUID(), eve = UUID()

    private func pool(_ lanes: [Pool.Lane], depth: Int = 64, mostWaiting: Int = 100) -> Pool {
        var pool = Pool(lanes: lanes, depth: depth, mostWaiting: mostWaiting)
        for index in lanes.indices { #expect(pool.connected(index).isEmpty) }
        return pool
    }

    @Test("Reads go to the least loaded read connection, and several share one")
    func readsShare() {
        var pool = pool([.read, .read, .write])
        #expect(pool.submit(1, .read, deadline: later) == [.send(query: 1, connection: 0)])
        #expect(pool.submit(2, .read, deadline: later) == [.send(query: 2, connection: 1)])
        #expect(pool.submit(3, .read, deadline: later) == [.send(query: 3, connection: 0)])
        #expect(pool.inFlightCount == 3)
    }

    @Test("Reads beyond the depth wait, and leave in the order in which they came")
    func readsQueue() {
        var pool = pool([.read], depth: 2)
        for query in 1...4 { _ = pool.submit(query, .read, deadline: later) }
        #expect(pool.waitingCount == 2)
        var (query, actions) = pool.answered(0)
        #expect(query == 1)
        #expect(actions == [.send(query: 3, connection: 0)])
        (query, actions) = pool.answered(0)
        #expect(query == 2)
        #expect(actions == [.send(query: 4, connection: 0)])
    }

    @Test("What is large is read one after the other on a connection apart, and small reads pass it by")
    func largeApart() {
        var pool = pool([.read, .large, .write])
        #expect(pool.submit(1, .large, deadline: later) == [.send(query: 1, connection: 1)])
        #expect(pool.submit(2, .large, deadline: later).isEmpty)
        #expect(pool.submit(3, .read, deadline: later) == [.send(query: 3, connection: 0)])
        #expect(pool.answered(1).actions == [.send(query: 2, connection: 1)])
    }

    @Test("What may turn out large keeps to one read connection, which small reads avoid unless many are elsewhere")
    func maybeLarge() {
        var pool = pool([.read, .read])
        #expect(pool.submit(1, .maybeLarge, deadline: later) == [.send(query: 1, connection: 1)])
        #expect(pool.submit(2, .maybeLarge, deadline: later) == [.send(query: 2, connection: 1)])
        for query in 3..<35 {
            #expect(pool.submit(query, .read, deadline: later) == [.send(query: query, connection: 0)])
        }
        #expect(pool.submit(35, .read, deadline: later) == [.send(query: 35, connection: 0)])
        #expect(pool.submit(36, .read, deadline: later) == [.send(query: 36, connection: 1)])
        for _ in 0..<2 { #expect(pool.answered(1).query != nil) }
        #expect(pool.submit(37, .read, deadline: later) == [.send(query: 37, connection: 1)])
    }

    @Test("A statement waits for a connection that is not up yet")
    func waitsForConnection() {
        var pool = Pool(lanes: [.read])
        #expect(pool.submit(1, .read, deadline: later).isEmpty)
        #expect(pool.connected(0) == [.send(query: 1, connection: 0)])
    }

    @Test("A user's writes go behind one another on one connection")
    func ownConnection() {
        var pool = pool([.write, .write])
        #expect(pool.submit(1, .write(user: ada), deadline: later) == [.send(query: 1, connection: 0)])
        #expect(pool.submit(2, .write(user: ada), deadline: later) == [.send(query: 2, connection: 0)])
        #expect(pool.submit(3, .write(user: ben), deadline: later) == [.send(query: 3, connection: 1)])
        #expect(pool.answered(0).query == 1)
        #expect(pool.answered(0).query == 2)
        // Idle again: anybody's.
        #expect(pool.submit(4, .write(user: eve), deadline: later) == [.send(query: 4, connection: 0)])
    }

    @Test("A write never goes behind another user's: it waits for an idle connection")
    func nobodyBehindAnother() {
        var pool = pool([.write])
        _ = pool.submit(1, .write(user: ada), deadline: later)
        #expect(pool.submit(2, .write(user: ben), deadline: later).isEmpty)
        #expect(pool.answered(0).actions == [.send(query: 2, connection: 0)])
    }

    @Test("Whoever waits for a write connection is not starved by users who keep theirs busy")
    func noStarvation() {
        var pool = pool([.write])
        _ = pool.submit(1, .write(user: ada), deadline: later)
        #expect(pool.submit(2, .write(user: ben), deadline: later).isEmpty)
        #expect(pool.submit(3, .write(user: ada), deadline: later).isEmpty)
        #expect(pool.answered(0).actions == [.send(query: 2, connection: 0)])
        #expect(pool.answered(0).actions == [.send(query: 3, connection: 0)])
    }

    @Test("A user whose connection is full keeps nobody from an idle one")
    func fullConnectionBlocksNobody() {
        var pool = pool([.write, .write], depth: 2)
        for query in 1...4 { _ = pool.submit(query, .write(user: ada), deadline: later) }
        #expect(pool.waitingCount == 2)
        #expect(pool.submit(5, .write(user: ben), deadline: later) == [.send(query: 5, connection: 1)])
        #expect(pool.answered(1).actions.isEmpty)
        #expect(pool.answered(0).actions == [.send(query: 3, connection: 0)])
        #expect(pool.answered(0).actions == [.send(query: 4, connection: 0)])
    }

    @Test("Between what overflowed and who waited in line, whoever came first goes first")
    func overflowAndLine() {
        var pool = pool([.write], depth: 2)
        for query in 1...3 { _ = pool.submit(query, .write(user: ada), deadline: later) }
        _ = pool.submit(4, .write(user: ben), deadline: later)
        _ = pool.submit(5, .write(user: ada), deadline: later)
        // 3 came before ben; 5 came after him, so the connection runs dry and is his.
        #expect(pool.answered(0).actions == [.send(query: 3, connection: 0)])
        #expect(pool.answered(0).actions.isEmpty)
        #expect(pool.answered(0).actions == [.send(query: 4, connection: 0)])
        #expect(pool.answered(0).actions == [.send(query: 5, connection: 0)])
    }

    @Test("Order within a user holds through every way of waiting", arguments: 1...20)
    func orderHolds(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let users = [ada, ben, eve]
        var pool = pool([.write, .write], depth: 3, mostWaiting: 300)
        var owner: [Int: UUID] = [:]
        var flying: [[Int]] = [[], []]
        var answered: [UUID: [Int]] = [:]
        func apply(_ actions: [Pool.Action]) {
            for case .send(let query, let connection) in actions {
                #expect(flying[connection].allSatisfy { owner[$0] == owner[query] })
                flying[connection].append(query)
            }
        }
        func answer(_ connection: Int) {
            guard !flying[connection].isEmpty else { return }
            let (query, actions) = pool.answered(connection)
            #expect(query == flying[connection].removeFirst())
            if let query, let user = owner[query] { answered[user, default: []].append(query) }
            apply(actions)
        }
        for query in 1...300 {
            let user = users[Int(random.next() % 3)]
            owner[query] = user
            apply(pool.submit(query, .write(user: user), deadline: later))
            if random.next() % 3 == 0 { answer(Int(random.next() % 2)) }
        }
        while !flying[0].isEmpty || !flying[1].isEmpty {
            answer(0)
            answer(1)
        }
        #expect(pool.waitingCount == 0)
        for queries in answered.values { #expect(queries == queries.sorted()) }
        #expect(answered.values.reduce(0) { $0 + $1.count } == 300)
    }

    @Test("Who waits past the deadline is refused, and those behind go on")
    func deadline() {
        var pool = pool([.write], depth: 2)
        let soon = ContinuousClock.now + .seconds(1)
        _ = pool.submit(1, .write(user: ada), deadline: later)
        _ = pool.submit(2, .write(user: ben), deadline: soon)
        _ = pool.submit(3, .write(user: ada), deadline: later)
        #expect(pool.nextDeadline == soon)
        #expect(pool.expire(now: soon - .milliseconds(1)).isEmpty)
        #expect(pool.expire(now: soon) == [.refuse(query: 2), .send(query: 3, connection: 0)])
    }

    @Test("Too many that wait are refused at once")
    func exhaustion() {
        var pool = pool([.write], depth: 1, mostWaiting: 2)
        for query in 1...3 { _ = pool.submit(query, .write(user: ada), deadline: later) }
        #expect(pool.submit(4, .write(user: ben), deadline: later) == [.refuse(query: 4)])
        #expect(pool.waitingCount == 2)
    }

    @Test("A cancelled waiter is forgotten; one under way keeps its place until the answer comes")
    func cancel() {
        var pool = pool([.write])
        _ = pool.submit(1, .write(user: ada), deadline: later)
        _ = pool.submit(2, .write(user: ben), deadline: later)
        _ = pool.submit(3, .write(user: ada), deadline: later)
        var (forgotten, actions) = pool.cancel(1)
        #expect(!forgotten && actions.isEmpty)
        (forgotten, actions) = pool.cancel(2)
        #expect(forgotten)
        #expect(actions == [.send(query: 3, connection: 0)])
        #expect(pool.answered(0).query == 1)
    }

    @Test("A lost connection names what was under way in order, and is not used until it is back")
    func disconnect() {
        var pool = pool([.write, .write], depth: 2)
        for query in 1...3 { _ = pool.submit(query, .write(user: ada), deadline: later) }
        let (lost, actions) = pool.disconnected(0)
        #expect(lost == [1, 2])
        // What waited for it alone may go elsewhere.
        #expect(actions == [.send(query: 3, connection: 1)])
        #expect(pool.upCount == 1)
        #expect(pool.submit(4, .write(user: ben), deadline: later).isEmpty)
        #expect(pool.connected(0) == [.send(query: 4, connection: 0)])
    }

    @Test("Closing refuses all that wait and lets what is under way finish")
    func close() {
        var pool = pool([.write, .read], depth: 1)
        for query in 1...3 { _ = pool.submit(query, .write(user: ada), deadline: later) }
        for query in 4...5 { _ = pool.submit(query, .read, deadline: later) }
        #expect(pool.close() == [.refuse(query: 2), .refuse(query: 3), .refuse(query: 5)])
        #expect(pool.inFlightCount == 2)
        #expect(pool.answered(0).query == 1)
    }
}
