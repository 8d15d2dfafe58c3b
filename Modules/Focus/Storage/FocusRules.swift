/// The part of `Rules` that stands beside this file: what the database decides of this feature.
package enum FocusRules {
    package static let texts: [[UInt8]] = [
        PackageResources.focus_sql, PackageResources.scheduler_sql, PackageResources.published_sql,
    ]

    /// What these functions carry out, each by the function of its name: `focus.start` by `focus_start`.
    package static let mutations = [
        "focus.start", "focus.pause", "focus.resume", "focus.complete", "focus.abandon",
    ]
}
