import API
import Accounts
import Focus
import FoundationEssentials
import Market
import Persistence
import Settings
import Sync
import TestSupport
import Testing

@Suite("One function carries out whatever changes a user's documents")
struct MutateTests {
    private func isUnauthenticated(_ body: () async throws -> Applied) async -> Bool {
        do {
            _ = try await body()
            return false
        } catch {
            return (error as? Problem)?.status == 401
        }
    }

    /// As a device would send it in `session`.
    private func set(_ person: Person, in session: UUID?) async throws -> Applied {
        let signed = person.sign("settings.set", .object([:]))
        return try await person.sync.mutate(
            SignedMutation(
                mutation: signed.mutation, user: signed.user, device: signed.device, session: session,
                fingerprint: signed.fingerprint), RawJSON(.object(["key": .string("k"), "value": .int(1)])))
    }

    @Test("Whose session does not hold changes nothing, keeps no answer and waits for no lock")
    func strangers() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            let writer = try await PostgresSession(url: url)
            try await writer.run("BEGIN; SELECT FROM sync_heads WHERE user_id = '\(ada.user.id.text)' FOR UPDATE")
            // Another user's, one that never was, and none.
            for session in [ben.session, UUID.v7(), nil] {
                #expect(await isUnauthenticated { try await set(ada, in: session) })
            }
            try await writer.run("COMMIT")
            #expect(try await set(ada, in: ada.session).outcome.status == .applied)
            try await PostgresSession.run(
                "UPDATE sessions SET expires_at = now() - interval '1 s' WHERE user_id = '\(ada.user.id.text)'", at: url
            )
            #expect(await isUnauthenticated { try await set(ada, in: ada.session) })
            let kept = try await PostgresSession.run("SELECT count(*) FROM mutations", at: url)
            #expect(kept == [["1"]])
        }
    }

    @Test("Whose session ends while they wait for the lock changes nothing either")
    func ended() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let writer = try await PostgresSession(url: url)
            try await writer.run("BEGIN; SELECT FROM sync_heads WHERE user_id = '\(ada.user.id.text)' FOR UPDATE")
            async let refused = isUnauthenticated { try await set(ada, in: ada.session) }
            try await eventually("it waits for the lock") {
                try await PostgresSession.run(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'
                    """, at: url) == [["1"]]
            }
            try await PostgresSession.run("UPDATE sessions SET expires_at = now() - interval '1 s'", at: url)
            try await writer.run("COMMIT")
            #expect(await refused)
            #expect(try await PostgresSession.run("SELECT count(*) FROM mutations", at: url) == [["0"]])
        }
    }

    @Test("That a device was copied is kept by the transaction that finds it, and holds the device's seq for nobody")
    func forked() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.set("k", .int(1), sequence: 1)
            let id = UUID.v7().text
            let session = try await PostgresSession(url: url)
            let said = try await session.run(
                """
                BEGIN; SELECT r.status, r.problem->>'code' FROM mutate('\(ada.session.text)', '\(ada.user.id.text)',
                    '\(ada.device.text)', '\(id)', 1, 'settings.set', '', '{"key": "k", "value": 2}', NULL, NULL, NULL,
                    NULL) AS r
                """)
            #expect(said == [["rejected", "device_forked"]])
            let kept = try await session.run("SELECT status, seq FROM mutations WHERE id = '\(id)'")
            #expect(kept == [["rejected", nil]])
            try await session.run("ROLLBACK")
        }
    }

    @Test("Whatever a client may ask for has its function in the database")
    func names() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let handlers =
                SettingsMutations(repository: ada.settings).handlers + FocusMutations(repository: ada.focus).handlers
                + MarketMutations(repository: ada.market).handlers
            let rules = SettingsRules.mutations + FocusRules.mutations + MarketRules.mutations
            // Coins are given by whoever runs the server.
            #expect(Set(rules) == Set(handlers.map(\.name) + ["market.grant"]))
        }
    }

    @Test("What changed comes back from every feature as a reader of the database finds it")
    func documents() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let tea = try await stock(url, "Tea", 1, "stock_remaining = 5")
            try await ada.earn(100)
            let nap = UUID.v7()
            let session = UUID.v7()
            let steps: [() async throws -> Applied] = [
                { try await ada.patch(["a": .int(1), "b": .object(["c": .array([])]), "c": .int(3)]) },
                { try await ada.patch(["a": .int(2), "c": nil]) }, { try await ada.delete("a") },
                { try await ada.clear() }, { try await ada.start(id: session) }, { try await ada.pause() },
                { try await ada.resume() }, { try await ada.abandon(session) }, { try await ada.buy(tea, 2) },
                { try await ada.redeem(tea) }, { try await ada.make("Nap", 5, id: nap) },
                { try await ada.write(PersonalItemChange(.patch(nap), name: "Long nap")) },
                { try await ada.write(PersonalItemChange(.delete(nap))) },
                { try await ada.claim(try #require(try await ada.rewards.first).id) },
            ]
            for step in steps {
                let before = try await ada.sync.heads(of: ada.user.id).place
                let change = try #require(try await step().change)
                #expect(change.version == before.user + 1)
                let place = Place(user: before.user, shared: Version.max)
                let found = try await ada.sync.documents(of: ada.user.id, beyond: place).documents
                #expect(Set(change.documents) == Set(found))
            }
        }
    }
}
