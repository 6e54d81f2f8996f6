"""Turn logits into probabilities that can be believed: temperatures, thresholds and the level map.

Booleans and categories: ``p = softmax(logits / temperature)``. A flag is raised where ``p(true) >= threshold``.

The tier: ``softmax(logits / temperature)`` over the slots, summed up to a CDF at the slot ends (1/6, 2/6, ... 1);
``F_k`` is how likely a model of capability slot k suffices. The level map, monotone and piecewise linear, takes
each of these values to the rate at which models of that level did answer correctly. Between slot ends the mapped
CDF is linear. :func:`tier_probabilities` is the whole reading, for a ladder of any length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from tiergraph.training.equality import softmax
from tiergraph.training.extras import require

_KNOTS = 24
_FALSE_POSITIVES = 0.005  # share of ordinary text that may raise a flag
_EVEN = 0.5


@dataclass(frozen=True, kw_only=True)
class LevelMap:
    """Knots of a monotone piecewise-linear map from [0, 1] to [0, 1]; ``x`` rises strictly."""

    x: tuple[float, ...] = (0.0, 1.0)
    y: tuple[float, ...] = (0.0, 1.0)

    def __call__(self, value: float) -> float:
        """The map at ``value``, which is clipped to [0, 1]."""
        value = min(max(value, 0.0), 1.0)
        for i in range(1, len(self.x)):
            if value <= self.x[i]:
                share = (value - self.x[i - 1]) / (self.x[i] - self.x[i - 1])
                return self.y[i - 1] + share * (self.y[i] - self.y[i - 1])
        return self.y[-1]


def tier_probabilities(slots: Sequence[float], level: LevelMap, levels: Sequence[float]) -> list[float]:
    """How likely each tier of a ladder is the cheapest that suffices.

    slots: probabilities of the capability slots, summing to 1. levels: capability of each tier in (0, 1], rising;
    tier i of n stands at (i + 1) / n unless configured. The top tier takes what remains. The result sums to 1.
    """
    ends = [0.0, *(level(value) for value in accumulate(slots))]
    cumulated = []
    for at in levels[:-1]:
        position = min(max(at, 0.0), 1.0) * len(slots)
        below = min(int(position), len(slots) - 1)
        cumulated.append(ends[below] + (position - below) * (ends[below + 1] - ends[below]))
    cumulated.append(1.0)
    return [b - a for a, b in zip([0.0, *cumulated], cumulated, strict=False)]


def fit_temperature(logits: Any, targets: Any) -> float:
    """The temperature in [0.25, 4] with the least cross-entropy; 1.0 without rows.

    logits: (rows, values). targets: soft labels of the same shape.
    """
    numpy = require("numpy")
    if not len(logits):
        return 1.0
    grid = numpy.geomspace(0.25, 4.0, 81)
    losses = [-(targets * numpy.log(softmax(logits / t) + 1e-12)).sum(axis=-1).mean() for t in grid]
    return round(float(grid[int(numpy.argmin(losses))]), 4)


def fit_threshold(probability: Any, truth: Any, ordinary: Any) -> float:
    """Threshold on p(true): 0.5, or higher where ordinary text would else raise the flag more than 0.5 % of the time.

    A flag is a second pair of eyes behind the patterns and is read on every window of every document: a lower
    threshold finds little more and takes ordinary help texts for personal data.

    probability: p(true) of each row. truth: whether it is. ordinary: which rows are everyday text.
    """
    numpy = require("numpy")
    calm = probability[ordinary & ~truth]
    bound = float(numpy.quantile(calm, 1.0 - _FALSE_POSITIVES, method="higher")) if len(calm) else 0.0
    return round(min(max(bound, _EVEN), 0.99), 4)


def fit_level(cumulated: Any, reached: Any) -> LevelMap:
    """Isotonic map from the model's CDF at slots 0 to n-2 to the recorded correctness at these slots.

    cumulated, reached: (rows, slots - 1). The end is pinned at (1, 1): the top tier takes what remains.
    """
    numpy = require("numpy")
    x, y = cumulated.reshape(-1), reached.reshape(-1)
    if len(x) < 2 * _KNOTS:
        return LevelMap()
    order = numpy.argsort(x, kind="stable")
    parts = numpy.array_split(order, _KNOTS)
    means = [(float(x[part].mean()), float(y[part].mean()), len(part)) for part in parts]
    values = pool_adjacent([m[1] for m in means], [float(m[2]) for m in means])
    knots_x, knots_y = [0.0], [0.0]
    for (at, _, _), value in zip(means, values, strict=True):
        if at > knots_x[-1] + 1e-4 and at < 1.0 - 1e-4:
            knots_x.append(round(at, 5))
            knots_y.append(round(min(max(value, 0.0), 1.0), 5))
    return LevelMap(x=(*knots_x, 1.0), y=(*knots_y, 1.0))


def pool_adjacent(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The closest non-decreasing sequence in weighted least squares (pool adjacent violators)."""
    pools: list[list[float]] = []  # value, weight, length
    for value, weight in zip(values, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            b, a = pools.pop(), pools.pop()
            total = a[1] + b[1]
            pools.append([(a[0] * a[1] + b[0] * b[1]) / total, total, a[2] + b[2]])
    return [pool[0] for pool in pools for _ in range(int(pool[2]))]


def expected_calibration_error(confidence: Any, correct: Any, bins: int = 15) -> float:
    """Mean gap between confidence and correctness over bins of equal count, both 0 to 1; 0 without rows."""
    numpy = require("numpy")
    if not len(confidence):
        return 0.0
    order = numpy.argsort(confidence, kind="stable")
    parts = [part for part in numpy.array_split(order, bins) if len(part)]
    return float(sum(abs(confidence[p].mean() - correct[p].mean()) * len(p) for p in parts) / len(order))
