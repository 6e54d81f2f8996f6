"""All figures of an evaluation, for all cases and for each stratum, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case, Suite
from tiergraph.evaluation.charting import charts_of
from tiergraph.evaluation.facts import Array, Facts
from tiergraph.evaluation.figures_answers import SOLVED, answer_figures, judge_baselines, judge_figures
from tiergraph.evaluation.figures_labels import (
    guess,
    label_figures,
    policy_figures,
    variant_figures,
)
from tiergraph.evaluation.figures_routing import router_quality, router_usd, routing_figures
from tiergraph.evaluation.manifest import new_manifest
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.report import ROUTER, Figure, Report, Row
from tiergraph.evaluation.sheet import Sheet
from tiergraph.timing import spread

if TYPE_CHECKING:
    from tiergraph.evaluation.subjects import Subject

NAMES: Mapping[str, str] = {
    "quality": "Mean score of what was chosen",
    "cost_usd": "Mean cost of a request, every hop of a cascade paid",
    "cost_per_solved": "Cost of all requests over their summed scores",
    "quality_kept": "Score of what was chosen over that of always the top tier",
    "cost_kept": "Cost of what was chosen over that of always the top tier",
    "quality_at_cost": "Mean score at the mean cost that the router had",
    "share": "Share of requests that ended there",
    "apgr": "Share of the gap between the cheapest and the top tier that the score recovers, averaged over all shares; "
    ".5 is chance",
    "apgr_routellm": "The same as RouteLLM computes it, over ten deciles; ties are broken in the order of the cases",
    "cpt50": "Share of requests to the top tier that recovers half of the gap",
    "cpt80": "Share of requests to the top tier that recovers four fifths of the gap",
    "area": "Area under quality over cost; 0 is always the cheapest tier, 1 always the top tier",
    "gap_to_oracle": "Area between the oracle and the router",
    "ece": "Expected calibration error",
    "brier": "Brier score",
    "brier_skill": "Brier score against always saying the base rate; above 0 is better than that",
    "accuracy": "Share of labels that are right",
    "precision": "Share of findings that are there",
    "recall": "Share of what is there that was found",
    "false_positive_rate": "Share of what is not there that was found",
    "auc": "Probability that one that is there scores above one that is not",
    "violations": "Share of cases on which policy did not hold; only 0 is good",
    "answer_quality": "Mean score of the answers that were accepted and scored",
    "solved": "Score over all that can be scored; what nobody answered counts 0",
    "wrong_answers": "Share of requests that can be scored and got a wrong answer; one that a person got is none",
    "escalation_rate": "Share of requests that climbed",
    "wrong_accepts": "Share of wrong ones among drafts accepted (of a judge: share of unsupported drafts that passed)",
    "needless_escalations": "Share of right ones among drafts left behind (of a judge: of supported drafts)",
    "tier_lowered": "Share of variants that got a lower tier than the case that they were made from",
    "tier_changed": "Share of variants that got another tier",
    "flag_lost": "Share of variants in which a finding of the case was not found",
    "failed": "Share of cases without an observation",
}
"""What each figure is, by the part of its name before the colon."""

LEAST_IN_STRATUM = 10
MOST_STRATA = 60
_FEWER = 300
"""Resamples for strata, of which there are many."""


def build_report(
    suite: Suite,
    digest: str,
    subject: Subject,
    facts: Facts,
    *,
    resamples: int,
    by: Sequence[str] | None = None,
    timing: Mapping[str, Any],
) -> Report:
    """The report of one evaluation; arguments as of `evaluate`.

    ``digest``: of the suite as it was given, before anything was found out about its cases.
    """
    strata = strata_of(facts.cases, by)
    return Report(
        suite={
            "name": suite.name,
            "title": suite.title,
            "digest": digest,
            "cases": len(suite),
            "scale": suite.scale,
            "unit": suite.unit,
            "tiers": [
                {"name": tier.name, "location": tier.location, "price": tier.price.model_dump()}
                for tier in subject.tiers or suite.tiers
            ],
            "sources": list(suite.sources),
        },
        subject=subject.about(),
        manifest=new_manifest(
            subject=subject.about(),
            data_digest=digest,
            options={"resamples": resamples, "seed": facts.seed, "by": sorted(strata)},
        ),
        figures=tuple(_figures(facts, subject, strata, resamples)),
        charts=dict(charts_of(facts, strata)),
        problems=suite.problems,
        timing={**timing, **_latencies(facts.observations)},
        rows=_rows(facts),
    )


def strata_of(cases: Sequence[Case], by: Sequence[str] | None = None) -> dict[str, dict[str, Array]]:
    """Name of each breakdown to (value to the indices of its cases); values of very few cases, and the rarest, go."""
    known = {name for case in cases for name in case.strata}
    names = list(by) if by is not None else sorted(known)
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"No case has the stratum {unknown[0]!r}. There are: {sorted(known)}.", code="unknown_stratum")
    found: dict[str, dict[str, Array]] = {}
    for name in names:
        values: dict[str, list[int]] = {}
        for number, case in enumerate(cases):
            if name in case.strata:
                values.setdefault(case.strata[name], []).append(number)
        kept = {value: np.array(at) for value, at in values.items() if len(at) >= LEAST_IN_STRATUM}
        most = sorted(sorted(kept), key=lambda value: -len(kept[value]))[:MOST_STRATA]
        if len(kept) > 1:
            found[name] = {value: kept[value] for value in sorted(most)}
    return found


def _figures(facts: Facts, subject: Subject, strata: Mapping[str, Mapping[str, Array]], resamples: int) -> list[Figure]:
    guesses = guess(facts)
    judged = any(seen.outcome == "judged" for seen in facts.observations)
    baselines = judge_baselines(facts) if judged else {}
    found: list[Figure] = []
    for sheet in _sheets(facts, strata, resamples):
        if facts.failed.any():
            sheet.mean("failed", facts.failed[sheet.at].astype(float), at=sheet.at, unit="share", better="lower")
        if judged:
            judge_figures(sheet, facts, baselines)
        else:
            answer_figures(sheet, facts)
            if not any(seen.hops for seen in facts.observations):
                routing_figures(sheet, facts)
                nobody = np.array([seen.tier is None for seen in facts.observations])[sheet.at]
                sheet.mean("share:nobody", nobody.astype(float), at=sheet.at, unit="share")
            label_figures(sheet, facts, guesses)
            policy_figures(sheet, facts, subject.config)
            variant_figures(sheet, facts)
        found += sheet.figures
    return sorted(found, key=lambda each: (each.by is not None, each.of != ROUTER))


def _sheets(facts: Facts, strata: Mapping[str, Mapping[str, Array]], resamples: int) -> Iterator[Sheet]:
    seed = facts.seed
    yield Sheet(at=np.arange(len(facts)), groups=facts.groups, count=resamples, seed=seed)
    for by, values in strata.items():
        for value, at in values.items():
            yield Sheet(at=at, groups=facts.groups, count=min(resamples, _FEWER), seed=seed, by=by, stratum=value)


def _rows(facts: Facts) -> tuple[Row, ...]:
    """One row for each case, in the suite's order."""
    rows = dict(zip(facts.places.tolist(), _each_row(facts), strict=True))
    return tuple(rows[place] for place in sorted(rows))


