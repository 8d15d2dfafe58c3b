import API
import FeatureList
import Foundation
import Logging
import Persistence

/// Runs `work` on connections to the configured database, starting the private PostgreSQL for as long as it takes.
func withDatabase(_ options: Options, _ work: (Database, String) async throws -> Void) async throws {
    try await withMigrator(options) { migrator in
        // Says in one line when the database cannot be reached; the pool would try on.
        try migrator.refuseMissing(try await migrator.status())
        try await migrator.installRules()
        let database = Database(
            try DatabaseConfiguration(url: migrator.url, rules: .all, connections: 2),
            logger: Logger(label: "lockstep", factory: { _ in SwiftLogNoOpLogHandler() }))
        defer { database.close() }
        do {
            try await work(database, migrator.url)
        } catch let problem as Problem {
            throw StartFailure(description: "the database did not answer: \(problem.detail)")
        }
    }
}

extension Migrator {
    /// - Throws: `StartFailure` naming what this binary needs and the database lacks.
    fileprivate func refuseMissing(_ states: [(name: String, state: State)]) throws {
        let missing = states.filter { $0.state == .pending }.map(\.name)
        guard missing.isEmpty else {
            throw StartFailure(
                description: "the database lacks \(missing.joined(separator: ", ")); `lockstep migrate up` applies it")
        }
    }
}
