#!/usr/bin/env python3
"""The attack PIA in PyTorch, for comparison with `diptych audit RUN --attacks pia`, which says its evaluations per second.

The network of jobs/fashion-mnist.yaml, batches of 16, the same eight timesteps; one thread in each process. Start one process for
each rank, side by side:

  for i in 1 2; do OMP_NUM_THREADS=1 VENV/bin/python bench/torch_pia.py --channels-last & done; wait
"""
import argparse
import time

import torch
from diffusers import UNet2DModel

TIMESTEPS = [50, 100, 150, 200, 250, 300, 400, 500]
BATCH = 16


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    labels = torch.zeros(BATCH, dtype=torch.long)

    def predict(x, t):
        return model(x, torch.full((BATCH,), t), class_labels=labels, return_dict=False)[0]

    @torch.inference_mode()
    def attack(x):
        start = predict(x, 0)
        noised = lambda t: bar[t].sqrt() * x + (1 - bar[t]).sqrt() * start
        return torch.stack([(start - predict(noised(t), t)).abs().pow(4).sum((1, 2, 3)) for t in TIMESTEPS])

    x = torch.rand(BATCH, 1, 28, 28) * 2 - 1
    attack(x)
    begun, batches = time.perf_counter(), 0
    while time.perf_counter() - begun < arguments.seconds:
        attack(x)
        batches += 1
    rate = batches * BATCH * (1 + len(TIMESTEPS)) / (time.perf_counter() - begun)
    print(f"{rate:.0f} evaluations/s in one process")


if __name__ == "__main__":
    main()
