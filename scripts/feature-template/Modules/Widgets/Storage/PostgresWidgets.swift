package import API
package import FoundationEssentials
package import Persistence
package import Sync

/// Widgets in the table `widgets`; what decides are the functions of widgets.sql, one round trip each.
package struct PostgresWidgets: WidgetsRepository {
    private let database: Database
    private let sync: PostgresSync

    package init(database: Database, sync: PostgresSync) {
        self.database = database
        self.sync = sync
    }

    package func widgets(of user: UUID) async throws -> (head: Version, widgets: [RawJSON]) {
        let rows = try await database.answering {
            try await $0.read(
                of: user,
                """
                SELECT h.version AS head, widget_body(t) AS body
                FROM sync_heads h LEFT JOIN widgets t ON t.user_id = h.user_id AND t.name IS NOT NULL
                WHERE h.user_id = \(user) ORDER BY t.id
                """)
        }
        guard let head = try rows.first?.decode("head", as: Version.self) else { throw Problem.unauthenticated }
        return (head, try rows.compactMap { try $0.decode("body", as: RawJSON?.self) })
    }

    package func set(_ signed: SignedMutation, _ change: WidgetChange) async throws -> Applied {
        try await sync.mutate(signed, RawJSON(change.args), refusal: { WidgetsRefusal(code: $0, $1)?.problem })
    }
}
