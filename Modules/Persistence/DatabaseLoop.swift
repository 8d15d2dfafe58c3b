import CLibPQ
import DequeModule
import Foundation
import Logging
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// The one thread on which all connections of the process live: it waits in epoll, moves bytes between libpq and the
/// sockets, and carries out what `Pool` decides. Statements reach it through a mailbox; an eventfd wakes it, once for
/// all that arrived meanwhile.
/// `@unchecked`: everything below `mailbox` is touched by the loop's own thread only.
final class DatabaseLoop: @unchecked Sendable {
    typealias Completion = @Sendable (Result<Rows, DatabaseError>) -> Void

    struct Job: Sendable {
        let id: Int
        let demand: Pool.Demand
        let text: String
        let bindings: [Binding]
        /// Until when it may wait for a connection, and when whoever asks must have an answer.
        let deadline: ContinuousClock.Instant
        let answerBy: ContinuousClock.Instant
        let completion: Completion
    }

    enum BusEvent: Sendable {
        /// A connection found that the database has not the rules.
        case rulesMissing
        case established
        case payload(String)
    }

    private enum Message: Sendable {
        case run(Job)
        case cancel(Int)
        case stop
    }

    private struct Mailbox {
        var messages: [Message] = []
        var closed = false
    }

    struct Gauges: Sendable, Equatable {
        var connectionsUp = 0
        var inFlight = 0
        var waiting = 0
    }

    private let mailbox = Mutex(Mailbox())
    private let gauges = Mutex(Gauges())
    private let wakeDescriptor: Int32
    private let epollDescriptor: Int32

    private let configuration: DatabaseConfiguration
    private let onBus: @Sendable (BusEvent) -> Void
    private let logger: Logger
    private let lanes: [Pool.Lane]
    private var pool: Pool
    private var slots: [Slot]
    private var jobs: [Int: Job] = [:]
    /// By when each must be answered, soonest first; what was answered leaves when it comes to the front.
    private var answersDue: Deque<(query: Int, at: ContinuousClock.Instant)> = []
    private var stopping = false

    private struct Slot {
        var connection: Connection?
        var ready = false
        /// As epoll has it.
        var registered: (descriptor: Int32, events: UInt32)?
        var retryAt: ContinuousClock.Instant?
        var failures = 0
        /// When it must have answered something, or connected, or it is given up.
        var watchdog: ContinuousClock.Instant?
        var inFlight = 0
    }

    init(
        _ configuration: DatabaseConfiguration, logger: Logger, onBus: @escaping @Sendable (BusEvent) -> Void
    ) {
        self.configuration = configuration
        self.logger = logger
        self.onBus = onBus
        lanes = configuration.lanes
        pool = Pool(lanes: lanes, mostWaiting: configuration.mostWaiting)
        slots = lanes.map { _ in Slot() }
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        epollDescriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    }

    deinit {
        close(wakeDescriptor)
        close(epollDescriptor)
    }

    func start() {
        let thread = Thread { self.run() }
        thread.name = "lockstep-database"
        thread.stackSize = 1 << 20
        thread.start()
    }

    func submit(_ job: Job) {
        if !post(.run(job)) {
            job.completion(.failure(DatabaseError(.unavailable, message: "the pool is closed")))
        }
    }

    func cancel(_ id: Int) { _ = post(.cancel(id)) }

    func stop() { _ = post(.stop) }

    var snapshot: Gauges { gauges.withLock { $0 } }

    private func post(_ message: Message) -> Bool {
        let (open, first) = mailbox.withLock { mailbox in
            guard !mailbox.closed else { return (false, false) }
            mailbox.messages.append(message)
            return (true, mailbox.messages.count == 1)
        }
        if first {
            var one: UInt64 = 1
            _ = write(wakeDescriptor, &one, 8)
        }
        return open
    }
}

