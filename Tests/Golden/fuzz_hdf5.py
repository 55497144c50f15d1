"""The cases of fuzz_corpus.py for the readers of HDF5: checkpoints and splits, made by another library than ours.

Every file has one thing wrong. Numbers that libhdf5 would not write are put into the finished file, whose checksums are
made to fit, as whoever means harm would do.
"""

import hashlib
import io
import json
import pathlib
import struct
import tempfile

import h5py
import hdf5plugin
import numpy

PARAMETERS = {"bias": (3,), "weight": (16, 16)}
VECTORS = ["weights", "ema", "optimizer/first_moment", "optimizer/second_moment"]
SHAPE = struct.pack("<QQ", 16, 16)


def made(fill, version="v108", **options):
    """The bytes of a file that `fill` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "x.h5"
        with h5py.File(path, "w", libver=(version, version), meta_block_size=64, **options) as file:
            fill(file)
        return path.read_bytes()


def text(file, name, value):
    file.attrs.create(name, numpy.bytes_(value.encode() + b"\0"))


# MARK: Checksums


def rotated(value, count):
    return (value << count | value >> (32 - count)) & 0xFFFFFFFF


def lookup3(data):
    """Bob Jenkins' lookup3, little-endian, with which HDF5 protects its metadata."""
    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    rest = data
    while len(rest) > 12:
        a, b, c = ((v + w) & 0xFFFFFFFF for v, w in zip((a, b, c), struct.unpack_from("<III", rest)))
        for count in (4, 6, 8, 16, 19, 4):
            a = ((a - c) & 0xFFFFFFFF) ^ rotated(c, count)
            c = (c + b) & 0xFFFFFFFF
            a, b, c = b, c, a
        rest = rest[12:]
    if not rest:
        return c
    words = struct.unpack("<III", rest.ljust(12, b"\0"))
    a, b, c = ((v + w) & 0xFFFFFFFF for v, w in zip((a, b, c), words))
    for count in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - rotated(b, count)) & 0xFFFFFFFF
        a, b, c = b, c, a
    # The last of the seven rounds made c, which has moved on by one place.
    return b


def header_end(image, start):
    """Where the checksum of an object header of version 2 stands."""
    flags = image[start + 5]
    place = start + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    return place + width + int.from_bytes(image[place : place + width], "little")


def patched(image, name, old, new, count=-1):
    """Puts `new` in the place of `old` in an object's header, the first `count` times, or wherever it stands."""
    with h5py.File(io.BytesIO(image)) as file:
        start = h5py.h5o.get_info(file[name].id).addr
    image = bytearray(image)
    end = header_end(image, start)
    assert struct.unpack_from("<I", image, end)[0] == lookup3(bytes(image[start:end])), "the checksum is understood"
    assert image.find(old, start, end) >= 0
    image[start:end] = image[start:end].replace(old, new, count)
    struct.pack_into("<I", image, end, lookup3(bytes(image[start:end])))
    return bytes(image)


# MARK: Checkpoints


def checkpoint(file, weight=None, attributes=(), skip=()):
    """Fills a file as a checkpoint; `weight` makes another dataset in the place of the second moments' last."""
    for name, value in {
        "format": "diptych-checkpoint", "model": "teacher-0", "phase": "teach", "job_hash": "ab", "ledger": "{}",
        "libraries": "h5py", **dict(attributes),
    }.items():  # fmt: skip
        if name not in skip and isinstance(value, str):
            text(file, name, value)
        elif name not in skip:
            file.attrs.create(name, value)
    for name in ("format_version", "step"):
        if name not in skip and name not in dict(attributes):
            file.attrs[name] = numpy.int64(1)
    for vector in VECTORS:
        group = file.require_group(vector)
        for name, shape in PARAMETERS.items():
            if weight and vector == "weights" and name == "weight":
                weight(group)
            else:
                group[name] = numpy.zeros(shape, "<f4")


def with_weight(make, version="v108", **options):
    return made(lambda file: checkpoint(file, weight=make), version, **options)


def with_attributes(**attributes):
    return made(lambda file: checkpoint(file, attributes=attributes.items()))


def chunked(group, chunk=(16, 16), data=None, **options):
    group.create_dataset("weight", (16, 16), "<f4", chunks=chunk, data=data, **options)


def zstd_chunk(group, chunk):
    dataset = group.create_dataset("weight", (16, 16), "<f4", chunks=(16, 16), **hdf5plugin.Zstd(clevel=1))
    dataset.id.write_direct_chunk((0, 0), chunk)


