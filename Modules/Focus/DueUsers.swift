import FoundationEssentials

/// Who is due and is to be tried now, and with whom: rules without a clock and without a database.
///
/// Users are settled many at once. Whoever was passed by, because somebody else held them, and whoever failed is set aside
/// for a moment, in nobody's way; who failed is from then on tried alone.
struct DueUsers {
    typealias Instant = ContinuousClock.Instant

    /// What became of one who was tried.
    enum Fate {
        case settled
        /// Held by somebody, or settled by another process meanwhile: nobody knows.
        case passedBy
        case failed
        /// The database was away, or had not done the batch in its time: something of one of them, or the machine, holds it up.
        case notNow
    }

    /// How many are looked up at once, and how many are settled in one transaction: so many wait for one another.
    static let most = 10_000
    static let largestBatch = 200
    /// How soon one who was passed by, and one who failed, is tried again.
    static let soon: Duration = .milliseconds(100)
    static let later: Duration = .seconds(1)

    private struct Aside {
        var until: Instant
        var failed: Bool
    }

    private var aside: [UUID: Aside] = [:]

    /// How many to look up, so that nobody stands behind those that are set aside.
    var limit: Int { Self.most + aside.count }

    /// Whether somebody failed who was not settled since.
    var hasFailed: Bool { aside.values.contains { $0.failed } }

    /// Those to be tried now, of all who are due, each batch in one transaction. Several processes that found the same ones
    /// begin with different ones.
    mutating func batches(of due: [UUID], at now: Instant) -> [[UUID]] {
        var batches: [[UUID]] = []
        if !aside.isEmpty {
            // Who is not due any more was settled elsewhere.
            let due = Set(due)
            aside = aside.filter { due.contains($0.key) }
        }
        var rest: [UUID] = []
        for user in due {
            guard let known = aside[user] else {
                rest.append(user)
                continue
            }
            guard known.until <= now else { continue }
            if known.failed { batches.append([user]) } else { rest.append(user) }
        }
        rest.shuffle()
        for start in stride(from: 0, to: rest.count, by: Self.largestBatch) {
            batches.append(Array(rest[start..<min(rest.count, start + Self.largestBatch)]))
        }
        return batches
    }

    mutating func note(_ user: UUID, _ fate: Fate, at now: Instant) {
        switch fate {
        case .settled: aside[user] = nil
        case .passedBy: aside[user] = Aside(until: now + Self.soon, failed: aside[user]?.failed == true)
        case .failed, .notNow: aside[user] = Aside(until: now + Self.later, failed: true)
        }
    }

    /// How long until somebody who is set aside is tried again; nil: nobody is.
    func pause(at now: Instant) -> Duration? {
        aside.values.map(\.until).min().map { max(.zero, now.duration(to: $0)) }
    }
}
