extension JobSchema {
    /// The rows of the tables in docs/jobs.md, by section: key, values, default, meaning, what a change means.
    package static var documentationRows: [(section: String, row: String)] {
        let defaults = Job()
        return keys.map { key in
            let section = key.section.isEmpty ? "general" : String(key.section)
            let fallback = Self.isAlwaysRequired(key) ? "required" : "`\(key.write(defaults))`"
            let values = key.form.contains("`") ? key.form : "`\(key.form)`"
            let effect =
                switch key.effect {
                case .bits: "another job"
                case .extendable: "larger with `--extend`"
                case .profile: "same numerics profile"
                case .free: "free"
                }
            let row =
                "| `\(key.leaf)` | \(values.replacing("`, or null`", with: "`, or `null`")) | \(fallback) "
                + "| \(key.meaning) | \(effect) |"
            return (section, row)
        }
    }

    private static func isAlwaysRequired(_ key: Key) -> Bool {
        var job = Job()
        job.defence = .distillMD
        return key.isRequired(job)
    }
}
