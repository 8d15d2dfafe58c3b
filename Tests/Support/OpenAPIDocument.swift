package import API
import Foundation

/// The server's description of itself, whose schemas are held to the types of what it answers.
package struct OpenAPIDocument {
    private let root: JSON

    package init(_ root: JSON) {
        self.root = root
    }

    /// The one that clients are given.
    package static var published: OpenAPIDocument {
        get throws {
            let file = URL(fileURLWithPath: migrationsFolder).deletingLastPathComponent()
                .appendingPathComponent("Clients/Web/openapi.json")
            return OpenAPIDocument(try JSON(parsing: Array(try Data(contentsOf: file)), deepest: 64, heaviest: 1 << 26))
        }
    }

    /// What an operation answers when it is done, by `get /api/market/wallet`: of all below `path`.
    func answers(below path: String) -> [String: JSON] {
        guard case .object(let paths)? = root["paths"] else { return [:] }
        var answers: [String: JSON] = [:]
        for (address, item) in paths where address.text == path || address.text.hasPrefix(path + "/") {
            guard case .object(let methods) = item else { continue }
            for (method, operation) in methods {
                guard case .object(let responses)? = operation["responses"] else { continue }
                for (status, response) in responses where status.text.hasPrefix("2") {
                    let content = resolved(response)["content"]
                    guard let schema = content?["application/json"]?["schema"] else { continue }
                    answers["\(method) \(address)"] = schema
                }
            }
        }
        return answers
    }

    /// Where what the operations below `path` answer differs from these types; one that neither knows is a fault too.
    package func faults(below path: String, _ types: [String: any Model.Type]) throws -> [String] {
        let answers = answers(below: path)
        let strangers = Set(answers.keys).symmetricDifference(types.keys).map { "\($0) stands on one side alone" }
        return try strangers.sorted()
            + types.sorted { $0.key < $1.key }.flatMap { operation, type in
                try answers[operation].map { faults($0, try type.shape, at: operation) } ?? []
            }
    }

    package func schema(_ name: Verbatim) -> JSON? { root["components"]?["schemas"]?[name] }

    /// Where a schema and a type differ: in members, in what must stand, what may be null, kinds or words.
    package func faults(_ schema: JSON, _ shape: Shape, at place: String) -> [String] {
        let schema = resolved(schema)
        switch shape {
        case .any: return schema["type"] == nil ? [] : ["\(place): any JSON may stand here"]
        case .boolean: return kind("boolean", schema, place)
        case .integer: return kind("integer", schema, place)
        case .number: return kind("number", schema, place)
        case .text:
            return kind("string", schema, place)
                + (schema["enum"] == nil ? [] : ["\(place): the type knows of no words here"])
        case .id: return kind("string", schema, place) + format("uuid", schema, place)
        case .time: return kind("string", schema, place) + format("date-time", schema, place)
        case .word(let words):
            guard case .array(let listed)? = schema["enum"] else { return ["\(place): lists no words"] }
            let texts = listed.compactMap(\.string).sorted()
            return texts == words.sorted() ? [] : ["\(place): lists \(texts), the type has \(words.sorted())"]
        case .list(let element):
            guard let items = schema["items"] else { return ["\(place): is no list"] }
            return kind("array", schema, place) + faults(items, element, at: place + "[]")
        case .object(let members): return faults(schema, members, at: place)
        }
    }

    private func faults(_ schema: JSON, _ members: [String: Shape.Member], at place: String) -> [String] {
        let properties = properties(of: schema)
        let required = required(of: schema)
        let names = Set(properties.keys)
        var faults = names.subtracting(members.keys).map { "\(place): the type has no \($0)" }
        for (name, member) in members {
            let here = "\(place).\(name)"
            guard let property = properties[name] else {
                faults.append("\(here) is not described")
                continue
            }
            if required.contains(name) == member.isLeftOut {
                faults.append("\(here) is \(member.isLeftOut ? "" : "not ")required")
            }
            if isNullable(property) != member.isNullable {
                faults.append("\(here) may \(member.isNullable ? "not " : "")be null")
            }
            faults += self.faults(property, member.shape, at: here)
        }
        return faults.sorted()
    }

    private func kind(_ name: String, _ schema: JSON, _ place: String) -> [String] {
        kinds(schema).subtracting(["null"]) == [name] ? [] : ["\(place): is \(kinds(schema).sorted()), not \(name)"]
    }

    private func format(_ name: String, _ schema: JSON, _ place: String) -> [String] {
        schema["format"]?.string == name ? [] : ["\(place): its format is not \(name)"]
    }

    private func kinds(_ schema: JSON) -> Set<String> {
        switch schema["type"] {
        case .string(let kind)?: [kind]
        case .array(let kinds)?: Set(kinds.compactMap(\.string))
        default: []
        }
    }

    private func isNullable(_ schema: JSON) -> Bool {
        if case .array(let choices)? = schema["oneOf"] { return choices.contains { kinds($0) == ["null"] } }
        return kinds(resolved(schema)).contains("null")
    }

    private func properties(of schema: JSON) -> [String: JSON] {
        parts(of: schema).reduce(into: [:]) { all, part in
            guard case .object(let properties)? = part["properties"] else { return }
            for (name, property) in properties { all[name.text] = property }
        }
    }

    private func required(of schema: JSON) -> Set<String> {
        Set(
            parts(of: schema).flatMap { part -> [String] in
                if case .array(let names)? = part["required"] { names.compactMap(\.string) } else { [] }
            })
    }

    private func parts(of schema: JSON) -> [JSON] {
        if case .array(let parts)? = schema["allOf"] { parts.map(resolved) } else { [schema] }
    }

    /// What a reference names, and of a choice between something and null the something.
    private func resolved(_ schema: JSON) -> JSON {
        if let reference = schema["$ref"]?.string {
            return resolved(
                reference.split(separator: "/").dropFirst().reduce(root) { $0[$1.verbatim] ?? .null })
        }
        if case .array(let choices)? = schema["oneOf"], let one = choices.first(where: { kinds($0) != ["null"] }) {
            return resolved(one)
        }
        return schema
    }
}
