import API
import FoundationEssentials
import Logging
import Persistence
import Sync
import TestSupport
import Testing

@testable import Accounts

@Suite struct AccountsRepositoryTests {
    private let laptop = DeviceDescription(id: nil, name: "laptop", kind: "desktop")

    @Test("An account comes with its device, its session and its head")
    func register() async throws {
        try await withTestDatabase { database, _ in
            let accounts = PostgresAccounts(database: database)
            let email = try #require(EmailAddress("Ada@Example.org"))
            let token = SessionToken.make(for: Bucket(of: email.key).makeUser())
            let (others, nobodys) = (SessionToken.make(for: token.user), SessionToken.make(for: .v7()))
            let before = Timestamp.now()
            let opened = try await accounts.register(
                email, passwordHash: "scrypt$x", device: laptop, token: token, days: 30)
            #expect(opened.user.id == token.user && opened.user.email == "Ada@Example.org")
            #expect(opened.device.name == "laptop" && opened.device.kind == "desktop")
            #expect(opened.expires >= before.advanced(bySeconds: 30 * 86_400 - 60))
            #expect(opened.expires <= Timestamp.now().advanced(bySeconds: 30 * 86_400 + 60))
            let caller = try #require(try await accounts.caller(bearing: token))
            #expect(caller.user == opened.user.id && caller.device == opened.device && caller.expires == opened.expires)
            #expect(try await accounts.caller(bearing: others) == nil)
            let found = try #require(try await accounts.caller(bearing: [others, nobodys, token, token]))
            #expect(found.caller.session == caller.session && found.place == 2)
            #expect(try await accounts.caller(bearing: [others, nobodys]) == nil)
            #expect(try await accounts.caller(bearing: []) == nil)
            #expect(try await accounts.user(opened.user.id) == opened.user)
            #expect(try await accounts.user(UUID.v7()) == nil)
            let sync = PostgresSync(database: database, views: testViews)
            #expect(try await sync.heads(of: opened.user.id).place.user == 0)
        }
    }

    @Test("An address has one account, however it is written, and whoever comes again is told so every time")
    func emailTaken() async throws {
        // One write connection, so that the same statement fails on it again and again.
        try await withTestDatabase(connections: 2) { database, url in
            let accounts = PostgresAccounts(database: database)
            func register(_ text: String) async throws {
                _ = try await accounts.register(
                    try #require(EmailAddress(text)), passwordHash: "x", device: laptop, token: .make(for: .v7()),
                    days: 1)
            }
            try await PostgresSession.run(
                "INSERT INTO identities (key, user_id) VALUES ('ada@x.org', gen_random_uuid())",
                at: url)
            for _ in 1...3 {
                let refusal = await #expect(throws: AccountRefusal.self) { try await register("ADA@x.org") }
                guard case .emailTaken? = refusal else { return }
            }
            try await register("ben@x.org")
            #expect(try await PostgresSession.run("SELECT count(*) FROM sessions", at: url) == [["1"]])
            let credentials = try await accounts.credentials(of: try #require(EmailAddress("Ben@X.org")), on: nil)
            #expect(credentials?.user.email == "ben@x.org" && credentials?.passwordHash == "x")
            #expect(try await accounts.credentials(of: try #require(EmailAddress("eve@x.org")), on: nil) == nil)
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
                    token: .make(for: person.user.id), days: 30)
            }
            let again = try await signIn(ada.device, as: ada)
            #expect(again.device == .init(id: ada.device, name: "renamed", kind: "mobile"))
            #expect(try await ada.accounts.caller(bearing: ada.token)?.device.name == "renamed")
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
            let caller = try #require(try await ada.accounts.caller(bearing: ada.token))
            #expect(try await ada.accounts.extend(caller, days: 60) != nil)
            let extended = try #require(try await ada.accounts.caller(bearing: ada.token))
            #expect(extended.expires >= caller.expires.advanced(bySeconds: 29 * 86_400))
            try await ada.accounts.endSession(caller.session, of: ada.user.id)
            #expect(try await ada.accounts.caller(bearing: ada.token) == nil)
            #expect(try await phone.accounts.caller(bearing: phone.token) != nil)
            try await PostgresSession.run("UPDATE sessions SET expires_at = clock_timestamp()", at: url)
            #expect(try await phone.accounts.caller(bearing: phone.token) == nil)
        }
    }

    @Test("A session of somebody else cannot be ended")
    func foreignSession() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            let caller = try #require(try await ada.accounts.caller(bearing: ada.token))
            try await ben.accounts.endSession(caller.session, of: ben.user.id)
            #expect(try await ada.accounts.caller(bearing: ada.token) != nil)
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

    @Test("A process that holds thousands of devices says so, and leaves, in statements of so many rows")
    func pieces() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await PostgresSession.run(
                """
                INSERT INTO devices (user_id, id, name, kind)
                SELECT '\(ada.user.id.text)', gen_random_uuid(), 'x', 'web' FROM generate_series(1, 250);
                CREATE TABLE steps (rows bigint);
                CREATE FUNCTION watched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    INSERT INTO steps SELECT count(*) FROM touched;
                    RETURN NULL;
                END $$;
                CREATE TRIGGER in_ AFTER INSERT ON device_presence REFERENCING NEW TABLE AS touched FOR EACH STATEMENT
                EXECUTE FUNCTION watched();
                CREATE TRIGGER out_ AFTER DELETE ON device_presence REFERENCING OLD TABLE AS touched FOR EACH STATEMENT
                EXECUTE FUNCTION watched();
                """, at: url)
            let presence = PostgresPresence(database: database, rowsAtOnce: 100)
            let devices = try await ada.accounts.devices(of: ada.user.id).map {
                DeviceKey(user: ada.user.id, device: $0.id)
            }
            func counted() async throws -> [[String?]] {
                try await PostgresSession.run(
                    "SELECT (SELECT count(*) FROM device_presence), (SELECT max(rows) FROM steps)", at: url)
            }
            let process = UUID.v7()
            try await presence.mark(online: devices, offline: [], process: process)
            #expect(try await counted() == [["251", "100"]])
            #expect(try await presence.devices(of: [ada.user.id])[ada.user.id]?.filter(\.online).count == 251)
            #expect(try await presence.refresh(online: devices, process: process).isEmpty)
            try await presence.mark(online: [], offline: devices, process: process)
            #expect(try await counted() == [["0", "100"]])
            // It dies, and another one sweeps away what it left.
            try await presence.mark(online: devices, offline: [], process: process)
            try await PostgresSession.run(
                "UPDATE device_presence SET seen_at = seen_at - interval '2 minutes'", at: url)
            #expect(try await presence.refresh(online: [], process: .v7()) == [ada.user.id])
            #expect(try await counted() == [["0", "100"]])
            try await presence.mark(online: devices, offline: [], process: process)
            try await presence.leave(process: process)
            #expect(try await counted() == [["0", "100"]])
        }
    }
}
