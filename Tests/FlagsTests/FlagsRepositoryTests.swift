import API
import Accounts
import FoundationEssentials
import Persistence
import Sync
import TestSupport
import Testing

@testable import Flags

@Suite struct FlagsRepositoryTests {
    private static let name = "DISABLE_MASS_LOCAL_PERSISTENCE"

    private func report(_ mode: String, _ counts: [Verbatim: Int]) throws -> GuardReport {
        try GuardReport(
            reading: .object(["mode": .string(mode), "counts": .object(counts.mapValues { JSON.int($0) })]))
    }

    @Test(
        "A switch moves the shared sequence by one and is a document of everybody's; what is so already moves nothing")
    func switches() async throws {
        try await withTestDatabase { database, _ in
            let flags = PostgresFlags(database: database)
            let ada = try await Person.register(database)
            let before = try await ada.sync.documents(of: ada.user.id, beyond: nil)
            let (flag, body) = try #require(try await flags.flags().first)
            #expect(flag.name == Self.name && flag.enabled && flag.version == before.heads.place.shared)
            #expect(
                before.documents.filter { $0.collection == "flags" } == [
                    Document(collection: "flags", id: flag.name, value: body, version: flag.version)
                ])
            #expect(try await flags.set(Self.name, enabled: true, allowedKeys: nil) == flag.version)
            #expect(try await ada.sync.heads(of: ada.user.id).place == before.heads.place)
            #expect(try await flags.set(Self.name, enabled: false, allowedKeys: nil) == flag.version + 1)
            let after = try await ada.sync.documents(of: ada.user.id, beyond: before.heads.place)
            #expect(after.heads.place == Place(user: 0, shared: flag.version + 1))
            #expect(after.documents.map(\.version) == [flag.version + 1])
            #expect(try after.documents.first?.value.map { try JSON(parsing: $0.utf8) }?["enabled"] == .bool(false))
            // The same for those who stand somewhere in the shared sequence, whoever they are.
            let shared = try await ada.sync.sharedChanges(beyond: flag.version)
            #expect(shared.continues && shared.previous == flag.version && shared.version == flag.version + 1)
            let document = try #require(after.documents.first)
            var writer = JSONWriter()
            writer.list([document]) { $1.write(to: &$0) }
            #expect(shared.documents == RawJSON(utf8: writer.bytes))
            let none = try await ada.sync.sharedChanges(beyond: shared.version)
            #expect(none.continues && none.documents.text == "[]")
            // Another database: it has not come so far.
            #expect(try await !ada.sync.sharedChanges(beyond: shared.version + 1).continues)
            #expect(try await flags.set("NO_SUCH_FLAG", enabled: true, allowedKeys: nil) == nil)
        }
    }

    @Test("The keys that a guard allows change with it, and stay when nothing is said of them")
    func allowedKeys() async throws {
        try await withTestDatabase { database, _ in
            let flags = PostgresFlags(database: database)
            for keys in [["a", "b"], []] {
                _ = try await flags.set(Self.name, enabled: true, allowedKeys: keys)
                _ = try await flags.set(Self.name, enabled: false, allowedKeys: nil)
                #expect(try await flags.flags().map(\.flag.allowedKeys) == [keys])
            }
        }
    }

    @Test("Switches by many at once each get a version of their own, in the order of their commits")
    func concurrent() async throws {
        try await withTestDatabase(connections: 8) { database, url in
            // Repositories of several processes: one connection would put them in a row.
            let others = try (0..<3).map { _ in try openDatabase(url, connections: 2) }
            defer { for other in others { other.close() } }
            let start = try #require(try await PostgresFlags(database: database).flags().first).flag.version
            let moved = try await withThrowingTaskGroup(of: Version?.self) { group in
                for (index, other) in (others + [database]).enumerated() {
                    group.addTask {
                        var last: Version?
                        for turn in 0..<10 {
                            last = try await PostgresFlags(database: other).set(
                                Self.name, enabled: true, allowedKeys: ["\(index).\(turn)"])
                        }
                        return last
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(moved).count == 4)
            #expect(try await PostgresFlags(database: database).flags().first?.flag.version == start + 40)
        }
    }

    @Test("Reports add up by key and mode; of unknown keys 200 are kept by name, known ones always")
    func reports() async throws {
        try await withTestDatabase { database, url in
            let flags = PostgresFlags(database: database)
            #expect(try await flags.reported().isEmpty)
            try await flags.add(report("enforce", ["wallet": 2, "mine": 1]))
            try await flags.add(report("enforce", ["wallet": 3]))
            try await flags.add(report("report", ["wallet": 1]))
            let counts = try await flags.reported()
            #expect(counts.map(\.key) == ["wallet", "mine", "wallet"] && counts.map(\.count) == [5, 1, 1])
            #expect(counts.map(\.mode) == ["enforce", "enforce", "report"])
            #expect(counts[0].firstSeenAt < counts[0].lastSeenAt)
            for page in 0..<5 {
                let junk = (0..<60).map { (Verbatim("junk.\(page).\($0)"), 1) }
                try await flags.add(report("report", Dictionary(uniqueKeysWithValues: junk)))
            }
            try await flags.add(report("enforce", ["rewards": 1, "mine": 1, "junk.0.0": 1, "later": 7]))
            let all = Dictionary(
                try await flags.reported().map { ("\($0.key) \($0.mode)", $0.count) }, uniquingKeysWith: +)
            #expect(all["mine enforce"] == 2 && all["rewards enforce"] == 1 && all["junk.0.0 enforce"] == 1)
            #expect(all["(other) report"] == 101 && all["(other) enforce"] == 7)
            // What nobody reported for 90 days makes room.
            try await PostgresSession.run(
                "UPDATE storage_guard_reports SET last_seen_at = last_seen_at - interval '91 days'", at: url)
            #expect(try await flags.reported().isEmpty)
            try await flags.add(report("enforce", ["later": 1]))
            #expect(try await PostgresSession.run("SELECT key FROM storage_guard_reports", at: url) == [["later"]])
        }
    }
}
