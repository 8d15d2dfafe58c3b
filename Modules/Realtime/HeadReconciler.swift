import AsyncAlgorithms
import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sync
import Synchronization

/// Compares, every 5 s and whenever it is asked, the heads of everybody who is connected or waits here with the
/// database's, in one statement: what the bus lost is made good. The same statement tells which sessions have ended.
/// A database that was restored under us shows by its epoch: everybody here reads anew. Where nobody is, nothing is asked,
/// but for the epoch once, at the start.
package final class HeadReconciler: Service {
    private let hub: Hub
    private let feed: SharedFeed
    private let polls: LongPolls
    private let repository: any SyncRepository
    private let clock: ServerClock
    private let every: Duration
    private let logger: Logger
    private let requests: AsyncStream<Void>
    private let request: AsyncStream<Void>.Continuation
    /// Whose sessions may have ended: they alone are asked for.
    private let doubted = Mutex<Doubt>(Doubt())

    private struct Doubt {
        var users: Set<UUID> = []
        var everybody = false
    }

    package init(
        hub: Hub, feed: SharedFeed, polls: LongPolls, repository: any SyncRepository, clock: ServerClock,
        every: Duration = .seconds(5), logger: Logger
    ) {
        self.hub = hub
        self.feed = feed
        self.polls = polls
        self.repository = repository
        self.clock = clock
        self.every = every
        self.logger = logger
        (requests, request) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        hub.whenInDoubt { [weak self] in self?.doubt($0) }
    }

    package func hear(_ event: ChangeEvent) {
        if case .sessionsEnded(let user, _) = event { doubt(user) }
    }

    private func doubt(_ user: UUID) {
        doubted.withLock { _ = $0.users.insert(user) }
        request.yield()
    }

    /// Compare as soon as possible.
    package func ask() {
        doubted.withLock { $0.everybody = true }
        request.yield()
    }

    package func run() async throws {
        let ticks = AsyncTimerSequence(interval: every, clock: .continuous).map { _ in
            self.doubted.withLock { $0.everybody = true }
        }
        await withGracefulShutdownHandler {
            var epoch: String?
            for await _ in merge(requests, ticks).cancelOnGracefulShutdown() {
                do {
                    try await survey(&epoch)
                } catch {
                    logger.debug("The heads could not be compared", metadata: ["error": "\(error)"])
                }
            }
        } onGracefulShutdown: {
            self.request.finish()
        }
    }

    private func survey(_ epoch: inout String?) async throws {
        let doubt = doubted.withLock { doubt in
            defer { doubt = Doubt() }
            return doubt
        }
        let (sessions, connected) = await hub.census(of: doubt.everybody ? nil : doubt.users)
        let users = doubt.everybody ? connected.union(polls.users) : connected
        guard !users.isEmpty || epoch == nil else { return }
        let survey: Survey
        do {
            survey = try await repository.survey(sessions: sessions, users: Array(users))
        } catch {
            // The next comparison, of everybody, is at most a few seconds away.
            doubted.withLock { $0.users.formUnion(doubt.users) }
            throw error
        }
        clock.observe(survey.time)
        let restored = epoch != nil && epoch != survey.epoch
        epoch = survey.epoch
        if restored { logger.warning("Another database, or documents of another shape: every device here reads anew") }
        let shared = feed.found(survey.shared, restored: restored)
        hub.apply(survey, shared: shared, asked: Set(sessions.map(\.session)), restored: restored)
        polls.wake(heads: survey.heads, shared: survey.shared, all: restored)
    }
}
