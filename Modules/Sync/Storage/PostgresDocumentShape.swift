import FoundationEssentials
package import Logging
package import Persistence
import ServiceLifecycle

/// Which shape documents are written in: a number, part of every epoch. A release that writes a document otherwise counts `own` up,
/// and writes the old shape as long as `document_shape` in `sync_shared` says so: until no process of another release is
/// connected. So clients start over once, and not back and forth between old and new processes (decision 0039).
package struct PostgresDocumentShape: Service {
    /// The newest that this release can write.
    package static let own = 1

    private let database: Database
    private let rules: Rules
    private let own: Int
    private let every: Duration
    private let logger: Logger
    /// Whose turn at the database this is: nobody else's.
    private let turn = UUID()

    package init(
        database: Database, rules: Rules, own: Int = Self.own, every: Duration = .seconds(10), logger: Logger
    ) {
        self.database = database
        self.rules = rules
        self.own = own
        self.every = every
        self.logger = logger
    }

    package func run() async throws {
        // For as long as it runs: another release may come and go.
        try? await cancelWhenGracefulShutdown {
            while true {
                try await untilAgreed()
                try await Task.sleep(for: every)
            }
        }
    }

    /// Returns when documents are written in the shape of this release.
    package func untilAgreed() async throws {
        while true {
            do {
                let inForce = try await agree()
                if inForce == own { return }
                logger.info("Documents keep an older shape", metadata: ["shape": "\(inForce)", "own": "\(own)"])
            } catch {
                try Task.checkCancellation()
                logger.warning("The shape of documents is not agreed on yet", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: every)
        }
    }

    /// Lowers the shape in force to our own, at once: who was started again as an older release can write no newer one, and the
    /// newer ones can write ours. Raises it when nobody else is connected.
    /// - Returns: the one in force.
    package func agree() async throws -> Int {
        let rows = try await database.patiently {
            try await $0.write(
                for: turn,
                """
                WITH changed AS (
                    UPDATE sync_shared SET document_shape = \(own)
                    WHERE document_shape > \(own) OR document_shape < \(own) AND NOT \(sql: rules.othersAreConnected)
                    RETURNING document_shape
                )
                SELECT coalesce((SELECT document_shape FROM changed), (SELECT document_shape FROM sync_shared))::bigint AS shape
                """)
        }
        return Int(try rows.first?.decode("shape", as: Int64.self) ?? Int64(own))
    }
}
