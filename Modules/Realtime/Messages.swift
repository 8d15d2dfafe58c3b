import API
import FoundationEssentials
import NIOCore
import Sync

/// What a client may say, one JSON object a text message (contract, section 7).
enum ClientMessage {
    case auth(token: String)
    case push(JSON)
    case sync(cursor: String?)
    case ping(JSON)

    /// nil for what is none of these: the socket is closed with 4400.
    init?(_ message: ByteBuffer) {
        guard let json = try? JSON(parsing: message.readableBytesView), let type = json["type"]?.string else {
            return nil
        }
        switch type.verbatim {
        case "auth":
            guard let token = json["token"]?.string else { return nil }
            self = .auth(token: token)
        case "push": self = .push(json)
        case "sync": self = .sync(cursor: json["cursor"]?.string)
        case "ping": self = .ping(json["t"] ?? .null)
        default: return nil
        }
    }
}

/// What the server says, as the bytes of one text message.
enum ServerMessage {
    static func welcome(device: UUID, time: Timestamp) -> ByteBuffer {
        message { writer in
            writer.raw("{\"type\":\"welcome\",\"device_id\":")
            writer.plain(device.text)
            writer.raw(",\"server_time\":")
            writer.plain(time.text)
            writer.raw(",\"heartbeat_seconds\":25,\"protocol\":1}")
        }
    }

    static func changes(_ pull: Pull, mutationIDs: [UUID]) -> ByteBuffer {
        message { writer in
            writer.raw("{\"type\":\"changes\",")
            pull.writeMembers(to: &writer)
            write(mutationIDs, to: &writer)
        }
    }

    static func changes(_ change: Change, from previous: Cursor, to cursor: Cursor, time: Timestamp) -> ByteBuffer {
        let pull = Pull(previous: previous, cursor: cursor, reset: false, documents: change.documents, time: time)
        return changes(pull, mutationIDs: change.mutationIDs)
    }

    /// What `changes` to what all share says to everybody alike, behind what is each reader's own.
    static func tail(of changes: SharedChanges) -> ByteBuffer {
        var writer = JSONWriter()
        Pull.writeWhat(changes.documents, reset: false, time: changes.time, to: &writer)
        write([], to: &writer)
        return ByteBuffer(bytes: writer.bytes)
    }

    static func changes(from previous: Cursor, to cursor: Cursor, tail: ByteBuffer) -> ByteBuffer {
        var writer = JSONWriter()
        writer.raw("{\"type\":\"changes\",")
        Pull.writeStep(from: previous, to: cursor, to: &writer)
        var frame = ByteBuffer()
        frame.reserveCapacity(writer.bytes.count + tail.readableBytes)
        frame.writeBytes(writer.bytes)
        frame.writeImmutableBuffer(tail)
        return frame
    }

    private static func write(_ ids: [UUID], to writer: inout JSONWriter) {
        writer.raw(",\"mutation_ids\":")
        writer.list(ids) { $0.plain($1.text) }
        writer.raw("}")
    }

    static func pushed(_ results: [MutationResult]) -> ByteBuffer {
        message { writer in
            writer.raw("{\"type\":\"pushed\",\"results\":")
            writer.list(results) { $1.write(to: &$0) }
            writer.raw("}")
        }
    }

    static func pong(_ t: JSON, time: Timestamp) -> ByteBuffer {
        message { writer in
            writer.raw("{\"type\":\"pong\",\"t\":")
            writer.write(t)
            writer.raw(",\"server_time\":")
            writer.plain(time.text)
            writer.raw("}")
        }
    }

    static func error(_ problem: Problem) -> ByteBuffer {
        message { writer in
            writer.raw("{\"type\":\"error\",\"problem\":")
            writer.write(problem.json())
            writer.raw("}")
        }
    }

    static func presence(_ devices: [PresentDevice]) -> ByteBuffer {
        message { writer in
            writer.raw("{\"type\":\"presence\",\"devices\":")
            writer.list(devices) { writer, device in
                writer.raw("{\"id\":")
                writer.plain(device.id.text)
                writer.raw(",\"name\":")
                writer.string(device.name)
                writer.raw(",\"kind\":")
                writer.plain(device.kind)
                writer.raw(device.online ? ",\"online\":true}" : ",\"online\":false}")
            }
            writer.raw("}")
        }
    }

    private static func message(_ write: (inout JSONWriter) -> Void) -> ByteBuffer {
        var writer = JSONWriter()
        write(&writer)
        return ByteBuffer(bytes: writer.bytes)
    }
}
