package import API
import Accounts
package import Focus
package import FoundationEssentials
package import Sync

/// What a test does with a person's timer.
extension Person {
    package var focus: PostgresFocus { PostgresFocus(database: database, sync: sync, expirySeconds: 3_600) }

    package func change(
        _ name: String, _ change: FocusChange, id: UUID = .v7(), base: Version? = nil, age: Int64? = nil,
        match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        let mutation = Mutation(
            id: id, name: name, args: .object([:]), baseVersion: base, ageMilliseconds: age, precondition: match)
        let signed = SignedMutation(
            mutation: mutation, user: user.id, device: device, session: session, fingerprint: Array("\(change)".utf8))
        return try await focus.apply(signed, change)
    }

    @discardableResult
    package func start(
        _ mode: FocusSession.Mode = .focus, seconds: Int64? = 1_500, title: String? = nil, replacing: Bool = false,
        id: UUID = .v7(), base: Version? = nil, match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        try await change(
            "focus.start", .start(mode: mode, seconds: seconds, title: title, replacing: replacing), id: id, base: base,
            match: match)
    }

    @discardableResult
    package func pause(
        _ session: UUID? = nil, id: UUID = .v7(), base: Version? = nil, age: Int64? = nil,
        match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        try await change("focus.pause", .pause(session), id: id, base: base, age: age, match: match)
    }

    @discardableResult
    package func resume(_ session: UUID? = nil, base: Version? = nil, age: Int64? = nil) async throws -> Applied {
        try await change("focus.resume", .resume(session), base: base, age: age)
    }

    @discardableResult
    package func complete(_ session: UUID, id: UUID = .v7(), base: Version? = nil) async throws -> Applied {
        try await change("focus.complete", .complete(session), id: id, base: base)
    }

    @discardableResult
    package func abandon(_ session: UUID, base: Version? = nil) async throws -> Applied {
        try await change("focus.abandon", .abandon(session), base: base)
    }

    /// Lets this many seconds pass for the person's sessions: they lie that much further back.
    package func pass(_ seconds: Int64, _ url: String) async throws {
        let by = "make_interval(secs => \(seconds))"
        try await PostgresSession.run(
            """
            UPDATE focus_sessions SET started_at = started_at - \(by), ends_at = ends_at - \(by),
                completed_at = completed_at - \(by) WHERE user_id = '\(user.id.text)';
            UPDATE focus_pause_state SET paused_at = paused_at - \(by), resumed_at = resumed_at - \(by)
                WHERE user_id = '\(user.id.text)'
            """, at: url)
    }

    /// The session as clients see it.
    package func session(_ id: UUID) async throws -> JSON? {
        try await focus.sessions(of: user.id, before: nil, limit: 100).first { $0.id == id }
            .map { try JSON(parsing: $0.session.utf8, deepest: 8) }
    }

    package func head() async throws -> Version { try await sync.heads(of: user.id).place.user }
}

extension Applied {
    /// The body that REST answers with.
    package var session: JSON? {
        get throws { try outcome.output.map { try JSON(parsing: $0.utf8, deepest: 8) } }
    }
}
