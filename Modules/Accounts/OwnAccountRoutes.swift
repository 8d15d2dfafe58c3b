package import API
import FoundationEssentials
import HTTPTypes
package import Hummingbird
import NIOCore
package import Sync
import Synchronization

/// What a user may do with their account as a whole: another password, a copy of everything, and the end.
package struct OwnAccountRoutes: Sendable {
    private let repository: any AccountsRepository
    private let authenticator: Authenticator
    private let hasher: PasswordHasher
    private let announce: Announce
    private let throttle: SignInThrottle
    private let exports: RateLimiter<UUID>
    private let exporting = Exporting(most: 32)

    package init(
        repository: any AccountsRepository, authenticator: Authenticator, hasher: PasswordHasher,
        announce: @escaping Announce,
        throttle: SignInThrottle
    ) {
        self.repository = repository
        self.authenticator = authenticator
        self.hasher = hasher
        self.announce = announce
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
        let caller = try await context.caller
        try throttle.take(session: caller.session)
        var fields = try Fields(try await request.json())
        let current = fields.string("current_password", length: 1...Password.length.upperBound)
        let new = fields.string("new_password", length: Password.length)
        try fields.check()
        let checked = try await check(Password(current), caller, context)
        let hash = try await hasher.hash(Password(new), for: .owner(context.client, caller.session))
        guard try await repository.changePassword(of: caller, checked: checked, to: hash) else {
            throw AccountRefusal.wrongCurrentPassword.problem
        }
        announce(.sessionsEnded(user: caller.user, local: true))
        return Response(status: .noContent)
    }

    @Sendable private func erase(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try await context.caller
        try throttle.take(session: caller.session)
        var fields = try Fields(try await request.json())
        let password = fields.string("password", length: 1...Password.length.upperBound)
        try fields.check()
        _ = try await check(Password(password), caller, context)
        // One that is gone already was erased by whoever asked at the same time: what was asked for is so.
        _ = try await repository.erase(caller.user)
        announce(.sessionsEnded(user: caller.user, local: true))
        return Response(
            status: .noContent, headers: [.setCookie: authenticator.cookie(nil, client: context.client)])
    }

    /// Who is signed in proves once more that they know the password; a stolen session cannot guess faster than a stranger. What
    /// strangers do to their address or e-mail does not count here.
    /// - Returns: the stored hash that it was checked against.
    private func check(_ password: Password, _ caller: Caller, _ context: EdgeContext) async throws -> String {
        guard let known = try await repository.credentials(of: caller.user) else { throw Problem.unauthenticated }
        let asker = Asker.owner(context.client, caller.session)
        guard try await hasher.verify(password, against: known.passwordHash, for: asker) else {
            throw AccountRefusal.wrongCurrentPassword.problem
        }
        return known.passwordHash
    }

    /// {exported_at, user, tables: {name: [record, …], …}}, a record a line. Read and sent page by page, at the pace of whoever
    /// reads: in memory there is one page, however large the account is.
    @Sendable private func export(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try await context.caller
        if let wait = exports.take(caller.user) {
            throw Problem.rateLimited("You have exported this account several times just now.", retryAfter: wait)
        }
        let place = try exporting.enter(caller.user, orEnd: context.hangUp)
        guard let head = try await repository.export(caller.user) else { throw Problem.unauthenticated }
        let pages = ExportPages(repository: repository, user: caller.user)
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/json",
                .contentDisposition: "attachment; filename=\"lockstep-account.json\"",
            ],
            body: ResponseBody { body in
                func send(_ text: String) async throws {
                    var rest = ByteBuffer(string: text)
                    while let piece = rest.readSlice(length: min(16_384, rest.readableBytes)), piece.readableBytes > 0 {
                        let size = piece.readableBytes
                        try place.offers()
                        try await body.write(piece)
                        try await context.handedOver()
                        try place.took(size)
                    }
                }
                try await send(Self.head(head.user))
                for (index, table) in head.tables.enumerated() {
                    try await send("\(index == 0 ? "" : ",")\n\n\"\(table)\":[")
                    var next: ExportPlace? = .start
                    while let from = next {
                        let page = try await pages.page(of: table, from: from)
                        if let records = page.records { try await send((from == .start ? "\n" : ",\n") + records) }
                        next = page.next
                    }
                    try await send("]")
                }
                try await send("\n}}\n")
                try await body.finish(nil)
                withExtendedLifetime(place) {}
            })
    }

    private static func head(_ user: String) -> String {
        "{\"exported_at\":\"\(Timestamp.now().text)\",\n\"user\":\(user),\n\"tables\":{"
    }
}
