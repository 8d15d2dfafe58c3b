package import API
import Sync

/// Why a change of a focus session is not carried out. `session` is the one that stands in the way, as clients see it.
package enum FocusRefusal: Error, Sendable, Equatable {
    case sessionLive(session: JSON)
    case notActive(session: JSON)
    case notPaused(session: JSON)
    case noSession
    case tooEarly(remainingSeconds: Int64)
    case alreadyEnded(session: JSON)
    case notFound
    /// If-Match names another version; `current` is the session as it is, null where there is none.
    case versionMismatch(current: JSON)
    case unknownTimeZone

    /// A refusal by the code under which storage keeps it, and what stands beside the code.
    package init?(code: String, _ members: JSON) {
        let session = members["session"] ?? .null
        switch code {
        case "session_live": self = .sessionLive(session: session)
        case "not_active": self = .notActive(session: session)
        case "not_paused": self = .notPaused(session: session)
        case "no_session": self = .noSession
        case "too_early": self = .tooEarly(remainingSeconds: members["remaining_seconds"]?.integer ?? 0)
        case "already_ended": self = .alreadyEnded(session: session)
        case "not_found": self = .notFound
        case "version_mismatch": self = .versionMismatch(current: members["current"] ?? .null)
        default: return nil
        }
    }

    package var problem: Problem {
        switch self {
        case .sessionLive(let session):
            Problem(.sessionLive, members: ["session": session])
        case .notActive(let session):
            Problem(.notActive, members: ["session": session])
        case .notPaused(let session):
            Problem(.notPaused, members: ["session": session])
        case .noSession:
            Problem(.noSession)
        case .tooEarly(let seconds):
            Problem(.tooEarly, members: ["remaining_seconds": .int(seconds)])
        case .alreadyEnded(let session):
            Problem(.alreadyEnded, members: ["session": session])
        case .notFound: .notFound
        case .versionMismatch(let current): .versionMismatch(current: current)
        case .unknownTimeZone:
            .invalidQuery("tz", "The IANA name of a time zone, such as Europe/Berlin, should stand here.")
        }
    }
}

extension StorageRoom {
    static let focus = [
        StorageRoom(
            "focus_sessions", limit: 500_000, in: "focus_room",
            full: "An account can start {limit} focus sessions, and this one has.")
    ]
}

extension ProblemCode {
    package static let focus: [ProblemCode] = [sessionLive, notActive, notPaused, noSession, tooEarly, alreadyEnded]

    static let sessionLive = ProblemCode(
        "session_live", 409, "A session is live already",
        detail: "End it first, or send `\"replace\": true` to abandon it and start this one.",
        meaning:
            "A user has one live session at most, and `session` is it. End it first, or start with `replace`: true, which "
            + "abandons it.")
    static let notActive = ProblemCode(
        "not_active", 409, "The session does not run", detail: "It is paused already; nothing was changed.",
        meaning: "Only a session that runs can be paused; `session` is paused already, and nothing was changed.")
    static let notPaused = ProblemCode(
        "not_paused", 409, "The session is not paused", detail: "It runs already; nothing was changed.",
        meaning: "Only a paused session can be resumed; `session` runs already, and nothing was changed.")
    static let noSession = ProblemCode(
        "no_session", 404, "No session is live", detail: "Start one with POST /api/focus.",
        meaning: "There is nothing to pause or to resume. Start a session with POST /api/focus.")
    static let tooEarly = ProblemCode(
        "too_early", 409, "The session is not over yet",
        detail: "It has {remaining_seconds} s to go; it completes by itself then. Abandon it to end it now.",
        meaning: "The session has `remaining_seconds` to go and completes by itself then. Abandon it to end it now.")
    static let alreadyEnded = ProblemCode(
        "already_ended", 409, "The session has ended already", detail: "What ended first stands.",
        meaning: "The session was abandoned, or it has expired; what ended first stands.")
}
