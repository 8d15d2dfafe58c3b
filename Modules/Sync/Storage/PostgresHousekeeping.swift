import API
import FoundationEssentials
package import Logging
package import Persistence
import ServiceLifecycle

/// Forgets what has been kept long enough, each feature's own: answers of mutations after 30 to 33 days, tombstones after 30, sessions that
/// ended, lost conflicts after 90 days. In steps, each a transaction that looks at some hundreds of rows of one user under that user's
/// lock: nobody waits for longer than a step takes, however much a user has, and a round that broke off is gone on with by the
/// next one, of whatever process.
package struct PostgresHousekeeping: Service {
    private let database: Database
    private let every: Duration
    private let purges: [Purge]
    private let rowsAtOnce: Int
    private let logger: Logger

    package init(
        database: Database, purges: [Purge], every: Duration = .seconds(3_600), rowsAtOnce: Int = 1_000, logger: Logger
    ) {
        self.database = database
        self.every = every
        self.purges = purges
        self.rowsAtOnce = rowsAtOnce
        self.logger = logger
    }

    /// The first round begins with the process: one that never lives for an hour tidies too.
    package func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                await tidy()
                // Processes that started together do not come together again.
                try await Task.sleep(for: every * Double.random(in: 0.5...1))
            }
        }
    }

    /// One round. Every kind by itself, and every user: what one cannot do today keeps none of the others from being done.
    package func tidy() async {
        for purge in purges where !Task.isCancelled {
            do {
                try await forget(purge)
            } catch {
                warn(purge, error)
            }
        }
    }

    private func forget(_ purge: Purge) async throws {
        let now = try await database.read("SELECT clock_timestamp() AS now").first?.decode("now", as: Timestamp.self)
        guard let before = now?.advanced(bySeconds: Int64(purge.keptDays) * -86_400) else { return }
        let due = before.advanced(bySeconds: Int64(purge.gatheredDays) * -86_400)
        // Who is found once more after a turn was not done; after two of them they wait for the next round.
        var last: Set<UUID> = []
        var failed: [UUID] = []
        while true {
            let users = try await database.patiently {
                try await $0.read(
                    """
                    SELECT DISTINCT user_id FROM (
                        SELECT user_id FROM \(raw: purge.view)
                        WHERE since < \(due) AND user_is_owned(user_id) AND user_id <> ALL (\(failed)) LIMIT 10000
                    ) AS oldest
                    """
                ).map { try $0.decode("user_id", as: UUID.self) }
            }
            if users.isEmpty { return }
            for user in users {
                do {
                    try await forget(purge, of: user, before: before)
                } catch {
                    try Task.checkCancellation()
                    warn(purge, error)
                }
            }
            failed += users.filter(last.contains)
            last = Set(users)
        }
    }

    private func forget(_ purge: Purge, of user: UUID, before: Timestamp) async throws {
        var next: String?
        repeat {
            let begun = ContinuousClock.now
            let from = next
            next = try await database.patiently {
                try await $0.write(
                    for: user,
                    """
                    SELECT next_from FROM \(raw: purge.step)(\(user), \(before), \(from), \(rowsAtOnce)::integer)
                    """
                ).first?.decode("next_from", as: String?.self) ?? nil
            }
            // As much time again for everybody else.
            if next != nil { try await Task.sleep(for: ContinuousClock.now - begun) }
        } while next != nil
    }

    private func warn(_ purge: Purge, _ error: any Error) {
        logger.warning("Housekeeping failed", metadata: ["of": .string(purge.name), "error": "\(error)"])
    }
}
