import FoundationEssentials
import Persistence
import Sync

/// What must hold between the tables of the market, and between these and what other features let users earn: each rule as the statement that finds who breaks it, as rows
/// (user_id, id, what). The condition on users stands at every table, so that no join reads more than the range.
enum AuditRules {
    struct Rule: Sendable {
        let kind: AuditFinding.Kind
        let statement: @Sendable (Users) -> SQL
    }

    static let ofUsers: [Rule] = [
        // The ledger's entries, each with what caused it.
        Rule(kind: .transaction) { users in
            """
            SELECT t.user_id, t.id::text AS id, format('entry %s: %s', t.seq, CASE
                WHEN t.transaction_type = 'spend' THEN 'there is no purchase of this id, item and cost'
                WHEN t.transaction_type = 'refund' THEN 'no purchase of this item and cost was refunded then'
                ELSE 'no reward of this kind and size was claimed then' END) AS what
            FROM market_transactions t
            LEFT JOIN user_market_purchases p ON \(sql: users.hold("p.user_id"))
                AND p.user_id = t.user_id AND p.id = t.id AND p.item_id = t.item_id AND p.cost_paid_coins = -t.coins_amount
            LEFT JOIN (SELECT DISTINCT user_id, item_id, cost_paid_coins, refunded_at FROM user_market_purchases
                WHERE \(sql: users.hold("user_id")) AND refunded_at IS NOT NULL) AS b
                ON b.user_id = t.user_id AND b.item_id = t.item_id AND b.cost_paid_coins = t.coins_amount
                AND b.refunded_at = t.created_at
            LEFT JOIN (SELECT DISTINCT user_id, reward_type, coins_earned, claimed_at FROM user_rewards
                WHERE \(sql: users.hold("user_id")) AND claimed) AS w
                ON w.user_id = t.user_id AND 'reward:' || w.reward_type = t.reason AND w.coins_earned = t.coins_amount
                AND w.claimed_at = t.created_at
            WHERE \(sql: users.hold("t.user_id")) AND CASE
                WHEN t.transaction_type = 'spend' THEN p.id IS NULL
                WHEN t.transaction_type = 'refund' THEN b.user_id IS NULL
                WHEN t.reason LIKE 'reward:%' THEN w.user_id IS NULL ELSE false END
            """
        },
        Rule(kind: .transaction) { users in
            """
            SELECT user_id, id::text AS id, format('the ledger has %s entries of this id', count(*)) AS what
            FROM market_transactions WHERE \(sql: users.hold("user_id")) GROUP BY user_id, id HAVING count(*) > 1
            """
        },
        Rule(kind: .transaction) { users in
            """
            SELECT t.user_id, t.id::text AS id, format('entry %s: its mutation was %s', t.seq, m.status) AS what
            FROM market_transactions t JOIN mutation_fates m ON \(sql: users.hold("m.user_id"))
                AND m.user_id = t.user_id AND m.id = t.id
            WHERE \(sql: users.hold("t.user_id")) AND m.status <> 'applied' AND m.name LIKE 'market.%'
                AND m.created_at < t.created_at + interval '1 day'
            """
        },
        Rule(kind: .wallet) { users in
            """
            SELECT w.user_id, w.user_id::text AS id, CASE WHEN u.id IS NULL THEN 'there is no such user'
                ELSE format('its version %s is above the user''s head %s', w.version, h.version) END AS what
            FROM user_wallet w
            LEFT JOIN user_ids u ON \(sql: users.hold("u.id")) AND u.id = w.user_id
            LEFT JOIN sync_heads h ON \(sql: users.hold("h.user_id")) AND h.user_id = w.user_id
            WHERE \(sql: users.hold("w.user_id")) AND (u.id IS NULL OR w.version > h.version)
            """
        },
        // Purchases and what they paid.
        Rule(kind: .purchase) { users in
            """
            SELECT p.user_id, p.id::text AS id, 'no entry of the ledger paid for it' AS what
            FROM user_market_purchases p LEFT JOIN market_transactions t ON \(sql: users.hold("t.user_id"))
                AND t.user_id = p.user_id AND t.id = p.id AND t.transaction_type = 'spend'
                AND t.item_id = p.item_id AND t.coins_amount = -p.cost_paid_coins
            WHERE \(sql: users.hold("p.user_id")) AND t.id IS NULL
            """
        },
        // As many of a kind as entries: one refund cannot stand for two purchases.
        Rule(kind: .purchase) { users in
            """
            SELECT p.user_id, p.ids AS id, format('refunded, with %s entries of the ledger for %s', coalesce(t.n, 0), p.n)
                AS what
            FROM (SELECT user_id, item_id, cost_paid_coins, refunded_at, count(*) AS n, string_agg(id::text, ' ') AS ids
                FROM user_market_purchases WHERE \(sql: users.hold("user_id")) AND refunded_at IS NOT NULL
                GROUP BY user_id, item_id, cost_paid_coins, refunded_at) AS p
            LEFT JOIN (SELECT user_id, item_id, coins_amount, created_at, count(*) AS n
                FROM market_transactions WHERE \(sql: users.hold("user_id")) AND transaction_type = 'refund'
                GROUP BY user_id, item_id, coins_amount, created_at) AS t
                ON t.user_id = p.user_id AND t.item_id = p.item_id AND t.coins_amount = p.cost_paid_coins
                AND t.created_at = p.refunded_at
            WHERE t.n IS DISTINCT FROM p.n
            """
        },
        Rule(kind: .purchase) { users in
            """
            SELECT user_id, id::text AS id, CASE WHEN count(*) > 1 THEN format('stands there %s times', count(*))
                ELSE 'its quantity, what is redeemed of it and its refund do not go together' END AS what
            FROM user_market_purchases WHERE \(sql: users.hold("user_id")) GROUP BY user_id, id
            HAVING count(*) > 1 OR NOT bool_and(
                quantity BETWEEN 1 AND 99 AND redeemed BETWEEN 0 AND quantity AND cost_paid_coins >= 0
                AND (refunded_at IS NULL OR redeemed = 0))
            """
        },
        // A mutation's purchase, and a purchase's mutation, for as long as mutations are kept; a later one has only the id.
        Rule(kind: .purchase) { users in
            """
            SELECT m.user_id, m.id::text AS id, 'it was answered as bought, and is not there' AS what
            FROM mutation_fates m LEFT JOIN user_market_purchases p ON \(sql: users.hold("p.user_id"))
                AND p.user_id = m.user_id AND p.id = m.id
            WHERE \(sql: users.hold("m.user_id")) AND m.name = 'market.purchase' AND m.status = 'applied'
                AND p.id IS NULL
            """
        },
        Rule(kind: .purchase) { users in
            """
            SELECT p.user_id, p.id::text AS id, format('its id is that of a mutation %s, %s', m.name, m.status) AS what
            FROM user_market_purchases p JOIN mutation_fates m ON \(sql: users.hold("m.user_id"))
                AND m.user_id = p.user_id AND m.id = p.id
            WHERE \(sql: users.hold("p.user_id")) AND NOT (m.name = 'market.purchase' AND m.status = 'applied')
                AND m.created_at < p.purchased_at + interval '1 day'
            """
        },
        Rule(kind: .inventory) { users in
            """
            SELECT user_id, item_id::text AS id, format(
                'quantity %s, redeemed %s, cost_paid_coins %s; the purchases make %s, %s, %s', coalesce(v.quantity, 0),
                coalesce(v.redeemed, 0), coalesce(v.cost_paid_coins, 0), coalesce(p.quantity, 0),
                coalesce(p.redeemed, 0), coalesce(p.cost_paid_coins, 0)) AS what
            FROM (SELECT user_id, item_id, quantity, redeemed, cost_paid_coins FROM user_inventory
                WHERE \(sql: users.hold("user_id"))) AS v
            FULL JOIN (SELECT user_id, item_id, sum(quantity) AS quantity, sum(redeemed) AS redeemed,
                    sum(cost_paid_coins) AS cost_paid_coins FROM user_market_purchases
                WHERE \(sql: users.hold("user_id")) AND refunded_at IS NULL GROUP BY user_id, item_id) AS p
                USING (user_id, item_id)
            WHERE (coalesce(v.quantity, 0), coalesce(v.redeemed, 0), coalesce(v.cost_paid_coins, 0))
                <> (coalesce(p.quantity, 0), coalesce(p.redeemed, 0), coalesce(p.cost_paid_coins, 0))
            """
        },
        // Rewards.
        Rule(kind: .reward) { users in
            """
            SELECT w.user_id, w.id::text AS id, CASE WHEN w.n > 1 THEN format('%s was granted %s times', w.kind, w.n)
                WHEN w.coins_earned IS DISTINCT FROM e.coins
                THEN format('%s is worth %s coins, and says %s', w.reward_type, e.coins, w.coins_earned)
                ELSE 'it was claimed, and no entry of the ledger paid it' END AS what
            FROM (SELECT user_id, id, reward_type, coins_earned, claimed, claimed_at, created_at,
                    concat_ws(' of ', reward_type, day) AS kind, count(*) OVER (PARTITION BY user_id, reward_type, day) AS n
                FROM user_rewards WHERE \(sql: users.hold("user_id"))) AS w
            LEFT JOIN (VALUES ('first_focus', 10), ('focus_10', 25), ('focus_100', 100), ('streak_7', 50),
                ('daily_login', 2), ('first_purchase', 5)) AS e (reward_type, coins) USING (reward_type)
            LEFT JOIN (SELECT DISTINCT user_id, reason, coins_amount, created_at FROM market_transactions
                WHERE \(sql: users.hold("user_id")) AND transaction_type = 'earn') AS t
                ON t.user_id = w.user_id AND t.reason = 'reward:' || w.reward_type AND t.coins_amount = w.coins_earned
                AND t.created_at = w.claimed_at
            WHERE w.n > 1 OR w.coins_earned IS DISTINCT FROM e.coins OR (w.claimed AND t.user_id IS NULL)
            """
        },
    ]

