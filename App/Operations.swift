import API
import Foundation
import HTTPTypes
import Hummingbird
import Persistence
import Sync

/// What operators and developers of clients look at: health, metrics, the API's description.
struct Operations: Sendable {
    let database: Database
    let feed: ChangeFeed
    let metrics: PrometheusMetrics
    let home: Home
    /// The names of all migrations that this binary knows.
    let migrations: [String]

    func add(to router: Router<EdgeContext>) {
        router.get("healthz") { _, _ in Response.json { $0.raw("{\"status\":\"ok\"}") } }
        router.get("readyz", use: ready)
        router.get("metrics", use: scrape)
        router.get("openapi.json", use: openAPI)
    }

    /// 200 when the database answers and has every migration that this binary knows.
    @Sendable private func ready(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let missing: [String]
        do {
            let rows = try await database.read(
                "SELECT m.name FROM unnest(\(migrations)) AS m (name) LEFT JOIN schema_migrations s ON s.name = m.name WHERE s.name IS NULL"
            )
            missing = try rows.map { try $0.decode("name") }
        } catch {
            throw Problem.unavailable()
        }
        guard missing.isEmpty else {
            throw Problem(
                503, "unavailable", "The database is not up to date",
                detail: "Missing: \(missing.joined(separator: ", ")). `lockstep migrate up` applies them.",
                headers: [.retryAfter: "5"])
        }
        return .json { $0.raw("{\"status\":\"ready\"}") }
    }

    @Sendable private func scrape(_ request: Request, _ context: EdgeContext) -> Response {
        let pool = database.gauges
        let text = metrics.text(extra: [
            ("lockstep_database_connections_up", Double(pool.connectionsUp)),
            ("lockstep_database_statements_in_flight", Double(pool.inFlight)),
            ("lockstep_database_statements_waiting", Double(pool.waiting)),
            ("lockstep_waiting_polls", Double(feed.waitCount)),
        ])
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    @Sendable private func openAPI(_ request: Request, _ context: EdgeContext) throws -> Response {
        let file = URL(fileURLWithPath: home.web).appendingPathComponent("openapi.json")
        guard let data = try? Data(contentsOf: file) else { throw Problem.notFound }
        return .json(Array(data))
    }
}
