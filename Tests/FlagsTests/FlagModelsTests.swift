import API
import Accounts
import Flags
import Sync
import TestSupport
import Testing

@Suite struct FlagModelsTests {
    @Test("A guard's document has the keys that it lets through, and that of another flag has none")
    func documents() async throws {
        try await withTestDatabase { database, url in
            try await PostgresSession.run(
                """
                INSERT INTO feature_flags (name, enabled, description, version)
                SELECT 'PLAIN', false, 'Plain.', version FROM sync_shared
                """, at: url)
            let ada = try await Person.register(database)
            let documents = try await ada.documents().filter { $0.key.hasPrefix("flags/") }
            let flags = try documents.values.map { try Flag(exactly: try #require($0)) }
            #expect(Set(flags.map(\.name)) == ["PLAIN", "DISABLE_MASS_LOCAL_PERSISTENCE"])
            for flag in flags { #expect((flag.allowedKeys == nil) == (flag.name == "PLAIN")) }
            for (flag, body) in try await PostgresFlags(database: database).flags() {
                #expect(try Flag(exactly: body) == flag)
            }
        }
    }

    @Test("The OpenAPI document says of flags what the type says")
    func openAPI() throws {
        #expect(try OpenAPIDocument.published.faults(below: "/api/flags", ["get /api/flags": FlagList.self]) == [])
    }
}
