import API
import Accounts
import ArgumentParser
import FeatureList
import Foundation
import Market
import Persistence
import Realtime
import Sync

/// `lockstep coins`: coins from whoever runs the server. The user's devices hear of them at once.
struct CoinsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coins", abstract: "Gives coins to a user.", subcommands: [Grant.self])

    struct Grant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds coins to a user's wallet, as an entry of the ledger with a reason.",
            usage: "lockstep coins grant <email> <coins> --reason <text>")

        @Argument(help: "Who gets them.")
        var email: String

        // All that is left, so that a negative number is understood and refused, not taken for an option.
        @Argument(parsing: .allUnrecognized, help: "How many, 1 to 1000000000000.")
        var coins: [String] = []

        @Option(help: "What the user reads beside it in the ledger; 1 to 200 characters.")
        var reason: String

        @OptionGroup var options: Options

        func run() async throws {
            let coins = try amount()
            try checkReason()
            let (email, reason) = (email, reason)
            try await withDatabase(options) { database, _ in
                guard let address = EmailAddress(email),
                    let user = try await PostgresAccounts(database: database).credentials(of: address, on: nil)?.user
                else {
                    throw StartFailure(description: "nobody is registered as \(email); nothing was granted")
                }
                let applied = try await Self.grant(coins, reason, to: user, database)
                if let change = applied.change {
                    // Without it the servers would find out by themselves within 5 s.
                    let notice = HintBus.notice(of: user.id, at: change.version, from: .v7())
                    try? await database.notify(notice)
                }
                let output = try applied.outcome.output.map { try JSON(parsing: $0.utf8) }
                let balance = output?["wallet"]?["total_coins"]?.integer ?? 0
                say("granted \(counted(coins, "coin", "coins")) to \(user.email); the balance is \(balance)")
            }
        }

        private static func grant(
            _ coins: Int64, _ reason: String, to user: User, _ database: Database
        ) async throws -> Applied {
            do {
                let market = PostgresMarket(database: database, sync: PostgresSync(database: database, views: .all))
                return try await market.grant(coins, reason: reason, to: user.id, id: .v7())
            } catch let problem as Problem where problem.code == "invalid_body" {
                throw StartFailure(
                    description: "\(user.email) cannot hold \(coins) coins more: a wallet's earnings end at "
                        + "\(Coins.most); nothing was granted")
            } catch let problem as Problem where problem.code == "unauthenticated" {
                throw StartFailure(description: "\(user.email) has just deleted the account; nothing was granted")
            }
        }

        private func amount() throws -> Int64 {
            guard coins.count == 1 else {
                throw StartFailure(
                    description: coins.isEmpty
                        ? "how many coins? `lockstep coins grant EMAIL COINS --reason TEXT`"
                        : "\(coins.joined(separator: " ")) is no number of coins; one whole number should stand there")
            }
            guard let amount = Int64(coins[0]), (1...Coins.mostMoved).contains(amount) else {
                throw StartFailure(
                    description: "“\(coins[0])” coins cannot be granted; a whole number from 1 to \(Coins.mostMoved) "
                        + "should stand there")
            }
            return amount
        }

        /// What the server itself writes into the ledger must not be imitated: the audit goes by it.
        private func checkReason() throws {
            let length = reason.unicodeScalars.count
            let unprintable = reason.unicodeScalars.contains {
                [.control, .lineSeparator].contains($0.properties.generalCategory)
            }
            guard (1...200).contains(length), !reason.allSatisfy(\.isWhitespace), !unprintable else {
                throw StartFailure(description: "the reason should be 1 to 200 characters on one line")
            }
            if LedgerReason.isReserved(reason) {
                throw StartFailure(
                    description: "“\(reason)” is what the server itself writes into the ledger; give another reason")
            }
        }
    }
}
