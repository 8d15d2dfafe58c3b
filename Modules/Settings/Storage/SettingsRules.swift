/// The part of `Rules` that stands beside this file: what the database decides of this feature.
package enum SettingsRules {
    package static let texts: [[UInt8]] = [
        PackageResources.settings_sql
    ]

    /// What these functions carry out, each by the function of its name: `settings.set` by `settings_set`.
    package static let mutations = [
        "settings.set", "settings.delete", "settings.patch", "settings.clear",
    ]
}
