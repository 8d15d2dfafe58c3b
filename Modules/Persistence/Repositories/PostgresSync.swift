package import API
package import FoundationEssentials
package import Sync

/// The read path: what changed beyond a place is an index range over the synced tables, in one statement and so one
/// snapshot. There is no log to grow or to lose.
package struct PostgresSync: SyncRepository {
    /// For the epoch of the database as a whole.
    private static let nobody = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))

    private let database: Database

    package init(database: Database) {
        self.database = database
    }

    package func heads(of user: UUID) async throws -> Heads {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT sync_epoch(s.epoch_seed, h.user_id) AS epoch, h.version, s.version AS shared, h.floor,
                    s.floor AS shared_floor, clock_timestamp() AS time, \(raw: Self.due) AS due
                FROM sync_heads h CROSS JOIN sync_shared s WHERE h.user_id = \(user)
                """)
        }
        guard let row = rows.first else { throw Problem.unauthenticated }
        return try Self.heads(row)
    }

    package func documents(of user: UUID, beyond place: Place?) async throws -> (heads: Heads, documents: [Document]) {
        let rows = try await database.answering {
            try await $0.read(place.map { Self.changes(user, beyond: $0) } ?? Self.live(user))
        }
        return try Self.read(rows)
    }

    private static func read(_ rows: Rows) throws -> (heads: Heads, documents: [Document]) {
        var heads: Heads?
        var documents: [Document] = []
        documents.reserveCapacity(rows.count)
        for row in rows {
            guard let collection = try row.decode("collection", as: String?.self) else {
                heads = try Self.heads(row)
                continue
            }
            documents.append(
                Document(
                    collection: collection, id: try row.decode("epoch"),
                    value: try row.decode("value", as: RawJSON?.self), version: try row.decode("version")))
        }
        guard let heads else { throw Problem.unauthenticated }
        return (heads, documents.sorted { $0.version < $1.version })
    }

    /// Where the documents of each collection are found, as rows (user_id, id, value, version); NULL: deleted.
    private static let collections: [SQL] = [
        "SELECT 'settings', key, value, version, 0, 0, 0, NULL, NULL FROM user_settings",
        "SELECT 'focus', id, value, version, 0, 0, 0, NULL, NULL FROM focus_documents",
        "SELECT collection, id, value, version, 0, 0, 0, NULL, NULL FROM market_documents",
    ]
    /// The same of what all users share: (id, value, version).
    private static let sharedCollections: [SQL] = [
        "SELECT 'items', id, value, version, 0, 0, 0, NULL, NULL FROM market_item_documents",
        """
        SELECT 'flags', id, value, version, 0, 0, 0, NULL, NULL
        FROM (SELECT f.name AS id, flag_body(f) AS value, f.version FROM feature_flags f) AS flags
        """,
    ]

    /// The heads as a row without collection, then the documents: their id stands in the column of the epoch.
    private static func changes(_ user: UUID, beyond place: Place) -> SQL {
        let own = collections.map { "\(sql: $0) WHERE user_id = \(user) AND version > \(place.user)" as SQL }
        let shared = sharedCollections.map { "\(sql: $0) WHERE version > \(place.shared)" as SQL }
        return union(user, own + shared)
    }

    private static func live(_ user: UUID) -> SQL {
        let own = collections.map { "\(sql: $0) WHERE user_id = \(user) AND value IS NOT NULL" as SQL }
        let shared = sharedCollections.map { "\(sql: $0) WHERE value IS NOT NULL" as SQL }
        return union(user, own + shared)
    }

    private static func union(_ user: UUID, _ parts: [SQL]) -> SQL {
        parts.reduce(headRow(user)) { "\(sql: $0) UNION ALL \(sql: $1)" }
    }

    /// When a document of the user in `h` will next change by itself.
    private static let due: StaticString =
        "(SELECT f.ends_at FROM focus_sessions f WHERE f.user_id = h.user_id AND f.status = 'active')"

    private static func headRow(_ user: UUID) -> SQL {
        """
        SELECT NULL::text AS collection, sync_epoch(s.epoch_seed, h.user_id) AS epoch, NULL::json AS value, h.version,
            s.version AS shared, h.floor, s.floor AS shared_floor, clock_timestamp() AS time, \(raw: due) AS due
        FROM sync_heads h CROSS JOIN sync_shared s WHERE h.user_id = \(user)
        """
    }

    package func inventory(
        of user: UUID
    ) async throws -> (heads: Heads, documents: [(collection: String, id: String, version: Version)]) {
        let rows = try await database.answering {
            // The values stay where they are.
            try await $0.read(
                """
                SELECT collection, epoch, NULL::json AS value, version, shared, floor, shared_floor, time, due
                FROM (\(sql: Self.live(user))) AS live
                """)
        }
        let (heads, documents) = try Self.read(rows)
        return (heads, documents.map { ($0.collection, $0.id, $0.version) })
    }

    package func survey(sessions: [UUID], users: [UUID]) async throws -> Survey {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT h.user_id AS id, h.version, false AS session, NULL AS epoch, NULL::timestamptz AS time
                FROM sync_heads h WHERE h.user_id = ANY (\(users))
                UNION ALL SELECT s.id, 0, true, NULL, NULL FROM sessions s
                WHERE s.user_id = ANY (\(users)) AND s.expires_at > clock_timestamp()
                UNION ALL SELECT NULL, s.version, false, sync_epoch(s.epoch_seed, \(Self.nobody)), clock_timestamp()
                FROM sync_shared s
                """)
        }
        // All sessions of these users, and which were asked for is told here: two lists in one condition would be looked up
        // as every pair of them.
        let asked = Set(sessions)
        var alive: Set<UUID> = []
        var heads: [UUID: Version] = [:]
        var shared: Version = 0
        var epoch = ""
        var time = Timestamp.now()
        for row in rows {
            if let id = try row.decode("id", as: UUID?.self) {
                if try row.decode("session", as: Bool.self) {
                    if asked.contains(id) { alive.insert(id) }
                } else {
                    heads[id] = try row.decode("version")
                }
            } else {
                shared = try row.decode("version")
                epoch = try row.decode("epoch")
                time = try row.decode("time")
            }
        }
        return Survey(aliveSessions: alive, heads: heads, shared: shared, epoch: epoch, time: time)
    }

    package func refuse(_ mutation: SignedMutation, _ problem: Problem) async throws -> Outcome {
        let m = mutation.mutation
        let rows = try await database.answering {
            try await $0.write(
                for: mutation.user,
                """
                SELECT \(raw: MutationResultRow.columns) FROM mutation_refuse(\(mutation.user), \(mutation.device), \
                \(m.id), \(m.sequence), \(m.name), \(mutation.fingerprint), \(RawJSON(problem.json()))) AS r
                """)
        }
        return try await settle(mutation, rows) { _, _ in nil }.outcome
    }

    package func conflicts(of user: UUID) async throws -> [Conflict] {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT c.id, c.name, c.args, c.lost_value, c.collection, c.document_id, c.at,
                    coalesce(s.value, f.value) AS value, coalesce(s.version, f.version, 0) AS version
                FROM sync_conflicts c
                LEFT JOIN user_settings s
                    ON c.collection = 'settings' AND s.user_id = c.user_id AND s.key = c.document_id
                LEFT JOIN focus_documents f
                    ON c.collection = 'focus' AND f.user_id = c.user_id AND f.id = c.document_id
                WHERE c.user_id = \(user) ORDER BY c.at DESC, c.id
                """)
        }
        return try rows.map { row in
            Conflict(
                id: try row.decode("id"), mutationName: try row.decode("name"), args: try row.decode("args"),
                lostValue: try row.decode("lost_value", as: RawJSON?.self),
                current: Document(
                    collection: try row.decode("collection"), id: try row.decode("document_id"),
                    value: try row.decode("value", as: RawJSON?.self), version: try row.decode("version")),
                at: try row.decode("at"))
        }
    }

    package func dismissConflict(_ id: UUID, of user: UUID) async throws -> Bool {
        let rows = try await database.answering {
            try await $0.write(
                for: user, "DELETE FROM sync_conflicts WHERE user_id = \(user) AND id = \(id) RETURNING id")
        }
        return !rows.isEmpty
    }

    private static func heads(_ row: Row) throws -> Heads {
        Heads(
            epoch: try row.decode("epoch"),
            place: Place(user: try row.decode("version"), shared: try row.decode("shared")),
            floor: Place(user: try row.decode("floor"), shared: try row.decode("shared_floor")),
            time: try row.decode("time"), due: try row.decode("due", as: Timestamp?.self))
    }
}
