import API
package import FoundationEssentials
package import Persistence
package import Sync

/// The market in the tables of migration 0017; the functions beside this file decide, one round trip a mutation. What is
/// only read is in PostgresMarket+Reading.swift.
package struct PostgresMarket: MarketRepository {
    let database: Database
    private let sync: PostgresSync

    package init(database: Database, sync: PostgresSync) {
        self.database = database
        self.sync = sync
    }

    package func purchase(_ signed: SignedMutation, _ order: Order) async throws -> Applied {
        try await mutate(signed, order.args)
    }

    package func redeem(_ signed: SignedMutation, _ order: Order) async throws -> Applied {
        try await mutate(signed, order.args)
    }

    package func refund(_ signed: SignedMutation, transaction: UUID) async throws -> Applied {
        try await mutate(signed, .object(["transaction_id": .string(transaction.text)]))
    }

    package func claim(_ signed: SignedMutation, reward: UUID) async throws -> Applied {
        try await mutate(signed, .object(["reward_id": .string(reward.text)]))
    }

    package func write(_ signed: SignedMutation, _ change: PersonalItemChange) async throws -> Applied {
        try await mutate(signed, change.args)
    }

    package func grant(_ coins: Int64, reason: String, to user: UUID, id: UUID) async throws -> Applied {
        let signed = SignedMutation(
            mutation: Mutation(id: id, name: "market.grant", args: .object([:])), user: user, device: id, session: nil,
            fingerprint: [])
        let rows = try await database.answering {
            try await $0.write(
                for: user,
                """
                SELECT \(raw: MutationResultRow.columns) FROM coins_grant(\(user), \(id), \(coins), \(reason)) AS r
                """)
        }
        return try sync.applied(signed, rows)
    }

    package func arrive(_ user: UUID) async throws -> Arrival {
        let rows = try await database.answering {
            try await $0.write(
                for: user,
                """
                SELECT \(raw: MutationResultRow.columns), a.day_ends
                FROM market_arrival(\(user)) AS a CROSS JOIN LATERAL (SELECT (a.r).*) AS r
                """)
        }
        guard let first = rows.first else { throw Problem.internalError }
        let row = try MutationResultRow(first)
        guard row.status != "gone" else { throw Problem.unauthenticated }
        return Arrival(
            change: row.change(of: user, by: []), dayEnds: try first.decode("day_ends"))
    }

    private func mutate(_ signed: SignedMutation, _ args: JSON) async throws -> Applied {
        try await sync.mutate(
            signed, RawJSON(args),
            idTaken: [
                "market_transactions_id_unique", "user_market_purchases_pkey", "market_personal_items_pkey",
            ], refusal: { MarketRefusal(code: $0, members: $1)?.problem })
    }
}
