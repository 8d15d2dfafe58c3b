import API
import FeatureList
import Realtime
import Sync

/// Every code that this server can send, by name.
enum ProblemCatalogue {
    static let codes = ([ProblemCode.edge, ProblemCode.realtime] + Features.all.map(\.problems))
        .flatMap(\.self)
        .map { $0 == .storageFull ? $0.saying(FeatureViews.all.rooms.map(\.detail)) : $0 }
        .sorted { $0.name.verbatim < $1.name.verbatim }
}
