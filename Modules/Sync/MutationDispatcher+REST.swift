package import API
import FoundationEssentials
import HTTPTypes
package import Hummingbird

extension MutationDispatcher {
    /// Carries out what a REST request asks as the mutation `name`, under its Idempotency-Key or an id of our own, and
    /// answers: `success` with the stored body, 204 where there is none, or the problem of the refusal.
    package func answer(
        _ request: Request, _ context: EdgeContext, _ name: String, args: JSON, success: HTTPResponse.Status = .ok
    ) async throws -> Response {
        let caller = try context.claimant
        let precondition: Mutation.Precondition? =
            switch try request.ifMatch {
            case .any?: .exists
            case .versions(let versions)?: .versions(versions)
            case nil: nil
            }
        let mutation = Mutation(
            id: try request.idempotencyKey ?? .v7(), name: name, args: args, precondition: precondition)
        let outcome = try await perform(mutation, for: caller)
        var response: Response
        if let problem = outcome.problem {
            response = problem.response(requestID: context.requestID)
        } else if let output = outcome.output {
            response = .json(output.utf8, status: success)
        } else {
            response = Response(status: .noContent)
        }
        if let version = outcome.version, outcome.output != nil, outcome.document != nil {
            response.headers[.eTag] = EntityTag.text(version)
        }
        if outcome.replayed { response.headers[.idempotencyReplayed] = "true" }
        return response
    }
}
