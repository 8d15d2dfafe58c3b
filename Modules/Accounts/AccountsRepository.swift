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
    /// - Parameter checked: the stored hash that the password was checked against.
    /// - Throws: `AccountRefusal.wrongCredentials` when the account has got another since, or is gone.
    func openSession(
        for user: User, checked: String, device: DeviceDescription, tokenHash: [UInt8], days: Int
    ) async throws -> OpenedSession

    /// Who bears the token of this hash; nil when the session ended or never was.
    func caller(tokenHash: [UInt8]) async throws -> Caller?

    /// Moves the session's end to `days` from now, and notes that its device was seen.
    func extend(_ caller: Caller, days: Int) async throws -> Timestamp?

    /// Notes that the session's device was here just now, unless that was noted a moment ago.
    func note(_ caller: Caller) async throws

    /// Ends the session; its token is worth nothing from then on.
    func endSession(_ session: UUID, of user: UUID) async throws

    func user(_ id: UUID) async throws -> User?

    /// A user's account and its stored hash, for who is signed in and is asked for his password again; nil: it is gone.
    func credentials(of user: UUID) async throws -> (user: User, passwordHash: String)?

    /// Replaces the stored hash `checked` and ends every session of the user but the caller's, all or none. False when the
    /// account has got another hash since, or is gone.
    func changePassword(of caller: Caller, checked: String, to hash: String) async throws -> Bool

    /// All devices of a user, the oldest first.
    func devices(of user: UUID) async throws -> [Device]

    /// Gives a device of the user another name; nil: he has none by that id.
    func rename(_ device: UUID, of user: UUID, to name: String) async throws -> Device?

    /// Removes a device of the user, and ends its sessions; false: he has none by that id.
    func removeDevice(_ device: UUID, of user: UUID) async throws -> Bool

    /// Everything that is kept about a user, of one moment, without what proves who he is. A feature's table is in it
    /// because of its shape, not because it is listed. None: the account is gone.
    func export(_ user: UUID) async throws -> [ExportedTable]

    /// Removes the account and everything of its user, all or none. False when there was none.
    func erase(_ user: UUID) async throws -> Bool
}

/// What one table holds about a user; `user` is the account itself.
package struct ExportedTable: Sendable {
    package let name: String
    /// Its records as JSON, in some pieces of several hundred, divided by commas within them: one by one they would be
    /// more allocations than an account that is years old should cost.
    package let pieces: [String]

    package init(name: String, pieces: [String]) {
        self.name = name
        self.pieces = pieces
    }
}
