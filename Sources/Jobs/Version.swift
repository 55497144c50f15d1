/// The version of both programs, as `--version` prints it and manifests record it; CHANGELOG.md says what changed.
public let programVersion = "0.1.0"
