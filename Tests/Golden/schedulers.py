#!/usr/bin/env python3
"""Writes schedulers.json: diffusers' DDPMScheduler and DDIMScheduler, stepped with formula numbers in float64.

diffusers keeps its tables in float32. Here they are recomputed in float64, compared with diffusers' own, and put in
their place, so that its step functions run in float64 from end to end.

Spacing "leading" (t = i * (T // steps)) and "trailing" (t = round(T - i * T / steps) - 1) are diffusers'. Noise is
drawn by diffusers for every t > 0; with trailing spacing and fixed_large that includes the last step, which this
project leaves noiseless, so that pair is not written. diffusers' DDIM takes t - T // steps as the next timestep even
where the list of timesteps says otherwise (T not divisible by steps, trailing); that is not written either.

  python3 -m venv VENV && VENV/bin/pip install -r requirements.txt && VENV/bin/python schedulers.py
"""
import itertools
import json
import math
import os

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddim, scheduling_ddpm

import formula

TIMESTEPS, WIDTH = 1000, 3
SAMPLED = [0, 1, 2, 10, 99, 250, 500, 750, 900, 990, 998, 999]


def double_betas(kind):
    if kind == "linear":
        return torch.linspace(1e-4, 0.02, TIMESTEPS, dtype=torch.float64)
    if kind == "scaled_linear":
        return torch.linspace(1e-4**0.5, 0.02**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    bar = [math.cos((i / TIMESTEPS + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(TIMESTEPS + 1)]
    return torch.tensor([min(1 - b / a, 0.999) for a, b in zip(bar, bar[1:])], dtype=torch.float64)


def in_double(scheduler, kind):
    betas = double_betas(kind)
    assert torch.allclose(scheduler.betas.double(), betas, rtol=2e-5, atol=1e-9), kind
    scheduler.betas, scheduler.alphas = betas, 1 - betas
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, dim=0)
    scheduler.one = scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return scheduler


def model_output(x, t):
    return 1.5 * torch.tensor(formula.uniform(f"output {t}", WIDTH)) + 0.25 * x


def noise(t):
    return torch.tensor(math.sqrt(3) * formula.uniform(f"noise {t}", WIDTH))


def trajectory(kind, prediction, sampler, clip, spacing, steps):
    options = dict(
        num_train_timesteps=TIMESTEPS, beta_start=1e-4, beta_end=0.02, beta_schedule=kind, clip_sample=clip,
        clip_sample_range=1.0, prediction_type=prediction, thresholding=False, timestep_spacing=spacing,
        steps_offset=0, rescale_betas_zero_snr=False)
    if sampler.startswith("fixed"):
        scheduler = in_double(DDPMScheduler(variance_type=sampler, **options), kind)
        extra = {}
    else:
        scheduler = in_double(DDIMScheduler(set_alpha_to_one=True, **options), kind)
        extra = dict(eta=float(sampler), use_clipped_model_output=False)
    scheduler.set_timesteps(steps)
    x, states = torch.tensor(formula.uniform("start", WIDTH)) * math.sqrt(3), []
    for t in scheduler.timesteps.tolist():
        drawn = lambda *_, **__: noise(t)  # noqa: E731
        scheduling_ddpm.randn_tensor = scheduling_ddim.randn_tensor = drawn
        x = scheduler.step(model_output(x, t)[None], t, x[None], **extra).prev_sample[0]
        assert x.dtype == torch.float64
        states.append(x.tolist())
    return dict(
        schedule=kind, prediction=prediction, sampler=sampler, clip=clip, spacing=spacing, steps=steps,
        timesteps=scheduler.timesteps.tolist(), states=states)


def main():
    kinds = ["linear", "scaled_linear", "squaredcos_cap_v2"]
    predictions = ["epsilon", "sample", "v_prediction"]
    samplers = ["fixed_large", "fixed_small", "0", "0.5"]
    tables, noised = {}, {}
    for kind in kinds:
        scheduler = in_double(DDPMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule=kind), kind)
        tables[kind] = dict(
            betas=scheduler.betas[SAMPLED].tolist(), cumulative_alphas=scheduler.alphas_cumprod[SAMPLED].tolist())
        x0 = torch.tensor(formula.uniform("start", WIDTH))
        noised[kind] = [
            scheduler.add_noise(x0[None], noise(t)[None], torch.tensor([t]))[0].tolist() for t in SAMPLED]
    cases = [
        trajectory(kind, prediction, sampler, clip, "leading", 6)
        for kind, prediction, sampler, clip in itertools.product(kinds, predictions, samplers, [False, True])]
    cases += [
        trajectory("linear", prediction, sampler, clip, "trailing", 5)
        for prediction, sampler, clip in itertools.product(predictions, samplers[1:], [False, True])]
    cases.append(trajectory("linear", "epsilon", "fixed_small", True, "trailing", 7))
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "schedulers.json"), "w") as file:
        json.dump(dict(
            magic="diptych golden schedulers", version=formula.VERSION, tools=formula.tool_versions(),
            timesteps=TIMESTEPS, sampled=SAMPLED, tables=tables, noised=noised, cases=cases), file, separators=(",", ":"))
        file.write("\n")
    print(len(cases), "trajectories")


if __name__ == "__main__":
    main()
