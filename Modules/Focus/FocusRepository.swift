package import API
package import FoundationEssentials
package import Sync

/// What somebody wants to become of a session. The id of a new one is the mutation's.
package enum FocusChange: Sendable, Equatable {
    /// `seconds` nil: as the user's settings say, else the mode's standard. `replacing`: abandons the live one.
    case start(mode: FocusSession.Mode, seconds: Int64?, title: String?, replacing: Bool)
    /// nil: the live session, whichever it is.
    case pause(UUID?)
    case resume(UUID?)
    case complete(UUID)
    case abandon(UUID)
}

/// What Focus needs of storage: one transaction each, whose clock is the database's after the lock is held. All throw
/// `Problem.unavailable` while the database is away. Sessions come as clients see them, with what is left of an active
/// one as of now.
package protocol FocusRepository: Sendable {
    /// The live session, and whether it is due to end, which `settle` does.
    func live(of user: UUID) async throws -> LiveSession

    /// Sessions, newest first, from the one after `before` on (nil: the newest).
    func sessions(of user: UUID, before: UUID?, limit: Int) async throws -> [(id: UUID, session: RawJSON)]

    /// What was completed in the last `days` days, today included, by the calendar of `zone` (nil: the user's setting).
    /// - Throws: `FocusRefusal.unknownTimeZone`.
    func statistics(of user: UUID, days: Int, zone: TimeZoneName?) async throws -> FocusStatistics

    /// Settles what was due, and then does it or refuses. At most one session is live: a second `start` is refused with
    /// the live one, or replaces it. Of two pauses at once one is refused with the session, whose version stays. A stale
    /// `baseVersion` is a conflict with the truth, and moves nothing. Completing what is completed changes nothing. Completion
    /// pays in the same transaction. The mutation's id gives the first answer again.
    func apply(_ mutation: SignedMutation, _ change: FocusChange) async throws -> Applied

    /// Completes or expires what is due for this user, once however many ask at the same time; nil: nothing was.
    func settle(_ user: UUID) async throws -> Applied?

    /// The same for many users in one transaction, all or none of it. It waits for nobody: whose head somebody else holds
    /// is passed by. Also throws what any one of them fails with.
    func settle(_ users: [UUID]) async throws -> [Change]

    /// Up to `limit` users whose sessions are due, without any lock, and when the next one will be.
    func due(limit: Int) async throws -> DueSessions
}

package struct LiveSession: Sendable {
    /// nil: none is live.
    package let session: RawJSON?
    package let isDue: Bool
    package let pause: PauseState
    package let time: Timestamp

    package init(session: RawJSON?, isDue: Bool, pause: PauseState, time: Timestamp) {
        self.session = session
        self.isDue = isDue
        self.pause = pause
        self.time = time
    }
}

/// Whether the live session is paused, as GET /api/focus/pause answers; of none all is nil.
package struct PauseState: Model {
    package let isPaused: Bool
    package let sessionID: UUID?
    package let pausedAt: Timestamp?
    /// When it last ran on.
    package let resumedAt: Timestamp?
    /// Rounded up.
    package let remainingSeconds: Int64?
    /// Of the document `focus/active`; 0: there never was a session.
    package let version: Version

    package init(
        isPaused: Bool, sessionID: UUID?, pausedAt: Timestamp?, resumedAt: Timestamp?, remainingSeconds: Int64?,
        version: Version
    ) {
        self.isPaused = isPaused
        self.sessionID = sessionID
        self.pausedAt = pausedAt
        self.resumedAt = resumedAt
        self.remainingSeconds = remainingSeconds
        self.version = version
    }
}

package struct DueSessions: Sendable {
    package let users: [UUID]
    /// Until the next session that is not due yet ends or expires; nil: there is none.
    package let next: Duration?

    package init(users: [UUID], next: Duration?) {
        self.users = users
        self.next = next
    }
}

/// Completed focus sessions (breaks do not count) of a period, by the user's days.
package struct FocusStatistics: Model {
    package struct Day: Model {
        /// `2026-01-10`
        package let date: String
        package let sessions: Int64
        package let focusSeconds: Int64

        package init(date: String, sessions: Int64, focusSeconds: Int64) {
            self.date = date
            self.sessions = sessions
            self.focusSeconds = focusSeconds
        }
    }

    package let sessions: Int64
    package let focusSeconds: Int64
    package let coinsAwarded: Int64
    /// Days in a row up to today, or up to yesterday while today has none yet.
    package let streakDays: Int64
    /// Of all time.
    package let longestStreakDays: Int64
    /// Every day of the period, the oldest first, those without a session too.
    package let perDay: [Day]

    package init(coinsAwarded: Int64, streakDays: Int64, longestStreakDays: Int64, perDay: [Day]) {
        sessions = perDay.reduce(0) { $0 + $1.sessions }
        focusSeconds = perDay.reduce(0) { $0 + $1.focusSeconds }
        self.coinsAwarded = coinsAwarded
        self.streakDays = streakDays
        self.longestStreakDays = longestStreakDays
        self.perDay = perDay
    }
}
