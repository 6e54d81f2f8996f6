"""Quality over cost, or over the share of requests that the strong model gets: curves, areas under them, crossings.

Each curve is one walk. Every case starts on a tier; then one case after another moves to a higher tier, in the order
that a score gives. Moves that the score cannot tell apart are one straight segment, which is what random tie-breaking
gives in expectation. A bootstrap resample only weights the moves, so that the order is sorted once for all of them.

Failure rule: rows with NaN raise; an area between two ends that are equal is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tiergraph.evaluation.intervals import Floats, as_column, as_weights, over_chunks

_SMALL = 1e-12  # qualities in [0, 1] closer than this are equal


class Curve(NamedTuple):
    """Mean quality over the share of cases that the strong model gets; both (points,), the share rising from 0 to 1."""

    strong_share: Floats
    quality: Floats


class CostCurve(NamedTuple):
    """Mean quality over mean cost in USD; both (points,), the cost rising."""

    cost: Floats
    quality: Floats


class Point(NamedTuple):
    """Mean cost in USD and mean quality in [0, 1]."""

    cost: float
    quality: float


# -- RouteLLM's own ---------------------------------------------------------------------------------------------------


def routellm_curve(score: ArrayLike, weak: ArrayLike, strong: ArrayLike) -> Curve:
    """The curve that RouteLLM draws: one point for each of the 11 decile edges of the score.

    Strong where score >= edge; at the last edge where score > edge, so that the curve ends with nobody. RouteLLM itself
    refuses scores whose decile edges coincide; here their points coincide.

    Args:
        score: (n,), higher for cases that need the strong model.
        weak, strong: (n,) quality of either model.
    """
    ranks, low, high = _two_models(score, weak, strong)
    if not len(ranks):
        raise ValueError("There are no rows to draw a curve from.")
    edges = _decile_edges(ranks)
    chosen = ranks >= edges[:, None]
    chosen[-1] = ranks > edges[-1]
    return Curve(chosen.mean(axis=1)[::-1], np.where(chosen, high, low).mean(axis=1)[::-1])


def routellm_apgr(score: ArrayLike, weak: ArrayLike, strong: ArrayLike) -> float:
    """Average performance gap recovered, as RouteLLM computes it: 0 is always weak, 1 always strong, 0.5 is chance.

    NaN where both models are equally good, or there are no rows.
    """
    if not np.size(score):
        return math.nan
    share, quality = routellm_curve(score, weak, strong)
    return area(CostCurve(share, quality), Point(0.0, float(quality[0])), Point(1.0, float(quality[-1])))


def routellm_cpt(score: ArrayLike, weak: ArrayLike, strong: ArrayLike, share: float = 0.5) -> float:
    """Call-performance threshold as RouteLLM computes it: the strong share at which ``share`` of the gap is recovered.

    It interpolates with `numpy.interp` and so, like RouteLLM, takes any of several crossings where the curve falls in
    between; `cpt` takes the first. NaN where the strong model is not better, or there are no rows.
    """
    if not np.size(score):
        return math.nan
    shares, quality = routellm_curve(score, weak, strong)
    if quality[-1] - quality[0] <= _SMALL:
        return math.nan
    return float(np.interp(quality[0] + share * (quality[-1] - quality[0]), quality, shares))


def _decile_edges(score: Floats) -> Floats:
    """The 11 edges, linear between two scores. An edge that falls on a score is it, and not an ulp beside it."""
    ordered, at = np.sort(score), np.arange(11) * (len(score) - 1)
    below = at // 10
    above = np.minimum(below + 1, len(score) - 1)
    edges: Floats = ordered[below] + (ordered[above] - ordered[below]) * (at % 10 / 10)
    return edges


# -- two models, exactly ----------------------------------------------------------------------------------------------


def exact_curve(score: ArrayLike, weak: ArrayLike, strong: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """From always weak to always strong, one case after another in falling score; tied cases are one straight segment.

    Args:
        score: (n,), higher for cases that need the strong model.
        weak, strong: (n,) quality of either model.
        weights: (n,) how often each row counts.
    """
    ranks, quality, cost = _as_ladder(score, weak, strong)
    return Curve(*score_curve(ranks, quality, cost, weights))


def apgr(score: ArrayLike, weak: ArrayLike, strong: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Share of the gap between always weak (0) and always strong (1) under `exact_curve`; chance is 0.5.

    NaN where both models are equally good, or there are no rows. Where the strong model is worse the sign turns.
    """
    return float(apgr_resampled(score, weak, strong, as_weights(weights, np.size(score))[None, :])[0])


