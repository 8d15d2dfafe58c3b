import HTTPTypes
package import Hummingbird

/// What operators look at: health, metrics, and what the server takes a client for.
package struct OperationsRoutes: Sendable {
    private let missing: @Sendable () async throws -> [String]
    private let metrics: @Sendable () -> String

    /// - Parameters:
    ///   - missing: the migrations that this binary knows and the database lacks.
    ///   - metrics: the page that Prometheus reads.
    package init(missing: @escaping @Sendable () async throws -> [String], metrics: @escaping @Sendable () -> String) {
        self.missing = missing
        self.metrics = metrics
    }

    package func add(to router: Router<EdgeContext>) {
        router.get("healthz") { _, _ in Response.json { $0.raw("{\"status\":\"ok\"}") } }
        router.get("readyz", use: ready)
        router.get("metrics", use: scrape)
        router.get("api/client", use: client)
    }

    /// 200 when the database answers and has every migration that this binary knows.
    @Sendable private func ready(_ request: Request, _ context: EdgeContext) async throws -> Response {
        guard let missing = try? await missing() else { throw Problem.unavailable() }
        guard missing.isEmpty else {
            throw Problem(
                .unavailable, detail: .migrationsMissing, values: ["missing": .string(missing.joined(separator: ", "))],
                headers: [.retryAfter: "5"])
        }
        return .json { $0.raw("{\"status\":\"ready\"}") }
    }

    @Sendable private func scrape(_ request: Request, _ context: EdgeContext) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(string: metrics())))
    }

    /// {address, counted_as, origin, proxy_trusted}, for whoever asks, about themselves.
    @Sendable private func client(_ request: Request, _ context: EdgeContext) -> Response {
        let client = context.client
        return .json { writer in
            writer.raw("{\"address\":")
            writer.string(client.address)
            writer.raw(",\"counted_as\":")
            writer.string(client.network)
            writer.raw(",\"origin\":")
            if let origin = client.origins.first { writer.string(origin.description) } else { writer.raw("null") }
            writer.raw(client.isBehindTrustedProxy ? ",\"proxy_trusted\":true}" : ",\"proxy_trusted\":false}")
        }
    }
}
