import API
import Accounts
import FoundationEssentials
import Logging
import Persistence
import ServiceLifecycle
import TestSupport
import Testing

@testable import Sync

private let silent = Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() })

@Suite struct HousekeepingTests {
    @Test("What has been kept for 30 days is forgotten; what is younger stays")
    func tidies() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let old = UUID.v7()
            try await ada.set("a", .int(1), id: old, sequence: 1)
            try await ada.delete("a")
            try await PostgresSession.run(
                """
                UPDATE mutations SET created_at = created_at - interval '34 days';
                UPDATE sync_heads SET oldest_answer_at = oldest_answer_at - interval '34 days';
                UPDATE user_settings SET updated_at = updated_at - interval '31 days';
                """, at: url)
            let young = UUID.v7()
            try await ada.set("b", .int(1), id: young, sequence: 2)
            try await ada.delete("b")
            let phone = try await ada.onAnotherDevice()
            try await PostgresSession.run(
                "UPDATE sessions SET expires_at = clock_timestamp() WHERE device_id = '\(phone.device.text)'", at: url)
            await PostgresHousekeeping(database: database, purges: testViews.purges, logger: silent).tidy()
            let left = try await PostgresSession.run(
                """
                SELECT (SELECT count(*) FROM mutations), (SELECT string_agg(key, ',') FROM user_settings),
                    (SELECT count(*) FROM sessions), (SELECT floor FROM sync_heads)
                """, at: url)
            #expect(left == [["2", "b", "1", "2"]])
            #expect(try await ada.set("b", .int(1), id: young, sequence: 2).outcome.replayed)
            #expect(try await ada.set("a", .int(1), id: old, sequence: 1).outcome.replayed)
        }
    }

    /// 1,000 rows of each kind of a user that are to be forgotten, and 50 that are not. Their keys are random: the two lie among
    /// one another.
    private func fill(_ person: Person, _ url: String) async throws {
        let (user, device) = ("'\(person.user.id.text)'", "'\(person.device.text)'")
        try await PostgresSession.run(
            """
            CREATE TEMPORARY TABLE n AS SELECT gen_random_uuid() AS id, CASE WHEN n > 50 THEN n END AS seq,
                now() - CASE WHEN n > 50 THEN interval '95 days' ELSE interval '0' END AS at
            FROM generate_series(1, 1050) AS n;
            INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at)
            SELECT \(user), id, \(device), uuid_send(id), at + interval '1 day' FROM n;
            INSERT INTO mutations (user_id, id, device_id, seq, name, fingerprint, status, created_at)
            SELECT \(user), id, \(device), seq, 'x', '', 'applied', at FROM n;
            INSERT INTO user_settings (user_id, key, version, updated_at, device_id)
            SELECT \(user), id::text, 1, at, \(device) FROM n;
            INSERT INTO user_setting_history (user_id, key, version, value, replaced_at)
            SELECT \(user), id::text, 1, '1', at FROM n;
            INSERT INTO user_inventory (user_id, item_id, quantity, cost_paid_coins, purchased_at, version, emptied_at)
            SELECT \(user), id, 0, 0, at, 1, at FROM n;
            INSERT INTO market_personal_items (user_id, id, name, cost_coins, version, deleted_at)
            SELECT \(user), id, 'x', 0, 1, at FROM n;
            INSERT INTO sync_conflicts (user_id, id, name, args, collection, document_id, at)
            SELECT \(user), id, 'x', '{}', 'settings', 'k', at FROM n;
            UPDATE sync_heads SET version = 1, oldest_answer_at = now() - interval '95 days' WHERE user_id = \(user)
            """, at: url)
    }

    private static let tables = [
        "sessions", "mutations", "user_settings", "user_setting_history", "user_inventory", "market_personal_items",
        "sync_conflicts",
    ]

    private func rows(of person: Person, _ url: String) async throws -> [String] {
        let counts = Self.tables.map { "(SELECT count(*) FROM \($0) WHERE user_id = '\(person.user.id.text)')" }
        return try await PostgresSession.run("SELECT " + counts.joined(separator: ", "), at: url)[0].compactMap(\.self)
    }

    /// From now on each transaction that deletes from one of the tables leaves a line in `steps`.
    private func watch(_ url: String) async throws {
        let triggers = Self.tables.map {
            """
            CREATE TRIGGER watched AFTER DELETE ON \($0) REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
            EXECUTE FUNCTION watched();
            """
        }
        try await PostgresSession.run(
            """
            CREATE TABLE steps (source text, transaction bigint, rows bigint);
            CREATE FUNCTION watched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO steps SELECT TG_TABLE_NAME, txid_current(), count(*) FROM gone HAVING count(*) > 0;
                RETURN NULL;
            END $$;
            """ + triggers.joined(), at: url)
    }

    @Test("However much a user has of it, it goes in transactions of so many rows, and nothing else goes with it")
    func steps() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await fill(ada, url)
            try await watch(url)
            await PostgresHousekeeping(database: database, purges: testViews.purges, rowsAtOnce: 100, logger: silent)
                .tidy()
            // The session by which she registered is one more that stays.
            #expect(try await rows(of: ada, url) == ["51", "50", "50", "50", "50", "50", "50"])
            let steps = try await PostgresSession.run(
                """
                SELECT source, sum(rows), max(rows) <= 100, count(DISTINCT transaction) >= 10, count(*) <= 12
                FROM steps GROUP BY source ORDER BY source COLLATE "C"
                """, at: url)
            #expect(steps.map { $0[0] } == Self.tables.sorted())
            #expect(steps.allSatisfy { $0.dropFirst() == ["1000", "t", "t", "t"] }, "\(steps)")
            let known = try await PostgresSession.run(
                "SELECT floor, (SELECT max(purged_seq) FROM devices) FROM sync_heads", at: url)
            #expect(known == [["1", "1050"]])
        }
    }

    @Test("Answers are gathered for three days, and who has none is not looked at")
    func gathered() async throws {
        try await withTestDatabase { database, url in
            let (ada, ben) = (try await Person.register(database), try await Person.register(database))
            try await ada.set("a", .int(1))
            try await ben.set("a", .int(1))
            let housekeeping = PostgresHousekeeping(database: database, purges: testViews.purges, logger: silent)
            func counts(ageing days: Int) async throws -> [[String?]] {
                let older = "- interval '\(days) days'"
                try await PostgresSession.run(
                    """
                    UPDATE mutations SET created_at = created_at \(older) WHERE user_id = '\(ada.user.id.text)';
                    UPDATE sync_heads SET oldest_answer_at = oldest_answer_at \(older) WHERE user_id = '\(ada.user.id.text)'
                    """, at: url)
                await housekeeping.tidy()
                return try await PostgresSession.run(
                    """
                    SELECT (SELECT count(*) FROM mutations m WHERE m.user_id = h.user_id), oldest_answer_at IS NOT NULL
                    FROM sync_heads h WHERE user_id = '\(ada.user.id.text)'
                    """, at: url)
            }
            #expect(try await counts(ageing: 32) == [["1", "t"]])
            try await ada.set("a", .int(2))
            #expect(try await counts(ageing: 2) == [["1", "t"]])
            #expect(try await counts(ageing: 34) == [["0", "f"]])
            #expect(try await PostgresSession.run("SELECT count(*) FROM mutations", at: url) == [["1"]])
            try await ada.set("a", .int(3))
            #expect(try await counts(ageing: 0) == [["1", "t"]])
        }
    }

    @Test("A round that broke off is gone on with by the next one, of whatever process")
    func brokenOff() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await fill(ada, url)
            try await watch(url)
            let round = Task {
                await PostgresHousekeeping(database: database, purges: testViews.purges, rowsAtOnce: 10, logger: silent)
                    .tidy()
            }
            try await eventually(within: .seconds(60), "some answers are gone") {
                try await PostgresSession.run("SELECT count(*) > 3 FROM steps WHERE source = 'mutations'", at: url)
                    == [["t"]]
            }
            round.cancel()
            await round.value
            let left = try await rows(of: ada, url)
            #expect(left[0] == "1051" && left[1] != "50" && left[2] == "1050", "\(left)")
            let other = try openDatabase(url)
            defer { other.close() }
            await PostgresHousekeeping(database: other, purges: testViews.purges, rowsAtOnce: 300, logger: silent)
                .tidy()
            #expect(try await rows(of: ada, url) == ["51", "50", "50", "50", "50", "50", "50"])
            #expect(try await PostgresSession.run("SELECT max(purged_seq) FROM devices", at: url) == [["1050"]])
        }
    }

    @Test("What cannot be forgotten of one user keeps nothing of others from being, and the round ends")
    func stuck() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            for person in [ada, ben] { try await fill(person, url) }
            for table in Self.tables {
                try await PostgresSession.run(
                    """
                    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        RAISE EXCEPTION 'kept';
                    END $$;
                    CREATE TRIGGER refused BEFORE DELETE ON \(table) FOR EACH ROW
                    WHEN (OLD.user_id = '\(ada.user.id.text)') EXECUTE FUNCTION refuse()
                    """, at: url)
            }
            await PostgresHousekeeping(database: database, purges: testViews.purges, logger: silent).tidy()
            #expect(try await rows(of: ada, url) == ["1051", "1050", "1050", "1050", "1050", "1050", "1050"])
            #expect(try await rows(of: ben, url) == ["51", "50", "50", "50", "50", "50", "50"])
        }
    }

    @Test("The first round begins with the process, however seldom the next ones are")
    func first() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await fill(ada, url)
            let service = Task {
                try await PostgresHousekeeping(
                    database: database, purges: testViews.purges, every: .seconds(86_400), logger: silent
                ).run()
            }
            defer { service.cancel() }
            try await eventually("everything old is gone") {
                try await rows(of: ada, url) == ["51", "50", "50", "50", "50", "50", "50"]
            }
        }
    }
}

