import API
import TestSupport
import Testing

@testable import Focus

@Suite struct FocusOracleTests {
    private let start = Timestamp(microseconds: 1_800_000_000_000_000)

    private func after(_ seconds: Int64) -> Timestamp { start.advanced(bySeconds: seconds) }

    private func session(_ mode: FocusSession.Mode = .focus, _ seconds: Int64 = 1_500) -> FocusOracle {
        FocusOracle(mode: mode, durationSeconds: seconds, at: start)
    }

    @Test("It ends when its time is up, at that time, however late somebody looks")
    func completes() {
        var session = session()
        session.settle(at: after(1_499), expirySeconds: 3_600)
        #expect(session.state == .active(endsAt: after(1_500)))
        session.settle(at: after(90_000), expirySeconds: 3_600)
        #expect(session.state == .completed(at: after(1_500)))
        #expect(session.coins == 10)
    }

    @Test("A pause keeps what was left, and the end moves by as long as it lasted")
    func pauses() throws {
        var session = session()
        try session.pause(at: after(600))
        #expect(session.state == .paused(at: after(600), remaining: 900_000_000))
        session.settle(at: after(3_000), expirySeconds: 3_600)
        try session.resume(at: after(3_000))
        #expect(session.state == .active(endsAt: after(3_900)))
        #expect(session.pauseCount == 1 && session.paused == 2_400_000_000)
    }

    @Test("A pause of an hour expires it, at that hour, and earns nothing")
    func expires() throws {
        var session = session()
        try session.pause(at: after(600))
        session.settle(at: after(4_199), expirySeconds: 3_600)
        #expect(session.isLive)
        session.settle(at: after(4_200), expirySeconds: 3_600)
        #expect(session.state == .expired(remaining: 900_000_000))
        #expect(session.coins == 0)
    }

    @Test("Pausing what is paused, resuming what runs and ending what has ended are refused, and change nothing")
    func refusals() throws {
        var session = session()
        #expect(throws: FocusRefusal.notPaused(session: .null)) { try session.resume(at: after(1)) }
        try session.pause(at: after(10))
        let paused = session
        #expect(throws: FocusRefusal.notActive(session: .null)) { try session.pause(at: after(20)) }
        #expect(session == paused)
        try session.abandon(at: after(30))
        #expect(throws: FocusRefusal.alreadyEnded(session: .null)) { try session.abandon(at: after(40)) }
        #expect(throws: FocusRefusal.alreadyEnded(session: .null)) { try session.complete(at: after(40)) }
        #expect(session.state == .abandoned(remaining: 1_490_000_000))
    }

    @Test("It may be completed from 2 s before its end, and again afterwards; earlier it says how long to wait")
    func completing() throws {
        var session = session()
        #expect(throws: FocusRefusal.tooEarly(remainingSeconds: 3)) {
            try session.complete(at: Timestamp(microseconds: after(1_497).microseconds + 1))
        }
        try session.complete(at: after(1_498))
        let completed = session
        try session.complete(at: after(2_000))
        #expect(session == completed)
    }

    @Test("An age moves a pause back, but never before the last transition nor into the future")
    func ages() throws {
        var session = session()
        try session.pause(at: after(600), age: 100_000_000)
        #expect(session.remaining(at: after(600)) == 1_000_000_000)
        try session.resume(at: after(700), age: 900_000_000)
        #expect(session.state == .active(endsAt: after(1_500)))
        try session.pause(at: after(710), age: .max)
        #expect(session.state == .paused(at: after(500), remaining: 1_000_000_000))
        try session.resume(at: after(720), age: -50_000_000)
        #expect(session.state == .active(endsAt: after(1_720)))
    }

    @Test("Coins are 10 for 1,500 s, pro rata and rounded down; breaks earn none")
    func coins() {
        for (seconds, coins) in [(1, 0), (149, 0), (150, 1), (299, 1), (1_500, 10), (14_400, 96)] as [(Int64, Int64)] {
            var session = session(.focus, seconds)
            session.settle(at: after(seconds), expirySeconds: 3_600)
            #expect(session.coins == coins, "\(seconds) s")
        }
        for mode in [FocusSession.Mode.shortBreak, .longBreak] {
            var session = session(mode, 900)
            session.settle(at: after(900), expirySeconds: 3_600)
            #expect(session.coins == 0)
        }
    }

    @Test("Over 20,000 random histories focused time is never negative and never exceeds wall time", arguments: 0..<8)
    func histories(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<2_500 {
            let duration = Int64.random(in: 1...14_400, using: &random)
            var session = session(.focus, duration)
            var now = start
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                // A clock that was set back is among what can happen.
                let step = Int64.random(in: -2_000_000...2_000_000_000, using: &random)
                now = Timestamp(microseconds: now.microseconds + step)
                session.settle(at: now, expirySeconds: 3_600)
                let age = Int64.random(in: 0...4_000_000_000, using: &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0: try? session.abandon(at: now)
                case 1: try? session.complete(at: now)
                case 2...4: try? session.pause(at: now, age: age)
                default: try? session.resume(at: now, age: age)
                }
                session.settle(at: now, expirySeconds: 3_600)
                let focused = duration * 1_000_000 - session.remaining(at: now)
                let wall = max(0, now.microseconds - start.microseconds)
                #expect(focused >= 0 && session.paused >= 0, "seed \(seed)")
                // What may be completed up to 2 s early counts whole.
                #expect(focused <= wall + FocusOracle.tolerance, "seed \(seed)")
                #expect(session.remaining(at: now) <= duration * 1_000_000, "seed \(seed)")
            }
        }
    }
}
