import ArgumentParser
import FeatureList
import Foundation
import Persistence
import Sync

@main
struct Lockstep: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "lockstep",
        abstract: "Keeps the state of a person's devices in step, with PostgreSQL as the only place where it lives.",
        version: version,
        subcommands: [
            Serve.self, Migrate.self, AuditCommand.self, CatalogCommand.self, CoinsCommand.self, FlagsCommand.self,
            Doctor.self, ShowConfiguration.self,
        ])

    /// Every failure is one line that says what happened and what to do.
    static func main() async {
        StandardStreams.prepare()
        Descriptors.raise()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as EmbeddedPostgres.Failure {
            leave(saying: failure.description)
        } catch let failure as Migrator.Failure {
            leave(saying: failure.description)
        } catch let failure as StartFailure {
            leave(saying: failure.description)
        } catch let failure as DatabaseError where failure.kind == .unusable {
            leave(saying: failure.message)
        } catch let failure as DatabaseError where failure.isUnavailable {
            leave(saying: failure.connectComplaint)
        } catch let failure as DatabaseError {
            leave(saying: "the database refused: \(failure.message)\(failure.advice)")
        } catch {
            exit(withError: error)
        }
    }

    private static func leave(saying line: String) -> Never {
        complain("lockstep: \(line)")
        Foundation.exit(1)
    }
}

extension DatabaseError {
    /// What to do about it, as the end of a sentence.
    fileprivate var advice: String {
        guard sqlState == "42501" else { return "" }
        return "; let the owner of the database give the role of DATABASE_URL what it lacks: "
            + "`GRANT CREATE, USAGE ON SCHEMA public TO …`, and for tables that another role made "
            + "`GRANT ALL ON ALL TABLES IN SCHEMA public TO …`"
    }
}

/// Why a command does not start.
struct StartFailure: Error, CustomStringConvertible {
    let description: String
}

/// “1 user”, “2 users”.
func counted(_ count: some BinaryInteger, _ one: String, _ more: String) -> String {
    "\(count) \(count == 1 ? one : more)"
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the server.",
        discussion: "Every option can also be set by the environment variable that its help names; a flag goes first.")

    @OptionGroup var options: Options

    @Flag(inversion: .prefixedNo, help: "Bring the database up to date before serving.")
    var migrate = true

    func run() async throws {
        let configuration = try Configuration(options)
        try await Server.run(configuration, migrate: migrate)
    }
}

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings the database's schema up to date, or back.", subcommands: [Up.self, Down.self, Status.self])

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Applies every migration that is missing.")

        @OptionGroup var options: Options

        func run() async throws {
            try await withMigrator(options, making: true) { migrator in
                let names = try await migrator.up { say("applying \($0)") }
                say(names.isEmpty ? "nothing to apply" : "applied \(names.count)")
            }
        }
    }

    struct Down: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Undoes the last migration, or every one above a number.")

        @OptionGroup var options: Options

        @Option(help: "Undo every migration with a higher number; 0 undoes all.")
        var to: Int?

        func run() async throws {
            try await withMigrator(options) { migrator in
                let names = try await migrator.down(to: to) { say("undoing \($0)") }
                say(names.isEmpty ? "nothing to undo" : "undone \(names.count)")
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists every migration and whether it is applied.")

        @OptionGroup var options: Options

        func run() async throws {
            try await withMigrator(options) { migrator in
                for (name, state) in try await migrator.status() { say("\(state.rawValue)\t\(name)") }
                if let rules = migrator.rules { say("rules\t\(rules.schema)") }
            }
        }
    }
}

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says how the database is, which proxies are believed, and how near accounts are to their limits.")

    @OptionGroup var options: Options

    @Flag(
        help: "Begin a new epoch: every device reads everything anew. After a dump was restored into the same cluster.")
    var newEpoch = false

    func run() async throws {
        try await withMigrator(options) { migrator in
            let states = try await migrator.status()
            for line in ProxyReport.lines(try Configuration(options)) { say(line) }
            let wrong = states.filter { $0.state != .applied }
            for (name, state) in wrong { say("\(state.rawValue)\t\(name)") }
            if newEpoch {
                try await migrator.beginNewEpoch()
                say("a new epoch has begun: every device resets when it next asks")
            }
            guard !wrong.contains(where: { $0.state == .pending || $0.state == .edited }) else {
                throw StartFailure(description: "the database is not up to date; `lockstep migrate up` brings it there")
            }
            let readOnly = try await migrator.tablesWithoutInsert()
            guard readOnly.isEmpty else {
                throw StartFailure(
                    description:
                        "the role of DATABASE_URL may not write \(readOnly.joined(separator: ", ")); the server "
                        + "would refuse every change: `GRANT ALL ON ALL TABLES IN SCHEMA public TO …`, as their owner")
            }
            for line in try await LogAdvice(url: migrator.url).lines() {
                say("advice: \(line) (nothing of a user belongs into PostgreSQL's log)")
            }
            say("the database is reachable and up to date: \(states.count) migrations")
            for name in try Configuration(options).unknown { say(name.sentence) }
            for budget in try await migrator.storageBudgets(FeatureViews.all.rooms) { say(budget.line) }
        }
    }
}

extension StorageBudget {
    /// “answers: 2 accounts near the limit; the fullest takes 91 % of 129600000 bytes”
    fileprivate var line: String {
        let share = Int((Double(largest) * 100 / Double(max(limit, 1))).rounded())
        return
            "\(what): \(counted(near, "account", "accounts")) near the limit; the fullest takes \(share) % of \(limit)"
            + (what == "answers" ? " bytes" : "")
    }
}

struct ShowConfiguration: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Prints the configuration as it is in force, without secrets.")

    @OptionGroup var options: Options

    func run() async throws {
        let configuration = try Configuration(options)
        for (name, value) in configuration.listing { say("\(name)=\(value)") }
        for name in configuration.unknown { complain("lockstep: \(name.sentence)") }
    }
}

/// Runs `work` against the configured database, starting the private PostgreSQL for as long as it takes.
/// - Parameter making: whether it is made where there is none; else a mistyped folder would be an empty database.
func withMigrator(
    _ options: Options, making: Bool = false, _ work: (Migrator) async throws -> Void
) async throws {
    let configuration = try Configuration(options)
    let home = try Home.find()
    let postgres =
        configuration.databaseURL == nil
        ? try await EmbeddedPostgres.start(under: configuration.dataFolder, making: making) : nil
    let url = configuration.databaseURL ?? postgres?.url ?? ""
    do {
        try await work(try Migrator(url: url, folder: home.migrations, rules: .all))
    } catch {
        await postgres?.stop()
        throw error
    }
    await postgres?.stop()
}
