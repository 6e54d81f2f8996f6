"""From a score to what it means: monotone maps, learned on scores that were made without the row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiergraph.proposers.heads import Points

PRIOR = 2.0
"""Rows of the overall mean that every step is mixed with, so that a step of one row is not certain."""

TILT = 2e-3
"""By how much a map rises beside what was learned: where that is level, scores still keep their order."""

Floats = NDArray[np.float64]


def fit_points(score: Floats, target: Floats) -> Points:
    """The closest map from score to mean target that does not fall.

    Between the middles of its steps it is straight, so that texts of different scores are not tied. Constant scores
    get the mean.

    Args:
        score: (n,), n > 0.
        target: (n,) in [0, 1].
    """
    mean = float(target.mean())
    at, weights, values = _steps(score, target)
    values = (values * weights + mean * PRIOR) / (weights + PRIOR)
    low, high = float(score.min()), float(score.max())
    if high <= low:
        return _checked(at[:1], np.array([mean]))
    x = np.concatenate([[2 * low - high], at, [2 * high - low]])
    y = np.concatenate([values[:1], values, values[-1:]])
    y = (1 - TILT) * y + TILT * (x - x[0]) / (x[-1] - x[0])
    return _checked(x, y)


def _steps(score: Floats, target: Floats) -> tuple[Floats, Floats, Floats]:
    """Pooled neighbours that would fall: mean score, number of rows and mean target of each."""
    order = np.argsort(score, kind="stable")
    pools: list[tuple[float, float, float]] = []
    for s, t in zip(score[order].tolist(), target[order].tolist(), strict=True):
        pools.append((s, 1.0, t))
        while len(pools) > 1 and (pools[-2][2] >= pools[-1][2] or pools[-2][0] >= pools[-1][0]):
            (s0, w0, t0), (s1, w1, t1) = pools[-2:]
            w = w0 + w1
            pools[-2:] = [((s0 * w0 + s1 * w1) / w, w, (t0 * w0 + t1 * w1) / w)]
    columns = np.array(pools)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _checked(x: Floats, y: Floats) -> Points:
    """As float32, where neighbours may have become one."""
    x32 = x.astype(np.float32)
    keep = np.concatenate([[True], np.diff(x32) > 0])
    rising = np.maximum.accumulate(np.clip(y[keep], 0, 1).astype(np.float32))
    return Points(x=x32[keep], y=rising)
