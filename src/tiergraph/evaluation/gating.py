"""Whether a report may replace another: the check that a pipeline fails on.

Every figure of the router that has a better side is checked. Where both reports have their rows, and the rows give the
figure, the cases are paired, and a figure fails when its difference is surely on the worse side. Else the two values
are compared as those of two samples, by the widths of both intervals. Sure is meant of the gate as a whole: of m
figures that are compared each is held to a level of `FAMILY` / m, so that chance fails an unchanged router that was
measured on new data, or that has chance in it, about one time in twenty at most. On the same data an unchanged router
without chance never fails.

Figures of policy fail on any increase, and so do cases that end in an error: no interval excuses one. That no tier
takes a request may not become surely more often, nor may a figure be known of surely fewer cases: who hands the hard
ones to nobody would have the better figures. Times, and figures without an interval, never fail unless they are asked
for by name; nor does the expected calibration error where it is not paired, whose intervals lie beside it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

from tiergraph.errors import InputError
from tiergraph.evaluation.comparing import CLOSE
from tiergraph.evaluation.intervals import Z, wilson
from tiergraph.evaluation.pairing import NOBODY_SHARE, Changes, changes
from tiergraph.evaluation.report import ROUTER, Figure, Report

WIDTH = 80
"""Columns of a terminal that `Verdict.lines` keeps to."""

POLICY = ("violations", "policy_violations", "pii_outside")
"""How names of figures of policy begin."""

FAMILY = 0.05
"""How often chance alone may fail a gate as a whole."""

_NOBODY = (NOBODY_SHARE, "share:human")
"""Figures without a better side that are checked all the same: they must not rise."""

_ABSENT_IS_NONE = ("failed", "share:human", "share:unavailable")
"""Figures that a report of the same kind lacks where they are 0."""

_CONDITIONAL = ("precision", "wrong_accepts", "needless_escalations", "cost_per_solved")
"""Figures over what the router did: how many those are is no matter of what is known."""

_UNPAIRED_BIASED = ("ece",)
_TIMES = "ms"
_NAME = 30

Status = Literal["passed", "failed", "gone", "better"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure, or one condition of the comparison.

    Attributes:
        name: Of the figure, with ``by=stratum`` where it is of one; or ``suite``, ``left_out``, ``errors``.
        status: ``failed`` and ``gone`` (the new report lacks the figure) fail the gate. ``better`` is surely better.
        reason: One line.
        baseline, new: The figures, where there are any.
        change: The paired difference with its 95 % interval, where cases were paired.
    """

    name: str
    status: Status
    reason: str
    baseline: Figure | None = None
    new: Figure | None = None
    change: Figure | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate says.

    Attributes:
        passed: Whether no check failed and none is gone.
        checks: All of them, conditions first, then figures in the baseline's order.
        compared: Comparisons that chance could fail.
        level: How often chance may fail each of them; ``None`` where there are none.
    """

    passed: bool
    checks: tuple[Check, ...]
    compared: int = 0
    level: float | None = None

    def __bool__(self) -> bool:
        """As ``passed``, so that ``assert gate(...)`` means what it says."""
        return self.passed

    def lines(self) -> list[str]:
        """What a terminal shows, at most 80 columns a line; what failed comes first and says why."""
        rank = {"failed": 0, "gone": 0, "better": 1, "passed": 2}
        lines: list[str] = []
        for check in sorted(self.checks, key=lambda check: rank[check.status]):
            lines += _lines(check)
        if self.level is not None:
            lines.append(f"{self.compared} comparisons at a level of {self.level:.2g} each, {FAMILY:g} together.")
        failed = sum(check.status in ("failed", "gone") for check in self.checks)
        lines.append(f"{'PASSED' if self.passed else 'FAILED'}: {failed} of {len(self.checks)} checks failed.")
        return lines

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        return {
            "passed": self.passed,
            "compared": self.compared,
            "level": self.level,
            "checks": [asdict(check) for check in self.checks],
        }


class _Judged(NamedTuple):
    """A figure to check. ``fewer``: share of the cases of which it is not known any more, where those are fewer."""

    old: Figure
    new: Figure | None
    change: Figure | None
    fewer: Figure | None
    tolerance: float
    asked: bool

    @property
    def by(self) -> Literal["gone", "policy", "pairs", "intervals", "value", "nothing"]:
        """What it is judged by."""
        if self.new is None or not _number(self.new):
            return "gone"
        if _policy(self.old.name):
            return "policy"
        if self.change is not None:
            return "pairs"
        biased = self.old.name in _UNPAIRED_BIASED and not self.asked
        if (_has_ends(self.old) or _has_ends(self.new)) and not biased:
            return "intervals"
        return "value" if self.asked else "nothing"


def gate(
    report: Report,
    baseline: Report,
    *,
    metrics: Sequence[str] | None = None,
    tolerance: Mapping[str, float] | None = None,
    strata: bool = False,
    allow_data_change: bool = False,
    seed: int = 0,
) -> Verdict:
    """Check a report against a baseline.

    Args:
        report: The new one.
        baseline: What it is measured against.
        metrics: Names of figures to check; by default all that have a better side but times, and of figures without
            an interval only that they are there. Those of policy, errors, and requests that nobody takes are always
            checked.
        tolerance: Figure to how much worse it may be, in its own unit, >= 0. Figures of policy have none. That of
            ``errors`` and of ``share:nobody`` is also how many cases, as a share, a figure may be known of less.
        strata: Check the figures of each stratum too.
        allow_data_change: Go on where the suites differ, without pairing; else that fails.
        seed: Of resampling.

    Raises:
        InputError: A figure that the baseline does not have, or a tolerance that is none.
    """
    tolerance = dict(tolerance or {})
    _check_names(baseline, metrics, tolerance)
    same = _same_data(report, baseline)
    found = changes(report, baseline, strata=strata, seed=seed) if same else Changes({}, {})
    new = {figure.key: figure for figure in report.figures}
    judged = []
    for old in _gated(report, baseline, found, metrics, strata):
        fewer = found.fewer.get((old.name, old.by, old.stratum))
        now = new.get(old.key, _none(old) if old.name in _ABSENT_IS_NONE else None)
        if fewer is None and same and now is not None:
            fewer = _fewer(old, now, baseline, report)
        judged.append(
            _Judged(
                old=old,
                new=now,
                change=found.differences.get((old.name, old.by, old.stratum)),
                fewer=fewer if old.name.partition(":")[0] not in _CONDITIONAL and _rises(fewer) else None,
                tolerance=tolerance.get(old.name, 0.0),
                asked=old.name in tolerance or old.name in (metrics or ()),
            )
        )
    nobody = found.differences.get((NOBODY_SHARE, None, None))
    alone = nobody if nobody is not None and not any(each.old.name == NOBODY_SHARE for each in judged) else None
    compared = sum(each.by in ("pairs", "intervals") for each in judged) + (alone is not None)
    compared += len({each.fewer.value for each in judged if each.fewer is not None})
    level = FAMILY / max(compared, 1)
    checks = [*_conditions(report, baseline, allow_data_change), *_errors(report, baseline, found, tolerance)]
    if alone is not None:
        checks.append(_nobody(alone, tolerance.get(NOBODY_SHARE, 0.0), level))
    spared = tolerance.get("errors", 0.0) + tolerance.get(NOBODY_SHARE, 0.0)
    checks += [_check(each, level, spared) for each in judged]
    checks += _new_violations(report, baseline, strata)
    return Verdict(
        passed=all(check.status in ("passed", "better") for check in checks),
        checks=tuple(checks),
        compared=compared,
        level=level if compared else None,
    )


def _check_names(baseline: Report, metrics: Sequence[str] | None, tolerance: Mapping[str, float]) -> None:
    known = {figure.name for figure in baseline.figures if figure.of == ROUTER}
    gated = sorted({figure.name for figure in baseline.figures if figure.of == ROUTER and figure.better is not None})
    for name in metrics or ():
        if name not in known or not any(figure.name == name and figure.better for figure in baseline.figures):
            raise InputError(
                f"The baseline has no figure {name!r} with a better side. Fix: use some of {gated}.",
                code="unknown_metric",
            )
    for name, value in tolerance.items():
        if name not in known | {"errors", *_NOBODY}:
            raise InputError(
                f"A tolerance for {name!r}, which the baseline does not have. Fix: use some of {gated}.",
                code="unknown_metric",
            )
        if _policy(name):
            raise InputError(f"{name!r} is a figure of policy and has no tolerance. Fix: leave it out.", code="policy")
        if not 0 <= value < float("inf"):
            raise InputError(f"The tolerance of {name!r} is {value!r}. Fix: a number >= 0.", code="bad_tolerance")


def _number(figure: Figure) -> bool:
    return figure.value is not None and math.isfinite(figure.value)


def _has_ends(figure: Figure) -> bool:
    return figure.low is not None and figure.high is not None


def _policy(name: str) -> bool:
    return name.startswith(POLICY)


def _same_data(report: Report, baseline: Report) -> bool:
    return report.suite.get("digest") == baseline.suite.get("digest")


def _conditions(report: Report, baseline: Report, allow_data_change: bool) -> list[Check]:
    """Whether both were measured on the same data."""
    checks = []
    old, new = str(baseline.suite.get("digest")), str(report.suite.get("digest"))
    if old != new:
        reason = f"the suite changed: {old[:12]} is now {new[:12]}; "
        fix = "cases are not paired" if allow_data_change else "run the baseline again, or allow the data to change"
        checks.append(Check(name="suite", status="passed" if allow_data_change else "failed", reason=reason + fix))
    else:
        checks.append(Check(name="suite", status="passed", reason="the same cases"))
    counts = len(baseline.problems), len(report.problems)
    if counts[0] == counts[1]:
        checks.append(Check(name="left_out", status="passed", reason=f"{counts[1]} rows were left out of both"))
    else:
        reason = f"{counts[1]} rows were left out, {counts[0]} of the baseline; mend the rows or run the baseline again"
        checks.append(Check(name="left_out", status="passed" if allow_data_change else "failed", reason=reason))
    return checks


def _gated(
    report: Report, baseline: Report, found: Changes, metrics: Sequence[str] | None, strata: bool
) -> Iterator[Figure]:
    """The figures of the baseline that are checked; those that must not rise as of which lower is better."""
    paired_nobody = NOBODY_SHARE in {name for name, by, _ in found.differences if by is None}
    for figure in baseline.figures:
        if figure.of != ROUTER or not _number(figure) or (figure.by is not None and not strata):
            continue
        if figure.name == "failed" and figure.by is None:
            continue  # see `_errors`
        if figure.name in _NOBODY:
            if figure.name == NOBODY_SHARE or not paired_nobody:
                yield replace(figure, better="lower")
            continue
        wanted = figure.unit != _TIMES if metrics is None else figure.name in metrics
        if _policy(figure.name) or (figure.better is not None and wanted):
            yield figure
    yield from () if paired_nobody else _risen_from_none(report, baseline)


def _risen_from_none(report: Report, baseline: Report) -> Iterator[Figure]:
    """Ends that no run of the baseline's cascade came to, and that one of the new does: there they were 0."""
    known = {figure.name: figure for figure in baseline.figures if figure.of == ROUTER and figure.by is None}
    answered = known.get("share:answered")
    for figure in report.figures:
        fresh = figure.of == ROUTER and figure.by is None and figure.name not in known and bool(figure.value)
        if answered is not None and fresh and figure.name in _ABSENT_IS_NONE and figure.name != "failed":
            yield _none(replace(answered, name=figure.name, better="lower"))


