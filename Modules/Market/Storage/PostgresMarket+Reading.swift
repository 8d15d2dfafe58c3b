package import API
package import FoundationEssentials
import Persistence
package import Sync

extension PostgresMarket {
    package func overview(
        of user: UUID
    ) async throws -> (items: [RawJSON], recommendations: [RawJSON], wallet: RawJSON) {
        let rows = try await database.answering {
            try await $0.read(
                of: user,
                """
                SELECT 1 AS part, body FROM (\(sql: Self.list(user, ItemFilter(), after: nil, limit: 100))) AS items
                UNION ALL SELECT 2, body FROM (\(sql: Self.recommended(user))) AS recommendations
                UNION ALL SELECT 3, body FROM (\(sql: Self.wallet(user))) AS wallet
                """)
        }
        var items: [RawJSON] = []
        var recommendations: [RawJSON] = []
        var wallet: RawJSON?
        for row in rows {
            switch try row.decode("part", as: Int.self) {
            case 1: items.append(try row.decode("body"))
            case 2: recommendations.append(try row.decode("body"))
            default: wallet = try row.decode("body")
            }
        }
        guard let wallet else { throw Problem.unauthenticated }
        return (items, recommendations, wallet)
    }

    package func items(
        of user: UUID, _ filter: ItemFilter, after place: ItemPlace?, limit: Int
    ) async throws -> Page<ItemPlace> {
        let rows = try await database.answering {
            try await $0.read(of: user, Self.list(user, filter, after: place, limit: limit + 1))
        }
        return try Self.page(rows[...], limit) {
            ItemPlace(nameKey: try $0.decode("name_key"), id: try $0.decode("id"))
        }
    }

    package func item(_ id: UUID, of user: UUID) async throws -> (version: Version, body: RawJSON)? {
        let rows = try await database.answering {
            try await $0.read("SELECT version, body FROM market_items_of(\(user)) WHERE id = \(id)")
        }
        return try rows.first.map { (try $0.decode("version"), try $0.decode("body")) }
    }

