"""Operating points: what each threshold on "this tier suffices" comes to, and the one that reaches a target.

A threshold works as in `tiergraph.proposers.calibration.choose`: a request takes its cheapest tier whose probability of
sufficing reaches it, else the top one. What is given are predictions that were made without the row itself; ladders are
of any length.

Failure rule: a target that no threshold reaches is the user's mistake, and what can be reached is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.errors import InputError

Floats = NDArray[np.float64]
Kind = Literal["cost", "quality", "share"]

_NARROW = 1e-6
"""Thresholds closer to each other than this are no choice: rounding of a sum could take either."""

_SMALL = 1e-12


class Target(NamedTuple):
    """What an operating point is to reach.

    ``cost``: a mean cost of at most ``value`` times that of always the top tier. ``quality``: a mean score of at least
    ``value`` times the top tier's. ``share``: at most ``value`` of all requests to the top tier.
    """

    kind: Kind
    value: float

    def __str__(self) -> str:
        return f"{self.kind}={self.value:g}"


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one threshold comes to.

    Attributes:
        sufficiency: The threshold, in (0, 1): ``profile`` in router.yaml.
        quality: Mean score in [0, 1].
        cost: Mean cost of a request, in the unit of the costs given.
        shares: Share of requests that each tier takes, cheapest first; sum 1.
        quality_kept, cost_kept: Quality and cost as shares of always the top tier's; ``None`` where those are 0.
    """

    sufficiency: float
    quality: float
    cost: float
    shares: tuple[float, ...]
    quality_kept: float | None
    cost_kept: float | None


class Sweep(NamedTuple):
    """Every threshold that makes a difference, rising.

    Attributes:
        thresholds: (p,), each in the middle of those that choose the same.
        quality, cost: Means, (p,).
        shares: (p, tiers).
        top_quality, top_cost: Of always the top tier.
    """

    thresholds: Floats
    quality: Floats
    cost: Floats
    shares: Floats
    top_quality: float
    top_cost: float

    def point(self, number: int) -> Point:
        """The point at a place of the sweep."""
        quality, cost = float(self.quality[number]), float(self.cost[number])
        return Point(
            sufficiency=float(self.thresholds[number]),
            quality=quality,
            cost=cost,
            shares=tuple(self.shares[number].tolist()),
            quality_kept=quality / self.top_quality if self.top_quality > 0 else None,
            cost_kept=cost / self.top_cost if self.top_cost > 0 else None,
        )


def parse_target(text: str) -> Target:
    """``cost=0.4``, ``quality=0.97`` or ``share=0.3``.

    Raises:
        InputError: Anything else.
    """
    kind, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if kind not in get_args(Kind) or not 0 <= value <= 1:
        raise InputError(
            f"--target {text!r} is none. Fix: write cost=0.4, quality=0.97 or share=0.3, a share from 0 to 1.",
            code="bad_target",
        )
    return Target(kind, value)  # type: ignore[arg-type]  # it was compared with all of them


def chosen(cumulative: ArrayLike, sufficiency: float) -> NDArray[np.intp]:
    """The tier that each row takes, (n,), as `choose` takes it with every tier allowed.

    ``cumulative``: (n, tiers - 1) probability that each tier but the top suffices, rising along a row.
    """
    levels = np.asarray(cumulative, float)
    found: NDArray[np.intp] = (levels < sufficiency).sum(axis=1)
    return found


def at(cumulative: ArrayLike, quality: ArrayLike, cost: ArrayLike, sufficiency: float) -> Point:
    """The point at a threshold in (0, 1). Arguments as of `sweep`."""
    scores, costs, levels = _tables(cumulative, quality, cost)
    took = chosen(levels, sufficiency)
    rows = np.arange(len(scores))
    shares = np.bincount(took, minlength=scores.shape[1]) / len(scores)
    one = Sweep(
        np.array([sufficiency]),
        np.array([scores[rows, took].mean()]),
        np.array([costs[rows, took].mean()]),
        shares[None, :],
        float(scores[:, -1].mean()),
        float(costs[:, -1].mean()),
    )
    return one.point(0)


