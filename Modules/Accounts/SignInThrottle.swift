import API
import FoundationEssentials

/// How often a password may be tried, through whichever door: so often a minute from one address, for one e-mail, and by
/// who has shown already that they are the owner, on a device of theirs or in a session, with attempts that no stranger uses up.
package struct SignInThrottle: Sendable {
    /// 0: no limit.
    package let perMinute: Int
    private let byAddress: RateLimiter<Verbatim>
    private let byEmail: RateLimiter<[UInt8]>
    private let byDevice: RateLimiter<UUID>
    private let bySession: RateLimiter<UUID>

    package init(perMinute: Int) {
        self.perMinute = perMinute
        byAddress = RateLimiter(perMinute: perMinute)
        byEmail = RateLimiter(perMinute: perMinute)
        byDevice = RateLimiter(perMinute: perMinute)
        bySession = RateLimiter(perMinute: perMinute)
    }

    /// Counts one attempt from an address, whatever its body says: it is counted before that is read, and who is refused by
    /// it uses nothing up of what others may try for an e-mail.
    /// - Throws: 429 `rate_limited`, as all of these.
    func take(address: String) throws(Problem) { try refuse(byAddress.take(address.verbatim)) }

    /// Counts one attempt at an account.
    /// - Parameter email: the form by which addresses compare.
    func take(email: String) throws(Problem) { try refuse(byEmail.take(Array(email.utf8))) }

    /// Counts one attempt at an account on a device that it knows; false: it has none left.
    func has(device: UUID) -> Bool { byDevice.take(device) == nil }

    /// Counts one attempt of who is signed in.
    func take(session: UUID) throws(Problem) { try refuse(bySession.take(session)) }

    private func refuse(_ wait: Int?) throws(Problem) {
        if let wait { throw Problem.rateLimited("Too many attempts to sign in.", retryAfter: wait) }
    }
}
