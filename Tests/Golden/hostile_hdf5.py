"""Makes the files that a strict HDF5 reader must refuse: Tests/Golden/hostile/*.h5.

    python3 -m pip install numpy h5py hdf5plugin
    python3 Tests/Golden/hostile_hdf5.py

Each file has one object named x where a float32 dataset of shape [8] is expected, and one thing wrong with it.
Tests/CheckpointsTests/HostileHDF5Tests.swift says what the reader must answer.
"""

import pathlib
import struct

import fuzz_hdf5
import h5py
import hdf5plugin
import numpy

FOLDER = pathlib.Path(__file__).parent / "hostile"
VALUES = numpy.arange(8, dtype="<f4")
RAW = VALUES.tobytes()


def create(name, version="v108"):
    return h5py.File(FOLDER / f"{name}.h5", "w", libver=(version, version))


def frame(content_size, block, single_segment=True):
    """A zstd frame by hand: magic, header with or without a content size, one last block."""
    if single_segment:
        header = bytes([0b11100000]) + struct.pack("<Q", content_size)
    else:
        header = bytes([0b00000000, 0x58])  # no content size, a window of 2 MiB
    return bytes.fromhex("28b52ffd") + header + block


def raw_block(content):
    return struct.pack("<I", len(content) << 3 | 0b001)[:3] + content


def repeated_block(count):
    return struct.pack("<I", count << 3 | 0b011)[:3] + b"\0"


def zstd_chunk(name, chunk, mask=0):
    """A dataset whose only chunk, declared as compressed by zstd, holds the given bytes."""
    with create(name) as file:
        dataset = file.create_dataset("x", (8,), "<f4", chunks=(8,), **hdf5plugin.Zstd(clevel=1))
        dataset.id.write_direct_chunk((0,), chunk, mask)


def links():
    with create("soft-link") as file:
        file["real"] = VALUES
        file["x"] = h5py.SoftLink("/real")
    with create("soft-link-loop") as file:
        file["x"] = h5py.SoftLink("/x")
    with create("external-link") as file:
        file["x"] = h5py.ExternalLink("plain.h5", "/x")
    with create("group-instead") as file:
        file.create_group("x")
    with create("named-type") as file:
        file["x"] = numpy.dtype("<f4")
    with create("missing") as file:
        file["y"] = VALUES


def types():
    with create("double") as file:
        file["x"] = VALUES.astype("<f8")
    with create("big-endian") as file:
        file["x"] = VALUES.astype(">f4")
    with create("compound") as file:
        file["x"] = numpy.zeros(8, dtype=[("a", "<f4"), ("b", "<f4")])
    with create("variable-length") as file:
        file.create_dataset("x", (8,), h5py.vlen_dtype(numpy.dtype("<f4")))
    with create("text") as file:
        file.create_dataset("x", (8,), h5py.string_dtype())
    with create("no-space") as file:
        file["x"] = h5py.Empty("<f4")


def sizes():
    with create("other-shape") as file:
        file["x"] = VALUES.reshape(2, 4)
    with create("huge-contiguous") as file:
        file.create_dataset("x", (1 << 60,), "<f4")
    with create("huge-chunked") as file:
        file.create_dataset("x", (1 << 60,), "<f4", chunks=(1024,))
    with create("beyond-integers") as file:
        file.create_dataset("x", (1 << 40, 1 << 40), "<f4", chunks=(1, 1024))
    with create("huge-chunk") as file:
        file.create_dataset("x", (8,), "<f4", chunks=(1 << 28,), maxshape=(None,))
    with create("unallocated-contiguous") as file:
        file.create_dataset("x", (8,), "<f4")
    with create("unallocated-chunks") as file:
        file.create_dataset("x", (8,), "<f4", chunks=(8,))


def storage():
    with create("external-storage") as file:
        file.create_dataset("x", (8,), "<f4", external=[("outside.bin", 0, 32)])
    with create("virtual", "v110") as file:
        layout = h5py.VirtualLayout((8,), "<f4")
        layout[:] = h5py.VirtualSource("plain.h5", "x", (8,))
        file.create_virtual_dataset("x", layout)
    with create("gzip") as file:
        file.create_dataset("x", data=VALUES, chunks=(8,), compression="gzip")
    with create("unknown-filter") as file:
        file.create_dataset("x", data=VALUES, chunks=(8,), **hdf5plugin.Blosc2())


def chunks():
    whole = frame(len(RAW), raw_block(RAW))
    zstd_chunk("bomb", frame(1 << 40, repeated_block(1 << 17)))
    zstd_chunk("too-short", frame(4, raw_block(RAW[:4])))
    zstd_chunk("size-lie", frame(len(RAW), repeated_block(1 << 17)))
    zstd_chunk("no-size", frame(0, raw_block(RAW), single_segment=False))
    zstd_chunk("cut", whole[:-5])
    zstd_chunk("followed", whole + whole)
    zstd_chunk("no-frame", b"\0" * 32)
    zstd_chunk("filter-skipped", RAW[:4], mask=1)
    # Found by fuzzing: libhdf5 allocates whatever size the index of chunks claims. Its first key begins with the size.
    zstd_chunk("index-lies", whole)
    path = FOLDER / "index-lies.h5"
    image = bytearray(path.read_bytes())
    size = image.index(b"TREE") + 24
    assert struct.unpack_from("<I", image, size)[0] == len(whole)
    struct.pack_into("<I", image, size, 0xB6000000)
    path.write_bytes(image)


def claims():
    """Small files whose numbers claim much; in the headers of the objects, whose checksums are made to fit."""
    # A chunk of 64 MB for 32 bytes: libhdf5 allocates whole chunks.
    with create("chunk-beyond-dataset") as file:
        file.create_dataset("x", data=VALUES, chunks=(1 << 24,), maxshape=(None,), **hdf5plugin.Zstd(clevel=19))
    # Chunks in a row, without an index, of which files of version 1.10 know: 2^60 of them.
    with create("chunks-in-a-row", "v110") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((1,))
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_obj_track_times(False)
        space = h5py.h5s.create_simple((8,))
        h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, creation)
    patch("chunks-in-a-row", (8, 1 << 60))
    # 2^40 bytes in a row, which its layout claims, too.
    with create("beyond-file") as file:
        file["x"] = VALUES
    patch("beyond-file", (32, 1 << 40), (8, 1 << 38))


def patch(name, *changes):
    path = FOLDER / f"{name}.h5"
    image = path.read_bytes()
    for old, new in changes:
        image = fuzz_hdf5.patched(image, "x", struct.pack("<Q", old), struct.pack("<Q", new), count=1)
    path.write_bytes(image)


def fine():
    """Files of the same making that must be read, so that a reader that refuses everything fails too."""
    with create("plain") as file:
        file["x"] = VALUES
    with create("compressed") as file:
        file.create_dataset("x", data=VALUES, chunks=(8,), shuffle=True, **hdf5plugin.Zstd(clevel=3))
    zstd_chunk("by-hand", frame(len(RAW), raw_block(RAW)))


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.h5"):
        old.unlink()
    for make in (links, types, sizes, storage, chunks, claims, fine):
        make()


main()
