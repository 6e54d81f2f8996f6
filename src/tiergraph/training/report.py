"""What a trained router is worth on rows it never saw, beside cheap baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tiergraph.evaluation import labelling
from tiergraph.training import labels
from tiergraph.training.calibration import (
    LevelMap,
    expected_calibration_error,
    fit_level,
    fit_temperature,
    fit_threshold,
)
from tiergraph.training.equality import softmax
from tiergraph.training.extras import require
from tiergraph.training.fields import FIELDS, FLAGS, TIER_SLOTS
from tiergraph.training.labels import Row

ORDINARY = ("clinc150", "banking77", "nlu_evaluation_hwu", "templates")
"""Sources of everyday text, on which a flag should stay silent (music commands full of artists' names apart)."""

THRESHOLDS = ("contains_pii", "is_legal")
"""Flags that the policy acts on, and that carry a threshold."""

_OF_ONE_TEMPLATE = 5

Logits = Mapping[str, Any]
"""Field name to numpy (rows, values)."""


def recorded(rows: Sequence[Row]) -> tuple[list[int], Any, dict[str, list[int]]]:
    """Rows with recorded outcomes, what each capability slot reached on them, and the same rows by data set.

    Slots are cut from these rows' own mean accuracies, as in training, apart for each data set.
    """
    numpy = require("numpy")
    families: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row.outcomes:
            families.setdefault(row.source, []).append(i)
    at: list[int] = []
    reached = []
    for members in families.values():
        groups = labels.bins(accuracy([rows[i].outcomes for i in members]))
        at += members
        reached += [labels.solved(rows[i].outcomes, groups) for i in members]
    return at, numpy.array(reached).reshape(-1, TIER_SLOTS), families


def accuracy(outcomes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean correctness of each model."""
    scores: dict[str, list[float]] = {}
    for each in outcomes:
        for model, score in each.items():
            scores.setdefault(model, []).append(score)
    return {model: sum(values) / len(values) for model, values in scores.items()}


def calibrate(rows: Sequence[Row], logits: Logits) -> dict[str, Any]:
    """Temperatures, thresholds and the level map, from the calibration part."""
    numpy = require("numpy")
    found: dict[str, Any] = {}
    for name in FIELDS:
        at, targets = _known(rows, name)
        if name == "tier":
            with_outcomes = [i for i in at if rows[i].outcomes]
            at = with_outcomes or at
            targets = _targets(rows, at, name)
        else:  # against the label itself: a smoothed one would make every answer look doubtful
            targets = (targets == targets.max(axis=1, keepdims=True)).astype(float)
        temperature = fit_temperature(logits[name][at], targets)
        found[name] = {"temperature": temperature}
        if name in THRESHOLDS:
            truth = targets[:, 0] > 0.5
            ordinary = numpy.array(_everyday(rows, at), dtype=bool)
            probability = softmax(logits[name][at] / temperature)[:, 0]
            found[name]["threshold"] = fit_threshold(probability, truth, ordinary)
    at, reached, _ = recorded(rows)
    level = LevelMap()
    if at:
        cumulated = softmax(logits["tier"][at] / found["tier"]["temperature"]).cumsum(axis=1)
        level = fit_level(cumulated[:, :-1], reached[:, :-1])
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
        if name != "tier":  # its labels are no facts; what can be checked is in _tier
            figures[name]["ece_before"] = _round(expected_calibration_error(raw.max(axis=1), right))
            figures[name]["ece"] = _round(expected_calibration_error(warm.max(axis=1), right))
        if name in FLAGS:
            figures[name]["auc"] = _round(auc(warm[:, 0], truth == 0))
        if name in THRESHOLDS:
            threshold = calibration[name]["threshold"]
            figures[name].update(_flag(rows, at, warm[:, 0], truth == 0, threshold))
    if any(row.outcomes for row in rows) and "tier" in figures:
        figures["tier"].update(_tier(rows, logits["tier"], calibration))
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


def _tier(rows: Sequence[Row], logits: Any, calibration: Mapping[str, Any]) -> dict[str, Any]:
    """How well P(slot 0 is not enough) ranks recorded questions, and how true the mapped CDF is."""
    numpy = require("numpy")
    level = LevelMap(x=tuple(calibration["level"]["x"]), y=tuple(calibration["level"]["y"]))
    at, reached, families = recorded(rows)
    slots = softmax(logits / calibration["tier"]["temperature"])
    cumulated = slots[at].cumsum(axis=1)[:, :-1]
    mapped = numpy.vectorize(level)(cumulated)
    figures: dict[str, Any] = {
        "level_ece_before": _round(expected_calibration_error(cumulated.reshape(-1), reached[:, :-1].reshape(-1))),
        "level_ece": _round(expected_calibration_error(mapped.reshape(-1), reached[:, :-1].reshape(-1))),
    }
    for family, members in families.items():
        weak, strong = _ends(rows, members)
        score = 1.0 - slots[members, 0]
        lengths = numpy.array([len(rows[i].text) for i in members], dtype=float)
        figures[family] = {
            "n": len(members),
            "auc_weak_fails": _round(auc(score, weak < 0.5)),
            "apgr": _round(apgr(score, weak, strong)),
            "apgr_length": _round(apgr(lengths, weak, strong)),
        }
    return figures


def _ends(rows: Sequence[Row], members: Sequence[int]) -> tuple[Any, Any]:
    """Mean correctness of the lowest and of the highest capability bin on each row."""
    numpy = require("numpy")
    groups = labels.bins(accuracy([rows[i].outcomes for i in members]))
    ends = []
    for group in (groups[0], groups[-1]):
        ends.append(
            numpy.array(
                [numpy.mean([rows[i].outcomes[m] for m in group if m in rows[i].outcomes] or [0.0]) for i in members]
            )
        )
    return ends[0], ends[1]


def apgr(score: Any, weak: Any, strong: Any) -> float:
    """Share of the gap between weak and strong that the score recovers, over the strong model's share of calls.

    Eleven decile edges of the score; strong where score >= edge; trapezoid; 0.5 is chance, 0 to about 1.
    """
    numpy = require("numpy")
    if len(score) < 20 or strong.mean() == weak.mean():
        return float("nan")
    points = [(0.0, float(weak.mean()))]
    for edge in numpy.quantile(score, numpy.linspace(0, 1, 11)):
        chosen = score >= edge
        points.append((float(chosen.mean()), float(numpy.where(chosen, strong, weak).mean())))
    points.sort()
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    return float((area - weak.mean()) / (strong.mean() - weak.mean()))


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


def _round(value: Any) -> float:
    return round(float(value), 4)
