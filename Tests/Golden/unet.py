#!/usr/bin/env python3
"""Writes unet-*.golden: diffusers' UNet2DModel in float64, its outputs and all parameter gradients.

Weights, inputs and targets are formula numbers (formula.py). Each file holds the loss mean((model(x, t) - target)^2),
the outputs, every parameter's name and shape, the L2 norm of its gradient, and the gradient's sketch (README.md).
`--full FILE` writes the whole gradients of one configuration instead, for `make parity`.

Two places differ from diffusers, on purpose:
- the sinusoidal embedding is computed in float64 (diffusers: float32); the script asserts that they agree to 1e-4;
- up-samplers get the size of the skip connection they feed, as diffusers' UNet2DConditionModel does; its UNet2DModel
  does not, and so refuses image sizes that the levels do not divide. Where they do divide, the two are the same.

  python3 -m venv VENV && VENV/bin/pip install -r requirements.txt && VENV/bin/python unet.py
"""
import argparse
import functools
import math
import os
import time

import numpy as np
import torch
from diffusers import UNet2DModel

import formula


def types(attention):
    down = tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention)
    up = tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention))
    return dict(down_block_types=down, up_block_types=up)


MODELS = {
    "fashion-mnist": dict(
        sample_size=28, in_channels=1, out_channels=1, layers_per_block=2, block_out_channels=(32, 64, 64),
        norm_num_groups=8, attention_head_dim=None, **types([False, True, False])),
    # the network of google/ddpm-cifar10-32
    "ddpm-cifar10": dict(
        sample_size=32, in_channels=3, out_channels=3, layers_per_block=2, block_out_channels=(128, 256, 256, 256),
        norm_num_groups=32, norm_eps=1e-6, attention_head_dim=None, flip_sin_to_cos=False, freq_shift=1,
        downsample_padding=0, **types([False, True, False, False])),
    "several-heads": dict(
        sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(32, 64),
        norm_num_groups=8, attention_head_dim=8, **types([True, True])),
    "class-conditional": dict(
        sample_size=(15, 13), in_channels=2, out_channels=3, layers_per_block=1, block_out_channels=(25, 35, 45),
        norm_num_groups=5, attention_head_dim=5, freq_shift=1, downsample_padding=0, num_class_embeds=7,
        **types([False, True, True])),
}
BATCH = 2


class DoubleTimesteps(torch.nn.Module):
    """diffusers' get_timestep_embedding in float64."""

    def __init__(self, theirs):
        super().__init__()
        self.theirs = theirs

    def forward(self, timesteps):
        half = self.theirs.num_channels // 2
        exponent = -math.log(10000) * torch.arange(half, dtype=torch.float64) / (half - self.theirs.downscale_freq_shift)
        angles = timesteps[:, None].double() * torch.exp(exponent)[None]
        parts = [torch.sin(angles), torch.cos(angles)]
        embedding = torch.cat(parts[::-1] if self.theirs.flip_sin_to_cos else parts, dim=-1)
        embedding = torch.nn.functional.pad(embedding, (0, self.theirs.num_channels % 2))
        assert torch.allclose(embedding, self.theirs(timesteps).double(), rtol=0, atol=1e-4)
        return embedding


def follow_skips(model):
    """Makes each up-sampler produce the size of the skip connection that the next up block takes."""
    sizes = {}

    def remember(level, _module, _inputs, output):
        sizes[level] = tuple(output.shape[-2:])

    for level, block in enumerate(model.down_blocks):
        block.resnets[0].register_forward_hook(functools.partial(remember, level))
    for index, block in enumerate(model.up_blocks[:-1]):
        upsampler, level = block.upsamplers[0], len(model.down_blocks) - 2 - index
        theirs = upsampler.forward
        upsampler.forward = lambda x, _size=None, f=theirs, level=level: f(x, sizes[level])


def build(name):
    with torch.device("meta"):
        model = UNet2DModel(**MODELS[name])
    model = model.to_empty(device="cpu").double()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(formula.weight(key, tuple(parameter.shape))))
    model.time_proj = DoubleTimesteps(model.time_proj)
    follow_skips(model)
    return model.eval()


def images(name, shape):
    return torch.from_numpy(math.sqrt(3) * formula.uniform(name, int(np.prod(shape)))).float().double().reshape(shape)


