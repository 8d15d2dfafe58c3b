import API
import Synchronization

/// Who bore which token moments ago: so that a request need not ask the database apart from what it asks anyway. It lets nobody
/// in. Who is found here is a claimant (`EdgeContext.claimant`), whose session the request's own statement holds to it; what is
/// counted, queued and locked for them before that is so for somebody who was proven within `remembered`
/// (docs/decisions/0041). In this process's memory, bounded.
final class RecentCallers: Sendable {
    static let remembered = Duration.seconds(120)

    private struct Entry {
        let caller: Caller
        let until: ContinuousClock.Instant
    }

    /// Two generations: when the younger is full it becomes the older, whose rest is forgotten. Who asks meanwhile goes over.
    private struct State {
        var younger: [[UInt8]: Entry] = [:]
        var older: [[UInt8]: Entry] = [:]
    }

    /// Of a generation.
    private let most: Int
    private let state = Mutex(State())

    init(most: Int = 10_000) {
        self.most = most
    }

    /// How many are remembered at most.
    var count: Int { state.withLock { $0.younger.count + $0.older.count } }

    func caller(bearing token: SessionToken, now: ContinuousClock.Instant = .now) -> Caller? {
        state.withLock { state in
            if let entry = state.younger[token.hash] { return entry.until > now ? entry.caller : nil }
            guard let entry = state.older[token.hash], entry.until > now else { return nil }
            keep(entry, token.hash, &state)
            return entry.caller
        }
    }

    func remember(_ caller: Caller, bearing token: SessionToken, now: ContinuousClock.Instant = .now) {
        state.withLock { keep(Entry(caller: caller, until: now + Self.remembered), token.hash, &$0) }
    }

    func forget(_ token: SessionToken) {
        state.withLock { state in
            state.younger[token.hash] = nil
            state.older[token.hash] = nil
        }
    }

    private func keep(_ entry: Entry, _ hash: [UInt8], _ state: inout State) {
        if state.younger.count >= most, state.younger[hash] == nil {
            state.older = state.younger
            state.younger = [:]
        }
        state.younger[hash] = entry
    }
}
