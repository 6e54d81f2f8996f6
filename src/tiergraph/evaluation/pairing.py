"""Differences of the figures of two reports on the same cases, recomputed from their rows and paired case by case.

A figure is paired only where the rows of each report give the value that the report states; then its definition here
and there is the same. All others are left out, and whoever asks has the reports' own intervals to go by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np

from tiergraph.evaluation import curves
from tiergraph.evaluation.calibration import brier, brier_skill, expected_calibration_error
from tiergraph.evaluation.cases import FINDING_KINDS
from tiergraph.evaluation.charts import NOBODY
from tiergraph.evaluation.comparing import (
    CHANGE,
    Measure,
    Pair,
    Part,
    cluster,
    differences,
    measures_of,
    paired,
)
from tiergraph.evaluation.facts import Array, Facts
from tiergraph.evaluation.figures_answers import SOLVED
from tiergraph.evaluation.figures_routing import LEAST, reliability_pairs
from tiergraph.evaluation.intervals import Interval, mean_interval, percentiles, resamples
from tiergraph.evaluation.labelling import auc_resampled
from tiergraph.evaluation.report import ROUTER, Figure, Report, Row

FEW = 200
"""Resamples for statistics that take long."""

NOBODY_SHARE = f"share:{NOBODY}"
"""Always paired, whatever the reports state: cases that ended in an error are in neither side."""

Key = tuple[str, str | None, str | None]
"""Figure, breakdown and stratum."""


class Changes(NamedTuple):
    """``differences``: of each figure that could be paired. ``fewer``: share of the cases that a figure knew before and
    does not now, net; with an interval where it is above 0. Cases that ended in an error are left out."""

    differences: dict[Key, Figure]
    fewer: dict[Key, Figure]


class _Statistic(NamedTuple):
    """A figure that is no ratio of sums. ``of``: rows and weights (r, n) to r values; ``knows``: rows to (n,) of bool.

    ``most``: resamples.
    """

    name: str
    of: Callable[[_OfRows, Array], Array]
    knows: Callable[[_OfRows], Array]
    most: int = FEW


class _OfRows(Facts):
    """Facts of a report's rows, which know scores and costs of every tier as cases do, and no text."""

    @cached_property
    def usd(self) -> Array:
        return self._per_tier(lambda row: cast(Any, row).costs)

    @cached_property
    def _parts(self) -> dict[bytes, _OfRows]:
        return {}

    def taken(self, at: Array) -> _OfRows:
        """Of some of the rows; made once."""
        if at.tobytes() not in self._parts:
            self._parts[at.tobytes()] = _facts([cast(Row, self.cases[i]) for i in at], self.ladder, self.names)
        return self._parts[at.tobytes()]

    @cached_property
    def judged(self) -> Array:
        """Rows of a judge of which it is known whether the draft is supported, (n,) of bool."""
        return np.array([_supported(row) is not None for row in self.cases], dtype=bool)


def changes(report: Report, baseline: Report, *, strata: bool, seed: int) -> Changes:
    """What changed from one report to the other, on the same cases; empty where one has no rows."""
    found, fewer = dict[Key, Figure](), dict[Key, Figure]()
    if not report.rows or not baseline.rows:
        return Changes(found, fewer)
    scopes = dict.fromkeys((figure.by, figure.stratum) for figure in baseline.figures if strata or figure.by is None)
    for by, stratum in {(None, None): None, **scopes}:
        before, after = _scope(baseline.rows, by, stratum), _scope(report.rows, by, stratum)
        stated = [_stated(each, by, stratum) for each in (baseline, report)]
        for figure in _sums(before, after, baseline, stated, seed, whole=by is None):
            found[(figure.name, by, stratum)] = figure
        for figure in _statistics(before, after, baseline, stated, seed):
            found[(figure.name, by, stratum)] = figure
        for figure in _fewer(before, after, baseline, stated[0], seed):
            fewer[(figure.name, by, stratum)] = figure
    return Changes(found, fewer)


def _stated(report: Report, by: str | None, stratum: str | None) -> dict[str, float]:
    return {
        figure.name: figure.value
        for figure in report.figures
        if figure.of == ROUTER and figure.value is not None and (figure.by, figure.stratum) == (by, stratum)
    }


