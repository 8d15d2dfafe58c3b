package import API
import HTTPTypes

/// How much of something an account may make the server keep. Its feature registers it: `storage_limit` of sync.sql is made of all of
/// them, and what is beyond the limit is refused as `storage_full`.
package struct StorageRoom: Sendable {
    let what: String
    /// Bytes of answers, and the number of everything else.
    let limit: Int64
    /// What accounts take of it: a view (amount), a row an account.
    let view: StaticString
    /// What is said when it is full, `{limit}` stands for the number.
    package let detail: ProblemDetail

    package init(_ what: String, limit: Int64, in view: StaticString, full detail: String) {
        self.what = what
        self.limit = limit
        self.view = view
        self.detail = ProblemDetail(detail)
    }

    /// Bytes of answers within 30 days: a second earns room for 50.
    static let answers = StorageRoom(
        "answers", limit: 129_600_000, in: "answers_room",
        full: "The answers to what this account changed within 30 days take all of their {limit} bytes. "
            + "Room comes back bit by bit: try again in {retry_after_seconds} s, and change less often.")
}

extension Problem {
    /// There is no room for what a change would make the server keep; neither it nor this answer is kept.
    /// - Parameters:
    ///   - full: {what, limit, retry_after_seconds?}, as storage says it.
    ///   - rooms: those that it may be of.
    static func storageFull(_ full: JSON, of rooms: [StorageRoom]) -> Problem {
        var members: JSON.Members = [:]
        for name: Verbatim in ["what", "limit", "retry_after_seconds"] { members[name] = full[name] }
        let what = full["what"]?.string?.verbatim
        let room = rooms.first { $0.what.verbatim == what }
        return Problem(
            .storageFull, detail: room?.detail, members: members,
            headers: full["retry_after_seconds"]?.integer.map { [.retryAfter: String($0)] } ?? [:])
    }
}
