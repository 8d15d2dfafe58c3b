import API
import Accounts
import Logging
import Persistence
import TestSupport
import Testing

@testable import Sync

private let silent = Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() })

@Suite struct DocumentShapeTests {
    @Test("A newer shape waits until no process of another release is connected, and then begins a new epoch")
    func raised() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            func epoch() async throws -> String { try await ada.sync.heads(of: ada.user.id).epoch }
            func shape(_ own: Int) -> PostgresDocumentShape {
                PostgresDocumentShape(
                    database: database, rules: testRules, own: own, every: .milliseconds(50), logger: silent)
            }
            let first = try await epoch()
            #expect(try await shape(1).agree() == 1)
            // As a session of another release holds its rules.
            try await withOther(url) { () async throws -> Void in
                #expect(try await shape(2).agree() == 1)
                #expect(try await epoch() == first)
            }
            // It goes on by itself, and is over then.
            try await shape(2).untilAgreed()
            let second = try await epoch()
            #expect(second != first)
            #expect(try await shape(2).agree() == 2)
            #expect(try await epoch() == second)
        }
    }

    @Test("A process of the older release lowers the shape as soon as it starts, whoever else is connected")
    func lowered() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            func agree(_ own: Int) async throws -> Int {
                try await PostgresDocumentShape(database: database, rules: testRules, own: own, logger: silent).agree()
            }
            #expect(try await agree(3) == 3)
            let before = try await ada.sync.heads(of: ada.user.id).epoch
            try await withOther(url) { () async throws -> Void in
                #expect(try await agree(2) == 2)
                #expect(try await agree(3) == 2)
            }
            #expect(try await ada.sync.heads(of: ada.user.id).epoch != before)
        }
    }

    private func withOther(_ url: String, _ body: () async throws -> Void) async throws {
        let other = try DirectConnection(url: url)
        try other.query("SELECT pg_advisory_lock_shared(1920298085, 7)")
        try await body()
        try other.query("SELECT pg_advisory_unlock_shared(1920298085, 7)")
    }
}
