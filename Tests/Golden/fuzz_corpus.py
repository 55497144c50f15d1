"""Makes the cases that every reader is given in `make test`, and that fuzzing starts from: Tests/Golden/fuzz/READER/*.

    python3 -m pip install numpy h5py hdf5plugin
    python3 Tests/Golden/fuzz_corpus.py

Made with h5py 3.16.0 (HDF5 2.0.0). A case whose name begins with `taken-` must be read as what it is; every other must be
refused. Tests/Reliability/FuzzReplayTests.swift reads each in a process of its own, within limits. Cases that hurt an
earlier version say so. What the fuzzer finds is put there as `found-NAME`, and stays when this is run again.
"""

import gzip
import hashlib
import pathlib
import random
import struct

import fuzz_audit
import fuzz_hdf5
import fuzz_json

FOLDER = pathlib.Path(__file__).parent / "fuzz"
JOB = """name: small
data: {images: /data/images.idx, members: 100}
model: {channels: [8, 16], attention: [false, true], norm_groups: 8}
defence: distillmd
teach: {steps: 10, batch: 12, images_per_lane: 2}
distill: {steps: 10, batch: 12, images_per_lane: 3}
"""


def noise(count):
    return random.Random(count).randbytes(count)


def job():
    def line(text):
        return JOB + text + "\n"

    laughs = "a0: &a0 [x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    return {
        "taken-small": JOB,
        "taken-path-with-signs": JOB.replace("/data/images.idx", '"/data/a & *b.idx"'),
        "empty": "",
        "list": "- a\n- b\n",
        "two-documents": JOB + "---\n" + JOB,
        "unknown-keys": "".join(f"key{n}: 1\n" for n in range(200)),
        "key-twice": line("seed: 1\nseed: 2"),
        "wrong-type": JOB.replace("{steps: 10, batch: 12, images_per_lane: 2}", "5"),
        "not-a-number": line("sample: {eta: .nan}"),
        "infinite": line("sample: {eta: .inf}"),
        "beyond-double": line("sample: {eta: 1e309}"),
        "beyond-integer": line("seed: 99999999999999999999999999"),
        "octal": line("seed: 0o17"),
        "norway": JOB.replace("name: small", "name: no"),
        "anchor": line("seed: &a 3"),
        "billion-laughs": laughs,
        "billion-laughs-in-keys": laughs.replace("a9:", "? [*a8]\n:"),
        "python-object": line("seed: !!python/object/apply:os.system ['true']"),
        "merge-key": line("<<: {seed: 3}"),
        "deep-flow": "a: " + "[" * 3000,
        "deep-block": "- " * 1500 + "a\n",
        "deep-mapping": "".join(" " * n + "a:\n" for n in range(90)),
        "directive-in-name": JOB.replace("name: small", 'name: "x\\n#SBATCH --partition=root"'),
        "shell-in-name": JOB.replace("name: small", "name: $(reboot)"),
        "option-as-name": JOB.replace("name: small", "name: --wrap=reboot"),
        "path-as-name": JOB.replace("name: small", "name: ../../etc"),
        "bidi-name": JOB.replace("name: small", "name: a\u202eb"),
        "escapes": line('"\\e[31mred": 1'),
        "byte-order-marks": "\ufeff\ufeff" + JOB,
        "not-utf-8": JOB.encode() + b"# \xff\xfe\n",
        "zero-byte": JOB.replace("small", "sm\0all"),
        "long-word": "name: " + "x" * 4000 + "\n",
        "open-quote": 'name: "' + "\\" * 999,
    }


def overrides():
    return {
        "taken-three": 'teach.steps=5\nmodel.channels=[8, 8]\nname="x"',
        "no-equals": "teach.steps",
        "only-equals": "=5",
        "section": "teach={steps: 5}",
        "unknown": "teach.stesp=5",
        "empty-value": "teach.steps=",
        "beyond-integer": "teach.steps=99999999999999999999",
        "negative": "teach.steps=-9223372036854775808",
        "not-a-number": "teach.learning_rate=nan",
        "anchor": "seed=&a 3",
        "alias": "seed=*a",
        "deep": "model.channels=" + "[" * 2000,
        "many-channels": "model.channels=[" + "8," * 2000 + "8]",
        "control-characters": "name=\x1b]0;x\x07",
        "long-key": "a." * 2000 + "=1",
        "line-in-value": 'name="x\\n#SBATCH --exclusive"',
    }


