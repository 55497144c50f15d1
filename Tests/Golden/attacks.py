#!/usr/bin/env python3
"""Writes attacks.json: the scores of every membership attack on a small UNet2DModel, in PyTorch and float64.

Each attack is written out as its paper has it, without the shortcuts that the Swift code takes: SecMI goes forth and
back, the low-pass filter is a Fourier transform, GSA's mean gradient is the gradient of the mean. Weights, images and
noise are formula numbers (formula.py). Scores are those of Sources/Privacy/Attacks: greater means member. Each setting has
the area under its ROC curve, by scikit-learn; every second image is called a member.

The last case is a release of two models, as of DualMD: attacks ask them in turn, and by `joined` their scores are joined.

  VENV/bin/python attacks.py
"""
import itertools
import json
import math
import pathlib

import numpy as np
import torch
from sklearn import metrics

import formula
import unet

CASE = "attacks"
HEIGHT, WIDTH, CHANNELS, COUNT = 14, 12, 2, 8
SAMPLES = 5
unet.MODELS[CASE] = dict(
    sample_size=(HEIGHT, WIDTH), in_channels=CHANNELS, out_channels=CHANNELS, layers_per_block=1,
    block_out_channels=(16, 32), norm_num_groups=4, attention_head_dim=None, **unet.types([False, True]))
SHAPE = (CHANNELS, HEIGHT, WIDTH)
ITEMS = [3 * i + 1 for i in range(COUNT)]
MEMBERS = np.arange(COUNT) % 2 == 0
MODELS = [unet.build(CASE), unet.build(CASE)]
with torch.no_grad():
    for key, parameter in MODELS[1].named_parameters():
        parameter.copy_(torch.from_numpy(formula.weight("second " + key, tuple(parameter.shape))))
# The members of each part, for the attacker who knows the split: their places in the data set. The first of each is a
# candidate, which is not its own neighbour.
PARTS = [[ITEMS[0], 30, 31, 32], [ITEMS[2], 40, 41]]


def noise(use, draw):
    rows = [math.sqrt(3) * formula.uniform(f"{use} {draw} {item}", math.prod(SHAPE)) for item in ITEMS]
    return torch.from_numpy(np.float32(rows).astype(np.float64)).reshape(COUNT, *SHAPE)


def signs(use, draw):
    rows = [formula.uniform(f"signs {use} {draw} {item}", math.prod(SHAPE)) for item in ITEMS]
    return torch.from_numpy(np.where(np.array(rows) < 0, -1.0, 1.0)).reshape(COUNT, *SHAPE)


def images():
    """Smooth images within [-1, 1], as float32 has them."""
    rows = [formula.uniform(f"candidate {item}", math.prod(SHAPE)) for item in ITEMS]
    return torch.from_numpy(np.float32(rows).astype(np.float64)).reshape(COUNT, *SHAPE)


class Release:
    def __init__(self, schedule, prediction, models):
        steps = 1000
        if schedule == "linear":
            betas = np.linspace(1e-4, 0.02, steps)
        else:
            level = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
            betas = np.minimum(1 - level[1:] / level[:-1], 0.999)
        self.betas, self.alphas, self.bar = betas, 1 - betas, np.cumprod(1 - betas)
        self.prediction, self.models = prediction, models
        self.published = np.cumprod(1 - np.linspace(1e-4, 0.02, steps))

    def nominal(self, timesteps):
        logit = lambda a: np.log(a / (1 - a))
        return sorted({int(np.argmin(np.abs(logit(self.bar) - logit(self.published[t])))) for t in timesteps})

    def s(self, t):
        return math.sqrt(self.bar[t])

    def d(self, t):
        return math.sqrt(1 - self.bar[t])

    def output(self, x, t, query):
        model = self.models[query % len(self.models)]
        return model(x, torch.full((len(x),), t), return_dict=False)[0]

    def eps(self, x, t, query):
        """The noise that the model whose turn it is sees; `query` counts those of one attempt."""
        with torch.no_grad():
            out = self.output(x, t, query)
        return out if self.prediction == "epsilon" else self.s(t) * out + self.d(t) * x

    def mix(self, x, e, t):
        return self.s(t) * x + self.d(t) * e

    def ddim(self, x, e, t, to):
        return self.s(to) * (x - self.d(t) * e) / self.s(t) + self.d(to) * e


def norm(r, p):
    return (r.abs() ** p).flatten(1).sum(1) ** (1 / p)


def low_pass(r, radius):
    spectrum = torch.fft.fftshift(torch.fft.fft2(r), dim=(-2, -1))
    y = torch.arange(HEIGHT) - HEIGHT // 2
    x = torch.arange(WIDTH) - WIDTH // 2
    mask = torch.where((y[:, None] ** 2 + x[None, :] ** 2).sqrt() > radius, 0.2, 1.0)
    filtered = torch.fft.ifft2(torch.fft.ifftshift(spectrum * mask, dim=(-2, -1)))
    # The mask is that of real images: frequencies and their negatives are treated alike.
    assert filtered.imag.abs().max() < 1e-9
    return (filtered.abs() ** 2).flatten(1).sum(1)


