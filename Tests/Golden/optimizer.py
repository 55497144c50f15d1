"""Writes optimizer.json: values after each of eight updates by PyTorch's Adam and AdamW, and clipped gradients.

Run with PyTorch installed:  python3 Tests/Golden/optimizer.py
"""
import json
import pathlib
import sys

import torch

STEPS = 8
START = [0.5, -1.25, 0.0, 3.0, -0.001, 100.0, 0.75]


def gradient(step, index):
    """The same formula stands in the Swift test: exact in binary, with signs and sizes that change."""
    return ((7 * index + 3 * step) % 11 - 5) / 16 * (1 if index != 5 else 1024)


def run(optimizer, **settings):
    values = torch.tensor(START, dtype=torch.float64).requires_grad_()
    update = getattr(torch.optim, optimizer)([values], **settings)
    history = []
    for step in range(STEPS):
        values.grad = torch.tensor([gradient(step, i) for i in range(len(START))], dtype=torch.float64)
        update.step()
        history.append(values.detach().tolist())
    return {"optimizer": optimizer, "settings": settings, "history": history}


def clipped(maximum):
    values = torch.tensor(START, dtype=torch.float64).requires_grad_()
    values.grad = torch.tensor([gradient(1, i) for i in range(len(START))], dtype=torch.float64)
    norm = torch.nn.utils.clip_grad_norm_([values], maximum)
    return {"maximum": maximum, "norm": norm.item(), "gradients": values.grad.tolist()}


golden = {
    "format": "diptych-golden-optimizer",
    "version": 1,
    "made_with": {"python": sys.version.split()[0], "torch": torch.__version__},
    "start": START,
    "runs": [
        run("Adam", lr=0.01, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.0),
        run("Adam", lr=0.002, betas=[0.8, 0.95], eps=1e-3, weight_decay=0.1),
        run("AdamW", lr=0.01, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.1),
    ],
    "clipped": [clipped(1.0), clipped(1e6)],
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
