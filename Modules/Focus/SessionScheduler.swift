import API
package import FoundationEssentials
package import Logging
package import NIOCore
import ServiceLifecycle
package import Sync
import Synchronization

/// Ends sessions at their time with nobody connected. It sleeps until the next end, and looks again when something was
/// said about a session; besides it looks every 5 s, in case nothing was said because the process that should have was
/// killed, or the database's clock was set. A look is the least end in two small indexes. What is due is settled many users
/// at once, in one transaction. Any number of processes may run one: each due session is decided once, under its user's lock.
package final class SessionScheduler: Service {
    /// How many batches are settled side by side.
    private static let parallel = 2
    /// The longest sleep; how soon it looks again at the earliest; how soon after another process's hint.
    private static let longest: Duration = .seconds(5)
    private static let shortest: Duration = .milliseconds(20)
    private static let afterHint: TimeAmount = .milliseconds(500)
    /// How often this machine's clock is compared with its stopwatch, and by how much it must have been set to count.
    private static let watch: TimeAmount = .seconds(1)
    private static let jump: Int64 = 100_000

    private let repository: any FocusRepository
    private let announce: Announce
    private let loop: any EventLoop
    private let logger: Logger
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let hinted = Atomic(false)
    /// Whether the last look failed: only a change of that is worth a warning.
    private let failing = Atomic(false)

    /// - Parameter loop: keeps the alarm.
    package init(repository: any FocusRepository, announce: @escaping Announce, loop: any EventLoop, logger: Logger) {
        self.repository = repository
        self.announce = announce
        self.loop = loop
        self.logger = logger
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func hear(_ event: ChangeEvent) {
        switch event {
        case .changed(let change):
            if change.documents.contains(where: { $0.collection == "focus" }) { wake.yield() }
        case .hint:
            // It may be about a session or about anything: one look serves all of half a second.
            guard !hinted.exchange(true, ordering: .relaxed) else { return }
            loop.scheduleTask(in: Self.afterHint) {
                self.hinted.store(false, ordering: .relaxed)
                self.wake.yield()
            }
        case .shared, .sessionsEnded, .presence, .devicesChanged: break
        }
    }

    package func run() async throws {
        let clockWatch = watchClock()
        wake.yield()
        await withGracefulShutdownHandler {
            var alarm: Scheduled<Void>?
            var users = DueUsers()
            for await _ in wakes {
                let pause = await settleDue(&users)
                alarm?.cancel()
                alarm = loop.scheduleTask(in: TimeAmount(pause)) { self.wake.yield() }
                // What happens meanwhile is looked at together.
                try? await Task.sleep(for: Self.shortest)
            }
            alarm?.cancel()
        } onGracefulShutdown: {
            self.wake.finish()
        }
        clockWatch.cancel()
    }

    /// Look now: what other processes said may have been lost.
    package func look() { wake.yield() }

    /// Settles this user's session if it is due, and tells their devices.
    package func settle(_ user: UUID) async throws {
        guard let applied = try await repository.settle(user) else { return }
        if let change = applied.change { announce(.changed(change)) }
    }

    /// Settles what is due; how long until there is something to do again.
    private func settleDue(_ users: inout DueUsers) async -> Duration {
        do {
            let due = try await repository.due(limit: users.limit)
            let batches = users.batches(of: due.users, at: .now)
            guard !batches.isEmpty else {
                if !users.hasFailed { worked() }
                return max(.zero, [due.next, users.pause(at: .now), Self.longest].compactMap(\.self).min() ?? .zero)
            }
            return await settle(batches, &users) ? .zero : DueUsers.later
        } catch {
            failed("What is due could not be looked up", error)
            return DueUsers.later
        }
    }

    /// - Returns: whether the database took them.
    private func settle(_ batches: [[UUID]], _ users: inout DueUsers) async -> Bool {
        await withTaskGroup(of: [(UUID, DueUsers.Fate)].self) { group in
            var waiting = batches[...]
            var wasTaken = true
            for batch in waiting.prefix(Self.parallel) { group.addTask { await self.settle(batch[...]) } }
            waiting = waiting.dropFirst(Self.parallel)
            for await fates in group {
                for (user, fate) in fates { users.note(user, fate, at: .now) }
                // Of no use to ask for the others before it is known whether the database is there.
                if fates.contains(where: { $0.1 == .notNow }) {
                    waiting = []
                    wasTaken = false
                }
                if let batch = waiting.popFirst() { group.addTask { await self.settle(batch[...]) } }
            }
            users.noteBatch(wasTaken: wasTaken)
            return wasTaken
        }
    }

    /// Settles these in one transaction, and tells their devices. If one of them cannot be, the others are without them.
    private func settle(_ users: ArraySlice<UUID>) async -> [(UUID, DueUsers.Fate)] {
        do {
            let changes = try await repository.settle(Array(users))
            for change in changes { announce(.changed(change)) }
            let settled = Set(changes.map(\.user))
            return users.map { ($0, settled.contains($0) ? .settled : .passedBy) }
        } catch let problem as Problem where problem.status == 503 {
            failed("Due sessions could not be ended yet", problem)
            return users.map { ($0, .notNow) }
        } catch {
            guard users.count > 1 else {
                failed("A due session could not be ended yet", error)
                return users.map { ($0, .failed) }
            }
            let middle = users.startIndex + users.count / 2
            let first = await settle(users[..<middle])
            return first.contains { $0.1 == .notNow } ? first : first + (await settle(users[middle...]))
        }
    }

    private func failed(_ what: Logger.Message, _ error: any Error) {
        logger.debug(what, metadata: ["error": "\(error)"])
        guard !failing.exchange(true, ordering: .relaxed) else { return }
        logger.warning(
            "Sessions cannot be ended at their time; it is tried each second", metadata: ["error": "\(error)"])
    }

    private func worked() {
        guard failing.exchange(false, ordering: .relaxed) else { return }
        logger.info("Sessions are ended at their time again")
    }

    /// A wall clock that is set makes sessions due earlier or later than the stopwatch of the sleep knows.
    private func watchClock() -> RepeatedTask {
        let offset = Atomic(Self.clockOffset())
        return loop.scheduleRepeatedTask(initialDelay: Self.watch, delay: Self.watch) { _ in
            let now = Self.clockOffset()
            let before = offset.exchange(now, ordering: .relaxed)
            if abs(now - before) > Self.jump { self.wake.yield() }
        }
    }

    /// Microseconds between the wall clock and a clock that nobody sets.
    private static func clockOffset() -> Int64 {
        Timestamp.now().microseconds - Int64(clamping: NIODeadline.now().uptimeNanoseconds / 1_000)
    }
}