def strata(count, steps=1000):
    return [(2 * i + 1) * steps // (2 * count) for i in range(count)]


def run(release, x):
    out = {}

    def add(name, settings, scores):
        out.setdefault(name, []).append(dict(settings=settings, scores=[float(v) for v in scores]))

    def seen(item):
        pixels = formula.integers(f"image {item}", math.prod(SHAPE), 256)
        if item in ITEMS:
            pixels = np.clip(np.floor((formula.uniform(f"candidate {item}", math.prod(SHAPE)) + 1) * 127.5 + 0.5), 0, 255)
        return torch.from_numpy(np.float32(pixels / 127.5 - 1).astype(np.float64)).reshape(SHAPE)

    def residual(name, settings, r, p):
        add(name, settings, -(norm(r, p) ** p))
        for radius in (3, 5, 8):
            add(name + "-f", dict(settings, radius=str(radius)), -low_pass(r, radius))

    # loss, its average, the likelihood bound
    losses = []
    for draw, t in enumerate(strata(20)):
        e = noise("loss", draw)
        r = e - release.eps(release.mix(x, e, t), t, draw)
        residual("loss", dict(timestep=str(t)), r, 2)
        losses.append((t, norm(r, 2) ** 2))
    add("loss-average", {}, -sum(l for _, l in losses) / len(losses))

    def weight(t):
        beta, alpha, bar = release.betas[t], release.alphas[t], release.bar[t]
        sigma2 = beta * (1 - release.bar[t - 1]) / (1 - bar)
        return beta**2 / (2 * sigma2 * alpha * (1 - bar))
    add("likelihood", {}, -sum(weight(t) * l for t, l in losses))

    # PIA, PIAN
    start = release.eps(x, 0, 0)
    normalized = start / start.abs().mean((1, 2, 3), keepdim=True) * math.sqrt(2 / math.pi)
    for name, e in (("pia", start), ("pian", normalized)):
        for t in release.nominal([50, 100, 150, 200, 250, 300, 400, 500]):
            residual(name, dict(timestep=str(t)), e - release.eps(release.mix(x, e, t), t, 1), 4)

    # SecMI: inversion, then one step on and back
    chain = sorted({0, *release.nominal(range(10, 161, 10))})
    for position in range(3, len(chain) - 1):
        y = x
        for query, (t, to) in enumerate(zip(chain[:position], chain[1:position + 1])):
            y = release.ddim(y, release.eps(y, t, query), t, to)
        t, to = chain[position], chain[position + 1]
        on = release.ddim(y, release.eps(y, t, position), t, to)
        back = release.ddim(on, release.eps(on, to, position + 1), to, t)
        residual("secmi", dict(timestep=str(t)), back - y, 2)

    # SimA, SimA-MC
    for query, t in enumerate(release.nominal([5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 250, 300])):
        add("sima", dict(timestep=str(t)), -(norm(release.eps(x, t, query), 4) ** 4))
    for index, t in enumerate(release.nominal([50, 100, 200])):
        draws = [index * 10 + k for k in range(10)]
        norms = [norm(release.eps(release.mix(x, noise("sima", draw), t), t, draw), 4) for draw in draws]
        for count in (1, 3, 10):
            add("sima-mc", dict(timestep=str(t), noises=str(count)), -sum(norms[:count]) / count)

    # DIME
    standard = lambda v: (v - v.mean()) / v.std(correction=0)
    for index, t in enumerate(release.nominal([50, 100, 200])):
        g = release.s(t) * x
        e0 = release.eps(g, t, 0)
        for place, gamma in enumerate((0.3, 1.0)):
            z = [signs("dime", (index * 2 + place) * 10 + k) for k in range(10)]
            e = [release.eps(g + gamma * release.d(t) * s, t, probe + 1) for probe, s in enumerate(z)]
            for q in (1, 10):
                bias = sum(norm(v, 2) for v in e[:q]) / q
                trace = sum((s * (v - e0)).flatten(1).sum(1) for s, v in zip(z[:q], e[:q])) / (q * gamma * release.d(t))
                for degrees in range(-75, 91, 15):
                    angle = math.radians(degrees)
                    add("dime", dict(timestep=str(t), radius=str(gamma), probes=str(q), angle=str(degrees)),
                        -(math.cos(angle) * standard(bias**2) + math.sin(angle) * standard(trace)))

    # small-noise aggregation
    for index, t in enumerate(release.nominal([10, 30, 100])):
        draws = [index * 5 + k for k in range(5)]
        e = [release.eps(release.mix(x, noise("aggregation", draw), t), t, draw) for draw in draws]
        pairs = [norm(a - b, 2) for a, b in itertools.combinations(e, 2)]
        add("aggregation", dict(timestep=str(t)), -sum(pairs) / len(pairs))

    # ReDiffuse
    for index, t in enumerate(release.nominal([100, 200])):
        variations = []
        for k in range(10):
            y = release.mix(x, noise("rediffuse", index * 10 + k), t)
            for query, (now, to) in enumerate(((t, t // 2), (t // 2, 0))):
                y = release.ddim(y, release.eps(y, now, query), now, to)
            variations.append(y)
        for count in (1, 10):
            add("rediffuse", dict(timestep=str(t), variations=str(count)),
                -(norm(x - sum(variations[:count]) / count, 2) ** 2))

    # GAN-Leaks
    pixels = ((x + 1) * 127.5 + 0.5).floor().clamp(0, 255)
    made = torch.from_numpy(np.array([formula.integers(f"sample {i}", math.prod(SHAPE), 256) for i in range(SAMPLES)]))
    distances = torch.cdist(pixels.flatten(1), made.double()).min(1).values / 127.5 / math.sqrt(math.prod(SHAPE))
    add("gan-leaks", dict(samples=str(SAMPLES)), -distances)

    # ours: the lean of the denoised nearest member of each part
    for index, t in enumerate(release.nominal([100, 200, 300, 400])):
        leans = []
        for part in PARTS:
            near = []
            for item, image in zip(ITEMS, x):
                others = [seen(other) for other in part if other != item]
                near.append(min(others, key=lambda other: (other - image).square().sum()))
            near = torch.stack(near)
            clean = 0
            for draw in range(2):
                y = release.mix(near, noise("neighbours", index * 2 + draw), t)
                clean = clean + (y - release.d(t) * release.eps(y, t, draw)) / release.s(t) / 2
            leans.append(((clean - near) * (x - near)).flatten(1).sum(1) / (x - near).square().flatten(1).sum(1))
        leans = torch.stack(leans)
        for name, joined in (
                ("greatest", leans.amax(0)), ("mean", leans.mean(0)), ("spread", leans.amax(0) - leans.amin(0))):
            add("neighbours", dict(timestep=str(t), join=name), joined)
    return out


def join(each):
    """The scores of several models, each standardised over all images, joined in three ways."""
    out = {}
    for name in ("pia", "secmi"):
        for models in zip(*(scores[name] for scores in each)):
            values = np.array([setting["scores"] for setting in models])
            values = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
            for how, scores in (
                    ("greatest", values.max(0)), ("mean", values.mean(0)), ("spread", values.max(0) - values.min(0))):
                settings = dict(models[0]["settings"], join=how)
                out.setdefault(name, []).append(dict(settings=settings, scores=[float(v) for v in scores]))
    return out


def gradients(release, x):
    """Squared gradient norms by tensor, names in bytewise order: of the mean loss, then the mean over timesteps."""
    parameters = sorted(release.models[0].named_parameters(), key=lambda pair: pair[0].encode())
    rows = []
    for image in range(COUNT // 2):
        each, losses = [], []
        for draw, t in enumerate(strata(10)):
            clean, e = x[image:image + 1], noise("gradients", draw)[image:image + 1]
            target = e if release.prediction == "epsilon" else release.s(t) * e - release.d(t) * clean
            loss = ((release.output(release.mix(clean, e, t), t, 0) - target) ** 2).mean()
            grads = torch.autograd.grad(loss, [p for _, p in parameters], retain_graph=True)
            each.append([g.square().sum().item() for g in grads])
            losses.append(loss)
        mean = torch.autograd.grad(sum(losses) / len(losses), [p for _, p in parameters])
        rows.append([g.square().sum().item() for g in mean] + list(np.mean(each, axis=0)))
    return rows


def shortened(attacks):
    """Nine digits of every score, and the area under the curve of all digits."""
    for settings in attacks.values():
        for setting in settings:
            setting["auc"] = float(metrics.roc_auc_score(MEMBERS, setting["scores"]))
            setting["scores"] = [float(f"{v:.9g}") for v in setting["scores"]]
    return attacks


cases = []
for schedule, prediction in (("linear", "epsilon"), ("cosine", "v")):
    release = Release(schedule, prediction, MODELS[:1])
    case = dict(schedule=schedule, prediction=prediction, models=1, attacks=shortened(run(release, images())))
    case["gradients"] = [[float(f"{v:.9g}") for v in row] for row in gradients(release, images())]
    cases.append(case)
each = [run(Release("linear", "epsilon", [model]), images()) for model in MODELS]
mixed = run(Release("linear", "epsilon", MODELS), images())
cases.append(dict(
    schedule="linear", prediction="epsilon", models=2, attacks=shortened(mixed), joined=shortened(join(each)), gradients=[]))
golden = dict(format="diptych golden attacks", tools=formula.tool_versions(), items=ITEMS, parts=PARTS, cases=cases)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
