"""Figures as text: how a number of each unit is written, and tables for pandas, Markdown and the command line.

One convention everywhere: shares in per cent, money in one unit for the whole report (`Money`), milliseconds as they
are, and what has no unit with three digits and no leading zero, such as ``.612``. What cannot be had is a dash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tiergraph.errors import InputError
from tiergraph.evaluation.extras import require
from tiergraph.evaluation.report import ROUTER, Figure, Report

if TYPE_CHECKING:
    import pandas

NONE = "-"
"""What stands for a value that there is not."""

WIDTH = 80
"""Columns of a terminal that `text_rows` keeps to."""

_GAP = 2
_FIRST = (
    "length",
    "most frequent",
    "always pass",
    "random",
    "best single tier",
    "oracle",
    "TF-IDF",
    "category mean",
    "previous",
)
"""Baselines that a narrow table shows before others."""

_LABELS = {
    "answer_quality": "Mean score of answers",
    "apgr": "APGR",
    "apgr_routellm": "APGR as RouteLLM computes it",
    "area": "Area under score over cost",
    "auc": "AUC",
    "brier": "Brier score",
    "brier_skill": "Brier skill",
    "cost_per_solved": "Cost per solved request",
    "cost_usd": "Mean cost per request",
    "cpt50": "Calls to the top tier for half of the gap",
    "cpt80": "Calls to the top tier for 80 % of the gap",
    "ece": "Expected calibration error",
    "escalation_rate": "Requests that were escalated",
    "failed": "Cases without an observation",
    "flag_lost": "Variants that lost a finding",
    "gap_to_oracle": "Area between oracle and router",
    "needless_escalations": "Escalations of a right draft",
    "quality": "Mean score",
    "quality_at_cost": "Mean score at the router's cost",
    "share": "Requests",
    "solved": "Solved",
    "tier_changed": "Variants that got another tier",
    "tier_lowered": "Variants that got a lower tier",
    "violations": "Policy did not hold",
    "wrong_accepts": "Accepted drafts that were wrong",
    "wrong_answers": "Wrong answers",
}


@dataclass(frozen=True, kw_only=True)
class Money:
    """How a report writes USD: ``value * factor`` in ``unit``; the unit is chosen so that no figure is all zeros."""

    factor: float
    unit: str

    @classmethod
    def of(cls, report: Report) -> Money:
        """The unit for all money of a report, from its largest amount."""
        amounts = [abs(each.value) for each in report.figures if each.unit == "USD" and each.value is not None]
        chart = report.charts.get("cost_quality") or {}
        if str(chart.get("x_unit", "")).startswith("USD"):
            places = [*chart.get("lines", ()), *({"x": [mark["x"]]} for mark in chart.get("marks", ()))]
            amounts += [abs(x) for place in places for x in place["x"]]
        return cls.up_to(max(amounts, default=0.0))

    @classmethod
    def up_to(cls, amount: float) -> Money:
        """The unit for amounts up to ``amount`` USD."""
        if amount >= 1:
            return cls(factor=1, unit="USD")
        if amount >= 0.0001 or amount == 0:
            return cls(factor=100, unit="US cents")
        return cls(factor=1000, unit="USD per 1,000")


class Cells(NamedTuple):
    """Figures as a grid. ``rows`` has one of ``columns`` (``router`` first, then baselines, then differences) each."""

    columns: list[str]
    rows: list[CellRow]


class CellRow(NamedTuple):
    """One row: a figure's name, its unit as it is written, and the figures by column."""

    name: str
    unit: str
    stratum: str | None
    figures: dict[str, Figure]


def is_share(unit: str) -> bool:
    """Whether a value of that unit is a share in [0, 1] (or a difference of two), written in per cent."""
    return unit == "share" or unit.startswith("share of ")


def is_difference(of: str) -> bool:
    """Whether ``Figure.of`` is a paired difference such as ``router - length``."""
    return " - " in of


def label(name: str) -> str:
    """A figure's name in words. A name that is not known is said as it is."""
    head, _, tail = name.partition(":")
    words = _LABELS.get(head, head.replace("_", " ").capitalize())
    return f"{words}: {tail}" if tail else words


def written_unit(unit: str, money: Money) -> str:
    """The unit beside a number: ``%``, the unit of the money, or as it is."""
    return "%" if is_share(unit) else money.unit if unit == "USD" else unit


