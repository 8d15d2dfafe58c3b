/// The part of `Rules` that stands beside this file: what the database decides of this feature.
package enum FlagsRules {
    package static let texts: [[UInt8]] = [
        PackageResources.flags_sql
    ]
}
