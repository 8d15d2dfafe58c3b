package import API
import Crypto
package import FoundationEssentials

/// An item of the catalogue as whoever runs the server writes it.
package struct CatalogueItem: Sendable, Equatable {
    package var id: UUID
    package var name: String
    package var description = ""
    package var cost: Int64
    package var category: String
    package var rarity = Rarity.common
    package var iconURL: String?
    package var available = true
    package var from: Timestamp?
    package var until: Timestamp?
    package var stock = Stock.asItIs
    var mostPerUser: Int64?
    package var consumable = true

    package enum Stock: Sendable, Equatable {
        /// The file does not say: what is left stays left; a new item has no limit.
        case asItIs
        case unlimited
        case pieces(Int64)
    }

    package init(id: UUID, name: String, cost: Int64, category: String) {
        self.id = id
        self.name = name
        self.cost = cost
        self.category = category
    }

    /// By the names of the contract, as they are shown to whoever changes them.
    var members: [(name: String, value: JSON)] {
        [
            ("name", .string(name)), ("description", .string(description)), ("cost_coins", .int(cost)),
            ("category", .string(category)), ("rarity", .string(rarity.rawValue)),
            ("icon_url", iconURL.map { .string($0) } ?? .null), ("available", .bool(available)),
            ("available_from", from.map { .string($0.text) } ?? .null),
            ("available_until", until.map { .string($0.text) } ?? .null),
            ("stock_remaining", stock.json), ("max_per_user", mostPerUser.map { .int($0) } ?? .null),
            ("consumable", .bool(consumable)),
        ]
    }

    package var json: JSON {
        .object(
            Dictionary((members + [("id", .string(id.text))]).map { ($0.name.verbatim, $0.value) }) { first, _ in first
            })
    }
}

extension CatalogueItem.Stock {
    var json: JSON { if case .pieces(let count) = self { .int(count) } else { .null } }
}

/// The whole catalogue as a file says it: what is not in it is withdrawn.
package struct Catalogue: Sendable, Equatable {
    /// Every device holds all items.
    static let mostItems = 10_000
    package static let mostBytes = 32 * 1_024 * 1_024

    package let items: [CatalogueItem]

    /// What is wrong with a file, and where.
    package struct Fault: Error, Sendable, Equatable, CustomStringConvertible {
        package let line: Int
        package let what: String

        package var description: String { "line \(line): \(what)" }
    }

    package struct Faults: Error, Sendable {
        package let faults: [Fault]
    }

    init(items: [CatalogueItem]) {
        self.items = items
    }

    /// Reads a file: an array of items, or an object whose `items` is one.
    /// - Throws: `Faults`, all there are; of a text that is no JSON the first.
    package init(file: [UInt8]) throws {
        let bytes = file.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(file.dropFirst(3)) : file
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: bytes, heaviest: Self.mostBytes * 32)
        } catch {
            let (line, column) = Self.place(error.offset, in: bytes)
            throw Faults(faults: [Fault(line: line, what: "column \(column): \(error.reason)")])
        }
        guard case .array(let elements) = json["items"] ?? json else {
            throw Faults(
                faults: [Fault(line: 1, what: "an array of items should stand here, or an object with `items`")])
        }
        guard elements.count <= Self.mostItems else {
            throw Faults(faults: [Fault(line: 1, what: "there are more than \(Self.mostItems) items")])
        }
        var items: [CatalogueItem] = []
        var faults: [Fault] = []
        var firsts: [UUID: Int] = [:]
        let lines = ElementLines(of: bytes).lines
        for (index, element) in elements.enumerated() {
            let line = lines.indices.contains(index) ? lines[index] : 1
            do throws(Problem) {
                let item = try CatalogueItem(reading: element)
                if let first = firsts.updateValue(index, forKey: item.id) {
                    let what =
                        element["id"] == nil
                        ? "has the name of item \(first + 1) and no id; give one of them an id"
                        : "has the id of item \(first + 1)"
                    faults.append(Fault(line: line, what: "item \(index + 1) \(what)"))
                }
                items.append(item)
            } catch {
                faults += error.errors.map { fault in
                    let member = fault.pointer.dropFirst()
                    let place = member.isEmpty ? "" : ", \(member)"
                    return Fault(line: line, what: "item \(index + 1)\(place): \(fault.detail)")
                }
            }
        }
        guard faults.isEmpty else { throw Faults(faults: faults) }
        self.items = items
    }

    private static func place(_ offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let before = bytes.prefix(offset)
        let line = before.suffix(from: before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0)
        return (before.count { $0 == 0x0A } + 1, String(decoding: line, as: UTF8.self).unicodeScalars.count + 1)
    }
}

extension CatalogueItem {
    private static let known: Set<Verbatim> = [
        "id", "name", "description", "cost_coins", "category", "rarity", "icon_url", "available", "available_from",
        "available_until", "stock_remaining", "max_per_user", "consumable", "personal", "version",
    ]

