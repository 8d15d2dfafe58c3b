import API
import Accounts
import Flags
import Focus
package import FoundationEssentials
import Market
package import Persistence
import Settings
package import Sync

/// What the features' repositories are made of.
package struct FeatureStorage {
    let database: Database
    let sync: PostgresSync
    let process: UUID
    let pauseExpirySeconds: Int

    /// - Parameter sync: of what all features register, so that each says it once.
    package init(database: Database, sync: PostgresSync, process: UUID, pauseExpirySeconds: Int) {
        self.database = database
        self.sync = sync
        self.process = process
        self.pauseExpirySeconds = pauseExpirySeconds
    }
}

/// The one list of features, the server's and the tests': a line each, with what it keeps its things in.
package enum Features {
    package static let all: [Feature<FeatureStorage>] = [
        .sync,
        .accounts,
        .settings { PostgresSettings(database: $0.database, sync: $0.sync) },
        .focus { PostgresFocus(database: $0.database, sync: $0.sync, expirySeconds: $0.pauseExpirySeconds) },
        .market {
            (
                PostgresMarket(database: $0.database, sync: $0.sync),
                PostgresRecommendations(database: $0.database, process: $0.process)
            )
        },
        .flags { PostgresFlags(database: $0.database) },
    ]
}

extension FeatureViews {
    /// Those of every feature of this binary.
    package static let all = FeatureViews(all: Features.all.map(\.views))
}

extension Rules {
    /// Those of every feature of this binary.
    package static let all = Rules(of: Features.all)
}
