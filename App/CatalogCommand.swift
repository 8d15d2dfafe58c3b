import API
import ArgumentParser
import FeatureList
import Foundation
import Logging
import Market
import Persistence
import Realtime
import Sync

/// `lockstep catalog`: what is for sale, by hand. Servers that run, and their devices, follow at once.
struct CatalogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalog", abstract: "Brings the market's catalogue to what a file says.",
        subcommands: [Import.self])

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds, changes and withdraws items until the catalogue is what the file says.",
            discussion: """
                The file is a JSON array of items, or an object whose `items` is one; an item has the members of the API. \
                `name`, `cost_coins` and `category` must be there; `id` is a UUID, the same in every file, and made from \
                the name where it is left out; what else is left out is as with a new item, but stock_remaining, which \
                stays as it is. An item that the file does not \
                name is withdrawn (available: false), never deleted. Everything is checked before anything is changed, \
                and all is changed at once or nothing.
                """)

        @Argument(help: "The file; - for standard input.", completion: .file(extensions: ["json"]))
        var file: String

        @Flag(help: "Show what would be done, and do nothing.")
        var dryRun = false

        @OptionGroup var options: Options

        func run() async throws {
            let catalogue = try read()
            let dryRun = dryRun
            try await withDatabase(options) { database, url in
                let done = try await bring(catalogue, url, dryRun: dryRun)
                // Without it the servers would find out by themselves within 5 s.
                if let version = done.shared {
                    try? await database.notify(HintBus.notice(shared: version, from: .v7()))
                }
                let plan = done.plan
                for line in plan.lines { say(line) }
                let end =
                    dryRun
                    ? "nothing was written" : done.shared.map { "written as version \($0)" } ?? "nothing to write"
                say(
                    "\(plan.added.count) to add, \(plan.changed.count) to change, \(plan.withdrawn.count) to withdraw, "
                        + "\(plan.unchanged) unchanged: \(end)")
            }
        }

        private func bring(
            _ catalogue: Catalogue, _ url: String, dryRun: Bool
        ) async throws -> (plan: CataloguePlan, shared: Version?) {
            do {
                return try await PostgresCatalogue(url: url, rules: .all).bring(
                    to: catalogue, dryRun ? .dryRun : .write)
            } catch let error as PostgresCatalogue.TakenIDs {
                let names = error.items.map { "\($0.id.text) (\($0.name))" }.joined(separator: ", ")
                throw StartFailure(
                    description: "users made things of their own under these ids; give the items others: \(names)")
            }
        }

        /// - Throws: `StartFailure`, after every fault was told.
        private func read() throws -> Catalogue {
            let input = file == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: file)
            guard let input, let data = try? input.read(upToCount: Catalogue.mostBytes + 1) ?? Data() else {
                throw StartFailure(description: "\(file) cannot be read")
            }
            guard data.count <= Catalogue.mostBytes else {
                throw StartFailure(description: "\(file) is larger than \(Catalogue.mostBytes) bytes")
            }
            do {
                return try Catalogue(file: Array(data))
            } catch let wrong as Catalogue.Faults {
                if wrong.faults.count == 1 {
                    throw StartFailure(description: "\(file): \(wrong.faults[0]); nothing was changed")
                }
                for fault in wrong.faults.prefix(100) { complain("\(file): \(fault)") }
                throw StartFailure(description: "\(file) has \(wrong.faults.count) faults; nothing was changed")
            }
        }
    }
}

extension Server {
    static func seed(_ url: String, _ home: Home, _ logger: Logger) async throws {
        guard let file = FileManager.default.contents(atPath: home.demoCatalogue) else {
            logger.warning("There is no demo catalogue to seed", metadata: ["file": .string(home.demoCatalogue)])
            return
        }
        try await PostgresCatalogue(url: url, rules: .all).seed(Array(file), logger)
    }
}
