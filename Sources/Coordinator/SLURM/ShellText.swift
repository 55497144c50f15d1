import Foundation
import Jobs

/// Text that goes into a script.
package enum ShellText {
    /// A word for a shell, which takes it as it is.
    ///
    /// - Precondition: It holds no control character.
    package static func quoted(_ word: String) -> String {
        precondition(!hasControls(word), "a control character in a script")
        return "'" + word.replacing("'", with: #"'\''"#) + "'"
    }

    /// A word of a command line for people to copy: as it is where no shell would change it, quoted otherwise. What cannot be
    /// seen is written as octal bytes in `$'...'` (bash, zsh, POSIX 2024).
    package static func word(_ word: String) -> String {
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,:=+@%-")
        if !word.isEmpty && word.allSatisfy(plain.contains) { return word }
        if printable(word) == word { return quoted(word) }
        let scalars = word.unicodeScalars.map { scalar -> String in
            if ["'", "\\"].contains(scalar) { return "\\\(scalar)" }
            if printable(String(scalar)) == String(scalar) { return String(scalar) }
            return String(scalar).utf8.map { byte in
                let digits = String(byte, radix: 8)
                return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
            }.joined()
        }
        return "$'" + scalars.joined() + "'"
    }

    /// A value of an #SBATCH line, which sbatch reads by rules of its own: double quotes, a backslash before what it
    /// would take for its own.
    ///
    /// - Precondition: It holds no control character.
    package static func directive(_ value: String) -> String {
        precondition(!hasControls(value), "a control character in a script")
        return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    /// Whether a text could end a line or write to the terminal.
    package static func hasControls(_ text: String) -> Bool {
        text.unicodeScalars.contains {
            [.control, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory)
        }
    }

    /// A path that can stand in a script and in SLURM's file name patterns.
    ///
    /// - Throws: `DiptychFailure` with code 64 for control characters and backslashes; a backslash anywhere makes SLURM
    ///   take the whole pattern for a plain name.
    package static func checked(path: String, named what: String) throws -> String {
        guard !hasControls(path), !path.contains("\\") else {
            throw DiptychFailure(
                .usage,
                "\(what) must have no control characters and no backslashes for SLURM, found \(printable(path))")
        }
        return path
    }
}
