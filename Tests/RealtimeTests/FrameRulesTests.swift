import NIOCore
import NIOWebSocket
import Testing

@testable import Realtime

@Suite("What RFC 6455 demands of a client")
struct FrameRulesTests {
    private func frame(
        _ text: String, _ opcode: WebSocketOpcode = .text, fin: Bool = true, masked: Bool = true, rsv1: Bool = false
    ) -> WebSocketFrame {
        frame(bytes: Array(text.utf8), opcode, fin: fin, masked: masked, rsv1: rsv1)
    }

    private func frame(
        bytes: [UInt8], _ opcode: WebSocketOpcode = .text, fin: Bool = true, masked: Bool = true, rsv1: Bool = false
    ) -> WebSocketFrame {
        var frame = WebSocketFrame(
            fin: fin, rsv1: rsv1, opcode: opcode, maskKey: masked ? [1, 2, 3, 4] : nil, data: ByteBuffer(bytes: bytes))
        // As the decoder hands it over: the data still masked.
        if let key = frame.maskKey { frame.data.webSocketMask(key) }
        return frame
    }

    @Test("A text message comes out whole, also in pieces with control frames between them")
    func messages() {
        var rules = FrameRules()
        #expect(rules.receive(frame("hello")) == .message(ByteBuffer(string: "hello")))
        #expect(rules.receive(frame("hé", fin: false)) == nil && rules.isInsideMessage)
        #expect(rules.receive(frame("p", .ping)) == .ping(ByteBuffer(string: "p")))
        #expect(rules.receive(frame("l", .continuation, fin: false)) == nil)
        #expect(rules.receive(frame("", .pong)) == .pong)
        #expect(
            rules.receive(frame("lo", .continuation)) == .message(ByteBuffer(string: "héllo")) && !rules.isInsideMessage
        )
    }

    @Test("A character may be cut between fragments, and is checked when the message is whole")
    func cutCharacters() {
        var rules = FrameRules()
        #expect(rules.receive(frame(bytes: [0xC3], fin: false)) == nil)
        #expect(rules.receive(frame(bytes: [0xA9], .continuation)) == .message(ByteBuffer(string: "é")))
        #expect(rules.receive(frame(bytes: [0xC3], fin: false)) == nil)
        #expect(rules.receive(frame(bytes: [0x41], .continuation)) == .violation(.invalidText))
    }

    @Test("What is forbidden ends the socket with its code, and nothing more is heard")
    func violations() {
        let cases: [([WebSocketFrame], CloseCode)] = [
            ([frame("x", masked: false)], .protocolError), ([frame("x", rsv1: true)], .protocolError),
            ([frame("x", .continuation)], .protocolError), ([frame("a", fin: false), frame("b")], .protocolError),
            ([frame("x", .binary)], .unsupportedData), ([frame(bytes: [0xFF])], .invalidText),
            ([frame("x", WebSocketOpcode(encodedWebSocketOpcode: 0x3) ?? .binary)], .protocolError),
            ([frame(bytes: [3], .connectionClose)], .protocolError),
            ([frame(bytes: [0x03, 0xED], .connectionClose)], .protocolError),
            ([frame(bytes: [0x03, 0xE7], .connectionClose)], .protocolError),
            ([frame(bytes: [0x03, 0xE8, 0xFF], .connectionClose)], .invalidText),
        ]
        for (frames, code) in cases {
            var rules = FrameRules()
            let events = frames.compactMap { rules.receive($0) }
            #expect(events == [.violation(code)])
            #expect(rules.receive(frame("after")) == nil)
        }
    }

    @Test("A message has 64 KiB at most, whatever it was cut into")
    func sizes() {
        let half = String(repeating: "x", count: 32_768)
        var rules = FrameRules()
        #expect(rules.receive(frame(half + half)) == .message(ByteBuffer(string: half + half)))
        #expect(rules.receive(frame(half, fin: false)) == nil)
        #expect(rules.receive(frame(half + "x", .continuation)) == .violation(.tooBig))
    }

    @Test("A close is answered with its code")
    func closes() {
        var rules = FrameRules()
        #expect(rules.receive(frame(bytes: [0x0F, 0xA0], .connectionClose)) == .close(4_000))
        var other = FrameRules()
        #expect(other.receive(frame("", .connectionClose)) == .close(nil))
    }
}
