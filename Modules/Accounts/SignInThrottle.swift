import API

/// How often a password may be tried, through whichever door: so often a minute from one address, and for one account.
package struct SignInThrottle: Sendable {
    /// 0: no limit.
    package let perMinute: Int
    private let byAddress: RateLimiter<String>
    private let byEmail: RateLimiter<String>

    package init(perMinute: Int) {
        self.perMinute = perMinute
        byAddress = RateLimiter(perMinute: perMinute)
        byEmail = RateLimiter(perMinute: perMinute)
    }

    /// Counts one attempt.
    /// - Parameter email: the form by which addresses compare.
    /// - Throws: 429 `rate_limited`.
    func take(address: String, email: String) throws(Problem) {
        // The address first: who is refused by it must not use up what others may try for this e-mail.
        if let wait = byAddress.take(address) ?? byEmail.take(email) {
            throw Problem.rateLimited("Too many attempts to sign in.", retryAfter: wait)
        }
    }
}
