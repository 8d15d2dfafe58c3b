package import API
import FoundationEssentials
import HTTPTypes
package import Hummingbird

/// What Sync offers on the wire: a replica's snapshot, its changes, its queue, and the proof that it is identical.
package struct SyncRoutes: Sendable {
    private let repository: any SyncRepository
    private let reader: SyncReader
    private let door: MutationDoor
    private let pollAfterMilliseconds: @Sendable () -> Int64

    /// - Parameter pollAfterMilliseconds: when a client that polls should ask again, as of now, if nothing changes by
    ///   itself before.
    package init(
        repository: any SyncRepository, reader: SyncReader, door: MutationDoor,
        pollAfterMilliseconds: @escaping @Sendable () -> Int64
    ) {
        self.repository = repository
        self.reader = reader
        self.door = door
        self.pollAfterMilliseconds = pollAfterMilliseconds
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
        let user = try context.caller.user
        let query = request.uri.queryParameters
        let wait = try request.queryInteger("wait", in: 0...30) ?? 0
        let text = query["cursor"].map(String.init)
        let pull: Pull
        if let cursor = text.flatMap({ Cursor($0) }), wait > 0 {
            pull = try await reader.pull(for: context.caller, since: cursor, waitingUpTo: .seconds(wait))
        } else {
            pull = try await reader.pull(user: user, since: text.flatMap { Cursor($0) })
        }
        let tag = "\"\(pull.cursor.text)\""
        if pull.isEmpty, request.alreadyHas(tag) {
            return Response(
                status: .notModified,
                headers: [
                    .eTag: tag, .pollAfter: String(pollAfter(pull)), .serverTime: pull.time.text,
                ])
        }
        return .json(headers: [.eTag: tag]) { writer in
            writer.raw("{")
            writeMembers(of: pull, to: &writer)
            writer.raw("}")
        }
    }

    @Sendable private func push(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try context.caller
        let body = try await request.json(upTo: 1_048_576)
        var fields = try Fields(body)
        let text = fields.optionalString("cursor", length: 0...1_024)
        try fields.check()
        let cursor = text.flatMap { Cursor($0) }
        let push = try Push(reading: body["mutations"])
        let results = try await push.carryOut(through: door, for: caller)
        // Where this fails there is no answer: one without the changes would have the client drop what it shows. What was
        // carried out stands, and is told when the client sends it again.
        let pull = try await reader.pull(user: caller.user, since: cursor)
        return .json { writer in
            writer.raw("{\"results\":")
            writer.list(results) { $1.write(to: &$0) }
            writer.raw(",")
            writeMembers(of: pull, to: &writer)
            writer.raw("}")
        }
    }

    private func writeMembers(of pull: Pull, to writer: inout JSONWriter) {
        pull.writeMembers(to: &writer)
        writer.raw(",\"poll_after_ms\":")
        writer.int(pollAfter(pull))
    }

    /// When to ask next, in milliseconds: a little after what is due, for the clockwork has a second to do it.
    private func pollAfter(_ pull: Pull) -> Int64 {
        let standard = pollAfterMilliseconds()
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
        let conflicts = try await repository.conflicts(of: context.caller.user)
        return .json { writer in
            writer.raw("{\"conflicts\":")
            writer.list(conflicts) { $1.write(to: &$0) }
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
