package import API
import FoundationEssentials

/// A queue of mutations as a client sends it, over REST or the socket: read whole (a malformed one is refused whole and
/// nothing is kept), then carried out in order, as if each in a transaction of its own (decision 0046).
package struct Push: Sendable {
    /// How many mutations one push may carry.
    package static let most = 500

    package let mutations: [Mutation]

    /// Reads `mutations: [{id, name, args?, base_version?, age_ms?, seq?}]`; none when the member is absent.
    /// - Throws: 422 `invalid_body` with a pointer to each fault, 413 `payload_too_large` above `most`.
    package init(reading json: JSON?) throws(Problem) {
        let list: [JSON]
        switch json {
        case nil, .null?: list = []
        case .array(let elements)?: list = elements
        default: throw .invalidBody("An array of mutations should stand here.", at: "/mutations")
        }
        guard list.count <= Self.most else {
            throw .payloadTooLarge(.tooManyMutations, most: Self.most)
        }
        var mutations: [Mutation] = []
        mutations.reserveCapacity(list.count)
        for (index, element) in list.enumerated() {
            mutations.append(try Self.mutation(element, at: "/mutations/\(index)"))
        }
        self.mutations = mutations
    }

    private static func mutation(_ json: JSON, at pointer: String) throws(Problem) -> Mutation {
        var fields = try Fields(json, at: pointer)
        let text = fields.string("id", length: 36...36)
        let id = UUID(text: text)
        if id == nil, !text.isEmpty { fields.fault("id", "A UUID should stand here.") }
        let name = fields.string("name", length: 1...64)
        let args = fields.optionalObject("args") ?? .object([:])
        let base = fields.optionalInteger("base_version", in: 0...9_007_199_254_740_991)
        let age = fields.optionalInteger("age_ms", in: 0...9_007_199_254_740_991)
        let sequence = fields.optionalInteger("seq", in: 1...9_007_199_254_740_991)
        try fields.check()
        guard let id else { throw .invalidBody("A UUID should stand here.", at: pointer + "/id") }
        return Mutation(
            id: id, name: name, args: args, baseVersion: base, ageMilliseconds: age, sequence: sequence)
    }

    /// How many share a transaction at most: so long others that write for this user wait for it.
    private static let mostTogether = 32

    /// Carries them out. When the database goes away in the middle, what has been answered so far is returned and the
    /// client sends the rest again; when it does so before the first, it throws.
    package func carryOut(through dispatcher: MutationDispatcher, for caller: Caller) async throws -> [MutationResult] {
        var results: [MutationResult] = []
        results.reserveCapacity(mutations.count)
        var rest = mutations[...]
        while !rest.isEmpty {
            let together = Array(rest.prefix(Self.mostTogether).prefix(while: dispatcher.isSociable))
            if together.count > 1, let outcomes = await dispatcher.performTogether(together, for: caller) {
                for (mutation, outcome) in zip(together, outcomes) {
                    guard try take(outcome, of: mutation, &results) else { return results }
                }
                rest = rest.dropFirst(together.count)
                continue
            }
            // One that has a transaction of its own, or those of one that failed: by themselves, each behind the other's answer.
            for mutation in rest.prefix(max(1, together.count)) {
                let outcome: Result<Outcome, any Error>
                do {
                    outcome = .success(try await dispatcher.perform(mutation, for: caller, pushed: true))
                } catch {
                    outcome = .failure(error)
                }
                guard try take(outcome, of: mutation, &results) else { return results }
            }
            rest = rest.dropFirst(max(1, together.count))
        }
        return results
    }

    /// False: nothing that comes behind it may happen.
    private func take(
        _ outcome: Result<Outcome, any Error>, of mutation: Mutation, _ results: inout [MutationResult]
    ) throws -> Bool {
        switch outcome {
        case .success(let outcome):
            results.append(MutationResult(id: mutation.id, outcome: outcome))
            return true
        case .failure(let error) where results.isEmpty || (error as? Problem)?.status == 401: throw error
        case .failure: return false
        }
    }
}
