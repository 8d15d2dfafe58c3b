package import API
import Crypto

/// One kind of mutation: how its arguments are read and what carries it out. A feature exports a list of these, and
/// both REST and push come in here: one path, two doors.
package struct MutationHandler: Sendable {
    package let name: String
    /// Whether a client may push it; the others are REST's alone.
    package let pushable: Bool
    /// Whether it has a transaction of its own in a push too: what may take the shared head's lock is to hold it for itself alone.
    package let isAlone: Bool
    /// Reads the arguments (throws the problem of bad ones), fills in defaults, and says how to carry them out.
    package let prepare: @Sendable (JSON) throws -> Prepared

    package struct Prepared: Sendable {
        /// The arguments with their defaults: what makes two requests "the same".
        package let args: JSON
        package let apply: @Sendable (SignedMutation) async throws -> Applied

        package init(args: JSON, apply: @escaping @Sendable (SignedMutation) async throws -> Applied) {
            self.args = args
            self.apply = apply
        }
    }

    package init(
        name: String, pushable: Bool, isAlone: Bool = false, prepare: @escaping @Sendable (JSON) throws -> Prepared
    ) {
        self.name = name
        self.pushable = pushable
        self.isAlone = isAlone
        self.prepare = prepare
    }
}

/// The one way by which synced state changes: finds the handler, reads the arguments, has them applied in one transaction
/// and announces what changed.
package struct MutationDispatcher: Sendable {
    private let handlers: [Verbatim: MutationHandler]
    private let repository: any SyncRepository
    private let announce: Announce

    package init(handlers: [MutationHandler], repository: any SyncRepository, announce: @escaping Announce) {
        self.handlers = Dictionary(handlers.map { ($0.name.verbatim, $0) }) { first, _ in first }
        self.repository = repository
        self.announce = announce
    }

    /// Carries one mutation out, once: the same id gives the first answer again. Throws only what is never kept
    /// (the database away, the account gone, and to REST a malformed body, after which the key is as good as before); every
    /// other refusal is an outcome. What was pushed must have one: its queue goes on behind it.
    package func perform(_ mutation: Mutation, for caller: Caller, pushed: Bool = false) async throws -> Outcome {
        let applied = try await apply(mutation, for: caller, pushed: pushed)
        tell(applied, to: caller)
        return applied.outcome
    }

    /// Whether it may share a transaction with those beside it in a push.
    func isSociable(_ mutation: Mutation) -> Bool { handlers[mutation.name.verbatim]?.isAlone != true }

    /// Carries out what was pushed in one transaction, one after the other.
    /// - Returns: what became of each, in their order; nil: nothing is known to have happened, and each is to be tried by itself.
    func performTogether(_ mutations: [Mutation], for caller: Caller) async -> [Result<Outcome, any Error>]? {
        let together = PushedTogether(count: mutations.count)
        async let carriedOut: Void = together.carryOut()
        let results = await withTaskGroup(of: (place: Int, result: Result<Applied, any Error>).self) { group in
            for (place, mutation) in mutations.enumerated() {
                group.addTask {
                    do {
                        let applied = try await apply(
                            mutation, for: caller, pushed: true, together: together.place(place))
                        together.leave(place, failed: false)
                        return (place, .success(applied))
                    } catch {
                        together.leave(place, failed: true)
                        return (place, .failure(error))
                    }
                }
            }
            var results: [(place: Int, result: Result<Applied, any Error>)] = []
            for await one in group { results.append(one) }
            return results
        }
        await carriedOut
        if together.isBroken { return nil }
        return results.sorted { $0.place < $1.place }.map { one in
            one.result.map { applied in
                tell(applied, to: caller)
                return applied.outcome
            }
        }
    }

    private func apply(
        _ mutation: Mutation, for caller: Caller, pushed: Bool, together: PushedTogether.Place? = nil
    ) async throws -> Applied {
        do {
            guard let handler = handlers[mutation.name.verbatim], handler.pushable || !pushed else {
                throw Problem(.unknownMutation, values: ["name": .string(mutation.name)])
            }
            let prepared = try handler.prepare(mutation.args)
            return try await prepared.apply(sign(mutation, prepared.args, for: caller, together))
        } catch let problem as Problem where problem.isFinal && (pushed || problem.code != "invalid_body") {
            return Applied(
                outcome: try await repository.refuse(sign(mutation, mutation.args, for: caller, together), problem))
        }
    }

    private func tell(_ applied: Applied, to caller: Caller) {
        if let change = applied.change {
            announce(.changed(change))
        } else if applied.outcome.replayed {
            // Its first answer may have been lost with its connection, and then nobody was told.
            announce(.hint(user: caller.user, version: applied.outcome.head))
        }
        if let shared = applied.shared { announce(.shared(version: shared, local: true)) }
    }

    private func sign(
        _ mutation: Mutation, _ args: JSON, for caller: Caller, _ together: PushedTogether.Place?
    ) -> SignedMutation {
        var hash = SHA256()
        hash.update(data: Array(mutation.name.utf8))
        hash.update(data: [0x0A])
        hash.update(data: RawJSON(args).utf8)
        return SignedMutation(
            mutation: mutation, user: caller.user, device: caller.device.id, session: caller.session,
            fingerprint: Array(hash.finalize().prefix(16)), together: together)
    }
}
