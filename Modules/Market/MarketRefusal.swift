package import API
import Sync

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
        func number(_ name: Verbatim) -> Int64 { members[name]?.integer ?? 0 }
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
            Problem(.itemUnavailable)
        case .priceChanged(let cost):
            Problem(.priceChanged, members: ["cost_coins": .int(cost)])
        case .limitReached(let most, let owned):
            Problem(.limitReached, members: ["max_per_user": .int(most), "owned": .int(owned)])
        case .outOfStock(let remaining):
            Problem(
                .outOfStock, detail: remaining == 0 ? .soldOut : nil,
                members: ["stock_remaining": .int(remaining)])
        case .insufficientCoins(let balance, let cost):
            Problem(.insufficientCoins, members: ["balance": .int(balance), "cost": .int(cost)])
        case .nothingToRedeem:
            Problem(.nothingToRedeem)
        case .notRefundable:
            Problem(.notRefundable)
        case .alreadyClaimed:
            Problem(.alreadyClaimed)
        case .tooManyItems:
            Problem(.tooManyItems)
        case .versionMismatch(let current): .versionMismatch(current: current)
        }
    }
}

extension StorageRoom {
    static let market = [
        StorageRoom(
            "transactions", limit: 1_000_000, in: "transactions_room",
            full: "This account's ledger has {limit} entries and takes no more purchases; what it earns still counts."),
        StorageRoom(
            "personal_items", limit: 10_000, in: "personal_items_room",
            full: "An account can have {limit} items of its own, with those that are deleted and still owned. "
                + "Give some of these back, while that is possible."),
    ]
}

extension ProblemCode {
    package static let market: [ProblemCode] = [
        itemUnavailable, priceChanged, limitReached, outOfStock, insufficientCoins, nothingToRedeem, notRefundable,
        alreadyClaimed, tooManyItems, idempotencyKeyRequired,
    ]

    static let itemUnavailable = ProblemCode(
        "item_unavailable", 409, "This item cannot be bought now",
        detail: "It was withdrawn, or the time in which it can be bought has not begun or is over.",
        meaning: "The item was withdrawn, or the time in which it can be bought has not begun or is over.")
    static let priceChanged = ProblemCode(
        "price_changed", 409, "The price has changed",
        detail: "A piece costs {cost_coins} coins now; decide anew, with a new Idempotency-Key.",
        meaning:
            "A piece costs `cost_coins` now, which is not what the request expected. Show the price, and decide anew.")
    static let limitReached = ProblemCode(
        "limit_reached", 409, "No more of this item for one user",
        detail: "A user may own {max_per_user} of it and you own {owned}.",
        meaning: "A user may own `max_per_user` of this item and this one owns `owned`.")
    static let outOfStock = ProblemCode(
        "out_of_stock", 409, "There are not enough left", detail: "Only {stock_remaining} are left.",
        others: [.soldOut],
        meaning: "`stock_remaining` are left, which is fewer than were asked for.")
    static let insufficientCoins = ProblemCode(
        "insufficient_coins", 409, "Not enough coins",
        detail: "This costs {cost} coins and the wallet holds {balance}.",
        meaning: "The purchase would have cost `cost` coins and the wallet held `balance`. Focus sessions earn coins.")
    static let nothingToRedeem = ProblemCode(
        "nothing_to_redeem", 409, "There are not that many to redeem",
        detail: "Only pieces that you own, that can be used up and that have not been redeemed can be redeemed.",
        meaning: "Only pieces that the user owns, that can be used up and that have not been redeemed can be redeemed.")
    static let notRefundable = ProblemCode(
        "not_refundable", 409, "This cannot be refunded",
        detail: "A purchase is refunded once, within 24 hours, while nothing of it has been redeemed.",
        meaning: "A purchase is refunded once, within 24 hours, while nothing of it has been redeemed.")
    static let alreadyClaimed = ProblemCode(
        "already_claimed", 409, "This reward has been claimed",
        detail: "Each reward pays its coins once; they are in the wallet.",
        meaning: "Each reward pays its coins once, and these are in the wallet.")
    static let tooManyItems = ProblemCode(
        "too_many_items", 409, "Too many items of your own",
        detail: "A user has at most \(PersonalItemChange.most) items of their own; delete some.",
        meaning: "The user has made as many items as one may have. Delete some.")
    static let idempotencyKeyRequired = ProblemCode(
        "idempotency_key_required", 400, "A purchase needs an Idempotency-Key",
        detail: "Send `Idempotency-Key: <uuid>`, a new one for each purchase that is meant.",
        meaning: "Without a key nobody could tell a purchase that is sent again from a second one. Send a UUID as the "
            + "Idempotency-Key, a new one for each purchase that is meant.")
}

extension ProblemDetail {
    static let soldOut = ProblemDetail("It is sold out.")
}