def apgr_resampled(score: ArrayLike, weak: ArrayLike, strong: ArrayLike, weights: NDArray[Any]) -> Floats:
    """`apgr` of each row of weights (r, n): r values."""
    ranks, quality, cost = _as_ladder(score, weak, strong)
    return score_area_resampled(ranks, quality, cost, weights)


def cpt(
    score: ArrayLike, weak: ArrayLike, strong: ArrayLike, share: float = 0.5, weights: ArrayLike | None = None
) -> float:
    """The least strong share at which `exact_curve` reaches weak + ``share`` (strong - weak).

    NaN where the strong model is not better, the curve never comes so high, or there are no rows.
    """
    return float(cpt_resampled(score, weak, strong, as_weights(weights, np.size(score))[None, :], share)[0])


def cpt_resampled(
    score: ArrayLike, weak: ArrayLike, strong: ArrayLike, weights: NDArray[Any], share: float = 0.5
) -> Floats:
    """`cpt` of each row of weights (r, n): r values."""
    ranks, quality, cost = _as_ladder(score, weak, strong)
    if not len(ranks):
        return np.full(len(weights), np.nan)
    walk = _score_walk(ranks, quality, cost, (0, 1))

    def first(counts: Floats) -> Floats:
        shares, reached = walk.rows(counts)
        start, gap = reached[:, 0], reached[:, -1] - reached[:, 0]
        found = _first_crossing(shares, reached, start + share * gap)
        return np.where(gap > _SMALL, found, np.nan)

    return over_chunks(weights, first)


def _two_models(score: ArrayLike, weak: ArrayLike, strong: ArrayLike) -> tuple[Floats, Floats, Floats]:
    ranks = as_column(score, "score")
    return ranks, as_column(weak, "weak", len(ranks)), as_column(strong, "strong", len(ranks))


