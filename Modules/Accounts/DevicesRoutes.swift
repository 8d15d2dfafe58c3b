package import API
import FoundationEssentials
import HTTPTypes
package import Hummingbird
package import Sync

/// A user's devices on the wire: which there are, what they are called, and which shall be signed out for good.
package struct DevicesRoutes: Sendable {
    private let repository: any AccountsRepository
    private let authenticator: Authenticator
    private let announce: Announce

    package init(repository: any AccountsRepository, authenticator: Authenticator, announce: @escaping Announce) {
        self.repository = repository
        self.authenticator = authenticator
        self.announce = announce
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("devices")
            .get(use: list)
            .patch("{id}", use: rename)
            .delete("{id}", use: remove)
    }

    @Sendable private func list(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try await context.caller
        let devices = try await repository.devices(of: caller.user)
        return .json { writer in
            writer.raw("{\"devices\":")
            writer.list(devices) { $1.write(to: &$0, asSeenBy: caller) }
            writer.raw("}")
        }
    }

    @Sendable private func rename(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try await context.caller
        var fields = try Fields(try await request.json())
        let name = fields.string("name", length: Device.nameLength)
        try fields.check()
        guard let device = try await repository.rename(id(context), of: caller.user, to: name) else {
            throw Problem.notFound
        }
        announce(.devicesChanged(user: caller.user))
        return .json { device.write(to: &$0, asSeenBy: caller) }
    }

    @Sendable private func remove(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let caller = try await context.caller
        let id = try id(context)
        guard try await repository.removeDevice(id, of: caller.user) else { throw Problem.notFound }
        announce(.sessionsEnded(user: caller.user, local: true))
        announce(.devicesChanged(user: caller.user))
        guard id == caller.device.id else { return Response(status: .noContent) }
        return Response(
            status: .noContent, headers: [.setCookie: authenticator.cookie(nil, client: context.client)])
    }

    /// The id in the path. What cannot be one is simply not found.
    private func id(_ context: EdgeContext) throws -> UUID {
        guard let id = UUID(text: try context.parameters.require("id")) else { throw Problem.notFound }
        return id
    }
}

extension Device {
    /// {id, name, kind, created_at, last_seen_at, online, current}
    func write(to writer: inout JSONWriter, asSeenBy caller: Caller) {
        writer.raw("{\"id\":")
        writer.plain(id.text)
        writer.raw(",\"name\":")
        writer.string(name)
        writer.raw(",\"kind\":")
        writer.plain(kind)
        writer.raw(",\"created_at\":")
        writer.plain(createdAt.text)
        writer.raw(",\"last_seen_at\":")
        writer.plain(lastSeenAt.text)
        writer.raw(online ? ",\"online\":true" : ",\"online\":false")
        writer.raw(id == caller.device.id ? ",\"current\":true}" : ",\"current\":false}")
    }
}
