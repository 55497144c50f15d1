#!/usr/bin/env python3
"""Attacks in PyTorch, for comparison with `diptych audit RUN --attacks ...`, which says its evaluations per second.

The network of jobs/fashion-mnist.yaml; one thread in each process, batches of 16, the settings of `diptych audit` (docs/audit.md). `gsa`: one
image at a time, ten timesteps, the squared norm of each tensor's gradient at each of them and of their mean; a backward pass
counts as two evaluations. Start one process for each rank, side by side:

  for i in 1 2; do OMP_NUM_THREADS=1 VENV/bin/python bench/torch_attacks.py --attack pia --channels-last & done; wait
"""
import argparse
import itertools
import time

import torch
from diffusers import UNet2DModel

TIMESTEPS = [50, 100, 150, 200, 250, 300, 400, 500]
BATCH = 16
ATTACKS = ["loss", "pia", "sima", "sima-mc", "secmi", "aggregation", "dime", "rediffuse", "gsa"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", choices=ATTACKS, default="pia")
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--channels-last", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = UNet2DModel(
        sample_size=28, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3, norm_num_groups=8,
        attention_head_dim=None, num_class_embeds=11).eval()
    if arguments.channels_last:
        model = model.to(memory_format=torch.channels_last)
    bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)

    def predict(x, t):
        labels = torch.zeros(len(x), dtype=torch.long)
        return model(x, torch.full((len(x),), t), class_labels=labels, return_dict=False)[0]

    def mix(x, noise, t):
        return bar[t].sqrt() * x + (1 - bar[t]).sqrt() * noise

    def ddim(x, noise, t, to):
        return bar[to].sqrt() * (x - (1 - bar[t]).sqrt() * noise) / bar[t].sqrt() + (1 - bar[to]).sqrt() * noise

    def powers(r, p):
        return r.abs().pow(p).sum((1, 2, 3))

    def loss(x):
        noises = [torch.randn_like(x) for _ in range(20)]
        norms = [powers(e - predict(mix(x, e, 25 + 50 * i), 25 + 50 * i), 2) for i, e in enumerate(noises)]
        return 20, torch.stack(norms)

    def pia(x):
        start = predict(x, 0)
        norms = torch.stack([powers(start - predict(mix(x, start, t), t), 4) for t in TIMESTEPS])
        return 1 + len(TIMESTEPS), norms

    def sima(x):
        return 12, torch.stack([powers(predict(x, t), 4) for t in (5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 250, 300)])

    def sima_mc(x):
        norms = [powers(predict(mix(x, torch.randn_like(x), t), t), 4) for t in (50, 100, 200) for _ in range(10)]
        return 30, torch.stack(norms)

    def secmi(x):
        """Forth along the chain; where it has been at t + 10, the prediction there also leads back."""
        norms, on, noise = [], x, predict(x, 0)
        for t in range(0, 160, 10):
            here, on = on, ddim(on, noise, t, t + 10)
            noise = predict(on, t + 10)
            if t >= 30:
                norms.append(powers(ddim(on, noise, t + 10, t) - here, 2))
        return 17, torch.stack(norms)

    def aggregation(x):
        scores = []
        for t in (10, 30, 100):
            noises = [predict(mix(x, torch.randn_like(x), t), t) for _ in range(5)]
            scores.append(sum(powers(a - b, 2).sqrt() for a, b in itertools.combinations(noises, 2)) / 10)
        return 15, torch.stack(scores)

    def dime(x):
        scores = []
        for t in (50, 100, 200):
            scaled = bar[t].sqrt() * x
            start = predict(scaled, t)
            for radius in (0.3, 1.0):
                width = radius * (1 - bar[t]).sqrt()
                signs = [torch.randint(0, 2, x.shape) * 2.0 - 1 for _ in range(10)]
                seen = [predict(scaled + width * sign, t) for sign in signs]
                scores.append(sum(powers(e, 2).sqrt() for e in seen) / 10)
                scores.append(sum((z * (e - start)).sum((1, 2, 3)) for z, e in zip(signs, seen)) / (10 * width))
        return 63, torch.stack(scores)

    def rediffuse(x):
        scores = []
        for t in (100, 200):
            mean = torch.zeros_like(x)
            for _ in range(10):
                y = mix(x, torch.randn_like(x), t)
                for now, to in ((t, t // 2), (t // 2, 0)):
                    y = ddim(y, predict(y, now), now, to)
                mean += y / 10
            scores.append(powers(x - mean, 2))
        return 40, torch.stack(scores)

    def gsa(x):
        parameters = list(model.parameters())
        total = [torch.zeros_like(p) for p in parameters]
        squares = 0
        for t in range(50, 1000, 100):
            noise = torch.randn_like(x[:1])
            noised = bar[t].sqrt() * x[:1] + (1 - bar[t]).sqrt() * noise
            gradients = torch.autograd.grad((predict(noised, t) - noise).square().mean(), parameters)
            squares = squares + torch.stack([g.square().sum() for g in gradients])
            for sum, gradient in zip(total, gradients):
                sum += gradient
        return 30 / BATCH, (squares / 10, torch.stack([(sum / 10).square().sum() for sum in total]))

    attack = dict(zip(ATTACKS, (loss, pia, sima, sima_mc, secmi, aggregation, dime, rediffuse, gsa)))[arguments.attack]
    x = torch.rand(BATCH, 1, 28, 28) * 2 - 1
    with torch.inference_mode(arguments.attack != "gsa"):
        attack(x)
        begun, evaluations = time.perf_counter(), 0
        while time.perf_counter() - begun < arguments.seconds:
            evaluations += BATCH * attack(x)[0]
    print(f"{arguments.attack}: {evaluations / (time.perf_counter() - begun):.0f} evaluations/s in one process")


if __name__ == "__main__":
    main()
