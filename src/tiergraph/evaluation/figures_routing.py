"""Figures over recorded outcomes: what the router's choices came to, beside every baseline, at every cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tiergraph.evaluation import curves
from tiergraph.evaluation.calibration import brier, brier_skill, expected_calibration_error
from tiergraph.evaluation.facts import Array, Facts, scattered
from tiergraph.evaluation.intervals import difference_interval, percentiles
from tiergraph.evaluation.report import ROUTER, by_id
from tiergraph.evaluation.sheet import Better, Sheet

LEAST = 20
"""Complete cases that figures over a curve need at least."""

_FEW = 200
"""Resamples for statistics that take long; 200 place the ends of an interval well enough to read."""

_CALIBRATION: tuple[tuple[str, Callable[..., float], Better], ...] = (
    ("ece", expected_calibration_error, "lower"),
    ("brier", brier, "lower"),
    ("brier_skill", brier_skill, "higher"),
)


def routing_figures(sheet: Sheet, facts: Facts) -> None:
    """All figures over recorded outcomes of the sheet's cases."""
    took = [facts.took[i] for i in sheet.at]
    for name in facts.ladder:
        sheet.mean(f"share:{name}", np.array([each == name for each in took], dtype=float), at=sheet.at, unit="share")
    if np.isnan(facts.quality).all() or not len(facts.tiers):
        return
    _choices(sheet, facts)
    scored = sheet.at[~np.isnan(facts.quality[sheet.at]).any(axis=1)]
    if len(scored):
        _single_tiers(sheet, facts, scored)  # whatever the router did with them
    at = sheet.at[facts.complete[sheet.at]]
    if len(at) < LEAST:
        return
    if sheet.by is None:
        _against_tiers(sheet, facts, at)
    _ranking(sheet, facts, at)
    if sheet.by is None:
        _curves(sheet, facts, at)
        _calibration(sheet, facts, at)


def router_quality(facts: Facts) -> Array:
    """Score of what the router chose, (n,); NaN where nothing was chosen or it is unscored."""
    return taken(facts.quality, facts.chosen)


def router_cost(facts: Facts) -> Array:
    """Cost of what the router chose on the cost axis, (n,)."""
    return taken(facts.cost, facts.chosen)


def router_usd(facts: Facts) -> Array:
    """Cost of what the router chose in USD, (n,)."""
    return taken(facts.usd, facts.chosen)


def taken(values: Array, chosen: Array) -> Array:
    """``values`` (n, T) of the rung that was chosen in each row, (n,); NaN where it is -1."""
    found = np.full(len(chosen), np.nan)
    some = chosen >= 0
    found[some] = values[some, chosen[some]]
    return found


def _choices(sheet: Sheet, facts: Facts) -> None:
    at = sheet.at
    quality, usd = router_quality(facts)[at], router_usd(facts)[at]
    sheet.mean("quality", quality * facts.scale, at=at, unit=facts.unit, better="higher")
    if facts.priced:
        sheet.mean("cost_usd", usd, at=at, unit="USD", better="lower")
        both = ~np.isnan(quality) & ~np.isnan(usd)
        sheet.of_sums("cost_per_solved", usd[both], quality[both], at=at[both], unit="USD", better="lower")
    _beside_previous(sheet, facts, quality, usd)
    nobody = np.array([facts.took[i] is None and not facts.failed[i] and bool(facts.cases[i].outcomes) for i in at])
    if nobody.any():  # what went to a person is not solved by the ladder
        solved = np.where(nobody, 0.0, quality)
        sheet.mean("solved", solved * facts.scale, at=at, unit=facts.unit, better="higher")


def _beside_previous(sheet: Sheet, facts: Facts, quality: Array, usd: Array) -> None:
    """What the previous configuration's choices came to on the same cases, and the paired difference to it."""
    if facts.previous is None:
        return
    rows = by_id(facts.previous.rows)
    earlier = [rows.get(facts.cases[i].id) for i in sheet.at]
    for name, own, scale, unit, better in (
        ("quality", quality, facts.scale, facts.unit, "higher"),
        ("cost_usd", usd, 1.0, "USD", "lower"),
    ):
        if name == "cost_usd" and not facts.priced:
            continue
        before = np.array([np.nan if row is None or (v := getattr(row, name)) is None else v for row in earlier])
        both = ~np.isnan(before) & ~np.isnan(own)
        if both.any():
            at = sheet.at[both]
            more: dict[str, Any] = {"unit": unit, "better": better}
            sheet.mean(name, before[both] * scale, at=at, of="previous", **more)
            gap = difference_interval(
                own[both] * scale, before[both] * scale, sheet.groups_of(at), weights=sheet.weights(at)
            )
            sheet.add(name, gap, of=f"{ROUTER} - previous", **more)


