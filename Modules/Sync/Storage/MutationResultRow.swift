package import API
package import FoundationEssentials
package import Persistence

/// What `mutate` of sync.sql returns, and all that do a part of its work (the type `mutation_result`), read into what the house
/// calls it.
package struct MutationResultRow {
    /// Of a function aliased `r`.
    package static let columns: StaticString = """
        r.status, r.version, r.previous, r.head, r.replayed, r.document, r.problem, r.output, r.changed, r.shared
        """

    package let status: String
    package let version: Version?
    package let previous: Version
    package let head: Version
    package let replayed: Bool
    package let document: RawJSON?
    package let problem: RawJSON?
    package let output: RawJSON?
    /// What changed, each at its version; with a nil value what was deleted.
    package let documents: [Document]
    package let shared: Version?

    package init(_ row: Row) throws {
        status = try row.decode("status")
        version = try row.decode("version", as: Version?.self)
        previous = try row.decode("previous", as: Version?.self) ?? 0
        head = try row.decode("head", as: Version?.self) ?? 0
        replayed = try row.decode("replayed")
        document = try row.decode("document", as: RawJSON?.self)
        problem = try row.decode("problem", as: RawJSON?.self)
        output = try row.decode("output", as: RawJSON?.self)
        documents = try (row.decode("changed", as: [Record]?.self) ?? []).map { try Document(changed: $0) }
        shared = try row.decode("shared", as: Version?.self)
    }
}

extension MutationResultRow {
    /// The step of this user's sequence, if there was one.
    package func change(of user: UUID, by mutations: [UUID]) -> Change? {
        guard head > previous else { return nil }
        return Change(user: user, previous: previous, version: head, documents: documents, mutationIDs: mutations)
    }
}

extension Mutation.Precondition {
    /// As the functions take them: -1 for any.
    package var versions: [Version] {
        switch self {
        case .exists: [-1]
        case .versions(let versions): versions
        }
    }
}

extension PostgresSync {
    /// Carries a mutation out once, by the database's function of its name (`habits.set` by `habits_set`): one statement, in one
    /// transaction.
    /// - Parameters:
    ///   - args: as that function takes them.
    ///   - refused: why it will not be carried out, known beforehand; that is kept as its answer, unless it has one.
    ///   - idTaken: constraints that say that the id has been used: an answer is forgotten after a while, what it was about is not.
    ///   - refusal: the problem of a code that the function refused by.
    package func mutate(
        _ signed: SignedMutation, _ args: RawJSON, refused: Problem? = nil, idTaken: [String] = [],
        refusal: (String, JSON) -> Problem? = { _, _ in nil }
    ) async throws -> Applied {
        let call = MutationCall(signed: signed, args: args, refused: refused)
        if let together = signed.together {
            return try applied(signed, try await together.ask(call, of: database), refusal: refusal)
        }
        let rows: Rows
        do {
            rows = try await database.answering { try await $0.write(for: signed.user, call.statement) }
        } catch let error as DatabaseError where error.constraint.map(idTaken.contains) == true {
            throw Problem.keyReused
        }
        return try applied(signed, rows, refusal: refusal)
    }

    /// The outcome and the change that a row of `mutation_result` says.
    package func applied(
        _ signed: SignedMutation, _ rows: Rows, refusal: (String, JSON) -> Problem? = { _, _ in nil }
    ) throws -> Applied {
        guard let first = rows.first else { throw Problem.unauthenticated }
        return try applied(signed, first, refusal: refusal)
    }

    private func applied(
        _ signed: SignedMutation, _ row: Row, refusal: (String, JSON) -> Problem?
    ) throws -> Applied {
        let row = try MutationResultRow(row)
        switch row.status {
        case "gone": throw Problem.unauthenticated
        case "reused":
            return Applied(outcome: Outcome(status: .rejected, problem: .keyReused, head: row.head))
        case "full":
            let problem = try row.problem.map { stored in
                Problem.storageFull(try JSON(parsing: stored.utf8, deepest: 8), of: rooms)
            }
            return Applied(outcome: Outcome(status: .rejected, problem: problem, head: row.head))
        case "forgotten":
            return Applied(outcome: Outcome(status: .applied, replayed: true, head: row.head))
        default: break
        }
        guard let status = Outcome.Status(rawValue: row.status) else { throw Problem.internalError }
        let outcome = Outcome(
            status: status, version: row.version == 0 ? nil : row.version,
            document: try row.document.flatMap { try Document(stored: $0) },
            problem: try row.problem.flatMap { try Self.problem($0, refusal) }, output: row.output,
            replayed: row.replayed, head: row.head)
        let change = row.change(of: signed.user, by: [signed.mutation.id])
        return Applied(outcome: outcome, change: change, shared: row.replayed ? nil : row.shared)
    }

    private static func problem(_ stored: RawJSON, _ refusal: (String, JSON) -> Problem?) throws -> Problem {
        let json = try JSON(parsing: stored.utf8, deepest: 64)
        if let whole = Problem(json: json) { return whole }
        guard let code = json["code"]?.string else { return .internalError }
        return code == "device_forked" ? .deviceForked : refusal(code, json) ?? .internalError
    }
}

extension Document {
    /// A value of the type `document`.
    fileprivate init(changed record: Record) throws {
        self.init(
            collection: try record.decode(0), id: try record.decode(1), value: try record.decode(3, as: RawJSON?.self),
            version: try record.decode(2))
    }

    /// One that a function stored with an answer: {collection, id, value, version}.
    init?(stored: RawJSON) throws {
        let json = try JSON(parsing: stored.utf8, deepest: 64)
        guard let collection = json["collection"]?.string, let id = json["id"]?.string,
            let version = json["version"]?.integer
        else { return nil }
        let value = json["value"].flatMap { $0 == .null ? nil : RawJSON($0) }
        self.init(collection: collection, id: id, value: value, version: version)
    }
}

extension Result<Rows, DatabaseError> {
    /// What it holds.
    /// - Throws: `Problem.unavailable` where the database is away or has no room; else the error.
    package func answered() throws -> Rows {
        switch self {
        case .success(let rows): return rows
        case .failure(let error):
            if error.isUnavailable, error.kind != .lost { throw Problem.unavailable() }
            throw error
        }
    }
}

extension Database {
    /// Runs `body`, saying what it failed with in the words of the edge: a database that is away or has no room is 503,
    /// a number out of its range and a NUL character 422; anything else is a fault of ours and goes on as it is, to the log.
    package func answering<Value>(_ body: (Database) async throws -> Value) async throws -> Value {
        do {
            return try await body(self)
        } catch let error as DatabaseError where error.isUnavailable {
            throw Problem.unavailable()
        } catch let error as DatabaseError where error.constraint == "sync_conflicts_pkey" {
            // The answer under this id was forgotten after 30 days, the change that was lost under it is kept for 90.
            throw Problem.keyReused
        } catch let error as DatabaseError where error.sqlState == "22003" {
            throw Problem.invalidBody("A number is larger than can be kept.")
        } catch let error as DatabaseError where error.sqlState == "22021" {
            throw Problem.invalidBody("A NUL character cannot be kept.")
        }
    }
}
