"""The cases of fuzz_corpus.py for the readers of JSON: manifests, heartbeats, outcomes, logs, submissions, profiles."""

import json


MANIFEST = {
    "build_version": "1", "ema_sha256": "ab", "file": "step-00000001.h5", "format": "diptych-checkpoint",
    "format_version": 1, "job_hash": "ab", "manifest_sha256": "0" * 64, "model": "teacher-0", "parameters": 403,
    "phase": "teach", "previous_manifest_sha256": None, "previous_step": None, "sha256": "ab", "size": 5, "step": 1,
    "weights_sha256": "ab",
}  # fmt: skip


def manifest():
    text = json.dumps(MANIFEST)

    def changed(**values):
        return json.dumps({**MANIFEST, **values})

    return {
        "taken-plain": text,
        "taken-hostile-names": changed(model="../../x\n\u202e", file="/etc/passwd", phase="$(reboot)"),
        "taken-largest-numbers": changed(step=2**63 - 1, size=2**63 - 1, parameters=2**63 - 1, previous_step=2**63 - 1),
        "taken-negative-numbers": changed(step=-(2**63), size=-1, parameters=-1),
        "empty": "",
        "no-hash": "{}",
        "hash-alone": '"manifest_sha256": "' + "0" * 64,
        "short-hash": '{"manifest_sha256": "00"}',
        "taken-two-hashes": text[:-1] + ', "manifest_sha256": 5' + "0" * 64 + ', "step": {}}',
        "cut": text[:-2],
        "other-format": changed(format="diptych-split"),
        "newer": changed(format_version=2),
        "step-of-text": changed(step="1"),
        "half-a-step": changed(step=0.5),
        "step-beyond-integer": text.replace('"step": 1', '"step": 9223372036854775808'),
        "size-beyond-double": text.replace('"size": 5', '"size": 1e999'),
        "lone-surrogate": text.replace('"teach"', '"\\ud800"'),
        "not-utf-8": text.encode().replace(b'"teach"', b'"\xff\xfe"'),
        "deep": text[:-1] + ', "x": ' + "[" * 3000 + "]" * 3000 + "}",
    }


HEARTBEAT = {
    "rank": 0, "phase": "teach", "model": "teacher-0", "step": 1, "total_steps": 2, "loss": 0.5,
    "images_per_second": 3.0, "seconds_per_image": 0.3, "time": 1.7e9, "process": 77, "host": "node",
}  # fmt: skip


def heartbeat():
    text = json.dumps(HEARTBEAT)

    def changed(**values):
        return json.dumps({**HEARTBEAT, **values})

    return {
        "taken-plain": text,
        # These five ended `diptych status`, `run` and `plan` of earlier versions.
        "taken-before-all-time": changed(time=-1e300),
        "taken-more-steps-than-integers": changed(step=-(2**63), total_steps=2**63 - 1),
        "taken-batch-beyond-integers": changed(step=0, total_steps=2**62),
        "taken-endless": changed(images_per_second=5e-324, total_steps=2**62),
        "taken-infinitely-slow": changed(seconds_per_image=1e308),
        "taken-escapes": changed(model="\x1b[2J", host="\u202e\x07"),
        "taken-negative": changed(rank=-1, process=-1, images_per_second=-1.0, seconds_per_image=-1.0),
        "empty": "",
        "cut": text[:-5],
        "too-long": text + " " * 4096,
        "unknown-phase": changed(phase="sleep"),
        "process-beyond-32-bits": changed(process=2**40),
        "rank-beyond-integer": text.replace('"rank": 0', '"rank": 1e30'),
        "not-a-number": text.replace("0.5", "NaN"),
        "deep": "[" * 4000,
    }


def outcome():
    phase = {"name": "teach", "steps": 10, "seconds": 3.0, "images_per_second": 4.0, "final_loss": {"teacher-0": 0.5}}
    base = {"exit": 0, "message": "", "phases": [phase], "weights_sha256": {"student": "ab"}, "ema_sha256": {}}
    text = json.dumps(base)

    def changed(**values):
        return json.dumps({**base, "phases": [{**phase, **values}]})

    return {
        "taken-plain": text,
        # A rate that made `diptych plan` of an earlier version divide to infinity.
        "taken-tiny-rate": changed(images_per_second=5e-324),
        "taken-huge-rate": changed(images_per_second=1.7e308),
        "taken-ages": changed(seconds=1e308, steps=-(2**63), final_loss={"x": -1.7e308}),
        "taken-escapes": json.dumps({**base, "message": "\x1b]0;\x07", "grid": "\u202e", "exit": 71}),
        "empty": "",
        "cut": text[:-1],
        "unknown-exit": text.replace('"exit": 0', '"exit": 7'),
        "exit-beyond-integer": text.replace('"exit": 0', '"exit": 1e300'),
        "phase-of-text": text.replace(json.dumps(phase), '"teach"'),
        "steps-beyond-integer": text.replace('"steps": 10', '"steps": 10000000000000000000'),
        "key-of-number": text.replace('"student": "ab"', '"student": 5'),
        "deep": '{"phases": ' + "[" * 5000,
    }