    /// - Throws: 422 with every fault; a member that nobody knows is one, for it is most likely misspelt.
    init(reading json: JSON) throws(Problem) {
        var fields = try Fields(json)
        if case .object(let members) = json {
            for name in members.keys.sorted() where !Self.known.contains(name) {
                fields.fault(name, "There is no such member.")
            }
        }
        let name = fields.string("name", length: PersonalItemChange.nameLength)
        let id = fields["id"] == nil ? Self.id(named: name) : fields["id"]?.string.flatMap { UUID(text: $0) }
        if id == nil {
            fields.fault(
                "id",
                "a UUID should stand here, the same in every file, or none; a new item may take \(UUID.v7().text).")
        }
        let category = fields.string("category", length: PersonalItemChange.categoryLength)
        for (member, text) in [("name" as Verbatim, name), ("category", category)] where !text.isEmpty {
            if text.isBlank { fields.fault(member, "More than blanks should stand here.") }
        }
        if fields["cost_coins"] == nil || fields["cost_coins"] == .null {
            fields.fault("cost_coins", "This member is missing.")
        }
        self.init(
            id: id ?? .v7(), name: name, cost: fields.optionalInteger("cost_coins", in: 0...Coins.most) ?? 0,
            category: category)
        description = fields.optionalString("description", length: PersonalItemChange.descriptionLength) ?? ""
        if let text = fields.optionalString("rarity", length: 0...100) {
            rarity = Rarity(rawValue: text) ?? .common
            if Rarity(rawValue: text) == nil {
                fields.fault("rarity", "It is common, rare, epic or legendary, not “\(text)”.")
            }
        }
        iconURL = fields.optionalString("icon_url", length: 1...2_000)
        if let url = iconURL, !url.starts(with: "https://"), !url.starts(with: "/") || url.starts(with: "//") {
            fields.fault("icon_url", "A path of this server such as /web/icons/cup.svg, or an https address.")
        }
        available = fields.optionalBool("available") ?? true
        consumable = fields.optionalBool("consumable") ?? true
        if fields.optionalBool("personal") == true {
            fields.fault("personal", "What users make for themselves is not part of the catalogue.")
        }
        from = fields.time("available_from")
        until = fields.time("available_until")
        if let from, let until, from >= until {
            fields.fault("available_until", "It ends before it begins: it must be later than available_from.")
        }
        let pieces = fields.optionalInteger("stock_remaining", in: 0...Coins.most)
        stock = pieces.map { .pieces($0) } ?? (fields["stock_remaining"] == .null ? .unlimited : .asItIs)
        mostPerUser = fields.optionalInteger("max_per_user", in: 1...Coins.most)
        try fields.check()
    }
}

extension CatalogueItem {
    /// The id of an item whose file leaves it out: version 8 of RFC 9562, from its name, so that the next file with that
    /// name means the same item. Renamed it is another one.
    private static func id(named name: String) -> UUID {
        var bytes = Array(SHA256.hash(data: Array("catalogue item\n\(name)".utf8)).prefix(16))
        bytes[6] = 0x80 | bytes[6] & 0x0F
        bytes[8] = 0x80 | bytes[8] & 0x3F
        return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }
}

extension Fields {
    fileprivate mutating func time(_ name: Verbatim) -> Timestamp? {
        guard let value = self[name], value != .null else { return nil }
        if let time = value.string.flatMap({ Timestamp(text: $0) }) { return time }
        fault(name, "A time such as 2026-12-01T00:00:00Z should stand here.")
        return nil
    }
}

/// In which line of a text, which is JSON, each element of its list begins: of the array that it is, or of its `items`.
private struct ElementLines {
    private(set) var lines: [Int] = []
    private var path: [(array: Bool, wanted: Bool)] = []
    private var expecting = false

    init(of bytes: [UInt8]) {
        var line = 1
        var position = 0
        var name = ""
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case 0x0A: line += 1
            case 0x20, 0x09, 0x0D: break
            case UInt8(ascii: ","): expecting = path.last?.wanted == true
            case UInt8(ascii: ":"): break
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                expecting = false
                _ = path.popLast()
            default:
                if expecting { lines.append(line) }
                expecting = false
                if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
                    let array = byte == UInt8(ascii: "[")
                    let wanted =
                        array && (path.isEmpty || (path.count == 1 && !path[0].array && name.verbatim == "items"))
                    path.append((array, wanted))
                    expecting = wanted
                } else if byte == UInt8(ascii: "\"") {
                    let start = position + 1
                    position += 1
                    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                        position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
                    }
                    if path.count == 1 {
                        name = String(decoding: bytes[start..<min(position, bytes.count)], as: UTF8.self)
                    }
                }
            }
            position += 1
        }
    }
}
