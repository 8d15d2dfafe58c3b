package import FoundationEssentials
package import Persistence
import Sync

/// The counting of purchases by the functions of recommendations.sql: a step is one statement.
package struct PostgresRecommendations: RecommendationRepository {
    private let database: Database
    /// Orders this process's steps; no user's.
    private let process: UUID

    package init(database: Database, process: UUID) {
        self.database = database
        self.process = process
    }

    package func step(atMost purchases: Int, after pause: Duration) async throws -> CountingStep {
        let seconds = Double(pause.components.seconds) + Double(pause.components.attoseconds) / 1e18
        let rows = try await database.answering {
            // Lost with its connection it is done or undone as a whole, and the next one finds out.
            try await $0.write(
                for: process,
                """
                SELECT more FROM recommendation_pass(\(purchases), make_interval(secs => \(seconds)))
                """, idempotent: false)
        }
        guard let more = try rows.first?.decode("more", as: Bool?.self) else { return .elsewhere }
        return more ? .more : .done
    }
}
