import API
import Foundation
import HTTPTypes
import Testing

@testable import Accounts

@Suite("Addresses, passwords and tokens")
struct AccountsTests {
    @Test("Addresses compare without case, and keep how they were written")
    func addresses() throws {
        let address = try #require(EmailAddress("Ada@Example.COM"))
        #expect(address.key == EmailAddress("ada@example.com")?.key && address.text == "Ada@Example.COM")
        for wrong in [
            "", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a@\u{0}b",
            String(repeating: "x", count: 250) + "@b.cd",
        ] {
            #expect(EmailAddress(wrong) == nil, "\(wrong)")
        }
    }

    @Test("A password is checked with the parameters of its stored string, and no other one fits")
    func passwords() async throws {
        let hasher = PasswordHasher(cost: 10)
        let stored = try await hasher.hash(Password("correct horse"))
        let again = try await hasher.hash(Password("correct horse"))
        #expect(stored.hasPrefix("$scrypt$ln=10,r=8,p=3$") && stored != again)
        let costlier = PasswordHasher(cost: 11)
        #expect(try await costlier.verify(Password("correct horse"), against: stored))
        #expect(try await !costlier.verify(Password("correct horsf"), against: stored))
        #expect(try await !hasher.verify(Password("correct horse"), against: nil))
        for broken in [
            "", "x", "$scrypt$ln=10,r=8,p=3$$", "$scrypt$ln=99,r=8,p=3$AAAA$AAAA", "$bcrypt$ln=10,r=8,p=1$AAAA$AAAA",
        ] {
            #expect(try await !hasher.verify(Password("correct horse"), against: broken), "\(broken)")
        }
        try await hasher.shutdown()
        try await costlier.shutdown()
    }

    @Test("The same characters typed on another keyboard are the same password")
    func normalization() {
        #expect(Password("caf\u{E9}").utf8 == Password("cafe\u{301}").utf8)
    }

    @Test("When too many hashes wait, the next is turned away")
    func crowd() async throws {
        let hasher = PasswordHasher(cost: 14)
        let refused = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<60 {
                group.addTask {
                    do {
                        _ = try await hasher.hash(Password("correct horse"))
                        return false
                    } catch {
                        return (error as? Problem)?.status == 503
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(refused > 0 && refused < 60)
        try await hasher.shutdown()
    }

    @Test("A token is 43 characters of base64url, and only its hash tells it")
    func tokens() throws {
        let token = SessionToken.make()
        #expect(token.text.count == 43 && token.hash.count == 32)
        #expect(try #require(SessionToken(token.text)).hash == token.hash && SessionToken.make().text != token.text)
        for wrong in ["", "x", token.text + "A", token.text.dropLast() + "+", token.text.dropLast() + "="] {
            #expect(SessionToken(String(wrong)) == nil)
        }
    }

    @Test("A bearer header goes before the cookie, and what is no token is malformed, not absent")
    func credentials() throws {
        let authenticator = Authenticator(
            repository: Nobody(), origins: OriginPolicy(allowed: []), sessionDays: 30)
        let (one, other) = (SessionToken.make(), SessionToken.make())
        func credential(_ fields: HTTPFields) -> Authenticator.Credential { authenticator.credential(in: fields) }
        guard
            case .bearer(let token) = credential([
                .authorization: "bearer \(one.text)", .cookie: "lockstep_session=\(other.text)",
            ])
        else { return #expect(Bool(false), "a bearer token was expected") }
        #expect(token.hash == one.hash)
        guard case .cookie(let cookie) = credential([.cookie: "a=b; lockstep_session=\(other.text); c=d"])
        else { return #expect(Bool(false), "a cookie was expected") }
        #expect(cookie.hash == other.hash)
        for fields in [[.authorization: "Basic x"], [.authorization: "Bearer"], [.cookie: "lockstep_session=x"]]
            as [HTTPFields]
        {
            guard case .malformed = credential(fields) else { return #expect(Bool(false), "\(fields)") }
        }
        guard case .none = credential([.cookie: "other=1"]) else { return #expect(Bool(false)) }
    }
}

/// Knows nobody; the tests here never ask.
private struct Nobody: AccountsRepository {
    func register(
        _ email: EmailAddress, passwordHash: String, device: DeviceDescription, tokenHash: [UInt8], days: Int
    ) async throws -> OpenedSession { throw Problem.notFound }
    func credentials(of email: EmailAddress) async throws -> (user: User, passwordHash: String)? { nil }
    func openSession(
        for user: User, checked: String, device: DeviceDescription, tokenHash: [UInt8], days: Int
    ) async throws -> OpenedSession { throw Problem.notFound }
    func caller(tokenHash: [UInt8]) async throws -> Caller? { nil }
    func extend(_ caller: Caller, days: Int) async throws -> Timestamp? { nil }
    func note(_ caller: Caller) async throws {}
    func endSession(_ session: UUID, of user: UUID) async throws {}
    func user(_ id: UUID) async throws -> User? { nil }
    func credentials(of user: UUID) async throws -> (user: User, passwordHash: String)? { nil }
    func changePassword(of caller: Caller, checked: String, to hash: String) async throws -> Bool { false }
    func devices(of user: UUID) async throws -> [Device] { [] }
    func rename(_ device: UUID, of user: UUID, to name: String) async throws -> Device? { nil }
    func removeDevice(_ device: UUID, of user: UUID) async throws -> Bool { false }
    func export(_ user: UUID) async throws -> [ExportedTable] { [] }
    func erase(_ user: UUID) async throws -> Bool { false }
}
