import API

/// What answers put around the market's models. `next` goes on where a list was cut off; nil: this was its end.
package struct MarketOverview: Model {
    /// The first 100.
    package let items: [Item]
    package let recommendations: [Recommendation]
    package let wallet: Wallet
}

package struct ItemPage: Model {
    package let items: [Item]
    package let next: String?
}

package struct CategoryList: Model {
    package let categories: [Category]
}

package struct InventoryPage: Model {
    package let purchases: [InventoryRow]
    /// Rows on all pages.
    package let totalItems: Int64
    package let next: String?
}

package struct TransactionPage: Model {
    package let transactions: [Transaction]
    package let next: String?
}

package struct RewardPage: Model {
    package let rewards: [Reward]
    package let next: String?
}

package struct RecommendationList: Model {
    package let recommendations: [Recommendation]
}

/// What a purchase did.
package struct Purchased: Model {
    package let purchase: Purchase
    package let wallet: Wallet
    package let transaction: Transaction
}

/// What a refund, or a grant, did.
package struct CoinsMoved: Model {
    package let wallet: Wallet
    package let transaction: Transaction
}

package struct Claimed: Model {
    package let reward: Reward
    package let wallet: Wallet
}
