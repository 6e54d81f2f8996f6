"""Two reports on the same suite, paired case by case: what changed, how sure that is, and which requests moved.

Every difference is ``candidate - baseline`` over the cases that both know, with a paired bootstrap interval that keeps
cases of one group together. What a case lacks leaves it out of that figure, and ``n`` says so. The order of rows
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tiergraph.errors import InputError
from tiergraph.evaluation.charts import NOBODY
from tiergraph.evaluation.intervals import Interval, over_chunks, percentiles, resample_chunks, wilson
from tiergraph.evaluation.report import Figure, Report, Row, by_id

if TYPE_CHECKING:
    import pandas

CLOSE = 1e-9
"""An end of an interval that is nearer to zero is zero: the order of summation shows there."""

CHANGE = "candidate - baseline"
"""``Figure.of`` of every difference."""

Part = tuple[float, float]
"""Numerator and denominator that one row adds to a figure, which is the ratio of their sums."""

PairPart = tuple[float, float, float, float]
"""Numerator and denominator before, then after; the figure is the difference of the two ratios."""


class Measure(NamedTuple):
    """A figure that is a ratio of sums over rows: ``of`` gives a row's part, or ``None`` where it has none."""

    name: str
    unit: str
    better: Literal["higher", "lower"] | None
    of: Callable[[Row], Part | None]


class Pair(NamedTuple):
    """The same case in both reports."""

    before: Row
    after: Row


@dataclass(frozen=True, kw_only=True)
class Move:
    """A request that went to another tier.

    Attributes:
        case: Its id.
        source, target: Tier before and after; ``nobody`` where none took it.
        quality, cost_usd: What the candidate's is more, in [-1, 1] and USD; ``None`` where a side is not known.
    """

    case: str
    source: str
    target: str
    quality: float | None
    cost_usd: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a candidate changes against a baseline on the same cases.

    Attributes:
        suite: Name, digest and scale of the suite; ``quality`` is in units of its scale.
        names: Of baseline and candidate.
        n: Cases that both reports have.
        only_baseline, only_candidate: Cases that only one of them has; they were left out.
        differences: ``candidate - baseline`` of each figure. ``cost_change`` is relative: -0.31 is 31 % less.
        agreement: Share of the cases with the same tier.
        moves: Every case that went to another tier, by id.
    """

    suite: Mapping[str, Any]
    names: tuple[str, str]
    n: int
    only_baseline: int
    only_candidate: int
    differences: tuple[Figure, ...]
    agreement: Figure
    moves: tuple[Move, ...]

    def difference(self, name: str) -> Figure:
        """The difference of that name.

        Raises:
            KeyError: There is none; names those that there are.
        """
        return named(self.differences, name, "difference")

    @property
    def moved(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Tier before to tier after to ``{"n", "quality", "cost_usd"}``: cases and the mean changes of those known."""
        return moves_table(self.moves)

    def moved_rows(self, limit: int = 20) -> tuple[Move, ...]:
        """The moves that lost most score, worst first; those that lost none, or of unknown score, are left out."""
        lost = [move for move in self.moves if move.quality is not None and move.quality < 0]
        return tuple(sorted(lost, key=lambda move: (move.quality, move.case))[:limit])

    def frame(self) -> pandas.DataFrame:
        """The differences and the agreement as a table, one row each."""
        return figures_frame((self.agreement, *self.differences))

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        return {
            "suite": dict(self.suite),
            "baseline": self.names[0],
            "candidate": self.names[1],
            "cases": {"both": self.n, "only_baseline": self.only_baseline, "only_candidate": self.only_candidate},
            "agreement": asdict(self.agreement),
            "differences": [asdict(figure) for figure in self.differences],
            "moved": self.moved,
            "moves": [asdict(move) for move in self.moves],
        }

    def sentences(self) -> list[str]:
        """What people should know, a line each."""
        lines = [moved_sentence(self.agreement)]
        for name, (title, shown) in _SHOWN.items():
            for figure in self.differences:
                nothing = not (figure.value or figure.low or figure.high)
                if figure.name == name and not (nothing and name in ("errors", "cost_per_solved")):
                    scored = name == "quality" and self.suite["scale"] != 1
                    lines.append(f"{title}: {change(figure, PLAIN if scored else shown)}")
        lines += [_nobody_sentence(each) for each in self.differences if each.name == f"share:{NOBODY}" and sure(each)]
        if left_out := self.only_baseline + self.only_candidate:
            lines.append(f"{left_out} cases stand in one of the reports only and were left out.")
        return lines


