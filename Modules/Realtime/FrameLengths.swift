import NIOCore

/// Stands before NIO's frame decoder, which takes a length in any form: of the RFC's three (6455, 5.2) only the shortest that
/// holds it may be used, and none is 2^63 or more; a control frame has a short one, whatever else is too big. What comes before such a frame is still read, nothing behind it.
final class FrameLengths: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct Forbidden: Error {}

    private var form = LengthForm()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !form.isViolated else { return }
        var bytes = unwrapInboundIn(data)
        let allowed = form.read(bytes.readableBytesView)
        guard form.isViolated else { return context.fireChannelRead(data) }
        if allowed > 0, let before = bytes.readSlice(length: allowed) {
            context.fireChannelRead(wrapInboundOut(before))
        }
        context.fireErrorCaught(Forbidden())
    }
}
