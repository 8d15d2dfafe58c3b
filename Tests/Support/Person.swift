package import API
package import Accounts
package import FoundationEssentials
package import Persistence
package import Settings
package import Sync

/// An account with a device, and the mutations that a test sends from it.
package struct Person {
    package let user: User
    package let device: UUID
    package let token: SessionToken
    package let session: UUID
    package private(set) var database: Database

    package var settings: PostgresSettings { PostgresSettings(database: database, sync: sync) }
    package var sync: PostgresSync { PostgresSync(database: database, views: testViews) }
    package var accounts: PostgresAccounts { PostgresAccounts(database: database) }

    private init(_ opened: OpenedSession, _ token: SessionToken, _ database: Database) async throws {
        user = opened.user
        device = opened.device.id
        self.token = token
        self.database = database
        let found = try await PostgresAccounts(database: database).caller(bearing: [token])
        guard let found else { throw Problem.unauthenticated }
        session = found.caller.session
    }

    package static func register(_ database: Database, name: String = "laptop") async throws -> Person {
        guard let email = EmailAddress("\(UUID().text)@example.org") else { throw Problem.internalError }
        let token = SessionToken.make(for: Bucket(of: email.key).makeUser())
        let opened = try await PostgresAccounts(database: database).register(
            email, passwordHash: "hash", device: DeviceDescription(id: nil, name: name, kind: "desktop"),
            token: token, days: 30)
        return try await Person(opened, token, database)
    }

    /// The same person on the same device, over other connections.
    package func through(_ database: Database) -> Person {
        var person = self
        person.database = database
        return person
    }

    /// The same person on another device.
    package func onAnotherDevice(name: String = "phone") async throws -> Person {
        let token = SessionToken.make(for: user.id)
        let opened = try await accounts.openSession(
            for: user, checked: "hash", device: DeviceDescription(id: nil, name: name, kind: "mobile"),
            token: token, days: 30)
        return try await Person(opened, token, database)
    }

    package func sign(
        _ name: String, _ args: JSON, id: UUID = .v7(), base: Version? = nil, sequence: Int64? = nil,
        match: Mutation.Precondition? = nil
    ) -> SignedMutation {
        let mutation = Mutation(
            id: id, name: name, args: args, baseVersion: base, sequence: sequence, precondition: match)
        return SignedMutation(
            mutation: mutation, user: user.id, device: device, session: session,
            fingerprint: Array(name.utf8) + RawJSON(args).utf8)
    }

    @discardableResult
    package func set(
        _ key: String, _ value: JSON, id: UUID = .v7(), base: Version? = nil, sequence: Int64? = nil,
        match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        let signed = sign(
            "settings.set", .object(["key": .string(key), "value": value]), id: id, base: base, sequence: sequence,
            match: match)
        return try await settings.write(signed, try SettingChange(key: key, value: value))
    }

    @discardableResult
    package func delete(_ key: String, id: UUID = .v7(), base: Version? = nil) async throws -> Applied {
        let signed = sign("settings.delete", .object(["key": .string(key)]), id: id, base: base)
        return try await settings.write(signed, try SettingChange(deleting: key))
    }

    /// nil deletes.
    @discardableResult
    package func patch(_ values: [Verbatim: JSON?], id: UUID = .v7(), match: Mutation.Precondition? = nil) async throws
        -> Applied
    {
        let changes = try values.sorted { $0.key < $1.key }.map { key, value in
            try value.map { try SettingChange(key: key.text, value: $0) } ?? SettingChange(deleting: key.text)
        }
        let signed = sign("settings.patch", .object(values.mapValues { $0 ?? .null }), id: id, match: match)
        return try await settings.patch(signed, changes)
    }

    @discardableResult
    package func clear(id: UUID = .v7()) async throws -> Applied {
        try await settings.clear(sign("settings.clear", .object([:]), id: id))
    }

    /// All that were lost, newest first.
    package func conflicts() async throws -> [Conflict] {
        try await sync.conflicts(of: user.id, before: nil, limit: 100).conflicts
    }

    package func value(of key: String) async throws -> String? {
        try await settings.setting(key, of: user.id).map { String(decoding: $0.value.utf8, as: UTF8.self) }
    }
}

extension RawJSON {
    package var text: String { String(decoding: utf8, as: UTF8.self) }
}
