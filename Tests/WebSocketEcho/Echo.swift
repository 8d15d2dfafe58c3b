import API
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import NIOWebSocket
import Realtime

/// Gives every message back, over the very handlers that the server's sockets have: what the Autobahn suite talks to
/// (`make test-websocket`). It is built with the tests and is no part of the product.
@main
struct Echo {
    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 0
        var sockets = RealtimeServerChannel.SocketRules(line: .init())
        sockets.takesBinary = true
        let rules = sockets
        let application = Application(
            router: Router(),
            server: HTTPServerBuilder { responder in
                RealtimeServerChannel(
                    sockets: rules, places: ConnectionPlaces(most: 1_000, ofAddress: 1_000) { _ in false },
                    responder: responder, speaker: { _, _, _ in Parrot() }, admit: { _, _ in .anonymous })
            },
            configuration: .init(address: .hostname("127.0.0.1", port: port)),
            onServerRunning: { channel in
                // Not print, which keeps it until there is more.
                FileHandle.standardOutput.write(Data("port \(channel.localAddress?.port ?? 0)\n".utf8))
            })
        try await application.runService()
    }
}

private final class Parrot: Conversation {
    private var line: WebSocketLine?

    func began(on line: WebSocketLine) { self.line = line }
    func ended() { line = nil }
    func writable(_ isWritable: Bool) {}

    func heard(_ message: ByteBuffer, _ opcode: WebSocketOpcode) {
        line?.write(opcode, message)
        line?.flush()
    }
}
