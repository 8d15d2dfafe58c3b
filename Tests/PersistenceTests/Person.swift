import API
import Accounts
import FoundationEssentials
import Settings
import Sync

@testable import Persistence

/// An account with a device, and the mutations that a test sends from it.
struct Person {
    let user: User
    let device: UUID
    let tokenHash: [UInt8]
    let database: Database

    var settings: PostgresSettings { PostgresSettings(database: database) }
    var sync: PostgresSync { PostgresSync(database: database) }
    var accounts: PostgresAccounts { PostgresAccounts(database: database) }

    static func register(_ database: Database, name: String = "laptop") async throws -> Person {
        let token = Array(UUID().text.utf8)
        guard let email = EmailAddress("\(UUID().text)@example.org") else { throw Problem.internalError }
        let opened = try await PostgresAccounts(database: database).register(
            email, passwordHash: "hash", device: DeviceDescription(id: nil, name: name, kind: "desktop"),
            tokenHash: token, days: 30)
        return Person(user: opened.user, device: opened.device.id, tokenHash: token, database: database)
    }

    /// The same person on another device.
    func onAnotherDevice(name: String = "phone") async throws -> Person {
        let token = Array(UUID().text.utf8)
        let opened = try await accounts.openSession(
            for: user, checked: "hash", device: DeviceDescription(id: nil, name: name, kind: "mobile"),
            tokenHash: token, days: 30)
        return Person(user: user, device: opened.device.id, tokenHash: token, database: database)
    }

    func sign(
        _ name: String, _ args: JSON, id: UUID = .v7(), base: Version? = nil, sequence: Int64? = nil,
        match: Mutation.Precondition? = nil
    ) -> SignedMutation {
        let mutation = Mutation(
            id: id, name: name, args: args, baseVersion: base, sequence: sequence, precondition: match)
        return SignedMutation(
            mutation: mutation, user: user.id, device: device, fingerprint: Array(name.utf8) + RawJSON(args).utf8)
    }

    @discardableResult
    func set(
        _ key: String, _ value: JSON, id: UUID = .v7(), base: Version? = nil, sequence: Int64? = nil,
        match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        let signed = sign(
            "settings.set", .object(["key": .string(key), "value": value]), id: id, base: base, sequence: sequence,
            match: match)
        return try await settings.apply(signed, [try SettingChange(key: key, value: value)])
    }

    @discardableResult
    func delete(_ key: String, id: UUID = .v7(), base: Version? = nil) async throws -> Applied {
        let signed = sign("settings.delete", .object(["key": .string(key)]), id: id, base: base)
        return try await settings.apply(signed, [try SettingChange(deleting: key)])
    }

    /// nil deletes.
    @discardableResult
    func patch(_ values: [String: JSON?], id: UUID = .v7(), match: Mutation.Precondition? = nil) async throws -> Applied
    {
        let changes = try values.sorted { $0.key < $1.key }.map { key, value in
            try value.map { try SettingChange(key: key, value: $0) } ?? SettingChange(deleting: key)
        }
        let signed = sign("settings.patch", .object(values.mapValues { $0 ?? .null }), id: id, match: match)
        return try await settings.apply(signed, changes)
    }

    @discardableResult
    func clear(id: UUID = .v7()) async throws -> Applied {
        try await settings.apply(sign("settings.clear", .object([:]), id: id), nil)
    }

    func value(of key: String) async throws -> String? {
        try await settings.setting(key, of: user.id).map { String(decoding: $0.value.utf8, as: UTF8.self) }
    }
}

extension RawJSON {
    var text: String { String(decoding: utf8, as: UTF8.self) }
}
