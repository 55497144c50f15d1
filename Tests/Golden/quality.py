"""Writes quality.json: Fréchet distance, precision, recall, Inception-style score and the extraction test, by slow and plain
numpy and scipy's matrix square root, on features and images that are kept beside them.

Run with numpy and scipy installed:  python3 Tests/Golden/quality.py
"""
import json
import pathlib
import sys

import numpy as np
import scipy
import scipy.linalg

random = np.random.default_rng(7)


def frechet(a, b):
    """Heusel et al. 2017, equation 6; sqrtm is unreliable where a covariance is singular."""
    s, t = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    if np.linalg.matrix_rank(s) < len(s) or np.linalg.matrix_rank(t) < len(t):
        # S = A'A and T = B'B: the eigenvalues of S T are the squared singular values of A B', without any root of a matrix.
        x = (a - a.mean(0)) / np.sqrt(len(a) - 1)
        y = (b - b.mean(0)) / np.sqrt(len(b) - 1)
        trace = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    else:
        trace = np.trace(scipy.linalg.sqrtm(s @ t)).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * trace)


def distance(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def precision_recall(real, generated, k=3):
    """Kynkäänniemi et al. 2019, equations 1 and 2."""
    def share(points, manifold):
        radii = [sorted(distance(manifold[i:i + 1], np.delete(manifold, i, 0))[0])[k - 1] for i in range(len(manifold))]
        return float(np.mean([any(np.linalg.norm(p - m) <= r for m, r in zip(manifold, radii)) for p in points]))
    return share(generated, real), share(real, generated)


def inception_score(p):
    return float(np.exp(np.mean([sum(q * np.log(q / m) for q, m in zip(row, p.mean(0)) if q > 0) for row in p])))


def extraction(samples, members, held_out, k=50, quantile=0.01):
    """Carlini et al. 2023, section 5.1: the distance to the nearest over the mean distance to the k nearest."""
    def relative(images):
        nearest = np.sort(distance(images.astype(float), members.astype(float)), 1)[:, :k]
        return nearest[:, 0] / nearest.mean(1)
    threshold = np.sort(relative(held_out))[int(quantile * len(held_out))]
    return {"relative": relative(samples).tolist(), "threshold": float(threshold), "fraction": float((relative(samples) < threshold).mean())}


def case(name, real, generated):
    real, generated = real.round(4), generated.round(4)
    precision, recall = precision_recall(real, generated)
    return {
        "name": name, "width": real.shape[1], "real": real.ravel().tolist(), "generated": generated.ravel().tolist(),
        "frechet": frechet(real, generated), "precision": precision, "recall": recall}


def normal(count, width, mix=1.0, shift=0.0):
    return random.normal(size=(count, width)) @ (np.eye(width) + 0.5 * random.normal(size=(width, width))) * mix + shift


cases = [
    case("apart", normal(40, 6), normal(50, 6, 0.7, 0.3)),
    case("odd width", normal(60, 11), normal(60, 11, 1.3)),
    case("singular", normal(9, 12), normal(8, 12, 1.0, 0.2)),
    case("one number", normal(20, 1), normal(30, 1, 2.0)),
]
probabilities = random.dirichlet([0.3] * 5, size=40).round(5)
probabilities[0] = [1, 0, 0, 0, 0]
members = random.integers(0, 256, size=(80, 12))
held_out = random.integers(0, 256, size=(150, 12))
samples = np.clip(np.concatenate([members[:8] + random.integers(-9, 10, size=(8, 12)), random.integers(0, 256, size=(16, 12))]), 0, 255)
golden = {
    "format": "diptych-golden-quality", "version": 1,
    "made_with": {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__},
    "cases": cases,
    "score": {"classes": 5, "probabilities": probabilities.ravel().tolist(), "expected": inception_score(probabilities)},
    "extraction": {
        "size": 12, "members": members.ravel().tolist(), "held_out": held_out.ravel().tolist(),
        "samples": samples.ravel().tolist(), **extraction(samples, members, held_out)},
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden).replace('{"name"', '\n{"name"') + "\n")
