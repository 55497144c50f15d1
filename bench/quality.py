#!/usr/bin/env python3
"""Looks at samples of a Fashion-MNIST run: do they show clothes, of every kind, and are they copies?

Trains a small classifier on the real training images (a few minutes, kept beside the run if --classifier is given), sorts the
samples with it, and compares each sample's distance to its nearest training image of the run with the same distance of
held-out images.

  diptych sample RUN --model student --count 500 --sampler ddim --steps 50 --out OUT
  bench/quality.py RUN OUT/student.npz            # needs torch, numpy, h5py, hdf5plugin
"""
import argparse
import gzip
import json
import pathlib

import h5py
import hdf5plugin  # noqa: F401  (registers the zstd filter)
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")


def idx(name, header):
    return np.frombuffer(gzip.open(DATA / name).read(), np.uint8, offset=header)


def scaled(images):
    return torch.tensor(images.reshape(-1, 1, 28, 28)).float() / 127.5 - 1


def network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))


def train(epochs):
    torch.manual_seed(0)
    images, labels = scaled(idx("train-images-idx3-ubyte.gz", 16)), torch.tensor(idx("train-labels-idx1-ubyte.gz", 8).astype(np.int64))
    model, batch = network(), 128
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(images), batch):
            chosen = order[start:start + batch]
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def sorted_by(model, images):
    with torch.no_grad():
        probability = F.softmax(model(scaled(images)), 1)
    return probability.argmax(1).numpy(), probability.max(1).values.numpy()


def nearest(images, reference):
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (images, reference))
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0).min(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("samples", type=pathlib.Path, help="the .npz that `diptych sample` wrote")
    parser.add_argument("--classifier", type=pathlib.Path, help="where the trained classifier is kept")
    parser.add_argument("--epochs", type=int, default=5)
    a = parser.parse_args()
    if a.classifier and a.classifier.exists():
        model = network()
        model.load_state_dict(torch.load(a.classifier))
        model.eval()
    else:
        model = train(a.epochs)
        if a.classifier:
            torch.save(model.state_dict(), a.classifier)

    train_images = idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    test_images, test_labels = idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28), idx("t10k-labels-idx1-ubyte.gz", 8)
    with h5py.File(a.run / "split.h5") as split:
        part = split["part_of_image"][()]
    members, held_out = train_images[part >= 0], train_images[part == -2]
    samples = np.load(a.samples)["arr_0"].reshape(-1, 28, 28)

    found, confidence = sorted_by(model, samples)
    real_found, real_confidence = sorted_by(model, test_images)
    sample_distance, held_out_distance = nearest(samples, members), nearest(held_out, members)
    print(json.dumps({
        "samples": len(samples), "classes": np.bincount(found, minlength=10).tolist(),
        "share_with_confidence_0.9": round(float((confidence >= 0.9).mean()), 3),
        "real_test_images_with_confidence_0.9": round(float((real_confidence >= 0.9).mean()), 3),
        "classifier_test_accuracy": round(float((real_found == test_labels).mean()), 4),
        "median_distance_to_nearest_member": {
            "samples": round(float(np.median(sample_distance)), 1), "held_out": round(float(np.median(held_out_distance)), 1)},
        "tenth_percentile": {
            "samples": round(float(np.percentile(sample_distance, 10)), 1),
            "held_out": round(float(np.percentile(held_out_distance, 10)), 1)},
    }, indent=2))


if __name__ == "__main__":
    main()