def _scope(rows: Sequence[Row], by: str | None, stratum: str | None) -> list[Row]:
    kept = rows if by is None else [row for row in rows if row.strata.get(by) == stratum]
    return sorted(kept, key=lambda row: row.id)


def _same(value: float, stated: float | None) -> bool:
    return stated is not None and abs(value - stated) <= 1e-6 * max(abs(stated), 1e-6)


# -- ratios of sums ----------------------------------------------------------------------------------------------------


def _sums(
    before: Sequence[Row],
    after: Sequence[Row],
    baseline: Report,
    stated: Sequence[Mapping[str, float]],
    seed: int,
    *,
    whole: bool,
) -> Iterable[Figure]:
    always = {NOBODY_SHARE, "errors"} if whole else {NOBODY_SHARE}
    measures = [
        measure
        for measure in (*measures_of(baseline), *_more_measures(baseline))
        if measure.name in always
        or all(_gives(measure, rows, each) for rows, each in zip((before, after), stated, strict=True))
    ]
    pairs = paired(before, after)
    names = {measure.name for measure in measures}
    return [each for each in differences(pairs, measures, seed=seed) if each.name in names] if pairs else []


def _gives(measure: Measure, rows: Sequence[Row], stated: Mapping[str, float]) -> bool:
    """Whether the rows give the figure that the report states."""
    parts = [part for row in rows if (part := measure.of(row)) is not None]
    below = sum(part[1] for part in parts)
    return bool(below) and _same(sum(part[0] for part in parts) / below, stated.get(measure.name))


def _more_measures(report: Report) -> Iterator[Measure]:
    """Figures that only a gate compares."""
    scale, unit = float(report.suite.get("scale", 1.0)), str(report.suite.get("unit", ""))
    _, names = _ladder(report)
    yield Measure(NOBODY_SHARE, "share", "lower", _nobody)
    yield Measure("share:answered", "share", "higher", _outcome(lambda row: row.observation.outcome == "answered"))
    yield Measure("share:human", "share", "lower", _outcome(lambda row: row.observation.outcome == "human"))
    yield Measure("share:unavailable", "share", "lower", _outcome(lambda row: row.observation.outcome == "unavailable"))
    yield Measure("answer_quality", unit, "higher", lambda row: _scored(row, scale))
    yield Measure("solved", unit, "higher", lambda row: _solved(row, scale))
    yield Measure("wrong_accepts", "share", "lower", partial(_mistakes, passed=True))
    yield Measure("needless_escalations", "share", "lower", partial(_mistakes, passed=False))
    if names:
        yield Measure("quality_kept", "share", "higher", lambda row: _kept(row, names, row.quality, row.outcomes))
        yield Measure("cost_kept", "share", "lower", lambda row: _kept(row, names, row.cost_usd, row.costs))
    for kind in FINDING_KINDS:
        yield Measure(f"precision:{kind}", "share", "higher", partial(_found, kind=kind, of="found"))
        yield Measure(f"recall:{kind}", "share", "higher", partial(_found, kind=kind, of="there"))
        yield Measure(f"false_positive_rate:{kind}", "share", "lower", partial(_found, kind=kind, of="not there"))


def _outcome(holds: Callable[[Row], bool]) -> Callable[[Row], Part | None]:
    return lambda row: None if _failed(row) else (float(holds(row)), 1.0)


def _nobody(row: Row) -> Part | None:
    return None if _failed(row) or row.observation.outcome == "judged" else (float(row.observation.tier is None), 1.0)


def _failed(row: Row) -> bool:
    return row.observation.outcome == "error"


def _scored(row: Row, scale: float) -> Part | None:
    score = row.observation.quality
    return None if score is None or _failed(row) else (score * scale, 1.0)


def _solved(row: Row, scale: float) -> Part | None:
    """Of a decider: the score of what was chosen, 0 where nobody was."""
    if row.observation.tier is None and not _failed(row) and row.outcomes:
        return (0.0, 1.0)
    return None if row.quality is None else (row.quality * scale, 1.0)


