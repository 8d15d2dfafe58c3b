import API
import Crypto
import CryptoExtras
import Foundation
import NIOPosix
import Synchronization

/// Hashes passwords with scrypt, whose cost in memory is what makes guessing expensive, and ours too: so two at a time on
/// threads of their own, owners first and by turns among those who ask, and when too many wait somebody is turned away (503)
/// rather than everybody kept.
///
/// Stored form: `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`, both base64 without padding; the parameters of the stored string
/// are the ones a password is checked with.
package final class PasswordHasher: Sendable {
    /// Called once, with whether to work or why not.
    private typealias Job = @Sendable (Result<Void, any Error>) -> Void

    private static let blockSize = 8
    private static let parallelism = 3
    /// Of each standing.
    private static let mostWaiting = 40
    private static let threadCount = 2

    private let cost: Int
    private let threads = NIOThreadPool(numberOfThreads: threadCount)
    private let waiting = Mutex((queue: HashingQueue<Job>(capacity: mostWaiting), working: 0))

    /// - Parameter cost: log2 of scrypt's N, 10 … 20; 15 takes about 0.3 s and 32 MiB.
    package init(cost: Int) {
        self.cost = cost
        threads.start()
    }

    /// How many wait.
    package var load: Int { waiting.withLock(\.queue.count) }

    package func shutdown() async throws {
        try await threads.shutdownGracefully()
    }

    package func hash(_ password: Password, for asker: Asker) async throws -> String {
        var random = SystemRandomNumberGenerator()
        let salt = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let cost = cost
        return try await inTurn(asker) {
            let hash = try Self.derive(
                password, salt: salt, cost: cost, blockSize: Self.blockSize, parallelism: Self.parallelism)
            return
                "$scrypt$ln=\(cost),r=\(Self.blockSize),p=\(Self.parallelism)$\(Self.base64(salt))$\(Self.base64(hash))"
        }
    }

    /// Whether `password` is the one of `stored`. With nil, for an account that does not exist, it takes as long and is
    /// false: the time must not tell which addresses have accounts.
    package func verify(_ password: Password, against stored: String?, for asker: Asker) async throws -> Bool {
        guard let stored, let parsed = Stored(stored) else {
            _ = try await hash(password, for: asker)
            return false
        }
        return try await inTurn(asker) {
            let hash = try Self.derive(
                password, salt: parsed.salt, cost: parsed.cost, blockSize: parsed.blockSize,
                parallelism: parsed.parallelism)
            return Self.equal(hash, parsed.hash)
        }
    }

    private func inTurn<Value: Sendable>(
        _ asker: Asker, _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            let job: Job = { go in
                continuation.resume(
                    with: Result {
                        try go.get(); return try work()
                    })
            }
            let displaced = waiting.withLock { $0.queue.add(job, for: asker) }
            displaced?(.failure(Problem.unavailable(retryAfter: 5)))
            workOn()
        }
    }

    /// Gives the next one to a thread that has nothing to do.
    private func workOn() {
        let next = waiting.withLock { waiting -> Job? in
            guard waiting.working < Self.threadCount, let job = waiting.queue.next() else { return nil }
            waiting.working += 1
            return job
        }
        guard let next else { return }
        threads.submit { state in
            switch state {
            case .active: next(.success(()))
            case .cancelled: next(.failure(Problem.unavailable()))
            }
            self.waiting.withLock { $0.working -= 1 }
            self.workOn()
        }
    }

    private static func derive(
        _ password: Password, salt: [UInt8], cost: Int, blockSize: Int, parallelism: Int
    ) throws -> [UInt8] {
        let key = try KDF.Scrypt.deriveKey(
            from: password.utf8, salt: salt, outputByteCount: 32, rounds: 1 << cost, blockSize: blockSize,
            parallelism: parallelism, maxMemory: 2 << 30)
        return key.withUnsafeBytes { Array($0) }
    }

    /// Compares without telling by its time where the first difference is.
    private static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count && zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacing("=", with: "")
    }

    private struct Stored {
        var cost = 0
        var blockSize = 0
        var parallelism = 0
        let salt: [UInt8]
        let hash: [UInt8]

        init?(_ text: String) {
            let parts = text.split(separator: "$")
            guard parts.count == 4, parts[0] == "scrypt", let salt = Self.bytes(parts[2]),
                let hash = Self.bytes(parts[3])
            else { return nil }
            self.salt = salt
            self.hash = hash
            for parameter in parts[1].split(separator: ",") {
                let pair = parameter.split(separator: "=")
                guard pair.count == 2, let value = Int(pair[1]), (1...64).contains(value) else { return nil }
                switch pair[0] {
                case "ln": cost = min(value, 24)
                case "r": blockSize = value
                case "p": parallelism = value
                default: return nil
                }
            }
            guard cost > 0, blockSize > 0, parallelism > 0 else { return nil }
        }

        private static func bytes(_ text: Substring) -> [UInt8]? {
            let padded = text + String(repeating: "=", count: (4 - text.count % 4) % 4)
            return Data(base64Encoded: String(padded)).map { Array($0) }
        }
    }
}
