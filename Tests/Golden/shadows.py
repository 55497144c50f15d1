#!/usr/bin/env python3
"""Writes shadows.json: scores of the attacks that use shadow models, by NumPy and scikit-learn, on formula answers.

LiRA is written from its definitions, offline and online, image by image; GSA is scikit-learn's logistic regression on the shadows'
logarithms, or on those of the release's calibration half. Every list of scores has the area under its ROC curve, by scikit-learn.

  VENV/bin/python shadows.py
"""
import json
import pathlib

import numpy as np
import sklearn
from scipy import stats
from sklearn import linear_model, metrics, model_selection, preprocessing

import formula

CANDIDATES, OWN, SHADOWS, TENSORS, STEPS, NORMS = 30, 24, 4, 5, 20, 4
PIXELS = 36
# Of each attack: how many residuals its measurement has, and how many numbers beside their norms.
RESIDUALS = {"lira": (STEPS, 0), "secmi-lira": (13, PIXELS), "pia-lira": (8, 0)}
MEMBERS = np.arange(CANDIDATES) % 2 == 0


def answers(name, rows, columns):
    return np.float32(formula.uniform(name, rows * columns)).reshape(rows, columns).astype(np.float64) + 1.5


def area(scores, members=MEMBERS):
    return float(metrics.roc_auc_score(members, scores))


def statistic(name, table, setting):
    """The distance that a setting thresholds; settings are numbered as the attack lists them."""
    count = RESIDUALS[name][0]
    norms = table[:, : count * NORMS].reshape(len(table), count, NORMS)
    if setting < count:
        return norms[:, setting, 0]
    # Behind the plain norms: the mean of the losses, or the filtered norms, radius by radius.
    return norms[:, :, 0].mean(1) if name == "lira" else norms[:, (setting - count) // 3, 1 + (setting - count) % 3]


def lira(name):
    """Image 0 was seen by every shadow; image 1 by one; with three or more that have not seen an image, two deviations."""
    seen = np.array([[row == 0 or (row % 7 == 1 and shadow == 0) for row in range(CANDIDATES)] for shadow in range(SHADOWS)])
    count, more = RESIDUALS[name]
    table = lambda who: answers(f"{who} losses", CANDIDATES, count * NORMS + more)
    release, shadows = table("release"), [table(f"shadow {s}") for s in range(SHADOWS)]
    result = []
    for setting in (0, 7, count) if name == "lira" else (0, 7, count + 4):
        pick = lambda t: statistic(name, t, setting)
        common, own = [], []
        for row in range(CANDIDATES):
            unseen = [-np.log(pick(shadows[s])[row]) for s in range(SHADOWS) if not seen[s, row]]
            excess = 0.0 if not unseen else -np.log(pick(release)[row]) - np.mean(unseen)
            common.append(excess)
            own.append(0.0 if not unseen else excess / np.std(unseen, ddof=1))
        result.append(dict(column=setting, common=common, own=own, common_auc=area(common), own_auc=area(own)))
    return dict(seen=seen.tolist(), settings=result)


def online():
    """Shadows that have seen an image and others: rows 0 and 1 lack one of the kinds."""
    seen = np.array([[row == 0 or (row > 1 and (row + shadow) % 3 == 0) for row in range(CANDIDATES)] for shadow in range(SHADOWS)])
    pick = lambda name: -np.log(answers(name, CANDIDATES, STEPS * NORMS)[:, 7 * NORMS])
    release, shadows = pick("release losses"), np.array([pick(f"shadow {s} losses") for s in range(SHADOWS)])
    kinds = [[shadows[seen[:, row] == kind, row] for row in range(CANDIDATES)] for kind in (True, False)]
    variances = [
        sum(((a - a.mean()) ** 2).sum() for a in kind if len(a)) / sum(len(a) - 1 for a in kind if len(a)) for kind in kinds]
    both = [row for row in range(CANDIDATES) if len(kinds[0][row]) and len(kinds[1][row])]
    distance = np.mean([kinds[0][row].mean() - kinds[1][row].mean() for row in both])
    scores = []
    for row in range(CANDIDATES):
        inside, outside = (kind[row] for kind in kinds)
        mean_in = inside.mean() if len(inside) else outside.mean() + distance
        mean_out = outside.mean() if len(outside) else inside.mean() - distance
        density = lambda mean, variance: stats.norm.logpdf(release[row], mean, np.sqrt(variance))
        scores.append(density(mean_in, variances[0]) - density(mean_out, variances[1]))
    return dict(seen=seen.tolist(), column=7, scores=scores, auc=area(scores))


def regression(x, y, target):
    """Ridge logistic regression of standardised features; the ridge by three-fold cross-validation."""
    model = lambda ridge: linear_model.LogisticRegression(C=1 / ridge, tol=1e-12, max_iter=10000)
    scaler = preprocessing.StandardScaler().fit(x)
    folds = model_selection.PredefinedSplit(np.arange(len(x)) % 3)
    losses = []
    for ridge in (1.0, 10.0, 100.0, 1000.0):
        margins = model_selection.cross_val_predict(model(ridge), scaler.transform(x), y, cv=folds, method="decision_function")
        losses.append(np.log1p(np.exp(-np.where(y, 1, -1) * margins)).sum())
    ridge = (1.0, 10.0, 100.0, 1000.0)[int(np.argmin(losses))]
    scores = model(ridge).fit(scaler.transform(x), y).decision_function(scaler.transform(target))
    return dict(ridge=ridge, scores=[float(v) for v in scores])


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
    found = regression(x, y, target)
    return dict(found, is_member=[[bool(v) for v in part] for part in labels], auc=area(found["scores"]))


def gsa_calibrated(offset):
    """Fitted to the candidates' first half, whose labels hang on the features, as do the others'."""
    x = np.log(answers("release gradients", CANDIDATES, 2 * TENSORS)[:, offset : offset + TENSORS])
    lean = x @ np.arange(TENSORS)
    y = lean + formula.uniform("release labels", CANDIDATES) > np.median(lean)
    found = regression(x[: CANDIDATES // 2], y[: CANDIDATES // 2], x)
    return dict(found, is_member=[[bool(v) for v in y]], auc=area(found["scores"], y))


golden = dict(
    format="diptych golden shadows", tools=dict(numpy=np.__version__, sklearn=sklearn.__version__),
    candidates=CANDIDATES, own=OWN, shadows=SHADOWS, tensors=TENSORS, lira={name: lira(name) for name in RESIDUALS},
    online=online(), gsa={
        "gsa1": gsa(0), "gsa2": gsa(TENSORS), "gsa1-calibrated": gsa_calibrated(0), "gsa2-calibrated": gsa_calibrated(TENSORS)})
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
