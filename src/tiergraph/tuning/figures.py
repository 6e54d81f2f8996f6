"""What a fitted ladder is worth, on predictions that were made without the row itself, beside every baseline.

Over rows that every tier was scored on. For two tiers the figure is the APGR; for more it is the area under score over
cost between always the cheapest and always the top tier, which for two is the same. Failure rule: where the top tier is
no better than the cheapest there is nothing to rank, and no figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiergraph.evaluation import curves
from tiergraph.evaluation.cases import Case
from tiergraph.evaluation.facts import Facts
from tiergraph.evaluation.intervals import Interval, percentiles, resamples
from tiergraph.evaluation.observations import Observation
from tiergraph.tiers import Tier

Floats = NDArray[np.float64]

TUNED, GENERIC, ORACLE = "tuned", "generic", "oracle"
RESAMPLES = 500


class Beside(NamedTuple):
    """One score beside the tuned one.

    Attributes:
        name: Such as ``length``.
        value: Its figure, with a 95 % interval.
        difference: Of the tuned score to it, paired; ``None`` for the tuned score and the oracle.
    """

    name: str
    value: Interval | None
    difference: Interval | None


def facts_on(cases: Sequence[Case], tiers: Sequence[Tier], cumulative: Floats, sufficiency: float, seed: int) -> Facts:
    """The cases as they would be routed by these levels at this threshold.

    Args:
        cases: n, with the outcomes that are known.
        cumulative: (n, tiers - 1) probability that each tier but the top suffices.
    """
    names = [tier.name for tier in tiers]
    levels = np.hstack([np.maximum.accumulate(cumulative, axis=1), np.ones((len(cases), 1))])
    took = (levels < sufficiency).sum(axis=1)
    masses = np.diff(levels, axis=1, prepend=0.0)
    observations = [
        Observation(
            case=case.id,
            tier=names[took[row]],
            score=float(1.0 - levels[row, 0]),
            tier_probabilities=dict(zip(names, masses[row].tolist(), strict=True)),
        )
        for row, case in enumerate(cases)
    ]
    return Facts(
        cases=cases, observations=observations, ladder=names, tiers=tiers, places=np.arange(len(cases)), seed=seed
    )


def ranked(facts: Facts, generic: Floats) -> list[Beside]:
    """The figure of the tuned score, of the generic one, of every baseline and of the oracle.

    Args:
        facts: As of `facts_on`, of the tuned levels.
        generic: (n, tiers - 1) levels without a head for the ladder.
    """
    at = np.flatnonzero(facts.complete)
    groups = None if facts.groups is None else facts.groups[at]
    weights = resamples(len(at), groups, count=RESAMPLES, seed=facts.seed)
    quality = facts.quality[at]
    cost = facts.cost[at] if len(facts.tiers) > 2 else np.tile([0.0, 1.0], (len(at), 1))
    gain = quality[:, -1] - quality[:, 0]
    if not len(at) or gain.mean() <= 0 or not (cost[:, -1] > cost[:, 0]).any():
        return []
    whole = np.ones((1, len(at)))
    there = weights @ gain > 0

    def both(name: str) -> tuple[float, Floats]:
        value, drawn = (_area(name, facts, generic, quality, cost, at, counts) for counts in (whole, weights))
        return float(value[0]), np.where(there, drawn, np.nan)

    n, (own, own_drawn) = len(at), both(TUNED)
    found = [Beside(TUNED, percentiles(own, own_drawn, n), None)]
    for name in (GENERIC, *facts.baselines, ORACLE):
        value, drawn = both(name)
        gap = None if name == ORACLE else percentiles(own - value, own_drawn - drawn, n)
        found.append(Beside(name, percentiles(value, drawn, n), gap))
    return found


def _area(
    name: str, facts: Facts, generic: Floats, quality: Floats, cost: Floats, at: Any, weights: NDArray[Any]
) -> Floats:
    """The area of one score for each row of weights."""
    if name == ORACLE:
        if quality.shape[1] == 2:  # as the APGR has it: ranked by the gain, even where that is below zero
            return curves.score_area_resampled(quality[:, 1] - quality[:, 0], quality, cost, weights)
        return curves.oracle_area_resampled(quality, cost, weights)
    if name in (TUNED, GENERIC):
        levels = facts.sufficiency[at] if name == TUNED else np.hstack([generic[at], np.ones((len(at), 1))])
        return curves.operating_area_resampled(levels, quality, cost, weights)
    return curves.score_area_resampled(facts.baselines[name][at], quality, cost, weights)


def band(facts: Facts, cost: Floats, points: int = 41) -> tuple[Floats, Floats, Floats]:
    """Cost, and the ends of the 95 % interval of the tuned curve's score there.

    ``cost``: (n, tiers) of the complete cases, as the chart has it.
    """
    at = np.flatnonzero(facts.complete)
    groups = None if facts.groups is None else facts.groups[at]
    quality, levels = facts.quality[at], facts.sufficiency[at]
    across = np.linspace(cost[:, 0].mean(), cost[:, -1].mean(), points)
    drawn = []
    for counts in resamples(len(at), groups, count=200, seed=facts.seed):
        curve = curves.operating_curve(levels, quality, cost, counts.astype(float))
        drawn.append(np.interp(across, curve.cost, curve.quality))
    low, high = np.quantile(np.array(drawn), (0.025, 0.975), axis=0)
    return across, low, high


def as_json(found: Sequence[Beside]) -> list[Mapping[str, Any]]:
    """For a report."""
    return [
        {"name": each.name, **_interval(each.value), "tuned_minus_it": _interval(each.difference) or None}
        for each in found
    ]


def _interval(given: Interval | None) -> dict[str, Any]:
    if given is None:
        return {}
    return {"value": _short(given.value), "low": _short(given.low), "high": _short(given.high), "n": given.n}


def _short(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
