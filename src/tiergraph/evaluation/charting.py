"""From facts to a report's charts: what plots draw, as data."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, cast

import numpy as np

from tiergraph.evaluation import curves
from tiergraph.evaluation.calibration import brier, expected_calibration_error, reliability
from tiergraph.evaluation.charts import (
    NOBODY,
    Charts,
    CostQuality,
    Flow,
    Line,
    Link,
    Mark,
    Miss,
    Mix,
    Reliability,
    Stratum,
)
from tiergraph.evaluation.expected import FLAGS
from tiergraph.evaluation.facts import Array, Facts
from tiergraph.evaluation.figures_answers import SOLVED
from tiergraph.evaluation.figures_routing import LEAST, reliability_pairs, router_quality, taken
from tiergraph.evaluation.report import ROUTER

_MOST_POINTS = 101
_WORST = 20
_LABELS, _LABEL_LOSS = ("intent", "difficulty", "needs_retrieval", "tier"), 0.25
"""A wrong label is no wrong answer: it stands behind what was answered wrongly and behind what policy missed."""

_ENDS = ("human", "refused", "abstained", "unavailable", "error")


def charts_of(facts: Facts, strata: dict[str, dict[str, Array]]) -> Charts:
    """All charts that the cases can give. ``strata``: name of the breakdown to (value to indices of its cases)."""
    found = Charts()
    if (cost_quality := _cost_quality(facts)) is not None:
        found["cost_quality"] = cost_quality
    if curves_ := _reliability(facts):
        found["reliability"] = curves_
    if facts.ladder and any(each.outcome != "judged" for each in facts.observations):
        found["mix"] = _mix(facts, strata)
    if any(each.hops for each in facts.observations):
        found["flow"] = _flow(facts)
    if worst := _worst(facts):
        found["worst"] = worst
    return found


def _cost_quality(facts: Facts) -> CostQuality | None:
    at = np.flatnonzero(facts.complete)
    if len(at) < LEAST:
        return None
    quality, cost = facts.quality[at], facts.cost[at]
    lines = [_line(ROUTER, "router", curves.operating_curve(facts.sufficiency[at], quality, cost), facts)]
    for name, score in facts.baselines.items():
        kind: Literal["previous", "baseline"] = "previous" if name == "previous" else "baseline"
        lines.append(_line(name, kind, curves.score_curve(score[at], quality, cost), facts))
    lines.append(_line("oracle", "oracle", curves.oracle_curve(quality, cost), facts))
    marks = [
        Mark(name=name, kind="tier", x=float(cost[:, rung].mean()), y=float(quality[:, rung].mean() * facts.scale))
        for rung, name in enumerate(facts.names)
    ]
    first = facts.decided if facts.cascade else facts.chosen
    _mark(marks, ROUTER, taken(facts.cost, first)[at], taken(facts.quality, first)[at] * facts.scale)
    if facts.cascade:
        _mark(marks, "cascade", _cascade_cost(facts)[at], _cascade_quality(facts)[at] * facts.scale)
    top = facts.names[-1]
    share = f"share of requests to {top}" if len(facts.names) == 2 else "mean position on the ladder, 0 to 1"
    x_unit = "USD per request" if facts.priced else share
    return CostQuality(x_unit=x_unit, y_unit=facts.unit, n=len(at), lines=lines, marks=marks)


def _mark(marks: list[Mark], name: str, x: Array, y: Array) -> None:
    known = ~np.isnan(x) & ~np.isnan(y)
    if known.any():
        marks.append(Mark(name=name, kind="operating", x=float(x[known].mean()), y=float(y[known].mean())))


def _cascade_quality(facts: Facts) -> Array:
    """Score of what was answered; what nobody answered counts 0."""
    return np.array([seen.quality or 0.0 for seen in facts.observations])


def _cascade_cost(facts: Facts) -> Array:
    """Every hop paid; without prices the highest rung that was asked."""
    if facts.priced:
        return np.array([seen.cost_usd or 0.0 for seen in facts.observations])
    place = dict(zip(facts.names, np.linspace(0.0, 1.0, len(facts.names)), strict=True))
    return np.array([max((place.get(hop.tier, 1.0) for hop in seen.hops), default=0.0) for seen in facts.observations])


def _line(name: str, kind: Any, curve: curves.CostCurve, facts: Facts) -> Line:
    x, y = curves.thin(curve, _MOST_POINTS)
    return Line(name=name, kind=kind, x=[float(v) for v in x], y=[float(v) * facts.scale for v in y])


def _reliability(facts: Facts) -> list[Reliability]:
    found: list[Reliability] = []
    at = np.flatnonzero(facts.complete)
    if len(at) >= LEAST:
        said, came, _ = reliability_pairs(facts, at)
        _add(found, "a tier suffices", said, came)
    judged = [i for i, seen in enumerate(facts.observations) if seen.outcome == "judged" and seen.score is not None]
    if len(judged) >= LEAST:
        truth = [facts.cases[i].expect.grounded for i in judged]
        known = [i for i, there in zip(judged, truth, strict=True) if there is not None]
        score = np.array([facts.observations[i].score for i in known], dtype=float)
        _add(
            found, "a draft is supported", score, np.array([float(bool(facts.cases[i].expect.grounded)) for i in known])
        )
    for name in ("intent", "difficulty", "needs_retrieval"):
        pairs = [
            (seen.probabilities[name], float(right[name]))
            for right, seen in zip(facts.right, facts.observations, strict=True)
            if name in seen.probabilities and name in right and not isinstance(seen.proposal.get(name), bool)
        ]
        if len(pairs) >= LEAST:
            _add(found, f"the {name} is right", *(np.array(part, dtype=float) for part in zip(*pairs, strict=True)))
    for kind, field in FLAGS.items():
        pairs = [
            (seen.probabilities[field], float(case.expect.findings[kind]))
            for case, seen in zip(facts.cases, facts.observations, strict=True)
            if field in seen.probabilities and kind in case.expect.findings
        ]
        if len(pairs) >= LEAST and len({there for _, there in pairs}) > 1:
            _add(found, f"{kind} is there", *(np.array(part, dtype=float) for part in zip(*pairs, strict=True)))
    return found


def _add(found: list[Reliability], name: str, said: Array, came: Array) -> None:
    known = ~np.isnan(said) & ~np.isnan(came)
    said, came = said[known], came[known]
    if len(said) >= LEAST:
        ece, squared = expected_calibration_error(said, came), brier(said, came)
        bins = cast(Any, reliability(said, came))
        found.append(Reliability(name=name, bins=bins, ece=float(ece), brier=float(squared)))


def _mix(facts: Facts, strata: dict[str, dict[str, Array]]) -> Mix:
    rows = [_shares(facts, np.arange(len(facts)), None, None)]
    for by, values in strata.items():
        rows += [_shares(facts, at, by, value) for value, at in values.items()]
    return Mix(tiers=list(facts.ladder), strata=rows)


def _shares(facts: Facts, at: Array, by: str | None, value: str | None) -> Stratum:
    counts = Counter(facts.took[i] or NOBODY for i in at)
    shares = {name: counts[name] / len(at) for name in facts.ladder}
    return Stratum(by=by, value=value, n=len(at), shares={**shares, NOBODY: counts[NOBODY] / len(at)})


def _flow(facts: Facts) -> Flow:
    seen: dict[tuple[str, str], list[float | None]] = {}
    for each in facts.observations:
        place, left = "start", None
        for hop in each.hops:
            seen.setdefault((place, hop.tier), []).append(left)
            place, left = hop.tier, hop.quality
        if each.outcome == "answered":
            seen.setdefault((place, "accepted"), []).append(each.quality)
        elif each.outcome in _ENDS:
            seen.setdefault((place, each.outcome), []).append(left)
    tiers = list(dict.fromkeys([*facts.ladder, *(hop.tier for each in facts.observations for hop in each.hops)]))
    return Flow(tiers=tiers, links=[_link(ends, qualities) for ends, qualities in sorted(seen.items())])


def _link(ends: tuple[str, str], qualities: list[float | None]) -> Link:
    scored = [quality for quality in qualities if quality is not None]
    right = sum(quality >= SOLVED for quality in scored)
    return Link(source=ends[0], target=ends[1], n=len(qualities), right=float(right), scored=len(scored))


def _worst(facts: Facts) -> list[Miss]:
    """The largest losses: against the best tier where outcomes are known, else what was asked and missed."""
    quality = router_quality(facts)
    known = np.full(len(facts), np.nan) if not len(facts.names) else _best(facts)
    misses: list[tuple[float, float, int, str]] = []
    for i, seen in enumerate(facts.observations):
        if not np.isnan(quality[i]) and known[i] > quality[i]:
            best = facts.names[int(np.nanargmax(facts.quality[i]))]
            why = f"{seen.tier} scored {quality[i]:.2f}, {best} {known[i]:.2f}"
            misses.append((float(known[i] - quality[i]), seen.confidence or 0.0, i, why))
            continue
        if seen.quality is not None and seen.quality < SOLVED and seen.outcome == "answered":
            misses.append((1.0 - seen.quality, seen.confidence or 0.0, i, f"accepted a wrong answer of {seen.tier}"))
            continue
        wrong = sorted(name for name, right in facts.right[i].items() if not right)
        if wrong:
            loss = max(_LABEL_LOSS if name in _LABELS else 1.0 for name in wrong)
            misses.append((loss, seen.confidence or 0.0, i, f"wrong: {', '.join(wrong)}"))
    misses.sort(key=lambda miss: (-miss[0], -miss[1], facts.cases[miss[2]].id))
    return [
        Miss(
            case=facts.cases[i].id,
            why=why,
            loss=loss,
            strata=dict(facts.cases[i].strata),
            observation=_timeless(facts.observations[i].as_json()),
        )
        for loss, _, i, why in misses[:_WORST]
    ]


def _best(facts: Facts) -> Array:
    with np.errstate(invalid="ignore"):
        filled = np.where(np.isnan(facts.quality), -1.0, facts.quality).max(axis=1)
    return np.where(filled < 0, np.nan, filled)


def _timeless(observation: dict[str, Any]) -> dict[str, Any]:
    """Without its times: two runs give the same."""
    observation.pop("latency_ms")
    return {**observation, "hops": [{k: v for k, v in hop.items() if k != "latency_ms"} for hop in observation["hops"]]}
