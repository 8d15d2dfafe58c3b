import API
package import Sync

/// The mutations of this feature, for REST and push alike.
package struct WidgetsMutations: Sendable {
    private let repository: any WidgetsRepository

    package init(repository: any WidgetsRepository) {
        self.repository = repository
    }

    package var handlers: [MutationHandler] {
        [
            MutationHandler(name: "widgets.set", pushable: true) { json in
                let change = try WidgetChange(reading: json)
                return .init(args: change.args) { try await repository.set($0, change) }
            }
        ]
    }
}