def compare(a: Report, b: Report, *, seed: int = 0) -> Comparison:
    """Compare two reports, paired by case.

    Args:
        a: The baseline, such as what is live.
        b: The candidate.
        seed: Of resampling.

    Raises:
        InputError: They are of different suites, or one was saved without its rows.
    """
    digests = a.suite.get("digest"), b.suite.get("digest")
    if digests[0] != digests[1]:
        raise InputError(
            f"The reports are of different suites: digest {digests[0]!r} and {digests[1]!r}. "
            "Fix: evaluate both on the same suite.",
            code="other_suite",
        )
    for report, which in ((a, "first"), (b, "second")):
        if not report.rows:
            raise InputError(
                f"The {which} report has no rows, so that cases cannot be paired. "
                "Fix: save it with rows (`report.save(path)`, not rows=False).",
                code="no_rows",
            )
    pairs = paired(a.rows, b.rows)
    if not pairs:
        raise InputError("The reports share no case. Fix: evaluate both on the same cases.", code="no_cases")
    tiers = [tier["name"] for tier in a.suite.get("tiers", ())]
    changes = differences(pairs, (*measures_of(a), *share_measures(tiers, pairs)), seed=seed)
    moves = [_move(pair) for pair in pairs]
    return Comparison(
        suite={"name": a.suite.get("name"), "digest": digests[0], "scale": float(a.suite.get("scale", 1.0))},
        names=(str(a.subject.get("name")), str(b.subject.get("name"))),
        n=len(pairs),
        only_baseline=len(a.rows) - len(pairs),
        only_candidate=len(b.rows) - len(pairs),
        differences=tuple(figure for figure in changes if figure.name != "agreement"),
        agreement=next(figure for figure in changes if figure.name == "agreement"),
        moves=tuple(move for move in moves if move.source != move.target),
    )


def paired(before: Iterable[Row], after: Iterable[Row]) -> list[Pair]:
    """The cases that both have, by id."""
    old, new = by_id(tuple(before)), by_id(tuple(after))
    return [Pair(old[case], new[case]) for case in sorted(old.keys() & new.keys())]


def measures_of(report: Report) -> tuple[Measure, ...]:
    """The figures of a report that its rows alone give; scores in [0, 1] times the scale of the suite."""
    scale, unit = float(report.suite.get("scale", 1.0)), str(report.suite.get("unit", ""))
    return (
        Measure("quality", unit, "higher", lambda row: None if row.quality is None else (row.quality * scale, 1.0)),
        Measure("solved", "share", "higher", lambda row: None if row.solved is None else (row.solved, 1.0)),
        Measure("wrong_answers", "share", "lower", lambda row: None if row.wrong is None else (row.wrong, 1.0)),
        Measure("cost_usd", "USD", "lower", lambda row: None if row.cost_usd is None else (row.cost_usd, 1.0)),
        Measure("cost_per_solved", "USD", "lower", _cost_per_solved),
        Measure("escalation_rate", "share", None, _escalated),
        Measure("errors", "share", "lower", lambda row: (float(row.observation.outcome == "error"), 1.0)),
        *(_accuracy(name) for name in sorted({name for row in report.rows for name in row.right})),
    )


def _accuracy(name: str) -> Measure:
    """Share of cases of which ``name`` is known and that have it right."""

    def part(row: Row) -> Part | None:
        return (float(row.right[name]), 1.0) if name in row.right else None

    return Measure(f"accuracy:{name}", "share", "higher", part)


def share_measures(tiers: Sequence[str], pairs: Sequence[Pair]) -> tuple[Measure, ...]:
    """Share of requests that each tier takes, in ladder order, then `NOBODY`."""
    taken = {taker(row) for pair in pairs for row in pair}
    names = [*tiers, *sorted(taken - {*tiers, NOBODY}), NOBODY]
    return tuple(
        Measure(f"share:{name}", "share", None, lambda row, name=name: (float(taker(row) == name), 1.0))  # type: ignore[misc]
        for name in names
    )


