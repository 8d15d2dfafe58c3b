package import Hummingbird

extension Request {
    /// How many entries a page may have: `limit`, 1 to 100, 50 when it is left out.
    /// - Throws: 422 `invalid_query` for anything else.
    package var pageLimit: Int {
        get throws(Problem) { try queryInteger("limit", in: 1...100) ?? 50 }
    }

    /// A whole number in the query; nil when it is left out.
    /// - Throws: 422 `invalid_query` when it is none, or out of `range`.
    package func queryInteger(_ name: StaticString, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = try query(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .invalidQuery(
                "\(name)", "A whole number from \(range.lowerBound) to \(range.upperBound) should stand here.")
        }
        return number
    }
}

extension Request {
    /// The place at which a part of a list begins; nil: its beginning.
    /// - Throws: 422 `invalid_query` for what no `next` said.
    package func place(_ name: StaticString) throws(Problem) -> TimePlace? {
        guard let text = try query(name) else { return nil }
        guard let place = TimePlace(text) else {
            throw .invalidQuery("\(name)", "What `next` of an earlier answer said should stand here.")
        }
        return place
    }
}
