package import API
import FoundationEssentials
package import Persistence
package import Sync

/// Flags in `feature_flags`, and what storage guards reported in `storage_guard_reports`.
package struct PostgresFlags: FlagsRepository {
    /// Nobody's id: what belongs to no user shares one connection, so that strangers who report crowd out no one.
    private static let nobody = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))

    private let database: Database

    package init(database: Database) {
        self.database = database
    }

    package func flags() async throws -> [(flag: Flag, body: RawJSON)] {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT name, enabled, description, allowed_keys, version, flag_body(f) AS body FROM feature_flags f
                ORDER BY name COLLATE "C"
                """)
        }
        return try rows.map { row in
            (
                Flag(
                    name: try row.decode("name"), enabled: try row.decode("enabled"),
                    description: try row.decode("description"),
                    allowedKeys: try row.decode("allowed_keys", as: [String]?.self),
                    version: try row.decode("version")),
                try row.decode("body")
            )
        }
    }

    package func set(_ name: String, enabled: Bool, allowedKeys: [String]?) async throws -> Version? {
        let rows = try await database.answering {
            try await $0.write(
                for: Self.nobody, "SELECT flag_set(\(name), \(enabled), \(allowedKeys)) AS version")
        }
        return try rows.first?.decode("version", as: Version?.self) ?? nil
    }

    package func add(_ report: GuardReport) async throws {
        let counts = report.counts.sorted { $0.key < $1.key }
        _ = try await database.answering {
            try await $0.write(
                for: Self.nobody,
                """
                SELECT storage_guard_count(\(report.mode.rawValue), \(counts.map(\.key.text)), \(counts.map(\.value)), \
                \(GuardReport.knownKeys.map(\.text)))
                """, idempotent: false)
        }
    }

    package func reported() async throws -> [GuardCount] {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT key, mode, count, first_seen_at, last_seen_at FROM storage_guard_reports
                WHERE last_seen_at > clock_timestamp() - interval '90 days' ORDER BY count DESC, key, mode
                """)
        }
        return try rows.map { row in
            GuardCount(
                key: try row.decode("key"), mode: try row.decode("mode"), count: try row.decode("count"),
                firstSeenAt: try row.decode("first_seen_at"), lastSeenAt: try row.decode("last_seen_at"))
        }
    }
}
