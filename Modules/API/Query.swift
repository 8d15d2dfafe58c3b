package import Hummingbird

extension Request {
    /// A parameter of the query, decoded; of several of the name the first, nil without one.
    /// - Parameter plusIsBlank: forms and libraries write a blank so; where none is expected a plus is a plus.
    /// - Throws: 422 `invalid_query` when it cannot be decoded.
    package func query(_ name: StaticString, plusIsBlank: Bool = false) throws(Problem) -> String? {
        for pair in (uri.query ?? "").pieces(between: "&") {
            let parts = pair.pieces(between: "=", most: 2)
            guard parts[0].verbatim == Verbatim("\(name)") else { continue }
            guard parts.count == 2 else { return "" }
            guard let text = parts[1].percentDecoded(plusIsBlank: plusIsBlank) else {
                throw .invalidQuery("\(name)", "It cannot be decoded as UTF-8 without NUL characters.")
            }
            return text
        }
        return nil
    }
}
