package import API
import Accounts
package import FoundationEssentials
package import Market
package import Sync

/// What a person does at the market, and an auditor's look at the result.
extension Person {
    package var market: PostgresMarket { PostgresMarket(database: database, sync: sync) }

    @discardableResult
    package func earn(_ coins: Int64, id: UUID = .v7(), reason: String = "a gift") async throws -> Applied {
        try await market.grant(coins, reason: reason, to: user.id, id: id)
    }

    @discardableResult
    package func buy(
        _ item: UUID, _ quantity: Int64 = 1, expecting cost: Int64? = nil, id: UUID = .v7(),
        match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        let args: JSON = .object(["item_id": .string(item.text), "quantity": .int(quantity)])
        return try await market.purchase(
            sign("market.purchase", args, id: id, match: match),
            Order(item: item, quantity: quantity, expectedCost: cost))
    }

    @discardableResult
    package func redeem(
        _ item: UUID, _ quantity: Int64 = 1, id: UUID = .v7(), match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        try await market.redeem(
            sign("market.redeem", .object(["item_id": .string(item.text)]), id: id, match: match),
            Order(item: item, quantity: quantity))
    }

    @discardableResult
    package func refund(
        _ transaction: UUID, id: UUID = .v7(), match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        try await market.refund(
            sign("market.refund", .object(["transaction_id": .string(transaction.text)]), id: id, match: match),
            transaction: transaction)
    }

    @discardableResult
    package func claim(_ reward: UUID, id: UUID = .v7(), match: Mutation.Precondition? = nil) async throws -> Applied {
        try await market.claim(
            sign("market.claim", .object(["reward_id": .string(reward.text)]), id: id, match: match),
            reward: reward)
    }

    @discardableResult
    package func make(_ name: String, _ cost: Int64, id: UUID = .v7()) async throws -> Applied {
        try await write(PersonalItemChange(.create, name: name, cost: cost), id: id)
    }

    @discardableResult
    package func write(
        _ change: PersonalItemChange, id: UUID = .v7(), match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        let name =
            switch change.action {
            case .create: "market.items.create"
            case .patch: "market.items.patch"
            case .delete: "market.items.delete"
            }
        return try await market.write(sign(name, .object([:]), id: id, match: match), change)
    }

    package var balance: Int64? {
        get async throws { try await market.wallet(of: user.id).body.parsed["total_coins"]?.integer }
    }

    /// What he owns, the last bought first.
    package func inventory() async throws -> [RawJSON] {
        try await market.inventory(of: user.id, after: nil, limit: 100).page.bodies
    }

    /// Type and id of what was granted, the first granted first.
    package var rewards: [(type: String, id: UUID, claimed: Bool)] {
        get async throws {
            let page = try await market.rewards(of: user.id, before: nil, limit: 100)
            return try page.bodies.reversed().map { try $0.parsed }.compactMap { body in
                guard let type = body["reward_type"]?.string, let id = body["id"]?.string.flatMap({ UUID(text: $0) })
                else { return nil }
                return (type, id, body["claimed"]?.bool == true)
            }
        }
    }
}

extension RawJSON {
    package var parsed: JSON { get throws { try JSON(parsing: utf8, deepest: 16) } }
}

/// An item put into the catalogue by hand.
package func stock(_ url: String, _ name: String, _ cost: Int64, _ more: String = "", id: UUID = .v7()) async throws
    -> UUID
{
    try await PostgresSession.run(
        """
        INSERT INTO market_items (id, name, cost_coins, category) VALUES ('\(id.text)', '\(name)', \(cost), 'things');
        \(more.isEmpty ? "" : "UPDATE market_items SET \(more) WHERE id = '\(id.text)'")
        """, at: url)
    return id
}

/// What is wrong in the books, by whatever way it came about; empty: they are in order. Written anew, apart from the
/// functions that write them.
package func faults(_ url: String) async throws -> [[String?]] {
    try await PostgresSession.run(
        """
        WITH ledger AS (
            SELECT t.user_id, t.seq, t.balance_after, t.hash, t.coins_amount, t.transaction_type,
                row_number() OVER chain AS number, sum(t.coins_amount) OVER chain AS balance,
                encode(sha256(convert_to(concat_ws(E'\\n', coalesce(lag(t.hash) OVER chain, ''), t.user_id, t.seq, t.id,
                    t.transaction_type, t.coins_amount, t.balance_after, coalesce(t.item_id::text, ''),
                    to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), t.reason), 'UTF8')), 'hex')
                    AS expected
            FROM market_transactions t WINDOW chain AS (PARTITION BY t.user_id ORDER BY t.seq)
        ), sums AS (
            SELECT user_id, max(seq) AS seq, coalesce(sum(coins_amount), 0) AS total,
                coalesce(sum(coins_amount) FILTER (WHERE transaction_type = 'earn'), 0) AS earned,
                -coalesce(sum(coins_amount) FILTER (WHERE transaction_type <> 'earn'), 0) AS spent
            FROM ledger GROUP BY user_id
        ), pieces AS (
            SELECT user_id, item_id, sum(quantity) FILTER (WHERE refunded_at IS NULL) AS quantity,
                sum(cost_paid_coins) FILTER (WHERE refunded_at IS NULL) AS cost, sum(redeemed) AS redeemed
            FROM user_market_purchases GROUP BY user_id, item_id
        )
        SELECT 'chain', user_id::text, seq::text FROM ledger
        WHERE number <> seq OR balance <> balance_after OR hash <> expected
        UNION ALL SELECT 'wallet', w.user_id::text, NULL FROM user_wallet w FULL JOIN sums s ON s.user_id = w.user_id
        WHERE (w.total_coins, w.earned_coins, w.spent_coins, w.seq) IS DISTINCT FROM (s.total, s.earned, s.spent, s.seq)
            OR w.hash <> (SELECT l.hash FROM ledger l WHERE l.user_id = w.user_id AND l.seq = w.seq)
        UNION ALL SELECT 'inventory', p.user_id::text, p.item_id::text
        FROM pieces p FULL JOIN user_inventory v ON v.user_id = p.user_id AND v.item_id = p.item_id
        WHERE (v.quantity, v.cost_paid_coins, v.redeemed)
            IS DISTINCT FROM (coalesce(p.quantity, 0), coalesce(p.cost, 0), p.redeemed)
        UNION ALL SELECT 'purchase', p.user_id::text, p.id::text FROM user_market_purchases p
        LEFT JOIN market_transactions t ON t.user_id = p.user_id AND t.id = p.id
        WHERE t.coins_amount IS DISTINCT FROM -p.cost_paid_coins
        """, at: url)
}