def _none(figure: Figure) -> Figure:
    """The same figure where it is 0 of as many."""
    return replace(figure, value=0.0, low=0.0, high=wilson(0.0, figure.n)[1])


def _fewer(old: Figure, new: Figure, baseline: Report, report: Report) -> Figure | None:
    """As of `Changes.fewer`, without rows: both as samples. More errors than before are judged by themselves."""
    if new.n >= old.n or old.n == 0:
        return None
    cases = [
        max(figure.n for figure in each.figures if (figure.by, figure.stratum) == (old.by, old.stratum))
        for each in (baseline, report)
    ]
    if old.by is None:
        cases = [max(n, int(each.suite.get("cases") or 0)) for n, each in zip(cases, (baseline, report), strict=True)]
    shares = [figure.n / n for figure, n in zip((old, new), cases, strict=True)]
    errors = [_failed(each) if old.by is None else 0.0 for each in (baseline, report)]
    fall = shares[0] - shares[1] - max(errors[1] - errors[0], 0.0)
    half = Z * math.hypot(*(math.sqrt(share * (1 - share) / n) for share, n in zip(shares, cases, strict=True)))
    return Figure(name=old.name, value=fall, low=fall - half, high=fall + half, n=cases[0], better="lower")


def _rises(figure: Figure | None) -> bool:
    return figure is not None and (figure.value or 0.0) > 0


