"""How true probabilities are: what was said against what came.

An outcome may be a fraction, such as a judge's score. Rows of one probability are never told apart, so that the order
of the rows changes nothing. Failure rule: NaN, or anything outside [0, 1], raises; without rows figures are NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tiergraph.evaluation.charts import Bin
from tiergraph.evaluation.intervals import Floats, as_column, as_weights, wilson


def expected_calibration_error(
    probability: ArrayLike, outcome: ArrayLike, bins: int = 15, weights: ArrayLike | None = None
) -> float:
    """Mean gap between probability and outcome over bins of equal mass, in [0, 1].

    Bins share the rows evenly: a row, or rows of one probability, at an edge count in part on either side.

    Args:
        probability, outcome: (n,) in [0, 1].
        bins: At most; no bin is smaller than one row.
        weights: (n,) how often each row counts.
    """
    said, came, counts = _checked(probability, outcome, weights)
    total = float(counts.sum())
    if not total:
        return math.nan
    _, gaps, mass = _by_probability(said, came, counts)
    edges = np.linspace(0.0, total, min(bins, math.ceil(total)) + 1)
    summed = np.interp(edges, np.concatenate([[0.0], mass.cumsum()]), np.concatenate([[0.0], gaps.cumsum()]))
    return float(np.abs(np.diff(summed)).sum() / total)


def brier(probability: ArrayLike, outcome: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean squared gap between probability and outcome, in [0, 1]; 0 is best."""
    said, came, counts = _checked(probability, outcome, weights)
    total = counts.sum()
    return float(counts @ (said - came) ** 2 / total) if total else math.nan


def brier_skill(probability: ArrayLike, outcome: ArrayLike, weights: ArrayLike | None = None) -> float:
    """How much of the Brier score of always saying the base rate is saved: 1 is perfect, 0 no better, below 0 worse.

    NaN where every outcome is the same: there is nothing to know.
    """
    said, came, counts = _checked(probability, outcome, weights)
    known = counts > 0
    if not known.any() or np.ptp(came[known]) == 0:
        return math.nan
    base = np.full(len(came), float(counts @ came / counts.sum()))
    return 1.0 - brier(said, came, counts) / brier(base, came, counts)


def reliability(
    probability: ArrayLike, outcome: ArrayLike, bins: int = 10, weights: ArrayLike | None = None
) -> list[Bin]:
    """Bins of about equally many rows, by rising probability: what was said on average, and what came.

    Rows of one probability are in one bin, so that there may be fewer bins. A bin goes from ``low`` up to the ``low``
    of the next; the first goes from 0 and the last holds 1. ``observed`` has Wilson's interval, for a fraction too.

    Args:
        probability, outcome, weights: As of `expected_calibration_error`.
        bins: At most.
    """
    said, came, counts = _checked(probability, outcome, weights)
    known = counts > 0
    said, came, counts = said[known], came[known], counts[known]
    if not len(said):
        return []
    levels, _, mass = _by_probability(said, came, counts)
    # the bin of a level is that of the middle of its mass
    middle = (mass.cumsum() - mass / 2) / mass.sum()
    of_level = np.minimum((middle * bins).astype(int), bins - 1)
    of_row = of_level[np.searchsorted(levels, said)]
    used = np.unique(of_level)
    lows = [0.0, *(float(levels[of_level == each].min()) for each in used[1:])]
    highs = [*lows[1:], 1.0]
    return [
        _bin(low, high, *(column[of_row == each] for column in (said, came, counts)))
        for each, low, high in zip(used, lows, highs, strict=True)
    ]


def _bin(low: float, high: float, said: Floats, came: Floats, counts: Floats) -> Bin:
    n = float(counts.sum())
    observed = float(np.clip(counts @ came / n, 0.0, 1.0))
    observed_low, observed_high = wilson(observed, n)
    return Bin(
        low=low,
        high=high,
        predicted=float(counts @ said / n),
        observed=observed,
        observed_low=observed_low,
        observed_high=observed_high,
        n=round(n),
    )


def _by_probability(said: Floats, came: Floats, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Distinct probabilities, rising, with the summed gap and the number of their rows."""
    levels, of_row = np.unique(said, return_inverse=True)
    of_row = of_row.reshape(-1)
    gaps, mass = np.zeros(len(levels)), np.zeros(len(levels))
    np.add.at(gaps, of_row, counts * (said - came))
    np.add.at(mass, of_row, counts)
    return levels, gaps, mass


def _checked(probability: ArrayLike, outcome: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    said = as_column(probability, "probability")
    came = as_column(outcome, "outcome", len(said))
    for name, column in (("probability", said), ("outcome", came)):
        if len(column) and (column.min() < 0 or column.max() > 1):
            raise ValueError(f"{name} goes from {column.min():g} to {column.max():g}; [0, 1] is needed.")
    return said, came, as_weights(weights, len(said))
