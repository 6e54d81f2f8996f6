"""Three plots of bars and intervals: which tier took what, the worst misses, and figures beside the baselines'."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawn
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tiergraph.evaluation.picture import (
    BLUE,
    BODY,
    GRID,
    INK,
    NOBODY,
    SMALL,
    SOFT,
    TIER_COLOURS,
    TIER_HATCHES,
    TITLE,
    VERMILLION,
    axis_titles,
    clean,
    folded,
    legend,
    literal,
    new_canvas,
    new_picture,
    nothing,
    short,
    titled,
)
from tiergraph.evaluation.report import ROUTER, Figure
from tiergraph.evaluation.tables import Money, is_share, label, number, written_unit

MOST_STRATA = 12
MOST_MISSES = 15
_LEAST_SHARE = 0.05
_NAME = 24


def mix(data: Any, *, title: str, note: str, ax: Axes | None, width: float, height: float | None) -> Drawn:
    """Stacked bars: the tiers' shares of the calls, over all cases and in each stratum."""
    strata = gathered(data["strata"])
    canvas = new_canvas(ax, width, height or 1.75 + 0.3 * max(len(strata), 3))
    ax = canvas.ax
    if not strata:
        titled(ax, title, note, width=width)
        nothing(ax, "No case was decided.")
        return canvas.figure
    names = [*data["tiers"], *(["nobody"] if any(one["shares"].get("nobody", 0) > 0 for one in strata) else [])]
    looks = [_look(number_, name, len(data["tiers"])) for number_, name in enumerate(names)]
    handles = [Patch(facecolor=colour, edgecolor="white", hatch=hatch) for colour, hatch in looks]
    labels = ["nobody (a person, or refused)" if name == "nobody" else short(name, _NAME) for name in names]
    columns = min(max(int(11 * width / (max(map(len, labels)) + 6)), 1), 4)
    rows = math.ceil(len(labels) / columns)
    titled(ax, title, note, width=width, room=13 * rows + 3)
    legend(
        ax,
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=columns,
        handlelength=1.6,
        borderaxespad=0.2,
    )
    for row, one in enumerate(strata):
        left = 0.0
        for name, (colour, hatch) in zip(names, looks, strict=True):
            share = one["shares"].get(name, 0.0)
            ax.barh(row, share, 0.74, left=left, color=colour, edgecolor="white", linewidth=0.6, hatch=hatch)
            if share >= _LEAST_SHARE:
                patch = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "boxstyle": "square,pad=0.12"}
                text = f"{100 * share:.0f} %" if share >= 0.08 or width >= 6.5 else f"{100 * share:.0f}"
                ax.text(
                    left + share / 2, row, text, ha="center", va="center", fontsize=SMALL - 0.5, color=INK, bbox=patch
                )
            left += share
        ax.text(1.012, row, f"n {one['n']:,}", ha="left", va="center", fontsize=SMALL, color=INK)
    ax.set_yticks(range(len(strata)), [literal(_stratum_name(one)) for one in strata])
    ax.set_ylim(len(strata) - 0.4, -0.6)
    ax.set_xlim(0, 1.11)
    ax.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0], ["0", "20", "40", "60", "80", "100"])
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 1)
    ax.tick_params(axis="y", length=0)
    axis_titles(ax, "Share of requests (%)", None)
    return canvas.figure


def gathered(strata: Sequence[Any], most: int = MOST_STRATA) -> list[Any]:
    """The strata to draw: all cases, the ``most`` largest, and for each way of breaking down the mean of its others."""
    whole = [one for one in strata if one["by"] is None]
    parts = [one for one in strata if one["by"] is not None]
    largest = sorted(parts, key=lambda one: -one["n"])[:most]
    found = list(whole)
    for by in dict.fromkeys(one["by"] for one in parts):
        found += [one for one in parts if one["by"] == by and one in largest]
        rest = [one for one in parts if one["by"] == by and one not in largest]
        if len(rest) == 1:
            found += rest
        elif rest:
            found.append(_merged(by, rest))
    return found


def worst(data: Sequence[Any], *, title: str, note: str, ax: Axes | None, width: float, height: float | None) -> Drawn:
    """The largest losses, one bar a case."""
    shown = sorted(data, key=lambda miss: -miss["loss"])[:MOST_MISSES]
    canvas = new_canvas(ax, width, height or 1.5 + 0.27 * max(len(shown), 3))
    ax = canvas.ax
    more = f"; the largest {len(shown)} of {len(data)} that the report keeps" if len(data) > len(shown) else ""
    titled(ax, title, note + more, width=width)
    loss = "Loss (score that a better choice had more, 0 to 1)" if width >= 5 else "Loss (score, 0 to 1)"
    ax.set_xlabel(loss, loc="left", fontsize=BODY, color=INK)
    if not shown:
        nothing(ax, "No case went worse than it could have.")
        return canvas.figure
    ax.set_xlim(0, 2.6)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "0.25", "0.5", "0.75", "1"])
    names = [short(miss["case"], 22 if width >= 6 else 12) for miss in shown]
    letters = max(int(9.5 * (width - 0.3 - 0.075 * max(map(len, names)))), 12)
    for row, miss in enumerate(shown):
        ax.barh(row, miss["loss"], 0.7, color=VERMILLION, edgecolor="white")
        why = short(miss["why"], letters)
        ax.text(miss["loss"] + 0.03, row, literal(why), va="center", fontsize=SMALL, color=INK)
    ax.set_yticks(range(len(shown)), [literal(name) for name in names])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.spines["bottom"].set_bounds(0, 1)
    return canvas.figure