def _failed(report: Report) -> float:
    stated = (figure.value for figure in report.figures if figure.key == ("failed", ROUTER, None, None))
    return next(stated, None) or 0.0


def _errors(report: Report, baseline: Report, found: Changes, tolerance: Mapping[str, float]) -> Iterator[Check]:
    """Cases without an answer are left out of figures: more of them than before would look like a better router."""
    allowed = max(tolerance.get("errors", 0.0), tolerance.get("failed", 0.0))
    change = found.differences.get(("errors", None, None))
    stated = any(figure.key == ("failed", ROUTER, None, None) for each in (report, baseline) for figure in each.figures)
    if change is not None and change.value is not None:
        more = change.value
    elif stated:
        more = _failed(report) - _failed(baseline)
    else:
        return
    reason = f"{more * 100:+.2f} points of the cases end in an error"
    yield Check(name="errors", status="failed" if more > allowed + CLOSE else "passed", reason=reason, change=change)


def _nobody(change: Figure, tolerance: float, level: float) -> Check:
    """That no tier takes a request, where the baseline has no such figure."""
    status, reason = _by_pairs(replace(change, better="lower"), change, tolerance, level)
    return Check(name=NOBODY_SHARE, status=status, reason=f"requests that nobody takes: {reason}", change=change)


