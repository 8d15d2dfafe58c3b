import API
import FoundationEssentials
import Persistence
import Synchronization

/// Mutations of one push that share a transaction: each says what it asks of `mutate`, and waits until all have; then one
/// statement carries them out in their order (`mutate_each` of sync.sql). All or none: where one cannot be asked, or the
/// statement fails, every one of them is told so, and nothing of them has happened, as far as is known.
package final class PushedTogether: Sendable {
    /// It is not known to have happened: each is to be tried by itself.
    struct Broken: Error {}

    /// One of them, which its repository hands on.
    package struct Place: Sendable {
        let together: PushedTogether
        let number: Int
    }

    private struct State {
        /// Those that have neither asked nor ended.
        var awaited: Set<Int>
        var asked: [Int: (call: MutationCall, continuation: CheckedContinuation<Row, any Error>)] = [:]
        var isBroken = false
        /// Sent, or given up: who asks now is too late.
        var isClosed = false
    }

    private let state: Mutex<State>
    private let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self)
    private let database: Mutex<Database?> = .init(nil)

    init(count: Int) {
        state = Mutex(State(awaited: Set(0..<count)))
    }

    var isBroken: Bool { state.withLock { $0.isBroken } }

    func place(_ number: Int) -> Place { Place(together: self, number: number) }

    /// What became of this one: its row of `mutation_result`.
    fileprivate func ask(_ number: Int, _ call: MutationCall, of database: Database) async throws -> Row {
        self.database.withLock { $0 = database }
        return try await withCheckedThrowingContinuation { continuation in
            let isTaken = arrived(number) { $0.asked[number] = (call, continuation) }
            // Once: what it got for an answer is not put into words by asking again.
            if !isTaken { continuation.resume(throwing: Broken()) }
        }
    }

    /// It has ended, asked or not. Behind one that could not be asked none may happen.
    func leave(_ number: Int, failed: Bool) {
        _ = arrived(number) { if failed { $0.isBroken = true } }
    }

    /// - Parameter note: is called where nothing has been heard of this one before.
    /// - Returns: whether it was.
    private func arrived(_ number: Int, _ note: (inout State) -> Void) -> Bool {
        let (isTaken, isLast) = state.withLock { state in
            guard !state.isClosed, state.awaited.remove(number) != nil else { return (false, false) }
            note(&state)
            return (true, state.awaited.isEmpty)
        }
        if isLast { arrival.finish() }
        return isTaken
    }

    /// Waits until all have asked, or ended, and has them carried out.
    func carryOut() async {
        for await _ in arrivals {}
        let state = state.withLock { state in
            // Whoever pushed has gone.
            if !state.awaited.isEmpty { state.isBroken = true }
            state.isClosed = true
            return state
        }
        let all = state.asked.sorted { $0.key < $1.key }.map(\.value)
        guard let first = all.first, let database = database.withLock(\.self) else { return }
        do {
            if state.isBroken { throw Broken() }
            let rows = try await database.write(
                for: first.call.signed.user, MutationCall.statement(all.map(\.call)))
            guard rows.count == all.count else { throw Broken() }
            for (row, one) in zip(rows, all) { one.continuation.resume(returning: row) }
        } catch let error as DatabaseError where error.isUnavailable && error.sqlState != "57014" {
            // To try each by itself would take as long once more. What took too long together may not take too long alone.
            for one in all { one.continuation.resume(throwing: Problem.unavailable()) }
        } catch {
            self.state.withLock { $0.isBroken = true }
            for one in all { one.continuation.resume(throwing: Broken()) }
        }
    }
}

extension PushedTogether.Place {
    func ask(_ call: MutationCall, of database: Database) async throws -> Row {
        try await together.ask(number, call, of: database)
    }
}

/// A call of `mutate`.
struct MutationCall: Sendable {
    let signed: SignedMutation
    let args: RawJSON
    let refused: Problem?

    var statement: SQL {
        let m = signed.mutation
        return """
            SELECT \(raw: MutationResultRow.columns) FROM mutate(\(signed.session), \(signed.user), \
            \(signed.device), \(m.id), \(m.sequence), \(m.name), \(signed.fingerprint), \(args), \
            \(m.baseVersion), \(m.precondition?.versions), \(m.ageMilliseconds), \
            \(refused.map { RawJSON($0.json()) })) AS r
            """
    }

    /// The same of several that one session asks for, none of them with a precondition.
    static func statement(_ all: [MutationCall]) -> SQL {
        guard let signed = all.first?.signed else { return "" }
        let mutations = all.map(\.signed.mutation)
        return """
            SELECT \(raw: MutationResultRow.columns) FROM mutate_each(\(signed.session), \(signed.user), \
            \(signed.device), \(mutations.map(\.id)), \(mutations.map(\.sequence)), \(mutations.map(\.name)), \
            \(all.map { BytesElement(bytes: $0.signed.fingerprint) }), \(all.map(\.args)), \
            \(mutations.map(\.baseVersion)), \(mutations.map(\.ageMilliseconds)), \
            \(all.map { $0.refused.map { RawJSON($0.json()) } })) AS r
            """
    }
}
