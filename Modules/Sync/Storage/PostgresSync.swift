package import API
package import FoundationEssentials
package import Persistence

/// The read path: what changed beyond a place is an index range over the synced tables, in one statement and so one
/// snapshot. There is no log to grow or to lose.
package struct PostgresSync: SyncRepository {
    /// For the epoch of the database as a whole.
    private static let nobody = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))

    /// More documents of all users are not read at once for everybody.
    private static let mostShared = 500

    let database: Database
    private let views: [DocumentView]
    /// What they may find full.
    let rooms: [StorageRoom]
    /// When a document of the user in `h` will next change by itself.
    private let due: SQL

    /// - Parameter views: those of every feature whose documents are read, or whose mutations are carried out.
    package init(database: Database, views: FeatureViews) {
        self.database = database
        self.views = views.documents
        rooms = views.rooms
        let each = views.due.map { "(SELECT min(d.at) FROM \(raw: $0) AS d WHERE d.user_id = h.user_id)" as SQL }
        due = each.isEmpty ? "NULL::timestamptz" : "least(\(sql: each.joined(by: ", ")))"
    }

    package func heads(of user: UUID, asking caller: Caller? = nil) async throws -> Heads {
        let sql = ends(user, caller)
        return try Self.heads(in: try await database.answering { try await $0.read(sql) })
    }

    package func heads(
        of user: UUID, asking caller: Caller, then: @escaping @Sendable (@escaping @Sendable () throws -> Heads) -> Void
    ) {
        database.read(ends(user, caller)) { result in then { try Self.heads(in: try result.answered()) } }
    }

    private func ends(_ user: UUID, _ caller: Caller?) -> SQL {
        """
        SELECT sync_epoch(s.epoch_seed, s.document_shape, h.user_id) AS epoch, h.version, s.version AS shared, h.floor,
            s.floor AS shared_floor, clock_timestamp() AS time, \(sql: due) AS due
        FROM sync_heads h CROSS JOIN sync_shared s WHERE h.user_id = \(user)\(sql: .asking(caller))
        """
    }

    private static func heads(in rows: Rows) throws -> Heads {
        guard let row = rows.first else { throw Problem.unauthenticated }
        return try heads(row)
    }

    package func documents(
        of user: UUID, asking caller: Caller? = nil, beyond place: Place?
    ) async throws -> (heads: Heads, documents: [Document]) {
        let rows = try await database.answering {
            try await $0.read(of: user, place.map { changes(user, caller, beyond: $0) } ?? live(user, caller))
        }
        return try Self.read(rows)
    }

    package func sharedChanges(beyond version: Version) async throws -> SharedChanges {
        let heads: SQL = """
            SELECT NULL::text AS collection, NULL::text AS id, NULL::json AS value, s.version, s.floor, clock_timestamp() AS time
            FROM sync_shared s
            """
        let parts = views.filter { $0.owner == .everybody }.map { view -> SQL in
            """
            (SELECT \(sql: view.collection), id, value, version, 0, NULL FROM \(raw: view.view)
            WHERE version > \(version) ORDER BY version LIMIT \(Self.mostShared + 1))
            """
        }
        let rows = try await database.answering { try await $0.read(([heads] + parts).joined(by: " UNION ALL ")) }
        var end: Row?
        var documents: [Document] = []
        for row in rows {
            if let collection = try row.decode("collection", as: String?.self) {
                documents.append(
                    Document(
                        collection: collection, id: try row.decode("id"),
                        value: try row.decode("value", as: RawJSON?.self), version: try row.decode("version")))
            } else {
                end = row
            }
        }
        guard let end else { throw Problem.unavailable() }
        return SharedChanges(
            previous: version, version: try end.decode("version"), floor: try end.decode("floor"),
            isWhole: documents.count <= Self.mostShared, documents: documents.sorted { $0.version < $1.version },
            time: try end.decode("time"))
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

    /// The heads as a row without collection, then the documents: their id stands in the column of the epoch.
    private func changes(_ user: UUID, _ caller: Caller?, beyond place: Place) -> SQL {
        union(user, caller) { view in
            switch view.owner {
            case .user: "user_id = \(user) AND version > \(place.user)"
            case .everybody: "version > \(place.shared)"
            }
        }
    }

    private func live(_ user: UUID, _ caller: Caller? = nil) -> SQL {
        union(user, caller) { view in
            switch view.owner {
            case .user: "user_id = \(user) AND value IS NOT NULL"
            case .everybody: "value IS NOT NULL"
            }
        }
    }

    private func union(_ user: UUID, _ caller: Caller?, _ condition: (DocumentView) -> SQL) -> SQL {
        let parts = views.map { view -> SQL in
            """
            SELECT \(sql: view.collection), id, value, version, 0, 0, 0, NULL, NULL
            FROM \(raw: view.view) WHERE \(sql: condition(view))
            """
        }
        return ([headRow(user, caller)] + parts).joined(by: " UNION ALL ")
    }

    /// A document as it is now, of the conflict in `c`.
    private var current: SQL {
        let parts = views.filter { $0.owner == .user }.map { view -> SQL in
            """
            SELECT value, version FROM \(raw: view.view)
            WHERE c.collection = \(sql: view.collection) AND user_id = c.user_id AND id = c.document_id
            """
        }
        return parts.isEmpty ? "SELECT NULL::json AS value, NULL::bigint AS version" : parts.joined(by: " UNION ALL ")
    }

    private func headRow(_ user: UUID, _ caller: Caller?) -> SQL {
        """
        SELECT NULL::text AS collection, sync_epoch(s.epoch_seed, s.document_shape, h.user_id) AS epoch, NULL::json AS value, h.version,
            s.version AS shared, h.floor, s.floor AS shared_floor, clock_timestamp() AS time, \(sql: due) AS due
        FROM sync_heads h CROSS JOIN sync_shared s WHERE h.user_id = \(user)\(sql: .asking(caller))
        """
    }

    package func inventory(
        of user: UUID
    ) async throws -> (heads: Heads, documents: [(collection: String, id: String, version: Version)]) {
        let rows = try await database.answering {
            // The values stay where they are.
            try await $0.read(
                of: user,
                """
                SELECT collection, epoch, NULL::json AS value, version, shared, floor, shared_floor, time, due
                FROM (\(sql: live(user))) AS live
                """)
        }
        let (heads, documents) = try Self.read(rows)
        return (heads, documents.map { ($0.collection, $0.id, $0.version) })
    }

    package func survey(sessions: [SessionKey], users: [UUID]) async throws -> Survey {
        let asked = Array(Set(sessions))
        let rows = try await database.answering {
            // The pairs as rows: as two lists in one condition they would be looked up as every pair of them.
            try await $0.read(
                """
                SELECT h.user_id AS id, h.version, NULL::timestamptz AS expires_at, NULL AS epoch, NULL::timestamptz AS time
                FROM sync_heads h WHERE h.user_id = ANY (\(users))
                UNION ALL SELECT s.id, 0, s.expires_at, NULL, NULL
                FROM unnest(\(asked.map(\.user)), \(asked.map(\.session))) AS a (user_id, id)
                JOIN live_sessions s ON s.user_id = a.user_id AND s.id = a.id
                UNION ALL SELECT NULL, s.version, NULL, sync_epoch(s.epoch_seed, s.document_shape, \(Self.nobody)), clock_timestamp()
                FROM sync_shared s
                """)
        }
        var alive: [UUID: Timestamp] = [:]
        var heads: [UUID: Version] = [:]
        var shared: Version = 0
        var epoch = ""
        var time = Timestamp.now()
        for row in rows {
            if let id = try row.decode("id", as: UUID?.self) {
                if let expires = try row.decode("expires_at", as: Timestamp?.self) {
                    alive[id] = expires
                } else {
                    heads[id] = try row.decode("version")
                }
            } else {
                shared = try row.decode("version")
                epoch = try row.decode("epoch")
                time = try row.decode("time")
            }
        }
        return Survey(sessions: alive, heads: heads, shared: shared, epoch: epoch, time: time)
    }

    package func refuse(_ mutation: SignedMutation, _ problem: Problem) async throws -> Outcome {
        try await mutate(mutation, RawJSON(.null), refused: problem).outcome
    }

    package func conflicts(
        of user: UUID, before place: TimePlace?, limit: Int
    ) async throws -> (conflicts: [Conflict], next: TimePlace?) {
        let rows = try await database.answering {
            try await $0.read(
                of: user,
                """
                SELECT c.id, c.name, c.args, c.lost_value, c.collection, c.document_id, c.at,
                    d.value, coalesce(d.version, 0) AS version
                FROM sync_conflicts c LEFT JOIN LATERAL (\(sql: current)) AS d ON true
                WHERE c.user_id = \(user) AND (\(place?.id)::uuid IS NULL OR (c.at, c.id) < (\(place?.time), \(place?.id)))
                ORDER BY c.at DESC, c.id DESC LIMIT \(limit + 1)
                """)
        }
        let conflicts = try rows.prefix(limit).map { row in
            Conflict(
                id: try row.decode("id"), mutationName: try row.decode("name"), args: try row.decode("args"),
                lostValue: try row.decode("lost_value", as: RawJSON?.self),
                current: Document(
                    collection: try row.decode("collection"), id: try row.decode("document_id"),
                    value: try row.decode("value", as: RawJSON?.self), version: try row.decode("version")),
                at: try row.decode("at"))
        }
        let last = rows.count > limit ? conflicts.last : nil
        return (conflicts, last.map { TimePlace(time: $0.at, id: $0.id) })
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

extension DocumentView {
    /// The name of a row's collection.
    fileprivate var collection: SQL {
        if collections.count == 1, let only = collections.first { "'\(raw: only)'" } else { "collection" }
    }
}