// The loop's own thread.
extension DatabaseLoop {
    private func run() {
        register(wakeDescriptor, index: -1, events: EPOLLIN.rawValue)
        for index in slots.indices { connect(index) }
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            // Before every wait, the first too: epoll knows a socket only from here.
            settle()
            let count = epoll_wait(epollDescriptor, &events, 64, timeout())
            for event in events.prefix(Int(max(0, count))) {
                let index = Int(Int32(truncatingIfNeeded: event.data.u64))
                if index < 0 {
                    var counter: UInt64 = 0
                    _ = read(wakeDescriptor, &counter, 8)
                } else {
                    advance(index)
                }
            }
            let messages = mailbox.withLock { mailbox in
                defer { mailbox.messages.removeAll(keepingCapacity: true) }
                return mailbox.messages
            }
            for message in messages { handle(message) }
            tick(now: .now)
            gauges.withLock {
                $0 = Gauges(connectionsUp: pool.upCount, inFlight: pool.inFlightCount, waiting: pool.waitingCount)
            }
            if stopping, jobs.isEmpty { break }
        }
        finish()
    }

    private func timeout() -> Int32 {
        let now = ContinuousClock.now
        let next = slots.flatMap { [$0.retryAt, $0.watchdog] } + [pool.nextDeadline, answersDue.first?.at]
        guard let soonest = next.lazy.compactMap(\.self).min() else { return -1 }
        let left = (soonest - now).components
        let milliseconds = left.seconds * 1_000 + left.attoseconds / 1_000_000_000_000_000
        return Int32(clamping: max(0, milliseconds + 1))
    }

    private func handle(_ message: Message) {
        switch message {
        case .run(let job) where stopping:
            job.completion(.failure(DatabaseError(.unavailable, message: "the pool is closed")))
        case .run(let job):
            jobs[job.id] = job
            // Nearly always the last place: all are given the same time, but a second attempt has less of it left.
            var place = answersDue.endIndex
            while place > 0, answersDue[place - 1].at > job.answerBy { place -= 1 }
            answersDue.insert((job.id, job.answerBy), at: place)
            perform(pool.submit(job.id, job.demand, deadline: job.deadline))
        case .cancel(let id):
            let (forgotten, actions) = pool.cancel(id)
            if forgotten { jobs[id] = nil }
            perform(actions)
        case .stop:
            stopping = true
            perform(pool.close())
        }
    }

    private func perform(_ actions: [Pool.Action]) {
        for action in actions {
            switch action {
            case .send(let query, let index):
                guard let job = jobs[query] else { continue }
                slots[index].connection?.send(.init(text: job.text, bindings: job.bindings))
                slots[index].inFlight += 1
                if slots[index].watchdog == nil { slots[index].watchdog = .now + configuration.answerLimit }
            case .refuse(let query):
                complete(
                    query, .failure(DatabaseError(.unavailable, message: "no connection was free within the deadline")))
            }
        }
    }

    private func complete(_ query: Int, _ result: Result<Rows, DatabaseError>) {
        jobs.removeValue(forKey: query)?.completion(result)
    }

    private func tick(now: ContinuousClock.Instant) {
        perform(pool.expire(now: now))
        while let due = answersDue.first, due.at <= now || jobs[due.query] == nil {
            answersDue.removeFirst()
            guard jobs[due.query] != nil else { continue }
            let (waited, actions) = pool.cancel(due.query)
            let message = "there was no answer within the deadline"
            complete(due.query, .failure(DatabaseError(waited ? .unavailable : .lost, message: message)))
            perform(actions)
        }
        for index in slots.indices {
            if let at = slots[index].retryAt, at <= now { connect(index) }
            if let at = slots[index].watchdog, at <= now {
                logger.warning("Database connection does not answer", metadata: ["connection": "\(index)"])
                drop(index)
            }
        }
    }

    private func connect(_ index: Int) {
        slots[index].retryAt = nil
        guard !stopping else { return }
        slots[index].connection = Connection(
            conninfo: configuration.conninfo, startup: configuration.startup(of: lanes[index]))
        slots[index].watchdog = .now + configuration.connectLimit
        if slots[index].connection == nil { drop(index) }
    }

    private func advance(_ index: Int) {
        guard let connection = slots[index].connection else { return }
        for event in connection.advance() {
            switch event {
            case .ready:
                slots[index].ready = true
                slots[index].failures = 0
                slots[index].watchdog = nil
                if lanes[index] == .bus { onBus(.established) }
                perform(pool.connected(index))
            case .answered(let result): answered(index, result)
            case .notified(let payload): onBus(.payload(payload))
            }
        }
    }

    private func answered(_ index: Int, _ result: Result<Rows, DatabaseError>) {
        slots[index].inFlight -= 1
        slots[index].watchdog = slots[index].inFlight > 0 ? .now + configuration.answerLimit : nil
        let (query, actions) = pool.answered(index)
        if let query { complete(query, result) }
        perform(actions)
    }

    /// Sends what was queued and tells epoll what to wait for; again when a connection turned out to be broken, for then
    /// what waited for it may go out by another.
    private func settle() {
        var again = true
        while again {
            for index in slots.indices where slots[index].ready { slots[index].connection?.flush() }
            again = false
            for index in slots.indices where !watch(index) {
                drop(index)
                again = true
            }
        }
    }

    /// Tells epoll what the connection waits for now; false: it broke.
    private func watch(_ index: Int) -> Bool {
        guard let connection = slots[index].connection else { return true }
        let events: UInt32
        switch connection.readiness {
        case .reading: events = EPOLLIN.rawValue
        case .writing: events = EPOLLOUT.rawValue
        case .both: events = EPOLLIN.rawValue | EPOLLOUT.rawValue
        case .broken: return false
        }
        let descriptor = connection.descriptor
        guard descriptor >= 0 else { return false }
        if let known = slots[index].registered {
            // While it connects, libpq may have closed the socket and opened another that has the same number.
            if known.descriptor == descriptor, known.events == events, slots[index].ready { return true }
            if known.descriptor == descriptor {
                var event = epoll_event(events: events, data: epoll_data_t(u64: UInt64(UInt32(index))))
                // The number may be a new socket's already, which epoll does not know yet.
                if epoll_ctl(epollDescriptor, EPOLL_CTL_MOD, descriptor, &event) != 0 {
                    register(descriptor, index: index, events: events)
                }
            } else {
                epoll_ctl(epollDescriptor, EPOLL_CTL_DEL, known.descriptor, nil)
                register(descriptor, index: index, events: events)
            }
        } else {
            register(descriptor, index: index, events: events)
        }
        slots[index].registered = (descriptor, events)
        return true
    }

    private func register(_ descriptor: Int32, index: Int32, events: UInt32) {
        var event = epoll_event(events: events, data: epoll_data_t(u64: UInt64(UInt32(bitPattern: index))))
        epoll_ctl(epollDescriptor, EPOLL_CTL_ADD, descriptor, &event)
    }

    private func register(_ descriptor: Int32, index: Int, events: UInt32) {
        register(descriptor, index: Int32(index), events: events)
    }

    /// Throws a connection away and plans the next attempt: 50 ms, doubling to 1 s, half of it by chance.
    private func drop(_ index: Int) {
        if let registered = slots[index].registered {
            epoll_ctl(epollDescriptor, EPOLL_CTL_DEL, registered.descriptor, nil)
        }
        if slots[index].ready || slots[index].failures % 20 == 0, let message = slots[index].connection?.errorMessage {
            logger.warning("Database connection lost", metadata: ["reason": .string(message)])
        }
        if slots[index].connection?.refusal?.sqlState == "3F000" { onBus(.rulesMissing) }
        let failures = slots[index].failures
        slots[index] = Slot()
        slots[index].failures = failures + 1
        let pause = min(1_000, 50 << min(failures, 5))
        slots[index].retryAt = .now + .milliseconds(pause / 2 + Int.random(in: 0...pause / 2))
        let (lost, actions) = pool.disconnected(index)
        for query in lost {
            complete(query, .failure(DatabaseError(.lost, message: "the connection was lost")))
        }
        perform(actions)
    }

    private func finish() {
        let left = mailbox.withLock { mailbox in
            mailbox.closed = true
            return mailbox.messages
        }
        for case .run(let job) in left {
            job.completion(.failure(DatabaseError(.unavailable, message: "the pool is closed")))
        }
        slots = []
    }
}
