#!/usr/bin/env python3
"""Attacks in PyTorch, for comparison with `diptych audit RUN --attacks ...`, which says its evaluations per second.

The network of jobs/fashion-mnist.yaml; one thread in each process. `pia`: batches of 16, the same eight timesteps. `gsa`: one image at a
time, ten timesteps, the squared norm of each tensor's gradient at each of them and of their mean; a backward pass counts as
two evaluations. Start one process for each rank, side by side:

  for i in 1 2; do OMP_NUM_THREADS=1 VENV/bin/python bench/torch_attacks.py --channels-last & done; wait
"""
import argparse
import time

import torch
from diffusers import UNet2DModel

TIMESTEPS = [50, 100, 150, 200, 250, 300, 400, 500]
BATCH = 16


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", choices=["pia", "gsa"], default="pia")
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

    @torch.inference_mode()
    def pia(x):
        start = predict(x, 0)
        noised = lambda t: bar[t].sqrt() * x + (1 - bar[t]).sqrt() * start
        norms = torch.stack([(start - predict(noised(t), t)).abs().pow(4).sum((1, 2, 3)) for t in TIMESTEPS])
        return BATCH * (1 + len(TIMESTEPS)), norms

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
        return 30, (squares / 10, torch.stack([(sum / 10).square().sum() for sum in total]))

    attack = dict(pia=pia, gsa=gsa)[arguments.attack]
    x = torch.rand(BATCH, 1, 28, 28) * 2 - 1
    attack(x)
    begun, evaluations = time.perf_counter(), 0
    while time.perf_counter() - begun < arguments.seconds:
        evaluations += attack(x)[0]
    print(f"{arguments.attack}: {evaluations / (time.perf_counter() - begun):.0f} evaluations/s in one process")


if __name__ == "__main__":
    main()
