import API
import FoundationEssentials
package import Sync

/// The mutations of this feature, for REST and push alike.
package struct FocusMutations: Sendable {
    private let repository: any FocusRepository

    package init(repository: any FocusRepository) {
        self.repository = repository
    }

    package var handlers: [MutationHandler] {
        [
            handler("focus.start", Self.start),
            handler("focus.pause") { .pause($0.optionalID("id")) },
            handler("focus.resume") { .resume($0.optionalID("id")) },
            handler("focus.complete") { .complete($0.id("id")) },
            handler("focus.abandon") { .abandon($0.id("id")) },
        ]
    }

    private static func start(_ fields: inout Fields) -> FocusChange {
        var mode = FocusSession.Mode.focus
        if let name = fields.optionalString("mode", length: 0...64) {
            if let known = FocusSession.Mode(rawValue: name) {
                mode = known
            } else {
                fields.fault("mode", "“focus”, “break” or “long_break” should stand here.")
            }
        }
        let seconds = fields.optionalInteger("duration_seconds", in: FocusSession.durations)
        let title = fields.optionalString("task_title", length: 0...FocusSession.longestTitle)
        let replacing = fields.optionalBool("replace") ?? false
        return .start(mode: mode, seconds: seconds, title: title, replacing: replacing)
    }

    private func handler(
        _ name: String, _ read: @escaping @Sendable (inout Fields) -> FocusChange
    ) -> MutationHandler {
        MutationHandler(name: name, pushable: true) { json in
            var fields = try Fields(json)
            let change = read(&fields)
            try fields.check()
            return .init(args: .object(change.args)) { try await repository.apply($0, change) }
        }
    }
}

extension FocusChange {
    /// What makes two of them "the same".
    var args: JSON.Members {
        switch self {
        case .start(let mode, let seconds, let title, let replacing):
            [
                "mode": .string(mode.rawValue), "duration_seconds": seconds.map { .int($0) } ?? .null,
                "task_title": title.map { .string($0) } ?? .null, "replace": .bool(replacing),
            ]
        case .pause(let id), .resume(let id): ["id": id.map { .string($0.text) } ?? .null]
        case .complete(let id), .abandon(let id): ["id": .string(id.text)]
        }
    }
}