def _check(judged: _Judged, level: float, spared: float) -> Check:
    old, new, change = judged.old, judged.new, judged.change
    name, by = _name(old), judged.by
    if by == "gone" or new is None:
        return Check(name=name, status="gone", reason="the new report has no such figure", baseline=old, new=new)
    if by == "policy":
        return _policy_check(name, old, new)
    if by == "pairs" and change is not None:
        status, reason = _by_pairs(old, change, judged.tolerance, level)
    elif by == "intervals":
        status, reason = _by_intervals(old, new, judged.tolerance, level)
    elif by == "value":
        status, reason = _by_value(old, new, judged.tolerance)
    else:
        status, reason = "passed", "not judged: neither has an interval; name it among the metrics to judge its value"
        if _has_ends(old) or _has_ends(new):
            reason = "not judged: it cannot be paired, and its interval lies beside it; name it among the metrics"
    if new.n < old.n:
        reason += f"; over {new.n} cases, {old.n} before"
    if judged.fewer is not None and _surely(judged.fewer, spared, level):
        status = "failed"
        reason += f": surely fewer, by {100 * (judged.fewer.value or 0.0):.1f} points; what it left out has no figure"
    return Check(name=name, status=status, reason=reason, baseline=old, new=new, change=change)


def _name(figure: Figure) -> str:
    return figure.name if figure.by is None else f"{figure.name} ({figure.by}={figure.stratum})"


def _policy_check(name: str, old: Figure, new: Figure) -> Check:
    assert old.value is not None
    assert new.value is not None
    if new.value > old.value + CLOSE:
        reason = f"policy was broken more often: {old.value:g} before, {new.value:g} now; no increase passes"
        return Check(name=name, status="failed", reason=reason, baseline=old, new=new)
    status: Status = "better" if new.value < old.value - CLOSE else "passed"
    return Check(name=name, status=status, reason="no increase", baseline=old, new=new)


def _new_violations(report: Report, baseline: Report, strata: bool) -> Iterator[Check]:
    """Violations of a kind that the baseline does not have: it had none."""
    known = {figure.key for figure in baseline.figures if _number(figure)}
    for figure in report.figures:
        fresh = figure.of == ROUTER and _policy(figure.name) and figure.key not in known
        if fresh and figure.value and (strata or figure.by is None):
            none = Figure(name=figure.name, value=0.0, by=figure.by, stratum=figure.stratum)
            yield _policy_check(_name(figure), none, figure)