def forest(
    groups: Sequence[tuple[str, Sequence[Figure]]],
    *,
    title: str,
    note: str,
    money: Money,
    ax: Axes | None,
    width: float,
    height: float | None,
) -> Drawn:
    """Figures of the router and the baselines with their intervals, a panel for each name.

    Args:
        groups: Name and its figures, each with a value; at least one.
        title, note: Over the plot.
        money: As of the report.
        ax: Shows the first name only.
        width, height: Inches.
    """
    if ax is not None:
        name, figures = groups[0]
        canvas = new_canvas(ax, width, 0)
        _panel(canvas.ax, name, figures, _who([figures]), money, named=True)
        return canvas.figure
    columns = min(3 if width >= 6 else 2 if width >= 4 else 1, len(groups))
    lines = [groups[start : start + columns] for start in range(0, len(groups), columns)]
    whose = [_who(figures for _, figures in line) for line in lines]
    heights = [0.75 + 0.25 * len(who) for who in whose]
    figure = new_picture(width, height or sum(heights) + 0.6)
    figure.suptitle(
        literal(short(title, int(8.5 * width))), x=0.01, ha="left", fontsize=TITLE, color=INK, fontweight="bold"
    )
    figure.supxlabel(literal(short(note, int(12.5 * width))), x=0.01, ha="left", fontsize=SMALL, color=SOFT)
    grid = figure.add_gridspec(len(lines), columns, height_ratios=heights)
    for row, (line, who) in enumerate(zip(lines, whose, strict=True)):
        for column, (name, figures) in enumerate(line):
            panel = clean(figure.add_subplot(grid[row, column]))
            _panel(panel, name, figures, who, money, named=column == 0)
    return figure


def _panel(ax: Axes, name: str, figures: Sequence[Figure], who: Sequence[str], money: Money, *, named: bool) -> None:
    unit = written_unit(figures[0].unit, money)
    better = {"higher": "higher is better", "lower": "lower is better", None: ""}[figures[0].better]
    ax.set_title(literal(folded(label(name), 24)), loc="left", fontsize=BODY, color=INK, fontweight="bold")
    axis_titles(ax, "; ".join(part for part in (unit or "no unit", better) if part), None)
    ax.xaxis.label.set_fontsize(SMALL)
    rows = {of: row for row, of in enumerate(who)}
    factor = 100 if is_share(figures[0].unit) else money.factor if figures[0].unit == "USD" else 1
    for each in figures:
        row, value = rows[each.of], (each.value or 0.0) * factor
        router = each.of == ROUTER
        colour = BLUE if router else SOFT
        if each.low is not None and each.high is not None:
            if router:
                ax.axvspan(each.low * factor, each.high * factor, color=BLUE, alpha=0.1, linewidth=0, zorder=0)
            ax.plot([each.low * factor, each.high * factor], [row, row], color=colour, linewidth=2 if router else 1.2)
        marker, size = ("o", 7) if router else ("d" if each.of == "oracle" else "s", 5)
        ax.plot([value], [row], marker=marker, markersize=size, color=colour, markeredgecolor="white", linestyle="none")
        ax.annotate(
            number(each.value, each.unit, money),
            (1, row),
            (2, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=SMALL - 0.5,
            color=INK,
            va="center",
            fontweight="bold" if router else "normal",
        )
    ax.set_ylim(len(who) - 0.4, -0.6)
    ax.set_yticks(range(len(who)), [literal(short(of, _NAME)) if named else "" for of in who])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for row in range(len(who)):
        ax.axhline(row, color=GRID, linewidth=0.5, zorder=0)
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _who(figures: Iterable[Sequence[Figure]]) -> list[str]:
    """Router and baselines of one line of panels, the router first."""
    found = list(dict.fromkeys(each.of for group in figures for each in group))
    return sorted(found, key=lambda of: (of != ROUTER, of == "oracle"))


def _look(number_: int, name: str, tiers: int) -> tuple[str, str]:
    if name == "nobody" and number_ >= tiers:
        return NOBODY, ""
    return TIER_COLOURS[number_ % len(TIER_COLOURS)], TIER_HATCHES[number_ % len(TIER_HATCHES)]


def _stratum_name(one: Any) -> str:
    if one["by"] is None:
        return "all cases"
    return folded(f"{one['by']}: {one['value']}", _NAME)


def _merged(by: str, strata: Sequence[Any]) -> Any:
    n = sum(one["n"] for one in strata)
    names = dict.fromkeys(name for one in strata for name in one["shares"])
    shares = {name: sum(one["n"] * one["shares"].get(name, 0.0) for one in strata) / max(n, 1) for name in names}
    return {"by": by, "value": f"{len(strata)} others", "n": n, "shares": shares}
