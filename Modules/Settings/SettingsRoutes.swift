package import API
import Foundation
import HTTPTypes
package import Hummingbird
package import Sync

/// What Settings offers on the wire.
package struct SettingsRoutes: Sendable {
    private let repository: any SettingsRepository
    private let dispatcher: MutationDispatcher
    /// Of users, for all their settings, which may be megabytes.
    private let turns = AnswerTurns()
    private let unsent: UnsentBudget

    package init(repository: any SettingsRepository, dispatcher: MutationDispatcher, unsent: UnsentBudget) {
        self.repository = repository
        self.dispatcher = dispatcher
        self.unsent = unsent
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("settings")
            .get(use: list)
            .post(use: set)
            .patch(use: patch)
            .delete(use: clear)
            .get("{key}", use: show)
            .delete("{key}", use: delete)
            .get("{key}/history", use: history)
    }

    @Sendable private func list(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try context.claimant
        return try await turns.take(caller.user, size: { $0.body.contentLength ?? 0 }) {
            try unsent.checkRoom(for: caller.user)
            let (head, settings) = try await repository.settings(of: caller.user, asking: caller)
            let tag = EntityTag.text(head)
            if request.alreadyHas(tag) { return Response(status: .notModified, headers: [.eTag: tag]) }
            return .json(headers: [.eTag: tag]) { Self.write(settings, to: &$0) }
        }
    }

    private static func write(_ settings: [Setting], to writer: inout JSONWriter) {
        writer.raw("{\"settings\":")
        writer.list(settings) { $1.write(to: &$0) }
        writer.raw("}")
    }

    /// `list` in front of the router.
    package static func directReads(_ repository: any SettingsRepository) -> [DirectRead] {
        [
            DirectRead { request in
                guard request.path?.verbatim == "/api/settings" else { return nil }
                return { caller, reply in
                    repository.settings(of: caller.user, asking: caller) { found in
                        reply {
                            do {
                                guard let (head, settings) = try found() else { return nil }
                                let tag = EntityTag.text(head)
                                if request.headerFields.alreadyHas(tag) {
                                    return DirectAnswer(status: .notModified, headers: [.eTag: tag])
                                }
                                return .json(headers: [.eTag: tag]) { write(settings, to: &$0) }
                            } catch {
                                return .problem(error)
                            }
                        }
                    }
                }
            }
        ]
    }

    @Sendable private func show(_ request: Request, _ context: EdgeContext) async throws -> Response {
        guard let setting = try await repository.setting(key(context), of: context.caller.user) else {
            throw Problem.notFound
        }
        let tag = EntityTag.text(setting.version)
        if request.alreadyHas(tag) { return Response(status: .notModified, headers: [.eTag: tag]) }
        return .json(headers: [.eTag: tag]) { setting.write(to: &$0) }
    }

    @Sendable private func history(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let values = try await repository.history(of: key(context), user: context.caller.user)
        return .json { writer in
            writer.raw("{\"history\":")
            writer.list(values) { $1.write(to: &$0) }
            writer.raw("}")
        }
    }

    @Sendable private func set(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "settings.set", args: try await request.json())
    }

    @Sendable private func patch(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "settings.patch", args: try await request.json())
    }

    @Sendable private func delete(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "settings.delete", args: .object(["key": .string(key(context))]))
    }

    @Sendable private func clear(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "settings.clear", args: .object([:]))
    }

    /// The key in the path. What no setting can be called is simply not found.
    private func key(_ context: EdgeContext) throws -> String {
        guard let key = try context.parameters.require("key").percentDecoded() else { throw Problem.notFound }
        do throws(SettingsRefusal) { try SettingChange.check(key: key) } catch { throw Problem.notFound }
        return key
    }
}

extension Setting {
    /// {key, value, version, updated_at}
    package func write(to writer: inout JSONWriter) {
        writer.raw("{\"key\":")
        writer.plain(key)
        writer.raw(",\"value\":")
        writer.raw(value)
        writer.raw(",\"version\":")
        writer.int(version)
        writer.raw(",\"updated_at\":")
        writer.plain(updatedAt.text)
        writer.raw("}")
    }
}

extension FormerSetting {
    /// {value, version, device_name, replaced_at}
    func write(to writer: inout JSONWriter) {
        writer.raw("{\"value\":")
        writer.raw(value)
        writer.raw(",\"version\":")
        writer.int(version)
        writer.raw(",\"device_name\":")
        if let deviceName { writer.string(deviceName) } else { writer.raw("null") }
        writer.raw(",\"replaced_at\":")
        writer.plain(replacedAt.text)
        writer.raw("}")
    }
}
