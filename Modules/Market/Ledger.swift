package import API
import Crypto
package import FoundationEssentials

/// What stands in the ledger as the reason of what the server does by itself; anything else is a grant's text.
package enum LedgerReason {
    package static let focus = "focus_session"
    package static let purchase = "purchase"
    package static let refund = "refund"
    static let rewardPrefix = "reward:"

    package static func isReserved(_ text: String) -> Bool {
        [focus, purchase, refund].contains(text) || text.hasPrefix(rewardPrefix)
    }
}

/// One row of a user's ledger.
package struct LedgerEntry: Sendable, Equatable {
    package let user: UUID
    package let sequence: Int64
    package let id: UUID
    package let type: String
    package let coins: Int64
    package let balance: Int64
    package let reason: String
    package let item: UUID?
    package let at: Timestamp
    package let hash: String

    package init(
        user: UUID, sequence: Int64, id: UUID, type: String, coins: Int64, balance: Int64, reason: String, item: UUID?,
        at: Timestamp, hash: String
    ) {
        self.user = user
        self.sequence = sequence
        self.id = id
        self.type = type
        self.coins = coins
        self.balance = balance
        self.reason = reason
        self.item = item
        self.at = at
        self.hash = hash
    }

    /// The hash that this entry must carry behind one with the hash `previous` ("" for the first): the lower-case hex SHA-256
    /// of ten lines, as migration 0017 says. Written anew here, so that an audit does not ask the database about itself.
    package func hash(after previous: String) -> String {
        let lines = [
            previous, user.text, String(sequence), id.text, type, String(coins), String(balance), item?.text ?? "",
            at.text, reason,
        ]
        let digest = SHA256.hash(data: Array(lines.joined(separator: "\n").utf8))
        let digits: StaticString = "0123456789abcdef"
        return String(unsafeUninitializedCapacity: 64) { buffer in
            var position = 0
            for byte in digest {
                buffer[position] = digits.utf8Start[Int(byte >> 4)]
                buffer[position + 1] = digits.utf8Start[Int(byte & 0x0F)]
                position += 2
            }
            return position
        }
    }
}

/// A wallet's sums as they are kept at hand, and where it says its ledger ends.
package struct WalletSums: Sendable, Equatable {
    package let total: Int64
    package let earned: Int64
    package let spent: Int64
    package let sequence: Int64
    package let hash: String

    package init(total: Int64, earned: Int64, spent: Int64, sequence: Int64, hash: String) {
        self.total = total
        self.earned = earned
        self.spent = spent
        self.sequence = sequence
        self.hash = hash
    }
}

/// Something that cannot have come about by what the server does, and where it is.
package struct AuditFinding: Sendable, Equatable {
    /// A table of the market, or by its name what another feature lets users earn.
    package struct Kind: Sendable, Hashable {
        package let name: String

        package static let transaction = Kind(name: "transaction")
        package static let wallet = Kind(name: "wallet")
        package static let purchase = Kind(name: "purchase")
        package static let inventory = Kind(name: "inventory")
        package static let reward = Kind(name: "reward")
        package static let item = Kind(name: "item")
    }

    /// nil: what all users share.
    package let user: UUID?
    package let kind: Kind
    /// Of the row; the item's in an inventory, the user's of a wallet.
    package let row: String
    package let what: String

    package init(user: UUID?, kind: Kind, row: String, what: String) {
        self.user = user
        self.kind = kind
        self.row = row
        self.what = what
    }
}

/// One user's ledger, entry by entry in the order of their numbers: each is held against the one before it, and in the end
/// all against the wallet. What is wrong with one entry is not told again of those behind it.
package struct LedgerChain: Sendable {
    package let user: UUID
    package private(set) var entries = 0
    private var sequence: Int64 = 0
    /// nil where entries are missing: nothing can be held against what nobody knows.
    private var balance: Int64? = 0
    private var hash: String? = ""
    private var sum: Int64 = 0
    private var earned: Int64 = 0

    package init(user: UUID) {
        self.user = user
    }

    package mutating func take(_ entry: LedgerEntry) -> [AuditFinding] {
        var wrong: [String] = []
        let expected = sequence &+ 1
        if entry.sequence != expected {
            wrong.append(
                entry.sequence > expected
                    ? (entry.sequence == expected &+ 1
                        ? "entry \(expected) before it is missing"
                        : "entries \(expected) to \(entry.sequence &- 1) before it are missing")
                    : "entry \(expected) was expected here")
            balance = nil
            hash = nil
        }
        let signIsWrong =
            switch entry.type {
            case "earn": entry.coins <= 0
            case "spend": entry.coins > 0
            case "refund": entry.coins < 0
            default: true
            }
        if signIsWrong { wrong.append("its type \(entry.type) does not go with coins_amount \(entry.coins)") }
        if let balance, entry.balance != balance &+ entry.coins {
            wrong.append(
                "balance_after is \(entry.balance), but \(balance) and \(entry.coins) are \(balance &+ entry.coins)")
        }
        if entry.balance < 0 { wrong.append("balance_after is \(entry.balance), below 0") }
        if let hash, entry.hash != entry.hash(after: hash) {
            wrong.append("its hash fits neither what it says nor the entry before it: one of them was edited")
        }
        // The hash is over what clients see, which ends there.
        if entry.at.microseconds % 1_000 != 0 {
            wrong.append("created_at is finer than the milliseconds that a server writes: it was edited")
        }
        entries += 1
        sequence = entry.sequence
        balance = entry.balance
        hash = entry.hash
        sum = sum &+ entry.coins
        if entry.type == "earn" { earned = earned &+ entry.coins }
        return wrong.map {
            AuditFinding(user: user, kind: .transaction, row: entry.id.text, what: "entry \(entry.sequence): \($0)")
        }
    }

    /// After the last entry; nil: there is no wallet.
    package func close(_ wallet: WalletSums?) -> [AuditFinding] {
        guard let wallet else {
            return entries == 0 ? [] : [finding("it is missing, and the ledger has \(entries) entries")]
        }
        var wrong: [String] = []
        let sums = [
            ("total_coins", wallet.total, sum), ("earned_coins", wallet.earned, earned),
            ("spent_coins", wallet.spent, earned &- sum),
        ]
        for (name, kept, right) in sums where kept != right {
            wrong.append("\(name) is \(kept), and the ledger's entries make \(right)")
        }
        if wallet.total < 0 { wrong.append("total_coins is \(wallet.total), below 0") }
        if wallet.total != wallet.earned &- wallet.spent {
            wrong.append("total_coins \(wallet.total) is not earned_coins − spent_coins")
        }
        if wallet.sequence > sequence {
            wrong.append("the ledger ends at entry \(sequence); entries up to \(wallet.sequence) are missing")
        } else if wallet.sequence < sequence {
            wrong.append("the ledger has entries behind \(wallet.sequence), up to \(sequence)")
        } else if let hash, wallet.hash != hash {
            wrong.append("its hash is not that of the ledger's last entry")
        }
        return wrong.map(finding)
    }

    private func finding(_ what: String) -> AuditFinding {
        AuditFinding(user: user, kind: .wallet, row: user.text, what: what)
    }
}
