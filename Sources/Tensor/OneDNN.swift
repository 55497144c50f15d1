import COneDNN

/// oneDNN's C API, version 2: the only file that calls it. Convolutions build on it in DirectConvolution.swift.
///
/// A status other than success here is a bug of ours or a broken installation, never a user's mistake: it traps with the
/// call, the status and the shape.
enum OneDNN {
    // Safe to send because oneDNN's engine and in-order CPU stream hold no state that execution changes.
    private struct Context: @unchecked Sendable {
        let engine: dnnl_engine_t
        let stream: dnnl_stream_t
    }

    private static let context: Context = {
        var engine: dnnl_engine_t?
        var stream: dnnl_stream_t?
        check(dnnl_engine_create(&engine, dnnl_cpu, 0), "dnnl_engine_create")
        check(dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)), "dnnl_stream_create")
        guard let engine, let stream else { fatalError("oneDNN reported success without an engine") }
        return Context(engine: engine, stream: stream)
    }()

    /// Traps unless a call succeeded.
    private static func check(_ status: dnnl_status_t, _ call: String, _ shape: @autoclosure () -> String = "") {
        guard status != dnnl_success else { return }
        let name =
            switch status {
            case dnnl_out_of_memory: "out of memory"
            case dnnl_invalid_arguments: "invalid arguments"
            case dnnl_unimplemented: "unimplemented"
            case dnnl_runtime_error: "run-time error"
            default: "status \(status.rawValue)"
            }
        fatalError("oneDNN: \(call) failed: \(name) \(shape())")
    }

    /// Keeps OpenMP to one thread on the calling thread, for which alone OpenMP remembers it: with more, sums would be
    /// added in another order. Costs one write; called wherever oneDNN asks how many threads there are.
    private static func useOneThread() {
        omp_set_num_threads(1)
    }

    // MARK: Memory

    /// How an array lies in memory, as oneDNN describes it.
    struct MemoryDescriptor: Equatable {
        fileprivate var raw: dnnl_memory_desc_t

        fileprivate init(_ raw: dnnl_memory_desc_t) {
            self.raw = raw
        }

        private init(_ extents: [Int], _ tag: dnnl_format_tag_t) {
            raw = dnnl_memory_desc_t()
            check(
                dnnl_memory_desc_init_by_tag(&raw, Int32(extents.count), extents.map(Int64.init), dnnl_f32, tag),
                "dnnl_memory_desc_init_by_tag", "for \(extents)")
        }

        /// Images (N, C, H, W) in blocks of 1 (plain), 8 or 16 channels.
        static func images(_ shape: [Int], block: Int) -> MemoryDescriptor {
            MemoryDescriptor(shape, block == 16 ? dnnl_nChw16c : block == 8 ? dnnl_nChw8c : dnnl_nchw)
        }

        /// Row-major weights of rank 4, or a vector.
        static func plain(_ shape: [Int]) -> MemoryDescriptor {
            MemoryDescriptor(shape, shape.count == 4 ? dnnl_oihw : dnnl_x)
        }

        /// Weights of rank 4 in the order that oneDNN finds best.
        static func chosenByLibrary(_ shape: [Int]) -> MemoryDescriptor {
            MemoryDescriptor(shape, dnnl_format_tag_any)
        }

        /// Floats to allocate, padding included.
        var count: Int {
            withUnsafePointer(to: raw) { (Int(dnnl_memory_desc_get_size($0)) + 3) / MemoryLayout<Float>.stride }
        }

        static func == (one: MemoryDescriptor, other: MemoryDescriptor) -> Bool {
            withUnsafePointer(to: one.raw) { one in
                withUnsafePointer(to: other.raw) { dnnl_memory_desc_equal(one, $0) != 0 }
            }
        }
    }

    /// What an array is to a primitive.
    enum Role {
        case source, weights, bias, result
        case sourceGradient, weightsGradient, biasGradient, resultGradient

        fileprivate var argument: Int32 {
            switch self {
            case .source: DNNL_ARG_SRC
            case .weights: DNNL_ARG_WEIGHTS
            case .bias: DNNL_ARG_BIAS
            case .result: DNNL_ARG_DST
            case .sourceGradient: DNNL_ARG_DIFF_SRC
            case .weightsGradient: DNNL_ARG_DIFF_WEIGHTS
            case .biasGradient: DNNL_ARG_DIFF_BIAS
            case .resultGradient: DNNL_ARG_DIFF_DST
            }
        }

        fileprivate var query: dnnl_query_t {
            switch self {
            case .source: dnnl_query_src_md
            case .weights: dnnl_query_weights_md
            case .bias: dnnl_query_weights_md
            case .result: dnnl_query_dst_md
            case .sourceGradient: dnnl_query_diff_src_md
            case .weightsGradient: dnnl_query_diff_weights_md
            case .biasGradient: dnnl_query_diff_weights_md
            case .resultGradient: dnnl_query_diff_dst_md
            }
        }

        fileprivate var index: Int32 { self == .bias || self == .biasGradient ? 1 : 0 }
    }

    // MARK: Primitives

    /// A compiled operation for one shape. Scratch memory is ours, from the pool, so that one primitive may run on any
    /// thread.
    // Safe to send because oneDNN's primitives do not change once created.
    final class Primitive: @unchecked Sendable {
        private let descriptor: dnnl_primitive_desc_t
        private let primitive: dnnl_primitive_t
        private let scratch: MemoryDescriptor
        private let name: String

        /// Takes ownership of a primitive descriptor.
        fileprivate init(_ descriptor: dnnl_primitive_desc_t, name: String) {
            self.descriptor = descriptor
            self.name = name
            var created: dnnl_primitive_t?
            check(dnnl_primitive_create(&created, descriptor), "dnnl_primitive_create", "for \(name)")
            guard let created else { fatalError("oneDNN reported success without a primitive for \(name)") }
            primitive = created
            scratch = Primitive.query(descriptor, dnnl_query_scratchpad_md, 0, name)
        }

        deinit {
            dnnl_primitive_destroy(primitive)
            dnnl_primitive_desc_destroy(descriptor)
        }

        /// The memory that the primitive expects for one of its arrays.
        func memory(_ role: Role) -> MemoryDescriptor {
            Primitive.query(descriptor, role.query, role.index, name)
        }

        /// oneDNN's name of the implementation, such as `jit:avx512_core`.
        var implementation: String {
            var text: UnsafePointer<CChar>?
            check(dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &text), "dnnl_query_impl_info_str")
            return text.map { String(cString: $0) } ?? ""
        }

        /// Memory that it needs while it runs.
        var scratchBytes: Int { scratch.count * MemoryLayout<Float>.stride }

        /// Runs the primitive on arrays that lie as ``memory(_:)`` says.
        func run(_ arrays: [(role: Role, elements: UnsafeMutablePointer<Float>)]) {
            execute(arrays.map { ($0.role.argument, memory($0.role), $0.elements) })
        }

        fileprivate func execute(_ arrays: [(Int32, MemoryDescriptor, UnsafeMutablePointer<Float>)]) {
            guard scratch.count > 0 else { return executeNow(arrays) }
            StoragePool.shared.withScratch(bytes: scratchBytes) {
                executeNow(arrays + [(DNNL_ARG_SCRATCHPAD, scratch, $0.assumingMemoryBound(to: Float.self))])
            }
        }

        private func executeNow(_ arrays: [(Int32, MemoryDescriptor, UnsafeMutablePointer<Float>)]) {
            useOneThread()
            let arguments = arrays.map { argument, memory, elements in
                dnnl_exec_arg_t(arg: argument, memory: Primitive.wrap(elements, memory, name))
            }
            defer { for argument in arguments { dnnl_memory_destroy(argument.memory) } }
            check(
                dnnl_primitive_execute(primitive, context.stream, Int32(arguments.count), arguments),
                "dnnl_primitive_execute", "for \(name)")
            check(dnnl_stream_wait(context.stream), "dnnl_stream_wait", "after \(name)")
        }

        private static func wrap(
            _ elements: UnsafeMutablePointer<Float>, _ descriptor: MemoryDescriptor, _ name: String
        ) -> dnnl_memory_t? {
            var memory: dnnl_memory_t?
            withUnsafePointer(to: descriptor.raw) {
                check(dnnl_memory_create(&memory, $0, context.engine, elements), "dnnl_memory_create", "for \(name)")
            }
            return memory
        }

        private static func query(
            _ descriptor: dnnl_primitive_desc_t, _ what: dnnl_query_t, _ index: Int32, _ name: String
        ) -> MemoryDescriptor {
            guard let found = dnnl_primitive_desc_query_md(descriptor, what, index) else {
                fatalError("oneDNN does not know memory \(what.rawValue) of \(name)")
            }
            return MemoryDescriptor(found.pointee)
        }
    }

    /// Primitive attributes with the scratch memory in our hands, and for reorders optionally adding to the target.
    private static func withAttributes<Result>(adds: Bool = false, _ body: (dnnl_primitive_attr_t?) -> Result) -> Result
    {
        var attributes: dnnl_primitive_attr_t?
        check(dnnl_primitive_attr_create(&attributes), "dnnl_primitive_attr_create")
        defer { dnnl_primitive_attr_destroy(attributes) }
        check(
            dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
            "dnnl_primitive_attr_set_scratchpad_mode")
        if adds {
            var operations: dnnl_post_ops_t?
            check(dnnl_post_ops_create(&operations), "dnnl_post_ops_create")
            defer { dnnl_post_ops_destroy(operations) }
            check(dnnl_post_ops_append_sum(operations, 1), "dnnl_post_ops_append_sum")
            check(dnnl_primitive_attr_set_post_ops(attributes, operations), "dnnl_primitive_attr_set_post_ops")
        }
        return body(attributes)
    }

    // MARK: Reordering

    /// Copies an array from one arrangement to another.
    // Safe to send because descriptors and primitives do not change once created.
    final class Reorder: @unchecked Sendable {
        let source: MemoryDescriptor
        let target: MemoryDescriptor
        private let primitive: Primitive

        /// - Parameter adds: Whether to add to the target instead of writing it.
        init(from source: MemoryDescriptor, to target: MemoryDescriptor, adds: Bool = false) {
            (self.source, self.target) = (source, target)
            useOneThread()
            primitive = withAttributes(adds: adds) { attributes in
                var (from, to) = (source.raw, target.raw)
                var created: dnnl_primitive_desc_t?
                check(
                    dnnl_reorder_primitive_desc_create(
                        &created, &from, context.engine, &to, context.engine, attributes),
                    "dnnl_reorder_primitive_desc_create")
                guard let created else { fatalError("oneDNN reported success without a reorder") }
                return Primitive(created, name: "reorder")
            }
        }

        func run(from elements: UnsafeMutablePointer<Float>, to result: UnsafeMutablePointer<Float>) {
            primitive.execute([(DNNL_ARG_FROM, source, elements), (DNNL_ARG_TO, target, result)])
        }
    }

    // MARK: Convolution

    /// Compiles one direction of a convolution as the sum is written, of a source in blocks of so many channels.
    static func convolution(
        _ direction: ConvolutionDirection, of shape: ConvolutionShape, sourceBlock: Int
    ) -> Primitive {
        useOneThread()
        let kind = dnnl_convolution_direct
        let block = Layout.blockSize
        var source = MemoryDescriptor.images(shape.source, block: sourceBlock).raw
        var weights = MemoryDescriptor.chosenByLibrary(shape.weights).raw
        var bias = MemoryDescriptor.plain([shape.weights[0]]).raw
        var result = MemoryDescriptor.images(shape.result, block: block).raw
        let strides = [Int64](repeating: Int64(shape.stride), count: 2)
        let before = [Int64(shape.padding.top), Int64(shape.padding.left)]
        let after = [Int64(shape.padding.bottom), Int64(shape.padding.right)]
        var operation = dnnl_convolution_desc_t()
        let status =
            withUnsafePointer(to: &bias) { bias in
                let bias = shape.hasBias ? bias : nil
                return switch direction {
                case .forward:
                    dnnl_convolution_forward_desc_init(
                        &operation, dnnl_forward_training, kind, &source, &weights, bias, &result, strides, before,
                        after)
                case .sourceGradient:
                    dnnl_convolution_backward_data_desc_init(
                        &operation, kind, &source, &weights, &result, strides, before, after)
                case .weightsGradient:
                    dnnl_convolution_backward_weights_desc_init(
                        &operation, kind, &source, &weights, bias, &result, strides, before, after)
                }
            }
        check(status, "dnnl_convolution_desc_init", "for \(direction) of \(shape)")
        return withAttributes { attributes in
            var created: dnnl_primitive_desc_t?
            check(
                dnnl_primitive_desc_create(&created, &operation, attributes, context.engine, nil),
                "dnnl_primitive_desc_create", "for \(direction) of \(shape)")
            guard let created else { fatalError("oneDNN reported success without \(direction) of \(shape)") }
            return Primitive(created, name: "\(direction) of \(shape)")
        }
    }

    // MARK: Dense products

    /// A row-major matrix in memory: `columns` of every row, rows `stride` floats apart.
    struct Matrix {
        let elements: UnsafeMutablePointer<Float>
        let rows: Int
        let columns: Int
        let stride: Int
        var isTransposed = false

        /// The matrix read the other way round.
        var transposed: Matrix {
            Matrix(elements: elements, rows: rows, columns: columns, stride: stride, isTransposed: !isTransposed)
        }
    }

    /// result = a b, or result += a b.
    static func multiply(_ a: Matrix, _ b: Matrix, into result: Matrix, adds: Bool = false) {
        let (inner, other) = (a.isTransposed ? a.rows : a.columns, b.isTransposed ? b.columns : b.rows)
        precondition(inner == other, "matrix product of inner extents \(inner) and \(other)")
        useOneThread()
        let (no, yes) = (CChar(UInt8(ascii: "N")), CChar(UInt8(ascii: "T")))
        let status = dnnl_sgemm(
            a.isTransposed ? yes : no, b.isTransposed ? yes : no, Int64(result.rows), Int64(result.columns),
            Int64(inner),
            1, a.elements, Int64(a.stride), b.elements, Int64(b.stride), adds ? 1 : 0, result.elements,
            Int64(result.stride))
        check(status, "dnnl_sgemm", "for (\(result.rows), \(inner)) x (\(inner), \(result.columns))")
    }
}
