package import FoundationEssentials
package import Logging
import ServiceLifecycle
import Synchronization

/// PostgreSQL, as the repositories use it: one statement a call, each a transaction of its own. Nothing here blocks a
/// thread of the cooperative pool; a call waits at most about 5 s for the database and then throws `unavailable`.
package final class Database: Service {
    private let configuration: DatabaseConfiguration
    private let loop: DatabaseLoop
    private let busEvents: AsyncStream<BusEvent>
    private let missingRules: AsyncStream<Void>
    private let installRules: @Sendable () async throws -> Void
    private let nextID = Atomic<Int>(0)
    private let large = LargeAnswers()
    private let logger: Logger
    /// When a reason was last told, by its code.
    private let told = Mutex<[String: ContinuousClock.Instant]>([:])

    /// What the bus hears: `established` after every (new) LISTEN, for what was said meanwhile is lost.
    package enum BusEvent: Sendable, Equatable {
        case established
        case payload(String)
    }

    /// Begins to connect at once.
    /// - Parameter installRules: puts the rules into a database that has lost them, while `run` goes on.
    package init(
        _ configuration: DatabaseConfiguration, installRules: @escaping @Sendable () async throws -> Void = {},
        logger: Logger
    ) {
        self.configuration = configuration
        self.logger = logger
        let (stream, events) = AsyncStream.makeStream(of: BusEvent.self, bufferingPolicy: .bufferingNewest(10_000))
        busEvents = stream
        self.installRules = installRules
        let (missingRules, missing) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.missingRules = missingRules
        loop = DatabaseLoop(configuration, logger: logger) { event in
            switch event {
            case .rulesMissing: missing.yield()
            case .established: events.yield(.established)
            case .payload(let payload): events.yield(.payload(payload))
            }
        }
        loop.start()
    }

    /// Keeps it open until the graceful shutdown; then what is under way is finished.
    package func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                var pause = Duration.seconds(1)
                for await _ in self.missingRules {
                    do {
                        try await self.installRules()
                        pause = .seconds(1)
                    } catch {
                        self.logger.error("The rules cannot be put into the database", metadata: ["error": "\(error)"])
                        try? await Task.sleep(for: pause)
                        pause = min(pause * 2, .seconds(60))
                    }
                }
            }
            group.addTask {
                // Says that they are in use: those that nobody has used for a day are removed.
                while (try? await Task.sleep(for: .seconds(3_600))) != nil { try? await self.installRules() }
            }
            try? await gracefulShutdown()
            group.cancelAll()
        }
        loop.stop()
    }

    /// Ends it without a service group.
    package func close() { loop.stop() }

    /// Notices of all processes on this database, this one's too. For one consumer.
    package var notices: AsyncStream<BusEvent> { busEvents }

    /// Sends a notice to all processes; at most 8,000 bytes.
    package func notify(_ payload: String) async throws {
        let channel = String(describing: DatabaseConfiguration.channel)
        _ = try await attempt(.bus, "SELECT pg_notify(\(channel), \(payload))")
    }

    /// A statement that changes nothing, on a connection that many share.
    package func read(_ sql: SQL) async throws -> Rows {
        try await persist(.read, sql, repeatAfterLoss: true)
    }

    /// The same of what `user` has, as far as that may be megabytes. Where it lately was, it is read on a connection apart,
    /// and nobody's small read stands behind it.
    package func read(of user: UUID, _ sql: SQL) async throws -> Rows {
        let isApart = configuration.readsLargeApart && large.include(sql, of: user)
        let rows = try await persist(isApart ? .large : .maybeLarge, sql, repeatAfterLoss: true)
        if rows.bytes > LargeAnswers.least { large.note(sql, of: user) }
        return rows
    }

    /// The same two without a task, for what is asked anew where it fails: `then` is called once, on the thread of the
    /// database, which it must not keep.
    package func read(_ sql: SQL, then: @escaping @Sendable (Result<Rows, DatabaseError>) -> Void) {
        submit(.read, sql, then)
    }

    /// - Parameters:
    ///   - most: of bytes that are taken as an answer.
    ///   - then: gets nil where there are more, or were lately, so that nothing was asked.
    package func read(
        of user: UUID, upTo most: Int, _ sql: SQL, then: @escaping @Sendable (Result<Rows, DatabaseError>?) -> Void
    ) {
        guard !large.include(sql, of: user) else { return then(nil) }
        submit(.maybeLarge, sql) { [large] result in
            guard case .success(let rows) = result else { return then(result) }
            if rows.bytes > LargeAnswers.least { large.note(sql, of: user) }
            then(rows.bytes > most ? nil : result)
        }
    }

    private func submit(_ demand: Pool.Demand, _ sql: SQL, _ then: @escaping DatabaseLoop.Completion) {
        let now = ContinuousClock.now
        loop.submit(
            .init(
                id: nextID.add(1, ordering: .relaxed).newValue, demand: demand, text: sql.text, bindings: sql.bindings,
                deadline: now + configuration.waitLimit, answerBy: now + configuration.callLimit
            ) { result in
                // What took most of the time that there is, is not asked anew.
                if case .failure(let error) = result, error.kind == .lost, now.duration(to: .now) > .seconds(2) {
                    return then(.failure(DatabaseError(.unavailable, message: error.message)))
                }
                then(result)
            })
    }

    /// A statement that changes what belongs to `user`: behind their own that are under way, behind nobody else's.
    /// - Parameter idempotent: whether it may run again when the connection was lost and nobody knows if it ran: true
    ///   for everything that carries a mutation's id.
    package func write(for user: UUID, _ sql: SQL, idempotent: Bool = true) async throws -> Rows {
        try await persist(.write(user: user), sql, repeatAfterLoss: idempotent)
    }

    /// Runs `body` for what nobody waits for: while the database is away it waits, and then does it anew. What breaks its
    /// connection each time is given up.
    package func patiently<Value>(_ body: (Database) async throws -> Value) async throws -> Value {
        var losses = 0
        while true {
            do {
                return try await body(self)
            } catch let error as DatabaseError where error.isAway && losses < 3 {
                if error.kind == .lost { losses += 1 }
                repeat { try await Task.sleep(for: .milliseconds(Int.random(in: 500...1_000))) } while await !ping()
            }
        }
    }

    /// Whether PostgreSQL answers, for /readyz.
    package func ping() async -> Bool {
        (try? await attempt(.read, "SELECT 1")) != nil
    }

    package struct Gauges: Sendable, Equatable {
        package let connectionsUp: Int
        package let inFlight: Int
        package let waiting: Int
    }

    package var gauges: Gauges {
        let now = loop.snapshot
        return Gauges(connectionsUp: now.connectionsUp, inFlight: now.inFlight, waiting: now.waiting)
    }

    /// Tries again what PostgreSQL undid for the sake of another transaction (at most 4 times, after a random pause), and
    /// twice what was lost with its connection, where that is safe.
    private func persist(_ demand: Pool.Demand, _ sql: SQL, repeatAfterLoss: Bool) async throws -> Rows {
        var contentions = 0
        var losses = 0
        let end = ContinuousClock.now + configuration.callLimit
        while true {
            do {
                return try await attempt(demand, sql, until: end)
            } catch let error as DatabaseError {
                if .now >= end {
                    throw error
                } else if error.isContention, contentions < 4 {
                    contentions += 1
                    // A cancelled one finds out at its next attempt.
                    try? await Task.sleep(for: .milliseconds(Int.random(in: 5...80)))
                } else if error.isStalePlan, losses < 1 {
                    losses += 1
                } else if error.kind == .lost || error.isConnectionGone, repeatAfterLoss, losses < 2 {
                    losses += 1
                    // When one backend dies all sessions fall, and the next connection may not have noticed yet.
                    try? await Task.sleep(for: .milliseconds(Int.random(in: 50...100)))
                } else {
                    tell(error)
                    throw error
                }
            }
        }
    }

    /// Why a database that answers does not do it, such as a full disk: whoever asked gets no more than 503. Each reason once
    /// in ten seconds; these messages hold nothing that a user sent.
    private func tell(_ error: DatabaseError) {
        guard error.kind == .refused, error.isUnavailable, let state = error.sqlState else { return }
        let isNew = told.withLock { told in
            if let last = told[state], last.duration(to: .now) < .seconds(10) { return false }
            told[state] = .now
            return true
        }
        if isNew { logger.warning("The database cannot do it", metadata: ["reason": .string(error.message)]) }
    }

    private func attempt(
        _ demand: Pool.Demand, _ sql: SQL, until end: ContinuousClock.Instant? = nil
    ) async throws -> Rows {
        let end = end ?? .now + configuration.callLimit
        let id = nextID.add(1, ordering: .relaxed).newValue
        let answer = Answer()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard answer.wait(continuation) else { return }
                loop.submit(
                    .init(
                        id: id, demand: demand, text: sql.text, bindings: sql.bindings,
                        deadline: min(.now + configuration.waitLimit, end), answerBy: end,
                        completion: { answer.give($0) }))
            }
        } onCancel: {
            answer.give(.failure(DatabaseError(.cancelled, message: "the task was cancelled")))
            loop.cancel(id)
        }
    }

    /// Makes sure that whoever waits is resumed exactly once, by the answer or by the cancellation.
    private final class Answer: Sendable {
        private enum State {
            case new, waiting(CheckedContinuation<Rows, any Error>), done(DatabaseError?)
        }

        private let state = Mutex(State.new)

        /// False when it was cancelled before.
        func wait(_ continuation: CheckedContinuation<Rows, any Error>) -> Bool {
            let early = state.withLock { state -> DatabaseError? in
                if case .done(let error) = state { return error }
                state = .waiting(continuation)
                return nil
            }
            if let early { continuation.resume(throwing: early) }
            return early == nil
        }

        func give(_ result: Result<Rows, DatabaseError>) {
            let continuation = state.withLock { state -> CheckedContinuation<Rows, any Error>? in
                switch state {
                case .waiting(let continuation):
                    state = .done(nil)
                    return continuation
                case .new:
                    if case .failure(let error) = result { state = .done(error) }
                    return nil
                case .done: return nil
                }
            }
            continuation?.resume(with: result.mapError { $0 })
        }
    }
}
