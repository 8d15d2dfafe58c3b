import API
import Accounts
import FoundationEssentials
import Logging
import Sync
import TestSupport
import Testing

@testable import Persistence

@Suite struct AccountsRepositoryTests {
    private let laptop = DeviceDescription(id: nil, name: "laptop", kind: "desktop")

    @Test("An account comes with its device, its session and its head")
    func register() async throws {
        try await withTestDatabase { database, _ in
            let accounts = PostgresAccounts(database: database)
            let email = try #require(EmailAddress("Ada@Example.org"))
            let before = Timestamp.now()
            let opened = try await accounts.register(
                email, passwordHash: "scrypt$x", device: laptop, tokenHash: [1, 2, 3], days: 30)
            #expect(opened.user.email == "Ada@Example.org")
            #expect(opened.device.name == "laptop" && opened.device.kind == "desktop")
            #expect(opened.expires >= before.advanced(bySeconds: 30 * 86_400 - 60))
            #expect(opened.expires <= Timestamp.now().advanced(bySeconds: 30 * 86_400 + 60))
            let caller = try #require(try await accounts.caller(tokenHash: [1, 2, 3]))
            #expect(caller.user == opened.user.id && caller.device == opened.device && caller.expires == opened.expires)
            #expect(try await accounts.caller(tokenHash: [1, 2]) == nil)
            #expect(try await accounts.user(opened.user.id) == opened.user)
            #expect(try await accounts.user(UUID.v7()) == nil)
            #expect(try await PostgresSync(database: database).heads(of: opened.user.id).place.user == 0)
        }
    }

    @Test("An address has one account, however it is written, and whoever comes again is told so every time")
    func emailTaken() async throws {
        // One write connection, so that the same statement fails on it again and again.
        try await withTestDatabase(connections: 2) { database, url in
            let accounts = PostgresAccounts(database: database)
            func register(_ text: String, _ token: UInt8) async throws {
                _ = try await accounts.register(
                    try #require(EmailAddress(text)), passwordHash: "x", device: laptop, tokenHash: [token], days: 1)
            }
            try await PostgresSession.run(
                "INSERT INTO users (id, email, email_key, password_hash) VALUES (gen_random_uuid(), 'a', 'ada@x.org', 'x')",
                at: url)
            for token in UInt8(1)...3 {
                let refusal = await #expect(throws: AccountRefusal.self) { try await register("ADA@x.org", token) }
                guard case .emailTaken? = refusal else { return }
            }
            try await register("ben@x.org", 9)
            #expect(try await PostgresSession.run("SELECT count(*) FROM sessions", at: url) == [["1"]])
            let credentials = try await accounts.credentials(of: try #require(EmailAddress("Ben@X.org")))
            #expect(credentials?.user.email == "ben@x.org" && credentials?.passwordHash == "x")
            #expect(try await accounts.credentials(of: try #require(EmailAddress("eve@x.org"))) == nil)
        }
    }

    @Test("Signing in again reuses the user's device, and makes a new one for anybody else's")
    func devices() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            func signIn(_ id: UUID?, as person: Person) async throws -> OpenedSession {
                try await person.accounts.openSession(
                    for: person.user, checked: "hash",
                    device: DeviceDescription(id: id, name: "renamed", kind: "mobile"),
                    tokenHash: Array(UUID().text.utf8), days: 30)
            }
            let again = try await signIn(ada.device, as: ada)
            #expect(again.device == .init(id: ada.device, name: "renamed", kind: "mobile"))
            #expect(try await ada.accounts.caller(tokenHash: ada.tokenHash)?.device.name == "renamed")
            #expect(try await signIn(ada.device, as: ben).device.id != ada.device)
            #expect(try await signIn(nil, as: ada).device.id != ada.device)
            let counts = try await PostgresSession.run(
                "SELECT count(*) FROM devices WHERE user_id = '\(ada.user.id.text)'", at: url)
            #expect(counts == [["2"]])
        }
    }

