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
        let named = (neutral.values + manifests).flatMap {
            $0.matches(of: /"\/web\/([^"]+)"/).map { String($0.output.1) }
        }
        return Set(named).sorted()
    }

    /// What a module imports or runs as a worker, and what that imports: named in the page, so that the browser asks for all of it at once.
    private static func modules(behind script: String, _ texts: [String: String]) -> [String] {
        var found: Set<String> = []
        var ahead = [script]
        while let path = ahead.popLast() {
            guard let text = texts[path] else { continue }
            let folder = URL(fileURLWithPath: "/" + path).deletingLastPathComponent()
            for line in text.matches(of: /(?:from |import |URL\()"(\.[^"]+\.js)"/) {
                let name = folder.appendingPathComponent(String(line.output.1)).standardizedFileURL.path.dropFirst()
                if found.insert(String(name)).inserted { ahead.append(String(name)) }
            }
        }
        return found.sorted()
    }
}
