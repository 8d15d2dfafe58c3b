package import API
import HTTPTypes
package import Hummingbird
import Logging
import Metrics

/// What Flags offers on the wire, to everybody: the storage guard works on the login page too, and nothing here is about a
/// user.
package struct FlagsRoutes: Sendable {
    /// What a report may take, in bytes.
    private static let largestReport = 16_384

    private let repository: any FlagsRepository
    private let origins: OriginPolicy
    private let reports: RateLimiter<Verbatim>
    private let refusals: [GuardReport.Mode: (known: Counter, other: Counter)]

    /// - Parameter reportsPerMinute: of an address; 0: no limit.
    package init(repository: any FlagsRepository, origins: OriginPolicy, reportsPerMinute: Int) {
        self.repository = repository
        self.origins = origins
        reports = RateLimiter(perMinute: reportsPerMinute)
        func counter(_ mode: GuardReport.Mode, _ key: String) -> Counter {
            // Key names come from outside and are no labels: there would be no end of them.
            Counter(
                label: "lockstep_storage_guard_refusals", dimensions: [("mode", mode.rawValue), ("key", key)])
        }
        refusals = Dictionary(
            uniqueKeysWithValues: GuardReport.Mode.allCases.map {
                ($0, (known: counter($0, "known"), other: counter($0, "other")))
            })
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("flags")
            .get(use: list)
            .post("reports", use: report)
    }

    @Sendable private func list(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let flags = try await repository.flags()
        let tag = EntityTag.text(flags.map(\.flag.version).max() ?? 0)
        if request.alreadyHas(tag) { return Response(status: .notModified, headers: [.eTag: tag]) }
        return .json(headers: [.eTag: tag]) { writer in
            writer.raw("{\"flags\":")
            writer.list(flags) { $0.raw($1.body) }
            writer.raw("}")
        }
    }

    @Sendable private func report(_ request: Request, _ context: EdgeContext) async throws -> Response {
        // A foreign page must not have its visitors report for it.
        try origins.admit(request.headers, client: context.client, unknown: true)
        if let wait = reports.take(context.client.network.verbatim) {
            throw Problem.rateLimited("Too many reports came from this address.", retryAfter: wait)
        }
        let report = try GuardReport(reading: await request.json(upTo: Self.largestReport))
        guard !report.counts.isEmpty else { return Response(status: .noContent) }
        try await repository.add(report)
        let totals = report.totals
        refusals[report.mode]?.known.increment(by: totals.known)
        refusals[report.mode]?.other.increment(by: totals.other)
        // The names stand in the table alone: an app may put a user's name there.
        context.logger.info(
            "Storage guard reported",
            metadata: [
                "mode": .string(report.mode.rawValue), "known": "\(totals.known)", "other": "\(totals.other)",
            ])
        return Response(status: .noContent)
    }
}
