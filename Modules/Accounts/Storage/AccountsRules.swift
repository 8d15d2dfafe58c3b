/// The part of `Rules` that stands beside this file: what the database decides of this feature.
package enum AccountsRules {
    package static let texts: [[UInt8]] = [
        PackageResources.accounts_sql, PackageResources.erasure_sql, PackageResources.export_sql,
    ]
}
