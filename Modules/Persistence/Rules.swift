import Crypto

/// The rules of this binary: the functions, views and types by which the database decides, as they stand beside their
/// features (`Modules/<Feature>/Storage/*.sql`) and nowhere else. The database holds them in a schema of their own, named
/// after their text, in front of every search path of ours: two releases beside each other ask each its own, and a binary
/// that is rolled back finds its rules again.
package struct Rules: Sendable {
    /// `rules_` and twelve digits of the SHA-256 of the text.
    package let schema: String
    let script: String

    /// - Parameters:
    ///   - texts: SQL, in an order in which views and types find what they name; functions need none.
    ///   - mutations: `focus.start` is carried out by the function `focus_start(m mutation, r mutation_result)` of the texts.
    ///   - limits: how much of what an account may have, of which `storage_limit` is made.
    package init(_ texts: [[UInt8]], mutations: [String] = [], limits: [(what: String, limit: Int64)] = []) {
        let text = texts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
        script = text.replacing(Self.casesPlace, with: Self.cases(of: mutations), maxReplacements: 1)
            .replacing(Self.limitsPlace, with: Self.cases(of: limits), maxReplacements: 1)
        let digits = SHA256.hash(data: Array(script.utf8)).prefix(6).map {
            ($0 < 16 ? "0" : "") + String($0, radix: 16)
        }
        schema = "rules_" + digits.joined()
    }

    /// Where `mutate` tells them apart. Names that stand in its text cost nothing; EXECUTE would plan each call anew.
    private static let casesPlace = "        -- <a case for each mutation>"

    private static func cases(of mutations: [String]) -> String {
        mutations.map { "        WHEN '\($0)' THEN r := \($0.replacing(".", with: "_"))(m, r);" }.joined(
            separator: "\n")
    }

    private static let limitsPlace = "        -- <a case for each limit>"

    private static func cases(of limits: [(what: String, limit: Int64)]) -> String {
        limits.map { "        WHEN '\($0.what)' THEN \($0.limit)" }.joined(separator: "\n")
    }
}

// What a session of ours does with them, in this order.
extension Rules {
    /// Takes what an earlier client of a pooler that does not clear its sessions left: rules in the path, and locks.
    static let leave: SQL = """
        SELECT pg_advisory_unlock_all(), set_config('search_path', \
        regexp_replace(current_setting('search_path'), '\\mrules_[0-9a-f]{12}\\M *,? *', '', 'g'), false)
        """

    /// Says that the session uses them: while one does, nobody removes them.
    var hold: SQL {
        """
        SELECT pg_advisory_lock_shared(\(raw: Self.lockClass), \(raw: Self.lockNumber))
        FROM (VALUES (\(schema))) AS r (name)
        """
    }

    /// Puts them in front of the search path, and says whether they are `there`.
    var enter: SQL {
        """
        SELECT \(sql: isThere) AS there, set_config('search_path', \(schema) || ', ' || current_setting('search_path'), false)
        """
    }

    /// By their name, and made by whoever made the tables or by ourselves: the name of a release's rules is known to anybody.
    var isThere: SQL {
        """
        EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = \(schema) AND n.nspowner IN (
            (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user),
            (SELECT c.relowner FROM pg_class c WHERE c.oid = to_regclass('rules_used'))))
        """
    }

    /// The two numbers of the lock: that of all rules ("rule" in ASCII), and that of the rules `r.name`.
    static let lockClass: StaticString = "1920298085"
    static let lockNumber: StaticString = "('x' || substr(r.name, 7, 7))::bit(28)::integer"

    /// Whether a session with other rules than these is connected to the database: a process of another release.
    package var othersAreConnected: SQL {
        """
        EXISTS (SELECT FROM (VALUES (\(schema))) AS r (name), pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted
                AND l.classid = \(raw: Self.lockClass)::oid AND l.objid <> (\(raw: Self.lockNumber))::oid)
        """
    }

    static func missing(_ schema: String) -> DatabaseError {
        DatabaseError(
            .refused, sqlState: "3F000",
            message: "the database has no schema \(schema), this release's rules; `lockstep migrate up` puts it there")
    }
}
