package import API
package import FoundationEssentials

/// A session that was just opened: who, on what, and until when.
package struct OpenedSession: Sendable {
    package let user: User
    package let device: Caller.Device
    package let expires: Timestamp

    package init(user: User, device: Caller.Device, expires: Timestamp) {
        self.user = user
        self.device = device
        self.expires = expires
    }
}

/// What Accounts needs of storage: one transaction each. All throw `Problem.unavailable` while the database is away.
package protocol AccountsRepository: Sendable {
    /// Makes the account, its first device and a session on it, all or none.
    /// - Throws: `AccountRefusal.emailTaken`.
    func register(
        _ email: EmailAddress, passwordHash: String, device: DeviceDescription, tokenHash: [UInt8], days: Int
    ) async throws -> OpenedSession

    /// The account of this address and its stored hash; nil when there is none.
    func credentials(of email: EmailAddress) async throws -> (user: User, passwordHash: String)?

    /// Opens a session on the user's device of that id, or on a new device when there is none such.
    func openSession(
        for user: User, device: DeviceDescription, tokenHash: [UInt8], days: Int
    ) async throws -> OpenedSession

    /// Who bears the token of this hash; nil when the session ended or never was.
    func caller(tokenHash: [UInt8]) async throws -> Caller?

    /// Moves the session's end to `days` from now, and notes that its device was seen.
    func extend(_ caller: Caller, days: Int) async throws

    /// Ends the session; its token is worth nothing from then on.
    func endSession(_ session: UUID, of user: UUID) async throws

    func user(_ id: UUID) async throws -> User?
}
