import API
import Accounts
import Foundation
import Persistence
import Sync
import TestSupport
import Testing

@testable import Focus

@Suite struct FocusHistoryTests {
    /// One thing that happens to a session, some seconds after the one before.
    private struct Step {
        let after: Int64
        let verb: Int
        let age: Int64
    }

    @Test("Random offline histories end as the rules say, with focused time within wall time", arguments: 0..<12)
    func histories(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        // Whole minutes: the test's own milliseconds decide nothing.
        let histories = (0..<8).map { _ in
            (
                duration: Int64.random(in: 1...60, using: &random) * 60,
                steps: (0..<Int.random(in: 1...10, using: &random)).map { _ in
                    Step(
                        after: Int64.random(in: 0...20, using: &random) * 60,
                        verb: Int.random(in: 0..<9, using: &random),
                        age: Int64.random(in: 0...30, using: &random) * 60)
                }
            )
        }
        try await withTestDatabase { database, url in
            for (duration, steps) in histories {
                let ada = try await Person.register(database)
                let id = UUID.v7()
                try await ada.start(seconds: duration, id: id)
                let start = Timestamp(microseconds: 1_800_000_000_000_000)
                var model = FocusOracle(mode: .focus, durationSeconds: duration, at: start)
                var now = start
                for step in steps {
                    try await ada.pass(step.after, url)
                    now = now.advanced(bySeconds: step.after)
                    let told = try await act(ada, id, step)
                    let ruled = rule(&model, step, now)
                    #expect(told == ruled, "seed \(seed): \(steps)")
                }
                _ = try await ada.focus.settle(ada.user.id)
                model.settle(at: now, expirySeconds: 3_600)
                try await compare(try #require(try await ada.session(id)), model, now, seed)
            }
        }
    }

    /// nil: done; else the refusal's code.
    private func act(_ ada: Person, _ id: UUID, _ step: Step) async throws -> String? {
        let applied =
            switch step.verb {
            case 0: try await ada.abandon(id)
            case 1: try await ada.complete(id)
            case 2...4: try await ada.pause(id, age: step.age * 1_000)
            default: try await ada.resume(id, age: step.age * 1_000)
            }
        return applied.outcome.problem?.code
    }

    private func rule(_ model: inout FocusOracle, _ step: Step, _ now: Timestamp) -> String? {
        model.settle(at: now, expirySeconds: 3_600)
        defer { model.settle(at: now, expirySeconds: 3_600) }
        do throws(FocusRefusal) {
            switch step.verb {
            case 0: try model.abandon(at: now)
            case 1: try model.complete(at: now)
            case _ where !model.isLive: return "already_ended"
            case 2...4: try model.pause(at: now, age: step.age * 1_000_000)
            default: try model.resume(at: now, age: step.age * 1_000_000)
            }
            return nil
        } catch {
            return error.problem.code
        }
    }

    private func compare(_ session: JSON, _ model: FocusOracle, _ now: Timestamp, _ seed: UInt64) async throws {
        let status =
            switch model.state {
            case .active: "active"
            case .paused: "paused"
            case .completed: "completed"
            case .abandoned: "abandoned"
            case .expired: "expired"
            }
        #expect(session["status"]?.string == status, "seed \(seed)")
        let remaining = try #require(session["remaining_seconds"]?.integer)
        #expect(abs(remaining - model.remaining(at: now) / 1_000_000) <= 5, "seed \(seed)")
        #expect(abs(try #require(session["paused_seconds"]?.integer) - model.paused / 1_000_000) <= 5, "seed \(seed)")
        #expect(session["pause_count"]?.integer == Int64(model.pauseCount), "seed \(seed)")
        #expect(session["coins_awarded"]?.integer == model.coins, "seed \(seed)")
        let focused = try #require(session["duration_seconds"]?.integer) - remaining
        #expect(focused >= 0 && focused <= (now.microseconds - model.startedAt.microseconds) / 1_000_000 + 5)
    }

    @Test("Days are the user's: one with 23 and one with 25 hours hold what was completed between their midnights")
    func daylightSaving() async throws {
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        let zone = try #require(TimeZoneName("Europe/Berlin"))
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = berlin
        var transitions: [Date] = []
        var from = Date.now.addingTimeInterval(-360 * 86_400)
        while transitions.count < 2, let next = berlin.nextDaylightSavingTimeTransition(after: from) {
            transitions.append(next)
            from = next
        }
        let hours = try transitions.map { day in
            try #require(calendar.dateInterval(of: .day, for: day)).duration / 3_600
        }
        #expect(hours.sorted() == [23, 25])
        let days = transitions.map { $0.formatted(Date.ISO8601FormatStyle(timeZone: berlin).year().month().day()) }
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            for day in days {
                for (offset, times) in [(-1, ["23:50"]), (0, ["00:10", "01:30", "23:50"]), (1, ["00:10"])] {
                    for time in times {
                        try await insert(
                            ada, "(date '\(day)' + \(offset) + time '\(time)') AT TIME ZONE 'Europe/Berlin'", url)
                    }
                }
            }
            let found = try await ada.focus.statistics(of: ada.user.id, days: 366, zone: zone)
            #expect(found.perDay.count == 366)
            for day in days {
                let at = try #require(found.perDay.firstIndex { $0.date == day })
                #expect(found.perDay[(at - 1)...(at + 1)].map(\.sessions) == [1, 3, 1])
                #expect(found.perDay[at].focusSeconds == 4_500)
            }
            #expect(found.sessions == 10 && found.focusSeconds == 15_000 && found.coinsAwarded == 100)
            #expect(found.longestStreakDays == 3 && found.streakDays == 0)
            // The same sessions by another calendar: 23:50 in Berlin is 22:50 or 21:50 in UTC, and 00:10 the day before.
            let elsewhere = try await ada.focus.statistics(of: ada.user.id, days: 366, zone: TimeZoneName("UTC"))
            let at = try #require(elsewhere.perDay.firstIndex { $0.date == days[0] })
            #expect(elsewhere.perDay[(at - 1)...(at + 1)].map(\.sessions) != [1, 3, 1])
            // Nobody asks for a zone: the user's setting counts.
            try await ada.set("time_zone", .string("Europe/Berlin"))
            #expect(try await ada.focus.statistics(of: ada.user.id, days: 366, zone: nil) == found)
            // One that this PostgreSQL does not know, perhaps no longer, is UTC.
            try await PostgresSession.run(
                "UPDATE user_settings SET value = '\"Mars/Olympus\"' WHERE key = 'time_zone'", at: url)
            #expect(try await ada.focus.statistics(of: ada.user.id, days: 366, zone: nil) == elsewhere)
        }
    }