def differences(pairs: Sequence[Pair], measures: Sequence[Measure], *, seed: int) -> tuple[Figure, ...]:
    """The difference of every measure, then ``cost_change`` and ``agreement``, all from the same resamples."""
    about = {measure.name: (measure.unit, measure.better) for measure in measures}
    columns = {measure.name: [_difference(measure, pair) for pair in pairs] for measure in measures}
    columns["cost_change"] = [_relative(pair.before.cost_usd, pair.after.cost_usd) for pair in pairs]
    columns["agreement"] = [(0.0, 1.0, float(taker(pair.before) == taker(pair.after)), 1.0) for pair in pairs]
    about |= {"cost_change": ("share", "lower"), "agreement": ("share", None)}
    groups = [cluster(pair.before) for pair in pairs]
    made = estimates(columns, groups, seed=seed)
    if (same := made["agreement"]) is not None and same.value in (0.0, 1.0):  # no resample of it has any spread
        made["agreement"] = Interval(same.value, *wilson(same.value, len(set(groups))), same.n)
    return tuple(
        Figure(name=name, of=CHANGE, unit=about[name][0], better=about[name][1], **found._asdict())
        for name, found in made.items()
        if found is not None
    )


def taker(row: Row) -> str:
    """The tier that took the request, or `NOBODY`."""
    return row.observation.tier or NOBODY


def cluster(row: Row) -> tuple[bool, str]:
    """What resampling keeps together: the group, or the case where it has none."""
    return (False, row.id) if row.group is None else (True, row.group)


def estimates(
    columns: Mapping[str, Sequence[PairPart | None]], groups: Sequence[Any], *, seed: int
) -> dict[str, Interval | None]:
    """Figure to its value and interval, all from the same resamples; ``None`` where it cannot be had.

    Args:
        columns: Figure to the part of each row; ``None`` where a row has none.
        groups: One for each row; rows of one group are drawn together.
        seed: Of resampling.
    """
    nothing = (0.0, 0.0, 0.0, 0.0)
    table = np.array([[part or nothing for part in parts] for parts in columns.values()], dtype=float)
    flat = table.transpose(1, 0, 2).reshape(len(groups), -1)
    whole = _ratios(flat.sum(axis=0, keepdims=True))[0]
    drawn = _ratios(draw_sums(flat, groups, seed=seed))
    found = {}
    for number, (name, parts) in enumerate(columns.items()):
        units = len({group for group, part in zip(groups, parts, strict=True) if part is not None})
        n = sum(part is not None for part in parts)
        found[name] = spread(float(whole[number]), drawn[:, number], n=n, units=units)
    return found


def spread(value: float, drawn: Any, *, n: int, units: int | None = None) -> Interval | None:
    """A value with the interval of its resamples; ``None`` where there is none. ``units``: groups that were drawn."""
    if not np.isfinite(value):
        return None
    found = percentiles(value, np.where(np.isfinite(drawn), drawn, np.nan), n if units is None else units)
    return None if found is None else found._replace(n=n)


def draw_sums(table: Any, groups: Sequence[Any] | None, *, seed: int) -> Any:
    """Column sums of resamples of the rows, (resamples, columns); rows of one group are drawn together."""
    chunks = resample_chunks(len(table), groups, seed=seed)
    return np.concatenate([over_chunks(chunk, lambda part: part @ table) for chunk in chunks])


def moves_table(moves: Iterable[Move]) -> dict[str, dict[str, dict[str, Any]]]:
    """Tier before to tier after to ``{"n", "quality", "cost_usd"}``: how many, and the mean changes of those known."""
    cells: dict[str, dict[str, list[Move]]] = {}
    for move in sorted(moves, key=lambda move: (move.source, move.target, move.case)):
        cells.setdefault(move.source, {}).setdefault(move.target, []).append(move)
    return {
        source: {
            target: {
                "n": len(some),
                "quality": _mean([move.quality for move in some]),
                "cost_usd": _mean([move.cost_usd for move in some]),
            }
            for target, some in targets.items()
        }
        for source, targets in cells.items()
    }


