import DequeModule
import FoundationEssentials

/// Which statement goes to which connection, and when: rules without a socket. Every method returns what the shell
/// (`DatabaseLoop`) has to do; times and connections are numbers given to it.
///
/// - Reads share the read connections, the least loaded first, each carrying many at once (pipelined).
/// - A write goes to the connection on which its user has writes under way, behind them; otherwise to an idle write
///   connection; otherwise it waits, first come first served. So a user's writes are in order, and nobody's stands
///   behind another user's lock.
/// - Notices to other processes have a connection of their own.
struct Pool {
    enum Lane: Hashable, Sendable {
        case read, write, bus
    }

    enum Demand: Hashable, Sendable {
        case read
        case write(user: UUID)
        case bus

        var lane: Lane {
            switch self {
            case .read: .read
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
        var inFlight: Deque<Int> = []
        /// Whose writes are under way here.
        var user: UUID?
    }

    private struct Waiting {
        let query: Int
        let demand: Demand
        let deadline: ContinuousClock.Instant
    }

    /// How many statements one connection carries at once, and how many may wait in all.
    private let depth: Int
    private let mostWaiting: Int
    private var connections: [Connection]
    private var waiting: [Lane: Deque<Waiting>] = [.read: [], .write: [], .bus: []]
    private var connectionOfUser: [UUID: Int] = [:]

    init(lanes: [Lane], depth: Int = 64, mostWaiting: Int = 4_096) {
        connections = lanes.map { Connection(lane: $0) }
        self.depth = depth
        self.mostWaiting = mostWaiting
    }

    var waitingCount: Int { waiting.values.reduce(0) { $0 + $1.count } }
    var inFlightCount: Int { connections.reduce(0) { $0 + $1.inFlight.count } }
    var upCount: Int { connections.count { $0.up } }

    /// When the longest waiting one must be answered.
    var nextDeadline: ContinuousClock.Instant? { waiting.values.compactMap(\.first?.deadline).min() }

    mutating func submit(_ query: Int, _ demand: Demand, deadline: ContinuousClock.Instant) -> [Action] {
        // Nobody overtakes: only an empty queue may be passed by, except towards one's own connection.
        if let connection = place(demand, behindQueue: true) {
            return [send(query, demand, to: connection)]
        }
        guard waitingCount < mostWaiting else { return [.refuse(query: query)] }
        waiting[demand.lane, default: []].append(Waiting(query: query, demand: demand, deadline: deadline))
        return []
    }

    private func place(_ demand: Demand, behindQueue: Bool) -> Int? {
        if case .write(let user) = demand, let own = connectionOfUser[user] {
            // A user who waits already (his connection is full) waits on, in order.
            let waits = behindQueue && waiting[.write, default: []].contains { $0.demand == demand }
            return connections[own].inFlight.count < depth && !waits ? own : nil
        }
        if behindQueue, waiting[demand.lane]?.isEmpty == false { return nil }
        switch demand {
        case .write:
            return connections.firstIndex { $0.lane == .write && $0.up && $0.inFlight.isEmpty }
        case .read, .bus:
            let open = connections.indices.filter {
                connections[$0].lane == demand.lane && connections[$0].up && connections[$0].inFlight.count < depth
            }
            return open.min { connections[$0].inFlight.count < connections[$1].inFlight.count }
        }
    }

    private mutating func send(_ query: Int, _ demand: Demand, to index: Int) -> Action {
        connections[index].inFlight.append(query)
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
        let query = connections[index].inFlight.popFirst()
        release(index)
        return (query, drain(connections[index].lane))
    }

    /// The connection is gone. What was under way on it, in order: whether it was carried out is not known.
    mutating func disconnected(_ index: Int) -> [Int] {
        connections[index].up = false
        let lost = Array(connections[index].inFlight)
        connections[index].inFlight = []
        release(index)
        return lost
    }

    private mutating func release(_ index: Int) {
        guard connections[index].inFlight.isEmpty, let user = connections[index].user else { return }
        connections[index].user = nil
        connectionOfUser[user] = nil
    }

    private mutating func drain(_ lane: Lane) -> [Action] {
        var actions: [Action] = []
        var passedBy: Deque<Waiting> = []
        var heldBack: Set<Demand> = []
        while let next = waiting[lane]?.first {
            if !heldBack.contains(next.demand), let index = place(next.demand, behindQueue: false) {
                actions.append(send(next.query, next.demand, to: index))
            } else if case .write(let user) = next.demand, connectionOfUser[user] != nil {
                // His own connection is full: he waits for it, and lets the others pass.
                passedBy.append(next)
                heldBack.insert(next.demand)
            } else {
                break
            }
            waiting[lane]?.removeFirst()
        }
        waiting[lane] = passedBy + (waiting[lane] ?? [])
        return actions
    }

    /// Those whose deadline has passed are refused.
    mutating func expire(now: ContinuousClock.Instant) -> [Action] {
        var actions: [Action] = []
        for lane in waiting.keys {
            waiting[lane]?.removeAll { waiting in
                guard waiting.deadline <= now else { return false }
                actions.append(.refuse(query: waiting.query))
                return true
            }
        }
        return actions
    }

    /// The one who asked has gone. True: it was still waiting and is forgotten; false: it is under way, and its place
    /// stays taken until the answer comes.
    mutating func cancel(_ query: Int) -> Bool {
        for lane in waiting.keys {
            if let index = waiting[lane]?.firstIndex(where: { $0.query == query }) {
                waiting[lane]?.remove(at: index)
                return true
            }
        }
        return false
    }

    /// Everything that waits, because the pool closes.
    mutating func close() -> [Action] {
        let queries = waiting.values.flatMap { $0.map(\.query) }
        waiting = [.read: [], .write: [], .bus: []]
        return queries.map { .refuse(query: $0) }
    }
}
