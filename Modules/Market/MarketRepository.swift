package import API
package import FoundationEssentials
package import Sync

/// What Market needs of storage: one transaction each. All throw `Problem.unavailable` while the database is away. Items,
/// wallets and the like come as the JSON that the API shows, made in one place for answers and documents.
package protocol MarketRepository: Sendable {
    /// The first 100 items of the list, the recommendations and the wallet, of one moment.
    func overview(of user: UUID) async throws -> (items: [RawJSON], recommendations: [RawJSON], wallet: RawJSON)

    /// What this user finds: the catalogue without what was withdrawn, and the items that they made; by folded name and id.
    func items(
        of user: UUID, _ filter: ItemFilter, after place: ItemPlace?, limit: Int
    ) async throws -> Page<ItemPlace>

    /// An item of the catalogue, withdrawn or not, or one that this user made; nil: neither.
    func item(_ id: UUID, of user: UUID) async throws -> (version: Version, body: RawJSON)?

    /// By name, with how many of the items that this user finds are in each.
    func categories(of user: UUID) async throws -> [Category]

    /// What they own, one row an item, the last bought first, from the one after that place; each with its item, withdrawn or
    /// deleted ones too. `items`: how many rows there are in all.
    func inventory(
        of user: UUID, after place: TimePlace?, limit: Int
    ) async throws -> (page: Page<TimePlace>, items: Int64)

    /// Empty, at version 0, before the first coin.
    func wallet(of user: UUID) async throws -> (version: Version, body: RawJSON)

    /// Their ledger, newest first, from the entry before the one of that number.
    func transactions(of user: UUID, before number: Int64?, limit: Int) async throws -> Page<Int64>

    /// All that were granted, newest first, from the one before that place.
    func rewards(of user: UUID, before place: TimePlace?, limit: Int) async throws -> Page<TimePlace>

    /// The best 50 of what they can buy at this moment, best first, as far as purchases have been counted.
    func recommendations(of user: UUID) async throws -> [RawJSON]

    /// Takes the coins and gives the pieces, or neither: one of `MarketRefusal`, in the order of the contract, and the refusal
    /// is kept. An item's last piece goes to one buyer, a user's last coins to one purchase, however many try at once.
    func purchase(_ mutation: SignedMutation, _ order: Order) async throws -> Applied

    /// Uses pieces up, those of the oldest purchases first; refused when there are not that many.
    func redeem(_ mutation: SignedMutation, _ order: Order) async throws -> Applied

    /// Takes a whole purchase back: within 24 hours, nothing of it redeemed, once. Its pieces return to a limited stock.
    func refund(_ mutation: SignedMutation, transaction: UUID) async throws -> Applied

    /// Pays a reward out, once.
    func claim(_ mutation: SignedMutation, reward: UUID) async throws -> Applied

    /// Makes, changes or deletes an item of the user's own; a created one has the mutation's id. What is owned of a deleted
    /// one stays owned.
    func write(_ mutation: SignedMutation, _ change: PersonalItemChange) async throws -> Applied

    /// Gives coins, 1 … `Coins.mostMoved`, once for an id; the same id with other coins or another reason is refused.
    func grant(_ coins: Int64, reason: String, to user: UUID, id: UUID) async throws -> Applied

    /// The user is here: grants `daily_login` on the first local date later than the last one granted.
    func arrive(_ user: UUID) async throws -> Arrival
}
