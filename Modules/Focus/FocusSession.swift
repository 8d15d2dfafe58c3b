package import API
package import FoundationEssentials

/// A timer that the server owns, as answers and the document `focus/active` show it. What can become of it is decided in
/// focus.sql, under the user's lock.
package struct FocusSession: Model {
    package enum Mode: String, Decodable, Sendable, CaseIterable {
        case focus
        case shortBreak = "break"
        case longBreak = "long_break"
    }

    package enum Status: String, Decodable, Sendable, CaseIterable {
        case active, paused, completed, abandoned
        /// Paused for too long.
        case expired
    }

    /// In seconds.
    package static let durations: ClosedRange<Int64> = 1...14_400
    /// How many characters a task's title may have.
    package static let longestTitle = 200

    /// The id of the mutation that started it.
    package let id: UUID
    package let mode: Mode
    package let status: Status
    /// One of `durations`.
    package let durationSeconds: Int64
    package let startedAt: Timestamp
    /// Of a running one when it will end, of an ended one when it would have; nil while it is paused.
    package let endsAt: Timestamp?
    /// Since when it is paused; nil while it is not.
    package let pausedAt: Timestamp?
    /// What is left, or was when it ended, rounded up: 0 … `durationSeconds`. nil in the document of a running one, in which
    /// nothing changes with time alone.
    package let remainingSeconds: Int64?
    package let pauseCount: Int64
    /// All pauses that are over, rounded down.
    package let pausedSeconds: Int64
    /// At most `longestTitle` characters.
    package let taskTitle: String?
    /// 0 until it is completed.
    package let coinsAwarded: Int64
    package let completedAt: Timestamp?
    package let version: Int64
}

/// A part of the sessions, newest first.
package struct FocusSessionPage: Model {
    package let sessions: [FocusSession]
    /// `before` of the next part; nil: this was the last.
    package let next: String?
}

/// What GET /api/focus/active answers.
package struct ActiveSession: Model {
    package let sessionActive: Bool
    package let session: FocusSession?
    /// By which `endsAt` is to be shown, never by the device's clock.
    package let serverTime: Timestamp
}
