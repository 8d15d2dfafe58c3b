import FoundationEssentials
package import Logging
package import Persistence
import ServiceLifecycle

/// Removes the rows of accounts that are gone for everybody already: those that were more than one step, or whose process
/// ended in the middle. In steps of about a second, each a transaction; where several processes do it, each step is one's.
package struct PostgresErasures: Service {
    private let database: Database
    private let every: Duration
    private let logger: Logger
    private let requests: AsyncStream<Void>
    private let request: AsyncStream<Void>.Continuation

    /// - Parameter every: how soon a process does what another left undone.
    package init(database: Database, every: Duration = .seconds(120), logger: Logger) {
        self.database = database
        self.every = every
        self.logger = logger
        (requests, request) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// An account has left just now, and rows of it are left: nobody waits for the next look.
    package func ask() { request.yield() }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await _ in requests { await carryOn() }
                }
                group.addTask {
                    while !Task.isCancelled {
                        await carryOn()
                        // Processes that started together do not come together.
                        try? await Task.sleep(for: every * Double.random(in: 0.5...1))
                    }
                }
            }
        }
    }

    /// One step of each that waits, oldest first, until none is left or all are in other hands. One that cannot be done
    /// keeps none of the others from being done, and waits for the next look.
    package func carryOn() async {
        var failed: [UUID] = []
        var progress = true
        while progress, !Task.isCancelled {
            progress = false
            do {
                for user in try await waiting(but: failed) {
                    do {
                        if try await step(user) { progress = true }
                    } catch {
                        try Task.checkCancellation()
                        failed.append(user)
                        warn(error)
                    }
                    // The database has others to serve.
                    try await Task.sleep(for: .milliseconds(100))
                }
            } catch is CancellationError {
                return
            } catch {
                warn(error)
            }
        }
    }

    private func waiting(but failed: [UUID]) async throws -> [UUID] {
        try await database.patiently {
            try await $0.read(
                "SELECT id FROM account_erasures WHERE user_is_owned(id) AND id <> ALL (\(failed)) ORDER BY asked_at LIMIT 100"
            ).map { try $0.decode("id") }
        }
    }

    /// False: it is in other hands.
    private func step(_ user: UUID) async throws -> Bool {
        try await database.patiently {
            try await $0.write(for: user, "SELECT account_erase(\(user)) AS done")
                .first?.decode("done", as: Bool?.self) != nil
        }
    }

    private func warn(_ error: any Error) {
        logger.warning("An erasure is delayed", metadata: ["error": "\(error)"])
    }
}