def _each_row(facts: Facts) -> Iterator[Row]:
    chosen, usd = router_quality(facts), router_usd(facts)
    for i, (case, seen) in enumerate(zip(facts.cases, facts.observations, strict=True)):
        recorded = None if np.isnan(chosen[i]) else float(chosen[i])
        estimated = None if np.isnan(usd[i]) else float(usd[i])
        yield Row(
            observation=seen,
            quality=seen.quality if seen.quality is not None else (None if seen.hops else recorded),
            cost_usd=seen.cost_usd if seen.cost_usd is not None else estimated,
            outcomes=dict(case.outcomes),
            costs={name: float(cost) for name, cost in zip(facts.names, facts.usd[i], strict=True)},
            right=facts.right[i],
            **_solved(case, seen),
            strata=dict(case.strata),
            group=case.group or (None if facts.groups is None else f"#{facts.groups[i]}"),
            text_length=len(case.question),
        )


def _solved(case: Case, seen: Observation) -> dict[str, float]:
    """Of a cascade: what its answer is worth, 0 where nobody answered, where that can be scored at all."""
    if seen.outcome in ("route", "judged", "error") or not (case.expect.contains or case.outcomes):
        return {}
    quality = seen.quality or 0.0
    return {"solved": quality, "wrong": float(seen.quality is not None and quality < SOLVED)}


def _latencies(observations: Sequence[Observation]) -> dict[str, Any]:
    """Milliseconds of a whole case, and of each tier's hops."""
    whole = [seen.latency_ms / 1000 for seen in observations if seen.outcome != "error" and seen.latency_ms > 0]
    tiers: dict[str, list[float]] = {}
    for seen in observations:
        for hop in seen.hops:
            tiers.setdefault(hop.tier, []).append(hop.latency_ms / 1000)
    return {
        "latency_ms": spread(whole, 1e3) if whole else {},
        "hop_latency_ms": {name: spread(times, 1e3) for name, times in tiers.items()},
    }
