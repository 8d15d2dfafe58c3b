package import Logging
import Metrics
import ServiceLifecycle

/// Looks every ten minutes how near accounts are to the room that each of them has, for /metrics.
package struct StorageWatch: Service {
    private static let every: Duration = .seconds(600)

    private let budgets: @Sendable () async throws -> [StorageBudget]
    private let logger: Logger

    package init(logger: Logger, budgets: @escaping @Sendable () async throws -> [StorageBudget]) {
        self.budgets = budgets
        self.logger = logger
    }

    package func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                await look()
                // Processes that started together do not look together.
                try await Task.sleep(for: Self.every * Double.random(in: 0.75...1.25))
            }
        }
    }

    private func look() async {
        do {
            for budget in try await budgets() {
                let what = [("what", budget.what)]
                Gauge(label: "lockstep_storage_accounts_near_limit", dimensions: what).record(budget.near)
                Gauge(label: "lockstep_storage_largest_ratio", dimensions: what)
                    .record(Double(budget.largest) / Double(max(budget.limit, 1)))
            }
        } catch {
            logger.warning("The room that accounts take could not be looked at", metadata: ["error": "\(error)"])
        }
    }
}

/// How much of one room accounts take: what is beyond `limit` is refused as `storage_full`.
package struct StorageBudget: Sendable, Equatable {
    package let what: String
    /// Bytes of answers, and the number of everything else.
    package let limit: Int64
    /// What the account takes that takes most.
    package let largest: Int64
    /// How many accounts take four fifths or more.
    package let near: Int64
}
