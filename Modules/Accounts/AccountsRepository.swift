package import API
package import FoundationEssentials

/// A session that was just opened: who, on what, and until when.
package struct OpenedSession: Sendable {
    package let user: User
    package let device: Caller.Device
    package let expires: Timestamp
    /// Whether devices or sessions gave way to it, because there were too many.
    let othersEnded: Bool

    package init(user: User, device: Caller.Device, expires: Timestamp, othersEnded: Bool = false) {
        self.user = user
        self.device = device
        self.expires = expires
        self.othersEnded = othersEnded
    }
}

/// An account, and what its password is checked against.
package struct Credentials: Sendable {
    package let user: User
    package let passwordHash: String
    let isOnKnownDevice: Bool

    package init(user: User, passwordHash: String, isOnKnownDevice: Bool) {
        self.user = user
        self.passwordHash = passwordHash
        self.isOnKnownDevice = isOnKnownDevice
    }
}

/// What Accounts needs of storage: one transaction each. All throw `Problem.unavailable` while the database is away.
package protocol AccountsRepository: Sendable {
    /// Makes the account whose id the token says, its first device and a session on it, all or none.
    /// - Throws: `AccountRefusal.emailTaken`.
    func register(
        _ email: EmailAddress, passwordHash: String, device: DeviceDescription, token: SessionToken, days: Int
    ) async throws -> OpenedSession

    /// The account of this address and its stored hash, and whether it has had a session on `device`; nil when there is none.
    func credentials(of email: EmailAddress, on device: UUID?) async throws -> Credentials?

    /// Opens a session on the user's device of that id, or on a new device when there is none such. A user has at most 100
    /// devices, and a device 10 sessions: those that were idle longest give way.
    /// - Parameter checked: the stored hash that the password was checked against.
    /// - Throws: `AccountRefusal.wrongCredentials` when the account has got another since, or is gone.
    func openSession(
        for user: User, checked: String, device: DeviceDescription, token: SessionToken, days: Int
    ) async throws -> OpenedSession

    /// Who bears the first of these tokens whose session has not ended, and its place among them; nil where there is none. A
    /// session is looked up by the user whom the token claims and its hash, in a database that owns their bucket.
    func caller(bearing tokens: [SessionToken]) async throws -> (caller: Caller, place: Int)?

    /// Moves the session's end to `days` from now, and notes that its device was seen.
    func extend(_ caller: Caller, days: Int) async throws -> Timestamp?

    /// Notes that the session's device was here just now, unless that was noted a moment ago.
    func note(_ caller: Caller) async throws

    /// Ends the session; its token is worth nothing from then on.
    func endSession(_ session: UUID, of user: UUID) async throws

    /// nil: the account is gone, or the session in which they ask has ended; no caller: they were asked before.
    func user(_ id: UUID, asking caller: Caller?) async throws -> User?

    /// A user's account and its stored hash, for who is signed in and is asked for their password again; nil: it is gone.
    func credentials(of user: UUID) async throws -> (user: User, passwordHash: String)?

    /// Replaces the stored hash `checked` and ends every session of the user but the caller's, all or none. False when the
    /// account has got another hash since, or is gone.
    func changePassword(of caller: Caller, checked: String, to hash: String) async throws -> Bool

    /// All devices of a user, the oldest first.
    func devices(of user: UUID) async throws -> [Device]

    /// Gives a device of the user another name; nil: they have none by that id.
    func rename(_ device: UUID, of user: UUID, to name: String) async throws -> Device?

    /// Removes a device of the user, and ends its sessions; false: they have none by that id.
    func removeDevice(_ device: UUID, of user: UUID) async throws -> Bool

    /// How a copy of everything that is kept about a user begins. A feature's table is in it because of its shape, not because
    /// it is listed. nil: the account is gone.
    func export(_ user: UUID) async throws -> AccountExport?

    /// What `table` holds about the user from `place` on, without what proves who they are; nil: the account is gone.
    func exportPage(of user: UUID, table: String, from place: ExportPlace) async throws -> ExportPage?

    /// Removes the account: at once for everybody, and its rows at once where they are few, else within minutes, whatever
    /// becomes of this process. False when there was none.
    func erase(_ user: UUID) async throws -> Bool
}

extension AccountsRepository {
    package func user(_ id: UUID) async throws -> User? { try await user(id, asking: nil) }
}

/// What stands before an export's pages.
package struct AccountExport: Sendable {
    /// The account itself, as JSON.
    package let user: String
    /// The names of the tables, in order.
    package let tables: [String]

    package init(user: String, tables: [String]) {
        self.user = user
        self.tables = tables
    }
}

/// Where a table's next page begins.
package struct ExportPlace: Sendable, Equatable {
    package static let start = ExportPlace(after: nil, rows: 100)

    /// The primary key of the record before it.
    package let after: [String]?
    /// How many records it should have at most, going by the size of those before.
    package let rows: Int

    package init(after: [String]?, rows: Int) {
        self.after = after
        self.rows = rows
    }
}

package struct ExportPage: Sendable {
    /// JSON, divided by commas; nil: there are none.
    package let records: String?
    /// nil: it was the last one.
    package let next: ExportPlace?

    package init(records: String?, next: ExportPlace?) {
        self.records = records
        self.next = next
    }
}

extension AccountsRepository {
    /// Who bears this token; nil when the session ended or never was.
    package func caller(bearing token: SessionToken) async throws -> Caller? {
        try await caller(bearing: [token])?.caller
    }
}
