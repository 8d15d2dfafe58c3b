import Foundation

/// The web app's pages, put together at the start from what lies in Clients/Web/pages. A page of the app is a fragment
/// in pages/app that is set into pages/parts/frame.html; every page may name a part as `{{part NAME}}`. A page that
/// begins with `{{in NAME}}` is that part, with what the page says under `{{SLOT}}` where the part has it.
struct PageTemplates: Sendable {
    /// Pages by name that anybody may see: home, login, signup, docs, problems, problem, not-found, offline.
    private(set) var open: [String: String] = [:]
    /// Pages by name for who is signed in.
    private(set) var app: [String: String] = [:]

    private var manifests: [String] = []

    /// `texts`: every .html, .js and .webmanifest of the web app, by its path.
    init(_ texts: [String: String]) {
        func pages(in folder: String) -> [String: String] {
            var found: [String: String] = [:]
            for (path, text) in texts where path.hasPrefix(folder) && path.hasSuffix(".html") {
                let name = String(path.dropFirst(folder.count).dropLast(".html".count))
                if !name.contains("/") { found[name] = text }
            }
            return found
        }
        manifests = texts.filter { $0.key.hasSuffix(".webmanifest") }.map(\.value)
        let parts = pages(in: "pages/parts/")
        func complete(_ text: String) -> String {
            parts.reduce(text) { $0.replacing("{{part \($1.key)}}", with: $1.value) }
        }
        open = pages(in: "pages/").mapValues { complete(Self.framed($0, parts)) }
        let scripts = texts.filter { $0.key.hasSuffix(".js") }
        let imports = Dictionary(uniqueKeysWithValues: scripts.map { ($0.key, Self.imports($0.key, $0.value)) })
        for (name, fragment) in pages(in: "pages/app/") {
            let script = "pages/app/\(name).js"
            let preloads = Self.modules(behind: script, imports).map {
                #"<link rel="modulepreload" href="/web/\#($0)">"#
            }
            app[name] = complete((parts["frame"] ?? "").replacing("{{main}}", with: fragment))
                .replacing("{{title}}", with: name.prefix(1).uppercased() + name.dropFirst())
                .replacing("{{script}}", with: "/web/\(script)")
                .replacing("{{preloads}}", with: preloads.joined(separator: "\n  "))
                .replacing("href=\"/app/\(name)\"", with: "href=\"/app/\(name)\" aria-current=\"page\"")
        }
    }

    private static func framed(_ text: String, _ parts: [String: String]) -> String {
        guard let name = text.prefixMatch(of: /\{\{in ([a-z-]+)\}\}/)?.output.1 else { return text }
        let slots = text.matches(of: /\{\{([a-z]+)\}\}\s((?:(?!\{\{).)*)\n/.dotMatchesNewlines())
        return slots.reduce(parts[String(name)] ?? "") { frame, slot in
            frame.replacing("{{\(slot.output.1)}}", with: String(slot.output.2))
        }
    }

    /// The pages that a browser keeps for the time without network, as they are for nobody in particular: the app's, and the
    /// one that stands in for all others.
    var neutral: [String: String] {
        app.merging(open.filter { $0.key == "offline" }) { own, _ in own }
    }

    /// The files that they are made of, by their paths. A manifest names the icons of an app that is installed.
    var files: [String] {
        let quoted = (neutral.values + manifests).flatMap { $0.utf8.split(separator: UInt8(ascii: "\"")) }
        return Set(quoted.map(Substring.init).filter { $0.hasPrefix("/web/") }.map { String($0.dropFirst(5)) }).sorted()
    }

    /// What a module imports or runs as a worker, and what that imports: named in the page, so that the browser asks for all of it at once.
    private static func modules(behind script: String, _ imports: [String: [String]]) -> [String] {
        var found: Set<String> = []
        var ahead = [script]
        while let path = ahead.popLast() {
            ahead += imports[path, default: []].filter { found.insert($0).inserted }
        }
        return found.sorted()
    }

    /// What a module names in `from "…"`, `import "…"` and `URL("…")`. A start waits for this: no regular expression, of which
    /// each of a hundred modules would cost milliseconds.
    private static func imports(_ path: String, _ text: String) -> [String] {
        let folder = URL(fileURLWithPath: "/" + path).deletingLastPathComponent()
        let pieces = text.utf8.split(separator: UInt8(ascii: "\""), omittingEmptySubsequences: false)
        return zip(pieces, pieces.dropFirst()).compactMap { before, name in
            let (before, name) = (Substring(before), Substring(name))
            guard name.hasPrefix("."), name.hasSuffix(".js") else { return nil }
            guard ["from ", "import ", "URL("].contains(where: before.hasSuffix) else { return nil }
            return String(folder.appendingPathComponent(String(name)).standardizedFileURL.path.dropFirst())
        }
    }
}
