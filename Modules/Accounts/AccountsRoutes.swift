package import API
package import Foundation
import HTTPTypes
package import Hummingbird
package import Sync

/// What Accounts offers on the wire: an account, and sessions on devices.
package struct AccountsRoutes: Sendable {
    private let repository: any AccountsRepository
    private let authenticator: Authenticator
    private let hasher: PasswordHasher
    private let announce: Announce
    private let throttle: SignInThrottle
    private let onSignIn: @Sendable (UUID) async -> Void
    private let registrationsByAddress: RateLimiter<Verbatim>

    /// - Parameter onSignIn: is told who has signed in, before they are answered.
    package init(
        repository: any AccountsRepository, authenticator: Authenticator, hasher: PasswordHasher,
        announce: @escaping Announce,
        throttle: SignInThrottle, onSignIn: @escaping @Sendable (UUID) async -> Void = { _ in }
    ) {
        self.repository = repository
        self.authenticator = authenticator
        self.hasher = hasher
        self.announce = announce
        self.throttle = throttle
        // They guess nothing, but cost a hash.
        registrationsByAddress = RateLimiter(perMinute: throttle.perMinute * 6)
        self.onSignIn = onSignIn
    }

    package func add(to open: RouterGroup<EdgeContext>, authenticated: RouterGroup<EdgeContext>) {
        open.group("auth")
            .post("register", use: register)
            .post("login", use: login)
        authenticated.group("auth")
            .post("logout", use: logout)
            .get("me", use: me)
    }

    private struct SignIn {
        let email: EmailAddress
        let password: Password
        let device: DeviceDescription

        init(reading json: JSON) throws(Problem) {
            var fields = try Fields(json)
            let email = EmailAddress(fields.string("email", length: 1...254))
            if email == nil, fields["email"]?.string != nil { fields.fault("email", "This is no e-mail address.") }
            let password = fields.string("password", length: Password.length)
            let described = fields.optionalObject("device")
            if described == nil { fields.fault("device", "An object {name, kind} should stand here.") }
            try fields.check()
            var device = try Fields(described ?? .object([:]), at: "/device")
            let name = device.string("name", length: Device.nameLength)
            let kind = device.string("kind", length: 1...16)
            if !DeviceDescription.kinds.contains(kind.verbatim), device["kind"]?.string != nil {
                device.fault(
                    "kind", "One of \(DeviceDescription.kinds.map(\.text).joined(separator: ", ")) should stand here.")
            }
            let id = device.optionalString("id", length: 0...64).flatMap { UUID(text: $0) }
            try device.check()
            guard let email else { throw .invalidBody("This is no e-mail address.", at: "/email") }
            self.email = email
            self.password = Password(password)
            self.device = DeviceDescription(id: id, name: name, kind: kind)
        }
    }

    @Sendable private func register(_ request: Request, _ context: EdgeContext) async throws -> Response {
        // Signing a stranger's browser in to one's own account is an attack too; only a page says Origin.
        try authenticator.origins.admit(request.headers, client: context.client, unknown: true)
        if let wait = registrationsByAddress.take(context.client.network.verbatim) {
            throw Problem.rateLimited("Too many accounts were opened from this address.", retryAfter: wait)
        }
        let body = try SignIn(reading: await request.json())
        let hash = try await hasher.hash(body.password, for: .newcomer(context.client))
        let token = SessionToken.make(for: Bucket(of: body.email.key).makeUser())
        do {
            let session = try await repository.register(
                body.email, passwordHash: hash, device: body.device, token: token,
                days: authenticator.sessionDays)
            return answer(session, token, .created, context)
        } catch let refusal as AccountRefusal {
            throw refusal.problem
        }
    }

    @Sendable private func login(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try authenticator.origins.admit(request.headers, client: context.client, unknown: true)
        try throttle.take(address: context.client.network)
        let body = try SignIn(reading: await request.json())
        let (known, asker) = try await known(body, context.client)
        guard try await hasher.verify(body.password, against: known?.passwordHash, for: asker), let known else {
            throw AccountRefusal.wrongCredentials.problem
        }
        let token = SessionToken.make(for: known.user.id)
        do {
            let session = try await repository.openSession(
                for: known.user, checked: known.passwordHash, device: body.device, token: token,
                days: authenticator.sessionDays)
            if session.othersEnded {
                announce(.sessionsEnded(user: known.user.id, local: true))
                announce(.devicesChanged(user: known.user.id))
            }
            await onSignIn(known.user.id)
            return answer(session, token, .ok, context)
        } catch let refusal as AccountRefusal {
            throw refusal.problem
        }
    }

    /// The account that a sign-in is to, counted as an attempt at it: on a device that the account knows it is that device's
    /// own, because strangers who guess can use the e-mail's up. Who has such an attempt is taken for the owner.
    private func known(_ body: SignIn, _ client: EdgeContext.Client) async throws -> (Credentials?, Asker) {
        guard let device = body.device.id else {
            try throttle.take(email: body.email.key)
            return (try await repository.credentials(of: body.email, on: nil), .stranger(client))
        }
        let known = try await repository.credentials(of: body.email, on: device)
        // A device's id may be known to who stole a session once: where its attempts are used up, the e-mail's are left.
        if known?.isOnKnownDevice == true, throttle.has(device: device) { return (known, .owner(client, device)) }
        try throttle.take(email: body.email.key)
        return (known, .stranger(client))
    }

    @Sendable private func logout(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try await context.caller
        try await repository.endSession(caller.session, of: caller.user)
        announce(.sessionsEnded(user: caller.user, local: true))
        return Response(
            status: .noContent, headers: [.setCookie: authenticator.cookie(nil, client: context.client)])
    }

    @Sendable private func me(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try await context.caller
        guard let user = try await repository.user(caller.user) else { throw Problem.unauthenticated }
        return .json { writer in
            writer.raw("{")
            Self.write(user, caller.device, expires: caller.expires, to: &writer)
            writer.raw("}")
        }
    }

    private func answer(
        _ session: OpenedSession, _ token: SessionToken, _ status: HTTPResponse.Status, _ context: EdgeContext
    ) -> Response {
        let cookie = authenticator.cookie(token, client: context.client)
        return .json(status: status, headers: [.setCookie: cookie]) { writer in
            writer.raw("{\"token\":")
            writer.plain(token.text)
            writer.raw(",")
            Self.write(session.user, session.device, expires: session.expires, to: &writer)
            writer.raw("}")
        }
    }

    private static func write(
        _ user: User, _ device: Caller.Device, expires: Timestamp, to writer: inout JSONWriter
    ) {
        writer.raw("\"expires_at\":")
        writer.plain(expires.text)
        writer.raw(",\"user\":{\"id\":")
        writer.plain(user.id.text)
        writer.raw(",\"email\":")
        writer.string(user.email)
        writer.raw(",\"created_at\":")
        writer.plain(user.createdAt.text)
        writer.raw("},\"device\":{\"id\":")
        writer.plain(device.id.text)
        writer.raw(",\"name\":")
        writer.string(device.name)
        writer.raw(",\"kind\":")
        writer.plain(device.kind)
        writer.raw("}")
    }
}
