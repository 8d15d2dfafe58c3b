import API
import Accounts
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Persistence
import Sync
import TestSupport
import Testing

@Suite struct AccountsRoutesTests {
    /// With everything that stands before the routes of who is signed in: a token is checked as the server checks it.
    private func calls(_ database: Database, attemptsPerMinute: Int = 0) -> RouterCalls {
        RouterCalls(as: nil) { api in
            let accounts = PostgresAccounts(database: database)
            let authenticator = Authenticator(
                repository: accounts, origins: OriginPolicy(allowed: []), sessionDays: 30)
            let authenticated = api.group().add(
                middleware: AuthenticatingMiddleware(
                    authenticator: authenticator, limiter: RateLimiter(perMinute: 0), unsent: UnsentBudget()))
            let hasher = PasswordHasher(cost: 10)
            let throttle = SignInThrottle(perMinute: attemptsPerMinute)
            let announce: Announce = { _ in }
            AccountsRoutes(
                repository: accounts, authenticator: authenticator, hasher: hasher, announce: announce,
                throttle: throttle
            ).add(to: api, authenticated: authenticated)
            OwnAccountRoutes(
                repository: accounts, authenticator: authenticator, hasher: hasher, announce: announce,
                throttle: throttle
            ).add(to: authenticated)
            DevicesRoutes(repository: accounts, authenticator: authenticator, announce: announce).add(to: authenticated)
        }
    }

    private func signIn(_ email: String = "ada@example.org", _ password: String = "correct horse") -> JSON {
        .object([
            "email": .string(email), "password": .string(password),
            "device": .object(["name": .string("laptop"), "kind": .string("desktop")]),
        ])
    }

    private func bearing(_ answer: Answer) throws -> HTTPFields {
        [.authorization: "Bearer \(try #require(try answer.json["token"]?.string))"]
    }

    @Test("An account is opened, signed in to on two devices, and signed out of on one")
    func sessions() async throws {
        try await withTestDatabase { database, _ in
            let calls = calls(database)
            let opened = try await calls.post("/auth/register", signIn())
            #expect(opened.status == 201)
            let cookie = try #require(opened.headers[.setCookie])
            #expect(cookie.hasPrefix("lockstep_session=") && cookie.contains("HttpOnly; SameSite=Lax"))
            let ada = try bearing(opened)
            #expect(try await calls.get("/auth/me", headers: ada).json["user"]?["email"]?.string == "ada@example.org")
            let value = try #require(cookie.split(separator: ";").first)
            #expect(try await calls.get("/auth/me", headers: [.cookie: String(value)]).status == 200)
            let phone = try bearing(try await calls.post("/auth/login", signIn("ADA@example.org")))
            guard case .array(let devices)? = try await calls.get("/devices", headers: phone).json["devices"] else {
                return #expect(Bool(false), "there is no list")
            }
            #expect(devices.map { $0["current"]?.bool } == [false, true])
            let out = try await calls.post("/auth/logout", headers: ada)
            #expect(out.status == 204 && out.headers[.setCookie]?.contains("Max-Age=0") == true)
            #expect(try await calls.get("/auth/me", headers: ada).said == "401 unauthenticated")
            #expect(try await calls.get("/auth/me", headers: phone).status == 200)
        }
    }