def _mistakes(row: Row, *, passed: bool) -> Part:
    """Accepted drafts that were wrong, or rejected ones that were right, of all of them; of a judge over its drafts."""
    seen = row.observation
    if seen.outcome == "judged":
        there = _supported(row)
        asked = there is not None and there != passed
        return (float(asked and seen.passed is passed), float(asked))
    scores = [hop.quality for hop in seen.hops if hop.passed is passed and hop.quality is not None]
    return (float(sum((score >= SOLVED) != passed for score in scores)), float(len(scores)))


def _supported(row: Any) -> bool | None:
    """Whether the documents support the draft of a judge's case."""
    right, passed = row.right.get("grounded"), row.observation.passed
    return None if right is None or passed is None else bool(right) == bool(passed)


def _kept(row: Row, tiers: Sequence[str], own: float | None, of: Mapping[str, float]) -> Part | None:
    known = all(name in row.outcomes for name in tiers) and tiers[-1] in of
    if own is None or row.observation.tier is None or row.observation.score is None or not known:
        return None
    return (own, of[tiers[-1]])


def _found(row: Row, *, kind: str, of: str) -> Part | None:
    if kind not in row.right:
        return None
    found = kind in row.observation.findings
    there = found == row.right[kind]
    if of == "not there":
        return (float(found and not there), float(not there))
    return (float(found and there), float(found if of == "found" else there))


# -- other statistics --------------------------------------------------------------------------------------------------


def _facts(rows: Sequence[Row], ladder: Sequence[str], names: Sequence[str]) -> _OfRows:
    return _OfRows(
        cases=cast(Any, rows),
        observations=[row.observation for row in rows],
        ladder=ladder,
        tiers=cast(Any, [SimpleNamespace(name=name) for name in names]),
        places=np.arange(len(rows)),
    )


def _ladder(report: Report) -> tuple[list[str], list[str]]:
    """Names of all tiers, and of those with recorded scores."""
    names = [str(tier["name"]) for tier in report.suite.get("tiers", ())]
    scored = {name for row in report.rows for name in row.outcomes}
    return names, [name for name in names if name in scored] or names


def _statistics(
    before: Sequence[Row], after: Sequence[Row], baseline: Report, stated: Sequence[Mapping[str, float]], seed: int
) -> Iterator[Figure]:
    ladder = _ladder(baseline)
    wanted = [each for each in _STATISTICS if all(each.name in given for given in stated)]
    whole = [_facts(rows, *ladder) for rows in (before, after)] if wanted else []
    pairs = paired(before, after)
    both = [_facts(rows, *ladder) for rows in zip(*pairs, strict=True)] if wanted and pairs else []
    drawn: dict[bytes, Array] = {}
    for statistic in wanted:
        given = [_value(statistic, each) for each in whole]
        if not both or not all(_same(value, each[statistic.name]) for value, each in zip(given, stated, strict=True)):
            continue
        at = np.flatnonzero(statistic.knows(both[0]) & statistic.knows(both[1]))
        if len(at) < LEAST:
            continue
        if at.tobytes() not in drawn:
            groups = [cluster(pairs[i].before) for i in at]
            drawn[at.tobytes()] = resamples(len(at), groups, seed=seed)
        weights = drawn[at.tobytes()][: statistic.most]
        first = np.ones((1, len(at)), dtype=weights.dtype)
        old, new = (statistic.of(each.taken(at), np.concatenate([first, weights])) for each in both)
        found = percentiles(float(new[0] - old[0]), (new - old)[1:], len({cluster(pairs[i].before) for i in at}))
        if found is not None:
            yield Figure(name=statistic.name, of=CHANGE, **found._replace(n=len(at))._asdict())


def _value(statistic: _Statistic, facts: _OfRows) -> float:
    at = np.flatnonzero(statistic.knows(facts))
    if len(at) < 1:
        return float("nan")
    return float(statistic.of(facts.taken(at), np.ones((1, len(at)), dtype=int))[0])


def _complete(facts: _OfRows) -> Array:
    return facts.complete


def _complete_or_judged(facts: _OfRows) -> Array:
    return facts.judged if facts.judged.any() else facts.complete


def _ends(facts: _OfRows) -> tuple[Array, Array, Array]:
    return facts.score, facts.quality[:, 0], facts.quality[:, -1]


