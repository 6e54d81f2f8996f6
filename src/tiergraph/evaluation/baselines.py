"""Honest baselines: what a score is worth that knows nothing, the length, the category or the words of a request.

Those that learn are cross-validated inside the set: what is said of a row was learned from other folds, and a group is
never split. Each is the same for the same seed. Failure rule: where nothing can be learned (one fold, texts without a
word, one class) the score is the same for all rows, or the label the most frequent one; nothing raises.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.evaluation.extras import require
from tiergraph.evaluation.intervals import Floats, Groups, as_column, group_codes

FOLDS = 5
RIDGE_ALPHA = 10.0
LOGISTIC_ALPHA = 1e-5
_VISITS = 10**6  # rows that stochastic descent sees at least, over all its rounds
LEAST_ROWS = 2
"""Rows that a word must be in to count."""


class Predicted(NamedTuple):
    """Labels that were learned from other folds.

    ``labels`` is (n,); ``probability`` is (n, classes), its rows sum to 1; ``classes`` says what its columns are.
    """

    labels: NDArray[Any]
    probability: Floats
    classes: tuple[Hashable, ...]


def random_score(n: int, seed: int = 0) -> Floats:
    """Uniform in [0, 1), (n,)."""
    return np.random.default_rng(seed).random(n)


def length_score(lengths: ArrayLike) -> Floats:
    """The length itself, (n,): longer is harder. RouteLLM's sets are measured with the characters of the prompt."""
    return as_column(lengths, "lengths").copy()


def folds(n: int, groups: Groups | None = None, count: int = FOLDS, seed: int = 0) -> NDArray[np.intp]:
    """The fold of each row, (n,): groups are shuffled and dealt to at most ``count`` folds, equally many to each.

    With fewer groups than ``count`` there are as many folds as groups.
    """
    codes = group_codes(n, groups)
    size = int(codes.max()) + 1 if n else 0
    if min(size, count) < 2:
        return np.zeros(n, dtype=np.intp)
    split = require("sklearn.model_selection").KFold(min(size, count), shuffle=True, random_state=seed)
    of_group = np.zeros(size, dtype=np.intp)
    for number, (_, held_out) in enumerate(split.split(np.zeros(size))):
        of_group[held_out] = number
    return of_group[codes]


def category_score(
    categories: Sequence[Hashable], gain: ArrayLike, groups: Groups | None = None, seed: int = 0
) -> Floats:
    """Mean gain of a row's category in the other folds, above the mean of those folds, (n,); 0 for an unseen category.

    Without the difference a fold that happens to gain more would be ranked lower, since its own rows are missing from
    the mean that it is given.

    Args:
        categories: (n,) such as the subject.
        gain: (n,) what a higher tier adds, such as strong minus weak.
        groups: Rows that stay in one fold.
    """
    gains = as_column(gain, "gain")
    codes = group_codes(len(gains), [(category,) for category in categories])
    score = np.zeros(len(gains))
    for known, held_out in _splits(len(gains), groups, seed):
        size = int(codes.max()) + 1
        seen = np.bincount(codes[known], minlength=size)
        sums = np.bincount(codes[known], weights=gains[known] - gains[known].mean(), minlength=size)
        score[held_out] = (sums / np.maximum(seen, 1))[codes[held_out]]
    return score


def tfidf_score(texts: Sequence[str], gain: ArrayLike, groups: Groups | None = None, seed: int = 0) -> Floats:
    """Gain that ridge regression on TF-IDF of words and pairs of words expects, (n,), above the mean of its folds.

    Args:
        texts: The requests.
        gain, groups: As of `category_score`.
    """
    gains = as_column(gain, "gain", len(texts))
    score = np.zeros(len(gains))
    counts = _counts(texts)
    if counts is None:
        return score
    linear = require("sklearn.linear_model")
    for known, held_out in _splits(len(gains), groups, seed):
        vectors = _vectors(counts, known, held_out)
        if vectors is None or np.ptp(gains[known]) == 0:
            continue
        model = linear.Ridge(alpha=RIDGE_ALPHA, solver="sparse_cg")
        model.fit(vectors[0], gains[known] - gains[known].mean())
        score[held_out] = model.predict(vectors[1])
    return score


