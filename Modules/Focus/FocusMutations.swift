import API
import FoundationEssentials
package import Sync

/// The mutations of this feature, for REST and push alike.
package struct FocusMutations: Sendable {
    private let repository: any FocusRepository

    package init(repository: any FocusRepository) {
        self.repository = repository
    }

    package var verbs: [MutationVerb] {
        [
            verb("focus.start", Self.start),
            verb("focus.pause") { fields in
                let id = fields.optionalID("id")
                return (Self.args(id), .pause(id))
            },
            verb("focus.resume") { fields in
                let id = fields.optionalID("id")
                return (Self.args(id), .resume(id))
            },
            verb("focus.complete") { fields in
                let id = fields.id("id")
                return (Self.args(id), .complete(id))
            },
            verb("focus.abandon") { fields in
                let id = fields.id("id")
                return (Self.args(id), .abandon(id))
            },
        ]
    }

    private static func start(_ fields: inout Fields) -> (args: [String: JSON], change: FocusChange) {
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
        return (
            [
                "mode": .string(mode.rawValue), "duration_seconds": seconds.map { .int($0) } ?? .null,
                "task_title": title.map { .string($0) } ?? .null, "replace": .bool(replacing),
            ],
            .start(mode: mode, seconds: seconds, title: title, replacing: replacing)
        )
    }

    private static func args(_ id: UUID?) -> [String: JSON] {
        ["id": id.map { .string($0.text) } ?? .null]
    }

    private func verb(
        _ name: String, _ read: @escaping @Sendable (inout Fields) -> (args: [String: JSON], change: FocusChange)
    ) -> MutationVerb {
        MutationVerb(name: name, pushable: true) { json in
            var fields = try Fields(json)
            let (args, change) = read(&fields)
            try fields.check()
            return .init(args: .object(args)) { try await repository.apply($0, change) }
        }
    }
}
