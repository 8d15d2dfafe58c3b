import Foundation
import HTTPTypes
import Testing

@testable import API

@Suite("What proxies say, and what is believed")
struct ProxiesTests {
    private func client(
        _ lines: [(String, String)], host: String? = "app.example:8080", from peer: String = "10.0.0.1",
        trusting: String = "10.0.0.0/8, fd00::/8", header: String? = nil
    ) throws -> EdgeContext.Client {
        var head = HTTPRequest(method: .get, scheme: nil, authority: host, path: "/")
        for (name, value) in lines {
            head.headerFields.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
        }
        var proxies = try #require(TrustedProxies(trusting))
        proxies.addressHeader = header.flatMap { HTTPField.Name($0) }
        return proxies.client(of: head, from: peer)
    }

    private func own(_ client: EdgeContext.Client) -> [String] { client.origins.map(\.description) }

    @Test("Only a trusted proxy says where a request comes from")
    func trust() throws {
        let said = [("X-Forwarded-For", "6.6.6.6, 198.51.100.7, 10.1.2.3"), ("X-Forwarded-Proto", "https")]
        let trusted = try client(said)
        #expect(trusted.address == "198.51.100.7" && own(trusted) == ["https://app.example:8080"])
        #expect(try client(said, from: "::ffff:10.0.0.1").address == "198.51.100.7")
        let stranger = try client(said, from: "192.0.2.1")
        #expect(stranger.address == "192.0.2.1" && own(stranger) == ["http://app.example:8080"])
        #expect(try client(said, trusting: "").address == "10.0.0.1")
        #expect(try client(said, from: "local").address == "local")
        for wrong in ["x", "10.0.0.0/33", "10.0.0.0/-1", "example.com", "::ffff:10.0.0.0/95", "/8"] {
            #expect(TrustedProxies(wrong) == nil, "\(wrong)")
        }
        let mapped = try #require(TrustedProxies("::ffff:10.0.0.0/104"))
        #expect(mapped.trusts(try #require(IPAddress("10.9.9.9"))))
    }

    @Test(
        "An address loses port and brackets; one that is no address counts as the proxy that named it",
        arguments: [
            ("198.51.100.7:4711", "198.51.100.7"), ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("2001:db8:0:0::1", "2001:db8::1"), ("::ffff:198.51.100.7", "198.51.100.7"), ("fe80::1%eth0", "fe80::1"),
            ("[::ffff:198.51.100.7]:1", "198.51.100.7"), (" 198.51.100.7 ", "198.51.100.7"),
            ("\"[2001:db8::1]:1\"", "2001:db8::1"),
            ("unknown", "10.0.0.1"), ("_hidden", "10.0.0.1"), ("198.51.100.7.evil", "10.0.0.1"),
            ("unknown, 10.1.1.1", "10.1.1.1"),
            ("10.2.2.2, 10.1.1.1", "10.2.2.2"), ("198.51.100.7:x, fd00::5", "198.51.100.7"), ("", "10.0.0.1"),
            (",,", "10.0.0.1"),
        ])
    func nodes(text: String, address: String) throws {
        #expect(try client([("X-Forwarded-For", text)]).address == address)
        #expect(try client([], from: "192.0.2.1").address == "192.0.2.1")
    }