def _worse(old: Figure, change: float) -> float:
    """A change as how much worse it is; negative is better."""
    return change if old.better == "lower" else -change


def _by_pairs(old: Figure, change: Figure, tolerance: float, level: float) -> tuple[Status, str]:
    assert change.value is not None
    worse = _worse(old, change.value)
    if not _has_ends(change):
        return _status(worse - tolerance, worse), f"changes by {_short(change.value)}, too few cases for an interval"
    half = _half(_deviation(change), change.n, level)
    within = (
        f"changes by {_short(change.value)} ({_short(change.value - half)} to {_short(change.value + half)}), "
        f"{change.n} pairs"
    )
    if worse - half > tolerance + CLOSE:
        return "failed", f"surely worse: {within}{_beyond(tolerance)}"
    return ("better", f"surely better: {within}") if worse + half < -CLOSE else ("passed", within)


def _by_intervals(old: Figure, new: Figure, tolerance: float, level: float) -> tuple[Status, str]:
    """Two samples: how far apart their values lie, by the widths of both intervals."""
    assert old.value is not None
    assert new.value is not None
    # a figure whose interval is not known is taken to be as sure as the other
    one, other = (_deviation(each if _has_ends(each) else rest) for each, rest in ((old, new), (new, old)))
    half = _half(math.hypot(one, other), min(old.n, new.n), level)
    worse = _worse(old, new.value - old.value)
    within = f"changes by {_short(new.value - old.value)}, unpaired, +- {half:.3g} by both intervals"
    if worse - half > tolerance + CLOSE:
        return "failed", f"surely worse: {within}{_beyond(tolerance)}"
    return ("better", f"surely better: {within}") if worse + half < -CLOSE else ("passed", within)


def _surely(figure: Figure, tolerance: float, level: float) -> bool:
    """Whether a figure of which lower is better lies above a tolerance, whatever chance did."""
    half = _half(_deviation(figure), figure.n, level) if _has_ends(figure) else 0.0
    return (figure.value or 0.0) - half > tolerance + CLOSE


def _deviation(figure: Figure) -> float:
    """Standard deviation of a value, by the width of its 95 % interval; where that lies is not used."""
    assert figure.low is not None
    assert figure.high is not None
    return (figure.high - figure.low) / (2 * Z)


def _half(deviation: float, n: int, level: float) -> float:
    """How far a value may lie from where it was by chance, one-sided: Student's quantile, by its expansion in 1/n."""
    z, free = NormalDist().inv_cdf(1 - level), max(n - 1, 1)
    quantile = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return deviation * (quantile if n > 1 else z)


def _by_value(old: Figure, new: Figure, tolerance: float) -> tuple[Status, str]:
    assert old.value is not None
    assert new.value is not None
    worse = _worse(old, new.value - old.value)
    return _status(worse - tolerance, worse), f"changes by {_short(new.value - old.value)}; neither has an interval"


def _status(beyond: float, worse: float) -> Status:
    if beyond > CLOSE:
        return "failed"
    return "better" if worse < -CLOSE else "passed"


def _beyond(tolerance: float) -> str:
    return f", more than {tolerance:g}" if tolerance else ""


def _short(value: float) -> str:
    return f"{value:+.3g}"


def _ends(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} ({figure.low:.3g} to {figure.high:.3g})"


def _lines(check: Check) -> list[str]:
    """One line for what passed; what failed has its reason below."""
    name = check.name if len(check.name) <= _NAME else check.name[: _NAME - 1] + "…"
    mark = {"failed": "FAIL", "gone": "GONE", "better": "ok +", "passed": "ok"}[check.status]
    values = f"{_ends(check.baseline)} -> {_ends(check.new)}" if check.baseline else check.reason
    head = f"{mark:<5}{name:<{_NAME}}"
    lines = textwrap.wrap(values, WIDTH, initial_indent=f"{head} ", subsequent_indent=" " * (len(head) + 1))
    if check.baseline and check.status in ("failed", "gone"):
        lines += textwrap.wrap(check.reason, WIDTH, initial_indent=" " * 5, subsequent_indent=" " * 5)
    return lines
