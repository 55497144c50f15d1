/// Something with trainable parameters: a layer, a block, a network.
///
/// The list is written by hand: explicit, ordered, and total. A parameter that a module leaves out is neither trained
/// nor saved.
public protocol Module {
    /// Every parameter, those of inner modules included, each once.
    var parameters: [Parameter] { get }
}
