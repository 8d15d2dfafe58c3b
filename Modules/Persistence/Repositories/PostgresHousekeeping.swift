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
                do {
                    try await tidy()
                } catch {
                    logger.warning("Housekeeping failed", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    package func tidy() async throws {
        let days = keptDays
        let nobody = UUID.v7()
        _ = try await database.write(
            for: nobody,
            """
            WITH ended AS (DELETE FROM sessions WHERE expires_at < clock_timestamp())
            DELETE FROM sync_conflicts WHERE at < clock_timestamp() - interval '90 days'
            """)
        let answered = try await database.read(
            """
            SELECT DISTINCT user_id FROM mutations
            WHERE created_at < clock_timestamp() - make_interval(days => \(days)::integer)
            """)
        for row in answered {
            let user = try row.decode("user_id", as: UUID.self)
            _ = try await database.write(
                for: user,
                "SELECT mutations_purge(\(user), clock_timestamp() - make_interval(days => \(days)::integer))")
        }
        let deleted = try await database.read(
            """
            SELECT DISTINCT user_id FROM user_settings
            WHERE value IS NULL AND updated_at < clock_timestamp() - make_interval(days => \(days)::integer)
            """)
        for row in deleted {
            let user = try row.decode("user_id", as: UUID.self)
            _ = try await database.write(
                for: user,
                "SELECT settings_purge(\(user), clock_timestamp() - make_interval(days => \(days)::integer))")
        }
    }
}
