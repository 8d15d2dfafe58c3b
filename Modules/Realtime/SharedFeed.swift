import API
import AsyncAlgorithms
import FoundationEssentials
package import Logging
import Metrics
import ServiceLifecycle
package import Sync
import Synchronization

/// Reads what changed of what all users share, once for all sockets of this process and ten times a second at most. Whoever stands
/// where it begins is sent it as it was read; everybody else is told how far it goes, and reads for themselves.
package final class SharedFeed: Service {
    private struct State {
        /// Where the sequence that all share is at least, as was said.
        var announced: Version = 0
        /// How far it was read; nil: not yet.
        var read: Version?
        /// How many databases there were before this one.
        var generation = 0
        var failures = 0

        var isBehind: Bool { announced > read ?? 0 }
    }

    /// Larger ones are read by each in turn, where they wait for room.
    private static let largest = 16_384

    private let hub: Hub
    private let repository: any SyncRepository
    private let pause: Duration
    private let logger: Logger
    private let state = Mutex(State())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let reads = Counter(label: "lockstep_shared_reads")

    /// - Parameter pause: between two reads.
    package init(
        hub: Hub, repository: any SyncRepository, pause: Duration = .milliseconds(100), logger: Logger
    ) {
        self.hub = hub
        self.repository = repository
        self.pause = pause
        self.logger = logger
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func hear(_ event: ChangeEvent) {
        if case .shared(let version, _) = event { announce(version) }
    }

    private func announce(_ version: Version) {
        state.withLock { $0.announced = max($0.announced, version) }
        signal.yield()
    }

    /// A comparison of heads found the sequence here; `restored`: of another database than before.
    /// - Returns: how far the sockets are to be hinted. What lies beyond they are about to be sent.
    func found(_ version: Version, restored: Bool) -> Version {
        let read = state.withLock { state -> Version? in
            if restored { state = State(announced: version, read: version, generation: state.generation + 1) }
            if state.read == nil {
                state.announced = max(state.announced, version)
                state.read = version
            }
            return state.read
        }
        guard let read, version > read else { return version }
        announce(version)
        return read
    }

    package func run() async throws {
        await withGracefulShutdownHandler {
            for await _ in signals.cancelOnGracefulShutdown() where state.withLock({ $0.isBehind }) {
                do {
                    try await read()
                    try? await Task.sleep(for: pause)
                } catch {
                    logger.debug("What all share could not be read", metadata: ["error": "\(error)"])
                    giveUp()
                    try? await Task.sleep(for: pause * 5)
                }
                if state.withLock({ $0.isBehind }) { signal.yield() }
            }
        } onGracefulShutdown: {
            self.signal.finish()
        }
    }

    private func read() async throws {
        let before = state.withLock { $0 }
        let changes = try await repository.sharedChanges(beyond: before.read ?? max(0, before.announced - 1))
        reads.increment()
        // Of another database, to which all others are led by the comparison that found it.
        guard state.withLock({ $0.generation == before.generation }) else { return }
        if changes.continues, changes.documents.utf8.count <= Self.largest {
            hub.deliver(changes)
        } else {
            hub.hint(shared: max(before.announced, changes.version))
        }
        // Behind the delivery: until then a comparison of heads hints nobody beyond where they stand.
        finish(at: max(before.announced, changes.version), before.generation)
    }

    /// What cannot be read here for the second time everybody reads for themselves.
    private func giveUp() {
        let last = state.withLock { state -> State? in
            state.failures += 1
            return state.failures > 1 ? state : nil
        }
        guard let last else { return }
        hub.hint(shared: last.announced)
        finish(at: last.announced, last.generation)
    }

    private func finish(at version: Version, _ generation: Int) {
        state.withLock { state in
            guard state.generation == generation else { return }
            state.read = version
            state.failures = 0
        }
    }
}
