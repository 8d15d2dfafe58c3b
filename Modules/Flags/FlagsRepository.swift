package import API
package import Sync

/// What Flags needs of storage: one transaction each. All throw `Problem.unavailable` while the database is away.
package protocol FlagsRepository: Sendable {
    /// All flags, by name, each with the JSON that the API shows.
    func flags() async throws -> [(flag: Flag, body: RawJSON)]

    /// Switches a flag, and gives it other keys unless `allowedKeys` is nil. Returns its version, of the shared sequence,
    /// which moves unless all of it was so already; nil: there is no such flag.
    func set(_ name: String, enabled: Bool, allowedKeys: [String]?) async throws -> Version?

    /// Adds to what is known of refused keys. Known old keys each have their count; of all others only so many names are
    /// kept, and what comes beyond them is counted together.
    func add(_ report: GuardReport) async throws

    /// What was reported in the last 90 days, the most frequent first.
    func reported() async throws -> [GuardCount]
}