    package func categories(of user: UUID) async throws -> [Market.Category] {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT category, count(*) AS items FROM market_items_of(\(user)) WHERE available
                GROUP BY category ORDER BY market_fold(category), category
                """)
        }
        return try rows.map { Market.Category(name: try $0.decode("category"), items: try $0.decode("items")) }
    }

    package func inventory(
        of user: UUID, after place: TimePlace?, limit: Int
    ) async throws -> (page: Page<TimePlace>, items: Int64) {
        let rows = try await database.answering {
            // The number comes as a row of its own, ordered last: there is one where the page is empty.
            try await $0.read(
                """
                SELECT p.body, p.at, p.id, 0::bigint AS items, false AS is_number FROM (
                    SELECT inventory_row(v) AS body, v.purchased_at AS at, v.item_id AS id FROM user_inventory v
                    WHERE v.user_id = \(user) AND v.quantity > 0 AND (\(place?.id)::uuid IS NULL
                        OR v.purchased_at < \(place?.time) OR (v.purchased_at = \(place?.time) AND v.item_id > \(place?.id)))
                    ORDER BY v.purchased_at DESC, v.item_id LIMIT \(limit + 1)
                ) AS p
                UNION ALL SELECT NULL, NULL, NULL, count(*), true FROM user_inventory
                WHERE user_id = \(user) AND quantity > 0
                ORDER BY is_number, at DESC, id
                """)
        }
        let page = try Self.page(rows.dropLast(), limit) { try Self.place($0) }
        return (page, try rows.last?.decode("items") ?? 0)
    }

    package func wallet(of user: UUID) async throws -> (version: Version, body: RawJSON) {
        let rows = try await database.answering { try await $0.read(Self.wallet(user)) }
        guard let row = rows.first else { throw Problem.unauthenticated }
        return (try row.decode("version"), try row.decode("body"))
    }

    package func transactions(of user: UUID, before number: Int64?, limit: Int) async throws -> Page<Int64> {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT seq, transaction_body(id, transaction_type, coins_amount, balance_after, reason, item_id,
                    wire_time(created_at), hash) AS body
                FROM market_transactions
                WHERE user_id = \(user) AND seq < coalesce(\(number), 9223372036854775807)
                ORDER BY seq DESC LIMIT \(limit + 1)
                """)
        }
        return try Self.page(rows[...], limit) { try $0.decode("seq") }
    }

    package func rewards(of user: UUID, before place: TimePlace?, limit: Int) async throws -> Page<TimePlace> {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT reward_body(w) AS body, w.created_at AS at, w.id FROM user_rewards w
                WHERE w.user_id = \(user)
                    AND (\(place?.id)::uuid IS NULL OR (w.created_at, w.id) < (\(place?.time), \(place?.id)))
                ORDER BY w.created_at DESC, w.id DESC LIMIT \(limit + 1)
                """)
        }
        return try Self.page(rows[...], limit) { try Self.place($0) }
    }

    package func recommendations(of user: UUID) async throws -> [RawJSON] {
        try await bodies(Self.recommended(user))
    }

    private func bodies(_ statement: SQL) async throws -> [RawJSON] {
        try await database.answering { try await $0.read(statement) }.map { try $0.decode("body") }
    }

    /// One more row than the limit says that there is a next part.
    private static func page<Place>(_ rows: Slice<Rows>, _ limit: Int, _ place: (Row) throws -> Place) throws -> Page<
        Place
    > {
        let shown = rows.prefix(limit)
        return Page(
            bodies: try shown.map { try $0.decode("body") },
            next: rows.count > limit ? try shown.last.map(place) : nil)
    }

    private static func place(_ row: Row) throws -> TimePlace {
        TimePlace(time: try row.decode("at"), id: try row.decode("id"))
    }

    private static func list(_ user: UUID, _ filter: ItemFilter, after place: ItemPlace?, limit: Int) -> SQL {
        """
        WITH folded AS MATERIALIZED (SELECT market_fold(w) AS word FROM unnest(\(filter.words)) AS w)
        SELECT i.id, i.name_key, i.body FROM market_items_of(\(user)) i
        WHERE i.available
            AND (\(filter.category) IS NULL OR i.category = \(filter.category))
            AND (\(filter.rarity?.rawValue) IS NULL OR i.rarity = \(filter.rarity?.rawValue))
            AND NOT EXISTS (SELECT FROM folded WHERE strpos(i.search, folded.word) = 0)
            AND (\(place?.id) IS NULL OR (i.name_key, i.id) > (\(place?.nameKey) COLLATE "C", \(place?.id)))
        ORDER BY i.name_key, i.id LIMIT \(limit)
        """
    }

    /// A user without a row has an empty wallet; nobody has none.
    private static func wallet(_ user: UUID) -> SQL {
        """
        SELECT coalesce(w.version, 0) AS version, wallet_body(coalesce(w.total_coins, 0), coalesce(w.earned_coins, 0),
            coalesce(w.spent_coins, 0), coalesce(w.version, 0)) AS body
        FROM sync_heads h LEFT JOIN user_wallet w ON w.user_id = h.user_id WHERE h.user_id = \(user)
        """
    }

    /// Computed from what is counted, for this moment: recommendations.sql.
    private static func recommended(_ user: UUID) -> SQL {
        """
        SELECT json_build_object('item_id', l.item_id, 'score', round(l.score::numeric, 4), 'reason', l.reason, 'item',
            coalesce((SELECT item_body(i) FROM market_items i WHERE i.id = l.item_id),
                (SELECT personal_item_body(p) FROM market_personal_items p
                 WHERE p.user_id = \(user) AND p.id = l.item_id))) AS body
        FROM market_recommend(\(user)) l ORDER BY l.score DESC, l.name_key, l.item_id
        """
    }
}
