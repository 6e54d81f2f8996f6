"""Plots of a report. They need no pyplot and no display, and can be drawn in threads.

Failure rule: a plot that the report cannot give is the user's mistake and names those that it can.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiergraph.errors import InputError
from tiergraph.evaluation.extras import require
from tiergraph.evaluation.report import ROUTER, Figure, Report
from tiergraph.evaluation.tables import Money, is_difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

TITLES = {
    "cost_quality": "Score over cost",
    "figures": "Figures beside the baselines",
    "mix": "Which tier took what",
    "flow": "Escalations",
    "reliability": "Reliability of the probabilities",
    "worst": "Largest losses",
}
"""Every plot, in the order in which a page shows them."""

FOREST = ("solved", "quality", "apgr", "area", "quality_at_cost", "cost_usd", "cost_per_solved", "wrong_answers", "ece")
"""Figures that `plot` of ``figures`` prefers."""

_MOST, _FEW = 6, 3


def available(report: Report) -> list[str]:
    """Names of the plots that a report can give."""
    charts = report.charts
    return [
        name for name in TITLES if (bool(_groups(report, None)) if name == "figures" else charts.get(name) is not None)
    ]


def plot(
    report: Report,
    name: str,
    *,
    ax: Axes | None = None,
    width: float = 7.0,
    height: float | None = None,
    names: Sequence[str] | None = None,
) -> Picture:
    """One plot of a report.

    Args:
        report: Of an evaluation.
        name: One of `TITLES`.
        ax: Where to draw; its figure decides the size. A new figure where it is ``None``, which notebooks show.
        width, height: Inches; the height follows the data where it is ``None``.
        names: For ``figures`` only: which.

    Raises:
        InputError: No such plot, or the report lacks its data; names the plots that it has.
        MissingExtraError: matplotlib is not installed.
    """
    _check(report, name, names)
    require("matplotlib")
    from tiergraph.evaluation.picture import short

    title = f"{short(str(report.suite.get('name', 'suite')), 48 if width >= 6 else 28)}: {TITLES[name]}"
    common: dict[str, Any] = {"title": title, "note": _note(report, name), "ax": ax, "width": width, "height": height}
    return _draw(report, name, names, common)


def write_plots(report: Report, folder: str | PathLike[str]) -> list[Path]:
    """Every plot that a report can give, as ``SUITE-NAME.png`` in ``folder``, 150 dots per inch.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    suite = re.sub(r"[^\w.-]+", "-", str(report.suite.get("name", ""))).strip("-.") or "suite"
    paths = []
    for name in available(report):
        path = folder / f"{suite}-{name}.png"
        plot(report, name).savefig(path, format="png", dpi=150, metadata={"Software": None})
        paths.append(path)
    return paths


def _draw(report: Report, name: str, names: Sequence[str] | None, common: dict[str, Any]) -> Picture:
    from tiergraph.evaluation import plot_bars, plot_curves, plot_flow

    money = Money.of(report)
    data = report.charts.get(name)
    if name == "cost_quality":
        return plot_curves.cost_quality(data, money=money, **common)
    if name == "figures":
        return plot_bars.forest(_groups(report, names), money=money, **common)
    drawers: dict[str, Any] = {
        "reliability": plot_curves.reliability,
        "mix": plot_bars.mix,
        "flow": plot_flow.flow,
        "worst": plot_bars.worst,
    }
    drawn: Picture = drawers[name](data, **common)
    return drawn


def _check(report: Report, name: str, names: Sequence[str] | None) -> None:
    if name not in TITLES:
        near = difflib.get_close_matches(name, TITLES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"No plot {name!r}.{hint} There are: {list(TITLES)}.", code="unknown_plot")
    if names is not None:
        known = sorted({each.name for each in report.figures if each.by is None and each.value is not None})
        if unknown := [each for each in names if each not in known]:
            raise InputError(f"No figure {unknown[0]!r}. There are: {known}.", code="unknown_figure")
    found = available(report)
    if name not in found:
        raise InputError(
            f"These cases cannot give the plot {name!r}. This report has: {found or 'none'}.", code="no_such_chart"
        )


def _groups(report: Report, names: Sequence[str] | None) -> list[tuple[str, list[Figure]]]:
    """Figures over all cases by name, without differences: ``names``, or at most six with an interval and baselines."""
    found: dict[str, list[Figure]] = {}
    for each in report.figures:
        if each.by is None and each.value is not None and not is_difference(each.of):
            found.setdefault(each.name, []).append(each)
    if names is not None:
        return [(name, found[name]) for name in dict.fromkeys(names)]
    told = [name for name, group in found.items() if any(each.low is not None for each in group)]
    beside = [name for name in told if len(found[name]) > 1]
    order = sorted(
        beside if len(beside) >= _FEW else told, key=lambda name: FOREST.index(name) if name in FOREST else len(FOREST)
    )
    return [(name, found[name]) for name in order[:_MOST]]


def _note(report: Report, name: str) -> str:
    n = (report.charts.get(name) or {}).get("n") if name == "cost_quality" else None
    n = n or report.suite.get("cases", len(report.rows))
    subject = report.subject.get("name") or ROUTER
    intervals = {"figures": "; bars and bands are 95 % intervals", "reliability": "; bars are 95 % intervals"}
    return f"n = {n:,} cases; {subject}{intervals.get(name, '')}"
