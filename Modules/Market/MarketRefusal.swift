package import API

/// Why the market does not do what was asked. Storage keeps a refusal by its code and members.
package enum MarketRefusal: Error, Sendable, Equatable {
    case notFound
    case itemUnavailable
    /// The price of one piece.
    case priceChanged(cost: Int64)
    case limitReached(most: Int64, owned: Int64)
    case outOfStock(remaining: Int64)
    case insufficientCoins(balance: Int64, cost: Int64)
    case nothingToRedeem
    case notRefundable
    case alreadyClaimed
    case tooManyItems
    /// If-Match names another version; `current` is the item, the wallet or the inventory's row as it is.
    case versionMismatch(current: JSON)

    package init?(code: String, members: JSON) {
        func number(_ name: String) -> Int64 { members[name]?.integer ?? 0 }
        switch code {
        case "not_found": self = .notFound
        case "item_unavailable": self = .itemUnavailable
        case "price_changed": self = .priceChanged(cost: number("cost_coins"))
        case "limit_reached": self = .limitReached(most: number("max_per_user"), owned: number("owned"))
        case "out_of_stock": self = .outOfStock(remaining: number("stock_remaining"))
        case "insufficient_coins": self = .insufficientCoins(balance: number("balance"), cost: number("cost"))
        case "nothing_to_redeem": self = .nothingToRedeem
        case "not_refundable": self = .notRefundable
        case "already_claimed": self = .alreadyClaimed
        case "too_many_items": self = .tooManyItems
        case "version_mismatch": self = .versionMismatch(current: members["current"] ?? .null)
        default: return nil
        }
    }

    package var problem: Problem {
        switch self {
        case .notFound: .notFound
        case .itemUnavailable:
            Problem(
                409, "item_unavailable", "This item cannot be bought now",
                detail: "It was withdrawn, or the time in which it can be bought has not begun or is over.")
        case .priceChanged(let cost):
            Problem(
                409, "price_changed", "The price has changed",
                detail: "A piece costs \(cost) coins now; decide anew, with a new Idempotency-Key.",
                members: ["cost_coins": .int(cost)])
        case .limitReached(let most, let owned):
            Problem(
                409, "limit_reached", "No more of this item for one user",
                detail: "A user may own \(most) of it and you own \(owned).",
                members: ["max_per_user": .int(most), "owned": .int(owned)])
        case .outOfStock(let remaining):
            Problem(
                409, "out_of_stock", "There are not enough left",
                detail: remaining == 0 ? "It is sold out." : "Only \(remaining) are left.",
                members: ["stock_remaining": .int(remaining)])
        case .insufficientCoins(let balance, let cost):
            Problem(
                409, "insufficient_coins", "Not enough coins",
                detail: "This costs \(cost) coins and the wallet holds \(balance).",
                members: ["balance": .int(balance), "cost": .int(cost)])
        case .nothingToRedeem:
            Problem(
                409, "nothing_to_redeem", "There are not that many to redeem",
                detail: "Only pieces that you own, that can be used up and that have not been redeemed can be redeemed."
            )
        case .notRefundable:
            Problem(
                409, "not_refundable", "This cannot be refunded",
                detail: "A purchase is refunded once, within 24 hours, while nothing of it has been redeemed.")
        case .alreadyClaimed:
            Problem(
                409, "already_claimed", "This reward has been claimed",
                detail: "Each reward pays its coins once; they are in the wallet.")
        case .tooManyItems:
            Problem(
                409, "too_many_items", "Too many items of your own",
                detail: "A user has at most \(PersonalItemChange.most) items of his own; delete some.")
        case .versionMismatch(let current): .versionMismatch(current: current)
        }
    }
}
