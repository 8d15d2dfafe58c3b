package import API
package import FoundationEssentials
package import Sync

/// Coins are whole numbers, exact in every client's arithmetic.
package enum Coins {
    /// The most that a price, a balance or a sum may be: 2^53 − 1.
    package static let most: Int64 = 9_007_199_254_740_991
    /// The most that one grant may give.
    package static let mostMoved: Int64 = 1_000_000_000_000
}

/// How rare an item of the catalogue is; those that users make for themselves are common.
package enum Rarity: String, Decodable, Sendable, CaseIterable {
    case common, rare, epic, legendary
}

/// So many pieces of one item, and what its buyer believes that a piece costs (nil: they take any price).
package struct Order: Sendable, Equatable {
    package static let pieces: ClosedRange<Int64> = 1...99

    package let item: UUID
    package let quantity: Int64
    package let expectedCost: Int64?

    package init(item: UUID, quantity: Int64, expectedCost: Int64? = nil) {
        self.item = item
        self.quantity = quantity
        self.expectedCost = expectedCost
    }
}

/// What a user does with a reward that they make for themselves. One that exists has been checked; nil leaves a part as it is.
package struct PersonalItemChange: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
        case create
        case patch(UUID)
        case delete(UUID)
    }

    /// How many items of their own a user may have; the repository holds it.
    package static let most = 1_000
    package static let nameLength = 1...200
    package static let descriptionLength = 0...2_000
    package static let categoryLength = 1...100
    package static let defaultCategory = "personal"

    package let action: Action
    package let name: String?
    package let cost: Int64?
    package let description: String?
    package let category: String?

    package init(
        _ action: Action, name: String? = nil, cost: Int64? = nil, description: String? = nil, category: String? = nil
    ) {
        self.action = action
        self.name = name
        self.cost = cost
        self.description = description
        self.category = category
    }
}

/// Which items a user wants to see: every part that is not nil must fit.
package struct ItemFilter: Sendable, Equatable {
    package var category: String?
    package var rarity: Rarity?
    /// All of these stand in its name, description or category, whatever the case and the accents.
    package var words: [String]

    package init(category: String? = nil, rarity: Rarity? = nil, words: [String] = []) {
        self.category = category
        self.rarity = rarity
        self.words = words
    }
}

/// Where a list of items, which is sorted by folded name and id, was cut off.
package struct ItemPlace: Sendable, Equatable {
    package let nameKey: String
    package let id: UUID

    package init(nameKey: String, id: UUID) {
        self.nameKey = nameKey
        self.id = id
    }

    /// URL-safe and opaque to clients.
    package var text: String {
        Data((id.text + nameKey).utf8).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")  // ours
    }

    /// nil for anything that `text` did not write.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 2_048 else { return nil }
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        var base64 = String(text).replacing("-", with: "+").replacing("_", with: "/")  // bounded
        while base64.utf8.count % 4 != 0 { base64 += "=" }
        // By bytes: a name may begin with what joins the last character of the id.
        guard let bytes = Data(base64Encoded: base64), bytes.count >= 36, !bytes.contains(0),
            let head = String(validating: bytes.prefix(36), as: UTF8.self), let id = UUID(text: head),
            let nameKey = String(validating: bytes.dropFirst(36), as: UTF8.self)
        else { return nil }
        self.init(nameKey: nameKey, id: id)
        guard self.text.verbatim == text.verbatim else { return nil }
    }
}

/// A part of a list, and where the next part begins; nil: this was the last.
package struct Page<Place: Sendable>: Sendable {
    /// As the API shows them.
    package let bodies: [RawJSON]
    package let next: Place?

    package init(bodies: [RawJSON], next: Place?) {
        self.bodies = bodies
        self.next = next
    }
}

/// A category and how many items a user finds in it, from 1.
package struct Category: Model {
    package let name: String
    package let items: Int64

    package init(name: String, items: Int64) {
        self.name = name
        self.items = items
    }
}

/// That a user is here today: what it granted them, if anything, and until when nobody need ask again.
package struct Arrival: Sendable {
    package let change: Change?
    package let dayEnds: Timestamp

    package init(change: Change?, dayEnds: Timestamp) {
        self.change = change
        self.dayEnds = dayEnds
    }
}