def idx(dimensions, pixels, magic=None):
    magic = bytes([0, 0, 8, len(dimensions)]) if magic is None else magic
    return magic + struct.pack(f">{len(dimensions)}I", *dimensions) + pixels


def squeeze(data, level=9):
    return gzip.compress(data, level, mtime=0)


def images():
    plain = idx((3, 2, 2), bytes(range(12)))
    packed = bytearray(squeeze(plain))
    # Deflate could hold 8 MB in so many bytes; this holds none of them. An earlier version took the memory.
    promises = squeeze(idx((8, 1000, 1000), noise(8000)), 0)
    return {
        "taken-plain": plain,
        "taken-colour": idx((1, 3, 1, 2), bytes(6)),
        "taken-two-members": squeeze(plain[:10]) + squeeze(plain[10:]),
        "taken-zeros": squeeze(idx((4, 256, 256), bytes(1 << 18))),
        "empty": b"",
        "one-byte": b"\0",
        "short-header": plain[:9],
        "labels": idx((3,), bytes(3)),
        "float-type": idx((3, 2, 2), bytes(48), magic=bytes([0, 0, 13, 3])),
        "two-channels": idx((1, 2, 1, 1), bytes(2)),
        "no-images": idx((0, 2, 2), b""),
        "short": plain[:-1],
        "long": plain + b"\0",
        "two-to-the-96": idx((0xFFFFFFFF,) * 3, bytes(12)),
        "wraps-to-nothing": idx((1 << 31, 1 << 31, 4), bytes(12)),
        "two-gigabytes": idx((1 << 11, 1 << 10, 1 << 10), bytes(12)),
        "gzip-header-alone": bytes(packed[:10]),
        "gzip-cut": bytes(packed[:-9]),
        "gzip-wrong-checksum": bytes(packed[:-8]) + bytes([packed[-8] ^ 1]) + bytes(packed[-7:]),
        "gzip-wrong-length": bytes(packed[:-1]) + b"\1",
        "gzip-followed": bytes(packed) + b"more",
        "gzip-bomb": squeeze(plain + bytes(4 << 20)),
        "gzip-promises-more": promises,
        "gzip-reserved-block": bytes(packed[:10]) + b"\x07" + bytes(8),
    }


def labels():
    plain = idx((2,), bytes([3, 4]))
    return {
        "taken-plain": plain,
        "taken-gzip": squeeze(plain),
        "empty": b"",
        "images": idx((2, 1, 1), bytes(2)),
        "too-many": idx((3,), bytes(3)),
        "too-few": idx((1,), bytes(1)),
        "four-gigabytes": idx((0xFFFFFFFF,), bytes(2)),
        "gzip-promises-more": squeeze(idx((8_000_000,), noise(8000)), 0),
        "gzip-bomb": squeeze(plain + bytes(4 << 20)),
    }


# RFC 8410, section 10.
SECRET = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
PUBLIC = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="


def keys():
    def pem(label, body):
        return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"

    public = pem("PUBLIC KEY", PUBLIC)
    return {
        "taken-public": public,
        "taken-secret": pem("PRIVATE KEY", SECRET),
        "taken-other-line-ends": public.replace("\n", "\r\n"),
        "taken-text-before": "a key\n" + public,
        "empty": "",
        "begin-alone": public.splitlines()[0],
        "end-first": "\n".join(reversed(public.splitlines())),
        "empty-body": pem("PUBLIC KEY", ""),
        "not-base64": pem("PUBLIC KEY", "*" * 60),
        "short": pem("PUBLIC KEY", PUBLIC[:-4]),
        "long": pem("PUBLIC KEY", PUBLIC[:-4] + "ZuEA" * 20),
        # Ed25519 is 1.3.101.112, X25519 1.3.101.110.
        "key-exchange": pem("PUBLIC KEY", PUBLIC.replace("K2Vw", "K2Vu")),
        "other-label": pem("RSA PUBLIC KEY", PUBLIC),
        "encrypted": pem("ENCRYPTED PRIVATE KEY", SECRET),
        "too-large": public + "x" * 4096,
        "begins": "-----BEGIN PUBLIC KEY-----\n" * 150,
        "zero-bytes": public.replace("\n", "\0"),
    }


