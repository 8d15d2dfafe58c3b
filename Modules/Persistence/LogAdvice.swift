/// What a PostgreSQL would write into its log of what users send: of their rows when a statement fails, of bound values, of all
/// statements.
package struct LogAdvice: Sendable {
    private let url: String

    package init(url: String) {
        self.url = url
    }

    /// One line for each setting that should be another; none: nothing of a user gets into its log.
    package func lines() async throws -> [String] {
        try await onThread {
            let rows = try DirectConnection(url: url).query(
                """
                SELECT s.name, s.setting, a.better, a.shows FROM (VALUES
                    ('log_error_verbosity', 'terse', '', 'an error then shows no values of rows'),
                    ('log_statement', 'none', 'ddl', 'statements are logged with the values bound to them'),
                    ('log_min_duration_statement', '-1', '', 'slow statements are logged with the values bound to them'),
                    ('log_min_duration_sample', '-1', '', 'slow statements are logged with the values bound to them'),
                    ('log_transaction_sample_rate', '0', '', 'statements are logged with the values bound to them'),
                    ('log_parameter_max_length_on_error', '0', '', 'failed statements are logged with the values bound to them'),
                    ('auto_explain.log_min_duration', '-1', '', 'plans are logged with values in them'),
                    ('pgaudit.log_parameter', 'off', '', 'statements are logged with the values bound to them')
                ) AS a (name, better, also, shows) JOIN pg_settings s USING (name)
                WHERE s.setting NOT IN (a.better, a.also)
                    -- Without their values slow statements show nothing.
                    AND (a.name !~ '^log_(min_duration|statement|transaction)'
                        OR current_setting('log_parameter_max_length') <> '0') ORDER BY a.name
                """)
            return try rows.map { row in
                let name = try row.decode("name", as: String.self)
                let value = try row.decode("setting", as: String.self)
                let better = try row.decode("better", as: String.self)
                return "\(name) is \(value), and should be \(better): \(try row.decode("shows", as: String.self))"
            }
        }
    }
}
