"""Makes files that libhdf5 1.10.8 does not survive: Tests/Golden/lethal/*.h5.

    python3 -m pip install numpy h5py
    python3 Tests/Golden/lethal_hdf5.py

Made with h5py 3.16.0 (HDF5 2.0.0). Each begins as a checkpoint does; the index of its root group is of the old kind, a
B-tree whose nodes say how high they stand, which libhdf5 does not hold against the way it came.
Tests/CoordinatorTests/ExaminationTests.swift says what becomes of who reads them.
"""

import pathlib
import struct

import h5py
import numpy

FOLDER = pathlib.Path(__file__).parent / "lethal"
NOWHERE = 2**64 - 1
# A node has room for 32 children: a header of 24 bytes, then keys and children in turn.
NODE_BYTES = 24 + 33 * 8 + 32 * 8
END_OF_FILE = 40  # where a superblock of version 0 holds the size of the file


def begin(name):
    path = FOLDER / f"{name}.h5"
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        file.attrs.create("format", numpy.bytes_("diptych-checkpoint"))
        file.attrs["format_version"] = numpy.int64(1)
        file["x"] = numpy.zeros(1, "<f4")
    image = bytearray(path.read_bytes())
    assert image[:9] == b"\x89HDF\r\n\x1a\n\0"
    return path, image, image.index(b"TREE")


def loop():
    """A node that is its own child: an endless recursion."""
    path, image, node = begin("loop")
    image[node + 5] = 1
    struct.pack_into("<Q", image, node + 32, node)
    path.write_bytes(image)


def doubling(levels=60):
    """Every node has the one below it as both of its children, so that the leaf is reached 2^60 times; it is empty."""
    path, image, node = begin("doubling")
    last_key = struct.unpack_from("<Q", image, node + 40)[0]
    child = len(image)
    image += b"SNOD" + bytes([1, 0, 0, 0]) + bytes(8 * 40)
    for level in range(levels):
        tree = bytearray(NODE_BYTES)
        struct.pack_into("<4sBBHQQ", tree, 0, b"TREE", 0, level, 2, NOWHERE, NOWHERE)
        struct.pack_into("<QQQQQ", tree, 24, 0, child, last_key, child, last_key)
        child = len(image)
        image += tree
    image[node : node + NODE_BYTES] = image[child : child + NODE_BYTES]
    struct.pack_into("<Q", image, END_OF_FILE, len(image))
    path.write_bytes(image)


def main():
    FOLDER.mkdir(exist_ok=True)
    loop()
    doubling()


main()