def _as_ladder(score: ArrayLike, weak: ArrayLike, strong: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Score (n,), and quality and cost (n, 2) where only the strong model costs: one a request."""
    ranks, low, high = _two_models(score, weak, strong)
    return ranks, np.column_stack([low, high]), np.broadcast_to([0.0, 1.0], (len(ranks), 2))


# -- ladders of any length --------------------------------------------------------------------------------------------


def operating_curve(
    sufficiency: ArrayLike,
    quality: ArrayLike,
    cost: ArrayLike,
    weights: ArrayLike | None = None,
    allowed: ArrayLike | None = None,
) -> CostCurve:
    """From always the cheapest tier to always the top one, over every threshold on the probability of sufficing.

    At a threshold each case takes its first allowed tier with sufficiency >= threshold; its last allowed tier always
    suffices. `thin` makes fewer points of it for a picture.

    Args:
        sufficiency: (n, T) probability that tier k suffices, not falling along a row.
        quality: (n, T), tiers cheapest first.
        cost: (n, T) in USD, or (T,) where all cases cost the same.
        weights: (n,) how often each row counts.
        allowed: (n, T) booleans; at least one tier of each row.
    """
    scores, costs = _ladder(quality, cost)
    return _drawn(_threshold_walk(sufficiency, scores, costs, allowed), as_weights(weights, len(scores)))


def score_curve(score: ArrayLike, quality: ArrayLike, cost: ArrayLike, weights: ArrayLike | None = None) -> CostCurve:
    """What any one score does with a ladder: along the upper concave hull of the single tiers, from the cheapest on.

    Between two neighbours of the hull the cases of the highest score get the upper one. For two tiers this is
    `exact_curve` in terms of cost.

    Args:
        score: (n,), higher for cases that need a higher tier.
        quality, cost, weights: As of `operating_curve`.
    """
    scores, costs = _ladder(quality, cost)
    ranks, counts = as_column(score, "score", len(scores)), as_weights(weights, len(scores))
    means = [_means(each, counts[None, :])[0] for each in (costs, scores)]
    return _drawn(_score_walk(ranks, scores, costs, _hull_of(*means)), counts)


def oracle_curve(quality: ArrayLike, cost: ArrayLike, weights: ArrayLike | None = None) -> CostCurve:
    """The best mean quality that any choice of tiers, case by case, has at each mean cost or below it.

    Mixing is allowed: each case climbs its own concave hull, and the steps with the most quality for the cost go first.
    It starts where every case takes its cheapest tier, and stays level once more cost buys nothing.

    Args:
        quality, cost, weights: As of `operating_curve`.
    """
    scores, costs = _ladder(quality, cost)
    return _drawn(_oracle_walk(scores, costs), as_weights(weights, len(scores)))


def single_tiers(quality: ArrayLike, cost: ArrayLike, weights: ArrayLike | None = None) -> list[Point]:
    """Always the same tier: one point for each of them."""
    scores, costs = _ladder(quality, cost)
    counts = as_weights(weights, len(scores))[None, :]
    return [Point(float(x), float(y)) for x, y in zip(_means(costs, counts)[0], _means(scores, counts)[0], strict=True)]


def hull(points: Iterable[tuple[float, float]]) -> list[Point]:
    """The upper concave hull of (cost, quality), from the least cost to the highest; a point on a line is left out."""
    given = [Point(*point) for point in points]
    if not given:
        return []
    return [given[i] for i in _hull_of(np.array([p.cost for p in given]), np.array([p.quality for p in given]))]


def operating_area_resampled(
    sufficiency: ArrayLike,
    quality: ArrayLike,
    cost: ArrayLike,
    weights: NDArray[Any],
    allowed: ArrayLike | None = None,
) -> Floats:
    """`area` under `operating_curve` between the first and the last tier, for each row of weights (r, n): r values."""
    scores, costs = _ladder(quality, cost)
    return _areas(_threshold_walk(sufficiency, scores, costs, allowed), scores, costs, weights)


def score_area_resampled(score: ArrayLike, quality: ArrayLike, cost: ArrayLike, weights: NDArray[Any]) -> Floats:
    """`area` under `score_curve` between the first and the last tier, for each row of weights (r, n): r values."""
    counts = np.asarray(weights)
    if not np.size(score):
        return np.full(len(counts), np.nan)
    scores, costs = _ladder(quality, cost)
    ranks = as_column(score, "score", len(scores))
    x, y = over_chunks(counts, lambda part: _means(costs, part)), over_chunks(counts, lambda part: _means(scores, part))
    hulls: dict[tuple[int, ...], list[int]] = {}
    for row in range(len(counts)):
        hulls.setdefault(_hull_of(x[row], y[row]), []).append(row)
    found = np.full(len(counts), np.nan)
    for tiers, rows in hulls.items():
        found[rows] = _areas(_score_walk(ranks, scores, costs, tiers), scores, costs, counts[rows])
    return found


def oracle_area_resampled(quality: ArrayLike, cost: ArrayLike, weights: NDArray[Any]) -> Floats:
    """`area` under `oracle_curve` between the first and the last tier, for each row of weights (r, n): r values."""
    scores, costs = _ladder(quality, cost)
    return _areas(_oracle_walk(scores, costs), scores, costs, weights)


# -- reading a curve --------------------------------------------------------------------------------------------------


def area(curve: CostCurve, low: Point, high: Point) -> float:
    """The area under quality over cost from ``low`` to ``high``: 0 is always ``low``, 1 always ``high``.

    For two tiers of constant costs it is the APGR. A curve that starts later than ``low`` counts as ``low`` up to
    there; one that ends early stays level.

    Args:
        curve: Cost rising.
        low, high: Commonly the first and the last of `single_tiers`.

    Returns:
        NaN where the two ends are equal in quality, or ``high`` costs no more than ``low``.
    """
    x, y = np.asarray(curve.cost)[None, :], np.asarray(curve.quality)[None, :]
    ends = [np.array([value]) for value in (*low, *high)]
    return float(_area_rows(x, y, *ends)[0])


def quality_at(curve: CostCurve, cost: float) -> float:
    """The quality at a mean cost: NaN below the first point, that of the last one beyond it."""
    if not len(curve.cost) or cost < curve.cost[0] - _SMALL * (1.0 + abs(float(curve.cost[0]))):
        return math.nan
    return float(np.interp(cost, curve.cost, curve.quality))


def cost_at(curve: CostCurve, quality: float) -> float:
    """The least mean cost at which the curve reaches a quality; NaN where it never does."""
    return float(_first_crossing(curve.cost[None, :], curve.quality[None, :], np.array([quality]))[0])


def thin(curve: CostCurve, points: int = 200) -> CostCurve:
    """At most ``points`` (>= 2) of a curve's points, even in cost, its ends included; each lies on the curve."""
    if len(curve.cost) <= points:
        return curve
    at = np.linspace(curve.cost[0], curve.cost[-1], points)
    quality = np.interp(at, curve.cost, curve.quality)
    quality[0], quality[-1] = curve.quality[0], curve.quality[-1]
    return CostCurve(at, quality)


# -- walks ------------------------------------------------------------------------------------------------------------


class _Walk(NamedTuple):
    """Where n cases start, and m moves in the order in which they are made.

    ``case``, ``cost``, ``quality`` and ``group`` are (m,): who moves, what that adds, and which moves are one segment.
    """

    start_cost: Floats
    start_quality: Floats
    case: NDArray[np.intp]
    cost: Floats
    quality: Floats
    group: NDArray[np.intp]

    def rows(self, counts: Floats) -> tuple[Floats, Floats]:
        """Mean cost and mean quality after each segment, (r, segments + 1), under counts (r, n)."""
        first = np.flatnonzero(np.diff(self.group, prepend=-1))
        total = counts.sum(axis=1, keepdims=True)
        moved = counts[:, self.case]
        found = []
        for start, added in ((self.start_cost, self.cost), (self.start_quality, self.quality)):
            steps = np.add.reduceat(moved * added, first, axis=1) if len(first) else moved[:, :0]
            sums = np.concatenate([(counts @ start)[:, None], steps], axis=1).cumsum(axis=1)
            found.append(np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0))
        return found[0], found[1]


