import API
package import Sync

/// The mutations of this feature, for REST and push alike. `settings.patch` and `settings.clear` are REST's alone.
package struct SettingsMutations: Sendable {
    private let repository: any SettingsRepository

    package init(repository: any SettingsRepository) {
        self.repository = repository
    }

    package var verbs: [MutationVerb] {
        [
            verb("settings.set", pushable: true) { args in
                var fields = try Fields(args)
                let key = fields.string("key", length: 1...1_024)
                let value = fields.required("value")
                try fields.check()
                return (["key": .string(key), "value": value], [try SettingChange(key: key, value: value)])
            },
            verb("settings.delete", pushable: true) { args in
                var fields = try Fields(args)
                let key = fields.string("key", length: 1...1_024)
                try fields.check()
                return (["key": .string(key)], [try SettingChange(deleting: key)])
            },
            verb("settings.patch", pushable: false) { args in
                guard case .object(let members) = args, !members.isEmpty else {
                    throw Problem.invalidBody("An object of keys and values should stand here; null deletes a key.")
                }
                return (members, try Self.changes(members))
            },
            verb("settings.clear", pushable: false) { _ in ([:], nil) },
        ]
    }

    /// - Throws: the problem of the first key that cannot be or cannot have its value, with the faults of all of them.
    private static func changes(_ members: [String: JSON]) throws(Problem) -> [SettingChange] {
        var changes: [SettingChange] = []
        var refused: Problem?
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
            do throws(SettingsRefusal) {
                changes.append(
                    value == .null ? try SettingChange(deleting: key) : try SettingChange(key: key, value: value))
            } catch {
                // RFC 6901.
                let pointer = "/" + key.replacing("~", with: "~0").replacing("/", with: "~1")
                let faults = error.problem.errors.map { Problem.Fault(pointer: pointer, detail: $0.detail) }
                var problem = refused ?? error.problem
                problem.errors = (refused?.errors ?? []) + faults
                refused = problem
            }
        }
        if let refused { throw refused }
        return changes
    }

    private func verb(
        _ name: String, pushable: Bool,
        read: @escaping @Sendable (JSON) throws -> (args: [String: JSON], changes: [SettingChange]?)
    ) -> MutationVerb {
        MutationVerb(name: name, pushable: pushable) { json in
            do {
                let (args, changes) = try read(json)
                return .init(args: .object(args)) { try await repository.apply($0, changes) }
            } catch let refusal as SettingsRefusal {
                throw refusal.problem
            }
        }
    }
}
