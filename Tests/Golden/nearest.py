"""Writes nearest.json: which pixel torch's nearest interpolation copies, for sizes where rounding decides and others.

Run with PyTorch installed:  python3 Tests/Golden/nearest.py
"""
import json
import pathlib
import sys

import torch

SIZES = [(1, 1), (1, 5), (2, 4), (4, 7), (7, 14), (3, 5), (5, 3), (7, 7), (14, 46), (14, 92), (8, 82), (9, 111), (2, 122)]


def sources(size, out_size):
    row = torch.arange(size, dtype=torch.float32).view(1, 1, 1, size)
    return torch.nn.functional.interpolate(row, size=(1, out_size), mode="nearest").view(-1).long().tolist()


golden = {
    "format": "diptych-golden-nearest",
    "version": 1,
    "made_with": {"python": sys.version.split()[0], "torch": torch.__version__},
    "cases": [{"size": a, "out_size": b, "sources": sources(a, b)} for a, b in SIZES],
}
text = json.dumps(golden)
pathlib.Path(__file__).with_suffix(".json").write_text(text.replace('{"size"', '\n{"size"') + "\n")