    @Test("A session slides when it is extended, ends when it is ended, and is worth nothing once it has expired")
    func sessions() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            let caller = try #require(try await ada.accounts.caller(tokenHash: ada.tokenHash))
            #expect(try await ada.accounts.extend(caller, days: 60) != nil)
            let extended = try #require(try await ada.accounts.caller(tokenHash: ada.tokenHash))
            #expect(extended.expires >= caller.expires.advanced(bySeconds: 29 * 86_400))
            try await ada.accounts.endSession(caller.session, of: ada.user.id)
            #expect(try await ada.accounts.caller(tokenHash: ada.tokenHash) == nil)
            #expect(try await phone.accounts.caller(tokenHash: phone.tokenHash) != nil)
            try await PostgresSession.run("UPDATE sessions SET expires_at = clock_timestamp()", at: url)
            #expect(try await phone.accounts.caller(tokenHash: phone.tokenHash) == nil)
        }
    }

    @Test("A session of somebody else cannot be ended")
    func foreignSession() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            let caller = try #require(try await ada.accounts.caller(tokenHash: ada.tokenHash))
            try await ben.accounts.endSession(caller.session, of: ben.user.id)
            #expect(try await ada.accounts.caller(tokenHash: ada.tokenHash) != nil)
        }
    }
}

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
                UPDATE mutations SET created_at = created_at - interval '31 days';
                UPDATE user_settings SET updated_at = updated_at - interval '31 days';
                """, at: url)
            let young = UUID.v7()
            try await ada.set("b", .int(1), id: young, sequence: 2)
            try await ada.delete("b")
            let phone = try await ada.onAnotherDevice()
            try await PostgresSession.run(
                "UPDATE sessions SET expires_at = clock_timestamp() WHERE device_id = '\(phone.device.text)'", at: url)
            await PostgresHousekeeping(database: database, logger: .init(label: "tests")).tidy()
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
}

@Suite struct PresenceRepositoryTests {
    @Test("A device is online while any process says so, and no longer when the last one left")
    func presence() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database, name: "laptop")
            let phone = try await ada.onAnotherDevice(name: "phone")
            let presence = PostgresPresence(database: database)
            let (one, two) = (UUID.v7(), UUID.v7())
            let (laptopKey, phoneKey) = (
                DeviceKey(user: ada.user.id, device: ada.device), DeviceKey(user: ada.user.id, device: phone.device)
            )
            func online() async throws -> [String] {
                try await presence.devices(of: [ada.user.id])[ada.user.id, default: []].filter(\.online).map(\.name)
            }
            #expect(try await presence.devices(of: [ada.user.id])[ada.user.id]?.map(\.name) == ["laptop", "phone"])
            try await presence.mark(online: [laptopKey, phoneKey], offline: [], process: one)
            try await presence.mark(online: [laptopKey], offline: [], process: two)
            #expect(try await online() == ["laptop", "phone"])
            try await presence.mark(online: [], offline: [laptopKey, phoneKey], process: one)
            #expect(try await online() == ["laptop"])
            try await PostgresSession.run(
                "UPDATE device_presence SET seen_at = seen_at - interval '2 minutes'", at: url)
            #expect(try await online().isEmpty)
            // Its rows were swept away while it could not be heard, and it comes back: that is a change.
            #expect(try await presence.refresh(online: [], process: one) == [ada.user.id])
            #expect(try await presence.refresh(online: [laptopKey], process: two) == [ada.user.id])
            #expect(try await online() == ["laptop"])
            #expect(try await presence.refresh(online: [laptopKey], process: two).isEmpty)
            #expect(try await presence.refresh(online: [], process: one).isEmpty)
            #expect(try await online() == ["laptop"])
            try await presence.leave(process: two)
            #expect(try await online().isEmpty)
            // A device that is gone meanwhile is passed over.
            try await presence.mark(
                online: [DeviceKey(user: ada.user.id, device: UUID.v7())], offline: [], process: one)
        }
    }
}
