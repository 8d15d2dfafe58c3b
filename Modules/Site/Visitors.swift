import API
import Accounts
import FoundationEssentials
import Hummingbird

/// Somebody who is signed in and looks at a page.
struct Visitor: Sendable {
    let look: PageAppearance
    /// The cookie, with all of its time before it again: a browser forgets one that is never sent anew.
    let cookie: String
}

/// Finds out who looks at a page, and how it looks to them.
struct Visitors: Sendable {
    let authenticator: Authenticator
    let accounts: any AccountsRepository
    let appearance: @Sendable (UUID) async throws -> [Verbatim: String]

    /// Whoever the cookie says; nil: nobody. Who showed it moments ago is asked for in the statement that reads their account, and
    /// what their pages look like at the same time (docs/decisions/0041).
    func visitor(_ request: Request, _ context: EdgeContext) async throws -> Visitor? {
        let credential = authenticator.credential(in: request.headers)
        guard credential.isCookie else { return nil }
        let client = context.client
        if let (caller, token) = authenticator.recall(credential) {
            if let look = try await look(of: caller.user, asking: caller) {
                return Visitor(look: look, cookie: authenticator.cookie(token, client: client))
            }
            authenticator.forget(token)
        }
        guard let (caller, token) = try await authenticator.caller(bearing: credential.tokens) else { return nil }
        // A page may be the only request for weeks: its socket does the rest.
        let moved = try await authenticator.slide(caller)
        let known = authenticator.remember(caller, expires: moved, bearing: token)
        // Whoever moved its end: it may have been a socket, which sends no cookies.
        let look =
            try await look(of: known.user, asking: nil) ?? PageAppearance([:], account: known.user.text, email: "")
        return Visitor(look: look, cookie: authenticator.cookie(token, client: client))
    }

    /// nil: the session does not hold as it did when its bearer was proven, or the account is gone.
    private func look(of user: UUID, asking caller: Caller?) async throws -> PageAppearance? {
        async let account = accounts.user(user, asking: caller)
        async let values = appearance(user)
        guard let email = try await account?.email else { return nil }
        return PageAppearance(try await values, account: user.text, email: email)
    }
}
