"""The cases of fuzz_corpus.py for what an audit leaves: its report, images for its page, scores; and for the verdict of a
child that examines a stranger's file."""

import base64
import hashlib
import json
import struct

INTERVALS = {"auc_interval": [0.4, 0.9], "asr_interval": [0.5, 0.8], "tpr_at_1_fpr_interval": [0, 0.5],
             "tpr_at_0_1_fpr_interval": [0, 0.5]}  # fmt: skip
ATTACK = {
    "name": "pia", "title": "PIA (arXiv 2305.18355)", "access": "predictions", "evaluations_per_image": 2,
    "settings": {"timestep": "200"}, "auc": 0.75, "asr": 0.75, "tpr_at_1_fpr": 0.5, "tpr_at_0_1_fpr": 0.5,
    "optimistic_auc": 0.8, "members": 2, "held_out": 2, "member_scores": [-1.5, 2], "held_out_scores": [-2, 1],
    "warnings": ["few images"], **INTERVALS,
}  # fmt: skip
QUALITY = {
    "extractor": "pixels", "samples": 32, "compared_images": 16, "frechet_distance": 1.5, "frechet_distance_floor": 0.5,
    "precision": 0.5, "recall": 0.25, "median_distance_to_members": 9, "median_distance_to_held_out": 10,
    "extracted_fraction": 0.03125,
}  # fmt: skip
RELEASE = {"name": "a", "defence": "dualmd", "parts": 2, "quality": QUALITY, "attacks": [ATTACK]}


def report():
    def of(*releases, **values):
        base = {"protocol": ["a note"], "provenance": [{"name": "seed", "value": "7", "public": False}]}
        return json.dumps({**base, "releases": releases, **values})

    def attack(**values):
        return of({**RELEASE, "attacks": [{**ATTACK, **values}]})

    def quality(**values):
        return of({**RELEASE, "quality": {**QUALITY, **values}})

    def scores(members, held_out):
        return attack(member_scores=members, held_out_scores=held_out, members=len(members), held_out=len(held_out))

    part = {**RELEASE, "name": "a x", "part_of": "a"}
    largest = 3.4028235e38
    return {
        "taken-plain": of(RELEASE),
        "taken-part": of(RELEASE, part),
        "taken-no-attacks": of({**RELEASE, "attacks": [], "quality": None}),
        "taken-no-scores": scores([], []),
        "taken-escapes": of(
            {**RELEASE, "name": "\x1b[2J\u202e", "defence": "<script>"},
            protocol=["\x07"], provenance=[{"name": "=1+1", "value": "\0", "public": True}],
        ),
        # These two ended the drawing of an earlier version.
        "taken-largest-scores": scores([-largest, 0, largest], [-largest, 0, largest]),
        "taken-score-far-off": scores([0] * 300 + [1e-45, 1e30], [0] * 300 + [1e-45, 1e30]),
        # Names and scores make the largest table.
        "taken-longest-names": of(
            {
                **RELEASE, "name": "x" * 256,
                "attacks": [
                    {
                        **ATTACK, "name": "y" * 256, "members": 400, "held_out": 400,
                        "member_scores": list(range(400)), "held_out_scores": [score + 0.5 for score in range(400)],
                    }
                ],
            }
        ),
        "taken-largest-numbers": attack(evaluations_per_image=1e15),
        "taken-largest-distances": quality(
            frechet_distance=1.7e308, frechet_distance_floor=-1.7e308, samples=2**63 - 1, inception_score=1.7e308
        ),
        "empty": "",
        "cut": of(RELEASE)[:-1],
        "deep": "[" * 5000,
        # These three, too, ended an earlier version.
        "no-releases": of(),
        "no-interval": attack(auc_interval=[]),
        "one-end": attack(auc_interval=[0.5]),
        "three-ends": attack(tpr_at_1_fpr_interval=[0, 0.5, 1]),
        "ends-exchanged": attack(asr_interval=[0.9, 0.5]),
        "auc-of-two": attack(auc=2),
        "negative-rate": attack(tpr_at_1_fpr=-1e300),
        "optimistic-beyond": attack(optimistic_auc=1e300),
        "endless-evaluations": attack(evaluations_per_image=1.7e308),
        "descending-scores": scores([2, 1], [0, 1]),
        "score-beyond-float": scores([0, 1e39], [0, 1]),
        "fewer-scores": attack(members=3),
        "negative-members": attack(members=-(2**63)),
        "members-beyond-integer": attack(members=2**63),
        "not-a-number": of(RELEASE).replace("0.75", "NaN"),
        "beyond-double": of(RELEASE).replace("0.75", "1e999"),
        "share-of-two": quality(extracted_fraction=2),
        "negative-samples": quality(samples=-1),
        "part-first": of(part, RELEASE),
        "no-parts": of({**RELEASE, "parts": -(2**63)}),
        "other-access": attack(access="root"),
        "long-name": of({**RELEASE, "name": "x" * 4000}),
        "many-releases": of(*[{**RELEASE, "attacks": [], "quality": None}] * 300),
        "many-settings": attack(settings={str(n): "" for n in range(300)}),
        "many-notes": of(RELEASE, protocol=[""] * 5000),
    }


