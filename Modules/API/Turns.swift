import Synchronization

/// Lets those with the same key do what is large so many at a time, or so much, in the order in which they came. So what one
/// account asks for by many doors takes little of what is there for all, and waits for itself.
package final class Turns<Key: Hashable & Sendable>: Sendable {
    private typealias Waiter = CheckedContinuation<Void, any Error>

    private struct Line {
        var running = 0
        var waiting: [(weight: Int, waiter: Waiter)] = []
    }

    private let most: Int
    private let lines = Mutex<[Key: Line]>([:])

    package init(most: Int) {
        self.most = most
    }

    /// How many wait.
    package var waiters: Int { lines.withLock { $0.values.reduce(0) { $0 + $1.waiting.count } } }

    /// - Parameter weight: how much of `most` it takes; what is heavier than that goes alone.
    /// - Throws: what `work` throws; CancellationError where the caller is gone by the time that its turn comes; 503 as soon as one
    ///   before it was told so: it would wait for the database as long again.
    package func take<Value>(_ key: Key, weight: Int = 1, _ work: () async throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { (waiter: Waiter) in
            let isFree = lines.withLock { lines in
                let line = lines[key, default: Line()]
                if line.waiting.isEmpty, fits(weight, line) {
                    lines[key, default: Line()].running += weight
                    return true
                }
                lines[key]?.waiting.append((weight, waiter))
                return false
            }
            if isFree { waiter.resume() }
        }
        defer { leave(key, weight) }
        try Task.checkCancellation()
        do {
            return try await work()
        } catch let problem as Problem where problem.status == 503 {
            for waiter in empty(key) { waiter.resume(throwing: problem) }
            throw problem
        }
    }

    private func empty(_ key: Key) -> [Waiter] {
        lines.withLock { lines in
            defer { lines[key]?.waiting = [] }
            return lines[key]?.waiting.map(\.waiter) ?? []
        }
    }

    private func fits(_ weight: Int, _ line: Line) -> Bool { line.running == 0 || line.running + weight <= most }

    /// Hands the turn on to those who have waited longest.
    private func leave(_ key: Key, _ weight: Int) {
        let next = lines.withLock { lines -> [Waiter] in
            guard var line = lines[key] else { return [] }
            var next: [Waiter] = []
            line.running -= weight
            while let first = line.waiting.first, fits(first.weight, line) {
                line.running += first.weight
                next.append(line.waiting.removeFirst().waiter)
            }
            lines[key] = line.running == 0 ? nil : line
            return next
        }
        for waiter in next { waiter.resume() }
    }
}
