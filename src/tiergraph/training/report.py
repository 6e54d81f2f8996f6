"""What a trained router is worth on rows it never saw, beside cheap baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tiergraph.evaluation import labelling
from tiergraph.training.calibration import (
    LevelMap,
    expected_calibration_error,
    fit_level,
    fit_temperature,
    fit_threshold,
)
from tiergraph.training.equality import softmax
from tiergraph.training.extras import require
from tiergraph.training.fields import FIELDS, FLAGS
from tiergraph.training.labels import Row

ORDINARY = ("clinc150", "banking77", "nlu_evaluation_hwu", "templates")
"""Sources of everyday text, on which a flag should stay silent (music commands full of artists' names apart)."""

THRESHOLDS = ("contains_pii", "is_legal")
"""Flags that the policy acts on, and that carry a threshold."""

_OF_ONE_TEMPLATE = 5

Logits = Mapping[str, Any]
"""Field name to numpy (rows, values)."""


def calibrate(rows: Sequence[Row], logits: Logits) -> dict[str, Any]:
    """Temperatures, thresholds and the level map, from the calibration part."""
    numpy = require("numpy")
    found: dict[str, Any] = {}
    for name in FIELDS:
        at, targets = _known(rows, name)
        if name != "tier":  # against the label itself: a smoothed one would make every answer look doubtful
            targets = (targets == targets.max(axis=1, keepdims=True)).astype(float)
        temperature = fit_temperature(logits[name][at], targets)
        found[name] = {"temperature": temperature}
        if name in THRESHOLDS:
            truth = targets[:, 0] > 0.5
            ordinary = numpy.array(_everyday(rows, at), dtype=bool)
            probability = softmax(logits[name][at] / temperature)[:, 0]
            found[name]["threshold"] = fit_threshold(probability, truth, ordinary)
    at, targets = _known(rows, "tier")
    level = LevelMap()
    if at:
        cumulated = softmax(logits["tier"][at] / found["tier"]["temperature"]).cumsum(axis=1)
        level = fit_level(cumulated[:, :-1], targets.cumsum(axis=1)[:, :-1])
    found["level"] = {"x": list(level.x), "y": list(level.y)}
    return found


def evaluate(rows: Sequence[Row], logits: Logits, calibration: Mapping[str, Any]) -> dict[str, Any]:
    """Figures on the held-out part, field by field."""
    figures: dict[str, Any] = {}
    for name in FIELDS:
        at, targets = _known(rows, name)
        if not at:
            continue
        raw, warm = softmax(logits[name][at]), softmax(logits[name][at] / calibration[name]["temperature"])
        truth = targets.argmax(axis=1)
        right = warm.argmax(axis=1) == truth
        figures[name] = {"n": len(at), "accuracy": _round(right.mean())}
        if name != "tier":  # its labels are no facts: `tiergraph eval router` holds it against recorded outcomes
            figures[name]["ece_before"] = _round(expected_calibration_error(raw.max(axis=1), right))
            figures[name]["ece"] = _round(expected_calibration_error(warm.max(axis=1), right))
        if name in FLAGS:
            figures[name]["auc"] = _round(auc(warm[:, 0], truth == 0))
        if name in THRESHOLDS:
            threshold = calibration[name]["threshold"]
            figures[name].update(_flag(rows, at, warm[:, 0], truth == 0, threshold))
    return figures


def _everyday(rows: Sequence[Row], at: Sequence[int]) -> list[bool]:
    """Which rows are everyday text; of one template a few at most, or a single odd one would set the threshold."""
    seen: dict[str, int] = {}
    found = []
    for i in at:
        group = rows[i].group
        seen[group] = seen.get(group, 0) + 1
        found.append(rows[i].source in ORDINARY and (not group or seen[group] <= _OF_ONE_TEMPLATE))
    return found


def _flag(rows: Sequence[Row], at: Sequence[int], probability: Any, truth: Any, threshold: float) -> dict[str, Any]:
    numpy = require("numpy")
    raised, names = probability >= threshold, numpy.array([rows[i].source for i in at])
    ordinary = numpy.array(_everyday(rows, at), dtype=bool) & ~truth
    return {
        "threshold": threshold,
        "recall": _round(raised[truth].mean()) if truth.any() else None,
        "false_positive_rate": _round(raised[~truth].mean()) if (~truth).any() else None,
        "false_positive_rate_ordinary": _round(raised[ordinary].mean()) if ordinary.any() else None,
        "recall_by_source": {
            name: {
                "n": int((truth & (names == name)).sum()),
                "recall": _round(raised[truth & (names == name)].mean()),
            }
            for name in sorted(set(names[truth].tolist()))
        },
    }


def auc(score: Any, truth: Any) -> float:
    """Probability that a true row scores above a false one, ties counted half; NaN where either is absent."""
    found = labelling.auc(score, truth)
    return math.nan if found is None else found


def baselines(train: Sequence[Row], held_out: Sequence[Row], seed: int, most: int = 40_000) -> dict[str, Any]:
    """TF-IDF and logistic regression on the same rows (at most ``most``); empty without scikit-learn."""
    try:
        text = require("sklearn.feature_extraction.text")
        linear = require("sklearn.linear_model")
    except ImportError:
        return {}
    import random

    figures: dict[str, Any] = {}
    for name in ("intent", *THRESHOLDS):
        known = [row for row in train if name in row.labels]
        known = random.Random(seed).sample(known, min(most, len(known)))
        unseen = [row for row in held_out if name in row.labels]
        y, truth = (_classes(part, name) for part in (known, unseen))
        if len(set(y)) < 2 or not unseen:
            continue
        vectors = text.TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        model = linear.LogisticRegression(C=10.0, max_iter=300)
        model.fit(vectors.fit_transform([row.text for row in known]), y)
        features = vectors.transform([row.text for row in unseen])
        figures[name] = {
            "method": "TF-IDF, logistic regression",
            "n_train": len(known),
            "n": len(unseen),
            "accuracy": _round((model.predict(features) == truth).mean()),
        }
        if name in FLAGS:
            probability = model.predict_proba(features)[:, list(model.classes_).index(0)]
            figures[name]["auc"] = _round(auc(probability, truth == 0))
    return figures


def _classes(rows: Sequence[Row], name: str) -> Any:
    return _targets(rows, range(len(rows)), name).argmax(axis=1)


def _known(rows: Sequence[Row], name: str) -> tuple[list[int], Any]:
    at = [i for i, row in enumerate(rows) if name in row.labels]
    return at, _targets(rows, at, name)


def _targets(rows: Sequence[Row], at: Sequence[int], name: str) -> Any:
    numpy = require("numpy")
    return numpy.array([rows[i].labels[name] for i in at], dtype=float).reshape(len(at), len(FIELDS[name]))


def _round(value: Any) -> float | None:
    """Four digits; ``None`` for what cannot be told."""
    return round(float(value), 4) if math.isfinite(value) else None
