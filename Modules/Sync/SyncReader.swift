package import API
package import FoundationEssentials

/// Answers "what is new since my cursor?" for every transport alike: nothing, changes, or everything anew.
package struct SyncReader: Sendable {
    private let repository: any SyncRepository
    private let polls: LongPolls
    private let clock: ServerClock
    private let reads = SharedReads<Question, Pull>()
    /// Of users, for documents, which may be megabytes: from however many cursors an account asks, one such answer is read and
    /// written at a time.
    private let turns = Turns<UUID>(most: 1)
    /// The same for all documents, which are as large the next time.
    private let snapshots = AnswerTurns()
    private let unsent: UnsentBudget

    private struct Question: Hashable {
        let user: UUID
        /// In which they ask: who was signed out gets nothing that another session read.
        let session: UUID?
        let cursor: Cursor?
    }

    package init(repository: any SyncRepository, polls: LongPolls, clock: ServerClock, unsent: UnsentBudget) {
        self.repository = repository
        self.polls = polls
        self.clock = clock
        self.unsent = unsent
    }

    /// What `user` has to apply at `cursor` to be where the database is: an empty pull when it is there already, a
    /// reset when the cursor is nil, of another epoch, below a floor or above a head. A cursor costs one statement when
    /// nothing changed; one more reads the documents. Who asks the same while it is being read shares the next answer.
    /// - Parameter caller: who asks; where their session has ended, this throws 401. nil: they were asked before.
    package func pull(user: UUID, asking caller: Caller? = nil, since cursor: Cursor?) async throws -> Pull {
        let question = Question(user: user, session: caller?.session, cursor: cursor)
        return try await reads.read(question) { try await read(question, caller) }
    }

    private func read(_ question: Question, _ caller: Caller?) async throws -> Pull {
        let user = question.user
        guard let cursor = question.cursor else { return try await everything(user, caller) }
        let heads = try await repository.heads(of: user, asking: caller)
        clock.observe(heads.time)
        guard heads.continues(cursor) else { return try await everything(user, caller) }
        if heads.place == cursor.place {
            return Pull(previous: cursor, cursor: cursor, reset: false, documents: [], time: heads.time, due: heads.due)
        }
        let changes = try await turns.take(user) { () -> Pull? in
            let (current, documents) = try await repository.documents(of: user, asking: caller, beyond: cursor.place)
            guard current.continues(cursor) else { return nil }
            return Pull(
                previous: cursor, cursor: current.cursor, reset: false, documents: documents, time: current.time,
                due: current.due)
        }
        if let changes { return changes }
        return try await everything(user, caller)
    }

    /// Whether nothing is new at `cursor`, without a task; nil: that is not so, or not known, and `pull` says what is.
    func nothing(
        for caller: Caller, since cursor: Cursor,
        then: @escaping @Sendable (@escaping @Sendable () throws -> Pull?) -> Void
    ) {
        repository.heads(of: caller.user, asking: caller) { found in
            then {
                let heads = try found()
                clock.observe(heads.time)
                guard heads.continues(cursor), heads.place == cursor.place else { return nil }
                return Pull(
                    previous: cursor, cursor: cursor, reset: false, documents: [], time: heads.time, due: heads.due)
            }
        }
    }

    /// The same, but held back for up to `limit` while there is nothing new; who is signed out meanwhile gets 401.
    package func pull(for caller: Caller, since cursor: Cursor, waitingUpTo limit: Duration) async throws -> Pull {
        let found = try await polls.wait(user: caller.user, beyond: cursor.place, limit: limit) { () -> Pull? in
            let pull = try await self.pull(user: caller.user, asking: caller, since: cursor)
            return pull.isEmpty ? nil : pull
        }
        // "Nothing" is said by the heads as they are in the end, and with what is due next.
        if let found { return found }
        return try await pull(user: caller.user, asking: caller, since: cursor)
    }

    private func everything(_ user: UUID, _ caller: Caller?) async throws -> Pull {
        try await snapshots.take(user, size: { $0.documents.utf8.count }) {
            try unsent.checkRoom(for: user)
            let (heads, documents) = try await repository.documents(
                of: user, asking: caller, beyond: nil)
            clock.observe(heads.time)
            return Pull(
                previous: nil, cursor: heads.cursor, reset: true, documents: documents, time: heads.time,
                due: heads.due)
        }
    }
}
