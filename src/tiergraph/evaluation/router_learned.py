"""What is learned from some rows and told of others: heads as ``tiergraph tune`` fits them, and TF-IDF beside them.

Each fold's fit, its own choice of model and its calibration included, sees no row that it is judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tiergraph.evaluation.baselines import LEAST_ROWS, LOGISTIC_ALPHA, RIDGE_ALPHA, folds
from tiergraph.evaluation.extras import require
from tiergraph.evaluation.intervals import Floats
from tiergraph.evaluation.router_asking import Readings
from tiergraph.evaluation.router_pairs import Pair

Places = NDArray[np.intp]
Tick = Callable[[], None]


class LadderFitter(Protocol):
    """From rows to the probability that the weak tier of two suffices on others."""

    def __call__(self, known: Pair, read: Readings, texts: Sequence[str], others: Readings, seed: int) -> Floats: ...


class Labelled(NamedTuple):
    """The likeliest label of each text, and the probability of each label, (n, labels) in the order of ``labels``."""

    likeliest: tuple[str, ...]
    probability: Floats
    labels: tuple[str, ...]


def fitted_ladder(known: Pair, read: Readings, texts: Sequence[str], others: Readings, seed: int) -> Floats:
    """As `tiergraph.tuning.ladder.fit_ladder` learns it from ``known``, (len(texts),)."""
    from tiergraph.tuning.ladder import fit_ladder

    outcomes = np.column_stack([known.weak, known.strong])
    fit = fit_ladder(
        known.questions.texts,
        read.logits,
        outcomes,
        tiers=("weak", "strong"),
        generic=read.suffices[:, None],
        seed=seed,
    )
    said = [fit.head.cumulative(text, logits)[0] for text, logits in zip(texts, others.logits, strict=True)]
    return np.array(said, dtype=np.float64)


def cross_fitted(
    pair: Pair, read: Readings, *, seed: int, fit: LadderFitter = fitted_ladder, tick: Tick = lambda: None
) -> Floats:
    """Probability that the weak model suffices, (n,), each learned from the other folds of questions.

    ``tick``: called after each fold.
    """
    fold = folds(len(pair), pair.questions.groups, seed=seed)
    found = np.full(len(pair), np.nan)
    for number in range(int(fold.max()) + 1):
        known, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        texts = [pair.questions.texts[place] for place in held_out]
        found[held_out] = fit(pair.only(known), read.only(known), texts, read.only(held_out), seed)
        tick()
    return found


def fitted_labels(
    texts: Sequence[str],
    logits: Any,
    labels: Sequence[str],
    others: Sequence[str],
    said: Any,
    *,
    outside: str,
    seed: int,
) -> Labelled:
    """Labels of other texts by a head of `tiergraph.tuning.field.fit_field`.

    ``logits``, ``said``: float32 (n, m) of the texts and of the others.
    """
    from tiergraph.tuning.field import fit_field

    head = fit_field(texts, logits, labels, field="intent", outside=outside, seed=seed).head
    found = [head.probabilities(text, row) for text, row in zip(others, said, strict=True)]
    probability = np.array([[each[value] for value in head.values] for each in found], dtype=np.float64)
    return Labelled(tuple(max(each, key=each.__getitem__) for each in found), probability, tuple(head.values))


def tfidf_gain(known: Sequence[str], gain: Floats, others: Sequence[str]) -> Floats:
    """As `tiergraph.evaluation.baselines.tfidf_score`, learned from some texts and told of others."""
    learned, told = _vectors(known, others)
    model = require("sklearn.linear_model").Ridge(alpha=RIDGE_ALPHA, solver="sparse_cg")
    model.fit(learned, gain)
    said: Floats = model.predict(told)
    return said


def tfidf_labels(known: Sequence[str], labels: Sequence[str], others: Sequence[str], *, seed: int) -> Labelled:
    """Labels of other texts by logistic regression on TF-IDF of words and pairs of words."""
    learned, told = _vectors(known, others)
    model = require("sklearn.linear_model").SGDClassifier(
        loss="log_loss", alpha=LOGISTIC_ALPHA, max_iter=60, tol=1e-3, random_state=seed
    )
    model.fit(learned, labels)
    classes = tuple(map(str, model.classes_))
    probability = model.predict_proba(told)
    return Labelled(tuple(classes[place] for place in probability.argmax(axis=1)), probability, classes)


def category_gain(known: Sequence[Hashable], gain: Floats, others: Sequence[Hashable]) -> Floats:
    """Mean gain of each category in the known rows; that of all of them for one that they lack, (len(others),)."""
    sums: dict[Hashable, list[float]] = {}
    for category, value in zip(known, gain, strict=True):
        sums.setdefault(category, []).append(float(value))
    means = {category: sum(values) / len(values) for category, values in sums.items()}
    return np.array([means.get(category, float(gain.mean())) for category in others], dtype=np.float64)


def _vectors(known: Sequence[str], others: Sequence[str]) -> tuple[Any, Any]:
    """TF-IDF of both, sparse; terms and their weights come from the known texts only."""
    weigher = require("sklearn.feature_extraction.text").TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", min_df=LEAST_ROWS, sublinear_tf=True
    )
    return weigher.fit_transform(known), weigher.transform(others)