def _sorted_walk(
    start: tuple[Floats, Floats], moves: Sequence[tuple[NDArray[np.intp], Floats, Floats, Floats]]
) -> _Walk:
    """A walk from moves in any order. ``moves``: parts of (case, key, cost, quality); low keys go first."""
    if not moves:
        return _Walk(*start, np.zeros(0, np.intp), np.zeros(0), np.zeros(0), np.zeros(0, np.intp))
    case, key, cost, quality = (np.concatenate(parts) for parts in zip(*moves, strict=True))
    order = np.argsort(key, kind="stable")
    # compared, not subtracted: inf - inf is NaN
    group = np.concatenate([[0], np.cumsum(key[order][1:] != key[order][:-1])]).astype(np.intp)[: len(order)]
    return _Walk(*start, case[order], cost[order], quality[order], group)


def _score_walk(score: Floats, quality: Floats, cost: Floats, tiers: Sequence[int]) -> _Walk:
    """Along ``tiers``: between two of them in falling score."""
    ranks = np.unique(-score, return_inverse=True)[1].reshape(-1)
    case = np.arange(len(score))
    moves = [
        (case, (stage * (len(score) + 1) + ranks).astype(float), cost[:, b] - cost[:, a], quality[:, b] - quality[:, a])
        for stage, (a, b) in enumerate(pairwise(tiers))
    ]
    return _sorted_walk((cost[:, tiers[0]], quality[:, tiers[0]]), moves)


