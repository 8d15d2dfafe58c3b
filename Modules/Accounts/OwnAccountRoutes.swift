package import API
import FoundationEssentials
import HTTPTypes
package import Hummingbird
import NIOCore
package import Sync
import Synchronization

/// What a user may do with his account as a whole: another password, a copy of everything, and the end.
package struct OwnAccountRoutes: Sendable {
    private let repository: any AccountsRepository
    private let authenticator: Authenticator
    private let hasher: PasswordHasher
    private let feed: ChangeFeed
    private let throttle: SignInThrottle
    private let exports: RateLimiter<UUID>
    private let exporting = Exporting()

    package init(
        repository: any AccountsRepository, authenticator: Authenticator, hasher: PasswordHasher, feed: ChangeFeed,
        throttle: SignInThrottle
    ) {
        self.repository = repository
        self.authenticator = authenticator
        self.hasher = hasher
        self.feed = feed
        self.throttle = throttle
        // They read everything that there is of a user.
        exports = RateLimiter(perMinute: throttle.perMinute)
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("auth").post("password", use: changePassword)
        routes.group("account")
            .get("export", use: export)
            .delete(use: erase)
    }

    @Sendable private func changePassword(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try context.caller
        var fields = try Fields(try await request.json())
        let current = fields.string("current_password", length: 1...Password.length.upperBound)
        let new = fields.string("new_password", length: Password.length)
        try fields.check()
        let checked = try await check(Password(current), caller, context)
        let hash = try await hasher.hash(Password(new))
        guard try await repository.changePassword(of: caller, checked: checked, to: hash) else {
            throw AccountRefusal.wrongCurrentPassword.problem
        }
        feed.announce(.sessionsEnded(user: caller.user, local: true))
        return Response(status: .noContent)
    }

    @Sendable private func erase(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try context.caller
        var fields = try Fields(try await request.json())
        let password = fields.string("password", length: 1...Password.length.upperBound)
        try fields.check()
        _ = try await check(Password(password), caller, context)
        // One that is gone already was erased by whoever asked at the same time: what was asked for is so.
        _ = try await repository.erase(caller.user)
        feed.announce(.sessionsEnded(user: caller.user, local: true))
        return Response(
            status: .noContent, headers: [.setCookie: authenticator.cookie(nil, client: context.client)])
    }

    /// Who is signed in proves once more that he knows the password; a stolen session cannot guess faster than a stranger.
    /// - Returns: the stored hash that it was checked against.
    private func check(_ password: Password, _ caller: Caller, _ context: EdgeContext) async throws -> String {
        guard let known = try await repository.credentials(of: caller.user) else { throw Problem.unauthenticated }
        if let email = EmailAddress(known.user.email) {
            try throttle.take(address: context.client.address, email: email.key)
        }
        guard try await hasher.verify(password, against: known.passwordHash) else {
            throw AccountRefusal.wrongCurrentPassword.problem
        }
        return known.passwordHash
    }

    /// {exported_at, user, tables: {name: [record, …], …}}, a record a line, sent piece by piece.
    @Sendable private func export(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try context.caller
        if let wait = exports.take(caller.user) {
            throw Problem.rateLimited("You have exported this account several times just now.", retryAfter: wait)
        }
        guard let place = exporting.enter(caller.user) else {
            throw Problem.rateLimited("You are exporting this account already.", retryAfter: 5)
        }
        let tables = try await repository.export(caller.user)
        guard let user = tables.first?.pieces.first else { throw Problem.unauthenticated }
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/json",
                .contentDisposition: "attachment; filename=\"lockstep-account.json\"",
            ],
            body: ResponseBody { body in
                try await body.write(ByteBuffer(string: Self.head(user)))
                for (index, table) in tables.dropFirst().enumerated() {
                    try await body.write(ByteBuffer(string: "\(index == 0 ? "" : ",")\n\n\"\(table.name)\":["))
                    for (index, piece) in table.pieces.enumerated() {
                        try await body.write(ByteBuffer(string: index == 0 ? "\n" : ",\n"))
                        try await body.write(ByteBuffer(string: piece))
                        try await context.handedOver()
                    }
                    try await body.write(ByteBuffer(string: "]"))
                }
                try await body.write(ByteBuffer(string: "\n}}\n"))
                try await body.finish(nil)
                withExtendedLifetime(place) {}
            })
    }

    private static func head(_ user: String) -> String {
        "{\"exported_at\":\"\(Timestamp.now().text)\",\n\"user\":\(user),\n\"tables\":{"
    }
}

/// Whose export is under way at this process, until it was sent or its reader left: one a user, because it is in memory.
private final class Exporting: Sendable {
    /// Given back when nothing holds it any more, so that no way out forgets to.
    final class Place: Sendable {
        private let user: UUID
        private let exporting: Exporting

        init(_ user: UUID, _ exporting: Exporting) {
            self.user = user
            self.exporting = exporting
        }

        deinit {
            exporting.users.withLock { _ = $0.remove(user) }
        }
    }

    private let users = Mutex<Set<UUID>>([])

    /// nil: there is one under way.
    func enter(_ user: UUID) -> Place? {
        users.withLock { $0.insert(user).inserted } ? Place(user, self) : nil
    }
}
