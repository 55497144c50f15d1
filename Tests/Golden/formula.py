"""The numbers that the golden scripts and the Swift tests share, and the files that carry results between them.

Nothing here is random or comes from a framework: every value is an integer hash of (name, index), so that neither
weights nor inputs need be committed. Tests/TestSupport/Formula.swift is the same in Swift.
"""
import json
import struct

import numpy as np

MAGIC = b"DPGOLDEN"
VERSION = 1
SKETCH_BUCKETS = 256


def name_hash(name):
    """FNV-1a, 64 bits, of the UTF-8 bytes of a name."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def words(name, count):
    """`count` 64-bit words: splitmix64's output function of (hash of the name + (index + 1) * golden ratio)."""
    with np.errstate(over="ignore"):
        z = np.uint64(name_hash(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """`count` values in [-1, 1): multiples of 2^-23, exact in float32."""
    return (words(name, count) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1


def integers(name, count, bound):
    """`count` integers in 0..<bound (bound < 2^24)."""
    return (((words(name, count) >> np.uint64(40)) * np.uint64(bound)) >> np.uint64(24)).astype(np.int64)


def weight(name, shape):
    """The weight tensor of that name as float64; every element is a float32 number, rounded as in Swift."""
    count = int(np.prod(shape))
    offset, scale = offset_and_scale(name, shape)
    values = np.float32(offset) + np.float32(scale) * uniform(name, count).astype(np.float32)
    return values.astype(np.float64).reshape(shape)


# Gains by the end of the layer's name, chosen so that every block's output has an RMS of 0.5 to 2.
GAINS = {
    "linear_1": 1.4, "linear_2": 1.7, "time_emb_proj": 1.0, "conv1": 1.4, "conv2": 1.0, "conv_shortcut": 0.8,
    "to_q": 1.2, "to_k": 1.2, "downsamplers.0.conv": 0.8, "upsamplers.0.conv": 0.9, "conv_out": 1.7,
}


def offset_and_scale(name, shape):
    """Kinds: norm weights about 1, biases, the class table (RMS 1), and weights by gain and fan-in."""
    layer, kind = name.rsplit(".", 1)
    if kind == "bias":
        return 0.0, 0.2
    if len(shape) == 1:
        return 1.0, 0.25
    if layer == "class_embedding":
        return 0.0, 3.0**0.5
    fan_in = int(np.prod(shape[1:]))
    gain = next((g for end, g in GAINS.items() if layer.endswith(end)), 1.0)
    return 0.0, gain * (3.0 / fan_in) ** 0.5


def sketch(name, values):
    """The count sketch of a tensor (see Tests/Golden/README.md), or the tensor itself if it has <= 256 elements."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    if flat.size <= SKETCH_BUCKETS:
        return flat
    w = words("sketch " + name, flat.size)
    signs = np.where(w >> np.uint64(63), -1.0, 1.0)
    return np.bincount((w & np.uint64(SKETCH_BUCKETS - 1)).astype(np.int64), weights=signs * flat, minlength=SKETCH_BUCKETS)


def write(path, header, arrays):
    """Magic, version (u32), length of the header (u32), header (JSON), float32 payload; all little-endian."""
    offset, table, payload = 0, [], []
    for name, array in arrays:
        data = np.ascontiguousarray(array, dtype="<f4")
        table.append(dict(name=name, offset=offset, count=int(data.size)))
        payload.append(data.tobytes())
        offset += data.size
    text = json.dumps(dict(header, arrays=table), separators=(",", ":"), sort_keys=True).encode()
    with open(path, "wb") as file:
        file.write(MAGIC + struct.pack("<II", VERSION, len(text)) + text + b"".join(payload))


def tool_versions():
    import diffusers
    import torch
    return dict(torch=torch.__version__, diffusers=diffusers.__version__, numpy=np.__version__)
