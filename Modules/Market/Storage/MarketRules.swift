/// The part of `Rules` that stands beside this file: what the database decides of this feature.
package enum MarketRules {
    package static let texts: [[UInt8]] = [
        PackageResources.market_sql, PackageResources.wallet_sql, PackageResources.purchases_sql,
        PackageResources.rewards_sql, PackageResources.focus_earnings_sql, PackageResources.personal_items_sql,
        PackageResources.recommendations_sql,
    ]

    /// What these functions carry out, each by the function of its name: `market.purchase` by `market_purchase`.
    package static let mutations = [
        "market.purchase", "market.redeem", "market.refund", "market.claim",
        "market.items.create", "market.items.patch", "market.items.delete", "market.grant",
    ]
}