def _gained(facts: _OfRows, weights: Array, values: Array) -> Array:
    """Where the top tier is no better than the lowest, a share of what it is better by says nothing."""
    return np.where(weights @ (facts.quality[:, -1] - facts.quality[:, 0]) > 0, values, np.nan)


def _apgr(facts: _OfRows, weights: Array) -> Array:
    return _gained(facts, weights, curves.apgr_resampled(*_ends(facts), weights))


def _cpt(facts: _OfRows, weights: Array, share: float) -> Array:
    return curves.cpt_resampled(*_ends(facts), weights, share)


def _area(facts: _OfRows, weights: Array) -> Array:
    return curves.operating_area_resampled(facts.sufficiency, facts.quality, facts.cost, weights)


def _gap(facts: _OfRows, weights: Array) -> Array:
    found = curves.oracle_area_resampled(facts.quality, facts.cost, weights) - _area(facts, weights)
    return _gained(facts, weights, found)


def _truth(facts: _OfRows) -> Array:
    return np.array([bool(_supported(row)) for row in facts.cases])


def _calibration(statistic: Callable[..., float], facts: _OfRows, weights: Array) -> Array:
    if facts.judged.any():
        said, came, place = facts.score, _truth(facts).astype(float), np.arange(len(facts))
    else:
        said, came, place = reliability_pairs(facts, np.arange(len(facts)))
    known = ~np.isnan(said) & ~np.isnan(came)
    said, came, place = said[known], came[known], place[known]
    return np.array([statistic(said, came, weights=row[place]) for row in weights])


_STATISTICS = (
    _Statistic("apgr", _apgr, _complete, 1000),
    _Statistic("cpt50", partial(_cpt, share=0.5), _complete),
    _Statistic("cpt80", partial(_cpt, share=0.8), _complete),
    _Statistic("area", lambda facts, weights: _gained(facts, weights, _area(facts, weights)), _complete),
    _Statistic("gap_to_oracle", _gap, _complete),
    _Statistic("ece", partial(_calibration, expected_calibration_error), _complete_or_judged),
    _Statistic("brier", partial(_calibration, brier), _complete_or_judged),
    _Statistic("brier_skill", partial(_calibration, brier_skill), _complete_or_judged),
    _Statistic(
        "auc:grounded",
        lambda facts, weights: auc_resampled(facts.score, _truth(facts), weights),
        lambda facts: facts.judged,
    ),
)


# -- what is known of fewer cases --------------------------------------------------------------------------------------


def _fewer(
    before: Sequence[Row], after: Sequence[Row], baseline: Report, stated: Mapping[str, float], seed: int
) -> Iterator[Figure]:
    """For each figure whose cases the rows give, the share of them that it knew before and does not now."""
    now = {row.id: row for row in after}
    pairs = [Pair(row, now.get(row.id, row)) for row in before]
    pairs = [pair for pair in pairs if not _failed(pair.before) and not _failed(pair.after)]
    if not pairs:
        return
    groups = [cluster(pair.before) for pair in pairs]
    lost = np.array([pair.before.id not in now for pair in pairs])
    for name, knows in _knowing(baseline, stated):
        old, new = knows([pair.before for pair in pairs]), knows([pair.after for pair in pairs]) & ~lost
        values = old.astype(float) - new.astype(float)
        found = Interval(float(values.mean()), None, None, len(pairs))
        if found.value > 0:
            found = mean_interval(values, groups, share=False, seed=seed) or found
        yield Figure(name=name, of=CHANGE, unit="share", better="lower", **found._asdict())


def _knowing(baseline: Report, stated: Mapping[str, float]) -> Iterator[tuple[str, Callable[[Sequence[Row]], Array]]]:
    ladder = _ladder(baseline)
    for measure in (*measures_of(baseline), *_more_measures(baseline)):
        if measure.name in stated:
            yield measure.name, lambda rows, of=measure.of: np.array([of(row) is not None for row in rows])  # type: ignore[misc]
    for statistic in _STATISTICS:
        if statistic.name in stated:
            yield statistic.name, lambda rows, knows=statistic.knows: knows(_facts(rows, *ladder))  # type: ignore[misc]
