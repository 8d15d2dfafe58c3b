package import API
import HTTPTypes
package import Hummingbird

/// Where the `type` of a problem leads: what its code means and what to do, as a page or, asked for JSON, as JSON.
package struct ProblemPages: Sendable {
    private let app: WebApp
    private let codes: [ProblemCode]

    /// - Parameter codes: every code that this server can send, by name.
    package init(app: WebApp, codes: [ProblemCode]) {
        self.app = app
        self.codes = codes
    }

    package func add(to router: Router<EdgeContext>) {
        router.get("problems") { request, context in
            try await answer(
                request, json: .object(["problems": .array(codes.map(\.json))]),
                page: { try await app.page("problems", request, context, ["codes": list(codes)]) }
            )
        }
        router.get("problems/{code}") { request, context in
            let name = try context.parameters.require("code")
            guard let code = codes.first(where: { $0.name.verbatim == name.verbatim }) else {
                throw Problem.notFound
            }
            return try await answer(
                request, json: code.json,
                page: { try await app.page("problem", request, context, facts(code)) })
        }
    }

    private func answer(
        _ request: Request, json: JSON, page: () async throws -> Response
    ) async throws -> Response {
        var response = try await request.wantsJSON ? .json { $0.write(json) } : page()
        response.varies(by: "Accept")
        return response
    }

    private func list(_ codes: [ProblemCode]) -> String {
        let rows = codes.map { code in
            "<li><a href=\"\(code.type)\"><span class=\"hint\">\(code.statusText)</span>"
                + "<span><code>\(code.name)</code> \(PageAppearance.escape(code.title))</span></a></li>"
        }
        return rows.joined(separator: "\n      ")
    }

    private func facts(_ code: ProblemCode) -> [Verbatim: String] {
        let again =
            code.isFinal
            ? "Final: the same request gets this answer again. A new attempt is a new request, with a new "
                + "Idempotency-Key or mutation id."
            : "Not final: nothing is kept of the request. Once the cause is gone, send it again under the same key."
        return [
            "code": code.name, "status": code.statusText, "title": PageAppearance.escape(code.title),
            "meaning": marked(code.meaning), "again": again,
        ]
    }

    /// Words with `code` in backticks.
    private func marked(_ text: String) -> String {
        text.pieces(between: "`").enumerated().map { at, piece in
            let text = PageAppearance.escape(String(piece))
            return at.isMultiple(of: 2) ? text : "<code>\(text)</code>"
        }.joined()
    }
}

extension ProblemCode {
    fileprivate var statusText: String { statuses.map(String.init).joined(separator: ", ") }

    fileprivate var json: JSON {
        .object([
            "type": .string(type), "code": .string(name), "statuses": .array(statuses.map { .int($0) }),
            "title": .string(title),
            "details": .array(details.map { .string($0.template) }), "meaning": .string(meaning),
            "final": .bool(isFinal),
        ])
    }
}
