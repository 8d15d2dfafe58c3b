import API
import Focus
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Accounts

@Suite struct OwnAccountTests {
    private func caller(_ person: Person) async throws -> Caller {
        try #require(try await person.accounts.caller(bearing: person.token))
    }

    private func pieces(_ person: Person, _ table: String) async throws -> [String] {
        var pieces: [String] = []
        var next: ExportPlace? = .start
        while let place = next {
            let page = try #require(
                try await person.accounts.exportPage(of: person.user.id, table: table, from: place))
            if let records = page.records { pieces.append(records) }
            next = page.next
        }
        return pieces
    }

    @Test("Devices are listed oldest first, are renamed and removed by their user, and by nobody else")
    func devices() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database, name: "laptop")
            let phone = try await ada.onAnotherDevice(name: "phone")
            let ben = try await Person.register(database)
            let accounts = ada.accounts
            let presence = PostgresPresence(database: database)
            try await presence.mark(
                online: [DeviceKey(user: ada.user.id, device: phone.device)], offline: [], process: .v7())
            let listed = try await accounts.devices(of: ada.user.id)
            #expect(listed.map(\.name) == ["laptop", "phone"] && listed.map(\.online) == [false, true])
            #expect(listed[1].lastSeenAt > listed[1].createdAt)

            let renamed = try await accounts.rename(phone.device, of: ada.user.id, to: "tablet")
            #expect(renamed?.name == "tablet" && renamed?.online == true)
            for stranger in [ben.device, UUID.v7()] {
                #expect(try await accounts.rename(stranger, of: ada.user.id, to: "x") == nil)
                #expect(try await !accounts.removeDevice(stranger, of: ada.user.id))
            }
            #expect(try await ben.accounts.devices(of: ben.user.id).map(\.name) == ["laptop"])

            #expect(try await accounts.removeDevice(phone.device, of: ada.user.id))
            #expect(try await !accounts.removeDevice(phone.device, of: ada.user.id))
            #expect(try await accounts.caller(bearing: phone.token) == nil)
            #expect(try await accounts.devices(of: ada.user.id).map(\.name) == ["laptop"])
        }
    }

    @Test("That a device was here is noted again after five minutes, and when its last socket closed")
    func lastSeen() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            func seen() async throws -> Timestamp {
                try #require(try await ada.accounts.devices(of: ada.user.id).first).lastSeenAt
            }
            let first = try await seen()
            #expect(try await !caller(ada).noteIsDue)
            try await ada.accounts.note(try await caller(ada))
            #expect(try await seen() == first)
            try await PostgresSession.run(
                "UPDATE devices SET last_seen_at = last_seen_at - interval '6 minutes'", at: url)
            #expect(try await caller(ada).noteIsDue)
            try await ada.accounts.note(try await caller(ada))
            #expect(try await seen() > first)
            #expect(try await !caller(ada).noteIsDue)

            let presence = PostgresPresence(database: database)
            let key = DeviceKey(user: ada.user.id, device: ada.device)
            for leave in [true, false] {
                let process = UUID.v7()
                try await presence.mark(online: [key], offline: [], process: process)
                try await PostgresSession.run("UPDATE devices SET last_seen_at = to_timestamp(0)", at: url)
                if leave {
                    try await presence.leave(process: process)
                } else {
                    try await presence.mark(online: [], offline: [key], process: process)
                }
                #expect(try await seen() > first)
            }
        }
    }

    @Test(
        "A new password ends every session but the caller's, and only if the old one is still the one that was checked")
    func password() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            let ben = try await Person.register(database)
            #expect(try await !ada.accounts.changePassword(of: caller(ada), checked: "other", to: "new"))
            #expect(try await phone.accounts.caller(bearing: phone.token) != nil)
            #expect(try await ada.accounts.changePassword(of: caller(ada), checked: "hash", to: "new"))
            #expect(try await ada.accounts.credentials(of: ada.user.id)?.passwordHash == "new")
            #expect(try await ada.accounts.caller(bearing: ada.token) != nil)
            #expect(try await phone.accounts.caller(bearing: phone.token) == nil)
            #expect(try await ben.accounts.caller(bearing: ben.token) != nil)
            // Who checked the old password before the change comes too late with it.
            let refusal = await #expect(throws: AccountRefusal.self) { try await ada.onAnotherDevice() }
            guard case .wrongCredentials? = refusal else {
                return #expect(Bool(false), "\(String(describing: refusal))")
            }
            #expect(try await ada.accounts.devices(of: ada.user.id).count == 2)
        }
    }

    @Test("A sign-in that waits for a change of the password finds another one")
    func race() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let session = try await PostgresSession(url: url)
            try await session.run("BEGIN")
            try await session.run(
                "SELECT account_change_password('\(ada.user.id.text)', gen_random_uuid(), 'hash', 'new')")
            let late = Task { try await ada.onAnotherDevice() }
            try await eventually("the sign-in waits") {
                try await PostgresSession.run(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
                    at: url) == [["1"]]
            }
            try await session.run("COMMIT")
            await #expect(throws: AccountRefusal.self) { _ = try await late.value }
            #expect(try await PostgresSession.run("SELECT count(*) FROM sessions", at: url) == [["0"]])
        }
    }

    @Test("Nothing of an erased user is left in any table of the schema, and nothing of anybody else is gone")
    func erase() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            for person in [ada, ben] {
                try await person.set("theme", .string("dark"), sequence: 1)
                try await person.set("theme", .string("light"))
                let phone = try await person.onAnotherDevice()
                let lost = try await phone.set("theme", .string("system"), base: 0)
                #expect(lost.outcome.status == .conflict)
                try await person.start(title: "write")
                try await person.earn(100)
                let walk = UUID.v7()
                _ = try await person.make("Walk", 3, id: walk)
                _ = try await person.buy(walk)
                try await PostgresSession.run(
                    """
                    INSERT INTO market_recommendations (user_id, item_id, score, reason)
                    VALUES ('\(person.user.id.text)', gen_random_uuid(), 0.5, 'trending');
                    INSERT INTO recommendation_baskets (user_id, items, heats)
                    VALUES ('\(person.user.id.text)', ARRAY[gen_random_uuid()], '{1}')
                    """, at: url)
                try await PostgresPresence(database: database).mark(
                    online: [DeviceKey(user: person.user.id, device: person.device)], offline: [], process: .v7())
            }
            func rows(of person: Person) async throws -> [String: String?] {
                let tables = try await PostgresSession.run("SELECT t::text FROM account_tables() AS t", at: url)
                var counts: [String: String?] = [:]
                for table in tables.compactMap(\.first).compactMap(\.self) {
                    counts[table] = try await PostgresSession.run(
                        "SELECT count(*) FROM \(table) WHERE user_id = '\(person.user.id.text)'", at: url)[0][0]
                }
                return counts
            }
            let before = try await rows(of: ben)
            // Every table has something to erase: a new one belongs into this test's preparation.
            let empty = before.filter { $0.value == "0" }.keys.sorted()
            #expect(empty.isEmpty, "nothing was put into \(empty)")
            #expect(try await ada.accounts.erase(ada.user.id))
            #expect(try await rows(of: ada).values.allSatisfy { $0 == "0" })
            #expect(try await rows(of: ben) == before)
            #expect(try await ada.accounts.user(ada.user.id) == nil)
            #expect(try await !ada.accounts.erase(ada.user.id))
            await #expect(throws: Problem.unauthenticated) { try await ada.set("a", .int(1)) }
        }
    }

    @Test("Tables that come later are erased and exported by their shape, in an order that their foreign keys allow")
    func newTables() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = ada.user.id.text
            try await PostgresSession.run(
                """
                CREATE TABLE a_parents (user_id uuid, id int, at timestamptz DEFAULT to_timestamp(0.5), raw bytea,
                    api_token text, above int, PRIMARY KEY (user_id, id),
                    FOREIGN KEY (user_id, above) REFERENCES a_parents);
                CREATE TABLE b_children (user_id uuid, id int, parent int, PRIMARY KEY (user_id, id),
                    FOREIGN KEY (user_id, parent) REFERENCES a_parents);
                CREATE TABLE z_parts (user_id uuid, id int, PRIMARY KEY (user_id, id)) PARTITION BY HASH (user_id);
                CREATE TABLE z_parts_0 PARTITION OF z_parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
                CREATE VIEW c_views AS SELECT user_id, id FROM a_parents;
                INSERT INTO a_parents (user_id, id, raw, api_token, above)
                VALUES ('\(id)', 2, '\\x00ff', 'x', 1), ('\(id)', 1, NULL, 'x', 1);
                INSERT INTO b_children VALUES ('\(id)', 1, 2);
                INSERT INTO z_parts VALUES ('\(id)', 1);
                """, at: url)
            let names = try #require(try await ada.accounts.export(ada.user.id)).tables
            #expect(names.sorted() == names)
            #expect(Set(names).isSuperset(of: ["a_parents", "b_children", "z_parts", "user_settings"]))
            #expect(Set(names).isDisjoint(with: ["c_views", "z_parts_0", "users", "feature_flags"]))
            #expect(
                try await pieces(ada, "a_parents") == [
                    #"{"id":1,"at":"1970-01-01T00:00:00.500Z","raw":null,"above":1},"# + "\n"
                        + #"{"id":2,"at":"1970-01-01T00:00:00.500Z","raw":"00ff","above":1}"#
                ])
            #expect(try await pieces(ada, "user_settings").isEmpty)
            try await PostgresSession.run(
                "INSERT INTO z_parts SELECT '\(id)', n FROM generate_series(2, 1234) AS n", at: url)
            let parts = try await pieces(ada, "z_parts")
            #expect(parts.count == 3)
            let ids = try parts.flatMap { piece -> [Int64?] in
                guard case .array(let records) = try JSON(parsing: "[\(piece)]".utf8) else { return [] }
                return records.map { $0["id"]?.integer }
            }
            #expect(ids == (1...1234).map { Int64($0) })
            #expect(try await ada.accounts.erase(ada.user.id))
            let left = try await PostgresSession.run(
                "SELECT (SELECT count(*) FROM a_parents), (SELECT count(*) FROM b_children), (SELECT count(*) FROM z_parts)",
                at: url)
            #expect(left == [["0", "0", "0"]])
        }
    }

    @Test("A trigger that guards rows can tell that it is an erasure that deletes them")
    func guarded() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let id = ada.user.id.text
            try await PostgresSession.run(
                """
                CREATE TABLE guarded (user_id uuid, id int, PRIMARY KEY (user_id, id));
                CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$
                DECLARE context text;
                BEGIN
                    GET DIAGNOSTICS context = PG_CONTEXT;
                    IF context NOT LIKE '%function account_erase(uuid)%' THEN RAISE EXCEPTION 'kept'; END IF;
                    RETURN OLD;
                END $$;
                CREATE TRIGGER guard BEFORE DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION guard();
                INSERT INTO guarded VALUES ('\(id)', 1);
                """, at: url)
            await #expect(throws: (any Error).self) { try await PostgresSession.run("DELETE FROM guarded", at: url) }
            #expect(try await ada.accounts.erase(ada.user.id))
            #expect(try await PostgresSession.run("SELECT count(*) FROM guarded", at: url) == [["0"]])
        }
    }
}
