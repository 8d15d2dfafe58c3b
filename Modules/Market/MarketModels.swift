package import API
package import FoundationEssentials

/// An item of the catalogue (a document of `items`), or one that a user made for themselves (of `personal_items`).
package struct Item: Model {
    package let id: UUID
    package let name: String
    package let description: String
    /// The price of a piece in coins, 0 … `Coins.most`.
    package let costCoins: Int64
    package let category: String
    package let rarity: Rarity
    /// A path of this server or an https address.
    package let iconURL: String?
    /// false: withdrawn, or of one's own deleted.
    package let available: Bool
    /// The window in which it can be bought, its end excluded; nil: it has no beginning, or no end.
    package let availableFrom: Timestamp?
    package let availableUntil: Timestamp?
    /// Pieces, from 0; nil: there is no limit.
    package let stockRemaining: Int64?
    /// Pieces, from 1; nil: there is no limit.
    package let maxPerUser: Int64?
    /// Whether pieces can be used up.
    package let consumable: Bool
    package let personal: Bool
    /// Of one's own in the user's sequence, else in that which all users share.
    package let version: Int64
}

/// The document `wallet/coins`. All are coins, 0 … `Coins.most`; the total is what was earned without what was spent.
package struct Wallet: Model {
    package let totalCoins: Int64
    package let earnedCoins: Int64
    /// A refund lowers it.
    package let spentCoins: Int64
    /// 0 before the first coin.
    package let version: Int64
}

/// A document of `inventory`: what a user owns of one item. They own no piece: it is deleted.
package struct InventoryEntry: Model {
    package let itemID: UUID
    /// Pieces, from 1.
    package let quantity: Int64
    /// What all of them cost, in coins.
    package let costPaidCoins: Int64
    /// Of the latest purchase that was not refunded.
    package let purchasedAt: Timestamp
    /// How many of `quantity` were used up.
    package let redeemed: Int64
}

/// An entry of the inventory as REST shows it: with its item, withdrawn or deleted ones too.
package struct InventoryRow: Model {
    package let itemID: UUID
    package let quantity: Int64
    package let costPaidCoins: Int64
    package let purchasedAt: Timestamp
    package let redeemed: Int64
    package let item: Item
}

package enum RewardType: String, Decodable, Sendable, CaseIterable {
    case firstFocus = "first_focus"
    case focus10 = "focus_10"
    case focus100 = "focus_100"
    case streak7 = "streak_7"
    case dailyLogin = "daily_login"
    case firstPurchase = "first_purchase"
}

/// A document of `rewards`: coins that somebody has earned, and gets when they claim them.
package struct Reward: Model {
    package let id: UUID
    package let rewardType: RewardType
    /// From 1.
    package let coinsEarned: Int64
    package let claimed: Bool
    package let claimedAt: Timestamp?
    package let createdAt: Timestamp
}

package struct Purchase: Model {
    /// The id of the mutation, and of its transaction.
    package let id: UUID
    package let itemID: UUID
    /// Pieces, one of `Order.pieces`.
    package let quantity: Int64
    /// What all of them cost, in coins.
    package let costPaidCoins: Int64
    package let purchasedAt: Timestamp
}

/// An entry of the ledger. It never changes.
package struct Transaction: Model {
    package enum Kind: String, Decodable, Sendable, CaseIterable {
        case earn, spend, refund
    }

    /// The id of what moved the coins: a mutation, a focus session, a grant.
    package let id: UUID
    package let transactionType: Kind
    /// Coins; negative where they were spent.
    package let coinsAmount: Int64
    /// Coins, 0 … `Coins.most`.
    package let balanceAfter: Int64
    /// One of `LedgerReason`, or a grant's text.
    package let reason: String
    package let itemID: UUID?
    package let createdAt: Timestamp
    /// 64 lower-case hex digits: `LedgerEntry.hash(after:)`.
    package let hash: String
}

/// An item that this user may want, and why.
package struct Recommendation: Model {
    package enum Reason: String, Decodable, Sendable, CaseIterable {
        case boughtTogether = "bought_together"
        case frequentlyPurchased = "frequently_purchased"
        case trending, affordable
    }

    package let itemID: UUID
    /// 0 … 1, four digits behind the point.
    package let score: Double
    package let reason: Reason
    package let item: Item
}