def _threshold_walk(sufficiency: ArrayLike, quality: Floats, cost: Floats, allowed: ArrayLike | None) -> _Walk:
    """A case leaves a tier when the threshold passes the probability that it suffices."""
    suffices = np.asarray(sufficiency, dtype=np.float64)
    open_to = np.ones(quality.shape, dtype=bool) if allowed is None else np.asarray(allowed, dtype=bool)
    for name, table in (("sufficiency", suffices), ("allowed", open_to)):
        if table.shape != quality.shape:
            raise ValueError(f"{name} has the shape {table.shape}; that of quality, {quality.shape}, is needed.")
    if np.isnan(suffices).any():
        raise ValueError("sufficiency holds NaN. Fix: drop the rows without probabilities.")
    if not open_to.any(axis=1).all():
        raise ValueError("allowed leaves some row no tier. Fix: drop the rows that no tier may take.")
    suffices = np.maximum.accumulate(suffices, axis=1)  # rounding may let it fall by an ulp
    rows = np.arange(len(quality))
    at = open_to.argmax(axis=1)
    start = (cost[rows, at], quality[rows, at])
    moves = []
    for tier in range(1, quality.shape[1]):
        case = np.flatnonzero(open_to[:, tier] & (at < tier))
        left = at[case]
        gained = [table[case, tier] - table[case, left] for table in (cost, quality)]
        moves.append((case, suffices[case, left], gained[0], gained[1]))
        at[case] = tier
    return _sorted_walk(start, moves)


def _oracle_walk(quality: Floats, cost: Floats) -> _Walk:
    """Each case climbs its own concave hull; among all cases the steepest step goes first."""
    rows = np.arange(len(quality))
    at = np.lexsort((-quality, cost), axis=1)[:, 0]
    start = (cost[rows, at], quality[rows, at])
    moves = []
    for _ in range(quality.shape[1] - 1):
        dearer, better = cost - cost[rows, at][:, None], quality - quality[rows, at][:, None]
        with np.errstate(over="ignore"):
            slope = np.divide(better, dearer, out=np.zeros(cost.shape), where=(dearer > 0) & (better > 0))
        best = slope.argmax(axis=1)
        case = np.flatnonzero(slope[rows, best] > 0)
        moves.append((case, -slope[case, best[case]], dearer[case, best[case]], better[case, best[case]]))
        at[case] = best[case]
    unspent = cost.max(axis=1) - cost[rows, at]
    moves.append((rows, np.full(len(rows), np.inf), unspent, np.zeros(len(rows))))
    return _sorted_walk(start, moves)


def _drawn(walk: _Walk, counts: Floats) -> CostCurve:
    if not counts.sum():
        raise ValueError("There are no rows to draw a curve from.")
    moving = counts[walk.case] > 0  # a row that does not count makes no point
    kept = walk._replace(
        case=walk.case[moving], cost=walk.cost[moving], quality=walk.quality[moving], group=walk.group[moving]
    )
    x, y = kept.rows(counts[None, :])
    return CostCurve(*(part[0] for part in _by_cost(x, y)))