def chunks_in_a_row(group):
    """Chunks without an index, which are only found in files of version 1.10: allocated early, of fixed size."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((1, 1))
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    create(group, creation)


def create(group, creation):
    """A dataset by its properties, without the times that h5py would put in."""
    creation.set_obj_track_times(False)
    space = h5py.h5s.create_simple((16, 16))
    h5py.h5d.create(group.id, b"weight", h5py.h5t.IEEE_F32LE, space, creation)


def large_chunk(group):
    dataset = group.create_dataset(
        "weight", (16, 16), "<f4", chunks=(4096, 4096), maxshape=(None, None), **hdf5plugin.Zstd(clevel=19)
    )
    dataset[...] = 0


def index_that_lies():
    image = bytearray(with_weight(lambda group: zstd_chunk(group, frame(1024, raw_block(bytes(1024))))))
    size = image.index(b"TREE") + 24
    assert struct.unpack_from("<I", image, size)[0] == len(frame(1024, raw_block(bytes(1024))))
    struct.pack_into("<I", image, size, 0xB6000000)
    return bytes(image)


def frame(content_size, block):
    """A zstd frame by hand: magic, header with a content size, one last block."""
    return bytes.fromhex("28b52ffd") + bytes([0b11100000]) + struct.pack("<Q", content_size) + block


def raw_block(content):
    return struct.pack("<I", len(content) << 3 | 0b001)[:3] + content


def deep(group):
    for _ in range(60):
        group = group.create_group("weight")


def virtual(group):
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space = h5py.h5s.create_simple((16, 16))
    creation.set_virtual(space, b"plain.h5", b"x", space)
    create(group, creation)


def checkpoints():
    plain = made(checkpoint)
    compressed = {"shuffle": True, **hdf5plugin.Zstd(clevel=3)}
    row = with_weight(chunks_in_a_row, "v110")
    honest = numpy.arange(256, dtype="<f4").reshape(16, 16)

    def link(target):
        return with_weight(lambda group: group.__setitem__("weight", target))

    return {
        "taken-plain": plain,
        "taken-compressed": with_weight(lambda group: chunked(group, data=honest, **compressed)),
        "empty": b"",
        "signature-alone": plain[:8],
        "superblock-alone": plain[:48],
        "cut": plain[:-2000],
        "soft-link": link(h5py.SoftLink("/ema/weight")),
        "soft-link-to-itself": link(h5py.SoftLink("/weights/weight")),
        "external-link": link(h5py.ExternalLink("/etc/passwd", "/x")),
        "group": with_weight(lambda group: group.create_group("weight")),
        "deep": with_weight(deep),
        "many-links": with_weight(lambda group: [group.create_group(f"{n}") for n in range(40)]),
        "double": link(honest.astype("<f8")),
        "big-endian": link(honest.astype(">f4")),
        "compound": with_weight(lambda group: group.create_dataset("weight", (16, 16), [("a", "<f4")])),
        "texts": with_weight(lambda group: group.create_dataset("weight", (16, 16), h5py.string_dtype())),
        "no-space": link(h5py.Empty("<f4")),
        "unallocated": with_weight(lambda group: group.create_dataset("weight", (16, 16), "<f4")),
        "external-storage": with_weight(
            lambda group: group.create_dataset("weight", (16, 16), "<f4", external=[("/dev/zero", 0, 1024)])
        ),
        "virtual": with_weight(virtual, "v110"),
        "gzip": with_weight(lambda group: chunked(group, data=honest, compression="gzip")),
        "unknown-filter": with_weight(lambda group: chunked(group, data=honest, **hdf5plugin.Blosc2())),
        "zstd-bomb": with_weight(lambda group: zstd_chunk(group, frame(1 << 40, struct.pack("<I", 1 << 20 | 3)[:4]))),
        "zstd-cut": with_weight(lambda group: zstd_chunk(group, frame(1024, raw_block(bytes(600))))),
        # Found by fuzzing: libhdf5 allocated the 3 GB that the index claims for the chunk.
        "index-that-lies": index_that_lies(),
        # Kept an earlier version busy for ever: 2^60 chunks that nothing in the file stands for.
        "chunks-in-a-row": patched(row, "weights/weight", SHAPE, struct.pack("<QQ", 1 << 30, 1 << 30)),
        # An earlier version took 128 MB for a dataset of 1024 bytes.
        "chunk-beyond-its-dataset": with_weight(large_chunk),
        "more-rows": patched(plain, "weights/weight", SHAPE, struct.pack("<QQ", 1 << 40, 1 << 20)),
        "no-format": made(lambda file: checkpoint(file, skip=["format"])),
        "other-format": with_attributes(format="diptych split"),
        "newer": with_attributes(format_version=numpy.int64(2)),
        "version-of-text": with_attributes(format_version="1"),
        "small-version": with_attributes(format_version=numpy.int32(1)),
        "negative-step": with_attributes(step=numpy.int64(-1)),
        "several-steps": with_attributes(step=numpy.arange(40)),
        "text-of-any-length": made(
            lambda file: (checkpoint(file, skip=["model"]), file.attrs.create("model", "m", dtype=h5py.string_dtype()))
        ),
        "not-utf-8": with_attributes(model=numpy.bytes_(b"\xff\xfe\0")),
        "no-attributes": made(lambda file: [file.create_group(vector) for vector in VECTORS]),
    }


# MARK: Splits

# Six images of 1 x 2 x 2 pixels, 0, 1, 2, ... in order, with labels 0 and 1 in turn: FuzzTarget.catalogue.
IMAGES = [bytes(range(4 * n, 4 * n + 4)) for n in range(6)]
LABELS = [0, 1, 0, 1, 0, 1]
HASHES = b"".join(hashlib.sha256(image).digest() for image in IMAGES)
# As Catalogue.hash: count, shape, the images' hashes, labels and classes as 64-bit integers.
CATALOGUE = hashlib.sha256(
    b"diptych catalogue 1\n" + struct.pack("<4q", 6, 1, 2, 2) + HASHES + struct.pack("<2q6q", 6, 2, *LABELS)
).hexdigest()
REPORT = {
    "name": "fuzz", "images": 6, "members": 4, "held_out": 1, "sizes": [2, 2], "label_counts": [[1, 1], [1, 1]],
    "held_out_label_counts": [1, 0], "balance": "none", "near_duplicates": "ignore", "near_duplicate_rule": "none",
    "exact_groups": 0, "exact_pairs": 0, "near_groups": 0, "near_pairs": 0, "duplicate_images": 0, "largest_group": 0,
}  # fmt: skip


def split(parts=(0, 0, 1, 1, -2, -1), groups=range(6), hashes=HASHES, report=REPORT, version=1, **attributes):
    def fill(file):
        file["part_of_image"] = numpy.array(parts, "<i4")
        file["group_of_image"] = numpy.array(groups, "<i4")
        file["image_hashes"] = numpy.frombuffer(hashes, "u1").reshape(-1, 32)
        texts = {"format": "diptych split", "catalogue_hash": CATALOGUE, **attributes}
        for name, value in texts.items():
            text(file, name, value)
        text(file, "report", report if isinstance(report, str) else json.dumps(report))
        file.attrs["format_version"] = numpy.int64(version)

    return made(fill)


def splits():
    plain = split()

    def reporting(**changes):
        return split(report={**REPORT, **changes})

    six, many = struct.pack("<Q", 6), struct.pack("<Q", 1 << 30)
    # The dimension of `part_of_image`, and the bytes that its layout claims.
    claiming = patched(plain, "part_of_image", struct.pack("<Q", 24), struct.pack("<Q", 4 << 30))
    return {
        "taken-plain": plain,
        "empty": b"",
        "cut": plain[:-40],
        "checkpoint": made(checkpoint),
        "newer": split(version=2),
        # These ended an earlier version when it wrote the report for people.
        "label-counts-missing": reporting(label_counts=[[1, 1]]),
        "label-counts-ragged": reporting(label_counts=[[1, 1], [1]]),
        "label-counts-beyond": reporting(label_counts=[[2**63 - 1, -(2**63)], [1, 1]]),
        "sizes-that-lie": reporting(sizes=[3, 1]),
        "sizes-beyond-integer": split(report=json.dumps(REPORT).replace("[2, 2]", "[2, 1e30]")),
        "report-of-nothing": split(report="{}"),
        "report-deep": split(report="[" * 1500),
        "part-beyond": split(parts=(0, 0, 1, 7, -2, -1)),
        "part-below": split(parts=(0, 0, 1, -(2**31), -2, -1)),
        "group-beyond": split(groups=(0, 1, 2, 3, 4, 6)),
        "group-below": split(groups=(0, 1, 2, 3, 4, -1)),
        "group-that-straddles": split(groups=(0, 1, 1, 3, 4, 5)),
        "fewer-groups": split(groups=range(5)),
        "fewer-hashes": split(hashes=HASHES[:-32]),
        "no-images": split(parts=(), groups=(), hashes=b""),
        "other-data": split(hashes=HASHES[32:] + HASHES[:32]),
        "other-catalogue": split(catalogue_hash="ab"),
        # An earlier version took 4 GB for what a file of some kilobytes claims to hold.
        "more-bytes-than-the-file": patched(claiming, "part_of_image", six, many),
    }