def steps():
    def line(step, loss="0.5"):
        return f'{{"step":{step},"loss":{loss},"learning_rate":0.001,"grad_norm":1}}\n'

    return {
        "taken-two": line(0) + line(1),
        "taken-gap": line(0) + line(5),
        "taken-torn": line(0) + line(1)[:20],
        # Ended `diptych status` of an earlier version.
        "largest-step": line(2**63 - 1),
        "negative-step": line(-1),
        "beyond-integer": line(2**63),
        "beyond-double": line(0, "1e999"),
        "not-a-number": line(0, "NaN"),
        "empty": "",
        "no-newline": line(0)[:-1],
        "newlines": "\n" * 500,
        "long-line": "x" * 6000 + "\n",
        "zero-bytes": b"\0" * 500 + b"\n",
        "deep": "[" * 5000 + "\n",
    }


SUBMISSION = {"job_id": "12", "cluster": "c", "script": "/r/submit.sbatch", "log": "/r/slurm-12.out", "time": 1.7e9}


def submission():
    def changed(**values):
        return json.dumps({**SUBMISSION, **values})

    return {
        "taken-job": json.dumps(SUBMISSION),
        "taken-task": changed(job_id="12_3"),
        "taken-escapes": changed(script="\x1b[2J", log="\u202e", cluster="--me", time=-1e300),
        "empty": "",
        "option": changed(job_id="--me"),
        "list-of-jobs": changed(job_id="1,2,3"),
        "two-lines": changed(job_id="12\n--me"),
        "other-digits": changed(job_id="\uff11\uff12"),
        "shell": changed(job_id="12;reboot"),
        "number": changed(job_id=12),
        "no-script": json.dumps({"job_id": "12"}),
        "beyond-double": json.dumps(SUBMISSION).replace("1700000000.0", "1e999"),
        "cut": json.dumps(SUBMISSION)[:-1],
        "deep": "[" * 5000,
    }


def events():
    def line(kind, **values):
        return json.dumps({"time": 1.7e9, "host": "node", "rank": 0, "kind": kind, **values}) + "\n"

    skipped = {"path": "/r/x.h5", "reason": "damaged", "steps_lost": 3}
    return {
        "taken-failure": line("write_failed", what="checkpoint of m", reason="full")
        + line("checkpoint", model="m", step=4, seconds=0.5),
        "taken-skipped": line("checkpoint_skipped", **skipped),
        "taken-launched": line("launched", ranks=2),
        "taken-escapes": line("write_failed", what="\x1b[2J", reason="\u202e\x07"),
        "taken-largest-numbers": line("checkpoint_skipped", **{**skipped, "steps_lost": -(2**63)})
        + line("checkpoint", model="m", step=2**63 - 1, seconds=-1.7e308),
        "most-ranks": line("launched", ranks=2**63 - 1),
        "no-ranks": line("launched", ranks=0) + line("launched", ranks=-(2**63)),
        "other-kinds": "".join(line(kind) for kind in ("started", "signal", "finished", "unheard_of")),
        "torn": line("write_failed", what="x")[:-1],
        "beyond-integer": line("checkpoint", model="m", step=1e30),
        "beyond-double": line("checkpoint", seconds=1).replace('"seconds": 1', '"seconds": 1e999'),
        "empty": "",
        "newlines": "\n" * 500,
        "zero-bytes": b"\0" * 3000 + b"\n",
        "not-utf-8": b'{"kind":"write_failed","what":"\xff\xfe"}\n',
        "deep": "[" * 5000 + "\n",
        "many-deep": ("[" * 400 + "\n") * 12,
    }


def deaths():
    def died(count, progress="the start"):
        return json.dumps({"deaths": count, "progress": progress})

    return {
        "taken-four": died(4),
        # Ended `diptych run --retry` of an earlier version.
        "taken-most": died(2**63 - 1),
        "negative": died(-(2**63)),
        "beyond-integer": died(2**63),
        "elsewhere": died(4, "checkpoints of \x1b[2J"),
        "empty": "",
        "cut": died(4)[:-1],
        "deep": "[" * 5000,
    }


def profile():
    base = {
        "rules": 2, "kernels": "avx2", "oneDNNInstructions": "avx2", "oneDNN": "2.6.3", "level1DataCache": 1,
        "level2Cache": 2, "level3Cache": 3, "cLibrary": "2.36",
    }  # fmt: skip

    def changed(**values):
        return json.dumps({**base, **values})

    return {
        "other-machine": json.dumps(base),
        "empty": "",
        "list": "[]",
        "cut": json.dumps(base)[:-1],
        "unknown-kernels": changed(kernels="avx1024"),
        "rules-of-text": changed(rules="2"),
        "beyond-integer": changed(level3Cache=2**63),
        "half-a-byte": changed(level1DataCache=0.5),
        "escapes": changed(oneDNN="\x1b[2J", cLibrary="\u202e"),
        "long": changed(oneDNN="x" * 5000),
        "deep": "[" * 5000,
    }
