import NIOCore
import NIOWebSocket

/// What RFC 6455 demands of a client beyond what NIO's decoder checks (lengths, and the shape of control frames), and
/// how fragments become a message. Pure: frames go in, events come out; after a violation nothing more does.
struct FrameRules {
    enum Event: Equatable {
        /// A whole message; valid UTF-8 if it is text.
        case message(ByteBuffer)
        case ping(ByteBuffer)
        case pong
        /// The client closes; the code to answer with (nil: none was given).
        case close(UInt16?)
        case violation(CloseCode)
    }

    /// The most bytes that a message may have, whatever it was cut into.
    var largestMessage: Int
    /// Lockstep speaks in text alone; the RFC has both.
    let takesBinary: Bool
    private var fragments: ByteBuffer?
    private var isText = true
    private var over = false

    static let largest = 65_536
    /// Of the first message of somebody who has not said who they are: a token, and nothing else.
    static let largestUnknown = 4_096

    init(largestMessage: Int = largest, takesBinary: Bool = false) {
        self.largestMessage = largestMessage
        self.takesBinary = takesBinary
    }

    /// What the last message was, for who gives it back.
    var opcode: WebSocketOpcode { isText ? .text : .binary }

    /// Whether the client is in the middle of a fragmented message.
    var isInsideMessage: Bool { fragments != nil }

    mutating func receive(_ frame: WebSocketFrame) -> Event? {
        guard !over else { return nil }
        guard !frame.rsv1, !frame.rsv2, !frame.rsv3, frame.maskKey != nil else { return violated(.protocolError) }
        switch frame.opcode {
        case .text: return begin(frame)
        case .continuation: return resume(frame)
        case .binary: return takesBinary ? begin(frame) : violated(.unsupportedData)
        case .ping: return .ping(frame.unmaskedData)
        case .pong: return .pong
        case .connectionClose: return close(frame.unmaskedData)
        default: return violated(.protocolError)
        }
    }

    private mutating func begin(_ frame: WebSocketFrame) -> Event? {
        guard fragments == nil else { return violated(.protocolError) }
        guard frame.length <= largestMessage else { return violated(.tooBig) }
        isText = frame.opcode == .text
        if frame.fin { return finished(frame.unmaskedData) }
        fragments = frame.unmaskedData
        return nil
    }

    private mutating func resume(_ frame: WebSocketFrame) -> Event? {
        guard var message = fragments else { return violated(.protocolError) }
        guard message.readableBytes + frame.length <= largestMessage else { return violated(.tooBig) }
        // Let go of it first: a second reference would make every fragment copy all that came before.
        fragments = nil
        var part = frame.unmaskedData
        message.writeBuffer(&part)
        fragments = frame.fin ? nil : message
        return frame.fin ? finished(message) : nil
    }

    private mutating func finished(_ message: ByteBuffer) -> Event {
        guard !isText || String(validating: message.readableBytesView, as: UTF8.self) != nil else {
            return violated(.invalidText)
        }
        return .message(message)
    }

    /// A close body is empty, or a code that may be sent and a reason in UTF-8.
    private mutating func close(_ body: ByteBuffer) -> Event {
        var body = body
        guard body.readableBytes != 1 else { return violated(.protocolError) }
        let code = body.readInteger(as: UInt16.self)
        if let code {
            switch code {
            case 1_000...1_003, 1_007...1_014, 3_000...4_999: break
            default: return violated(.protocolError)
            }
            guard String(validating: body.readableBytesView, as: UTF8.self) != nil else {
                return violated(.invalidText)
            }
        }
        over = true
        return .close(code)
    }

    private mutating func violated(_ code: CloseCode) -> Event {
        over = true
        fragments = nil
        return .violation(code)
    }
}

/// Why a socket ends, as its client reads it.
package enum CloseCode: UInt16, Sendable {
    case normal = 1_000
    /// The server is stopping: reconnect after a random pause.
    case goingAway = 1_001
    case protocolError = 1_002
    case unsupportedData = 1_003
    case invalidText = 1_007
    case tooBig = 1_009
    case badMessage = 4_400
    /// Signed out, expired or revoked.
    case signedOut = 4_401
    case noSignOfLife = 4_408
    /// Too many sockets of a user, or one that goes on asking for more than it is allowed.
    case tooManySockets = 4_429
}
