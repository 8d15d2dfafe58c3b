import DequeModule
import FoundationEssentials

/// Which statement goes to which connection, and when: rules without a socket. Every method returns what the shell
/// (`DatabaseLoop`) has to do; times and connections are numbers given to it.
///
/// - Reads share the read connections, the least loaded first, each carrying many at once (pipelined).
/// - What is large is read one after the other on a connection apart: answers come in the order of their questions, and
///   behind megabytes nobody's small one is to wait. What may turn out large for the first time keeps to the last of the
///   read connections, which small ones avoid meanwhile.
/// - A write goes to the connection on which its user has writes under way, behind them; otherwise to an idle write
///   connection; otherwise it waits, first come first served. So a user's writes are in order, and nobody's stands
///   behind another user's lock.
/// - While somebody waits for a write connection, nobody adds to the one that they have: it becomes idle, and is theirs.
/// - Notices to other processes have a connection of their own.
struct Pool {
    enum Lane: Hashable, Sendable {
        case read, large, write, bus
    }

    enum Demand: Hashable, Sendable {
        case read
        case maybeLarge
        case large
        case write(user: UUID)
        case bus

        var lane: Lane {
            switch self {
            case .read, .maybeLarge: .read
            case .large: .large
            case .write: .write
            case .bus: .bus
            }
        }
    }

    enum Action: Equatable {
        case send(query: Int, connection: Int)
        /// Not sent: nobody could take it in time, or too many wait.
        case refuse(query: Int)
    }

    private struct Connection {
        let lane: Lane
        var up = false
        /// In the order in which they were sent; answers come in the same order.
        var inFlight: Deque<(query: Int, load: Int)> = []
        var load = 0
        /// Whose writes are under way here.
        var user: UUID?
    }

    private struct Waiting {
        let query: Int
        let demand: Demand
        let deadline: ContinuousClock.Instant
        /// Counts up: who came first.
        let arrival: Int

        var user: UUID? {
            if case .write(let user) = demand { user } else { nil }
        }
    }

    /// As so many small ones: with so many ahead of it elsewhere a small read rather risks standing behind megabytes.
    private static let loadOfMaybeLarge = 16

    /// How many statements one connection carries at once, and how many may wait in all.
    private let depth: Int
    private let mostWaiting: Int
    private var connections: [Connection]
    private var arrivals = 0
    /// In order of arrival.
    private var waiting: [Lane: Deque<Waiting>] = [.read: [], .large: [], .write: [], .bus: []]
    private var connectionOfUser: [UUID: Int] = [:]
    /// Writes of a user whose own connection is full: they wait for it alone, and in nobody's way. All of them came before
    /// any of theirs in `waiting`.
    private var overflow: [UUID: Deque<Waiting>] = [:]
    /// How many writes of a user stand in `waiting`; none: no entry.
    private var queued: [UUID: Int] = [:]

    init(lanes: [Lane], depth: Int = 64, mostWaiting: Int = 4_096) {
        connections = lanes.map { Connection(lane: $0) }
        self.depth = depth
        self.mostWaiting = mostWaiting
    }

    var waitingCount: Int {
        waiting.values.reduce(0) { $0 + $1.count } + overflow.values.reduce(0) { $0 + $1.count }
    }
    var inFlightCount: Int { connections.reduce(0) { $0 + $1.inFlight.count } }
    var upCount: Int { connections.count { $0.up } }

    /// When the longest waiting one must be answered.
    var nextDeadline: ContinuousClock.Instant? {
        (waiting.values.compactMap(\.first?.deadline) + overflow.values.compactMap(\.first?.deadline)).min()
    }

    mutating func submit(_ query: Int, _ demand: Demand, deadline: ContinuousClock.Instant) -> [Action] {
        arrivals += 1
        // While there is no connection apart, large answers come where those of unknown size do.
        let demand = demand == .large && !connections.contains { $0.lane == .large && $0.up } ? .maybeLarge : demand
        let arrived = Waiting(query: query, demand: demand, deadline: deadline, arrival: arrivals)
        // Nobody overtakes: only an empty queue may be passed by.
        if waiting[demand.lane, default: []].isEmpty {
            if overflow.isEmpty || arrived.user.flatMap({ overflow[$0] }) == nil, let connection = place(demand) {
                return [send(query, demand, to: connection)]
            }
        }
        guard waitingCount < mostWaiting else { return [.refuse(query: query)] }
        if let user = arrived.user, queued[user] == nil, overflow[user] != nil || isFull(user) {
            overflow[user, default: []].append(arrived)
        } else {
            enqueue(arrived)
        }
        return []
    }

    private func isFull(_ user: UUID) -> Bool {
        connectionOfUser[user].map { connections[$0].inFlight.count >= depth } ?? false
    }

    private mutating func enqueue(_ arrived: Waiting) {
        waiting[arrived.demand.lane, default: []].append(arrived)
        if let user = arrived.user { queued[user, default: 0] += 1 }
    }

    private mutating func dequeued(_ gone: Waiting) {
        guard let user = gone.user, let count = queued[user] else { return }
        queued[user] = count > 1 ? count - 1 : nil
    }

