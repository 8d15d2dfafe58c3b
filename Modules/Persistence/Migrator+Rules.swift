/// How rules come into a database, and leave it.
extension Migrator {
    /// Whether the binary's rules are there; nothing is written.
    package func hasRules() async throws -> Bool {
        guard let rules else { return true }
        return try await onThread { try Self.has(rules, DirectConnection(url: url)) }
    }

    /// Puts the binary's rules in where they are not there, and says that they are in use where they are. Waits 10 s at most
    /// for another process that migrates.
    package func installRules() async throws {
        guard let rules else { return }
        let there = try await onThread {
            let connection = try DirectConnection(url: url)
            guard try Self.has(rules, connection) else { return false }
            // Who may only read uses them too.
            _ = try? Self.use(rules, connection)
            return true
        }
        if there { return }
        try await underLock(waiting: 10) { try install($0) }
    }

    func install(_ connection: DirectConnection) throws {
        guard let rules else { return }
        if try Self.has(rules, connection) {
            try refuseOthersTables(rules, connection)
            try Self.use(rules, connection)
        } else {
            do {
                try connection.execute(
                    script: """
                        BEGIN; CREATE SCHEMA \(rules.schema); SET LOCAL check_function_bodies = off;
                        DO $$ BEGIN EXECUTE format('COMMENT ON SCHEMA \(rules.schema) IS %L', current_schema()); END $$;
                        SELECT set_config('search_path', '\(rules.schema), ' || current_setting('search_path'), true);
                        \(rules.script)
                        """)
                try grant(rules, connection)
                try Self.use(rules, connection)
                try connection.execute(script: "COMMIT")
            } catch let error as DatabaseError {
                _ = try? connection.execute(script: "ROLLBACK")
                throw Failure(description: Self.complaint(error))
            }
        }
        forgetUnused(connection)
    }

    private static func has(_ rules: Rules, _ connection: DirectConnection) throws -> Bool {
        try connection.query("SELECT \(sql: rules.isThere) AS there").first?.decode("there") ?? false
    }

    @discardableResult
    private static func use(_ rules: Rules, _ connection: DirectConnection) throws -> Rows {
        try connection.query(
            """
            INSERT INTO rules_used AS r (name, used_at) VALUES (\(rules.schema), clock_timestamp())
            ON CONFLICT ON CONSTRAINT rules_used_pkey DO UPDATE SET used_at = excluded.used_at
            """)
    }

    /// Whoever may read the tables may read the views.
    private func grant(_ rules: Rules, _ connection: DirectConnection) throws {
        try connection.execute(script: "GRANT USAGE ON SCHEMA \(rules.schema) TO PUBLIC")
        let readers = try connection.query(
            """
            SELECT DISTINCT CASE g.grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(g.grantee) END AS name
            FROM information_schema.role_table_grants g JOIN pg_class c ON c.oid = to_regclass('schema_migrations')
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE g.table_schema = n.nspname AND g.table_name = 'schema_migrations' AND g.privilege_type = 'SELECT'
            """
        ).map { try $0.decode("name", as: String.self) }
        for reader in readers {
            try connection.execute(script: "GRANT SELECT ON ALL TABLES IN SCHEMA \(rules.schema) TO \(reader)")
        }
    }

    /// The functions and views stand on the tables that they were made above.
    private func refuseOthersTables(_ rules: Rules, _ connection: DirectConnection) throws {
        let other = try connection.query(
            """
            SELECT d.name FROM obj_description(to_regnamespace(\(rules.schema)), 'pg_namespace') AS d (name)
            WHERE d.name <> current_schema()
            """
        ).first?.decode("name", as: String.self)
        guard let other else { return }
        throw Failure(
            description:
                "another installation, whose tables are in the schema \(other), keeps its rules in this database; "
                + "give each a database of its own")
    }

    private static func complaint(_ error: DatabaseError) -> String {
        if error.sqlState == "42P06" {
            return
                "\(error.message), and it is neither ours nor the tables' owner's: somebody else made it; drop it, and begin again"
        }
        guard error.sqlState == "42501" else { return "the rules could not be put into the database: \(error.message)" }
        return
            "the role of DATABASE_URL may not create schemas, and each release keeps its rules in one: as the owner of the "
            + "database `GRANT CREATE ON DATABASE … TO …` (\(error.message))"
    }

    /// What no process has used for a day, or none since a restore, goes; what cannot go today goes another day.
    private func forgetUnused(_ connection: DirectConnection) {
        let unused = try? connection.query(
            """
            SELECT n.nspname::text AS name FROM pg_namespace n LEFT JOIN rules_used u ON u.name = n.nspname
            WHERE n.nspname ~ '^rules_[0-9a-f]{12}$' AND pg_has_role(n.nspowner, 'USAGE')
            AND (u.used_at IS NULL OR u.used_at < clock_timestamp() - interval '1 day')
            """
        ).map { try $0.decode("name", as: String.self) }
        for name in unused ?? [] {
            guard (try? lock(name, connection)) == true else { continue }
            _ = try? connection.execute(
                script: "BEGIN; SET LOCAL lock_timeout = '2s'; DROP SCHEMA \(name) CASCADE; DELETE FROM rules_used "
                    + "WHERE name = '\(name)'; COMMIT")
            _ = try? connection.execute(script: "ROLLBACK")
            _ = try? unlock(name, connection)
        }
    }

    /// Holds all rules, so that no process begins to use any, while `body` alters what they stand on; it is given the SQL that
    /// removes them.
    /// - Throws: `Failure` while a process is connected that uses some.
    func withoutRules(_ connection: DirectConnection, _ body: (_ removal: String) throws -> Void) throws {
        let names = try connection.query(
            """
            SELECT n.nspname::text AS name FROM pg_namespace n
            WHERE n.nspname ~ '^rules_[0-9a-f]{12}$' AND pg_has_role(n.nspowner, 'USAGE')
            """
        ).map { try $0.decode("name", as: String.self) }
        var held: [String] = []
        defer { for name in held { _ = try? unlock(name, connection) } }
        for name in names {
            guard try lock(name, connection) else {
                throw Failure(
                    description: "a server is connected to this database; stop it (every process), and begin again")
            }
            held.append(name)
        }
        try body(
            names.map { "DROP SCHEMA IF EXISTS \($0) CASCADE; DELETE FROM rules_used WHERE name = '\($0)'; " }.joined())
    }

    private func lock(_ name: String, _ connection: DirectConnection) throws -> Bool {
        try connection.query(
            """
            SELECT pg_try_advisory_lock(\(raw: Rules.lockClass), \(raw: Rules.lockNumber)) AS held
            FROM (VALUES (\(name))) AS r (name)
            """
        ).first?.decode("held") ?? false
    }

    private func unlock(_ name: String, _ connection: DirectConnection) throws -> Rows {
        try connection.query(
            """
            SELECT pg_advisory_unlock(\(raw: Rules.lockClass), \(raw: Rules.lockNumber))
            FROM (VALUES (\(name))) AS r (name)
            """)
    }
}
