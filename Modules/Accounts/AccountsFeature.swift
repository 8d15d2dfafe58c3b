import API
package import Sync

extension Feature {
    /// What is kept of accounts. Which tables are a user's, an export and an erasure ask of the schema (erasure.sql): no feature can forget
    /// to say so.
    package static var accounts: Feature {
        Feature(
            name: "accounts", rules: AccountsRules.texts, problems: ProblemCode.accounts,
            views: FeatureViews(
                purges: [Purge("sessions", in: "sessions_purgeable", by: "sessions_purge", keptDays: 0)]))
    }
}
