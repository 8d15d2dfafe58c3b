package import API

/// What bringing the catalogue to what a file says means: nothing is decided later than here.
package struct CataloguePlan: Sendable {
    package struct Change: Sendable {
        package let item: CatalogueItem
        /// Each member that differs, as it is and as it will be.
        package let members: [(name: String, old: JSON, new: JSON)]
    }

    package let added: [CatalogueItem]
    package let changed: [Change]
    /// On sale now, and not in the file.
    package let withdrawn: [CatalogueItem]
    package let unchanged: Int

    package init(from stored: [CatalogueItem], to catalogue: Catalogue) {
        let known = Dictionary(stored.map { ($0.id, $0) }) { first, _ in first }
        var added: [CatalogueItem] = []
        var changed: [Change] = []
        for item in catalogue.items {
            guard let old = known[item.id] else {
                added.append(item)
                continue
            }
            var new = item
            if case .asItIs = new.stock { new.stock = old.stock }
            let members = zip(old.members, new.members).filter { $0.value != $1.value }.map {
                (name: $0.name, old: $0.value, new: $1.value)
            }
            if !members.isEmpty { changed.append(Change(item: new, members: members)) }
        }
        let named = Set(catalogue.items.map(\.id))
        self.added = added
        self.changed = changed
        withdrawn = stored.filter { $0.available && !named.contains($0.id) }
        unchanged = catalogue.items.count - added.count - changed.count
    }

    package var isEmpty: Bool { added.isEmpty && changed.isEmpty && withdrawn.isEmpty }

    /// One line an item.
    package var lines: [String] {
        added.map { item in
            let limits = [
                item.stock.json.integer.map { "\($0) in stock" }, item.mostPerUser.map { "at most \($0) a user" },
                item.from.map { "from \($0.text)" }, item.until.map { "until \($0.text)" },
                item.available ? nil : "not available",
            ]
            let facts = ["\(item.cost) coins", item.category, item.rarity.rawValue] + limits.compactMap(\.self)
            return "add       \(item.id.text)  \(item.name.onOneLine): \(facts.joined(separator: ", ").onOneLine)"
        }
            + changed.map { change in
                let members = change.members.map { "\($0.name) \($0.old.shown) → \($0.new.shown)" }
                let name = change.item.name.onOneLine
                return "change    \(change.item.id.text)  \(name): \(members.joined(separator: ", "))"
            }
            + withdrawn.map { "withdraw  \($0.id.text)  \($0.name.onOneLine)" }
    }
}

extension JSON {
    fileprivate var shown: String { String(decoding: RawJSON(self).utf8, as: UTF8.self).onOneLine }
}

extension String {
    /// Without what could forge a line or steer a terminal.
    fileprivate var onOneLine: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.properties.isControl ? "\u{FFFD}" : $0 }))
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isControl: Bool {
        [.control, .format, .lineSeparator, .paragraphSeparator].contains(generalCategory)
    }
}