def _by_cost(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Points of each row by rising cost: where a higher tier is cheaper for a case, the walk goes back."""
    if not (np.diff(x, axis=1) < 0).any():
        return x, y
    order = np.argsort(x, axis=1, kind="stable")
    return np.take_along_axis(x, order, axis=1), np.take_along_axis(y, order, axis=1)


def _areas(walk: _Walk, quality: Floats, cost: Floats, weights: NDArray[Any]) -> Floats:
    """The area for each row of weights, between always the first tier and always the last."""

    def measured(counts: Floats) -> Floats:
        ends = [_means(table[:, [tier]], counts)[:, 0] for tier in (0, -1) for table in (cost, quality)]
        return _area_rows(*_by_cost(*walk.rows(counts)), *ends)

    return over_chunks(weights, measured, width=max(1, len(walk.case) // max(1, len(quality))))


def _area_rows(x: Floats, y: Floats, low: Floats, bottom: Floats, high: Floats, top: Floats) -> Floats:
    """Areas under r curves (r, points), x rising, from ``low`` to ``high``, scaled by ``bottom`` and ``top``, (r,)."""
    cut = np.clip(x, low[:, None], np.maximum(low, high)[:, None])
    width = np.diff(x, axis=1)
    rise = np.diff(y, axis=1)
    sides = []
    for side in (cut[:, :-1], cut[:, 1:]):
        along = np.divide(side - x[:, :-1], width, out=np.zeros_like(width), where=width > 0)
        sides.append(y[:, :-1] + along * rise)
    inside = (np.diff(cut, axis=1) * (sides[0] + sides[1]) / 2).sum(axis=1)
    outside = (cut[:, 0] - low) * bottom + (high - cut[:, -1]) * y[:, -1]
    defined = (high > low) & (np.abs(top - bottom) > _SMALL)
    span, gap = np.where(defined, high - low, np.nan), np.where(defined, top - bottom, np.nan)
    found: Floats = ((inside + outside) / span - bottom) / gap
    return found


def _first_crossing(x: Floats, y: Floats, target: Floats) -> Floats:
    """The x at which each of r curves (r, points) first reaches its target (r,); NaN where it never does."""
    reached = y >= target[:, None] - _SMALL
    at = reached.argmax(axis=1)
    rows = np.arange(len(x))
    before = np.maximum(at - 1, 0)
    rise = y[rows, at] - y[rows, before]
    along = np.divide(target - y[rows, before], rise, out=np.ones(len(x)), where=rise > 0)
    found = x[rows, before] + np.clip(along, 0.0, 1.0) * (x[rows, at] - x[rows, before])
    return np.where(reached.any(axis=1), found, np.nan)


def _ladder(quality: ArrayLike, cost: ArrayLike) -> tuple[Floats, Floats]:
    scores = np.asarray(quality, dtype=np.float64)
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(f"quality has the shape {scores.shape}; (n, tiers) is needed.")
    costs = np.asarray(cost, dtype=np.float64)
    if costs.shape not in (scores.shape, scores.shape[1:]):
        raise ValueError(f"cost has the shape {costs.shape}; {scores.shape} or {scores.shape[1:]} is needed.")
    for name, table in (("quality", scores), ("cost", costs)):
        if np.isnan(table).any():
            raise ValueError(f"{name} holds NaN. Fix: drop the rows that are not scored on every tier.")
    return scores, np.broadcast_to(costs, scores.shape)


def _means(table: Floats, counts: Floats) -> Floats:
    """Weighted means (r, k) of (n, k) under counts (r, n); NaN where nothing counts."""
    total = counts.sum(axis=1, keepdims=True)
    sums = counts @ table
    means: Floats = np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)
    return means


def _hull_of(cost: Floats, quality: Floats) -> tuple[int, ...]:
    """Indices of the upper concave hull, by rising cost. A corner has to stand out by more than rounding does."""
    order = np.lexsort((-quality, cost))
    scale = float(np.ptp(cost)) or 1.0
    kept: list[int] = []
    for i in map(int, order):
        if kept and cost[i] - cost[kept[-1]] <= _SMALL * scale:
            continue
        while len(kept) > 1 and not _is_corner(cost, quality, kept[-2], kept[-1], i, scale):
            kept.pop()
        kept.append(i)
    return tuple(kept)


def _is_corner(cost: Floats, quality: Floats, a: int, b: int, c: int, scale: float) -> bool:
    run, beyond = (cost[b] - cost[a]) / scale, (cost[c] - cost[a]) / scale
    above: bool = (quality[b] - quality[a]) * beyond - (quality[c] - quality[a]) * run > _SMALL
    return above
