package import API

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
            Problem(
                409, "session_live", "A session is live already",
                detail: "End it first, or send `\"replace\": true` to abandon it and start this one.",
                members: ["session": session])
        case .notActive(let session):
            Problem(
                409, "not_active", "The session does not run", detail: "It is paused already; nothing was changed.",
                members: ["session": session])
        case .notPaused(let session):
            Problem(
                409, "not_paused", "The session is not paused", detail: "It runs already; nothing was changed.",
                members: ["session": session])
        case .noSession:
            Problem(404, "no_session", "No session is live", detail: "Start one with POST /api/focus.")
        case .tooEarly(let seconds):
            Problem(
                409, "too_early", "The session is not over yet",
                detail: "It has \(seconds) s to go; it completes by itself then. Abandon it to end it now.",
                members: ["remaining_seconds": .int(seconds)])
        case .alreadyEnded(let session):
            Problem(
                409, "already_ended", "The session has ended already", detail: "What ended first stands.",
                members: ["session": session])
        case .notFound: .notFound
        case .versionMismatch(let current): .versionMismatch(current: current)
        case .unknownTimeZone:
            .invalidQuery("tz", "The IANA name of a time zone, such as Europe/Berlin, should stand here.")
        }
    }
}