    /// Each pays what it is worth, once; a ledger's id is unique, so once is what the entry says. What says that it was not paid
    /// bore the id of an older entry, or who earned it could earn no more.
    static func paid(for earning: Earning) -> [Rule] {
        [
            Rule(kind: .transaction) { users in
                """
                SELECT t.user_id, t.id::text AS id, format('entry %s: %s', t.seq, \(earning.missing)::text) AS what
                FROM market_transactions t LEFT JOIN \(raw: earning.view) s ON \(sql: users.hold("s.user_id"))
                    AND s.user_id = t.user_id AND s.id = t.id AND s.paid = t.coins_amount AND s.is_earned
                WHERE \(sql: users.hold("t.user_id")) AND t.transaction_type = 'earn' AND t.reason = \(earning.name)
                    AND s.id IS NULL
                """
            },
            Rule(kind: AuditFinding.Kind(name: earning.name)) { users in
                """
                SELECT s.user_id, s.id::text AS id, CASE WHEN s.paid <> s.worth
                    THEN format('%s: %s coins_awarded, and it is worth %s', s.what, s.paid, s.worth)
                    ELSE format('its %s coins are not in the ledger', s.paid) END AS what
                FROM \(raw: earning.view) s
                LEFT JOIN market_transactions t ON \(sql: users.hold("t.user_id")) AND t.user_id = s.user_id AND t.id = s.id
                LEFT JOIN user_wallet w ON \(sql: users.hold("w.user_id")) AND w.user_id = s.user_id
                WHERE \(sql: users.hold("s.user_id")) AND CASE
                    WHEN s.paid = 0 THEN s.worth > 0 AND coalesce(w.earned_coins, 0) <= 9007199254740991 - s.worth
                        AND (t.id IS NULL OR t.reason = \(earning.name))
                    ELSE s.paid <> s.worth
                        OR (t.reason, t.coins_amount) IS DISTINCT FROM (\(earning.name)::text, s.paid) END
                """
            },
        ]
    }

    static let items: SQL = """
        SELECT i.id::text AS id, CASE WHEN i.stock_remaining < 0 THEN format('stock_remaining is %s', i.stock_remaining)
            WHEN i.cost_coins < 0 THEN format('cost_coins is %s', i.cost_coins)
            ELSE format('its version %s is above the shared one, %s', i.version, s.version) END AS what
        FROM market_items i CROSS JOIN sync_shared s
        WHERE i.stock_remaining < 0 OR i.cost_coins < 0 OR i.version > s.version ORDER BY i.id
        """
}
