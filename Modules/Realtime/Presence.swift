import DequeModule
package import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sync
import Synchronization

/// Who is there. Counts sockets by device, so that a second tab changes nothing, and waits a moment before it calls a
/// device gone, so that a reload does not flicker. Whatever happened within 100 ms is one write and one read.
package final class Presence: Service {
    private static let pause: Duration = .milliseconds(100)
    private static let grace: Duration = .seconds(2)
    private static let refreshEvery: Duration = .seconds(30)

    private struct State {
        var sockets: [DeviceKey: Int] = [:]
        var online: Set<DeviceKey> = []
        var arrived: Set<DeviceKey> = []
        var leaving: Deque<(device: DeviceKey, at: ContinuousClock.Instant)> = []
        /// Users whose sockets are to be told.
        var untold: Set<UUID> = []
    }

    private let state = Mutex(State())
    private let repository: any PresenceRepository
    private let process: UUID
    private let announce: Announce
    private let tell: @Sendable (UUID, [PresentDevice]) -> Void
    private let logger: Logger

    /// - Parameter tell: hands the devices of a user to their sockets at this process.
    package init(
        repository: any PresenceRepository, process: UUID, announce: @escaping Announce, logger: Logger,
        tell: @escaping @Sendable (UUID, [PresentDevice]) -> Void
    ) {
        self.repository = repository
        self.process = process
        self.announce = announce
        self.logger = logger
        self.tell = tell
    }

    package func hear(_ event: ChangeEvent) {
        switch event {
        case .presence(let user, local: false), .devicesChanged(let user): tellSoon(user)
        default: break
        }
    }

    func opened(_ key: DeviceKey) {
        state.withLock { state in
            state.sockets[key, default: 0] += 1
            if state.sockets[key] == 1 { state.arrived.insert(key) }
            state.untold.insert(key.user)
        }
    }

    func closed(_ key: DeviceKey) {
        state.withLock { state in
            let left = (state.sockets[key] ?? 1) - 1
            state.sockets[key] = left > 0 ? left : nil
            if left <= 0 { state.leaving.append((key, .now + Self.grace)) }
        }
    }

    private func tellSoon(_ user: UUID) {
        state.withLock { _ = $0.untold.insert(user) }
    }

    package func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var refreshAt = ContinuousClock.now + Self.refreshEvery
            while true {
                try await Task.sleep(for: Self.pause)
                do {
                    try await self.settle()
                    if ContinuousClock.now > refreshAt {
                        refreshAt = .now + Self.refreshEvery
                        let online = Array(self.state.withLock { $0.online })
                        for user in try await self.repository.refresh(online: online, process: self.process) {
                            self.tellSoon(user)
                            self.announce(.presence(user: user, local: true))
                        }
                    }
                } catch {
                    self.logger.debug("Presence could not be written", metadata: ["error": "\(error)"])
                }
            }
        }
        try? await repository.leave(process: process)
    }

    private func settle() async throws {
        let (arrived, left, users) = state.withLock { state -> ([DeviceKey], [DeviceKey], Set<UUID>) in
            let now = ContinuousClock.now
            var left: [DeviceKey] = []
            while let first = state.leaving.first, first.at <= now {
                state.leaving.removeFirst()
                if state.sockets[first.device] == nil, state.online.remove(first.device) != nil {
                    left.append(first.device)
                }
            }
            let arrived = state.arrived.filter { state.sockets[$0] != nil && !state.online.contains($0) }
            state.online.formUnion(arrived)
            state.arrived = []
            let users = state.untold.union(left.map(\.user))
            state.untold = []
            return (Array(arrived), left, users)
        }
        guard !users.isEmpty || !arrived.isEmpty else { return }
        do {
            if !arrived.isEmpty || !left.isEmpty {
                try await repository.mark(online: arrived, offline: left, process: process)
                for user in Set((arrived + left).map(\.user)) { announce(.presence(user: user, local: true)) }
            }
            for (user, devices) in try await repository.devices(of: Array(users)) { tell(user, devices) }
        } catch {
            // Said again at the next turn.
            state.withLock { state in
                state.untold.formUnion(users)
                state.online.subtract(arrived)
                state.arrived.formUnion(arrived)
                state.online.formUnion(left)
                state.leaving.append(contentsOf: left.map { ($0, .now) })
            }
            throw error
        }
    }
}
