/// The part of `Rules` that stands beside this file: what the database decides of this feature.
package enum WidgetsRules {
    package static let texts: [[UInt8]] = [PackageResources.widgets_sql]

    /// What these functions carry out, each by the function of its name: `widgets.set` by `widgets_set`.
    package static let mutations = ["widgets.set"]
}