    @Test("A streak counts days in a row up to today, and stands while today has no session yet")
    func streaks() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let utc = TimeZoneName("UTC")
            for days in [1, 2, 3, 5, 6, 7, 8, 20] {
                try await insert(ada, "clock_timestamp() - make_interval(days => \(days))", url)
            }
            let before = try await ada.focus.statistics(of: ada.user.id, days: 4, zone: utc)
            #expect(before.streakDays == 3 && before.longestStreakDays == 4)
            #expect(before.perDay.map(\.sessions) == [1, 1, 1, 0])
            try await insert(ada, "clock_timestamp()", url)
            try await insert(ada, "clock_timestamp()", url)
            let after = try await ada.focus.statistics(of: ada.user.id, days: 1, zone: utc)
            #expect(after.streakDays == 4 && after.perDay.map(\.sessions) == [2])
            // Breaks, and what was given up, are no focus.
            let ben = try await Person.register(database)
            try await ben.start(.shortBreak, seconds: 60)
            try await ben.pass(100, url)
            let given = UUID.v7()
            try await ben.start(id: given)
            try await ben.abandon(given)
            let none = try await ben.focus.statistics(of: ben.user.id, days: 3, zone: utc)
            #expect(none.perDay.map(\.sessions) == [0, 0, 0] && none.streakDays == 0 && none.longestStreakDays == 0)
        }
    }

    private func insert(_ person: Person, _ completed: String, _ url: String) async throws {
        try await PostgresSession.run(
            """
            INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at,
                remaining_seconds, coins_awarded, completed_at, version)
            SELECT '\(person.user.id.text)', gen_random_uuid(), 'focus', 'completed', 1500, t - interval '25 minutes', t,
                0, 10, t, 1 FROM (SELECT \(completed)) AS c (t)
            """, at: url)
    }
}
