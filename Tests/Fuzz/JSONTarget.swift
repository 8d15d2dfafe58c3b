import Foundation

enum JSONTarget {
    static func take(_ bytes: [UInt8]) {
        guard let (value, cost) = try? JSON.parse(bytes) else { return }
        holds(cost.steps <= 12 * bytes.count + 12, "\(cost.steps) steps for \(bytes.count) bytes")
        holds(cost.weight <= JSON.heaviest(of: bytes.count), "a weight of \(cost.weight) for \(bytes.count) bytes")
        holds(value.depth <= JSON.deepestBody, "a depth of \(value.depth)")

        let written = RawJSON(value).utf8
        guard let again = try? JSON(parsing: written, heaviest: .max) else {
            return holds(false, "what was written is not taken: \(String(decoding: written, as: UTF8.self))")
        }
        holds(again == value, "another value comes back")
        holds(again.hashValue == value.hashValue, "equal values with two hashes")
        holds(RawJSON(again).utf8 == written, "equal values are written in two ways")

        // Another's opinion. It costs the square of what it composes, and so has short texts only.
        guard bytes.count <= 1_024 else { return }
        guard let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) else {
            return holds(false, "Foundation does not take it")
        }
        holds(same(value, theirs), "Foundation reads \(theirs)")
    }

    private static func same(_ ours: JSON, _ theirs: Any) -> Bool {
        switch ours {
        case .null: return theirs is NSNull
        case .bool(let ours): return (theirs as? Bool) == ours
        case .number(let ours):
            guard let theirs = theirs as? NSNumber, let ours = Double(ours.text) else { return false }
            return abs(theirs.doubleValue - ours) <= abs(ours) * 1e-14
        case .string(let ours): return (theirs as? String)?.utf8.elementsEqual(ours.utf8) == true
        case .array(let ours):
            guard let theirs = theirs as? [Any], theirs.count == ours.count else { return false }
            return zip(ours, theirs).allSatisfy(same)
        case .object(let ours):
            guard let theirs = theirs as? [String: Any] else { return false }
            // To a dictionary of `String`s two names that look alike are one, and one of them is gone.
            guard theirs.count == ours.count else { return theirs.count < ours.count }
            return ours.allSatisfy { name, value in theirs[name.text].map { same(value, $0) } == true }
        }
    }
}
