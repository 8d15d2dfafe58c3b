/// What every session of ours is set to, by one statement when it begins. Not by `options` of the connection: a pooler
/// refuses that. What stood there in the address of the database is set as well, behind our own.
struct SessionSettings: Sendable {
    private let names: [String]
    private let values: [String]

    /// - Parameters:
    ///   - options: as PostgreSQL's command line takes them: `-c name=value` or `--name=value`.
    ///   - timeouts: whether statements and their waits for locks end by themselves.
    init(options: String, timeouts: Bool) throws(DatabaseError) {
        // Without these PostgreSQL waits for ever.
        var settings = [
            ("TimeZone", "UTC"), ("idle_in_transaction_session_timeout", "10s"), ("client_min_messages", "warning"),
            ("jit", "off"),
            // What an operator may have changed for a role or a database, and our statements and decoders rest on.
            ("standard_conforming_strings", "on"), ("DateStyle", "ISO"), ("IntervalStyle", "postgres"),
            ("default_transaction_isolation", "read committed"), ("idle_session_timeout", "0"),
            // Of no earlier client of a pooler that does not clear its sessions.
            ("lockstep.cluster", ""),
        ]
        settings += [("statement_timeout", timeouts ? "4s" : "0"), ("lock_timeout", timeouts ? "3s" : "0")]
        settings += try Self.settings(in: options)
        names = settings.map(\.0)
        values = settings.map(\.1)
    }

    /// Sets them in their order, and says which backend it is that has them.
    var statement: SQL {
        """
        SELECT pg_backend_pid() AS backend, count(set_config(s.name, s.value, false))
        FROM unnest(\(names), \(values)) AS s (name, value)
        """
    }

    private static func settings(in options: String) throws(DatabaseError) -> [(String, String)] {
        var settings: [(String, String)] = []
        var words = words(of: options)[...]
        while let word = words.popFirst() {
            var text = word
            if word == "-c" {
                text = words.popFirst() ?? ""
            } else if word.hasPrefix("-c") || word.hasPrefix("--") {
                text.removeFirst(2)
            } else {
                text = ""
            }
            guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
                throw DatabaseError(
                    .unusable,
                    message: "of the parameter `options` in DATABASE_URL only `-c name=value` and `--name=value` can "
                        + "be used; take “\(word)” out of it")
            }
            var name = String(text[..<equals])
            if word.hasPrefix("--") { name.replace("-", with: "_") }
            settings.append((name, String(text[text.index(after: equals)...])))
        }
        return settings
    }

    /// Divided at spaces, as PostgreSQL does it: a backslash takes what follows as it is.
    private static func words(of options: String) -> [String] {
        var words: [String] = []
        var word: String?
        var escaped = false
        for character in options {
            if escaped {
                word = (word ?? "") + String(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
                word = word ?? ""
            } else if character.isWhitespace {
                if let word { words.append(word) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        return words + (word.map { [$0] } ?? [])
    }
}
