package import API
package import Accounts
import Crypto
package import Foundation
import HTTPTypes
package import Hummingbird

/// The web app as it leaves the server: pages that carry the user's theme in their root element, so that nothing flashes,
/// and the files that they name under /web. All of it is read once, at the start.
package struct WebApp: Sendable {
    /// The same for everybody who asks.
    private struct File: Sendable {
        let body: ByteBuffer
        let tag: String
        let headers: HTTPFields

        init(_ body: ByteBuffer, type: String) {
            self.body = body
            tag = "\"\(WebApp.hash(body.readableBytesView))\""
            // Asked for anew each time, answered with 304: a new release is there at once.
            headers = [.eTag: tag, .cacheControl: "no-cache", .contentType: type]
        }
    }

    /// A page, and how it is for nobody in particular.
    private struct Page: Sendable {
        let template: PageTemplate
        let light: ByteBuffer
        let dark: ByteBuffer

        init(_ text: String) {
            template = PageTemplate(text)
            light = template.filled(for: PageAppearance(), prefersDark: false)
            dark = template.filled(for: PageAppearance(), prefersDark: true)
        }
    }

    private static let types = [
        "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml", "json": "application/json", "png": "image/png", "ico": "image/x-icon",
        "webmanifest": "application/manifest+json", "woff2": "font/woff2",
    ]

    private let visitors: Visitors
    private let files: [Verbatim: File]
    /// By name: that anybody may see, and for who is signed in.
    private let open: [Verbatim: Page]
    private let app: [Verbatim: Page]
    /// By the name of the file: what a browser keeps for the time without network.
    private let neutral: [Verbatim: ByteBuffer]
    private let worker: File

    /// - Parameters:
    ///   - folder: where the web client's files are.
    ///   - appearance: what a user's pages look like: `theme`, and in `accessibility` the switches that are on.
    package init(
        folder: String, authenticator: Authenticator, accounts: any AccountsRepository,
        appearance: @escaping @Sendable (UUID) async throws -> [Verbatim: String]
    ) throws {
        visitors = Visitors(authenticator: authenticator, accounts: accounts, appearance: appearance)
        var files: [Verbatim: File] = [:]
        var texts: [String: String] = [:]  // ours: file names
        for path in FileManager.default.enumerator(atPath: folder)?.compactMap({ $0 as? String }) ?? [] {
            let url = URL(fileURLWithPath: folder).appendingPathComponent(path)
            guard let type = Self.types[url.pathExtension], let data = try? Data(contentsOf: url) else { continue }
            if ["html", "js", "webmanifest"].contains(url.pathExtension.verbatim) {
                texts[path] = String(decoding: data, as: UTF8.self)
            }
            if url.pathExtension != "html" {
                files[path.verbatim] = File(ByteBuffer(bytes: data), type: type)
            }
        }
        self.files = files
        let pages = PageTemplates(texts)
        open = Self.ready(pages.open)
        app = Self.ready(pages.app)
        // The worker's text names the content of all that it keeps: another release is another worker.
        let neutral = pages.neutral.sorted { $0.key < $1.key }
        self.neutral = Dictionary(uniqueKeysWithValues: neutral.map { ("\($0).html".verbatim, Page($1).light) })
        let kept = pages.files.map { "/web/\($0)" } + neutral.map { "/web/pages/\($0.key).html" }
        let content = pages.files.map { files[$0.verbatim]?.tag ?? "" } + neutral.map(\.value)
        let text = (texts["service-worker.js"] ?? "")
            .replacing("{{version}}", with: Self.hash(Data(content.joined().utf8)))  // ours: a file
            .replacing("{{files}}", with: kept.joined(separator: " "))  // ours: a file
        worker = File(ByteBuffer(string: text), type: "text/javascript; charset=utf-8")
    }

    private static func ready(_ pages: [String: String]) -> [Verbatim: Page] {  // ours: file names
        Dictionary(uniqueKeysWithValues: pages.map { ($0.key.verbatim, Page($0.value)) })
    }

    private static func hash(_ data: some DataProtocol) -> String {
        SHA256.hash(data: data).prefix(12).map { String($0, radix: 36) }.joined()
    }

    package func add(to router: Router<EdgeContext>) {
        router.get("/") { try await page("home", $0, $1) }
        for name in ["login", "signup"] {
            router.get("\(name)") { request, context in
                // Who is signed in already goes on to where they were going.
                if let visitor = try await visitors.visitor(request, context) {
                    return Self.redirect(to: DeepLink(next: request).target, cookie: visitor.cookie)
                }
                guard let found = open[name.verbatim] else { throw Problem.notFound }
                return page(found, request, nil)
            }
        }
        router.get("docs") { try await page("docs", $0, $1) }
        router.get("app") { _, _ in Response.redirect(to: "/app/today", type: .normal) }
        router.get("app/{page}") { request, context in
            // Whether there is such a page is asked first: nobody signs in to be told that there is none.
            guard let found = try app[context.parameters.require("page").verbatim] else { throw Problem.notFound }
            guard let visitor = try await visitors.visitor(request, context) else {
                return Self.redirect(to: request.wantsPage ? DeepLink(to: request).login : "/login")
            }
            return page(found, request, visitor)
        }
        router.get("web/pages/{page}", use: neutralPage)
        router.get("web/**", use: file)
        // Read at the start, and the same bytes for everybody: an answer that is not taken costs nothing.
        let description = files["openapi.json"]?.body
        router.get("openapi.json") { _, _ in
            guard let description else { throw Problem.notFound }
            return Response(
                status: .ok, headers: [.contentType: "application/json"], body: .init(byteBuffer: description))
        }
        router.get("sw.js") { request, _ in
            var response = answer(request, worker)
            response.headers[.serviceWorkerAllowed] = "/"
            return response
        }
    }

    /// A page of the app as it is for nobody in particular: what a browser keeps for the time without network.
    @Sendable private func neutralPage(_ request: Request, _ context: EdgeContext) throws -> Response {
        guard let body = try neutral[context.parameters.require("page").verbatim] else {
            return try file(request, context)
        }
        return Response(status: .ok, headers: Self.ofPages, body: .init(byteBuffer: body))
    }

    @Sendable private func file(_ request: Request, _ context: EdgeContext) throws -> Response {
        guard let path = request.uri.path.behind("/web/"), let file = files[path.verbatim] else {
            throw Problem.notFound
        }
        return answer(request, file)
    }

    private func answer(_ request: Request, _ file: File) -> Response {
        if request.alreadyHas(file.tag) { return Response(status: .notModified, headers: file.headers) }
        return Response(status: .ok, headers: file.headers, body: .init(byteBuffer: file.body))
    }

    /// A page that anybody may see.
    /// - Parameter others: HTML by the names of places that only this page has.
    func page(
        _ name: Verbatim, _ request: Request, _ context: EdgeContext, _ others: [Verbatim: String] = [:]
    ) async throws -> Response {
        guard let found = open[name] else { throw Problem.notFound }
        return try await page(found, request, visitors.visitor(request, context), others)
    }

    private func page(
        _ page: Page, _ request: Request, _ visitor: Visitor?, _ others: [Verbatim: String] = [:],
        status: HTTPResponse.Status = .ok
    ) -> Response {
        let prefersDark = Self.prefersDark(request)
        let body =
            if visitor == nil, others.isEmpty {
                prefersDark ? page.dark : page.light
            } else {
                page.template.filled(for: visitor?.look ?? PageAppearance(), prefersDark: prefersDark, others)
            }
        var response = Response(status: status, headers: Self.ofPages, body: .init(byteBuffer: body))
        if let visitor { response.headers[.setCookie] = visitor.cookie }
        return response
    }

    private static func prefersDark(_ request: Request) -> Bool {
        guard let preferred = request.headers[.prefersColorScheme] else { return false }
        return preferred.verbatim == "dark" || preferred.verbatim == "\"dark\""
    }

    private static func redirect(to address: String, cookie: String? = nil) -> Response {
        var headers: HTTPFields = [.location: address, .cacheControl: "no-store"]
        headers[.setCookie] = cookie
        return Response(status: .seeOther, headers: headers)
    }

    /// Says that there is nothing at an address, as a page; also while nobody can say who asks.
    func notFound(_ request: Request, _ context: EdgeContext) async -> Response {
        let visitor = try? await visitors.visitor(request, context)
        let found = open["not-found"] ?? Page("<!doctype html><title>Not found</title><p>Not found")
        return page(found, request, visitor, status: .notFound)
    }

    private static let ofPages: HTTPFields = [
        .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
        .contentSecurityPolicy: "default-src 'self'; base-uri 'none'; form-action 'self'; "
            + "frame-ancestors 'none'; object-src 'none'",
        .frameOptions: "DENY", .referrerPolicy: "same-origin", .openerPolicy: "same-origin",
        .permissionsPolicy: "camera=(), microphone=(), geolocation=()",
        .acceptCH: "Sec-CH-Prefers-Color-Scheme", .criticalCH: "Sec-CH-Prefers-Color-Scheme",
        .vary: "Cookie, Sec-CH-Prefers-Color-Scheme",
    ]
}

extension HTTPField.Name {
    fileprivate static let prefersColorScheme = Self(unchecked: "sec-ch-prefers-color-scheme")
    fileprivate static let acceptCH = Self(unchecked: "accept-ch")
    fileprivate static let serviceWorkerAllowed = Self(unchecked: "service-worker-allowed")
    fileprivate static let criticalCH = Self(unchecked: "critical-ch")
}
