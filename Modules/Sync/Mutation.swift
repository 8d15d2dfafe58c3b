package import API
package import FoundationEssentials

/// One change that a client asks for, whichever door it came through. Its `id` makes it happen once.
package struct Mutation: Sendable {
    package let id: UUID
    package let name: String
    package let args: JSON
    /// The version of the document that the client had before it when it decided; 0: there was none. nil: does not care.
    package let baseVersion: Version?
    /// How long ago the client decided, by a stopwatch of its own.
    package let ageMilliseconds: Int64?
    /// The device's own count of its mutations, from 1.
    package let sequence: Int64?
    /// `If-Match`, which only REST has.
    package let precondition: Precondition?

    package enum Precondition: Sendable, Equatable {
        case exists
        /// It has one of these.
        case versions([Version])

        package static func version(_ version: Version) -> Precondition { .versions([version]) }
    }

    package init(
        id: UUID, name: String, args: JSON, baseVersion: Version? = nil, ageMilliseconds: Int64? = nil,
        sequence: Int64? = nil, precondition: Precondition? = nil
    ) {
        self.id = id
        self.name = name
        self.args = args
        self.baseVersion = baseVersion
        self.ageMilliseconds = ageMilliseconds
        self.sequence = sequence
        self.precondition = precondition
    }
}

/// A mutation and whose it is, with the fingerprint under which its first answer is kept: what a feature hands to its
/// repository, and the repository to the database.
package struct SignedMutation: Sendable {
    package let mutation: Mutation
    package let user: UUID
    package let device: UUID
    /// The session in which they ask, which must hold; nil: whoever runs the server, from no device.
    package let session: UUID?
    /// The first 16 bytes of the SHA-256 of the name and of the arguments with their defaults filled in: "the same request".
    package let fingerprint: [UInt8]
    /// Where it stands among those of a push that are carried out in one transaction; nil: it has one of its own.
    let together: PushedTogether.Place?

    package init(mutation: Mutation, user: UUID, device: UUID, session: UUID?, fingerprint: [UInt8]) {
        self.init(
            mutation: mutation, user: user, device: device, session: session, fingerprint: fingerprint, together: nil)
    }

    init(
        mutation: Mutation, user: UUID, device: UUID, session: UUID?, fingerprint: [UInt8],
        together: PushedTogether.Place?
    ) {
        self.mutation = mutation
        self.user = user
        self.device = device
        self.session = session
        self.fingerprint = fingerprint
        self.together = together
    }
}

/// What became of a mutation: the same answer for ever, whoever asks again with its id.
package struct Outcome: Sendable {
    package enum Status: String, Sendable {
        case applied, conflict, rejected
    }

    package let status: Status
    /// The version of the document after it (applied) or as the server has it (conflict).
    package var version: Version?
    package var document: Document?
    package var problem: Problem?
    /// The body that REST answers with; nil where that is 204.
    package var output: RawJSON?
    /// Whether this is the answer of an earlier attempt.
    package var replayed: Bool
    /// The user's head after it, so that a socket can put what changed in front of the result.
    package var head: Version

    package init(
        status: Status, version: Version? = nil, document: Document? = nil, problem: Problem? = nil,
        output: RawJSON? = nil, replayed: Bool = false, head: Version = 0
    ) {
        self.status = status
        self.version = version
        self.document = document
        self.problem = problem
        self.output = output
        self.replayed = replayed
        self.head = head
    }
}

/// What a repository gives back: the outcome, and what to tell the user's devices if anything changed.
package struct Applied: Sendable {
    package let outcome: Outcome
    package let change: Change?
    /// Where the shared sequence ends now, if this moved it.
    package let shared: Version?

    package init(outcome: Outcome, change: Change? = nil, shared: Version? = nil) {
        self.outcome = outcome
        self.change = change
        self.shared = shared
    }
}

/// A mutation's id and its outcome, as `results` of a push lists them.
package struct MutationResult: Sendable {
    package let id: UUID
    package let outcome: Outcome

    package init(id: UUID, outcome: Outcome) {
        self.id = id
        self.outcome = outcome
    }

    package func write(to writer: inout JSONWriter) {
        writer.raw("{\"id\":")
        writer.plain(id.text)
        writer.raw(",\"status\":")
        writer.plain(outcome.status.rawValue)
        if let version = outcome.version {
            writer.raw(",\"version\":")
            writer.int(version)
        }
        if let document = outcome.document {
            writer.raw(",\"document\":")
            document.write(to: &writer)
        }
        if let problem = outcome.problem {
            writer.raw(",\"problem\":")
            writer.write(problem.json())
        }
        if let output = outcome.output {
            writer.raw(",\"output\":")
            writer.raw(output)
        }
        if outcome.replayed { writer.raw(",\"replayed\":true") }
        writer.raw("}")
    }
}
