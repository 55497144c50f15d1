#!/usr/bin/env python3
"""Writes networks.json: scores of the attacks that train networks, in PyTorch and float64, on formula answers.

SecMI NNs is the authors' recipe on their kind of ResNet-18, quantile regression a vote of seven small networks. First
weights, orders, bootstraps, images and t-errors are formula numbers (formula.py), so that a test can repeat the training.

SecMI NNs has two steps only. Rounding grows with every further one, since a unit that crosses zero changes everything after
it: after 30 steps PyTorch's own float32 and float64 have nothing in common any more. The networks of the vote are calm.

  VENV/bin/python networks.py
"""
import json
import math
import pathlib

import numpy as np
import sklearn
import torch
from sklearn import metrics
from torch import nn
from torch.nn import functional

import formula

torch.set_num_threads(1)
VOTES, QUANTILES = 7, (0.05, 0.2, 0.5)
# What SecMI measures on the linear schedule: 13 t-errors with 3 filtered ones each, then the residual image.
IMAGE, T_ERROR = 13 * 4, 6 * 4


class Case:
    """Rows of formula numbers, every second of which is a member; the first ones calibrate."""

    def __init__(self, shape, rows, calibration, epochs, batch):
        self.shape, self.rows, self.calibration, self.epochs, self.batch = shape, rows, calibration, epochs, batch
        self.size, self.member = math.prod(shape), np.arange(rows) % 2 == 0

    def answers(self):
        width = IMAGE + self.size
        values = np.float32(np.abs(formula.uniform("answers", self.rows * width))).reshape(self.rows, width)
        factors = np.where(self.member, np.float32(0.875), np.float32(1))[:, None]
        return ((values + np.float32(0.01)) * factors).astype(np.float64)

    def images(self):
        values = np.float32(formula.uniform("images", self.rows * self.size)).astype(np.float64)
        return torch.from_numpy(values).reshape(self.rows, *self.shape)

    def attack(self, settings, scores):
        test = np.arange(self.calibration, self.rows)
        area = metrics.roc_auc_score(self.member[test], scores[test])
        return dict(settings=settings, auc=float(area), scores=[float(f"{v:.9g}") for v in scores])

    def golden(self, settings, scores):
        return dict(
            shape=self.shape, rows=self.rows, calibration=self.calibration, epochs=self.epochs, batch=self.batch,
            attacks=[self.attack(s, v) for s, v in zip(settings, scores)])


def order(count, network, epoch):
    return np.argsort(formula.uniform(f"order {network} {epoch}", count), kind="stable")


def batches(rows, most):
    number = -(-len(rows) // most)
    return [rows[len(rows) * i // number : len(rows) * (i + 1) // number] for i in range(number)]


def load(model, network):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(formula.weight(f"{network}.{name}", tuple(parameter.shape))))
    return model


class Block(nn.Module):
    def __init__(self, source, target, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(source, target, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(target)
        self.conv2 = nn.Conv2d(target, target, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(target)
        self.shortcut = nn.Identity() if stride == 1 and source == target else nn.Sequential(
            nn.Conv2d(source, target, 1, stride, bias=False), nn.BatchNorm2d(target))

    def forward(self, x):
        inner = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (inner + self.shortcut(x)).relu()


class ResNet18(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        for stage in range(1, 5):
            first = Block(widths[stage - 1], widths[stage], 1 if stage == 1 else 2)
            setattr(self, f"layer{stage}", nn.Sequential(first, Block(widths[stage], widths[stage], 1)))
        self.linear = nn.Linear(512, 1)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.linear(x.mean((2, 3)))


class Stage(nn.Module):
    def __init__(self, source, target):
        super().__init__()
        if source != target:
            self.halving = nn.Conv2d(source, target, 3, 2, 1)
        for index in range(2):
            setattr(self, f"norm{index}", nn.GroupNorm(4, target))
            setattr(self, f"conv{index}", nn.Conv2d(target, target, 3, 1, 1))

    def forward(self, x):
        x = self.halving(x) if hasattr(self, "halving") else x
        hidden = self.conv0(functional.silu(self.norm0(x)))
        return x + self.conv1(functional.silu(self.norm1(hidden)))


class Small(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.stem = nn.Conv2d(shape[0], 16, 3, 1, 1)
        self.stages = nn.Sequential(Stage(16, 16), Stage(16, 32), Stage(32, 64))
        self.head = nn.Conv2d(64, len(QUANTILES), ((shape[1] + 3) // 4, (shape[2] + 3) // 4))

    def forward(self, x):
        return self.head(self.stages(self.stem(x))).flatten(1)


def secmi(case):
    rows = np.arange(case.calibration)
    residual = torch.from_numpy(case.answers()[:, IMAGE:]).reshape(case.rows, *case.shape)
    residual = residual / residual[rows].square().mean().sqrt()
    labels = torch.from_numpy(case.member.astype(np.float64))[:, None]
    model = load(ResNet18(case.shape[0]).double(), 0).train()
    descent = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    for epoch in range(case.epochs):
        for chosen in batches(rows[order(len(rows), 0, epoch)], case.batch):
            descent.zero_grad()
            ((model(residual[chosen]) - labels[chosen]) ** 2).mean().backward()
            descent.step()
    with torch.no_grad():
        scores = model.eval()(residual)[:, 0].numpy()
    return case.golden([dict(timestep="90")], [scores])


def quantile(case):
    others = np.arange(case.calibration)[~case.member[: case.calibration]]
    errors = np.log(case.answers()[:, T_ERROR])
    errors = torch.from_numpy(errors - errors[others].mean())[:, None]
    levels = torch.tensor(QUANTILES, dtype=torch.float64)
    images, predicted = case.images(), []
    for network in range(VOTES):
        model = load(Small(case.shape).double(), network)
        bag = others[formula.integers(f"bootstrap {network}", len(others), len(others))]
        adam = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=5e-4)
        steps, step = case.epochs * len(batches(bag, case.batch)), 0
        for epoch in range(case.epochs):
            for chosen in batches(bag[order(len(bag), network, epoch)], case.batch):
                adam.param_groups[0]["lr"] = 1e-3 * min(1, (steps - step) / (steps // 2))
                adam.zero_grad()
                distance = errors[chosen] - model(images[chosen])
                torch.maximum(levels * distance, (levels - 1) * distance).sum(1).mean().backward()
                adam.step()
                step += 1
        with torch.no_grad():
            predicted.append(model(images))
    scores = (torch.stack(predicted).median(0).values - errors).numpy().T
    return case.golden([dict(timestep="90", quantile=str(q)) for q in QUANTILES], scores)


golden = dict(
    format="diptych golden networks", tools=dict(formula.tool_versions(), sklearn=sklearn.__version__),
    secmi=secmi(Case((2, 16, 12), 48, 32, epochs=2, batch=32)),
    quantile=quantile(Case((2, 8, 6), 200, 140, epochs=15, batch=32)))
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
