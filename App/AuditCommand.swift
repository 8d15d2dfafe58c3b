import API
import ArgumentParser
import FeatureList
import Foundation
import Market
import Persistence
import Sync
import Synchronization

/// `lockstep audit`: whether every coin, piece and reward came about by what the server does.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Recomputes every user's ledger and holds it against wallets, purchases, rewards and focus sessions.",
        discussion: """
            Reads each user's as of one moment, while servers run, and changes nothing. Prints what is wrong with the user and the row, \
            one line each. Exit status: 0 nothing is wrong, 1 something is, 2 it could not be found out.
            """)

    @Flag(help: "One JSON object a line: {kind, user, row, what} for each finding, then {users, entries, findings}.")
    var json = false

    @OptionGroup var options: Options

    func run() async throws {
        let done: PostgresAudit.Progress
        do {
            done = try await audit()
        } catch {
            complain(
                "lockstep: the audit could not be finished: \(Self.words(error)); it changed nothing, and is begun anew by "
                    + "`lockstep audit\(json ? " --json" : "")`")
            throw ExitCode(2)
        }
        say(json ? done.json : done.words)
        if done.findings > 0 { throw ExitCode(1) }
    }

    private func audit() async throws -> PostgresAudit.Progress {
        let report = Mutex<PostgresAudit.Progress?>(nil)
        let json = json
        try await withDatabase(options) { _, url in
            let reporter = ProgressReporter()
            let done = try await PostgresAudit(url: url, rules: .all, earnings: FeatureViews.all.earnings).run(
                found: { say(json ? $0.json : $0.words) }, progress: { reporter.tell($0) })
            report.withLock { $0 = done }
        }
        guard let done = report.withLock({ $0 }) else { throw StartFailure(description: "it was interrupted") }
        return done
    }

    private static func words(_ error: any Error) -> String {
        (error as? DatabaseError)?.message ?? "\(error)"
    }
}

/// Says on standard error how far it is, every two seconds: a small database is done before the first.
private final class ProgressReporter: Sendable {
    private let last = Mutex(ContinuousClock.now)

    func tell(_ progress: PostgresAudit.Progress) {
        let due = last.withLock { last in
            guard ContinuousClock.now - last >= .seconds(2) else { return false }
            last = .now
            return true
        }
        if due {
            complain(
                "\(progress.users) of \(progress.allUsers) users, \(progress.entries) entries, "
                    + "\(counted(progress.findings, "finding", "findings")) so far")
        }
    }
}

extension PostgresAudit.Progress {
    fileprivate var words: String {
        let size = counted(allUsers, "user", "users") + ", " + counted(entries, "ledger entry", "ledger entries")
        return findings == 0 ? "nothing is wrong: \(size)" : counted(findings, "finding", "findings") + " in \(size)"
    }

    fileprivate var json: String {
        JSON.object(["users": .int(allUsers), "entries": .int(entries), "findings": .int(findings)]).line
    }
}

extension AuditFinding {
    fileprivate var words: String {
        let owner = user.map { "user \($0.text): " } ?? ""
        return "\(owner)\(kind.name) \(row): \(what)"
    }

    fileprivate var json: String {
        JSON.object([
            "kind": .string(kind.name), "user": user.map { .string($0.text) } ?? .null, "row": .string(row),
            "what": .string(what),
        ]).line
    }
}

extension JSON {
    fileprivate var line: String { String(decoding: RawJSON(self).utf8, as: UTF8.self) }
}