def nearest():
    def images(count, channels=1, height=2, width=2, pixels=None):
        size = count * channels * height * width
        pixels = bytes(n % 256 for n in range(size)) if pixels is None else pixels
        text = base64.b64encode(pixels).decode()
        return {"count": count, "channels": channels, "height": height, "width": width, "pixels": text}

    def pairs(samples, members=None, distances=None, **values):
        distances = [0.5] * samples["count"] if distances is None else distances
        return {"release": "a", "samples": samples, "members": members or samples, "distances": distances, **values}

    plain = pairs(images(2))
    return {
        "taken-none": "[]",
        "taken-plain": json.dumps([plain]),
        "taken-colour": json.dumps([pairs(images(1, channels=3))]),
        "taken-no-pairs": json.dumps([pairs(images(0))]),
        "taken-escapes": json.dumps([pairs(images(1), release="\x1b[2J\u202e")]),
        "taken-wide": json.dumps([pairs(images(1, height=1, width=3000))]),
        "empty": "",
        "cut": json.dumps([plain])[:-1],
        "deep": "[" * 5000,
        "two-releases": json.dumps([plain, plain]),
        # These three ended `diptych audit` of an earlier version.
        "more-distances": json.dumps([pairs(images(1), distances=[1, 2])]),
        "fewer-members": json.dumps([pairs(images(2), images(1))]),
        "no-members": json.dumps([pairs(images(1), images(0))]),
        "fewer-distances": json.dumps([pairs(images(2), distances=[1])]),
        "many-pairs": json.dumps([pairs(images(13))]),
        "other-shape": json.dumps([pairs(images(1), images(1, height=1, width=4))]),
        "two-channels": json.dumps([pairs(images(1, channels=2))]),
        "negative-distance": json.dumps([pairs(images(1), distances=[-1])]),
        "distance-beyond": json.dumps([pairs(images(1), distances=[1e300])]),
        "short": json.dumps([pairs(images(2, pixels=bytes(7)), distances=[0, 0])]),
        "no-height": json.dumps([pairs(images(1, height=0))]),
        "negative-count": json.dumps([pairs(images(-1, pixels=b""), distances=[])]),
        "wraps-to-nothing": json.dumps([pairs(images(2, 1, 2**32, 2**31, b""), distances=[0, 0])]),
        "none-of-endless": json.dumps([pairs(images(0, 1, 2**40, 2**40, b""), distances=[])]),
        "count-beyond-integer": json.dumps([plain]).replace('"count": 2', '"count": 9223372036854775808'),
        "not-base64": json.dumps([plain]).replace("AAEC", "*" * 4),
    }


def examination():
    def verdict(**values):
        return json.dumps(values) + "\n"

    return {
        "taken-good": verdict(fault=None),
        "taken-fault": verdict(fault="a.h5: damaged"),
        "taken-after-words": "a word\n\xff\n" + verdict(fault=None),
        "taken-no-newline": verdict(fault=None)[:-1],
        "taken-escapes": verdict(fault="\x1b[2J\u202e"),
        "taken-long": verdict(fault="x" * 9000),
        "empty": "",
        "newlines": "\n" * 500,
        # Counted as a good file in an earlier version.
        "no-fault": "{}\n",
        "other-key": verdict(faults=None),
        "number": verdict(fault=5),
        "list": "[null]\n",
        "null": "null\n",
        "cut": verdict(fault=None)[:-2],
        "words-after": verdict(fault=None) + "a word\n",
        "not-utf-8": b'{"fault":\xff}\n',
        "zero-bytes": b"\0" * 500,
        "deep": "[" * 5000,
    }


def scores():
    values = [(1 + n * 37 % 101) / 64 for n in range(128)]

    def chunk(values, digest=None):
        body = b"".join(struct.pack("<f", value) for value in values)
        return body + (b"0" * 64 if digest is None else digest(body))

    def own(body):
        return hashlib.sha256(body).hexdigest().encode()

    nan, infinity = float("nan"), float("inf")
    return {
        "taken-plain": chunk(values),
        "taken-own-hash": chunk(values, own),
        # No logarithm can be taken of what should be squares.
        "negative": chunk([-value for value in values]),
        "taken-zeros": chunk([0.0] * 128),
        "taken-tiny": chunk([1e-45] * 128),
        "empty": b"",
        "hash-alone": b"0" * 64,
        "cut": chunk(values)[1:],
        "longer": chunk(values + [1]),
        "other-hash": chunk(values, lambda body: own(body[1:])),
        "capital-hash": chunk(values, lambda body: own(body).upper()),
        "not-a-number": chunk([nan] + values[1:]),
        "not-numbers": chunk([nan] * 128),
        "infinite": chunk([infinity] + values[1:]),
        "infinite-both-ways": chunk([infinity, -infinity] * 64),
    }
