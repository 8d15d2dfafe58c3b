import API
import FoundationEssentials
import Sync

/// The row that every mutation's function returns (the type `mutation_result`), read into what the house calls it.
struct MutationResultRow {
    /// Of a function aliased `r`.
    static let columns: StaticString =
        "r.status, r.version, r.previous, r.head, r.replayed, r.document, r.problem, r.output, r.changed, r.shared"

    let status: String
    let version: Version?
    let previous: Version
    let head: Version
    let replayed: Bool
    let document: RawJSON?
    let problem: RawJSON?
    let output: RawJSON?
    let changed: [String?]
    let shared: Version?

    init(_ row: Row) throws {
        status = try row.decode("status")
        version = try row.decode("version", as: Version?.self)
        previous = try row.decode("previous", as: Version?.self) ?? 0
        head = try row.decode("head", as: Version?.self) ?? 0
        replayed = try row.decode("replayed")
        document = try row.decode("document", as: RawJSON?.self)
        problem = try row.decode("problem", as: RawJSON?.self)
        output = try row.decode("output", as: RawJSON?.self)
        changed = try row.decode("changed", as: [String?]?.self) ?? []
        shared = try row.decode("shared", as: Version?.self)
    }

    /// What `changed` holds when a function wrote whole documents: collection, id and value of each, at the new head.
    var documents: [Document] {
        stride(from: 0, to: changed.count - changed.count % 3, by: 3).compactMap { at in
            guard let collection = changed[at], let id = changed[at + 1] else { return nil }
            let value = changed[at + 2].map { RawJSON(utf8: Array($0.utf8)) }
            return Document(collection: collection, id: id, value: value, version: head)
        }
    }
}

extension MutationResultRow {
    /// The step of this user's sequence, if there was one.
    func change(of user: UUID, documents: [Document], by mutations: [UUID]) -> Change? {
        guard head > previous else { return nil }
        return Change(user: user, previous: previous, version: head, documents: documents, mutationIDs: mutations)
    }
}

extension SignedMutation {
    /// What every mutation's function takes first.
    var arguments: SQL {
        "\(user), \(device), \(mutation.id), \(mutation.sequence), \(mutation.name), \(fingerprint)"
    }
}

extension Mutation.Precondition {
    /// As the functions take it: -1 for any version.
    var version: Version {
        switch self {
        case .exists: -1
        case .version(let version): version
        }
    }
}

/// Why an id that came with this request cannot be answered with what is kept under it.
extension Problem {
    static let keyReused = Problem(
        422, "idempotency_key_reused", "This key belongs to another request",
        detail: "An Idempotency-Key (or a mutation's id) names one request for ever; make a new one for a new request.")

    static let deviceForked = Problem(
        409, "device_forked", "Another copy of this device has sent this seq",
        detail:
            "Two copies of one device count apart; sign in anew without a device id and send it again with a new id.")
}

extension PostgresSync {
    /// Turns the returned row into the outcome and the change; `documents` makes those that changed of the row,
    /// `refusal` the problem of a code that the feature's function stored.
    func settle(
        _ signed: SignedMutation, _ rows: Rows, refusal: (String, JSON) -> Problem? = { _, _ in nil },
        documents: (MutationResultRow) -> [Document] = \.documents
    ) async throws -> Applied {
        guard let first = rows.first else { throw Problem.internalError }
        let row = try MutationResultRow(first)
        switch row.status {
        case "gone": throw Problem.unauthenticated
        case "reused":
            return Applied(outcome: Outcome(status: .rejected, problem: .keyReused, head: row.head))
        case "forgotten":
            return Applied(outcome: Outcome(status: .applied, replayed: true, head: row.head))
        case "forked":
            let m = signed.mutation
            let unnumbered = SignedMutation(
                mutation: Mutation(id: m.id, name: m.name, args: m.args), user: signed.user, device: signed.device,
                fingerprint: signed.fingerprint)
            return Applied(outcome: try await refuse(unnumbered, .deviceForked))
        default: break
        }
        guard let status = Outcome.Status(rawValue: row.status) else { throw Problem.internalError }
        let outcome = Outcome(
            status: status, version: row.version == 0 ? nil : row.version,
            document: try row.document.flatMap { try Document(stored: $0) },
            problem: try row.problem.flatMap { try Self.problem($0, refusal) }, output: row.output,
            replayed: row.replayed, head: row.head)
        let change = row.change(of: signed.user, documents: documents(row), by: [signed.mutation.id])
        return Applied(outcome: outcome, change: change, shared: row.replayed ? nil : row.shared)
    }

    private static func problem(_ stored: RawJSON, _ refusal: (String, JSON) -> Problem?) throws -> Problem {
        let json = try JSON(parsing: stored.utf8, deepest: 64)
        if let whole = Problem(json: json) { return whole }
        return json["code"]?.string.flatMap { refusal($0, json) } ?? .internalError
    }
}

extension Document {
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

extension Database {
    /// Runs `body`, saying what it failed with in the words of the edge: a database that is away or has no room is 503,
    /// a number out of its range and a NUL character 422; anything else is a fault of ours and goes on as it is, to the log.
    func answering<Value>(_ body: (Database) async throws -> Value) async throws -> Value {
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
