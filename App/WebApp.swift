import API
import Accounts
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Settings
import Sync

/// The web app as it leaves the server: pages that carry the user's theme in their root element, so that nothing flashes,
/// and the files that they name under /web. All of it is read once, at the start.
struct WebApp: Sendable {
    private struct File: Sendable {
        let bytes: [UInt8]
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
    private let settings: any SettingsRepository
    private let files: [String: File]
    private let pages: PageTemplates
    private let worker: File

    init(
        home: Home, authenticator: Authenticator, accounts: any AccountsRepository, settings: any SettingsRepository
    ) throws {
        self.authenticator = authenticator
        self.accounts = accounts
        self.settings = settings
        var files: [String: File] = [:]
        var texts: [String: String] = [:]
        for path in FileManager.default.enumerator(atPath: home.web)?.compactMap({ $0 as? String }) ?? [] {
            let url = URL(fileURLWithPath: home.web).appendingPathComponent(path)
            guard let type = Self.types[url.pathExtension], let data = try? Data(contentsOf: url) else { continue }
            if ["html", "js"].contains(url.pathExtension) { texts[path] = String(decoding: data, as: UTF8.self) }
            if url.pathExtension != "html" {
                files[path] = File(bytes: Array(data), type: type, tag: "\"\(Self.hash(data))\"")
            }
        }
        self.files = files
        let pages = PageTemplates(texts)
        self.pages = pages
        // The worker's text names the content of all that it keeps: another release is another worker.
        let kept = pages.files.map { "/web/\($0)" } + pages.app.keys.sorted().map { "/web/pages/\($0).html" }
        let content = pages.files.map { files[$0]?.tag ?? "" } + pages.app.sorted { $0.key < $1.key }.map(\.value)
        let text = (texts["service-worker.js"] ?? "")
            .replacing("{{version}}", with: Self.hash(Data(content.joined().utf8)))
            .replacing("{{files}}", with: kept.joined(separator: " "))
        worker = File(
            bytes: Array(text.utf8), type: "text/javascript; charset=utf-8", tag: "\"\(Self.hash(Data(text.utf8)))\"")
    }

    private static func hash(_ data: Data) -> String {
        SHA256.hash(data: data).prefix(12).map { String($0, radix: 36) }.joined()
    }

    func add(to router: Router<EdgeContext>) {
        router.get("/") { try await page("home", $0, $1, signedIn: false) }
        router.get("login") { try await page("login", $0, $1, signedIn: false) }
        router.get("docs") { try await page("docs", $0, $1, signedIn: false) }
        router.get("app") { _, _ in Response.redirect(to: "/app/today", type: .normal) }
        router.get("app/{page}") { request, context in
            try await page(try context.parameters.require("page"), request, context, signedIn: true)
        }
        router.get("web/pages/{page}", use: neutral)
        router.get("web/**", use: file)
        router.get("sw.js") { request, _ in
            var response = answer(request, worker)
            response.headers[.serviceWorkerAllowed] = "/"
            return response
        }
    }

    /// A page of the app as it is for nobody in particular: what a browser keeps for the time without network.
    @Sendable private func neutral(_ request: Request, _ context: EdgeContext) throws -> Response {
        let name = try context.parameters.require("page")
        guard name.hasSuffix(".html"), let template = pages.app[String(name.dropLast(5))] else {
            return try file(request, context)
        }
        return html(Look().fill(template, prefersDark: false), .ok)
    }

    @Sendable private func file(_ request: Request, _ context: EdgeContext) throws -> Response {
        let path = request.uri.path.dropFirst("/web/".count)
        guard let file = files[String(path)] else { throw Problem.notFound }
        return answer(request, file)
    }

    private func answer(_ request: Request, _ file: File) -> Response {
        // Asked for anew each time, answered with 304: a new release is there at once.
        let headers: HTTPFields = [.eTag: file.tag, .cacheControl: "no-cache", .contentType: file.type]
        if request.alreadyHas(file.tag) { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: file.bytes)))
    }

    /// A page, for whoever the cookie says; one under /app without him is a redirect to /login.
    private func page(
        _ name: String, _ request: Request, _ context: EdgeContext, signedIn: Bool
    ) async throws -> Response {
        var caller: Caller?
        var renewed: String?
        if case .cookie(let token) = authenticator.credential(in: request.headers) {
            caller = try await authenticator.caller(bearing: token)
            // A page may be the only request for weeks: its socket does the rest.
            if let caller, try await authenticator.slide(caller) != nil {
                renewed = authenticator.cookie(token, client: context.client)
            }
        }
        if signedIn, caller == nil { return Response(status: .seeOther, headers: [.location: "/login"]) }
        guard let template = (signedIn ? pages.app : pages.open)[name] else { return html(notFound, .notFound) }
        var look = Look()
        if let caller {
            async let user = accounts.user(caller.user)
            async let theme = settings.setting("theme", of: caller.user)
            async let accessibility = settings.setting("accessibility", of: caller.user)
            look = try await Look([theme, accessibility].compactMap(\.self))
            look.email = try await user?.email ?? ""
        }
        let hint = request.headers[.prefersColorScheme]
        var response = html(look.fill(template, prefersDark: hint == "dark" || hint == "\"dark\""), .ok)
        response.headers[.setCookie] = renewed
        return response
    }

    private var notFound: String {
        Look().fill(
            pages.open["not-found"] ?? "<!doctype html><title>Not found</title><p>Not found", prefersDark: false)
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

/// How a page looks to its user: what its root element says.
private struct Look {
    var theme = "system"
    var accessibility = ""
    var email = ""

    init() {}

    init(_ settings: [Setting]) {
        for setting in settings {
            guard let value = try? JSON(parsing: setting.value.utf8) else { continue }
            switch setting.key {
            case "theme": theme = value.string ?? theme
            case "accessibility":
                let names = ["reduced_motion", "high_contrast", "large_text"]
                accessibility = names.filter { value[$0]?.bool == true }.joined(separator: " ")
            default: break
            }
        }
    }

    /// All but the address are words of our own; it goes in last, so that nothing in it is filled in.
    func fill(_ template: String, prefersDark: Bool) -> String {
        let resolved = theme == "system" ? (prefersDark ? "dark" : "light") : theme
        return template.replacing("{{theme}}", with: theme).replacing("{{resolved_theme}}", with: resolved)
            .replacing("{{accessibility}}", with: accessibility).replacing("{{email}}", with: Self.escape(email))
    }

    /// By bytes: to Swift a quote and the accent that follows it are one character, to a browser they are two.
    private static func escape(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): bytes += "&amp;".utf8
            case UInt8(ascii: "<"): bytes += "&lt;".utf8
            case UInt8(ascii: ">"): bytes += "&gt;".utf8
            case UInt8(ascii: "\""): bytes += "&quot;".utf8
            case UInt8(ascii: "'"): bytes += "&#39;".utf8
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension HTTPField.Name {
    fileprivate static let prefersColorScheme = Self(unchecked: "sec-ch-prefers-color-scheme")
    fileprivate static let acceptCH = Self(unchecked: "accept-ch")
    fileprivate static let serviceWorkerAllowed = Self(unchecked: "service-worker-allowed")
    fileprivate static let criticalCH = Self(unchecked: "critical-ch")
}
