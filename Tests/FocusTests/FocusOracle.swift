import API

@testable import Focus

/// A session's rules, written a second time and without a database: what can become of it. Time arrives as an argument. focus.sql
/// decides, and a test holds it to this over random histories.
struct FocusOracle: Equatable {

    /// Only a running session has an end, and only one that does not run has something that was left.
    enum State: Equatable {
        case active(endsAt: Timestamp)
        case paused(at: Timestamp, remaining: Int64)
        case completed(at: Timestamp)
        case abandoned(remaining: Int64)
        case expired(remaining: Int64)
    }

    /// How long before its end a session may be completed, in microseconds: a client's clock is not that exact.
    static let tolerance: Int64 = 2_000_000

    let mode: FocusSession.Mode
    let durationSeconds: Int64
    let startedAt: Timestamp
    private(set) var state: State
    private(set) var pauseCount = 0
    /// In microseconds, of the pauses that are over.
    private(set) var paused: Int64 = 0
    /// When it last began to run or to pause: nothing can be moved back beyond that.
    private var turnedAt: Timestamp

    init(mode: FocusSession.Mode, durationSeconds: Int64, at now: Timestamp) {
        self.mode = mode
        self.durationSeconds = durationSeconds
        startedAt = now
        turnedAt = now
        state = .active(endsAt: now.advanced(bySeconds: durationSeconds))
    }

    var isLive: Bool {
        switch state {
        case .active, .paused: true
        case .completed, .abandoned, .expired: false
        }
    }

    /// What was left of it at `now`, in microseconds.
    func remaining(at now: Timestamp) -> Int64 {
        switch state {
        case .active(let endsAt): min(max(0, endsAt.microseconds - now.microseconds), durationSeconds * 1_000_000)
        case .paused(_, let remaining), .abandoned(let remaining), .expired(let remaining): remaining
        case .completed: 0
        }
    }

    /// 10 for 1,500 s of focus, pro rata and rounded down; breaks earn nothing.
    var coins: Int64 {
        guard case .completed = state, mode == .focus else { return 0 }
        return durationSeconds * 10 / 1_500
    }

    /// What is due by `now` is done at its due time: the end of a running one, or the expiry of one that was paused for
    /// `expirySeconds`.
    mutating func settle(at now: Timestamp, expirySeconds: Int64) {
        switch state {
        case .active(let endsAt) where endsAt <= now: state = .completed(at: endsAt)
        case .paused(let at, let remaining) where at.advanced(bySeconds: expirySeconds) <= now:
            state = .expired(remaining: remaining)
        default: break
        }
    }

    /// - Parameter age: how long before `now` the user did it, in microseconds; held to what was possible.
    /// - Throws: `notActive` unless it runs.
    mutating func pause(at now: Timestamp, age: Int64 = 0) throws(FocusRefusal) {
        guard case .active(let endsAt) = state else { throw .notActive(session: .null) }
        turnedAt = moved(back: age, from: now)
        state = .paused(at: turnedAt, remaining: endsAt.microseconds - turnedAt.microseconds)
        pauseCount += 1
    }

    /// - Throws: `notPaused` unless it is paused.
    mutating func resume(at now: Timestamp, age: Int64 = 0) throws(FocusRefusal) {
        guard case .paused(let at, let remaining) = state else { throw .notPaused(session: .null) }
        turnedAt = moved(back: age, from: now)
        paused += turnedAt.microseconds - at.microseconds
        state = .active(endsAt: Timestamp(microseconds: turnedAt.microseconds + remaining))
    }

    /// Also when it is completed already.
    /// - Throws: `tooEarly` when more than 2 s are left, `alreadyEnded` when it ended in another way.
    mutating func complete(at now: Timestamp) throws(FocusRefusal) {
        if case .completed = state { return }
        guard isLive else { throw .alreadyEnded(session: .null) }
        let left = remaining(at: now)
        guard left <= Self.tolerance else { throw .tooEarly(remainingSeconds: (left + 999_999) / 1_000_000) }
        state = .completed(at: now)
    }

    /// - Throws: `alreadyEnded` when it has ended in any way.
    mutating func abandon(at now: Timestamp) throws(FocusRefusal) {
        guard isLive else { throw .alreadyEnded(session: .null) }
        state = .abandoned(remaining: remaining(at: now))
    }

    private func moved(back age: Int64, from now: Timestamp) -> Timestamp {
        max(turnedAt, Timestamp(microseconds: now.microseconds - max(0, min(age, now.microseconds))))
    }
}
