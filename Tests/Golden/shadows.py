#!/usr/bin/env python3
"""Writes shadows.json: scores of the attacks that use shadow models, by NumPy and scikit-learn, on formula answers.

LiRA is written from its definition, image by image; GSA is scikit-learn's logistic regression on the shadows' logarithms.

  VENV/bin/python shadows.py
"""
import json
import pathlib

import numpy as np
import sklearn
from sklearn import linear_model, model_selection, preprocessing

import formula

CANDIDATES, OWN, SHADOWS, TENSORS, STEPS, NORMS = 30, 24, 4, 5, 20, 4


def answers(name, rows, columns):
    return np.float32(formula.uniform(name, rows * columns)).reshape(rows, columns).astype(np.float64) + 1.5


def lira():
    """Image 0 was seen by every shadow; image 1 by one; with three or more that have not seen an image, two deviations."""
    seen = np.array([[row == 0 or (row % 7 == 1 and shadow == 0) for row in range(CANDIDATES)] for shadow in range(SHADOWS)])
    release = answers("release losses", CANDIDATES, STEPS * NORMS)[:, ::NORMS]
    shadows = [answers(f"shadow {s} losses", CANDIDATES, STEPS * NORMS)[:, ::NORMS] for s in range(SHADOWS)]
    result = []
    for column in (0, 7, None):
        pick = (lambda t: t.mean(1)) if column is None else (lambda t: t[:, column])
        common, own = [], []
        for row in range(CANDIDATES):
            unseen = [-np.log(pick(shadows[s])[row]) for s in range(SHADOWS) if not seen[s, row]]
            excess = 0.0 if not unseen else -np.log(pick(release)[row]) - np.mean(unseen)
            common.append(excess)
            own.append(0.0 if not unseen else excess / np.std(unseen, ddof=1))
        result.append(dict(column=STEPS if column is None else column, common=common, own=own))
    return dict(seen=seen.tolist(), settings=result)


def gsa(offset):
    """The first TENSORS columns are GSA1's, the others GSA2's."""
    columns = slice(offset, offset + TENSORS)
    features, labels = [], []
    for s in range(SHADOWS):
        own = np.log(answers(f"shadow {s} gradients", OWN, 2 * TENSORS)[:, columns])
        noise = formula.uniform(f"shadow {s} labels", OWN)
        features.append(preprocessing.StandardScaler().fit_transform(own))
        labels.append(own @ np.arange(TENSORS) + noise > np.median(own @ np.arange(TENSORS)))
    x, y = np.concatenate(features), np.concatenate(labels)
    # The candidates' first half calibrates.
    target = np.log(answers("release gradients", CANDIDATES, 2 * TENSORS)[:, columns])
    target = preprocessing.StandardScaler().fit(target[: CANDIDATES // 2]).transform(target)
    model = lambda ridge: linear_model.LogisticRegression(C=1 / ridge, tol=1e-12, max_iter=10000)
    scaler = preprocessing.StandardScaler().fit(x)
    folds = model_selection.PredefinedSplit(np.arange(len(x)) % 3)
    losses = []
    for ridge in (1.0, 10.0, 100.0, 1000.0):
        margins = model_selection.cross_val_predict(model(ridge), scaler.transform(x), y, cv=folds, method="decision_function")
        losses.append(np.log1p(np.exp(-np.where(y, 1, -1) * margins)).sum())
    ridge = (1.0, 10.0, 100.0, 1000.0)[int(np.argmin(losses))]
    scores = model(ridge).fit(scaler.transform(x), y).decision_function(scaler.transform(target))
    isMember = [[bool(v) for v in part] for part in labels]
    return dict(ridge=ridge, is_member=isMember, scores=[float(v) for v in scores])


golden = dict(
    format="diptych golden shadows", tools=dict(numpy=np.__version__, sklearn=sklearn.__version__),
    candidates=CANDIDATES, own=OWN, shadows=SHADOWS, tensors=TENSORS, lira=lira(), gsa1=gsa(0), gsa2=gsa(TENSORS))
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