def tfidf_labels(
    texts: Sequence[str], labels: Sequence[Hashable], groups: Groups | None = None, seed: int = 0
) -> Predicted:
    """Labels by logistic regression on TF-IDF of words and pairs of words.

    A class that the other folds lack has probability 0; where they hold one class, or no word, shares of classes in
    them are the probabilities.

    Args:
        texts: The requests.
        labels: (n,) of any type.
        groups: As of `category_score`.
    """
    n = len(texts)
    if len(labels) != n:
        raise ValueError(f"labels has {len(labels)} values for {n} texts.")
    classes = tuple(sorted(set(labels), key=lambda label: (str(type(label)), str(label))))
    codes = np.array([classes.index(label) for label in labels], dtype=np.intp)
    probability = np.zeros((n, len(classes)))
    if n:
        probability += np.bincount(codes, minlength=len(classes)) / n  # where there is one fold only
    counts = _counts(texts)
    for known, held_out in _splits(n, groups, seed):
        probability[held_out] = np.bincount(codes[known], minlength=len(classes)) / len(known)
        vectors = _vectors(counts, known, held_out) if counts is not None else None
        if vectors is None or np.ptp(codes[known]) == 0:
            continue
        model = _logistic(vectors[0], codes[known], seed)
        probability[np.ix_(held_out, model.classes_)] = model.predict_proba(vectors[1])
    names = np.empty(len(classes), dtype=object)
    names[:] = classes
    return Predicted(names[probability.argmax(axis=1)] if n else names[:0], probability, classes)


def _logistic(vectors: Any, codes: NDArray[np.intp], seed: int) -> Any:
    """Logistic regression by stochastic descent: dozens of classes over 10,000 rows take seconds, L-BFGS minutes."""
    rounds = min(max(20, math.ceil(_VISITS / len(codes))), 1000)
    model = require("sklearn.linear_model").SGDClassifier(
        loss="log_loss", alpha=LOGISTIC_ALPHA, max_iter=rounds, tol=1e-3, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped at the last round
        return model.fit(vectors, codes)


def most_frequent(labels: Sequence[Hashable]) -> Hashable | None:
    """The label that comes most often; of several the first by name. ``None`` without labels."""
    counted = Counter(labels)
    return min(counted, key=lambda label: (-counted[label], str(label))) if counted else None


def _splits(n: int, groups: Groups | None, seed: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows to learn from and rows to predict, for each fold; nothing where there is but one."""
    fold = folds(n, groups, seed=seed)
    for number in range(int(fold.max()) + 1 if n else 0):
        known, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(known):
            yield known, held_out


def _counts(texts: Sequence[str]) -> Any | None:
    """Counts of words and pairs of words, sparse (n, terms); ``None`` where no text has a word."""
    text = require("sklearn.feature_extraction.text")
    counter = text.CountVectorizer(ngram_range=(1, 2), dtype=np.float64, token_pattern=r"(?u)\b\w+\b")
    try:
        return counter.fit_transform(texts)
    except ValueError:  # scikit-learn's word for an empty vocabulary
        return None


def _vectors(counts: Any, known: NDArray[np.intp], held_out: NDArray[np.intp]) -> tuple[Any, Any] | None:
    """TF-IDF of the rows to learn from and of those to predict; terms and their weights come from the former only."""
    learned = counts[known]
    kept = np.flatnonzero(learned.getnnz(axis=0) >= LEAST_ROWS)
    if not len(kept):
        return None
    weigher = require("sklearn.feature_extraction.text").TfidfTransformer(sublinear_tf=True)
    return weigher.fit_transform(learned[:, kept]), weigher.transform(counts[held_out][:, kept])