def export():
    head = "# Diptych export 1: size, SHA-256 and name of every file\n"
    empty = hashlib.sha256().hexdigest()

    def listed(*files):
        return head + "".join(f"# {size}\n{empty}  {name}\n" for name, size in files)

    plain = listed(("a/b.png", 0), ("c", 12))
    return {
        "taken-two": plain,
        "taken-largest-size": listed(("a", 2**63 - 1)),
        "taken-other-writing": listed(("\u00e9t\u00e9/\u202e", 1)),
        "empty": "",
        "header-alone": head,
        "other-header": plain.replace("export 1", "export 2"),
        "no-end": plain[:-1],
        "other-line-ends": plain.replace("\n", "\r\n"),
        "blank-line": plain + "\n",
        "odd-lines": plain + "# 5\n",
        "twice": listed(("a", 1), ("a", 1)),
        "not-sorted": listed(("b", 1), ("a", 1)),
        "above": listed(("../a", 1)),
        "absolute": listed(("/etc/passwd", 1)),
        "here": listed(("./a", 1)),
        "no-name": listed(("", 1)),
        "escapes": listed(("\x1b[2J", 1)),
        "backslash": listed(("a\\b", 1)),
        "negative-size": listed(("a", -1)),
        "size-with-sign": listed(("a", "+1")),
        "size-beyond-integer": listed(("a", 2**63)),
        "capitals": plain.replace(empty, empty.upper()),
        "short-hash": plain.replace(empty, empty[:63]),
        "not-utf-8": plain.encode().replace(b"c\n", b"\xff\n"),
        "zero-byte": plain.replace("b.png", "b\0png"),
    }


def convolutions():
    entry = (
        "{direction: forward, source: [2, 16, 8, 8], weights: [32, 16, 3, 3], stride: 1, padding: [1, 1, 1, 1], "
        "bias: true, algorithm: winograd, rule: direct, milliseconds: {direct: 0.25, winograd: 0.1}}"
    )
    head = "format: diptych convolutions\nversion: 1\n"
    text = head + f"machine: {{processor: x}}\nconvolutions:\n  - {entry}\n"

    def changed(old, new):
        assert old in text
        return text.replace(old, new)

    return {
        "taken-one": text,
        "taken-none": head + "convolutions: []\n",
        "empty": "",
        "job": JOB,
        "newer": changed("version: 1", "version: 2"),
        "twice": text + f"  - {entry}\n",
        "mapping": head + "convolutions: {a: 1}\n",
        "unknown-key": changed("stride", "stirde"),
        "unknown-algorithm": changed("algorithm: winograd", "algorithm: fft"),
        "three-extents": changed("[2, 16, 8, 8]", "[2, 16, 8]"),
        "no-images": changed("[2, 16, 8, 8]", "[0, 16, 8, 8]"),
        "beyond-integer": changed("[2, 16, 8, 8]", "[99999999999999999999, 16, 8, 8]"),
        "other-channels": changed("[32, 16, 3, 3]", "[32, 17, 3, 3]"),
        "kernel-beyond-image": changed("[32, 16, 3, 3]", "[32, 16, 999, 3]"),
        "no-stride": changed("stride: 1", "stride: 0"),
        "negative-padding": changed("[1, 1, 1, 1]", "[-1, 1, 1, 1]"),
        "infinite-time": changed("0.25", "1e999"),
        "anchor": changed("forward", "&a forward"),
        "deep": head + "convolutions: " + "[" * 3000,
        "deep-block": head + "convolutions:\n" + "- " * 1200 + "a\n",
        "not-utf-8": text.encode() + b"# \xff\n",
    }


def command_line():
    return {
        "taken-run": "run\njob.yaml\n--ranks\n2\n--set\nteach.steps=5\n--extend",
        "taken-audit": "audit\nruns/a\n--budget\n10m\n--weights\nraw\n--json",
        "taken-worker": "train\n--run\nruns/a\n--ranks\n2",
        "taken-hostile-job": "run\n--\n--wrap=$(reboot)",
        "unknown-command": "rnu\n--ranks",
        "taken-help": "run\n--help",
        "taken-help-of-nothing": "help\nno\nsuch\ncommand",
        "no-value": "run\njob.yaml\n--ranks",
        "ranks-of-text": "run\njob.yaml\n--ranks\ntwo",
        "ranks-beyond-integer": "run\njob.yaml\n--ranks=99999999999999999999",
        "no-directory": "run\njob.yaml\n--run\n",
        "no-run": "audit",
        "endless-budget": "audit\nr\n--budget\ninfm",
        "no-images": "audit\nr\n--images\n0",
        "both-watch-and-json": "status\nr\n--watch\n--json",
        "short-options": "run\n-" + "abc" * 300,
        "dashes": "-\n--\n---\n----",
        "equals": "run\n--=\n--set=\n-=",
        "examine-without-limits": "examine-checkpoint\na\nb\n1",
        "bad-batch": "bench\n--batch\n-1",
        "completion": "--generate-completion-script\nklingon",
        "dump": "--experimental-dump-help",
        "control-characters": "run\n\x1b[2J\n--\x07",
        "not-utf-8": b"run\n\xff\xfe\n--\xff",
        "many-words": "x\n" * 500,
    }


