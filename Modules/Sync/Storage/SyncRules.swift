package import Persistence

/// The part of `Rules` that stands beside this file: what the database decides of this feature.
package enum SyncRules {
    package static let texts: [[UInt8]] = [
        PackageResources.sync_sql
    ]
}

extension Rules {
    /// Those of these features.
    package init<Storage>(of features: [Feature<Storage>]) {
        self.init(
            features.flatMap(\.rules), mutations: features.flatMap(\.mutations),
            limits: features.flatMap(\.views.rooms).map { ($0.what, $0.limit) })
    }
}
