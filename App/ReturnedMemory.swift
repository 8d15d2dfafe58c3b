import Foundation
import ServiceLifecycle

/// Gives memory back to the system that a burst has left free. glibc keeps it: in an arena for each of many threads, below
/// whatever was allocated last. So there are few arenas, and a look every few seconds; where nothing was freed it costs one
/// number, and a request never waits for it.
struct ReturnedMemory: Service {
    private typealias Option = @convention(c) (CInt, CInt) -> CInt
    private typealias Trim = @convention(c) (Int) -> CInt

    /// `M_ARENA_MAX` of malloc.h.
    private static let arenaMax: CInt = -8
    private static let enough = 16 * 1_024 * 1_024
    private static let pause = Duration.seconds(3)

    /// Before the first thread is started.
    static func limitArenas() {
        // Not every C library has it.
        guard let symbol = dlsym(nil, "mallopt") else { return }
        _ = unsafeBitCast(symbol, to: Option.self)(arenaMax, 2)
    }

    func run() async throws {
        guard let symbol = dlsym(nil, "malloc_trim") else { return try await gracefulShutdown() }
        let trim = unsafeBitCast(symbol, to: Trim.self)
        await cancelWhenGracefulShutdown {
            var least = Self.resident() ?? 0
            var seen = least
            // Where there was nothing to give back, there is less reason to try soon again; until there is a new burst.
            var (looks, enoughLooks) = (0, 1)
            while (try? await Task.sleep(for: Self.pause)) != nil {
                let before = Self.resident() ?? 0
                if before > seen + Self.enough || before <= least + Self.enough { (looks, enoughLooks) = (0, 1) }
                looks += 1
                guard before > least + Self.enough, looks >= enoughLooks else {
                    least = min(least, before)
                    continue
                }
                _ = trim(0)
                seen = Self.resident() ?? before
                least = min(least, seen)
                (looks, enoughLooks) = (0, before - seen > Self.enough / 16 ? 1 : min(enoughLooks * 2, 20))
            }
        }
    }

    /// Bytes that the process has in memory.
    private static func resident() -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        let fields = text.utf8.split(separator: UInt8(ascii: " "))
        return fields.count > 1 ? Int(Substring(fields[1])).map { $0 * 4_096 } : nil
    }
}