    /// The connection that can take it now.
    private func place(_ demand: Demand) -> Int? {
        switch demand {
        case .write(let user):
            if let own = connectionOfUser[user] { return connections[own].inFlight.count < depth ? own : nil }
            return connections.firstIndex { $0.lane == .write && $0.up && $0.inFlight.isEmpty }
        case .read, .maybeLarge, .large, .bus:
            let depth = demand == .large ? 1 : depth
            let open = connections.indices.filter {
                connections[$0].lane == demand.lane && connections[$0].up && connections[$0].inFlight.count < depth
            }
            if demand == .maybeLarge { return open.last }
            return open.min { connections[$0].load < connections[$1].load }
        }
    }

    private mutating func send(_ query: Int, _ demand: Demand, to index: Int) -> Action {
        let load = demand == .maybeLarge ? Self.loadOfMaybeLarge : 1
        connections[index].inFlight.append((query, load))
        connections[index].load += load
        if case .write(let user) = demand {
            connections[index].user = user
            connectionOfUser[user] = index
        }
        return .send(query: query, connection: index)
    }

    mutating func connected(_ index: Int) -> [Action] {
        connections[index].up = true
        return drain(connections[index].lane)
    }

    /// The first statement under way on this connection was answered.
    mutating func answered(_ index: Int) -> (query: Int?, actions: [Action]) {
        let answered = connections[index].inFlight.popFirst()
        connections[index].load -= answered?.load ?? 0
        release(index)
        return (answered?.query, refill(index) + drain(connections[index].lane))
    }

    /// The connection is gone. What was under way on it, in order: whether it was carried out is not known.
    mutating func disconnected(_ index: Int) -> (lost: [Int], actions: [Action]) {
        connections[index].up = false
        let lost = connections[index].inFlight.map(\.query)
        connections[index].inFlight = []
        connections[index].load = 0
        release(index)
        return (lost, drain(connections[index].lane))
    }

    /// An idle connection is nobody's; what waited for it alone waits in line from now on, in its order of arrival.
    private mutating func release(_ index: Int) {
        guard connections[index].inFlight.isEmpty, let user = connections[index].user else { return }
        connections[index].user = nil
        connectionOfUser[user] = nil
        guard var returning = overflow.removeValue(forKey: user) else { return }
        queued[user, default: 0] += returning.count
        var merged: Deque<Waiting> = []
        var line = waiting[.write] ?? []
        while let one = returning.first {
            if let other = line.first, other.arrival < one.arrival {
                merged.append(other)
                line.removeFirst()
            } else {
                merged.append(one)
                returning.removeFirst()
            }
        }
        waiting[.write] = merged + line
    }

    /// Gives the connection what waits for it alone, as far as nobody waits for longer.
    private mutating func refill(_ index: Int) -> [Action] {
        var actions: [Action] = []
        guard let user = connections[index].user else { return actions }
        while connections[index].inFlight.count < depth, let next = overflow[user]?.first {
            if let head = waiting[.write]?.first, head.arrival < next.arrival { break }
            overflow[user]?.removeFirst()
            if overflow[user]?.isEmpty == true { overflow[user] = nil }
            actions.append(send(next.query, next.demand, to: index))
        }
        return actions
    }

    private mutating func drain(_ lane: Lane) -> [Action] {
        var actions: [Action] = []
        while let next = waiting[lane]?.first {
            let user = next.user
            if user.flatMap({ overflow[$0] }) == nil, let index = place(next.demand) {
                actions.append(send(next.query, next.demand, to: index))
            } else if let user, overflow[user] != nil || isFull(user) {
                overflow[user, default: []].append(next)
            } else {
                break
            }
            waiting[lane]?.removeFirst()
            dequeued(next)
        }
        return actions
    }

    private mutating func drainAll() -> [Action] { [.read, .large, .write, .bus].flatMap { drain($0) } }

    /// Those whose deadline has passed are refused.
    mutating func expire(now: ContinuousClock.Instant) -> [Action] {
        guard let next = nextDeadline, next <= now else { return [] }
        let gone = remove { $0.deadline <= now }
        return gone.isEmpty ? [] : gone.map { .refuse(query: $0) } + drainAll()
    }

    /// The one who asked has gone. `forgotten`: it was still waiting; otherwise it is under way, and its place stays taken
    /// until the answer comes.
    mutating func cancel(_ query: Int) -> (forgotten: Bool, actions: [Action]) {
        let gone = remove { $0.query == query }
        return gone.isEmpty ? (false, []) : (true, drainAll())
    }

    /// Everything that waits, because the pool closes.
    mutating func close() -> [Action] {
        remove { _ in true }.map { .refuse(query: $0) }
    }

    /// Takes out those that wait and match, in order of arrival.
    private mutating func remove(_ matches: (Waiting) -> Bool) -> [Int] {
        var gone: [Waiting] = []
        for lane in waiting.keys {
            let found = waiting[lane, default: []].filter(matches)
            guard !found.isEmpty else { continue }
            waiting[lane]?.removeAll(where: matches)
            for one in found { dequeued(one) }
            gone += found
        }
        for user in overflow.keys {
            let found = overflow[user, default: []].filter(matches)
            guard !found.isEmpty else { continue }
            overflow[user]?.removeAll(where: matches)
            if overflow[user]?.isEmpty == true { overflow[user] = nil }
            gone += found
        }
        return gone.sorted { $0.arrival < $1.arrival }.map(\.query)
    }
}
