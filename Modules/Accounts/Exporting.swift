import API
import FoundationEssentials
import Synchronization

/// Whose exports are under way at this process, until they were sent or their readers left: one a user, and so many in all.
final class Exporting: Sendable {
    /// Given back when nothing holds it any more, so that no way out forgets to.
    final class Place: Sendable {
        private let user: UUID
        private let exporting: Exporting
        fileprivate let number: Int

        fileprivate init(_ user: UUID, _ exporting: Exporting, _ number: Int) {
            self.user = user
            self.exporting = exporting
            self.number = number
        }

        /// Says that its reader is waited for from now on.
        /// - Throws: `CancellationError` when the place was given to another export meanwhile, as `took`.
        func offers() throws { try change { $0.waiting = $1 } }

        /// Says that they took so many bytes.
        func took(_ bytes: Int) throws { try change { $0.took(bytes, at: $1) } }

        private func change(_ body: (inout Export, ContinuousClock.Instant) -> Void) throws {
            let mine = exporting.state.withLock { state in
                guard var export = state.users[user], export.number == number else { return false }
                body(&export, exporting.now())
                state.users[user] = export
                return true
            }
            guard mine else { throw CancellationError() }
        }

        deinit {
            exporting.state.withLock { state in
                if state.users[user]?.number == number { state.users[user] = nil }
            }
        }
    }

    /// One of them. Its pace is that of its reader: only while they are waited for does its time run.
    fileprivate struct Export {
        let number: Int
        /// Ends the connection of a reader who takes too little.
        let end: @Sendable () -> Void
        var waiting: ContinuousClock.Instant?
        /// In the present window: how long they were waited for, and what they took.
        private var waited: Duration = .zero
        private var taken = 0
        /// In the window before; nobody is slow who was waited for less than for one.
        private var last = Double.infinity

        init(number: Int, end: @escaping @Sendable () -> Void) {
            self.number = number
            self.end = end
        }

        mutating func took(_ bytes: Int, at now: ContinuousClock.Instant) {
            waited += stillness(at: now)
            taken += bytes
            waiting = nil
            guard waited >= Exporting.window else { return }
            last = Double(taken) / (waited / .seconds(1))
            (waited, taken) = (.zero, 0)
        }

        /// How long nothing was taken.
        func stillness(at now: ContinuousClock.Instant) -> Duration { waiting.map { now - $0 } ?? .zero }

        /// In bytes a second.
        func pace(at now: ContinuousClock.Instant) -> Double {
            let still = stillness(at: now)
            if still >= Exporting.window { return 0 }
            let time = waited + still
            return time < Exporting.window ? last : Double(taken) / (time / .seconds(1))
        }
    }

    fileprivate struct State {
        var users: [UUID: Export] = [:]
        var given = 0
    }

    fileprivate static let window: Duration = .seconds(5)
    /// Who reads so many bytes a second keeps their place whoever wants it.
    private static let leastPace = 65_536.0
    private let most: Int
    private let state = Mutex(State())

    private let now: @Sendable () -> ContinuousClock.Instant

    init(most: Int, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.most = most
        self.now = now
    }

    /// One whose reader has not taken anything for some seconds gives way to the same user's next: they went away without a
    /// word, and ask again. Where all places are taken, the one that is read most slowly gives way to anybody's, if that is
    /// slow; while nobody wants its place, it may take as long as it likes.
    /// - Parameter end: ends the connection of the one that gives way.
    /// - Throws: 429 while the user's own is under way, 503 while there are too many.
    func enter(_ user: UUID, orEnd end: @escaping @Sendable () -> Void) throws(Problem) -> Place {
        let now = now()
        let entered = state.withLock { state -> Result<(number: Int, displaced: Export?), Problem> in
            var displaced = state.users[user]
            if let own = displaced {
                guard own.stillness(at: now) >= Self.window else {
                    let wait = Int(Self.window.components.seconds)
                    return .failure(.rateLimited("You are exporting this account already.", retryAfter: wait))
                }
            } else if state.users.count >= most {
                guard let slowest = state.slowest(at: now), slowest.pace < Self.leastPace else {
                    return .failure(.unavailable(retryAfter: 10))
                }
                displaced = state.users.removeValue(forKey: slowest.user)
            }
            state.given += 1
            state.users[user] = Export(number: state.given, end: end)
            return .success((state.given, displaced))
        }
        let (number, displaced) = try entered.get()
        displaced?.end()
        return Place(user, self, number)
    }
}

extension Exporting.State {
    /// Of those that stand still, the one that has done so longest.
    fileprivate func slowest(at now: ContinuousClock.Instant) -> (user: UUID, pace: Double)? {
        users.map { (user: $0, pace: $1.pace(at: now), stillness: $1.stillness(at: now)) }
            .min { ($0.pace, $1.stillness) < ($1.pace, $0.stillness) }
            .map { ($0.user, $0.pace) }
    }
}

/// Reads an export's pages; while the database is away for a moment it waits, for what was sent cannot be taken back.
struct ExportPages {
    let repository: any AccountsRepository
    let user: UUID

    func page(of table: String, from place: ExportPlace) async throws -> ExportPage {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            do {
                guard let page = try await repository.exportPage(of: user, table: table, from: place) else {
                    throw Problem.unauthenticated
                }
                return page
            } catch let problem as Problem where problem.status == 503 && .now < end {
                try await Task.sleep(for: .milliseconds(Int.random(in: 300...700)))
            }
        }
    }
}
