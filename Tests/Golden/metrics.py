#!/usr/bin/env python3
"""Writes metrics.json: ROC curves, areas, rates and intervals of formula scores, by scikit-learn and SciPy.

DeLong's variance is computed from its definition, over all pairs, and its interval has SciPy's normal quantile. The interval
of a rate joins SciPy's binomial quantiles and beta quantiles as docs/audit.md says; that of the success rate has the quantile of
a sum of two Rayleigh variables, whose distribution is integrated.

  VENV/bin/python metrics.py
"""
import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy import integrate, optimize, stats
from sklearn import linear_model, metrics

import formula

# name, members, held-out images, shift of the members, number of levels (0: no ties)
CASES = [
    ("plain", 120, 90, 0.4, 0), ("ties", 150, 200, 0.5, 7), ("separate", 30, 40, 3.0, 0), ("reversed", 30, 25, -3.0, 0),
    ("constant", 20, 30, 0.0, 1), ("large", 900, 1500, 0.9, 0), ("coarse", 1000, 1000, 0.7, 40),
]


def scores(name, count, shift, levels):
    values = np.float32(formula.uniform(name, count)) + np.float32(shift)
    return values.astype(np.float64) if levels == 0 else np.floor((values.astype(np.float64) + 1) * levels / 3)


def delong(members, held_out):
    psi = (members[:, None] > held_out[None, :]) + 0.5 * (members[:, None] == held_out[None, :])
    return psi.mean(), np.sqrt(psi.mean(1).var(ddof=1) / len(members) + psi.mean(0).var(ddof=1) / len(held_out))


def delong_interval(members, held_out):
    """Where all pairs are in one order, the least area that as many independent pairs leave possible; of equal scores, all."""
    area, error = delong(members, held_out)
    if error > 0:
        return [float(v) for v in np.clip(area + stats.norm.ppf([0.025, 0.975]) * error, 0, 1)]
    possible = 0.025 ** (1 / min(len(members), len(held_out)))
    return {1.0: [possible, 1.0], 0.0: [0.0, 1 - possible], 0.5: [0.0, 1.0]}[float(area)]


def success_interval(rate, m, n):
    a, b = stats.rayleigh(scale=0.5 / np.sqrt(m)), stats.rayleigh(scale=0.5 / np.sqrt(n))

    def tail(x):
        return a.sf(x) + integrate.quad(lambda u: a.pdf(u) * b.sf(x - u), 0, x, epsabs=1e-13, epsrel=1e-13)[0]

    reach = optimize.brentq(lambda x: tail(x) - 0.025, 1e-6, 10, xtol=1e-14, rtol=1e-14) / 2
    return [max(0.5, rate - reach), min(1.0, rate + reach)]


def clopper_pearson(k, n, confidence):
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else stats.beta.ppf(tail, k, n - k + 1)
    high = 1.0 if k == n else stats.beta.ppf(1 - tail, k + 1, n - k)
    return [float(low), float(high)]


def rate(members, held_out, limit, fpr, tpr):
    value = tpr[fpr <= limit + 1e-12].max()
    down = np.sort(held_out)[::-1]
    n = len(held_out)
    fewest = int(stats.binom.ppf(0.0125, n, limit))
    if stats.binom.cdf(fewest, n, limit) <= 0.0125:
        fewest += 1
    most = int(stats.binom.ppf(1 - 0.0125, n, limit))
    above = members > down[fewest - 1] if fewest > 0 else np.zeros(len(members), bool)
    within = members >= down[most] if most < n else np.ones(len(members), bool)
    low = clopper_pearson(int(above.sum()), len(members), 0.975)[0]
    high = clopper_pearson(int(within.sum()), len(members), 0.975)[1]
    return dict(rate=float(value), interval=[min(low, float(value)), max(high, float(value))])


cases = []
for name, m, n, shift, levels in CASES:
    members, held_out = scores(f"{name} members", m, shift, levels), scores(f"{name} held out", n, 0, levels)
    labels = np.r_[np.ones(m), np.zeros(n)]
    values = np.r_[members, held_out]
    fpr, tpr, thresholds = metrics.roc_curve(labels, values, drop_intermediate=False)
    area, error = delong(members, held_out)
    auc = metrics.roc_auc_score(labels, values)
    assert abs(area - auc) < 1e-12
    step = max(1, len(fpr) // 50)
    success = float(((tpr + 1 - fpr) / 2).max())
    cases.append(dict(
        name=name, members=m, held_out=n, shift=shift, levels=levels, auc=float(auc), standard_error=float(error),
        auc_interval=delong_interval(members, held_out), asr=success, asr_interval=success_interval(success, m, n),
        points=len(fpr), every=step, fpr=[round(float(v), 12) for v in fpr[::step]],
        tpr=[round(float(v), 12) for v in tpr[::step]],
        thresholds=[float(v) if np.isfinite(v) else None for v in thresholds[::step]],
        at_1=rate(members, held_out, 0.01, fpr, tpr), at_0_1=rate(members, held_out, 0.001, fpr, tpr)))
binomial = [
    dict(k=k, n=n, confidence=c, interval=clopper_pearson(k, n, c))
    for k, n in [(0, 10), (10, 10), (3, 10), (1, 1000), (999, 1000), (250, 25000), (17, 60)] for c in (0.95, 0.975)]


def regression(rows=90, width=5):
    """Ridge logistic regression on the first 60 rows; the ridge by three-fold cross-validation."""
    x = formula.uniform("regression features", rows * width).reshape(rows, width) * (1 + np.arange(width))
    y = x @ np.array([0.5, -0.2, 0.1, 0.0, 0.1]) + formula.uniform("regression noise", rows) > 0.1
    x = (x - x[:60].mean(0)) / x[:60].std(0)

    def fit(x, y, ridge):
        return linear_model.LogisticRegression(C=1 / ridge, tol=1e-12, max_iter=10000).fit(x, y)

    losses = []
    for ridge in (1.0, 10.0, 100.0, 1000.0):
        loss = 0
        for fold in range(3):
            held = np.arange(60) % 3 == fold
            margins = fit(x[:60][~held], y[:60][~held], ridge).decision_function(x[:60][held])
            loss += np.log1p(np.exp(-np.where(y[:60][held], 1, -1) * margins)).sum()
        losses.append(loss)
    ridge = (1.0, 10.0, 100.0, 1000.0)[int(np.argmin(losses))]
    scores = fit(x[:60], y[:60], ridge).decision_function(x)
    return dict(rows=rows, width=width, ridge=ridge, labels=[bool(v) for v in y], scores=[float(v) for v in scores])


golden = dict(
    format="diptych golden metrics",
    tools=dict(numpy=np.__version__, scipy=scipy.__version__, sklearn=sklearn.__version__),
    cases=cases, binomial=binomial, regression=regression())
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