def environment():
    def job(*lines, number="5"):
        return "\n".join([f"SLURM_JOB_ID={number}", *lines])

    most = 2**63 - 1
    return {
        "taken-nothing": "",
        "taken-no-equals": "SLURM_JOB_ID\n=\n=5\nLANG=",
        "taken-slurm": job(
            "SLURM_JOB_NUM_NODES=3", "SLURM_TASKS_PER_NODE=2(x2),1", "SLURM_JOB_CPUS_PER_NODE=4(x3)", "SLURM_CPUS_PER_TASK=2"
        ),
        "taken-array": job("SLURM_ARRAY_JOB_ID=4", "SLURM_ARRAY_TASK_ID=0", "SLURM_RESTART_COUNT=65535"),
        "taken-most-nodes": job(
            "SLURM_JOB_NUM_NODES=65536", "SLURM_TASKS_PER_NODE=65535(x65536)", "SLURM_JOB_CPUS_PER_NODE=1(x65536)"
        ),
        # Of other nodes than the job's: not used.
        "taken-endless-lists": job("SLURM_TASKS_PER_NODE=" + ",".join(["1(x99999999999999999999)"] * 300)),
        "taken-no-list": job("SLURM_TASKS_PER_NODE=x(3),,(", "SLURM_JOB_CPUS_PER_NODE=2(x"),
        "taken-outside": f"SLURM_JOB_NUM_NODES={most}\nSLURM_TASKS_PER_NODE={most},{most}",
        "taken-control-characters": job("SLURM_JOB_NODELIST=\x1b[2J", "TERM=\x07", "TMPDIR=" + "/x" * 100),
        "nodes-beyond-memory": job("SLURM_JOB_NUM_NODES=9000000000000000000"),
        "nodes-negative": job(f"SLURM_NNODES={-most - 1}"),
        "no-nodes": job("SLURM_JOB_NUM_NODES=0"),
        "no-tasks": job("SLURM_TASKS_PER_NODE=0"),
        "tasks-beyond-integer": job("SLURM_JOB_NUM_NODES=3", f"SLURM_TASKS_PER_NODE={most},{most},1"),
        "cores-beyond-integer": job("SLURM_JOB_NUM_NODES=2", f"SLURM_JOB_CPUS_PER_NODE={most}(x2)"),
        "cores-of-a-task": job(f"SLURM_CPUS_PER_TASK={most}"),
        "restarts": job(f"SLURM_RESTART_COUNT={most}"),
        "job-negative": job(number=str(-most - 1)),
        "job-beyond-integer": job(number=str(2 * most)),
        "job-of-text": job(number="five"),
        "task-of-text": job("SLURM_ARRAY_JOB_ID=4", "SLURM_ARRAY_TASK_ID=two"),
        "not-utf-8": b"SLURM_JOB_ID=\xff\xfe",
    }


READERS = {
    "job": job, "overrides": overrides, "images": images, "labels": labels, "keys": keys, "export": export,
    "convolutions": convolutions, "command-line": command_line, "environment": environment,
    "manifest": fuzz_json.manifest,
    "heartbeat": fuzz_json.heartbeat, "outcome": fuzz_json.outcome, "steps": fuzz_json.steps,
    "submission": fuzz_json.submission, "deaths": fuzz_json.deaths, "events": fuzz_json.events, "profile": fuzz_json.profile,
    "report": fuzz_audit.report, "nearest": fuzz_audit.nearest, "examination": fuzz_audit.examination,
    "scores": fuzz_audit.scores,
    "checkpoint": fuzz_hdf5.checkpoints, "split": fuzz_hdf5.splits,
}  # fmt: skip


def main():
    for reader, make in READERS.items():
        folder = FOLDER / reader
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if not old.name.startswith("found-"):
                old.unlink()
        for name, contents in make().items():
            (folder / name).write_bytes(contents.encode() if isinstance(contents, str) else contents)
        files = list(folder.iterdir())
        print(f"{reader}: {len(files)} cases, {sum(path.stat().st_size for path in files)} bytes")


if __name__ == "__main__":
    main()
