import API
package import Sync

/// The mutations of this feature, for REST and push alike. `settings.patch` and `settings.clear` are REST's alone.
package struct SettingsMutations: Sendable {
    private let repository: any SettingsRepository

    package init(repository: any SettingsRepository) {
        self.repository = repository
    }

    package var handlers: [MutationHandler] {
        [
            handler("settings.set", pushable: true) { json in
                var fields = try Fields(json)
                let key = fields.string("key", length: 1...1_024)
                let value = fields.required("value")
                try fields.check()
                let change = try SettingChange(key: key, value: value)
                return .init(args: .object(["key": .string(key), "value": value])) {
                    try await repository.write($0, change)
                }
            },
            handler("settings.delete", pushable: true) { json in
                var fields = try Fields(json)
                let key = fields.string("key", length: 1...1_024)
                try fields.check()
                let change = try SettingChange(deleting: key)
                return .init(args: .object(["key": .string(key)])) { try await repository.write($0, change) }
            },
            handler("settings.patch", pushable: false) { json in
                guard case .object(let members) = json, !members.isEmpty else {
                    throw Problem.invalidBody("An object of keys and values should stand here; null deletes a key.")
                }
                let changes = try Self.changes(members)
                return .init(args: json) { try await repository.patch($0, changes) }
            },
            handler("settings.clear", pushable: false) { _ in
                .init(args: .object([:])) { try await repository.clear($0) }
            },
        ]
    }

    /// - Throws: the problem of the first key that cannot be or cannot have its value, with the faults of all of them.
    private static func changes(_ members: JSON.Members) throws(Problem) -> [SettingChange] {
        var changes: [SettingChange] = []
        var refused: Problem?
        var faults: [Problem.Fault] = []
        for (key, value) in members.sorted(by: { $0.key < $1.key }) where faults.count < Problem.mostFaults {
            let key = key.text
            do throws(SettingsRefusal) {
                changes.append(
                    value == .null ? try SettingChange(deleting: key) : try SettingChange(key: key, value: value))
            } catch {
                let problem = error.problem
                refused = refused ?? problem
                faults += problem.errors.map { .init(pointer: "/" + key.escapedForPointer, detail: $0.detail) }
            }
        }
        guard var refused else { return changes }
        refused.errors = faults
        throw refused
    }

    private func handler(
        _ name: String, pushable: Bool,
        prepare: @escaping @Sendable (JSON) throws -> MutationHandler.Prepared
    ) -> MutationHandler {
        MutationHandler(name: name, pushable: pushable) { json in
            do {
                return try prepare(json)
            } catch let refusal as SettingsRefusal {
                throw refusal.problem
            }
        }
    }
}