def sweep(cumulative: ArrayLike, quality: ArrayLike, cost: ArrayLike) -> Sweep:
    """All thresholds at once.

    Args:
        cumulative: (n, tiers - 1) probability that each tier but the top suffices, rising along a row.
        quality: (n, tiers) scores, none missing; n > 0.
        cost: (n, tiers) or (tiers,), in any unit.
    """
    scores, costs, levels = _tables(cumulative, quality, cost)
    n, tiers = scores.shape
    # A row leaves tier k for k + 1 where the threshold passes its level k.
    flat = levels.reshape(-1)
    order = np.argsort(flat, kind="stable")
    values, first = np.unique(flat[order], return_index=True)
    gained = [np.diff(table, axis=1).reshape(-1)[order] for table in (scores, costs)]
    moves = np.eye(tiers)[1:] - np.eye(tiers)[:-1]
    moved = np.tile(moves, (n, 1))[order]

    def walked(start: Any, steps: Floats) -> Floats:
        found: Floats = np.concatenate([np.array([start]), np.add.reduceat(steps, first, axis=0)]).cumsum(axis=0) / n
        return found

    low, high = np.concatenate([[0.0], values]), np.concatenate([values, [1.0]])
    kept = np.flatnonzero(high - low > _NARROW)
    start = np.eye(tiers)[0] * n
    return Sweep(
        np.array([_between(low[i], high[i]) for i in kept]),
        walked(scores[:, 0].sum(), gained[0])[kept],
        walked(costs[:, 0].sum(), gained[1])[kept],
        np.clip(walked(start, moved)[kept], 0.0, 1.0),
        float(scores[:, -1].mean()),
        float(costs[:, -1].mean()),
    )


def pick(found: Sweep, target: Target, *, top: str) -> Point:
    """The point that reaches a target: within a cost or share the best one, for a quality the cheapest.

    ``top``: name of the top tier, for the error.

    Raises:
        InputError: No threshold reaches it; says what can be reached.
    """
    kept = {
        "cost": found.cost <= target.value * found.top_cost + _SMALL,
        "quality": found.quality >= target.value * found.top_quality - _SMALL,
        "share": found.shares[:, -1] <= target.value + _SMALL,
    }[target.kind]
    places = np.flatnonzero(kept)
    if not len(places):
        raise InputError(f"--target {target}: {_reachable(found, target.kind, top)}", code="unreachable_target")
    worse, dearer = -found.quality[places], found.cost[places] / (found.top_cost or 1.0)
    keys = (worse, dearer) if target.kind == "quality" else (dearer, worse)  # the last one goes first
    best = np.lexsort(tuple(np.round(key, 9) for key in keys))[0]
    return found.point(int(places[best]))


def picked_elsewhere(
    cumulative: ArrayLike, quality: ArrayLike, cost: ArrayLike, target: Target, fold: Sequence[int], *, top: str
) -> NDArray[np.intp]:
    """The tier of each row at the threshold that the other folds pick, (n,): what a point is worth on new rows.

    Args:
        cumulative, quality, cost: As of `sweep`.
        fold: (n,) the fold of each row, at least two.
    """
    scores, costs, levels = _tables(cumulative, quality, cost)
    folds = np.asarray(fold)
    took = np.zeros(len(scores), dtype=np.intp)
    for number in np.unique(folds):
        known, held_out = folds != number, folds == number
        point = pick(sweep(levels[known], scores[known], costs[known]), target, top=top)
        took[held_out] = chosen(levels[held_out], point.sufficiency)
    return took


def _reachable(found: Sweep, kind: Kind, top: str) -> str:
    if kind == "cost":
        least = found.cost.min() / found.top_cost if found.top_cost > 0 else float("nan")
        return f"no threshold is so cheap. The least is cost={_up(least)} of always {top!r}."
    if kind == "share":
        return f"no threshold sends so few to {top!r}. The least is share={_up(float(found.shares[:, -1].min()))}."
    most = found.quality.max() / found.top_quality if found.top_quality > 0 else float("nan")
    return f"no threshold is so good. The most is quality={np.floor(most * 1000) / 1000:.3f} of always {top!r}."


def _up(value: float) -> str:
    """To three digits, not below: what is named can be asked for."""
    return f"{np.ceil(value * 1000 - 1e-9) / 1000:.3f}"


def _between(low: float, high: float) -> float:
    """A number well inside, with as few digits as that takes."""
    middle, room = (low + high) / 2, 0.4 * (high - low)
    for digits in range(2, 9):
        short = round(middle, digits)
        if abs(short - middle) <= room:
            return short
    return middle


def _tables(cumulative: ArrayLike, quality: ArrayLike, cost: ArrayLike) -> tuple[Floats, Floats, Floats]:
    scores, levels = np.asarray(quality, float), np.asarray(cumulative, float)
    if scores.ndim != 2 or not len(scores) or levels.shape != (len(scores), scores.shape[1] - 1):
        raise ValueError(
            f"quality has the shape {scores.shape} and cumulative {levels.shape}; one tier less, and a row."
        )
    costs = np.broadcast_to(np.asarray(cost, float), scores.shape)
    if np.isnan(scores).any() or np.isnan(costs).any() or np.isnan(levels).any():
        raise ValueError("A table holds NaN. Fix: drop the rows that are not scored on every tier.")
    return scores, costs, np.maximum.accumulate(levels, axis=1)