def number(value: float | None, unit: str = "", money: Money | None = None, *, signed: bool = False) -> str:
    """A value without its unit.

    Args:
        value: Shares in [0, 1], money in USD; ``None`` gives a dash.
        unit: As of `Figure`.
        money: As of the report; chosen by the value where it is not given.
        signed: With ``+`` before what is above zero, for differences.
    """
    if value is None:
        return NONE
    sign = "+" if signed and value > 0 else ""
    if is_share(unit):
        return _minus(f"{sign}{100 * value:.1f}")
    if unit == "USD":
        return _minus(sign + _three_digits(value * (money or Money.up_to(abs(value))).factor))
    if unit == "":
        return _minus(f"{sign}{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else f"{sign}{value:.3f}")
    return _minus(sign + _three_digits(value))


def cell(figure: Figure | None, money: Money | None = None) -> str:
    """A figure without its unit: ``61.2 (58.0 to 64.1)``."""
    if figure is None or figure.value is None:
        return NONE
    money = money or _money_of(figure)
    return number(figure.value, figure.unit, money, signed=is_difference(figure.of)) + _interval(figure, money)


def shown(figure: Figure, money: Money | None = None) -> str:
    """A figure with its unit: ``61.2 % (58.0 to 64.1)``. The difference of two shares is in percentage points."""
    if figure.value is None:
        return NONE
    money = money or _money_of(figure)
    return amount(figure, money) + _interval(figure, money)


def amount(figure: Figure, money: Money | None = None) -> str:
    """`shown` without the interval: ``61.2 %``."""
    if figure.value is None:
        return NONE
    money = money or _money_of(figure)
    unit = written_unit(figure.unit, money)
    if unit == "%" and is_difference(figure.of):
        unit = "points"
    return f"{number(figure.value, figure.unit, money, signed=is_difference(figure.of))} {unit}".rstrip()


def interval(figure: Figure, money: Money | None = None) -> str:
    """The ends of a figure's interval without their unit, ``58.0 to 64.1``; empty where there is none."""
    return _interval(figure, money or _money_of(figure))[2:-1]


def cells(figures: Iterable[Figure], money: Money) -> Cells:
    """A grid of figures: one row for each name and stratum, both in the order in which they come."""
    columns: list[str] = []
    rows: dict[tuple[str, str | None], CellRow] = {}
    for figure in figures:
        if figure.of not in columns:
            columns.append(figure.of)
        row = CellRow(figure.name, written_unit(figure.unit, money), figure.stratum, {})
        rows.setdefault((figure.name, figure.stratum), row).figures[figure.of] = figure
    columns.sort(key=_place)
    names = list(dict.fromkeys(name for name, _ in rows))
    return Cells(columns, sorted(rows.values(), key=lambda row: names.index(row.name)))


_COLUMNS = (ROUTER, "random", "length", "category mean", "TF-IDF", "previous", "best single tier", "oracle")


def _place(of: str) -> tuple[bool, bool, int]:
    """The router, then what every suite has, then always one tier and what else there is, then differences."""
    known = _COLUMNS.index(of) if of in _COLUMNS else len(_COLUMNS)
    return is_difference(of), of not in _COLUMNS, known


def reading_table(report: Report, *, by: str | None = None) -> pandas.DataFrame:
    """Figures for reading, as text.

    Args:
        report: Of an evaluation.
        by: What to break down by, such as ``difficulty``; ``None`` is over all cases.

    Returns:
        One row for each name with its unit (and each stratum); columns are router, baselines and differences.

    Raises:
        InputError: Nothing is broken down by that; names what there is.
        MissingExtraError: pandas is not installed.
    """
    pandas = require("pandas")
    chosen = [each for each in report.figures if each.by == by]
    if by is not None and not chosen:
        known = sorted({each.by for each in report.figures if each.by})
        raise InputError(f"No figure is broken down by {by!r}. There are: {known}.", code="unknown_stratum")
    money = Money.of(report)
    grid = cells(chosen, money)
    names = [f"{row.name} ({row.unit})" if row.unit else row.name for row in grid.rows]
    if by is None:
        index = pandas.Index(names, name="figure")
    else:
        pairs = [(name, row.stratum) for name, row in zip(names, grid.rows, strict=True)]
        index = pandas.MultiIndex.from_tuples(pairs, names=["figure", by])
    data = [[cell(row.figures.get(of), money) for of in grid.columns] for row in grid.rows]
    return pandas.DataFrame(data, index=index, columns=grid.columns)


def markdown_table(report: Report, *, by: str | None = None) -> str:
    """`reading_table` as Markdown, with n and without differences; needs no extra."""
    money = Money.of(report)
    grid = cells((each for each in report.figures if each.by == by and not is_difference(each.of)), money)
    head = ["figure", *([by] if by else []), "n", *grid.columns]
    lines = [head, ["---"] * len(head)]
    for row in grid.rows:
        name = f"{row.name} ({row.unit})" if row.unit else row.name
        texts = (cell(row.figures.get(of), money) for of in grid.columns)
        lines.append([name, *([row.stratum or NONE] if by else []), _n(row), *texts])
    return "".join(f"| {' | '.join(map(_for_markdown, line))} |\n" for line in lines)


def text_rows(report: Report, names: Sequence[str] | None = None, *, width: int = WIDTH) -> list[tuple[str, ...]]:
    """The figures over all cases for a terminal; the first row is the head.

    Args:
        report: Of an evaluation.
        names: Figures to show, in that order; all where it is ``None``.
        width: Columns, with two between cells. Baselines that do not fit are left out, long names are cut.

    Returns:
        Name with unit, router, interval, n, and for each baseline its value.

    Raises:
        InputError: No figure has that name.
    """
    money = Money.of(report)
    grid = cells((each for each in report.figures if each.by is None and not is_difference(each.of)), money)
    rows = {row.name: row for row in grid.rows}
    if unknown := [name for name in names or () if name not in rows]:
        raise InputError(f"No figure {unknown[0]!r}. There are: {sorted(rows)}.", code="unknown_figure")
    picked = [rows[name] for name in names] if names is not None else grid.rows
    head = ("figure", ROUTER, "95 % interval", "n")
    table = [head, *(_text_row(row, money) for row in picked)]
    others = [of for of in grid.columns if of != ROUTER and any(of in row.figures for row in picked)]
    others.sort(key=lambda of: _FIRST.index(of) if of in _FIRST else len(_FIRST))
    columns = [list(column) for column in zip(*table, strict=True)]
    least = sum(_wide(column) for column in columns[1:])
    columns[0] = [_cut(name, max(width - least - _GAP, 12)) for name in columns[0]]
    left = width - least - _wide(columns[0])
    for of in others:
        column = [of, *(_value(row.figures.get(of), money) for row in picked)]
        if _wide(column) <= left:
            columns.append(column)
            left -= _wide(column)
    return list(zip(*columns, strict=True))


def _text_row(row: CellRow, money: Money) -> tuple[str, str, str, str]:
    figure = row.figures.get(ROUTER)
    ends = interval(figure, money) if figure and figure.value is not None else ""
    return (f"{row.name} ({row.unit})" if row.unit else row.name, _value(figure, money), ends, _n(row))


def _value(figure: Figure | None, money: Money) -> str:
    return NONE if figure is None else number(figure.value, figure.unit, money)


def _n(row: CellRow) -> str:
    return f"{(row.figures.get(ROUTER) or next(iter(row.figures.values()))).n:,}"


def _interval(figure: Figure, money: Money) -> str:
    if figure.low is None or figure.high is None:
        return ""
    signed = is_difference(figure.of)
    low, high = (number(end, figure.unit, money, signed=signed) for end in (figure.low, figure.high))
    return f" ({low} to {high})"


def _money_of(figure: Figure) -> Money:
    return Money.up_to(max((abs(v) for v in (figure.value, figure.low, figure.high) if v is not None), default=0.0))


def _three_digits(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    rounded = abs(float(f"{value:.2e}"))
    return f"{value:.{max(2 - math.floor(math.log10(rounded)), 0)}f}"


def _minus(text: str) -> str:
    """``-.000`` and the like are zero."""
    return text.lstrip("+-") if not text.strip("+-0.,") else text


def _wide(column: Sequence[str]) -> int:
    return max(map(len, column)) + _GAP


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _for_markdown(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())
