// swift-tools-version: 6.2
import PackageDescription

// The graph: one line a module, what it needs behind it. ArchitectureTests hold every import line against it.
let modules: [Target] = [
    module("API", needs: [], .hummingbird, .log, .nio, .httpTypes, .crypto, .metrics),
    module("Persistence", needs: ["CLibPQ"], .log, .crypto, .lifecycle, .collections),
    module(
        "Sync", needs: ["API", "Persistence"], rules: ["sync"], .hummingbird, .log, .nio, .httpTypes, .crypto,
        .lifecycle, .metrics),
    module(
        "Realtime", needs: ["API", "Sync"], .hummingbirdCore, .log, .nio, .nioHTTP1, .nioWebSocket, .nioHTTPTypes,
        .httpTypes, .httpTypesNIO, .crypto, .lifecycle, .collections, .asyncAlgorithms, .metrics),
    module("Site", needs: ["API", "Accounts"], .hummingbird, .nio, .httpTypes, .crypto),
    .systemLibrary(name: "CLibPQ", path: "Modules/CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
]

// The features, one line each; another one is a line in App/Features/Features.swift. scripts/new-feature writes both.
let features: [Feature] = [
    feature(
        "Accounts", rules: ["accounts", "erasure", "export"], .nioPosix, .crypto, .cryptoExtras, .lifecycle,
        tests: "Focus", .hummingbird),
    feature("Flags", .metrics),
    feature("Focus", rules: ["focus", "scheduler", "published"], .lifecycle, tests: .nioPosix),
    feature(
        "Market",
        rules: ["market", "wallet", "purchases", "rewards", "focus_earnings", "personal_items", "recommendations"],
        .crypto, .lifecycle, tests: "Focus"),
    feature("Settings"),
]

let app: [Target] = [
    .target(
        name: "FeatureList", dependencies: ["API", "Sync", "Persistence"] + names(features), path: "App/Features",
        swiftSettings: house()),
    .executableTarget(
        name: "lockstep",
        dependencies: ["FeatureList", "API", "Sync", "Realtime", "Site", "Persistence"] + names(features) + [
            .hummingbird, .hummingbirdCore, .log, .nio, .nioPosix, .nioHTTP1, .unixSignals, .httpTypes, .lifecycle,
            .metrics, .argumentParser, .configuration,
            .crypto,
        ],
        path: "App", exclude: ["Features"],
        swiftSettings: house()
    ),
]

let tests: [Target] = [
    .target(
        name: "TestSupport",
        dependencies: ["FeatureList", "API", "Sync", "Persistence", "CLibPQ"] + names(features) + [
            .log, .lifecycle, .hummingbird, .httpTypes, .nio, .nioEmbedded,
        ],
        path: "Tests/Support",
        swiftSettings: house()),
    .executableTarget(
        name: "websocket-echo",
        dependencies: ["API", "Realtime", .hummingbird, .hummingbirdCore, .log, .nio, .nioPosix, .nioWebSocket],
        path: "Tests/WebSocketEcho", swiftSettings: house()),
    suite("API", .hummingbird, .httpTypes),
    suite("Persistence", "API", "Sync", "Accounts", .log, .lifecycle),
    suite("Sync", "API", "Accounts", "Settings", "Focus", "Market", "Persistence", .log, .lifecycle),
    suite("Realtime", "API", "Sync", .nio, .nioWebSocket),
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
    targets: modules + features.map(\.module) + app + tests + features.map(\.tests),
    swiftLanguageModes: [.v6]
)

/// - Parameter rules: the files of SQL under the module's Storage/, which the binary carries.
func module(_ name: String, needs: [String], rules: [String] = [], _ products: Target.Dependency...) -> Target {
    module(name, needs: needs, rules: rules, products)
}

func module(_ name: String, needs: [String], rules: [String], _ products: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: needs.map { .byName(name: $0) } + products, path: "Modules/\(name)",
        resources: rules.map { .embedInCode("Storage/\($0).sql") }, swiftSettings: house())
}

struct Feature {
    let module: Target
    let tests: Target
}

/// A feature's module and its tests.
/// - Parameters:
///   - rules: one file of the feature's name, unless there are others.
///   - products: beside what every feature imports.
///   - tests: what its tests import beside that.
func feature(
    _ name: String, rules: [String]? = nil, _ products: Target.Dependency..., tests: Target.Dependency...
) -> Feature {
    let edge: [Target.Dependency] = [.hummingbird, .log, .nio, .httpTypes]
    let known = Set(["API", "Sync", "Persistence", "Accounts"]).subtracting([name]).sorted()
    return Feature(
        module: module(
            name, needs: ["API", "Sync", "Persistence"], rules: rules ?? [name.lowercased()], edge + products),
        tests: suite(name, known.map { .byName(name: $0) } + [.httpTypes, .log] + tests))
}

func names(_ features: [Feature]) -> [Target.Dependency] {
    features.map { .byName(name: $0.module.name) }
}

func suite(_ name: String, _ more: Target.Dependency...) -> Target { suite(name, more) }

func suite(_ name: String, _ more: [Target.Dependency]) -> Target {
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
    static var nioEmbedded: Self { .product(name: "NIOEmbedded", package: "swift-nio") }
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
