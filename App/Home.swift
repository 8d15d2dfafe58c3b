import Foundation

/// Where the files are that come with the binary: the migrations, the web client, and the demo's catalogue.
struct Home: Sendable {
    let migrations: String
    let web: String
    /// May be missing: then there is nothing to seed.
    let demoCatalogue: String

    /// Looks beside the binary and in each folder above it (a checkout), then in its share folder (an installation).
    static func find() throws -> Home {
        var folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        while true {
            for candidate in [folder, folder.appendingPathComponent("share/lockstep")] {
                let migrations = candidate.appendingPathComponent("Migrations").path
                let web = candidate.appendingPathComponent("Clients/Web").path
                if FileManager.default.fileExists(atPath: migrations), FileManager.default.fileExists(atPath: web) {
                    return Home(
                        migrations: migrations, web: web,
                        demoCatalogue: candidate.appendingPathComponent("Catalog/demo.json").path)
                }
            }
            guard folder.path != "/" else { break }
            folder.deleteLastPathComponent()
        }
        throw StartFailure(
            description: "the folders Migrations and Clients/Web are not beside this binary nor above it; "
                + "install them under share/lockstep, or run it from its checkout")
    }
}
