/// What went wrong between us and PostgreSQL. Stays in Persistence: a repository turns it into its feature's words.
package struct DatabaseError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// PostgreSQL refused the statement; it did nothing.
        case refused
        /// The connection was lost with the statement under way: whether it was carried out is not known.
        case lost
        /// It was never sent: no connection within the deadline, or too many wait already.
        case unavailable
        /// The task that asked was cancelled.
        case cancelled
        /// The answer is not what the code expected.
        case undecodable
        /// The address, or what answers there, cannot be used as it is; the message says what to do.
        case unusable
    }

    package let kind: Kind
    /// Five characters, Appendix A of PostgreSQL's documentation; nil where it is not PostgreSQL that speaks.
    package let sqlState: String?
    /// The constraint that was violated.
    package let constraint: String?
    /// For the log, never for a client.
    package let message: String

    init(_ kind: Kind, sqlState: String? = nil, constraint: String? = nil, message: String) {
        self.kind = kind
        self.sqlState = sqlState
        self.constraint = constraint
        self.message = message
    }

    package var description: String {
        "\(kind)\(sqlState.map { " " + $0 } ?? ""): \(message)"
    }

    /// Whether the same may succeed a little later, with nothing wrong in it: 503 with Retry-After.
    package var isUnavailable: Bool {
        switch kind {
        case .lost, .unavailable, .cancelled: true
        case .undecodable, .unusable: false
        case .refused:
            isContention || isConnectionGone || ["55P03", "57014"].contains(sqlState)
                || sqlState?.hasPrefix("53") == true
        }
    }

    /// Two transactions got in each other's way; nothing was done, and the same again will do.
    var isContention: Bool { sqlState == "40001" || sqlState == "40P01" }

    /// PostgreSQL is ending the session or cannot serve on it: the connection must be thrown away.
    var isConnectionGone: Bool {
        guard let sqlState else { return false }
        // 57P01…57P05: told to go, 08: connection, 25006: it has become a standby.
        return sqlState.hasPrefix("57P") || sqlState.hasPrefix("08") || sqlState == "25006"
    }

    /// A table, a column or a type cannot be altered, because a view or a function stands on it.
    var isHeldByRules: Bool { sqlState == "2BP01" || sqlState == "0A000" }

    /// There was nobody to carry it out, or to say that they did.
    var isAway: Bool { kind == .lost || kind == .unavailable || isConnectionGone }

    /// What the connection had prepared fits the database no more (a migration ran): prepare anew elsewhere.
    var isStalePlan: Bool { sqlState == "0A000" || sqlState == "26000" }
}
