import API
package import FoundationEssentials
package import Logging
import ServiceLifecycle
package import Sync
import Synchronization

/// Tells the other processes on this database what changed here, and hears it from them: hints only (who and how far),
/// at most one notice every few milliseconds. A hint that is lost is a delay, which the comparison of heads ends.
///
/// A notice is the sender's id and then words: `u<user>:<version>`, `h<shared version>`, `s<user>` (sessions ended),
/// `p<user>` (presence).
package final class HintBus: Service {
    package enum Incoming: Sendable {
        /// Listening has (again) begun: what was said before is lost.
        case established
        case payload(String)
    }

    /// PostgreSQL takes 8,000 bytes in one notice.
    private static let largest = 7_500
    private static let pause: Duration = .milliseconds(4)

    private struct Outgoing {
        var heads: [UUID: Version] = [:]
        var shared: Version = 0
        var sessions: Set<UUID> = []
        var presence: Set<UUID> = []
        var wake: AsyncStream<Void>.Continuation?
    }

    private let process: UUID
    private let announce: Announce
    private let incoming: AsyncStream<Incoming>
    private let send: @Sendable (String) async throws -> Void
    private let onEstablished: @Sendable () -> Void
    private let logger: Logger
    private let outgoing = Mutex(Outgoing())

    package init(
        process: UUID, announce: @escaping Announce, incoming: AsyncStream<Incoming>, logger: Logger,
        send: @escaping @Sendable (String) async throws -> Void, onEstablished: @escaping @Sendable () -> Void
    ) {
        self.process = process
        self.announce = announce
        self.incoming = incoming
        self.send = send
        self.onEstablished = onEstablished
        self.logger = logger
    }

    /// What another program that moved the shared sequence says to the processes that run.
    package static func notice(shared version: Version, from sender: UUID) -> String {
        "\(sender.text) h\(version)"
    }

    /// The same of one that changed a user's documents.
    package static func notice(of user: UUID, at version: Version, from sender: UUID) -> String {
        "\(sender.text) u\(user.text):\(version)"
    }

    /// Gathers what this process did, to be said to the others.
    package func hear(_ event: ChangeEvent) {
        outgoing.withLock { state in
            switch event {
            case .changed(let change):
                state.heads[change.user] = max(state.heads[change.user] ?? 0, change.version)
            case .shared(let version, local: true): state.shared = max(state.shared, version)
            case .sessionsEnded(let user, local: true): state.sessions.insert(user)
            case .presence(let user, local: true), .devicesChanged(let user): state.presence.insert(user)
            default: return
            }
            state.wake?.yield()
        }
    }

    package func run() async throws {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        outgoing.withLock { $0.wake = wake }
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.receive() }
                group.addTask {
                    for await _ in wakes {
                        await self.speak()
                        try? await Task.sleep(for: Self.pause)
                    }
                }
                // The last words are said before the end.
                await group.next()
                await self.speak()
                group.cancelAll()
            }
        } onGracefulShutdown: {
            wake.finish()
        }
    }

    private func receive() async {
        for await event in incoming {
            switch event {
            case .established: onEstablished()
            case .payload(let payload): understand(payload)
            }
        }
        // The end of the notices must not end the bus before its words are said.
        try? await Task.sleep(for: .seconds(3_600))
    }

    private func understand(_ payload: String) {
        let words = payload.split(separator: " ")
        guard let sender = words.first, sender != process.text else { return }
        for word in words.dropFirst() {
            let rest = word.dropFirst()
            switch word.first {
            case "u":
                let parts = rest.split(separator: ":")
                guard parts.count == 2, let user = UUID(text: parts[0]), let version = Version(parts[1]) else {
                    continue
                }
                announce(.hint(user: user, version: version))
            case "h":
                if let version = Version(rest) { announce(.shared(version: version, local: false)) }
            case "s":
                if let user = UUID(text: rest) { announce(.sessionsEnded(user: user, local: false)) }
            case "p":
                if let user = UUID(text: rest) { announce(.presence(user: user, local: false)) }
            default: logger.debug("Unknown word on the bus")
            }
        }
    }

    private func speak() async {
        let words = outgoing.withLock { state -> [String] in
            var words = state.heads.map { "u\($0.key.text):\($0.value)" }
            if state.shared > 0 { words.append("h\(state.shared)") }
            words += state.sessions.map { "s\($0.text)" } + state.presence.map { "p\($0.text)" }
            state.heads = [:]
            state.shared = 0
            state.sessions = []
            state.presence = []
            return words
        }
        var notice = process.text
        for word in words {
            if notice.utf8.count + word.utf8.count + 1 > Self.largest {
                await say(notice)
                notice = process.text
            }
            notice += " " + word
        }
        if !words.isEmpty { await say(notice) }
    }

    private func say(_ notice: String) async {
        do {
            try await send(notice)
        } catch {
            logger.debug("A hint was lost", metadata: ["error": "\(error)"])
        }
    }
}
