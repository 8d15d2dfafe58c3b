import NIOCore
import Testing

@testable import Realtime

@Suite("How long the address of a request is, while it comes in")
struct HeadLineTests {
    private func target(of text: String, in pieces: Int) -> Int {
        var line = HeadLine()
        var bytes = ByteBuffer(string: text)
        while let piece = bytes.readSlice(length: min(pieces, bytes.readableBytes)), piece.readableBytes > 0 {
            line.take(piece.readableBytesView)
        }
        return line.target
    }

    @Test("A request's first line counts, however it is cut and whatever stands before it; a header does not")
    func target() {
        let long = String(repeating: "x", count: 9_000)
        let first = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
        for pieces in [1, 2, 7, 2_048, .max] {
            for before in ["", first + "{}", first + "{\n}\n", first + "\r\n", first + "a "] {
                #expect(target(of: before + "GET /" + long, in: pieces) >= 9_005, "\(before) in \(pieces)")
                let whole = before + "GET /" + long + " HTTP/1.1\r\n"
                #expect(target(of: whole + "A: b\r\n\r\n", in: pieces) >= 9_005, "\(before) in \(pieces)")
                for header in ["A: " + long, long + ": a", "A:" + long + " /a"] {
                    let head = before + "GET /a HTTP/1.1\r\n" + header
                    #expect(target(of: head, in: pieces) < 100, "\(before) in \(pieces)")
                    #expect(target(of: head + "\r\nB: c\r\n\r\n", in: pieces) < 100, "\(before) in \(pieces)")
                }
            }
        }
    }
}
