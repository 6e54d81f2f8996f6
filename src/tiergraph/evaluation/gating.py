"""Whether a report may replace another: the check that a pipeline fails on.

Every figure of the router that has a better side is checked. Where both reports have their rows, and the rows give the
figure, the cases are paired and a figure fails when the whole interval of its difference lies on the worse side. Else
it fails when the new value lies beyond the old interval. Figures of policy fail on any increase: no interval excuses
one. Times, and figures without an interval, never fail unless they are asked for by name.

Each check by itself would fail one unchanged router in forty that is measured on new data; on the same data an
unchanged router fails none.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tiergraph.errors import InputError
from tiergraph.evaluation.comparing import Measure, differences, measures_of, paired
from tiergraph.evaluation.report import ROUTER, Figure, Report, Row

WIDTH = 80
"""Columns of a terminal that `Verdict.lines` keeps to."""

POLICY = ("violations", "policy_violations", "pii_outside")
"""How names of figures of policy begin."""

_TIMES = "ms"
_NAME = 30
_CLOSE = 1e-9

Status = Literal["passed", "failed", "gone", "better"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure, or one condition of the comparison.

    Attributes:
        name: Of the figure, with ``by=stratum`` where it is of one; or ``suite``, ``left_out``.
        status: ``failed`` and ``gone`` (the new report lacks the figure) fail the gate. ``better`` is surely better.
        reason: One line.
        baseline, new: The figures, where there are any.
        change: The paired difference, where cases were paired.
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
    """

    passed: bool
    checks: tuple[Check, ...]

    def lines(self) -> list[str]:
        """What a terminal shows, at most 80 columns a line; what failed comes first and says why."""
        rank = {"failed": 0, "gone": 0, "better": 1, "passed": 2}
        lines: list[str] = []
        for check in sorted(self.checks, key=lambda check: rank[check.status]):
            lines += _lines(check)
        failed = sum(check.status in ("failed", "gone") for check in self.checks)
        lines.append(f"{'PASSED' if self.passed else 'FAILED'}: {failed} of {len(self.checks)} checks failed.")
        return lines

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        return {"passed": self.passed, "checks": [asdict(check) for check in self.checks]}


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
            an interval only that they are there. Those of policy are always checked.
        tolerance: Figure to how much worse it may be, in its own unit, >= 0. Figures of policy have none.
        strata: Check the figures of each stratum too.
        allow_data_change: Go on where the suites differ, without pairing; else that fails.
        seed: Of resampling.

    Raises:
        InputError: A figure that the baseline does not have, or a tolerance that is none.
    """
    tolerance = dict(tolerance or {})
    _check_names(baseline, metrics, tolerance)
    conditions = _conditions(report, baseline, allow_data_change)
    changes = _changes(report, baseline, seed) if _same_data(report, baseline) else {}
    new = {figure.key: figure for figure in report.figures}
    checks = [*conditions, *_errors(changes, tolerance)]
    for old in _gated(baseline, metrics, strata):
        asked = old.name in tolerance or old.name in (metrics or ())
        checks.append(_check(old, new.get(old.key), changes, tolerance.get(old.name, 0.0), asked=asked))
    checks += _new_violations(report, baseline, strata)
    return Verdict(passed=all(check.status in ("passed", "better") for check in checks), checks=tuple(checks))


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
        if name not in known | {"errors"}:
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


def _gated(baseline: Report, metrics: Sequence[str] | None, strata: bool) -> Iterator[Figure]:
    """The figures of the baseline that are checked."""
    for figure in baseline.figures:
        if figure.of != ROUTER or not _number(figure) or (figure.by is not None and not strata):
            continue
        wanted = figure.unit != _TIMES if metrics is None else figure.name in metrics
        if _policy(figure.name) or (figure.better is not None and wanted):
            yield figure


def _changes(report: Report, baseline: Report, seed: int) -> dict[tuple[str, str | None, str | None], Figure]:
    """(figure, by, stratum) to its paired difference, for figures that the rows of both reports give."""
    if not report.rows or not baseline.rows:
        return {}
    found = {}
    # Scores and costs are the reports' own, and a figure is paired only where the rows give what the report states.
    for by, stratum in dict.fromkeys((figure.by, figure.stratum) for figure in baseline.figures):
        before, after = _of_stratum(baseline.rows, by, stratum), _of_stratum(report.rows, by, stratum)
        pairs = paired(before, after)
        measures = [
            measure
            for measure in measures_of(baseline)
            if (measure.name == "errors" and by is None)
            or (_gives(measure, before, baseline, by, stratum) and _gives(measure, after, report, by, stratum))
        ]
        if pairs and measures:
            for figure in differences(pairs, measures, seed=seed):
                found[(figure.name, by, stratum)] = figure
    return found


def _of_stratum(rows: Sequence[Row], by: str | None, stratum: str | None) -> list[Row]:
    kept = rows if by is None else [row for row in rows if row.strata.get(by) == stratum]
    return sorted(kept, key=lambda row: row.id)


def _gives(measure: Measure, rows: Sequence[Row], report: Report, by: str | None, stratum: str | None) -> bool:
    """Whether the rows give the figure that the report states."""
    stated = next((each.value for each in report.figures if each.key == (measure.name, ROUTER, by, stratum)), None)
    parts = [part for row in rows if (part := measure.of(row)) is not None]
    below = sum(part[1] for part in parts)
    if stated is None or not below:
        return False
    return abs(sum(part[0] for part in parts) / below - stated) <= 1e-6 * max(abs(stated), 1e-6)


def _errors(changes: Mapping[Any, Figure], tolerance: Mapping[str, float]) -> Iterator[Check]:
    """Cases without an answer are left out of figures: more of them than before would look like a better router."""
    change = changes.get(("errors", None, None))
    if change is not None and change.value is not None:
        more = change.value > tolerance.get("errors", 0.0) + _CLOSE
        reason = f"{change.value * 100:+.2f} points of the cases end in an error"
        yield Check(name="errors", status="failed" if more else "passed", reason=reason, change=change)


def _check(old: Figure, new: Figure | None, changes: Mapping[Any, Figure], tolerance: float, *, asked: bool) -> Check:
    name = _name(old)
    if new is None or not _number(new):
        return Check(name=name, status="gone", reason="the new report has no such figure", baseline=old, new=new)
    if _policy(old.name):
        return _policy_check(name, old, new)
    change = changes.get((old.name, old.by, old.stratum))
    if change is not None:
        status, reason = _by_pairs(old, change, tolerance)
    elif _has_ends(old) or _has_ends(new):
        status, reason = _by_interval(old, new, tolerance)
    elif asked:
        status, reason = _by_value(old, new, tolerance)
    else:
        status, reason = "passed", "not judged: neither has an interval; name it among the metrics to judge its value"
    if new.n < old.n:
        reason += f"; over {new.n} cases, {old.n} before"
    return Check(name=name, status=status, reason=reason, baseline=old, new=new, change=change)


def _name(figure: Figure) -> str:
    return figure.name if figure.by is None else f"{figure.name} ({figure.by}={figure.stratum})"


def _policy_check(name: str, old: Figure, new: Figure) -> Check:
    assert old.value is not None
    assert new.value is not None
    if new.value > old.value + _CLOSE:
        reason = f"policy was broken more often: {old.value:g} before, {new.value:g} now; no increase passes"
        return Check(name=name, status="failed", reason=reason, baseline=old, new=new)
    status: Status = "better" if new.value < old.value - _CLOSE else "passed"
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


def _by_pairs(old: Figure, change: Figure, tolerance: float) -> tuple[Status, str]:
    assert change.value is not None
    if change.low is None or change.high is None:
        worse = _worse(old, change.value)
        return _status(worse - tolerance, worse), f"changes by {_short(change.value)}, too few cases for an interval"
    least, most = sorted((_worse(old, change.low), _worse(old, change.high)))
    within = f"changes by {_short(change.value)} ({_short(change.low)} to {_short(change.high)}), {change.n} pairs"
    if least > tolerance + _CLOSE:
        return "failed", f"surely worse: {within}{_beyond(tolerance)}"
    return ("better", f"surely better: {within}") if most < -_CLOSE else ("passed", within)


def _by_interval(old: Figure, new: Figure, tolerance: float) -> tuple[Status, str]:
    """Whether one value lies beyond the interval of the other: the baseline's, where it has one."""
    assert old.value is not None
    assert new.value is not None
    whose = "the baseline's interval" if _has_ends(old) else "the new report's own interval"
    one, other = ((old.low, old.high), (new.value,) * 2) if _has_ends(old) else ((old.value,) * 2, (new.low, new.high))
    changes = [_worse(old, after - before) for before in one for after in other]  # type: ignore[operator]
    if min(changes) > tolerance + _CLOSE:
        return "failed", f"beyond {whose}{_beyond(tolerance)}"
    return ("better", f"better, beyond {whose}") if max(changes) < -_CLOSE else ("passed", f"within {whose}")


def _by_value(old: Figure, new: Figure, tolerance: float) -> tuple[Status, str]:
    assert old.value is not None
    assert new.value is not None
    worse = _worse(old, new.value - old.value)
    return _status(worse - tolerance, worse), f"changes by {_short(new.value - old.value)}; neither has an interval"


def _status(beyond: float, worse: float) -> Status:
    if beyond > _CLOSE:
        return "failed"
    return "better" if worse < -_CLOSE else "passed"


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
