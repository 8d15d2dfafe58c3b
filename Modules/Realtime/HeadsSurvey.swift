import AsyncAlgorithms
import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sync

/// Compares, every 5 s and whenever it is asked, the heads of everybody who is connected or waits here with the
/// database's, in one statement: what the bus lost is made good. The same statement tells which sessions have ended.
/// A database that was restored under us shows by its epoch: everybody here reads anew. Where nobody is, nothing is asked,
/// but for the epoch once, at the start.
package final class HeadsSurvey: Service {
    private let hub: Hub
    private let feed: ChangeFeed
    private let repository: any SyncRepository
    private let clock: ServerClock
    private let every: Duration
    private let logger: Logger
    private let requests: AsyncStream<Void>
    private let request: AsyncStream<Void>.Continuation

    package init(
        hub: Hub, feed: ChangeFeed, repository: any SyncRepository, clock: ServerClock, every: Duration = .seconds(5),
        logger: Logger
    ) {
        self.hub = hub
        self.feed = feed
        self.repository = repository
        self.clock = clock
        self.every = every
        self.logger = logger
        (requests, request) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let request = request
        feed.listen { event in
            if case .sessionsEnded = event { request.yield() }
        }
        hub.whenInDoubt { request.yield() }
    }

    /// Compare as soon as possible.
    package func ask() { request.yield() }

    package func run() async throws {
        let ticks = AsyncTimerSequence(interval: every, clock: .continuous).map { _ in }
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
        let (sessions, connected) = await hub.census()
        let users = connected.union(feed.waitingUsers)
        guard !users.isEmpty || epoch == nil else { return }
        let survey = try await repository.survey(sessions: sessions, users: Array(users))
        clock.observe(survey.time)
        let restored = epoch != nil && epoch != survey.epoch
        epoch = survey.epoch
        if restored { logger.warning("The database is another one than before: every device here reads anew") }
        hub.apply(survey, asked: Set(sessions), restored: restored)
        feed.wakeWaiting(heads: survey.heads, shared: survey.shared, all: restored)
    }
}
