// swift-tools-version: 6.2
import PackageDescription

// The graph: one line a module, what it needs behind it. ArchitectureTests hold every import line against it.
let modules: [Target] = [
    module("API", needs: [], .hummingbird, .log, .nio, .httpTypes, .crypto, .metrics),
    module("Sync", needs: ["API"], .hummingbird, .log, .nio, .httpTypes, .crypto),
    module("Accounts", needs: ["API", "Sync"], .hummingbird, .log, .nioPosix, .httpTypes, .crypto, .cryptoExtras),
    module("Focus", needs: ["API", "Sync"], .hummingbird, .log, .nio, .httpTypes, .lifecycle),
    module("Settings", needs: ["API", "Sync"], .hummingbird, .log, .nio, .httpTypes),
    module("Market", needs: ["API", "Sync"], .hummingbird, .log, .nio, .httpTypes, .crypto, .lifecycle),
    module("Flags", needs: ["API", "Sync"], .hummingbird, .log, .nio, .httpTypes, .metrics),
    module(
        "Realtime", needs: ["API", "Sync"], .hummingbirdCore, .log, .nio, .nioHTTP1, .nioWebSocket, .nioHTTPTypes,
        .httpTypes, .httpTypesNIO, .crypto, .lifecycle, .collections, .asyncAlgorithms, .metrics),
    module(
        "Persistence", needs: ["CLibPQ", "API", "Sync", "Accounts", "Settings", "Flags", "Focus", "Market"], .log,
        .crypto, .lifecycle, .collections, .metrics),
    .systemLibrary(name: "CLibPQ", path: "Modules/CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
]

let app: [Target] = [
    .executableTarget(
        name: "lockstep",
        dependencies: ["API", "Sync", "Accounts", "Settings", "Flags", "Focus", "Market", "Realtime", "Persistence"].map
        {
            .byName(name: $0)
        } + [
            .hummingbird, .hummingbirdCore, .log, .nio, .nioPosix, .nioHTTP1, .unixSignals, .httpTypes, .lifecycle,
            .metrics, .argumentParser, .configuration,
            .crypto,
        ],
        path: "App",
        swiftSettings: house()
    )
]

let tests: [Target] = [
    .target(
        name: "TestSupport", dependencies: ["API", "Sync", "Persistence", "CLibPQ", .log, .lifecycle],
        path: "Tests/Support",
        swiftSettings: house()),
    suite("API", .hummingbird, .httpTypes),
    suite("Sync", "API"),
    suite("Accounts", "API", .hummingbird, .httpTypes),
    suite("Settings", "API", "Sync"),
    suite("Flags", "API"),
    suite("Focus", "API", "Sync"),
    suite("Market", "API", "Sync"),
    suite("Realtime", "API", "Sync", .nio, .nioWebSocket),
    suite("Persistence", "API", "Sync", "Accounts", "Settings", "Flags", "Focus", "Market", .log, .lifecycle),
    .testTarget(name: "ArchitectureTests", path: "Tests/ArchitectureTests", swiftSettings: house()),
]

let package = Package(
    name: "lockstep",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-async-algorithms.git", from: "1.1.4"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: modules + app + tests,
    swiftLanguageModes: [.v6]
)

func module(_ name: String, needs: [String], _ products: Target.Dependency...) -> Target {
    .target(
        name: name, dependencies: needs.map { .byName(name: $0) } + products, path: "Modules/\(name)",
        swiftSettings: house())
}

func suite(_ name: String, _ more: Target.Dependency...) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: ["TestSupport", .byName(name: name)] + more, path: "Tests/\(name)Tests",
        swiftSettings: house())
}

func house() -> [SwiftSetting] {
    [
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("ExistentialAny"),
    ]
}

extension Target.Dependency {
    static var hummingbird: Self { .product(name: "Hummingbird", package: "hummingbird") }
    static var hummingbirdCore: Self { .product(name: "HummingbirdCore", package: "hummingbird") }
    static var nio: Self { .product(name: "NIOCore", package: "swift-nio") }
    static var nioPosix: Self { .product(name: "NIOPosix", package: "swift-nio") }
    static var nioHTTP1: Self { .product(name: "NIOHTTP1", package: "swift-nio") }
    static var nioWebSocket: Self { .product(name: "NIOWebSocket", package: "swift-nio") }
    static var httpTypes: Self { .product(name: "HTTPTypes", package: "swift-http-types") }
    static var httpTypesNIO: Self { .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras") }
    static var nioHTTPTypes: Self { .product(name: "NIOHTTPTypes", package: "swift-nio-extras") }
    static var log: Self { .product(name: "Logging", package: "swift-log") }
    static var metrics: Self { .product(name: "Metrics", package: "swift-metrics") }
    static var crypto: Self { .product(name: "Crypto", package: "swift-crypto") }
    static var cryptoExtras: Self { .product(name: "CryptoExtras", package: "swift-crypto") }
    static var collections: Self { .product(name: "DequeModule", package: "swift-collections") }
    static var asyncAlgorithms: Self { .product(name: "AsyncAlgorithms", package: "swift-async-algorithms") }
    static var argumentParser: Self { .product(name: "ArgumentParser", package: "swift-argument-parser") }
    static var configuration: Self { .product(name: "Configuration", package: "swift-configuration") }
    static var unixSignals: Self { .product(name: "UnixSignals", package: "swift-service-lifecycle") }
    static var lifecycle: Self { .product(name: "ServiceLifecycle", package: "swift-service-lifecycle") }
}
