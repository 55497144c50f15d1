/// Rows and columns of zeros around an image, in pixels.
public struct Padding: Hashable, Sendable {
    /// Rows above.
    public let top: Int
    /// Columns to the left.
    public let left: Int
    /// Rows below.
    public let bottom: Int
    /// Columns to the right.
    public let right: Int

    /// Makes a padding, side by side.
    public init(top: Int, left: Int, bottom: Int, right: Int) {
        precondition(min(top, left, bottom, right) >= 0, "padding cannot be negative")
        self.top = top
        self.left = left
        self.bottom = bottom
        self.right = right
    }

    /// The same padding on every side.
    public init(_ all: Int) {
        self.init(top: all, left: all, bottom: all, right: all)
    }

    /// No padding.
    public static let none = Padding(0)
}
