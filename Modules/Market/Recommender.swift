package import Logging
package import NIOCore
import ServiceLifecycle
package import Sync

/// What a step of counting purchases came to.
package enum CountingStep: Sendable, Equatable {
    case done
    /// There is work left.
    case more
    /// Another process is at it, or was a moment ago.
    case elsewhere
}

/// What recommendations need of storage.
package protocol RecommendationRepository: Sendable {
    /// Counts purchases and refunds that have not been counted, at most so many: all of it or nothing. One process at a time
    /// does it; to the others, and within `pause` after the last step, it is `.elsewhere`. However often it is done, each
    /// purchase counts once.
    func step(atMost purchases: Int, after pause: Duration) async throws -> CountingStep
}

/// Has purchases counted, so that recommendations follow within seconds. It asks the database when somebody bought
/// something here, when another process says that something changed, and otherwise every two minutes. Any number of processes
/// may run one: whichever comes first does the work for all.
package final class Recommender: Service {
    /// What happens in so short a time is counted together.
    private static let gathering: Duration = .seconds(1)
    /// How soon after a step of another process, or a failure, it looks again.
    private static let pause: Duration = .milliseconds(1_500)
    private static let afterFailure: Duration = .seconds(3)
    /// How often it looks although it heard nothing, in case that a process died before it could say anything.
    private static let longest: TimeAmount = .seconds(120)
    /// How many purchases a step counts, so that it takes about as long as `aim`: it holds a connection for so long.
    private static let sizes = 20...2_000
    private static let aim: Duration = .milliseconds(300)

    private let repository: any RecommendationRepository
    private let loop: any EventLoop
    private let logger: Logger
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// - Parameter loop: keeps the alarm.
    package init(repository: any RecommendationRepository, loop: any EventLoop, logger: Logger) {
        self.repository = repository
        self.loop = loop
        self.logger = logger
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func hear(_ event: ChangeEvent) {
        switch event {
        case .changed(let change):
            if change.documents.contains(where: { $0.collection == "inventory" }) { wake.yield() }
        case .hint: wake.yield()
        case .shared, .sessionsEnded, .presence, .devicesChanged: break
        }
    }

    package func run() async throws {
        let alarm = loop.scheduleRepeatedTask(initialDelay: .zero, delay: Self.longest) { [wake] _ in wake.yield() }
        try? await cancelWhenGracefulShutdown {
            var size = 200
            for await _ in self.wakes {
                var rest = Self.gathering
                repeat {
                    try await Task.sleep(for: rest)
                    rest = await self.step(&size)
                } while rest > .zero
            }
        }
        alarm.cancel()
    }

    /// How long to wait before the next one; zero: until there is something to do.
    private func step(_ size: inout Int) async -> Duration {
        let begun = ContinuousClock.now
        do {
            let outcome = try await repository.step(atMost: size, after: Self.pause)
            let took = ContinuousClock.now - begun
            switch outcome {
            case .elsewhere: return Self.pause
            case .done, .more:
                if took > Self.aim {
                    size = max(size / 2, Self.sizes.lowerBound)
                } else if took < Self.aim / 3, outcome == .more {
                    size = min(size * 2, Self.sizes.upperBound)
                }
                // As much time again for everybody else.
                return outcome == .more ? max(took, .milliseconds(20)) : .zero
            }
        } catch {
            // A step that takes too long is undone; a smaller one may be done.
            size = max(size / 2, Self.sizes.lowerBound)
            logger.debug("Purchases could not be counted yet", metadata: ["error": "\(error)"])
            return Self.afterFailure
        }
    }
}