def _single_tiers(sheet: Sheet, facts: Facts, at: Array) -> None:
    means = facts.quality[at].mean(axis=0)
    best = int(np.argmax(means))
    for rung, name in enumerate(facts.names):
        of = f"always {name}"
        quality, usd = facts.quality[at, rung], facts.usd[at, rung]
        sheet.mean("quality", quality * facts.scale, at=at, of=of, unit=facts.unit, better="higher")
        if facts.priced:
            sheet.mean("cost_usd", usd, at=at, of=of, unit="USD", better="lower")
            sheet.of_sums("cost_per_solved", usd, quality, at=at, of=of, unit="USD", better="lower")
    values = facts.quality[at, best] * facts.scale
    sheet.mean("quality", values, at=at, of="best single tier", unit=facts.unit, better="higher")
    oracle = facts.quality[at].max(axis=1)
    cheapest = (facts.quality[at] >= oracle[:, None]).argmax(axis=1)
    sheet.mean("quality", oracle * facts.scale, at=at, of="oracle", unit=facts.unit, better="higher")
    if facts.priced:
        usd = facts.usd[at, cheapest]
        sheet.mean("cost_usd", usd, at=at, of="oracle", unit="USD", better="lower")


def _against_tiers(sheet: Sheet, facts: Facts, at: Array) -> None:
    """The router's choices beside always the same tier, over the cases that it gave to one."""
    chosen, usd = router_quality(facts)[at], router_usd(facts)[at]
    groups, weights = sheet.groups_of(at), sheet.weights(at)
    for rung, name in enumerate(facts.names):
        of = f"{ROUTER} - always {name}"
        gap = difference_interval(chosen * facts.scale, facts.quality[at, rung] * facts.scale, groups, weights=weights)
        sheet.add("quality", gap, of=of, unit=facts.unit, better="higher")
        if facts.priced:
            saved = difference_interval(usd, facts.usd[at, rung], groups, weights=weights)
            sheet.add("cost_usd", saved, of=of, unit="USD", better="lower")
    sheet.of_sums("quality_kept", chosen, facts.quality[at, -1], at=at, unit="share", better="higher")
    if facts.priced:
        sheet.of_sums("cost_kept", usd, facts.usd[at, -1], at=at, unit="share", better="lower")


def _scores(facts: Facts) -> Iterator[tuple[str, Array]]:
    yield ROUTER, facts.score
    yield from facts.baselines.items()


def _ranking(sheet: Sheet, facts: Facts, at: Array) -> None:
    """How well each score ranks the cases between the two ends of the ladder."""
    weak, strong = facts.quality[at, 0], facts.quality[at, -1]
    n, weights = len(at), sheet.weights(at)
    gap = difference_interval(strong, weak, sheet.groups_of(at), weights=weights)
    if gap is None or gap.value <= 0:  # a share of a gap that is not there says nothing
        return
    # Where the top tier is not surely better, neither is who finds the cases for it.
    better: Better = "higher" if gap.low is not None and gap.low > 0 else None
    fewer: Better = "lower" if better else None
    there = weights @ (strong - weak) > 0
    drawn: dict[str, Array] = {}
    values: dict[str, float] = {}
    for name, score in (*_scores(facts), ("oracle", scattered(strong - weak, at, len(facts)))):
        given = score[at]
        values[name] = curves.apgr(given, weak, strong)
        drawn[name] = np.where(there, curves.apgr_resampled(given, weak, strong, weights), np.nan)
        sheet.add("apgr", percentiles(values[name], drawn[name], n), of=name, better=better)
        if sheet.by is not None:
            continue
        routellm = curves.routellm_apgr(_untied(given, facts.places[at]), weak, strong)
        sheet.add("apgr_routellm", percentiles(routellm, [], n), of=name)
        for share in (50, 80):
            found = curves.cpt(given, weak, strong, share / 100)
            more = curves.cpt_resampled(given, weak, strong, weights[:_FEW], share / 100)
            sheet.add(f"cpt{share}", percentiles(found, more, n), of=name, unit="share", better=fewer)
    for name in values:
        if name not in (ROUTER, "oracle"):
            difference = percentiles(values[ROUTER] - values[name], drawn[ROUTER] - drawn[name], n)
            sheet.add("apgr", difference, of=f"{ROUTER} - {name}", better=better)


