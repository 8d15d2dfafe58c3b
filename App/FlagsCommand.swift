import API
import ArgumentParser
import Flags
import Foundation
import Persistence
import Realtime

/// `lockstep flags`: the product's switches, by hand. Servers that run hear of it at once.
struct FlagsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flags", abstract: "Lists the product's switches, and sets them; running servers follow at once.",
        subcommands: [List.self, Set.self, Report.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists every flag: on or off, its name, the keys that it allows, and what it does.")

        @OptionGroup var options: Options

        func run() async throws {
            try await withDatabase(options) { database, _ in
                for (flag, _) in try await PostgresFlags(database: database).flags() {
                    let allowed = flag.allowedKeys.map { $0.isEmpty ? "(no key)" : $0.joined(separator: ",") } ?? "-"
                    say("\(flag.enabled ? "on" : "off")\t\(flag.name)\t\(allowed)\t\(flag.description)")
                }
            }
        }
    }

    struct Set: AsyncParsableCommand {
        enum Position: String, ExpressibleByArgument {
            case on, off
        }

        static let configuration = CommandConfiguration(abstract: "Switches a flag on or off.")

        @OptionGroup var options: Options

        @Argument(help: "The flag, as `flags list` names it.")
        var name: String

        @Argument(help: "on or off.")
        var position: Position

        @Option(help: "What the storage guard lets through from now on, comma-separated; \"\" for nothing.")
        var allowedKeys: String?

        func validate() throws {
            let wrong = keys?.first { $0.isEmpty || $0.unicodeScalars.count > GuardReport.keyLength }
            if let wrong {
                throw ValidationError(
                    "“\(wrong)” is no key: 1 to \(GuardReport.keyLength) characters, separated by commas.")
            }
        }

        func run() async throws {
            try await withDatabase(options) { database, _ in
                let flags = PostgresFlags(database: database)
                guard let version = try await flags.set(name, enabled: position == .on, allowedKeys: keys) else {
                    let known = try await flags.flags().map(\.flag.name).joined(separator: ", ")
                    throw StartFailure(description: "there is no flag \(name); there is \(known)")
                }
                // Without it the servers would find out by themselves within 5 s.
                try? await database.notify(HintBus.notice(shared: version, from: .v7()))
                say("\(name) is \(position.rawValue)")
            }
        }

        private var keys: [String]? {
            allowedKeys.map { text in
                if text.isEmpty { return [] }
                return text.split(separator: ",", omittingEmptySubsequences: false)
                    .map { $0.trimmingCharacters(in: .whitespaces) }
            }
        }
    }

    struct Report: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the keys that storage guards refused in the last 90 days, the most frequent first.")

        @OptionGroup var options: Options

        func run() async throws {
            try await withDatabase(options) { database, _ in
                let counts = try await PostgresFlags(database: database).reported()
                if counts.isEmpty { say("nothing was reported") }
                for one in counts {
                    say(
                        "\(one.count)\t\(one.mode)\t\(one.key)\tfirst \(one.firstSeenAt.text)\tlast \(one.lastSeenAt.text)"
                    )
                }
            }
        }
    }
}
