package import API
package import Accounts
import Crypto
package import Foundation
import HTTPTypes
package import Hummingbird

/// The web app as it leaves the server: pages that carry the user's theme in their root element, so that nothing flashes,
/// and the files that they name under /web. All of it is read once, at the start.
package struct WebApp: Sendable {
    private struct File: Sendable {
        /// The same for everybody who asks.
        let body: ByteBuffer
        let type: String
        let tag: String
    }

    private static let types = [
        "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml", "json": "application/json", "png": "image/png", "ico": "image/x-icon",
        "webmanifest": "application/manifest+json", "woff2": "font/woff2",
    ]

    private let authenticator: Authenticator
    private let accounts: any AccountsRepository
    private let appearance: @Sendable (UUID) async throws -> [Verbatim: String]
    private let files: [Verbatim: File]
    private let pages: PageTemplates
    private let worker: File

    /// - Parameters:
    ///   - folder: where the web client's files are.
    ///   - appearance: what a user's pages look like: `theme`, and in `accessibility` the switches that are on.
    package init(
        folder: String, authenticator: Authenticator, accounts: any AccountsRepository,
        appearance: @escaping @Sendable (UUID) async throws -> [Verbatim: String]
    ) throws {
        self.authenticator = authenticator
        self.accounts = accounts
        self.appearance = appearance
        var files: [Verbatim: File] = [:]
        var texts: [String: String] = [:]  // ours: file names
        for path in FileManager.default.enumerator(atPath: folder)?.compactMap({ $0 as? String }) ?? [] {
            let url = URL(fileURLWithPath: folder).appendingPathComponent(path)
            guard let type = Self.types[url.pathExtension], let data = try? Data(contentsOf: url) else { continue }
            if ["html", "js", "webmanifest"].contains(url.pathExtension.verbatim) {
                texts[path] = String(decoding: data, as: UTF8.self)
            }
            if url.pathExtension != "html" {
                files[path.verbatim] = File(body: ByteBuffer(bytes: data), type: type, tag: "\"\(Self.hash(data))\"")
            }
        }
        self.files = files
        let pages = PageTemplates(texts)
        self.pages = pages
        // The worker's text names the content of all that it keeps: another release is another worker.
        let neutral = pages.neutral.sorted { $0.key < $1.key }
        let kept = pages.files.map { "/web/\($0)" } + neutral.map { "/web/pages/\($0.key).html" }
        let content = pages.files.map { files[$0.verbatim]?.tag ?? "" } + neutral.map(\.value)
        let text = (texts["service-worker.js"] ?? "")
            .replacing("{{version}}", with: Self.hash(Data(content.joined().utf8)))  // ours: a file
            .replacing("{{files}}", with: kept.joined(separator: " "))  // ours: a file
        worker = File(
            body: ByteBuffer(string: text), type: "text/javascript; charset=utf-8",
            tag: "\"\(Self.hash(Data(text.utf8)))\"")
    }

    private static func hash(_ data: Data) -> String {
        SHA256.hash(data: data).prefix(12).map { String($0, radix: 36) }.joined()
    }

    package func add(to router: Router<EdgeContext>) {
        router.get("/") { try await page("home", $0, visitor($0, $1), signedIn: false) }
        for name in ["login", "signup"] {
            router.get("\(name)") { request, context in
                let visitor = try await visitor(request, context)
                // Who is signed in already goes on to where they were going.
                guard visitor.caller == nil else {
                    return Self.redirect(to: DeepLink(next: request).target, cookie: visitor.cookie)
                }
                return try await page(name, request, visitor, signedIn: false)
            }
        }
        router.get("docs") { try await page("docs", $0, visitor($0, $1), signedIn: false) }
        router.get("app") { _, _ in Response.redirect(to: "/app/today", type: .normal) }
        router.get("app/{page}") { request, context in
            let name = try context.parameters.require("page")
            // Whether there is such a page is asked first: nobody signs in to be told that there is none.
            guard pages.app[name] != nil else { throw Problem.notFound }
            return try await page(name, request, visitor(request, context), signedIn: true)
        }
        router.get("web/pages/{page}", use: neutral)
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
    @Sendable private func neutral(_ request: Request, _ context: EdgeContext) throws -> Response {
        let name = try context.parameters.require("page")
        guard let template = pages.neutral.first(where: { "\($0.key).html".verbatim == name.verbatim })?.value else {
            return try file(request, context)
        }
        return html(PageAppearance().fill(template, prefersDark: false), .ok)
    }

    @Sendable private func file(_ request: Request, _ context: EdgeContext) throws -> Response {
        guard let path = request.uri.path.behind("/web/"), let file = files[path.verbatim] else {
            throw Problem.notFound
        }
        return answer(request, file)
    }

    private func answer(_ request: Request, _ file: File) -> Response {
        // Asked for anew each time, answered with 304: a new release is there at once.
        let headers: HTTPFields = [.eTag: file.tag, .cacheControl: "no-cache", .contentType: file.type]
        if request.alreadyHas(file.tag) { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: file.body))
    }

    private struct Visitor {
        var caller: Caller?
        /// The cookie, with all of its time before it again: a browser forgets one that is never sent anew.
        var cookie: String?
    }

    /// Whoever the cookie says.
    private func visitor(_ request: Request, _ context: EdgeContext) async throws -> Visitor {
        var visitor = Visitor()
        let credential = authenticator.credential(in: request.headers)
        if credential.isCookie, let found = try await authenticator.caller(bearing: credential.tokens) {
            visitor.caller = found.caller
            // A page may be the only request for weeks: its socket does the rest.
            try await authenticator.slide(found.caller)
            // Whoever moved its end: it may have been a socket, which sends no cookies.
            visitor.cookie = authenticator.cookie(found.token, client: context.client)
        }
        return visitor
    }

    /// A page that anybody may see, with what `filled` writes into it.
    func page(
        _ name: String, _ request: Request, _ context: EdgeContext, filled: (String) -> String
    ) async throws -> Response {
        try await page(name, request, visitor(request, context), signedIn: false, filled: filled)
    }

    /// A page for this visitor; one under /app without them is a redirect to /login.
    private func page(
        _ name: String, _ request: Request, _ visitor: Visitor, signedIn: Bool, filled: (String) -> String = { $0 }
    ) async throws -> Response {
        if signedIn, visitor.caller == nil {
            return Self.redirect(to: request.wantsPage ? DeepLink(to: request).login : "/login")
        }
        guard let template = (signedIn ? pages.app : pages.open)[name] else { throw Problem.notFound }
        let look = try await look(of: visitor)
        var response = html(look.fill(filled(template), prefersDark: prefersDark(request)), .ok)
        response.headers[.setCookie] = visitor.cookie
        return response
    }

    private func look(of visitor: Visitor) async throws -> PageAppearance {
        guard let caller = visitor.caller else { return PageAppearance() }
        async let user = accounts.user(caller.user)
        async let values = appearance(caller.user)
        var look = try await PageAppearance(values)
        look.email = try await user?.email ?? ""
        look.account = caller.user.text
        return look
    }

    private func prefersDark(_ request: Request) -> Bool {
        ["dark", "\"dark\""].contains(request.headers[.prefersColorScheme]?.verbatim)
    }

    private static func redirect(to address: String, cookie: String? = nil) -> Response {
        var headers: HTTPFields = [.location: address, .cacheControl: "no-store"]
        headers[.setCookie] = cookie
        return Response(status: .seeOther, headers: headers)
    }

    /// Says that there is nothing at an address, as a page; also while nobody can say who asks.
    func notFound(_ request: Request, _ context: EdgeContext) async -> Response {
        let visitor = try? await visitor(request, context)
        var known = PageAppearance()
        if let visitor, let found = try? await look(of: visitor) { known = found }
        let template = pages.open["not-found"] ?? "<!doctype html><title>Not found</title><p>Not found"
        var response = html(known.fill(template, prefersDark: prefersDark(request)), .notFound)
        response.headers[.setCookie] = visitor?.cookie
        return response
    }

    private func html(_ text: String, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status,
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
                .contentSecurityPolicy: "default-src 'self'; base-uri 'none'; form-action 'self'; "
                    + "frame-ancestors 'none'; object-src 'none'",
                .frameOptions: "DENY", .referrerPolicy: "same-origin", .openerPolicy: "same-origin",
                .permissionsPolicy: "camera=(), microphone=(), geolocation=()",
                .acceptCH: "Sec-CH-Prefers-Color-Scheme", .criticalCH: "Sec-CH-Prefers-Color-Scheme",
                .vary: "Cookie, Sec-CH-Prefers-Color-Scheme",
            ],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}

extension HTTPField.Name {
    fileprivate static let prefersColorScheme = Self(unchecked: "sec-ch-prefers-color-scheme")
    fileprivate static let acceptCH = Self(unchecked: "accept-ch")
    fileprivate static let serviceWorkerAllowed = Self(unchecked: "service-worker-allowed")
    fileprivate static let criticalCH = Self(unchecked: "critical-ch")
}
