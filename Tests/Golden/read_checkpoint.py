"""Reads a checkpoint as a user would, with h5py and hdf5plugin, and checks every number in it.

    python3 -m pip install numpy h5py hdf5plugin
    python3 Tests/Golden/read_checkpoint.py step-00000007.h5

The file must be the one that Tests/CheckpointsTests/PythonTests.swift makes; values and shapes come from the formula
below. Leaves with 0 when everything is as documented in docs/file-formats.md.
"""

import hashlib
import json
import pathlib
import sys

import h5py
import hdf5plugin
import numpy

SHAPES = {
    "block.0.weight": (520, 515, 3),
    "block.0.bias": (520,),
    "block.10.weight": (7, 5, 3, 3),
    "block.2.weight": (1025,),
    "scale": (),
}
VECTORS = ["weights", "ema", "optimizer/first_moment", "optimizer/second_moment"]


def expected(vector, tensor, shape):
    """Element e of tensor t in vector v: ((7 e + 13 t + 29 v) mod 1001 - 500) / 512."""
    element = numpy.arange(int(numpy.prod(shape)), dtype=numpy.int64)
    return (((7 * element + 13 * tensor + 29 * vector) % 1001 - 500) / 512).astype("<f4").reshape(shape)


def check(condition, message):
    if not condition:
        sys.exit(f"read_checkpoint.py: {message}")


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def check_attributes(file):
    found = {name: value for name, value in file.attrs.items()}
    for name, value in {
        "format": "diptych-checkpoint", "model": "teacher-0", "phase": "teach", "job_hash": "0123abcd",
        "ledger": '{"noise": "äöü"}',
    }.items():
        check(text(found[name]) == value, f"attribute {name} is {found[name]!r}")
    check(found["format_version"] == 1 and found["step"] == 7, "format_version or step")
    check(text(found["libraries"]).startswith("hdf5 "), "libraries")


def check_vectors(file):
    """Checks all numbers; gives the hashes that the manifest must hold."""
    names = sorted(SHAPES, key=lambda name: name.encode())
    check(set(file) == {"weights", "ema", "optimizer"}, f"groups {list(file)}")
    hashes = {}
    for number, vector in enumerate(VECTORS):
        check(set(file[vector]) == set(names), f"names in {vector}: {list(file[vector])}")
        digest = hashlib.sha256()
        for tensor, name in enumerate(names):
            dataset = file[vector][name]
            values = dataset[()]
            check(dataset.dtype == numpy.dtype("<f4"), f"{vector}/{name} has type {dataset.dtype}")
            check(dataset.shape == SHAPES[name], f"{vector}/{name} has shape {dataset.shape}")
            check(numpy.array_equal(values, expected(number, tensor, SHAPES[name])), f"values of {vector}/{name}")
            digest.update(numpy.ascontiguousarray(values, dtype="<f4").tobytes())
        hashes[vector] = digest.hexdigest()
    dataset = file["weights/block.0.weight"]
    filters = dataset.id.get_create_plist()
    check([filters.get_filter(i)[0] for i in range(filters.get_nfilters())] == [2, 32015], "filters")
    check(dataset.id.get_num_chunks() > 1, "the large tensor has one chunk only")
    return hashes


def check_manifest(path, hashes):
    """Checks the manifest by the rules of docs/file-formats.md."""
    raw = path.with_suffix(".json").read_bytes()
    manifest = json.loads(raw)
    check(list(manifest) == sorted(manifest), "the manifest's keys are not sorted")
    own = manifest["manifest_sha256"].encode()
    check(hashlib.sha256(raw.replace(own, b"0" * 64)).hexdigest().encode() == own, "the manifest's own hash")
    contents = path.read_bytes()
    check(manifest["sha256"] == hashlib.sha256(contents).hexdigest(), "sha256")
    check(manifest["size"] == len(contents) and manifest["file"] == path.name, "size or file")
    check(manifest["weights_sha256"] == hashes["weights"], "weights_sha256")
    check(manifest["ema_sha256"] == hashes["ema"], "ema_sha256")
    check(manifest["step"] == 7 and manifest["model"] == "teacher-0" and manifest["phase"] == "teach", "place")
    check(manifest["previous_step"] is None and manifest["previous_manifest_sha256"] is None, "previous")


def main():
    path = pathlib.Path(sys.argv[1])
    with h5py.File(path, "r") as file:
        check_attributes(file)
        hashes = check_vectors(file)
    check_manifest(path, hashes)
    print(f"{path.name}: h5py {h5py.__version__} reads it")


main()
