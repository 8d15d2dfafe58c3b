import API
import FoundationEssentials
package import Logging
package import Persistence
package import Sync

/// Brings `market_items` to what a file says, in one transaction and under one shared version. For the commands and the
/// start: on a connection of its own, which may wait.
package struct PostgresCatalogue: Sendable {
    package enum Mode: Sendable, Equatable {
        case write
        /// Only where there is no item at all.
        case writeIfEmpty
        /// Reads without a lock: it may be about what is sold at this moment.
        case dryRun
    }

    /// Users made rewards for themselves under these ids, or bought such: what they own must not become something else.
    package struct TakenIDs: Error, Sendable {
        package let items: [CatalogueItem]
    }

    private let url: String
    private let rules: Rules?

    package init(url: String, rules: Rules?) {
        self.url = url
        self.rules = rules
    }

    /// Fills an empty catalogue with what a file says; one that holds anything is left alone.
    package func seed(_ file: [UInt8], _ logger: Logger) async throws {
        let catalogue = try Catalogue(file: file)
        let seeded = try await bring(to: catalogue, .writeIfEmpty)
        if seeded.shared != nil {
            logger.info("Seeded the demo catalogue", metadata: ["items": "\(catalogue.items.count)"])
        }
    }

    /// Nobody is told anything meanwhile: whoever reads it may be slow, and purchases would wait for them.
    /// - Throws: `TakenIDs`; where an empty catalogue is filled those are left out instead.
    /// - Returns: what was (or would be) done, and the shared version at which it stands; nil: nothing was written.
    package func bring(
        to catalogue: Catalogue, _ mode: Mode
    ) async throws -> (plan: CataloguePlan, shared: Version?) {
        try await onThread {
            let connection = try DirectConnection(url: url, rules: rules)
            if mode == .dryRun {
                let plan = CataloguePlan(from: try Self.stored(connection), to: catalogue)
                let taken = try Self.taken(plan.added, connection)
                guard taken.isEmpty else { throw TakenIDs(items: taken) }
                return (plan, nil)
            }
            // Left open by an error, the transaction ends with its connection.
            try connection.execute(script: "BEGIN; SET LOCAL lock_timeout = '20s'")
            // Stock moves only under this lock, so what is read behind it stays so until the end.
            try connection.query("SELECT version FROM sync_shared FOR NO KEY UPDATE")
            let stored = try Self.stored(connection)
            let plan = CataloguePlan(from: stored, to: catalogue)
            if plan.isEmpty || (mode == .writeIfEmpty && !stored.isEmpty) { return (plan, nil) }
            let taken = try Self.taken(plan.added, connection)
            guard taken.isEmpty || mode == .writeIfEmpty else { throw TakenIDs(items: taken) }
            let added = plan.added.filter { item in !taken.contains { $0.id == item.id } }
            let row = try connection.query("SELECT shared_advance() AS version").first
            guard let version = try row?.decode("version", as: Version.self) else { throw Problem.internalError }
            try Self.write(added + plan.changed.map(\.item), at: version, connection)
            try connection.query(
                """
                UPDATE market_items SET available = false, version = \(version) WHERE id = ANY (\(plan.withdrawn.map(\.id)))
                """)
            try connection.execute(script: "COMMIT")
            return (plan, version)
        }
    }

    /// Those of these new items whose ids are users' own.
    private static func taken(_ items: [CatalogueItem], _ connection: DirectConnection) throws -> [CatalogueItem] {
        let ids = items.map(\.id)
        let rows = try connection.query(
            """
            SELECT id FROM market_personal_items WHERE id = ANY (\(ids))
            UNION SELECT item_id FROM user_inventory WHERE item_id = ANY (\(ids))
            """)
        let found = Set(try rows.map { try $0.decode("id", as: UUID.self) })
        return items.filter { found.contains($0.id) }
    }

    private static func write(
        _ items: [CatalogueItem], at version: Version, _ connection: DirectConnection
    ) throws {
        try connection.query(
            """
            INSERT INTO market_items (id, name, description, cost_coins, category, rarity, icon_url, available,
                available_from, available_until, stock_remaining, max_per_user, consumable, version)
            SELECT id, name, description, cost_coins, category, rarity, icon_url, available, available_from,
                available_until, stock_remaining, max_per_user, consumable, \(version)
            FROM json_to_recordset(\(RawJSON(.array(items.map(\.json))))) AS i (id uuid, name text, description text,
                cost_coins bigint, category text, rarity text, icon_url text, available boolean,
                available_from timestamptz, available_until timestamptz, stock_remaining bigint, max_per_user bigint,
                consumable boolean)
            ON CONFLICT ON CONSTRAINT market_items_pkey DO UPDATE SET
                name = excluded.name, description = excluded.description, cost_coins = excluded.cost_coins,
                category = excluded.category, rarity = excluded.rarity, icon_url = excluded.icon_url,
                available = excluded.available, available_from = excluded.available_from,
                available_until = excluded.available_until, stock_remaining = excluded.stock_remaining,
                max_per_user = excluded.max_per_user, consumable = excluded.consumable, version = excluded.version
            """)
    }

    private static func stored(_ connection: DirectConnection) throws -> [CatalogueItem] {
        let rows = try connection.query(
            """
            SELECT id, name, description, cost_coins, category, rarity, icon_url, available, available_from,
                available_until, stock_remaining, max_per_user, consumable
            FROM market_items ORDER BY name_key, id
            """)
        return try rows.map { row in
            var item = CatalogueItem(
                id: try row.decode("id"), name: try row.decode("name"), cost: try row.decode("cost_coins"),
                category: try row.decode("category"))
            item.description = try row.decode("description")
            item.rarity = Rarity(rawValue: try row.decode("rarity")) ?? .common
            item.iconURL = try row.decode("icon_url")
            item.available = try row.decode("available")
            item.from = try row.decode("available_from")
            item.until = try row.decode("available_until")
            let stock = try row.decode("stock_remaining", as: Int64?.self)
            item.stock = stock.map { .pieces($0) } ?? .unlimited
            item.mostPerUser = try row.decode("max_per_user")
            item.consumable = try row.decode("consumable")
            return item
        }
    }
}