    @Test("Who can walk through a network counts as one; IPv4 is counted by address, also through a translator")
    func networks() throws {
        func network(_ text: String) throws -> String { try #require(IPAddress(node: text)).network }
        #expect(try network("2001:db8:1:2:3::4") == network("[2001:db8:1:2:ffff::1]:80"))
        #expect(try network("2001:db8:1:2:3::4") != network("2001:db8:1:3:3::4"))
        #expect(try network("2001:db8:1:2:3::4") == "2001:db8:1:2::/64")
        #expect(try network("198.51.100.7") == "198.51.100.7" && network("::ffff:198.51.100.7") == "198.51.100.7")
        #expect(try network("64:ff9b::198.51.100.7") == "198.51.100.7")
    }

    @Test("Of lists the value counts that the outermost trusted proxy set, and what its client made up does not")
    func lists() throws {
        let two = try client([
            ("X-Forwarded-For", "6.6.6.6, 198.51.100.7"), ("X-Forwarded-For", "10.1.2.3"),
            ("X-Forwarded-Proto", "http, https, http"), ("X-Forwarded-Host", "evil.example, app.example, inner:8080"),
            ("X-Forwarded-Port", "1, 443, 8080"),
        ])
        #expect(two.address == "198.51.100.7" && own(two) == ["https://app.example"])
        // One that sets where others append.
        let set = try client([("X-Forwarded-For", "198.51.100.7, 10.1.2.3"), ("X-Forwarded-Proto", "https")])
        #expect(set.scheme == "https")
        let spoofed = try client([("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "https, http")])
        #expect(spoofed.scheme == "http")
        let inside = try client([("X-Forwarded-For", "10.9.9.9, 10.1.2.3"), ("X-Forwarded-Proto", "https, http")])
        #expect(inside.address == "10.9.9.9" && inside.scheme == "https")
        #expect(try client([("X-Forwarded-Proto", "wss")]).scheme == "https")
    }

    @Test("A port comes with the forwarded host, from X-Forwarded-Port, or from Host")
    func ports() throws {
        let https = ("X-Forwarded-Proto", "https")
        let host = ("X-Forwarded-Host", "app.example:8443")
        #expect(try own(client([https], host: "app.example:443")) == ["https://app.example"])
        #expect(
            try own(client([https, ("X-Forwarded-Port", "8443")], host: "app.example")) == ["https://app.example:8443"])
        #expect(try own(client([https, host, ("X-Forwarded-Port", "443")])) == ["https://app.example:8443"])
        // Is it the browser's or the proxy's own? Both are this server's.
        #expect(
            try own(client([https, ("X-Forwarded-Port", "443")])) == [
                "https://app.example", "https://app.example:8080",
            ])
        for nonsense in ["0", "70000", "x", ""] {
            #expect(try own(client([("X-Forwarded-Port", nonsense)])) == ["http://app.example:8080"])
        }
        #expect(try own(client([], host: nil)).isEmpty)
    }

    @Test("Forwarded says the same where no X-Forwarded-* came, and is ignored beside them")
    func forwarded() throws {
        let one = try client([("Forwarded", "for=\"[2001:db8::1]:4711\";proto=https;host=\"app.example:8443\"")])
        #expect(one.address == "2001:db8::1" && own(one) == ["https://app.example:8443"])
        let two = try client([
            (
                "Forwarded",
                "For=6.6.6.6;Proto=http;Host=evil.example, FOR = 198.51.100.7 ; host=app.example; PROTO=HTTPS"
            ),
            ("Forwarded", "for=10.1.2.3;by=\"x,y;z\\\"=\";proto=http"),
        ])
        #expect(two.address == "198.51.100.7" && own(two) == ["https://app.example"])
        // A client's open quote swallows nothing of what the proxy says behind it.
        for lie in ["\"", "for=\"6.6.6.6", "for=6.6.6.6;by=\"a\\", "for=\"\\\"", "x=\"a\";y=\""] {
            for said in ["for=198.51.100.7;proto=https", "for=\"198.51.100.7:80\";proto=\"https\""] {
                let lied = try client([("Forwarded", lie), ("Forwarded", said)])
                #expect(lied.address == "198.51.100.7" && lied.scheme == "https", "\(lie)")
            }
        }
        let both = try client([("Forwarded", "for=6.6.6.6;proto=https"), ("X-Forwarded-For", "198.51.100.7")])
        #expect(both.address == "198.51.100.7" && both.scheme == "http")
        for nonsense in [
            "", ";", ",", "for", "for=", "=x", "for=\"", "for=\"\\", "\"", String(repeating: "for=\",", count: 2_000),
        ] {
            #expect(try client([("Forwarded", nonsense)]).scheme == "http", "\(nonsense.prefix(20))")
        }
    }

    @Test("Another header can name the client, from trusted proxies only; without it the proxy itself counts")
    func namedHeader() throws {
        let said = [
            ("Fly-Client-IP", "198.51.100.7"), ("X-Forwarded-For", "198.51.100.7, 203.0.113.9"),
            ("X-Forwarded-Proto", "https"),
        ]
        #expect(try client(said).address == "203.0.113.9")
        let fly = try client(said, header: "fly-client-ip")
        #expect(fly.address == "198.51.100.7" && fly.scheme == "https")
        #expect(try client(said, from: "192.0.2.1", header: "fly-client-ip").address == "192.0.2.1")
        #expect(try client([said[1]], header: "fly-client-ip").address == "10.0.0.1")
    }

    @Test(
        "Origins are one when scheme, host and port are",
        arguments: [
            ("https://a.example", "https://a.example:443"), ("HTTP://A.Example:80", "http://a.example"),
            ("https://a.example.", "https://a.example"), ("http://[::1]:8080", "http://[0:0:0::1]:8080"),
            ("https://a.example:", "https://a.example"), ("https://a.example:08443", "https://a.example:8443"),
        ])
    func sameOrigins(one: String, other: String) throws {
        #expect(try #require(Origin(one)) == #require(Origin(other)))
    }

    @Test(
        "What is no origin is none, and others are others",
        arguments: [
            "null", "", "https://", "https://a.example/", "https://a.example/x", "https://u@a.example", "a.example",
            "https://a.example:65536", "https://a.example:-1", "https://a.example:4 3", "ftp://a.example",
            "https://a.exa mple",
            "https://[::1", "https://[x]:1", "https://a.example https://b.example", "https://.", "javascript://a",
            "https://a.example\u{301}", "https://[::1]x", "https://a..", "https://a..example", "https://.a",
        ])
    func noOrigins(text: String) {
        #expect(Origin(text).map { $0 == Origin("https://a.example") } != true)
        #expect(Origin(text) == nil)
    }

    @Test("A name is as long as DNS has them, and what is written of its origin can be read")
    func longNames() throws {
        let longest = String(repeating: "a", count: 253)
        let origin = try #require(Origin(scheme: "https", authority: longest + ":8443"))
        #expect(Origin(origin.description) == origin)
        #expect(Origin(scheme: "https", authority: longest + "a") == nil)
        // None is cut to a shorter one either, such as this with its port left out.
        #expect(Origin(scheme: "https", authority: "[::1%\(String(repeating: "a", count: 292))]:80") == nil)
    }

    @Test("A page's origin is judged by Origin, else by what browsers add, and never guessed")
    func judged() throws {
        let allowed = try #require(Origin("https://app.example"))
        let client = try client([], host: "h:1")
        func judge(_ fields: HTTPFields) -> OriginPolicy.Verdict {
            OriginPolicy(allowed: [allowed]).judge(fields, client: client)
        }
        #expect(judge([.origin: "http://H:1"]) == .own && judge([.origin: "https://app.example:443"]) == .allowed)
        #expect(
            judge([.origin: "http://h:2"]) == .foreign("http://h:2") && judge([.origin: "null"]) == .foreign("null"))
        #expect(judge([.origin: "https://h:1"]) == .foreign("https://h:1"))
        #expect(judge([.secFetchSite: "cross-site"]) != .own && judge([.secFetchSite: "same-origin"]) == .own)
        #expect(
            judge([.referer: "http://h:1/login"]) == .own
                && judge([.referer: "http://h:10/"]) == .foreign("http://h:10"))
        #expect(judge([.referer: "http://h:1"]) == .own && judge([.referer: "http://h:1?x=http://h:2/"]) == .own)
        #expect(judge([:]) == .unknown)
        let named = OriginPolicy(allowed: [], named: Origin("https://lockstep.example"))
        #expect(named.judge([.origin: "https://lockstep.example:443"], client: client) == .own)
    }

    @Test("A refusal names the origin that came, in letters that do a log no harm, and the one expected")
    func refusal() throws {
        let client = try client([("X-Forwarded-Proto", "https")], host: "app.example")
        let policy = OriginPolicy(allowed: [])
        let problem = #expect(throws: Problem.self) {
            try policy.admit([.origin: "https://x\u{E9}[31m" + String(repeating: "y", count: 999)], client: client)
        }
        #expect(problem?.members["expected"] == .string("https://app.example"))
        let came = try #require(problem?.members["origin"]?.string)
        #expect(came.hasPrefix("https://x??[31m") && came.utf8.count == 200)
        #expect(problem?.detail.contains("https://app.example") == true && problem?.detail.contains(came) == true)
        let silent = #expect(throws: Problem.self) { try policy.admit([:], client: client) }
        #expect(silent?.members["origin"] == .null)
        try policy.admit([:], client: client, unknown: true)
    }
}