def _untied(score: Array, places: Array) -> Array:
    """Ranks, ties broken by the place in the suite: RouteLLM's deciles want a score without ties."""
    ranks = np.empty(len(score))
    ranks[np.lexsort((places, score))] = np.arange(len(score))
    return ranks


def _curves(sheet: Sheet, facts: Facts, at: Array) -> None:
    """Areas under the cost-quality curves, and each baseline's score at what the router cost."""
    quality, cost, n = facts.quality[at], facts.cost[at], len(at)
    ends, weights = curves.single_tiers(quality, cost), sheet.weights(at)[:_FEW]
    sufficiency = facts.sufficiency[at]
    found = {
        ROUTER: (
            curves.operating_curve(sufficiency, quality, cost),
            curves.operating_area_resampled(sufficiency, quality, cost, weights),
        ),
        **{
            name: (
                curves.score_curve(score[at], quality, cost),
                curves.score_area_resampled(score[at], quality, cost, weights),
            )
            for name, score in facts.baselines.items()
        },
        "oracle": (
            curves.oracle_curve(quality, cost),
            curves.oracle_area_resampled(quality, cost, weights),
        ),
    }
    gain = quality[:, -1] - quality[:, 0]
    if gain.mean() > 0 and ends[-1].cost > ends[0].cost:
        there = weights @ gain > 0
        areas = {name: curves.area(curve, ends[0], ends[-1]) for name, (curve, _) in found.items()}
        spread = {name: np.where(there, drawn, np.nan) for name, (_, drawn) in found.items()}
        for name, drawn in spread.items():
            sheet.add("area", percentiles(areas[name], drawn, n), of=name)
        gap = percentiles(areas["oracle"] - areas[ROUTER], spread["oracle"] - spread[ROUTER], n)
        sheet.add("gap_to_oracle", gap, better="lower")
    if not facts.cascade:
        spent, reached = router_cost(facts)[at].mean(), router_quality(facts)[at].mean()
        for name, (curve, _) in found.items():
            value = float(reached) if name == ROUTER else curves.quality_at(curve, float(spent))
            interval = percentiles(value * facts.scale, [], n)
            sheet.add("quality_at_cost", interval, of=name, unit=facts.unit)


def reliability_pairs(facts: Facts, at: Array) -> tuple[Array, Array, Array]:
    """What was said of each tier but the top, that it suffices, with the score that it had, and the case of each."""
    said = facts.sufficiency[at, :-1]
    came = facts.quality[at, :-1]
    return said.reshape(-1), came.reshape(-1), np.repeat(at, said.shape[1])


def _calibration(sheet: Sheet, facts: Facts, at: Array) -> None:
    said, came, cases = reliability_pairs(facts, at)
    known = ~np.isnan(said) & ~np.isnan(came)
    if not known.any():
        return
    said, came = said[known], came[known]
    place = np.searchsorted(at, cases[known])
    calibration_figures(sheet, said, came, at, place)


def calibration_figures(sheet: Sheet, said: Array, came: Array, at: Array, place: Array | None = None) -> None:
    """ECE, Brier score and skill of probabilities against what came; ``place``: index into ``at`` of each pair."""
    for name, statistic, better in _CALIBRATION:

        def figure(weights: Array, statistic: Callable[..., float] = statistic) -> float:
            return statistic(said, came, weights=weights if place is None else weights[place])

        drawn = sheet.each(figure, at, _FEW)
        sheet.add(name, percentiles(statistic(said, came), drawn, len(at)), better=better)
