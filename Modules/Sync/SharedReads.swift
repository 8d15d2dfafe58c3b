import Synchronization

/// Reads a thing once for all who ask for it while a read of it is under way: they share the next one, because the one under
/// way may have begun before what they have heard of was written. So many devices of a user, or one that asks without end, cost
/// two reads and not as many as they are.
final class SharedReads<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private enum Turn {
        /// Read, and hand on what was found to these.
        case read(for: [Waiter])
        case found(Result<Value, any Error>)
    }

    private typealias Waiter = CheckedContinuation<Turn, Never>

    /// Those who wait behind the read under way, by what they wait for.
    private let waiting = Mutex<[Key: [Waiter]]>([:])

    /// How many wait behind reads under way.
    var waiters: Int { waiting.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    func read(_ key: Key, _ look: () async throws -> Value) async throws -> Value {
        var followers: [Waiter] = []
        if waiting.withLock({ enter(key, &$0) }) {
            switch await withCheckedContinuation({ wait(for: key, $0) }) {
            case .read(let others): followers = others
            case .found(let result): return try result.get()
            }
        }
        let result: Result<Value, any Error>
        do {
            result = .success(try await look())
        } catch {
            result = .failure(error)
        }
        leave(key, result, followers)
        return try result.get()
    }

    /// Whether there is a read under way; if not, there is now.
    private func enter(_ key: Key, _ waiting: inout [Key: [Waiter]]) -> Bool {
        if waiting[key] != nil { return true }
        waiting[key] = []
        return false
    }

    private func wait(for key: Key, _ waiter: Waiter) {
        let isFirst = waiting.withLock { waiting in
            guard waiting[key] != nil else {
                // It ended in between.
                waiting[key] = []
                return true
            }
            waiting[key]?.append(waiter)
            return false
        }
        if isFirst { waiter.resume(returning: .read(for: [])) }
    }

    private func leave(_ key: Key, _ result: Result<Value, any Error>, _ followers: [Waiter]) {
        let (left, next) = waiting.withLock { waiting -> ([Waiter], [Waiter]) in
            var next = waiting[key] ?? []
            var left = followers
            if case .failure = result {
                if Task.isCancelled {
                    // Who read has left in the middle; that is no answer for the others, in whatever words it was said.
                    next = followers + next
                    left = []
                } else {
                    // What failed just now is not waited for once more: the database may be away.
                    left += next
                    next = []
                }
            }
            waiting[key] = next.isEmpty ? nil : []
            return (left, next)
        }
        next.first?.resume(returning: .read(for: Array(next.dropFirst())))
        for waiter in left { waiter.resume(returning: .found(result)) }
    }
}