def named(figures: Iterable[Figure], name: str, what: str) -> Figure:
    """The figure of that name; ``KeyError`` says ``what`` there is not, and what there is."""
    known = {figure.name: figure for figure in figures}
    if name not in known:
        raise KeyError(f"No {what} {name!r}. There are: {list(known)}")
    return known[name]


def figures_frame(figures: Iterable[Figure]) -> pandas.DataFrame:
    """Figures as a table, one row each."""
    from tiergraph.evaluation.extras import require

    return require("pandas").DataFrame(
        [asdict(figure) for figure in figures], columns=list(Figure.__dataclass_fields__)
    )


class Shown(NamedTuple):
    """How a change is written: a signed number, and its unit after it."""

    number: Callable[[float], str]
    unit: str


PERCENT = Shown(lambda value: f"{value * 100:+.1f}", " %")
POINTS = Shown(lambda value: f"{value * 100:+.1f}", " points")
"""Of a hundred."""
DOLLARS = Shown(lambda value: f"{value:+.3g}", " USD")
PLAIN = Shown(lambda value: f"{value:+.3g}", "")


def change(figure: Figure, shown: Shown) -> str:
    """A change as text with its interval, and whether it is sure: whether the interval leaves zero out."""
    assert figure.value is not None
    value = f"{shown.number(figure.value)}{shown.unit}"
    if figure.low is None or figure.high is None:
        return f"{value} (no interval, n {figure.n})."
    unsure = "" if sure(figure) else ": no sure change"
    return f"{value} ({shown.number(figure.low)} to {shown.number(figure.high)}, n {figure.n}){unsure}."


def sure(figure: Figure) -> bool:
    """Whether the whole interval of a difference lies on one side of zero, by more than rounding."""
    return figure.low is not None and figure.high is not None and (figure.low > CLOSE or figure.high < -CLOSE)


def moved_sentence(agreement: Figure) -> str:
    """How many requests move, from the share that stays."""
    assert agreement.value is not None
    ends = ""
    if agreement.low is not None and agreement.high is not None:
        ends = f" ({(1 - agreement.high) * 100:.1f} % to {(1 - agreement.low) * 100:.1f} %)"
    return f"The candidate moves {(1 - agreement.value) * 100:.1f} %{ends} of {agreement.n} requests to another tier."


def _nobody_sentence(figure: Figure) -> str:
    """How many requests more, or fewer, no tier takes: a person has them, they were refused, or they failed."""
    assert figure.value is not None
    more = "more" if figure.value > 0 else "fewer"
    return f"Nobody takes {abs(figure.value) * figure.n:.0f} {more} requests: {change(figure, POINTS)}"


_SHOWN = {
    "cost_change": ("Expected cost", PERCENT),
    "quality": ("Score", POINTS),
    "cost_per_solved": ("Cost per solved request", DOLLARS),
    "escalation_rate": ("Escalated requests", POINTS),
    "errors": ("Requests that ended in an error", POINTS),
}


def _move(pair: Pair) -> Move:
    before, after = pair
    return Move(
        case=before.id,
        source=taker(before),
        target=taker(after),
        quality=_less(after.quality, before.quality),
        cost_usd=_less(after.cost_usd, before.cost_usd),
    )


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _difference(measure: Measure, pair: Pair) -> PairPart | None:
    before, after = measure.of(pair.before), measure.of(pair.after)
    return None if before is None or after is None else (*before, *after)


def _relative(before: float | None, after: float | None) -> PairPart | None:
    """Part in ``after / before - 1``."""
    return None if before is None or after is None else (before, before, after, before)


def _cost_per_solved(row: Row) -> Part | None:
    """Of a cascade what nobody answered costs too, and solves nothing."""
    score = row.quality if row.solved is None else row.solved
    return None if row.cost_usd is None or score is None else (row.cost_usd, score)


def _escalated(row: Row) -> Part | None:
    hops = row.observation.hops
    return (float(len({hop.tier for hop in hops}) > 1), 1.0) if hops else None


def _ratios(sums: Any) -> Any:
    """``after - before`` of each figure, (rows, figures), from its four sums; NaN or infinite where it is not there."""
    parts = sums.reshape(len(sums), -1, 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        return parts[..., 2] / parts[..., 3] - parts[..., 0] / parts[..., 1]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
