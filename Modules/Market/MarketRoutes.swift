package import API
import Foundation
import HTTPTypes
package import Hummingbird
package import Sync

/// What Market offers on the wire.
package struct MarketRoutes: Sendable {
    private let repository: any MarketRepository
    private let dispatcher: MutationDispatcher

    package init(repository: any MarketRepository, dispatcher: MutationDispatcher) {
        self.repository = repository
        self.dispatcher = dispatcher
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("market")
            .get(use: overview)
            .get("items", use: items)
            .post("items", use: create)
            .get("items/{id}", use: item)
            .patch("items/{id}", use: patch)
            .delete("items/{id}", use: delete)
            .get("categories", use: categories)
            .post("purchase", use: purchase)
            .get("inventory", use: inventory)
            .post("redeem", use: redeem)
            .post("refund", use: refund)
            .get("wallet", use: wallet)
            .get("transactions", use: transactions)
            .get("rewards", use: rewards)
            .post("rewards/{id}/claim", use: claim)
            .get("recommendations", use: recommendations)
    }

    @Sendable private func overview(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let (items, recommendations, wallet) = try await repository.overview(of: context.caller.user)
        return .json { writer in
            writer.raw("{\"items\":")
            writer.list(items) { $0.raw($1) }
            writer.raw(",\"recommendations\":")
            writer.list(recommendations) { $0.raw($1) }
            writer.raw(",\"wallet\":")
            writer.raw(wallet)
            writer.raw("}")
        }
    }

    @Sendable private func items(_ request: Request, _ context: EdgeContext) async throws -> Response {
        var filter = ItemFilter(category: try request.query("category", plusIsBlank: true))
        if let text = try request.query("rarity") {
            guard text.utf8.count <= 16, let rarity = Rarity(rawValue: text) else {
                throw Problem.invalidQuery("rarity", "It is common, rare, epic or legendary.")
            }
            filter.rarity = rarity
        }
        if let text = try request.query("q", plusIsBlank: true) {
            guard text.unicodeScalars.count <= 200 else {
                throw Problem.invalidQuery("q", "At most 200 characters should stand here.")
            }
            filter.words = text.unicodeScalars.split(whereSeparator: \.properties.isWhitespace).map { String($0) }
            guard filter.words.count <= 8 else {
                throw Problem.invalidQuery("q", "At most 8 words should stand here.")
            }
        }
        let place = try request.query("after").map { text throws(Problem) in
            guard let place = ItemPlace(text) else {
                throw Problem.invalidQuery("after", "What `next` of an earlier answer said should stand here.")
            }
            return place
        }
        let page = try await repository.items(
            of: context.caller.user, filter, after: place, limit: try request.pageLimit)
        return answer("{\"items\":", page) { $0.text }
    }

    @Sendable private func item(_ request: Request, _ context: EdgeContext) async throws -> Response {
        guard let item = try await repository.item(id(context), of: context.caller.user) else { throw Problem.notFound }
        return single(item, request)
    }

    @Sendable private func categories(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let categories = try await repository.categories(of: context.caller.user)
        return .json { writer in
            writer.raw("{\"categories\":")
            writer.list(categories) { $1.write(to: &$0) }
            writer.raw("}")
        }
    }

    @Sendable private func inventory(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let (page, items) = try await repository.inventory(
            of: context.caller.user, after: try request.place("after"), limit: try request.pageLimit)
        return .json { writer in
            writer.raw("{\"purchases\":")
            writer.list(page.bodies) { $0.raw($1) }
            writer.raw(",\"total_items\":")
            writer.int(items)
            writer.raw(",\"next\":")
            if let next = page.next { writer.plain(next.text) } else { writer.raw("null") }
            writer.raw("}")
        }
    }

    @Sendable private func wallet(_ request: Request, _ context: EdgeContext) async throws -> Response {
        single(try await repository.wallet(of: context.caller.user), request)
    }

    @Sendable private func transactions(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let before = try request.query("before").map { text throws(Problem) in
            guard let number = Int64(text), number > 0 else {
                throw Problem.invalidQuery("before", "What `next` of an earlier answer said should stand here.")
            }
            return number
        }
        let page = try await repository.transactions(
            of: context.caller.user, before: before, limit: try request.pageLimit)
        return answer("{\"transactions\":", page) { String($0) }
    }

    @Sendable private func rewards(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let page = try await repository.rewards(
            of: context.caller.user, before: try request.place("before"), limit: try request.pageLimit)
        return answer("{\"rewards\":", page) { $0.text }
    }

    @Sendable private func recommendations(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let recommendations = try await repository.recommendations(of: context.caller.user)
        return .json { writer in
            writer.raw("{\"recommendations\":")
            writer.list(recommendations) { $0.raw($1) }
            writer.raw("}")
        }
    }

    @Sendable private func purchase(_ request: Request, _ context: EdgeContext) async throws -> Response {
        guard try request.idempotencyKey != nil else {
            throw Problem(.idempotencyKeyRequired)
        }
        return try await dispatcher.answer(
            request, context, "market.purchase", args: try await request.json(), success: .created)
    }

    @Sendable private func redeem(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "market.redeem", args: try await request.json())
    }

    @Sendable private func refund(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "market.refund", args: try await request.json())
    }

    @Sendable private func claim(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(
            request, context, "market.claim", args: .object(["reward_id": .string(id(context).text)]))
    }

    @Sendable private func create(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(
            request, context, "market.items.create", args: try await request.json(), success: .created)
    }

    @Sendable private func patch(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let id = try id(context)
        guard case .object(var members) = try await request.json() else {
            throw Problem.invalidBody("A JSON object should stand here.")
        }
        members["id"] = .string(id.text)
        return try await dispatcher.answer(request, context, "market.items.patch", args: .object(members))
    }

    @Sendable private func delete(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(
            request, context, "market.items.delete", args: .object(["id": .string(id(context).text)]))
    }

    // Pieces of answers

    /// The id in the path. What is no id names nothing.
    private func id(_ context: EdgeContext) throws -> UUID {
        guard let id = UUID(text: try context.parameters.require("id")) else { throw Problem.notFound }
        return id
    }

    private func single(_ thing: (version: Version, body: RawJSON), _ request: Request) -> Response {
        let tag = EntityTag.text(thing.version)
        if request.alreadyHas(tag) { return Response(status: .notModified, headers: [.eTag: tag]) }
        return .json(thing.body.utf8, headers: [.eTag: tag])
    }

    /// {name: […], next}; `opening` is everything up to the list.
    private func answer<Place>(
        _ opening: StaticString, _ page: Page<Place>, _ text: (Place) -> String
    ) -> Response {
        .json { writer in
            writer.raw(opening)
            writer.list(page.bodies) { $0.raw($1) }
            writer.raw(",\"next\":")
            if let next = page.next { writer.plain(text(next)) } else { writer.raw("null") }
            writer.raw("}")
        }
    }
}

extension Category {
    /// {name, items}
    func write(to writer: inout JSONWriter) {
        writer.raw("{\"name\":")
        writer.string(name)
        writer.raw(",\"items\":")
        writer.int(items)
        writer.raw("}")
    }
}
