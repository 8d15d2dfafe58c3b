import Foundation

// What libFuzzer calls with each input. `scripts/fuzz` compiles it together with the decoders' own sources, and with nothing of
// theirs that needs a library: so it takes seconds. FUZZ_TARGET says which decoder has its turn.

private let target = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? "json"

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    switch target {
    case "json": JSONTarget.take(bytes)
    case "text": TextTarget.take(bytes)
    case "frames": FramesTarget.take(bytes)
    // What fuzzing must find within a second: for the test of `scripts/fuzz` itself.
    case "planted": holds(bytes.count < 3, "an input has three bytes")
    default: preconditionFailure("there is no target \(target)")
    }
    return 0
}

/// A rule that an input breaks ends the process, as a crash does: libFuzzer keeps the input.
func holds(_ condition: Bool, _ rule: @autoclosure () -> String) {
    guard !condition else { return }
    FileHandle.standardError.write(Data("BROKEN: \(rule())\n".utf8))
    abort()
}
