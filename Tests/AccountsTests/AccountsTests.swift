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
        let stored = try await hasher.hash(Password("correct horse"), for: .one)
        let again = try await hasher.hash(Password("correct horse"), for: .one)
        #expect(stored.hasPrefix("$scrypt$ln=10,r=8,p=3$") && stored != again)
        let costlier = PasswordHasher(cost: 11)
        #expect(try await costlier.verify(Password("correct horse"), against: stored, for: .one))
        #expect(try await !costlier.verify(Password("correct horsf"), against: stored, for: .one))
        #expect(try await !hasher.verify(Password("correct horse"), against: nil, for: .one))
        for broken in [
            "", "x", "$scrypt$ln=10,r=8,p=3$$", "$scrypt$ln=99,r=8,p=3$AAAA$AAAA", "$bcrypt$ln=10,r=8,p=1$AAAA$AAAA",
        ] {
            #expect(try await !hasher.verify(Password("correct horse"), against: broken, for: .one), "\(broken)")
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
                        _ = try await hasher.hash(Password("correct horse"), for: .one)
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

    @Test(
        "A token is its user's bucket and 64 characters of base64url that begin with their id; only its hash tells it")
    func tokens() throws {
        let user = UUID.v7()
        let token = SessionToken.make(for: user)
        #expect(token.text.count == 67 && token.hash.count == 32 && token.text.hasPrefix(Bucket(of: user).text))
        let read = try #require(SessionToken(token.text))
        #expect(read == token && read.user == user && SessionToken.make(for: user).text != token.text)
        for wrong in ["", "x", token.text + "A", token.text.dropLast() + "+", token.text.dropLast() + "="] {
            #expect(SessionToken(String(wrong)) == nil)
        }
    }

    @Test("A token whose first digits are not its user's bucket is none")
    func wrongBucket() {
        let token = SessionToken.make(for: Bucket(of: "ada@example.org").makeUser())
        let rest = token.text.dropFirst(3)
        #expect(SessionToken("cfe" + rest) == token)
        for other in ["CFE", "000", "cff", "zzz"] { #expect(SessionToken(other + rest) == nil) }
    }

    @Test(
        "A bucket is the first 12 bits of the SHA-256 of what an account was made with, and stands in the id and as three digits"
    )
    func buckets() {
        // As `printf ada@example.org | sha256sum` begins.
        for (key, text) in [("ada@example.org", "cfe"), ("k@example.org", "0d1")] {
            let bucket = Bucket(of: key)
            let user = bucket.makeUser()
            #expect(bucket.text == text && Bucket(of: user) == bucket)
            #expect(user.text.dropFirst(14).prefix(4) == "7" + text)
        }
    }

    @Test("A bearer header goes before the cookie, and what is no token is malformed, not absent")
    func credentials() throws {
        let authenticator = Authenticator(
            repository: Nobody(), origins: OriginPolicy(allowed: []), sessionDays: 30)
        let (one, other) = (SessionToken.make(for: .v7()), SessionToken.make(for: .v7()))
        func credential(_ fields: HTTPFields) -> Authenticator.Credential { authenticator.credential(in: fields) }
        guard
            case .bearer(let token) = credential([
                .authorization: "bearer \(one.text)", .cookie: "lockstep_session=\(other.text)",
            ])
        else { return #expect(Bool(false), "a bearer token was expected") }
        #expect(token.hash == one.hash)
        #expect(credential([.cookie: "a=b; lockstep_session=\(other.text); c=d"]) == .cookies([other]))
        for fields in [[.authorization: "Bearer"], [.cookie: "lockstep_session=x"]] as [HTTPFields] {
            guard case .malformed = credential(fields) else { return #expect(Bool(false), "\(fields)") }
        }
        // Neither a bearer nor a cookie of ours: it may still come another way, such as a socket's first message.
        for fields in [[.cookie: "other=1"], [.cookie: "lockstep_session="], [.authorization: "Basic x"]]
            as [HTTPFields]
        {
            #expect(credential(fields) == .none, "\(fields)")
        }
    }

    @Test("Each cookie of the name is tried, whatever stands before it and however it is wrapped")
    func manyCookies() {
        let authenticator = Authenticator(
            repository: Nobody(), origins: OriginPolicy(allowed: []), sessionDays: 30, cookieName: "mine")
        let tokens = (0..<8).map { _ in SessionToken.make(for: .v7()) }
        func credential(_ fields: HTTPFields) -> Authenticator.Credential { authenticator.credential(in: fields) }
        let (stale, good) = (tokens[0], tokens[1])
        for cookie in [
            "mine=\(stale.text); mine=\(good.text)", "mine=; mine=\(stale.text);mine=\"\(good.text)\"",
            "lockstep_session=\(tokens[2].text); mine=x; mine=\(stale.text); mine=\(stale.text); mine=\(good.text) ",
        ] {
            #expect(credential([.cookie: cookie]) == .cookies([stale, good]), "\(cookie)")
        }
        var split: HTTPFields = [.cookie: "mine=\(stale.text)"]
        split.append(HTTPField(name: .cookie, value: "a=b; mine=\(good.text)"))
        #expect(credential(split) == .cookies([stale, good]))
        let all = tokens.map { "mine=\($0.text)" }.joined(separator: "; ")
        #expect(credential([.cookie: all]) == .cookies(tokens))
        #expect(credential([.cookie: "mine="]) == .none)
        // Of a proxy that asks for a password of its own.
        #expect(credential([.authorization: "Basic eDp5", .cookie: "mine=\(good.text)"]) == .cookies([good]))
        #expect(credential([.authorization: "Bearer x", .cookie: "mine=\(good.text)"]) == .malformed)
        #expect(credential([.authorization: "Basic eDp5"]) == .none)
        #expect(credential([.authorization: "Basic eDp5", .cookie: "mine=x"]) == .malformed)
    }

    @Test("A flood of hashes for one delays another's by no more than what is being worked on")
    func fairness() async throws {
        let hasher = PasswordHasher(cost: 10)
        _ = try await hasher.hash(Password("correct horse"), for: .one)
        let clock = ContinuousClock()
        let alone = try await clock.measure { _ = try await hasher.hash(Password("correct horse"), for: .other) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<60 {
                group.addTask { _ = try? await hasher.hash(Password("correct horse"), for: .one) }
            }
            while hasher.load < 40 { await Task.yield() }
            let crowded = try await clock.measure { _ = try await hasher.hash(Password("correct horse"), for: .other) }
            // In one line with the others it would be twenty times as long.
            #expect(crowded < alone * 8, "\(crowded) instead of \(alone)")
            try await group.waitForAll()
        }
        try await hasher.shutdown()
    }
}

extension Asker {
    fileprivate static let one = Asker(.stranger, ["one"])
    fileprivate static let other = Asker(.stranger, ["other"])
}

/// Knows nobody; the tests here never ask.
private struct Nobody: AccountsRepository {
    func register(
        _ email: EmailAddress, passwordHash: String, device: DeviceDescription, token: SessionToken, days: Int
    ) async throws -> OpenedSession { throw Problem.notFound }
    func credentials(of email: EmailAddress, on device: UUID?) async throws -> Credentials? { nil }
    func openSession(
        for user: User, checked: String, device: DeviceDescription, token: SessionToken, days: Int
    ) async throws -> OpenedSession { throw Problem.notFound }
    func caller(bearing tokens: [SessionToken]) async throws -> (caller: Caller, place: Int)? { nil }
    func extend(_ caller: Caller, days: Int) async throws -> Timestamp? { nil }
    func note(_ caller: Caller) async throws {}
    func endSession(_ session: UUID, of user: UUID) async throws {}
    func user(_ id: UUID, asking caller: Caller?) async throws -> User? { nil }
    func credentials(of user: UUID) async throws -> (user: User, passwordHash: String)? { nil }
    func changePassword(of caller: Caller, checked: String, to hash: String) async throws -> Bool { false }
    func devices(of user: UUID) async throws -> [Device] { [] }
    func rename(_ device: UUID, of user: UUID, to name: String) async throws -> Device? { nil }
    func removeDevice(_ device: UUID, of user: UUID) async throws -> Bool { false }
    func export(_ user: UUID) async throws -> AccountExport? { nil }
    func exportPage(of user: UUID, table: String, from place: ExportPlace) async throws -> ExportPage? { nil }
    func erase(_ user: UUID) async throws -> Bool { false }
}
