import API
import FoundationEssentials
package import Sync

/// The mutations of this feature, for REST and push alike. `market.items.*` are REST's alone.
package struct MarketMutations: Sendable {
    private let repository: any MarketRepository

    package init(repository: any MarketRepository) {
        self.repository = repository
    }

    package var handlers: [MutationHandler] {
        [
            MutationHandler(name: "market.purchase", pushable: true, isAlone: true) { json in
                let order = try Order(reading: json)
                return .init(args: order.args) { try await repository.purchase($0, order) }
            },
            MutationHandler(name: "market.redeem", pushable: true) { json in
                let order = try Order(redeeming: json)
                return .init(args: order.args) { try await repository.redeem($0, order) }
            },
            MutationHandler(name: "market.refund", pushable: true, isAlone: true) { json in
                let id = try json.identifier("transaction_id")
                return .init(args: .object(["transaction_id": .string(id.text)])) {
                    try await repository.refund($0, transaction: id)
                }
            },
            MutationHandler(name: "market.claim", pushable: true) { json in
                let id = try json.identifier("reward_id")
                return .init(args: .object(["reward_id": .string(id.text)])) {
                    try await repository.claim($0, reward: id)
                }
            },
            personal("market.items.create") { _ in .create },
            personal("market.items.patch") { .patch(try $0.identifier("id")) },
            personal("market.items.delete") { .delete(try $0.identifier("id")) },
        ]
    }

    private func personal(
        _ name: String, _ action: @escaping @Sendable (JSON) throws -> PersonalItemChange.Action
    ) -> MutationHandler {
        MutationHandler(name: name, pushable: false) { json in
            let change = try PersonalItemChange(action(json), reading: json)
            return .init(args: change.args) { try await repository.write($0, change) }
        }
    }
}

extension Order {
    init(reading json: JSON) throws(Problem) {
        var fields = try Fields(json)
        let item = fields.id("item_id")
        let quantity = fields.optionalInteger("quantity", in: Order.pieces) ?? 1
        let expected = fields.optionalInteger("expected_cost_coins", in: 0...Coins.most)
        try fields.check()
        self.init(item: item, quantity: quantity, expectedCost: expected)
    }

    /// Where no price is asked.
    init(redeeming json: JSON) throws(Problem) {
        var fields = try Fields(json)
        let item = fields.id("item_id")
        let quantity = fields.optionalInteger("quantity", in: Order.pieces) ?? 1
        try fields.check()
        self.init(item: item, quantity: quantity)
    }

    /// What makes two of them "the same".
    var args: JSON {
        var args: JSON.Members = ["item_id": .string(item.text), "quantity": .int(quantity)]
        args["expected_cost_coins"] = expectedCost.map { .int($0) }
        return .object(args)
    }
}

extension PersonalItemChange {
    /// A new one needs a name and a price. In a change, null takes a description or category back to what it is without one.
    init(_ action: Action, reading json: JSON) throws(Problem) {
        var fields = try Fields(json)
        if case .delete = action {
            self.init(action)
            return
        }
        for member in ["name", "cost_coins"] as [Verbatim] {
            if fields[member] == .null || (action == .create && fields[member] == nil) {
                fields.fault(member, "This member is missing.")
            }
        }
        let name = fields.optionalString("name", length: Self.nameLength)
        if let name, name.isBlank { fields.fault("name", "More than blanks should stand here.") }
        let cost = fields.optionalInteger("cost_coins", in: 0...Coins.most)
        let description = fields.optionalString("description", length: Self.descriptionLength)
        let category = fields.optionalString("category", length: Self.categoryLength)
        try fields.check()
        self.init(
            action, name: name, cost: cost, description: fields["description"] == .null ? "" : description,
            category: fields["category"] == .null ? Self.defaultCategory : category)
    }

    var args: JSON {
        var args: JSON.Members = [:]
        switch action {
        case .create: break
        case .patch(let id), .delete(let id): args["id"] = .string(id.text)
        }
        args["name"] = name.map { .string($0) }
        args["cost_coins"] = cost.map { .int($0) }
        args["description"] = description.map { .string($0) }
        args["category"] = category.map { .string($0) }
        return .object(args)
    }
}

extension JSON {
    /// The id that stands in that member of this object.
    func identifier(_ name: Verbatim) throws(Problem) -> UUID {
        var fields = try Fields(self)
        let id = fields.id(name)
        try fields.check()
        return id
    }
}
