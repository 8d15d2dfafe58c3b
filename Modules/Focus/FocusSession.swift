package import API

/// A timer that the server owns: what it is, and what can become of it. Time arrives as an argument, and is the
/// database's. These are the rules; migration 0016 carries them out under the user's lock, and a test holds the two
/// together over random histories.
package struct FocusSession: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        case focus
        case shortBreak = "break"
        case longBreak = "long_break"

        /// In seconds, where neither the request nor the setting `<mode>.duration_seconds` says how long.
        package var standardSeconds: Int64 {
            switch self {
            case .focus: 1_500
            case .shortBreak: 300
            case .longBreak: 900
            }
        }
    }

    /// Only a running session has an end, and only one that does not run has something that was left.
    package enum State: Sendable, Equatable {
        case active(endsAt: Timestamp)
        case paused(at: Timestamp, remaining: Int64)
        case completed(at: Timestamp)
        case abandoned(remaining: Int64)
        case expired(remaining: Int64)
    }

    /// In seconds.
    package static let durations: ClosedRange<Int64> = 1...14_400
    /// How many characters a task's title may have.
    package static let longestTitle = 200
    /// How long before its end a session may be completed, in microseconds: a client's clock is not that exact.
    package static let tolerance: Int64 = 2_000_000

    package let mode: Mode
    package let durationSeconds: Int64
    package let startedAt: Timestamp
    package private(set) var state: State
    package private(set) var pauseCount = 0
    /// In microseconds, of the pauses that are over.
    package private(set) var paused: Int64 = 0
    /// When it last began to run or to pause: nothing can be moved back beyond that.
    private var turnedAt: Timestamp

    package init(mode: Mode, durationSeconds: Int64, at now: Timestamp) {
        self.mode = mode
        self.durationSeconds = durationSeconds
        startedAt = now
        turnedAt = now
        state = .active(endsAt: now.advanced(bySeconds: durationSeconds))
    }

    package var isLive: Bool {
        switch state {
        case .active, .paused: true
        case .completed, .abandoned, .expired: false
        }
    }

    /// What was left of it at `now`, in microseconds.
    package func remaining(at now: Timestamp) -> Int64 {
        switch state {
        case .active(let endsAt): min(max(0, endsAt.microseconds - now.microseconds), durationSeconds * 1_000_000)
        case .paused(_, let remaining), .abandoned(let remaining), .expired(let remaining): remaining
        case .completed: 0
        }
    }

    /// 10 for 1,500 s of focus, pro rata and rounded down; breaks earn nothing.
    package var coins: Int64 {
        guard case .completed = state, mode == .focus else { return 0 }
        return durationSeconds * 10 / 1_500
    }

    /// What is due by `now` is done at its due time: the end of a running one, or the expiry of one that was paused for
    /// `expirySeconds`.
    package mutating func settle(at now: Timestamp, expirySeconds: Int64) {
        switch state {
        case .active(let endsAt) where endsAt <= now: state = .completed(at: endsAt)
        case .paused(let at, let remaining) where at.advanced(bySeconds: expirySeconds) <= now:
            state = .expired(remaining: remaining)
        default: break
        }
    }

    /// - Parameter age: how long before `now` the user did it, in microseconds; held to what was possible.
    /// - Throws: `notActive` unless it runs.
    package mutating func pause(at now: Timestamp, age: Int64 = 0) throws(FocusRefusal) {
        guard case .active(let endsAt) = state else { throw .notActive(session: .null) }
        turnedAt = moved(back: age, from: now)
        state = .paused(at: turnedAt, remaining: endsAt.microseconds - turnedAt.microseconds)
        pauseCount += 1
    }

    /// - Throws: `notPaused` unless it is paused.
    package mutating func resume(at now: Timestamp, age: Int64 = 0) throws(FocusRefusal) {
        guard case .paused(let at, let remaining) = state else { throw .notPaused(session: .null) }
        turnedAt = moved(back: age, from: now)
        paused += turnedAt.microseconds - at.microseconds
        state = .active(endsAt: Timestamp(microseconds: turnedAt.microseconds + remaining))
    }

    /// Also when it is completed already.
    /// - Throws: `tooEarly` when more than 2 s are left, `alreadyEnded` when it ended in another way.
    package mutating func complete(at now: Timestamp) throws(FocusRefusal) {
        if case .completed = state { return }
        guard isLive else { throw .alreadyEnded(session: .null) }
        let left = remaining(at: now)
        guard left <= Self.tolerance else { throw .tooEarly(remainingSeconds: (left + 999_999) / 1_000_000) }
        state = .completed(at: now)
    }

    /// - Throws: `alreadyEnded` when it has ended in any way.
    package mutating func abandon(at now: Timestamp) throws(FocusRefusal) {
        guard isLive else { throw .alreadyEnded(session: .null) }
        state = .abandoned(remaining: remaining(at: now))
    }

    private func moved(back age: Int64, from now: Timestamp) -> Timestamp {
        max(turnedAt, Timestamp(microseconds: now.microseconds - max(0, min(age, now.microseconds))))
    }
}
