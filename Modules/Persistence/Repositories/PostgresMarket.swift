import API
package import FoundationEssentials
package import Market
package import Sync

/// The market in the tables of migration 0017, whose functions decide: one statement and one round trip a mutation. What is
/// only read is in PostgresMarket+Reading.swift.
package struct PostgresMarket: MarketRepository {
    let database: Database
    private let sync: PostgresSync

    package init(database: Database) {
        self.database = database
        sync = PostgresSync(database: database)
    }

    package func purchase(_ signed: SignedMutation, _ order: Order) async throws -> Applied {
        try await carryOut(
            signed,
            """
            SELECT \(raw: MutationResultRow.columns) FROM market_purchase(\(sql: signed.arguments), \(order.item), \
            \(order.quantity), \(order.expectedCost), \(signed.mutation.precondition?.version)) AS r
            """)
    }

    package func redeem(_ signed: SignedMutation, _ order: Order) async throws -> Applied {
        try await carryOut(
            signed,
            """
            SELECT \(raw: MutationResultRow.columns) FROM market_redeem(\(sql: signed.arguments), \(order.item), \
            \(order.quantity), \(signed.mutation.precondition?.version)) AS r
            """)
    }

    package func refund(_ signed: SignedMutation, transaction: UUID) async throws -> Applied {
        try await carryOut(
            signed,
            """
            SELECT \(raw: MutationResultRow.columns) FROM market_refund(\(sql: signed.arguments), \(transaction), \
            \(signed.mutation.precondition?.version)) AS r
            """)
    }

    package func claim(_ signed: SignedMutation, reward: UUID) async throws -> Applied {
        try await carryOut(
            signed,
            """
            SELECT \(raw: MutationResultRow.columns) FROM market_claim(\(sql: signed.arguments), \(reward), \
            \(signed.mutation.precondition?.version)) AS r
            """)
    }

    package func write(_ signed: SignedMutation, _ change: PersonalItemChange) async throws -> Applied {
        let item: UUID? =
            switch change.deed {
            case .create: nil
            case .patch(let id), .delete(let id): id
            }
        return try await carryOut(
            signed,
            """
            SELECT \(raw: MutationResultRow.columns) FROM market_personal_write(\(sql: signed.arguments), \(item), \
            \(change.name), \(change.cost), \(change.description), \(change.category), \
            \(signed.mutation.precondition?.version)) AS r
            """)
    }

    package func grant(_ coins: Int64, reason: String, to user: UUID, id: UUID) async throws -> Applied {
        let signed = SignedMutation(
            mutation: Mutation(id: id, name: "market.grant", args: .object([:])), user: user, device: id,
            fingerprint: [])
        return try await carryOut(
            signed,
            """
            SELECT \(raw: MutationResultRow.columns) FROM market_grant(\(user), \(id), \(coins), \(reason)) AS r
            """)
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
            change: row.change(of: user, documents: row.documents, by: []), dayEnds: try first.decode("day_ends"))
    }

    /// What keeps a movement or an item from being written under an id that has one: an answer is forgotten after a while,
    /// what it was about is not.
    private static let idTaken = [
        "market_transactions_id_unique", "user_market_purchases_pkey", "market_personal_items_pkey",
    ]

    private func carryOut(_ signed: SignedMutation, _ statement: SQL) async throws -> Applied {
        let rows: Rows
        do {
            rows = try await database.answering { try await $0.write(for: signed.user, statement) }
        } catch let error as DatabaseError where error.constraint.map(Self.idTaken.contains) == true {
            throw Problem.keyReused
        }
        return try await sync.settle(
            signed, rows, refusal: { MarketRefusal(code: $0, members: $1)?.problem })
    }
}
