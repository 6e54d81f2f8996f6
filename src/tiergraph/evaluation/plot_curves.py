"""Two plots of curves: score over cost, and what was said against what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tiergraph.evaluation.picture import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    SOFT,
    VERMILLION,
    Wanted,
    axis_titles,
    clean,
    legend,
    new_canvas,
    nothing,
    place_labels,
    short,
    titled,
)
from tiergraph.evaluation.tables import Money, is_share, number

_MOST_POINTS = 400
_NAME = 34
_STYLES: dict[str, dict[str, Any]] = {
    "random": {"color": SOFT, "linestyle": ":", "linewidth": 1.4},
    "length": {"color": VERMILLION, "linestyle": "-.", "linewidth": 1.2, "marker": "s"},
    "category mean": {"color": GREEN, "linestyle": (0, (5, 1, 1, 1, 1, 1)), "linewidth": 1.2, "marker": "^"},
    "TF-IDF": {"color": PURPLE, "linestyle": (0, (8, 2)), "linewidth": 1.2, "marker": "D"},
    "previous": {"color": SKY, "linestyle": "-", "linewidth": 1.4, "marker": "v"},
}
_KINDS: dict[str, dict[str, Any]] = {
    "router": {"color": BLUE, "linestyle": "-", "linewidth": 2.8, "zorder": 4},
    "oracle": {"color": INK, "linestyle": (0, (5, 3)), "linewidth": 1.4},
    "previous": _STYLES["previous"],
}
_MORE: tuple[dict[str, Any], ...] = (
    {"color": ORANGE, "linestyle": (0, (3, 1, 1, 1)), "linewidth": 1.2, "marker": "P"},
    {"color": INK, "linestyle": (0, (1, 1)), "linewidth": 1.0, "marker": "x"},
    {"color": GREEN, "linestyle": (0, (6, 1, 2, 1)), "linewidth": 1.0, "marker": "<"},
    {"color": VERMILLION, "linestyle": (0, (2, 2)), "linewidth": 1.0, "marker": ">"},
)
_CURVES: tuple[tuple[str, str, Any], ...] = (
    (BLUE, "o", "-"),
    (VERMILLION, "s", "--"),
    (GREEN, "^", "-."),
    (PURPLE, "D", ":"),
    (ORANGE, "v", (0, (6, 2))),
    (SOFT, "P", (0, (1, 2))),
)


def cost_quality(
    data: Any, *, title: str, note: str, money: Money, ax: Axes | None, width: float, height: float | None
) -> Figure:
    """Mean score over mean cost: the router, every baseline, the oracle, each tier alone and the operating point."""
    canvas = new_canvas(ax, width, height or max(0.66 * width, 3.2))
    ax = canvas.ax
    titled(ax, title, note, width=width)
    x_title, factor = _cost_title(str(data["x_unit"]), money)
    axis_titles(ax, x_title, f"Mean score ({data['y_unit']})")
    lines = [line for line in data["lines"] if line["x"]]
    if not lines and not data["marks"]:
        nothing(ax, "No case has a score and a cost.")
        return canvas.figure
    wanted, ink, more = [], [], iter(_MORE * len(lines))
    for line in sorted(lines, key=lambda line: line["kind"] != "router"):
        points = _thinned(np.column_stack([np.asarray(line["x"], float) * factor, np.asarray(line["y"], float)]))
        style = _KINDS.get(line["kind"]) or _STYLES.get(line["name"]) or next(more)
        _draw_line(ax, points, style)
        ink.append(points)
        wanted.append(
            Wanted(text=short(line["name"], _NAME), points=points, colour=style["color"], bold=line["kind"] == "router")
        )
    marks = []
    for mark in data["marks"]:
        point = np.array([[mark["x"] * factor, mark["y"]]])
        operating = mark["kind"] == "operating"
        colour = BLUE if operating else INK
        edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 1.6 if operating else 0.8}
        size = 9.5 if operating else 5
        ax.plot(point[:, 0], point[:, 1], color=colour, marker="o", markersize=size, linestyle="none", zorder=5, **edge)
        ink.append(point)
        words = mark["name"] if operating else f"always {mark['name']}"
        if operating and any(line["name"] == words for line in lines):
            words = f"operating point of the {words}"
        marks.append(Wanted(text=short(words, _NAME), points=point, colour=colour, bold=operating))
    _limits(ax, np.concatenate(ink), share=is_share(str(data["y_unit"])), x_share="share of" in str(data["x_unit"]))
    ax.grid(visible=True, color="#EEEEEE", linewidth=0.7)
    _label_or_legend(ax, [*wanted[:1], *reversed(marks), *wanted[1:]], [*wanted, *marks], ink)
    return canvas.figure


def reliability(
    data: Sequence[Any], *, title: str, note: str, ax: Axes | None, width: float, height: float | None
) -> Figure:
    """What was said against what came, with 95 % intervals, and how many cases each point stands for."""
    canvas = new_canvas(ax, width, height or max(0.86 * width, 4.2))
    main = canvas.ax
    curves = [curve for curve in data if curve["bins"]][: len(_CURVES)]
    more = f"; the first {len(curves)} of {len(data)} curves" if len(data) > len(curves) > 0 else ""
    titled(main, title, note + more, width=width)
    axis_titles(main, None if canvas.whole and curves else "Predicted probability (%)", "Observed share of cases (%)")
    if not curves:
        nothing(main, "No case has a probability and a label.")
        return canvas.figure
    diagonal = main.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    most = max(one["n"] for curve in curves for one in curve["bins"])
    handles = [_draw_curve(main, curve, most, number_) for number_, curve in enumerate(curves)]
    _percent_axes(main)
    main.grid(visible=True, color="#EEEEEE", linewidth=0.7)
    texts = [*(_curve_name(curve, width) for curve in curves), "perfect: as predicted, so observed"]
    legend(
        main,
        [*handles, *diagonal],
        texts,
        loc="best",
        frameon=True,
        edgecolor="none",
    )
    if canvas.whole:
        _histogram(canvas.figure, main, curves)
    return canvas.figure


def _curve_name(curve: Any, width: float) -> str:
    """What the legend says of a curve, in two lines where the plot is narrow."""
    said = f"ECE {number(curve['ece'])}, Brier {number(curve['brier'])}, n {sum(one['n'] for one in curve['bins']):,}"
    between = ": " if width >= 6 else "\n"
    return f"{short(curve['name'], max(int(6.5 * width), 16))}{between}{said}"


def _cost_title(unit: str, money: Money) -> tuple[str, float]:
    """The title of the cost axis and the factor from the chart's values to what is shown."""
    if unit == "USD per request":
        per = " requests" if money.unit.endswith("1,000") else ""
        return f"Mean cost per request ({money.unit}{per})", money.factor
    if unit.startswith("share of requests to "):
        return f"Strong model's share of calls ({short(unit.removeprefix('share of requests to '), 40)})", 1.0
    return f"Cost ({unit})", 1.0


