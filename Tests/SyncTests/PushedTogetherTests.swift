import API
import Accounts
import Foundation
import Persistence
import Settings
import Sync
import Synchronization
import TestSupport
import Testing

@Suite("A queue is carried out as if each of it had a transaction of its own")
struct PushedTogetherTests {
    /// Pushes, and gives the results with the versions that were announced, in their order.
    private func push(
        _ mutations: [JSON], as person: Person
    ) async throws -> (results: [MutationResult], announced: [Version]) {
        let announced = Mutex<[Version]>([])
        let dispatcher = MutationDispatcher(
            handlers: SettingsMutations(repository: person.settings).handlers, repository: person.sync,
            announce: { event in
                if case .changed(let change) = event { announced.withLock { $0.append(change.version) } }
            })
        let bearer = try await person.accounts.caller(bearing: [person.token])
        let caller = try #require(bearer?.caller)
        let results = try await Push(reading: .array(mutations)).carryOut(through: dispatcher, for: caller)
        return (results, announced.withLock(\.self))
    }

    private func set(_ key: String, _ value: Int64, id: UUID = .v7(), seq: Int64? = nil) -> JSON {
        var members: JSON.Members = [
            "id": .string(id.text), "name": .string("settings.set"),
            "args": .object(["key": .string(key), "value": .int(value)]),
        ]
        members["seq"] = seq.map { .int($0) }
        return .object(members)
    }

    private func statuses(_ results: [MutationResult]) -> [Outcome.Status] { results.map(\.outcome.status) }

    @Test("In its order, many to a transaction; what is refused in the middle stops nobody")
    func order() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            var queue = (0..<70).map { set("k\($0 % 7)", $0) }
            queue[20] = set("no key", 1)
            queue[21] = .object(["id": .string(UUID.v7().text), "name": .string("nobody.knows")])
            let (results, announced) = try await push(queue, as: ada)
            #expect(results.count == 70)
            #expect(results[20].outcome.problem?.code == "invalid_key" || results[20].outcome.status == .rejected)
            #expect(results[21].outcome.problem?.code == "unknown_mutation")
            let versions = results.compactMap(\.outcome.version)
            #expect(versions == Array(1...68) && announced == versions)
            #expect(try await ada.value(of: "k6") == "69")
            let written = try await PostgresSession.run(
                "SELECT count(*), count(DISTINCT xmin::text) FROM mutations", at: url)
            #expect(written == [["70", "3"]])
            // Sent again, each gets its first answer.
            let again = try await push(queue, as: ada)
            #expect(again.results.allSatisfy(\.outcome.replayed) && again.announced.isEmpty)
            #expect(again.results.compactMap(\.outcome.version) == versions)
        }
    }

    @Test("Each sees what those before it did: an id that comes twice, and a count that comes twice")
    func sight() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let id = UUID.v7()
            let (results, _) = try await push(
                [set("a", 1, id: id, seq: 1), set("a", 1, id: id, seq: 1), set("b", 2, seq: 1), set("c", 3, id: id)],
                as: ada)
            #expect(results.map(\.outcome.replayed) == [false, true, false, false])
            #expect(results.map(\.outcome.problem?.code) == [nil, nil, "device_forked", "idempotency_key_reused"])
            #expect(try await ada.value(of: "b") == nil)
        }
    }

    @Test("Where PostgreSQL refuses one, those before it stand, and nothing behind it happens")
    func failure() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await PostgresSession.run(
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF NEW.key = 'bad' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW;
                END $$;
                CREATE TRIGGER refused BEFORE INSERT ON user_settings FOR EACH ROW EXECUTE FUNCTION refuse();
                """, at: url)
            let queue = [set("a", 1), set("b", 2), set("bad", 3), set("c", 4)]
            let (results, announced) = try await push(queue, as: ada)
            #expect(statuses(results) == [.applied, .applied] && announced == [1, 2])
            #expect(try await ada.value(of: "c") == nil)
            try await PostgresSession.run("DROP TRIGGER refused ON user_settings", at: url)
            let again = try await push(queue, as: ada)
            #expect(again.results.map(\.outcome.replayed) == [true, true, false, false] && again.announced == [3, 4])
        }
    }

    @Test("What takes too long together is tried one by one: a queue goes on where the database is slow")
    func slow() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await PostgresSession.run(
                """
                CREATE FUNCTION tire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF EXISTS (SELECT FROM user_settings WHERE xmin = pg_current_xact_id()::xid) THEN
                        RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = '57014';
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER tired BEFORE INSERT ON user_settings FOR EACH ROW EXECUTE FUNCTION tire();
                """, at: url)
            let (results, announced) = try await push([set("a", 1), set("b", 2), set("c", 3)], as: ada)
            #expect(statuses(results) == [.applied, .applied, .applied] && announced == [1, 2, 3])
        }
    }

    @Test("The connection is lost in the middle: nothing is lost, nothing is done twice, and the order stays")
    func lost() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            // Once: a sequence does not come back with the transaction.
            try await PostgresSession.run(
                """
                CREATE SEQUENCE cuts;
                CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF NEW.key = 'k40' AND nextval('cuts') <= 1 THEN
                        PERFORM pg_terminate_backend(pg_backend_pid());
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER cut BEFORE INSERT ON user_settings FOR EACH ROW EXECUTE FUNCTION cut();
                """, at: url)
            let (results, announced) = try await push((0..<80).map { set("k\($0)", $0, seq: $0 + 1) }, as: ada)
            #expect(statuses(results) == Array(repeating: .applied, count: 80))
            #expect(results.compactMap(\.outcome.version) == Array(1...80) && announced == Array(1...80))
            let kept = try await PostgresSession.run(
                """
                SELECT (SELECT count(*) FROM mutations), (SELECT count(*) FROM user_settings),
                    (SELECT version FROM sync_heads), (SELECT last_value FROM cuts)
                """, at: url)
            #expect(kept == [["80", "80", "80", "2"]])
        }
    }

    @Test("Whose session has ended is told so, and nothing of theirs happens")
    func ended() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let bearer = try await ada.accounts.caller(bearing: [ada.token])
            let caller = try #require(bearer?.caller)
            try await PostgresSession.run("UPDATE sessions SET expires_at = now() - interval '1 s'", at: url)
            let dispatcher = MutationDispatcher(
                handlers: SettingsMutations(repository: ada.settings).handlers, repository: ada.sync, announce: { _ in }
            )
            let queue = try Push(reading: .array([set("a", 1), set("b", 2)]))
            let refused = await #expect(throws: Problem.self) {
                _ = try await queue.carryOut(through: dispatcher, for: caller)
            }
            #expect(refused?.status == 401)
            #expect(try await PostgresSession.run("SELECT count(*) FROM mutations", at: url) == [["0"]])
        }
    }
}
