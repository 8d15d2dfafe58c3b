import FeatureList
import Foundation
import Logging
package import Persistence
package import Sync
import Synchronization

/// Gives a test a database of its own with every migration applied, and takes it away afterwards. Cheap: it is copied
/// from one that is made once a process. Not to be nested: at most twelve exist at once, and a test that holds one
/// while it waits for another can stand in its own way; give the test one and open more connections to its URL.
/// - Parameters:
///   - connections: for statements, a quarter of them for reads; one more carries the bus.
///   - body: is given a running `Database` and the URL by which others can reach the same one.
package func withTestDatabase<Value>(
    connections: Int = 4, isolation: isolated (any Actor)? = #isolation,
    _ body: (Database, String) async throws -> Value
) async throws -> Value {
    try await withDatabase(migrated: true) { url in
        let database = try openDatabase(url, connections: connections)
        defer { database.close() }
        return try await body(database, url)
    }
}

/// Gives a test an empty database of its own: no migration was applied.
package func withEmptyDatabase<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: (String) async throws -> Value
) async throws -> Value {
    try await withDatabase(migrated: false, body)
}

/// Another process's connections to the same database, silent in the log. Whoever opens them closes them.
/// - Parameter rules: nil where the database has none.
package func openDatabase(_ url: String, rules: Rules? = testRules, connections: Int = 4) throws -> Database {
    Database(
        try DatabaseConfiguration(url: url, rules: rules, connections: connections),
        logger: Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() }))
}

/// What all features publish.
package let testViews = FeatureViews.all

/// The rules of all features.
package let testRules = Rules.all

/// The folder of migrations, found from where this file lies.
package let migrationsFolder: String = clone.appendingPathComponent("Migrations").path

private let clone = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

private func withDatabase<Value>(
    migrated: Bool, isolation: isolated (any Actor)? = #isolation, _ body: (String) async throws -> Value
) async throws -> Value {
    let shared = TestServer.shared
    await shared.enter()
    let outcome: Result<Value, any Error>
    do {
        let server = try await shared.running()
        let name = "lockstep_test_\(UUID().uuidString.lowercased().replacing("-", with: ""))"
        let template = migrated ? server.template : "template0"
        try await PostgresSession.run("CREATE DATABASE \(name) TEMPLATE \(template)", at: server.url)
        do {
            outcome = .success(try await body(try PostgresSession.url(server.url, database: name)))
        } catch {
            outcome = .failure(error)
        }
        // A test that fails keeps its own error; a database left behind goes with the cluster.
        _ = try? await PostgresSession.run("DROP DATABASE IF EXISTS \(name) WITH (FORCE)", at: server.url)
    } catch {
        outcome = .failure(error)
    }
    await shared.leave()
    return try outcome.get()
}

/// The PostgreSQL that the tests of this process share: the one that LOCKSTEP_TEST_DATABASE_URL names, whose user may
/// create databases, or a private one.
private actor TestServer {
    static let shared = TestServer()
    private static let most = 12

    struct Server {
        let url: String
        let template: String
        /// nil: somebody else's.
        let cluster: TestCluster?
    }

    private var server: Task<Server, any Error>?
    private var taken = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        if taken < Self.most {
            taken += 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func leave() {
        if waiting.isEmpty {
            taken -= 1
        } else {
            waiting.removeFirst().resume()
        }
    }

    func running() async throws -> Server {
        if let server { return try await server.value }
        let starting = Task { try await Self.start() }
        server = starting
        return try await starting.value
    }

    private static func start() async throws -> Server {
        let given = ProcessInfo.processInfo.environment["LOCKSTEP_TEST_DATABASE_URL"]
        let cluster = given == nil ? try await TestCluster() : nil
        guard let url = given ?? cluster?.url() else {
            throw PostgresSession.Failure(description: "there is no PostgreSQL")
        }
        let template = "lockstep_template_\(UUID().uuidString.lowercased().replacing("-", with: ""))"
        try await PostgresSession.run("CREATE DATABASE \(template) TEMPLATE template0", at: url)
        try await Migrator(
            url: try PostgresSession.url(url, database: template), folder: migrationsFolder, rules: testRules
        ).up()
        return Server(url: url, template: template, cluster: cluster)
    }
}
