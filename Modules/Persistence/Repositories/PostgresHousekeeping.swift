import API
import FoundationEssentials
package import Logging
import ServiceLifecycle

/// Forgets what has been kept long enough: answers of mutations and tombstones after 30 days, sessions that ended, lost
/// conflicts after 90 days. A user at a time, each under his head's lock like every writer; candidates are found
/// without locks.
package struct PostgresHousekeeping: Service {
    private let database: Database
    private let every: Duration
    private let keptDays: Int
    private let logger: Logger

    package init(database: Database, every: Duration = .seconds(3_600), keptDays: Int = 30, logger: Logger) {
        self.database = database
        self.every = every
        self.keptDays = keptDays
        self.logger = logger
    }

    package func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                // Processes that started together do not clean up together.
                try await Task.sleep(for: every * Double.random(in: 0.5...1))
                await tidy()
            }
        }
    }

    /// Every step by itself, and every user: what one cannot do today keeps none of the others from being done.
    package func tidy() async {
        await each(of: "SELECT DISTINCT user_id FROM sessions WHERE expires_at < clock_timestamp()", "sessions") {
            "DELETE FROM sessions WHERE user_id = \($0) AND expires_at < clock_timestamp()"
        }
        let days = keptDays
        await each(
            of:
                "SELECT DISTINCT user_id FROM mutations WHERE created_at < clock_timestamp() - make_interval(days => \(days)::integer)",
            "mutations"
        ) { "SELECT mutations_purge(\($0), clock_timestamp() - make_interval(days => \(days)::integer))" }
        await each(
            of: """
                SELECT DISTINCT user_id FROM user_settings
                WHERE value IS NULL AND updated_at < clock_timestamp() - make_interval(days => \(days)::integer)
                """, "settings"
        ) { "SELECT settings_purge(\($0), clock_timestamp() - make_interval(days => \(days)::integer))" }
        await each(
            of: """
                SELECT user_id FROM user_inventory
                WHERE emptied_at < clock_timestamp() - make_interval(days => \(days)::integer)
                UNION SELECT p.user_id FROM market_personal_items p
                WHERE p.deleted_at < clock_timestamp() - make_interval(days => \(days)::integer) AND NOT EXISTS (
                    SELECT FROM user_inventory v
                    WHERE v.user_id = p.user_id AND v.item_id = p.id AND v.quantity > 0)
                """, "market"
        ) { "SELECT market_purge(\($0), clock_timestamp() - make_interval(days => \(days)::integer))" }
        await each(
            of: "SELECT DISTINCT user_id FROM sync_conflicts WHERE at < clock_timestamp() - interval '90 days'",
            "conflicts"
        ) { "DELETE FROM sync_conflicts WHERE user_id = \($0) AND at < clock_timestamp() - interval '90 days'" }
    }

    /// Runs `statement` for every user that `candidates` names.
    private func each(of candidates: SQL, _ what: String, _ statement: (UUID) -> SQL) async {
        await attempt(what) {
            for row in try await database.read(candidates) {
                let user = try row.decode("user_id", as: UUID.self)
                await attempt(what) { _ = try await database.write(for: user, statement(user)) }
            }
        }
    }

    private func attempt(_ what: String, _ work: () async throws -> Void) async {
        do {
            try await work()
        } catch {
            logger.warning("Housekeeping failed", metadata: ["of": .string(what), "error": "\(error)"])
        }
    }
}