    @Test("Each refusal has its code, and says nothing of whether an account exists")
    func refusals() async throws {
        try await withTestDatabase { database, _ in
            let calls = calls(database)
            let ada = try bearing(try await calls.post("/auth/register", signIn()))
            #expect(try await calls.post("/auth/register", signIn("Ada@Example.org")).said == "409 email_taken")
            let wrong = try await calls.post("/auth/login", signIn("ada@example.org", "wrong horse"))
            let nobody = try await calls.post("/auth/login", signIn("ben@example.org"))
            #expect(try wrong.said == "401 wrong_credentials" && nobody.said == wrong.said)
            #expect(try wrong.json["detail"] == nobody.json["detail"])
            let short = try await calls.post("/auth/register", signIn("no address", "short"))
            #expect(try short.said == "422 invalid_body")
            guard case .array(let faults)? = try short.json["errors"] else {
                return #expect(Bool(false), "there are no faults")
            }
            #expect(Set(faults.compactMap { $0["pointer"]?.string }) == ["/email", "/password"])
            let foreign = try await calls.post(
                "/auth/login", signIn(), headers: [.origin: "https://evil.example"])
            #expect(try foreign.said == "403 cross_origin")
            for headers: HTTPFields in [[:], [.authorization: "Bearer x"], [.cookie: "lockstep_session=x"]] {
                let answer = try await calls.get("/auth/me", headers: headers)
                #expect(try answer.said == "401 unauthenticated" && answer.headers[.wwwAuthenticate] != nil)
            }
            let guess = try await calls.send(
                .delete, "/account", .object(["password": .string("wrong horse")]), headers: ada)
            #expect(try guess.said == "403 wrong_credentials")
            #expect(try await calls.get("/auth/me", headers: ada).status == 200)
        }
    }

    @Test("What the cookie authenticates must come from a page of ours")
    func crossOrigin() async throws {
        try await withTestDatabase { database, _ in
            let calls = calls(database)
            let opened = try await calls.post("/auth/register", signIn())
            let cookie = String(try #require(opened.headers[.setCookie]?.split(separator: ";").first))
            #expect(try await calls.post("/auth/logout", headers: [.cookie: cookie]).said == "403 cross_origin")
            let foreign: HTTPFields = [.cookie: cookie, .origin: "https://evil.example"]
            let refused = try await calls.post("/auth/logout", headers: foreign)
            #expect(try refused.json["expected"]?.string == "http://lockstep.example")
            let own: HTTPFields = [.cookie: cookie, .origin: "http://lockstep.example"]
            #expect(try await calls.post("/auth/logout", headers: own).status == 204)
        }
    }

    @Test("Too many attempts are refused for a while, and who is signed in is not")
    func throttle() async throws {
        try await withTestDatabase { database, _ in
            let calls = calls(database, attemptsPerMinute: 2)
            let ada = try bearing(try await calls.post("/auth/register", signIn()))
            for _ in 0..<2 { _ = try await calls.post("/auth/login", signIn("ada@example.org", "wrong horse")) }
            let late = try await calls.post("/auth/login", signIn())
            #expect(try late.said == "429 rate_limited" && late.headers[.retryAfter] != nil)
            #expect(try await calls.get("/auth/me", headers: ada).status == 200)
        }
    }

    @Test(
        "A device is renamed and removed by its user alone, a new password ends all other sessions, and an account goes"
    )
    func ownAccount() async throws {
        try await withTestDatabase { database, _ in
            let calls = calls(database)
            let first = try await calls.post("/auth/register", signIn())
            let ada = try bearing(first)
            let phone = try bearing(try await calls.post("/auth/login", signIn()))
            let ben = try bearing(try await calls.post("/auth/register", signIn("ben@example.org")))
            let path = "/devices/\(try #require(try first.json["device"]?["id"]?.string))"
            let name: JSON = .object(["name": .string("tablet")])
            #expect(try await calls.send(.patch, path, name, headers: ben).said == "404 not_found")
            #expect(try await calls.send(.patch, path, name, headers: phone).json["name"]?.string == "tablet")
            #expect(try await calls.send(.patch, path, .object([:]), headers: ada).said == "422 invalid_body")

            let change: JSON = .object([
                "current_password": .string("correct horse"), "new_password": .string("battery staple"),
            ])
            #expect(try await calls.post("/auth/password", change, headers: ada).status == 204)
            #expect(try await calls.get("/auth/me", headers: phone).said == "401 unauthenticated")
            #expect(try await calls.post("/auth/password", change, headers: ada).said == "403 wrong_credentials")
            let end: JSON = .object(["password": .string("battery staple")])
            #expect(try await calls.send(.delete, "/account", end, headers: ada).status == 204)
            #expect(try await calls.get("/auth/me", headers: ada).said == "401 unauthenticated")
            #expect(try await calls.get("/auth/me", headers: ben).status == 200)
        }
    }
}
