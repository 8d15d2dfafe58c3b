import Foundation

/// The web app's pages, put together at the start from what lies in Clients/Web/pages. A page of the app is a fragment
/// in pages/app that is set into pages/parts/frame.html; every page may name a part as `{{part NAME}}`.
struct PageTemplates: Sendable {
    /// Pages by name that anybody may see: home, login, docs, not-found.
    private(set) var open: [String: String] = [:]
    /// Pages by name for who is signed in.
    private(set) var app: [String: String] = [:]

    /// `texts`: every .html and .js of the web app, by its path.
    init(_ texts: [String: String]) {
        func pages(in folder: String) -> [String: String] {
            var found: [String: String] = [:]
            for (path, text) in texts where path.hasPrefix(folder) && path.hasSuffix(".html") {
                let name = String(path.dropFirst(folder.count).dropLast(".html".count))
                if !name.contains("/") { found[name] = text }
            }
            return found
        }
        let parts = pages(in: "pages/parts/")
        func complete(_ text: String) -> String {
            parts.reduce(text) { $0.replacing("{{part \($1.key)}}", with: $1.value) }
        }
        open = pages(in: "pages/").mapValues(complete)
        for (name, fragment) in pages(in: "pages/app/") {
            let script = "pages/app/\(name).js"
            let preloads = Self.modules(behind: script, texts).map { #"<link rel="modulepreload" href="/web/\#($0)">"# }
            app[name] = complete((parts["frame"] ?? "").replacing("{{main}}", with: fragment))
                .replacing("{{title}}", with: name.prefix(1).uppercased() + name.dropFirst())
                .replacing("{{script}}", with: "/web/\(script)")
                .replacing("{{preloads}}", with: preloads.joined(separator: "\n  "))
                .replacing("href=\"/app/\(name)\"", with: "href=\"/app/\(name)\" aria-current=\"page\"")
        }
    }

    /// The files that the app's pages are made of, by their paths: what a browser keeps for a time without network.
    var files: [String] {
        let named = app.values.flatMap { $0.matches(of: /"\/web\/([^"]+)"/).map { String($0.output.1) } }
        return Set(named).sorted()
    }

    /// What a module imports, and what that imports: named in the page, so that the browser asks for all of it at once.
    private static func modules(behind script: String, _ texts: [String: String]) -> [String] {
        var found: Set<String> = []
        var ahead = [script]
        while let path = ahead.popLast() {
            guard let text = texts[path] else { continue }
            let folder = URL(fileURLWithPath: "/" + path).deletingLastPathComponent()
            for line in text.matches(of: /(?:from|import) "(\.[^"]+\.js)"/) {
                let name = folder.appendingPathComponent(String(line.output.1)).standardizedFileURL.path.dropFirst()
                if found.insert(String(name)).inserted { ahead.append(String(name)) }
            }
        }
        return found.sorted()
    }
}