def example(name, batch):
    """Inputs, timesteps, labels and targets; images have an RMS of 1."""
    options = MODELS[name]
    size = options["sample_size"]
    height, width = size if isinstance(size, tuple) else (size, size)
    x = images(f"{name} input", (batch, options["in_channels"], height, width))
    target = images(f"{name} target", (batch, options["out_channels"], height, width))
    timesteps = torch.from_numpy(formula.integers(f"{name} timesteps", batch, 1000))
    classes = options.get("num_class_embeds")
    labels = torch.from_numpy(formula.integers(f"{name} labels", batch, classes)) if classes else None
    return x, timesteps, labels, target


def loss_of(model, data):
    x, timesteps, labels, target = data
    output = model(x, timesteps, class_labels=labels, return_dict=False)[0]
    return ((output - target) ** 2).mean(), output


class BlockSizes:
    """Collects the RMS of every block's output, and multiply-adds of convolutions and linear layers per image."""

    def __init__(self, model):
        self.rms, self.multiply_adds = {}, 0
        for key, module in model.named_modules():
            kind = type(module).__name__
            if key in ("conv_in", "conv_out", "time_embedding", "mid_block") or kind.endswith("Block2D") or kind in (
                    "Attention", "Downsample2D", "Upsample2D"):
                module.register_forward_hook(functools.partial(self.measure, key))
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.register_forward_hook(self.count)

    def measure(self, key, _module, _inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        self.rms[key] = output.detach().square().mean().sqrt().item()

    def count(self, module, _inputs, output):
        positions = output.numel() // output.shape[0]
        self.multiply_adds += positions * module.weight[0].numel()


def header(name, model, batch):
    shapes = [[key, list(value.shape)] for key, value in model.state_dict().items()]
    return dict(
        tools=formula.tool_versions(), configuration=name, batch=batch,
        parameters=[key for key, _ in shapes], shapes=[shape for _, shape in shapes])


def gradients(name, check=True):
    model, data = build(name), example(name, BATCH)
    sizes = BlockSizes(model)
    loss, output = loss_of(model, data)
    loss.backward()
    outside = {key: round(rms, 3) for key, rms in sizes.rms.items() if not 0.5 <= rms <= 2}
    assert not (check and outside), f"{name}: blocks with an RMS outside 0.5...2: {outside}"
    found = [(key, value.grad.numpy()) for key, value in model.named_parameters()]
    record = dict(
        header(name, model, BATCH), loss=loss.item(), timesteps=data[1].tolist(),
        labels=None if data[2] is None else data[2].tolist(), norms=[float(np.linalg.norm(g)) for _, g in found],
        convolution_and_linear_multiply_adds_per_image=sizes.multiply_adds)
    return record, output.detach().numpy(), found, sizes.rms


def noised_example(name, batch, step):
    """What a step of training sees: images mixed with noise, and the noise as the target."""
    x, timesteps, labels, _ = example(name, batch)
    clean, noise = images(f"{name} clean {step}", x.shape), images(f"{name} noise {step}", x.shape)
    timesteps = torch.from_numpy(formula.integers(f"{name} timesteps {step}", batch, 1000))
    return (0.6 * clean + 0.8 * noise).float().double(), timesteps, labels, noise


def adam_steps(name, batch, steps):
    """Losses of Adam (2e-4) with gradients clipped to norm 1, on fresh images and noise at each step."""
    model, losses = build(name), []
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    for step in range(steps):
        loss, _ = loss_of(model, noised_example(name, batch, step))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return dict(header(name, model, batch), losses=losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, help="only this configuration")
    parser.add_argument("--full", metavar="FILE", help="write the whole gradients of --model to FILE")
    parser.add_argument("--rms", action="store_true", help="print the RMS of every block's output")
    arguments = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    for name in [arguments.model] if arguments.model else MODELS:
        start = time.perf_counter()
        record, output, found, rms = gradients(name, check=not arguments.rms)
        if arguments.rms:
            print(*(f"{value:6.3f} {key}" for key, value in rms.items()), sep="\n")
        elif arguments.full:
            formula.write(arguments.full, record, [("output", output)] + found)
        else:
            path = os.path.join(here, f"unet-{name}.golden")
            formula.write(path, record, [("output", output)] + [(key, formula.sketch(key, g)) for key, g in found])
        print(f"{name}: {sum(g.size for _, g in found)} parameters in {len(found)} tensors, loss {record['loss']:.6f}, "
              f"RMS {min(rms.values()):.2f} to {max(rms.values()):.2f}, {time.perf_counter() - start:.1f} s")
    if not arguments.model:
        record = adam_steps("fashion-mnist", batch=8, steps=200)
        formula.write(os.path.join(here, "unet-adam-steps.golden"), record, [])


if __name__ == "__main__":
    main()
