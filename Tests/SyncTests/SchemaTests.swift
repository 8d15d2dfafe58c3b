import API
import Persistence
import TestSupport
import Testing

@Suite struct SchemaTests {
    /// What one signs in with is unique among all users, of whichever database.
    private static let ofNoUser = ["identities"]

    @Test("Every table with a user_id has it first in its primary key, so that users can be spread over machines")
    func userFirst() async throws {
        try await withTestDatabase { _, url in
            let tables = try await PostgresSession.run(
                """
                SELECT c.relname, (SELECT a.attname FROM pg_index i JOIN pg_attribute a
                    ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND i.indisprimary)
                FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND EXISTS (
                    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped)
                """, at: url)
            #expect(tables.count >= 8)
            for table in tables where !Self.ofNoUser.contains(table.first.flatMap(\.self) ?? "") {
                #expect(table.last == "user_id", "\(table)")
            }
        }
    }

    @Test("What is unique in a user's table is so for the user, and a foreign key names the user on both sides")
    func userNamed() async throws {
        try await withTestDatabase { _, url in
            let unnamed = try await PostgresSession.run(
                """
                WITH columns AS (
                    SELECT attrelid, attnum, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
                ), theirs AS (
                    SELECT c.oid, a.attnum, c.relname FROM pg_class c JOIN columns a ON a.attrelid = c.oid
                    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
                        AND a.attname = CASE c.relname WHEN 'users' THEN 'id' ELSE 'user_id' END
                )
                SELECT t.relname::text, i.indexrelid::regclass::text FROM theirs t JOIN pg_index i ON i.indrelid = t.oid
                WHERE i.indisunique AND t.attnum <> ALL (i.indkey)
                UNION ALL
                SELECT t.relname::text, k.conname::text FROM theirs t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
                WHERE EXISTS (SELECT FROM theirs o WHERE o.oid = k.confrelid) AND NOT EXISTS (
                    SELECT FROM theirs o, unnest(k.conkey, k.confkey) AS p (here, there)
                    WHERE o.oid = k.confrelid AND p.here = t.attnum AND p.there = o.attnum)
                """, at: url)
            #expect(unnamed.allSatisfy { Self.ofNoUser.contains($0.first.flatMap(\.self) ?? "") }, "\(unnamed)")
            // Otherwise the statement above finds nothing because it looks at nothing.
            #expect(unnamed.contains { $0.last == "identities_pkey" })
        }
    }

    @Test("Every table has a primary key, and every constraint and index a name of ours")
    func named() async throws {
        try await withTestDatabase { _, url in
            let keyless = try await PostgresSession.run(
                """
                SELECT relname FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
                """, at: url)
            #expect(keyless.isEmpty)
            let foreign = try await PostgresSession.run(
                """
                SELECT conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
                WHERE t.relnamespace = 'public'::regnamespace AND conname NOT LIKE t.relname || '\\_%'
                """, at: url)
            #expect(foreign.isEmpty, "\(foreign)")
        }
    }

    @Test("The time zones that are taken are those that PostgreSQL knows by a name of the IANA database")
    func timeZones() async throws {
        try await withTestDatabase { _, url in
            // Not its abbreviations, which pg_timezone_names does not list.
            let names = try await PostgresSession.run(
                "SELECT name FROM pg_timezone_names WHERE name !~ '^(posix|right|SystemV)/'", at: url
            ).flatMap { $0.compactMap(\.self) }
            let unknown = Set(names).filter { TimeZoneName($0) == nil }
            #expect(names.count > 400 && unknown.isSubset(of: ["Factory", "localtime", "posixrules"]), "\(unknown)")
            for odd in [
                "PST", "IST", "UTC-5", "GMT+5", "EST-5", "US/Pacific-New", "Factory", "Europe", "europe/berlin",
            ] {
                #expect(TimeZoneName(odd) == nil, "\(odd)")
            }
        }
    }
}
