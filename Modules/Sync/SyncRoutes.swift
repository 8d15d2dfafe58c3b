package import API
package import FoundationEssentials
import HTTPTypes
package import Hummingbird

/// What Sync offers on the wire: a replica's snapshot, its changes, its queue, and the proof that it is identical.
package struct SyncRoutes: Sendable {
    private let repository: any SyncRepository
    private let reader: SyncReader
    private let dispatcher: MutationDispatcher
    private let pace: PollPace
    private let onSync: @Sendable (UUID) async throws -> Void
    private let syncIsNoted: @Sendable (UUID) -> Bool
    private static let largestPush = 1_048_576
    /// Of sessions, two at a time, and of users by their bytes: what a push is in memory is several times its size, so the others
    /// wait unread. A stolen session that sends slowly takes a part of what its user may have under way, and not all of it.
    private let pushes = (ofSession: Turns<UUID>(most: 2), ofUser: Turns<UUID>(most: 8 * largestPush))

    /// - Parameters:
    ///   - pace: when a client that polls should ask again, if nothing changes by itself before.
    ///   - onSync: is told who pulls or pushes, before they are answered.
    ///   - syncIsNoted: whether there is nothing to do about that.
    package init(
        repository: any SyncRepository, reader: SyncReader, dispatcher: MutationDispatcher, pace: PollPace,
        onSync: @escaping @Sendable (UUID) async throws -> Void, syncIsNoted: @escaping @Sendable (UUID) -> Bool
    ) {
        self.repository = repository
        self.reader = reader
        self.dispatcher = dispatcher
        self.pace = pace
        self.onSync = onSync
        self.syncIsNoted = syncIsNoted
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("sync")
            .get(use: pull)
            .post(use: push)
            .get("digest", use: digest)
            .get("conflicts", use: conflicts)
            .delete("conflicts/{id}", use: dismissConflict)
    }

    @Sendable private func pull(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try context.claimant
        try await onSync(caller.user)
        let wait = try request.queryInteger("wait", in: 0...30) ?? 0
        // What cannot be decoded is no cursor of ours either: to its holder that means reset, not error.
        let cursor = ((try? request.query("cursor")) ?? nil).flatMap { Cursor($0) }
        let pull: Pull
        if let cursor, wait > 0 {
            pull = try await reader.pull(for: caller, since: cursor, waitingUpTo: .seconds(wait))
        } else {
            pull = try await reader.pull(user: caller.user, asking: caller, since: cursor)
        }
        let tag = "\"\(pull.cursor.text)\""
        if pull.isEmpty, request.alreadyHas(tag) {
            return Response(status: .notModified, headers: headersOfNothing(pull, tag))
        }
        return .json(headers: [.eTag: tag]) { writer in
            writer.raw("{")
            writeMembers(of: pull, to: &writer)
            writer.raw("}")
        }
    }

    private func headersOfNothing(_ pull: Pull, _ tag: String) -> HTTPFields {
        [.eTag: tag, .pollAfter: String(pollAfter(pull)), .serverTime: pull.time.text]
    }

    /// `pull` in front of the router, where nothing is new: what a phone asks twice a minute.
    package var directReads: [DirectRead] {
        [
            DirectRead { request in
                guard let text = request.path?.behind("/api/sync?cursor="), let cursor = Cursor(text) else {
                    return nil
                }
                let tag = "\"\(text)\""
                guard request.headerFields.alreadyHas(tag) else { return nil }
                return { caller, reply in
                    guard syncIsNoted(caller.user) else { return reply { nil } }
                    reader.nothing(for: caller, since: cursor) { found in
                        reply {
                            do {
                                return try found().map {
                                    DirectAnswer(status: .notModified, headers: headersOfNothing($0, tag))
                                }
                            } catch {
                                return .problem(error)
                            }
                        }
                    }
                }
            }
        ]
    }

    @Sendable private func push(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try context.claimant
        try await onSync(caller.user)
        let length = request.headers[.contentLength].flatMap(Int.init) ?? Self.largestPush
        let (results, cursor) = try await pushes.ofSession.take(caller.session) {
            try await pushes.ofUser.take(caller.user, weight: min(max(1, length), Self.largestPush)) {
                try await carryOut(request, for: caller)
            }
        }
        // Where this fails there is no answer: one without the changes would have the client drop what it shows. What was
        // carried out stands, and is told when the client sends it again.
        let pull = try await reader.pull(user: caller.user, asking: caller, since: cursor)
        return .json { writer in
            writer.raw("{\"results\":")
            writer.list(results) { $1.write(to: &$0) }
            writer.raw(",")
            writeMembers(of: pull, to: &writer)
            writer.raw("}")
        }
    }

    private func carryOut(
        _ request: Request, for caller: Caller
    ) async throws -> (results: [MutationResult], cursor: Cursor?) {
        let body = try await request.json(upTo: Self.largestPush)
        var fields = try Fields(body)
        let text = fields.optionalString("cursor", length: 0...1_024)
        try fields.check()
        let cursor = text.flatMap { Cursor($0) }
        let push = try Push(reading: body["mutations"])
        return (try await push.carryOut(through: dispatcher, for: caller), cursor)
    }

    private func writeMembers(of pull: Pull, to writer: inout JSONWriter) {
        pull.writeMembers(to: &writer)
        writer.raw(",\"poll_after_ms\":")
        writer.int(pollAfter(pull))
    }

    /// When to ask next, in milliseconds: a little after what is due, for the scheduler has a second to do it.
    private func pollAfter(_ pull: Pull) -> Int64 {
        let standard = pace.milliseconds
        guard let due = pull.due else { return standard }
        return min(standard, max(0, (due.microseconds - pull.time.microseconds) / 1_000) + 1_000)
    }

    @Sendable private func digest(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let (heads, documents) = try await repository.inventory(of: context.caller.user)
        return .json { writer in
            writer.raw("{\"cursor\":")
            writer.plain(heads.cursor.text)
            writer.raw(",\"documents\":")
            writer.int(Int64(documents.count))
            writer.raw(",\"digest\":")
            writer.plain(Digest.of(documents))
            writer.raw("}")
        }
    }

    @Sendable private func conflicts(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let (conflicts, next) = try await repository.conflicts(
            of: context.caller.user, before: try request.place("before"), limit: try request.pageLimit)
        return .json { writer in
            writer.raw("{\"conflicts\":")
            writer.list(conflicts) { $1.write(to: &$0) }
            writer.raw(",\"next\":")
            if let next { writer.plain(next.text) } else { writer.raw("null") }
            writer.raw("}")
        }
    }

    @Sendable private func dismissConflict(_ request: Request, _ context: EdgeContext) async throws -> Response {
        guard let id = UUID(text: try context.parameters.require("id")),
            try await repository.dismissConflict(id, of: context.caller.user)
        else { throw Problem.notFound }
        return Response(status: .noContent)
    }
}

extension Conflict {
    /// {id, mutation {id, name, args}, lost_value, current, at}
    func write(to writer: inout JSONWriter) {
        writer.raw("{\"id\":")
        writer.plain(id.text)
        writer.raw(",\"mutation\":{\"id\":")
        writer.plain(id.text)
        writer.raw(",\"name\":")
        writer.string(mutationName)
        writer.raw(",\"args\":")
        writer.raw(args)
        writer.raw("},\"lost_value\":")
        if let lostValue { writer.raw(lostValue) } else { writer.raw("null") }
        writer.raw(",\"current\":")
        current.write(to: &writer)
        writer.raw(",\"at\":")
        writer.plain(at.text)
        writer.raw("}")
    }
}

extension HTTPField.Name {
    static let pollAfter = Self(unchecked: "lockstep-poll-after-ms")
    static let serverTime = Self(unchecked: "lockstep-server-time")
}