@Suite struct ErasuresTests {
    /// An account that has left, of which answers are left.
    private func left(_ database: Database, _ url: String) async throws -> Person {
        let person = try await Person.register(database)
        try await person.set("a", .int(1))
        try await PostgresSession.run("SELECT account_leave('\(person.user.id.text)')", at: url)
        return person
    }

    private func answers(_ url: String) async throws -> [[String?]] {
        try await PostgresSession.run(
            "SELECT (SELECT count(*) FROM mutations), (SELECT count(*) FROM account_erasures)", at: url)
    }

    @Test("An erasure that its request did not finish is finished at once by the same process")
    func asked() async throws {
        try await withTestDatabase { database, url in
            _ = try await left(database, url)
            let erasures = PostgresErasures(database: database, every: .seconds(86_400), logger: silent)
            let service = Task { try await erasures.run() }
            defer { service.cancel() }
            try await eventually("what was left from before is gone") { try await answers(url) == [["0", "0"]] }
            let ben = try await Person.register(database)
            try await ben.set("a", .int(1))
            // What a request may do is over before it began.
            try await PostgresSession.run(
                """
                ALTER FUNCTION account_erase RENAME TO account_erase_really;
                CREATE FUNCTION account_erase(p_user uuid) RETURNS boolean LANGUAGE sql AS 'SELECT false'
                """, at: url)
            let accounts = PostgresAccounts(database: database) {
                erasures.ask()
            }
            #expect(try await accounts.erase(ben.user.id))
            #expect(try await answers(url) == [["1", "1"]])
            try await PostgresSession.run(
                "DROP FUNCTION account_erase; ALTER FUNCTION account_erase_really RENAME TO account_erase", at: url)
            try await eventually("the rest is gone") { try await answers(url) == [["0", "0"]] }
        }
    }

    @Test("An erasure that cannot be done keeps no other from being done, and is tried again later")
    func stuck() async throws {
        try await withTestDatabase { database, url in
            let ada = try await left(database, url)
            _ = try await left(database, url)
            try await PostgresSession.run(
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$;
                CREATE TRIGGER refused BEFORE DELETE ON mutations FOR EACH ROW
                WHEN (OLD.user_id = '\(ada.user.id.text)') EXECUTE FUNCTION refuse()
                """, at: url)
            let erasures = PostgresErasures(database: database, logger: silent)
            await erasures.carryOn()
            #expect(try await answers(url) == [["1", "1"]])
            try await PostgresSession.run("DROP TRIGGER refused ON mutations", at: url)
            await erasures.carryOn()
            #expect(try await answers(url) == [["0", "0"]])
        }
    }
}
