"""Labels and flags against the truth: accuracy, precision and recall, the area under the ROC curve.

They are sums of counts and ranks here and not scikit-learn's functions, since a bootstrap asks for a thousand of each
at once; the tests hold them against scikit-learn's. Failure rule: where there is nothing to divide by, it is ``None``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.evaluation.intervals import (
    RESAMPLES,
    Floats,
    Groups,
    Interval,
    as_column,
    as_weights,
    divided,
    group_codes,
    mean_interval,
    over_chunks,
    percentiles,
    ratio_interval,
    resample_chunks,
)


class Detection(NamedTuple):
    """How well a flag finds what it looks for; shares in [0, 1], ``None`` where there is nothing to divide by.

    ``n`` counts all rows, ``positives`` those where the truth is that it is there.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    false_positive_rate: float | None
    n: int
    positives: int


class DetectionIntervals(NamedTuple):
    """The same with intervals; the ``n`` of each is the number of rows that it divides by."""

    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    false_positive_rate: Interval | None


def accuracy(truth: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Share of rows whose label is right; labels (n,) of any type."""
    right = _same(truth, predicted)
    counts = as_weights(weights, len(right))
    return float(counts @ right / counts.sum()) if counts.sum() else None


def accuracy_interval(
    truth: ArrayLike, predicted: ArrayLike, groups: Groups | None = None, *, weights: NDArray[Any] | None = None,
    count: int = RESAMPLES, seed: int = 0,
) -> Interval | None:  # fmt: skip
    """`accuracy` with its interval; ``weights`` (r, n) are resamples to use in place of new ones."""
    return mean_interval(_same(truth, predicted), groups, weights=weights, count=count, seed=seed)


def precision_recall(truth: ArrayLike, found: ArrayLike, weights: ArrayLike | None = None) -> Detection:
    """Of a flag: ``truth`` and ``found`` are booleans (n,)."""
    there, raised = _flags(truth, found)
    counts = as_weights(weights, len(there))
    hits, calls, positives, n = (float(counts @ each) for each in (there & raised, raised, there, there | True))
    return Detection(
        precision=hits / calls if calls else None,
        recall=hits / positives if positives else None,
        f1=2 * hits / (calls + positives) if calls + positives else None,
        false_positive_rate=(calls - hits) / (n - positives) if n > positives else None,
        n=round(n),
        positives=round(positives),
    )


def precision_recall_intervals(
    truth: ArrayLike, found: ArrayLike, groups: Groups | None = None, *, weights: NDArray[Any] | None = None,
    count: int = RESAMPLES, seed: int = 0,
) -> DetectionIntervals:  # fmt: skip
    """`precision_recall` with intervals; ``weights`` (r, n) are resamples to use in place of new ones."""
    there, raised = _flags(truth, found)

    def ratio(above: NDArray[Any], below: NDArray[Any], share: bool) -> Interval | None:
        return ratio_interval(above, below, groups, weights=weights, share=share, count=count, seed=seed)

    either = raised.astype(float) + there
    return DetectionIntervals(
        precision=ratio(raised & there, raised, True),
        recall=ratio(raised & there, there, True),
        f1=ratio(2.0 * (raised & there), either, True),
        false_positive_rate=ratio(raised & ~there, ~there, True),
    )


def auc(score: ArrayLike, truth: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """How likely a row where ``truth`` holds scores above one where it does not, ties one half; both (n,).

    ``None`` where either kind is absent.
    """
    value = auc_resampled(score, truth, as_weights(weights, np.size(score))[None, :])[0]
    return None if math.isnan(value) else float(value)


def auc_resampled(score: ArrayLike, truth: ArrayLike, weights: NDArray[Any]) -> Floats:
    """`auc` of each row of weights (r, n): r values, NaN where either kind is absent."""
    ranks = as_column(score, "score")
    there = as_column(truth, "truth", len(ranks)) > 0
    if not len(ranks):
        return np.full(len(weights), np.nan)
    order = np.argsort(ranks, kind="stable")
    ordered = ranks[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))

    def area(counts: Floats) -> Floats:
        moved = counts[:, order]
        above, below = (np.add.reduceat(moved * kind[order], first, axis=1) for kind in (there, ~there))
        pairs = (above * (below.cumsum(axis=1) - below / 2)).sum(axis=1)
        return divided(pairs, above.sum(axis=1) * below.sum(axis=1))

    return over_chunks(weights, area)


def auc_interval(
    score: ArrayLike, truth: ArrayLike, groups: Groups | None = None, *, weights: NDArray[Any] | None = None,
    count: int = RESAMPLES, seed: int = 0,
) -> Interval | None:  # fmt: skip
    """`auc` with its interval; ``weights`` (r, n) are resamples to use in place of new ones.

    Where the score parts the kinds perfectly no resample differs, and the interval has no width.
    """
    value = auc(score, truth)
    if value is None:
        return None
    n = np.size(score)
    if len(np.unique(group_codes(n, groups))) == 1:
        return Interval(value, None, None, n)
    chunks = [weights] if weights is not None else resample_chunks(n, groups, count, seed)
    return percentiles(value, np.concatenate([auc_resampled(score, truth, chunk) for chunk in chunks]), n)


def _same(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.bool_]:
    """Where two labels are equal. Python's own comparison: numpy would call 1 and "1" equal once it has joined them."""
    one, other = list(np.asarray(truth, dtype=object)), list(np.asarray(predicted, dtype=object))
    if len(one) != len(other):
        raise ValueError(f"predicted has {len(other)} labels for {len(one)} rows.")
    return np.fromiter((a == b for a, b in zip(one, other, strict=True)), dtype=bool, count=len(one))


def _flags(truth: ArrayLike, found: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    there = as_column(truth, "truth")
    return there > 0, as_column(found, "found", len(there)) > 0
