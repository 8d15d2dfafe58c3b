import FoundationEssentials

/// Who is due and is to be tried now, and with whom: rules without a clock and without a database.
///
/// Users are settled many at once. Whoever was passed by, because somebody else held them, and whoever failed is set aside
/// for a moment, in nobody's way; who failed is from then on tried alone. Where the database refuses or a batch takes too long, the
/// next ones are smaller, until one is carried out.
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
    /// So many batches, then who is due is looked up anew.
    static let mostBatches = 64
    /// How soon one who was passed by, and one who failed, is tried again.
    static let soon: Duration = .milliseconds(100)
    static let later: Duration = .seconds(1)

    private struct Aside {
        var until: Instant
        /// It was this one alone.
        var failed: Bool
        var wasRefused = false
    }

    private var aside: [UUID: Aside] = [:]
    private(set) var batchSize = DueUsers.largestBatch

    /// How many to look up, so that nobody stands behind those that are set aside.
    var limit: Int { Self.most + aside.count }

    /// Whether somebody failed, or was refused, who was not settled since.
    var hasFailed: Bool { aside.values.contains { $0.failed || $0.wasRefused } }

    /// Those to be tried now, of all who are due, each batch in one transaction. Several processes that found the same ones
    /// begin with different ones.
    mutating func batches(of due: [UUID], at now: Instant) -> [[UUID]] {
        if !aside.isEmpty {
            // Who is not due any more was settled elsewhere.
            let due = Set(due)
            aside = aside.filter { due.contains($0.key) }
        }
        var rest: [UUID] = []
        var alone: [[UUID]] = []
        for user in due {
            guard let known = aside[user] else {
                rest.append(user)
                continue
            }
            guard known.until <= now else { continue }
            if known.failed { alone.append([user]) } else { rest.append(user) }
        }
        rest.shuffle()
        let together = stride(from: 0, to: rest.count, by: batchSize).map { start in
            Array(rest[start..<min(rest.count, start + batchSize)])
        }
        // Nobody waits behind those who failed.
        return Array((together + alone).prefix(Self.mostBatches))
    }

    /// What became of a whole batch: whether the database took it.
    mutating func noteBatch(wasTaken: Bool) {
        batchSize = wasTaken ? min(Self.largestBatch, batchSize * 2) : max(1, batchSize / 2)
    }

    mutating func note(_ user: UUID, _ fate: Fate, at now: Instant) {
        switch fate {
        case .settled: aside[user] = nil
        case .passedBy: aside[user] = Aside(until: now + Self.soon, failed: aside[user]?.failed == true)
        case .failed: aside[user] = Aside(until: now + Self.later, failed: true)
        case .notNow:
            let isAlone = batchSize == 1 || aside[user]?.failed == true
            aside[user] = Aside(until: now + Self.later, failed: isAlone, wasRefused: true)
        }
    }

    /// How long until somebody who is set aside is tried again; nil: nobody is.
    func pause(at now: Instant) -> Duration? {
        aside.values.map(\.until).min().map { max(.zero, now.duration(to: $0)) }
    }
}