def _draw_line(ax: Axes, points: np.ndarray[Any, Any], style: dict[str, Any]) -> None:
    look = {"zorder": 3, **style}
    if "marker" in look:
        look |= {
            "markersize": 4,
            "markeredgecolor": "white",
            "markeredgewidth": 0.5,
            "markevery": max(len(points) // 7, 1),
        }
    if len(points) == 1:
        look |= {"marker": look.get("marker", "o"), "markersize": 5}
    ax.plot(points[:, 0], points[:, 1], **look)


def _thinned(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """No more points than can be seen; both ends stay."""
    if len(points) <= _MOST_POINTS:
        return points
    kept = np.linspace(0, len(points) - 1, _MOST_POINTS).astype(int)
    return np.asarray(points[kept])


def _limits(ax: Axes, points: np.ndarray[Any, Any], *, share: bool, x_share: bool) -> None:
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    wide, high = (right - left) or abs(right) or 1.0, (top - bottom) or 0.1
    ax.set_xlim(left - 0.06 * wide, right + 0.12 * wide)
    ax.set_ylim(bottom - 0.14 * high, top + 0.12 * high)
    ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(_percent() if share else FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_major_formatter(_percent() if x_share else FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _percent() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{100 * value:.4g} %")


def _label_or_legend(ax: Axes, order: list[Wanted], drawn: list[Wanted], ink: list[np.ndarray[Any, Any]]) -> None:
    """Direct labels; a legend for what found no place for one. ``drawn`` is in the order of ``ax.lines``."""
    handles = {id(wanted): line for wanted, line in zip(drawn, list(ax.lines)[-len(drawn) :], strict=True)}
    left = place_labels(ax, order, ink)
    legend(ax, [handles[id(each)] for each in left], [each.text for each in left], loc="lower right")


def _draw_curve(ax: Axes, curve: Any, most: int, number_: int) -> Line2D:
    colour, marker, dashes = _CURVES[number_]
    bins = sorted(curve["bins"], key=lambda one: one["predicted"])
    x, y = [one["predicted"] for one in bins], [one["observed"] for one in bins]
    down = [max(one["observed"] - one["observed_low"], 0) for one in bins]
    up = [max(one["observed_high"] - one["observed"], 0) for one in bins]
    ax.plot(x, y, color=colour, linewidth=1.2, linestyle=dashes, zorder=3)
    ax.errorbar(x, y, yerr=[down, up], fmt="none", ecolor=colour, elinewidth=1, capsize=2.5, zorder=3)
    areas = [18 + 90 * one["n"] / most for one in bins]
    ax.scatter(x, y, s=areas, marker=marker, color=colour, edgecolors="white", linewidths=0.8, zorder=4)
    return Line2D(
        [], [], color=colour, marker=marker, linestyle=dashes, markersize=5.5, markeredgecolor="white", linewidth=1.2
    )


def _percent_axes(ax: Axes) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    shown = FuncFormatter(lambda value, _: f"{100 * value:.0f}")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(shown)
        axis.set_ticks(np.linspace(0, 1, 6))


def _histogram(figure: Figure, main: Axes, curves: Sequence[Any]) -> None:
    """How many cases each bin holds, under the curves."""
    from matplotlib.gridspec import GridSpec

    grid = GridSpec(2, 1, figure=figure, height_ratios=[4, 1])
    main.set_subplotspec(grid[0])
    below = clean(figure.add_subplot(grid[1], sharex=main))
    main.tick_params(labelbottom=False)
    for number_, curve in enumerate(curves):
        colour = _CURVES[number_][0]
        for one in curve["bins"]:
            step = (one["high"] - one["low"]) / len(curves)
            left = one["low"] + number_ * step
            hatch = "" if number_ == 0 else ("///", "...", "xx", "\\\\\\", "++")[number_ - 1]
            below.bar(left, one["n"], step, align="edge", color=colour, edgecolor="white", linewidth=0.6, hatch=hatch)
    axis_titles(below, "Predicted probability (%)", "Cases (n)")
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
