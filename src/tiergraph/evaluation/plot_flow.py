"""The escalation flow: tiers from left to right, what they got from above, what they ended below.

Bands are as wide as their counts. Of a band whose drafts were scored, the full part were right and the hatched wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, Polygon

from tiergraph.evaluation.picture import (
    BLUE,
    BODY,
    INK,
    NOBODY,
    ORANGE,
    SKY,
    SMALL,
    SOFT,
    count,
    folded,
    hatched,
    legend,
    literal,
    new_canvas,
    nothing,
    titled,
)

ENDS = ("accepted", "human", "refused", "abstained", "unavailable", "error")
_BOX, _NARROW_BOX, _WIDEST = 0.56, 0.5, 0.46
"""Width of a tier's box, of one of many, and of the widest band, in columns."""

_THINNEST = 0.02
"""Width of a band of few among many, so that it can be seen."""

_START, _TITLES = 0.5, 0.9
"""Width of the column of what goes to no tier, and of the row titles."""


def flow(data: Any, *, title: str, note: str, ax: Axes | None, width: float, height: float | None) -> Figure:
    """How requests went through the tiers of a cascade."""
    links = [link for link in data["links"] if link["n"] > 0]
    tiers = list(data["tiers"])
    ends = [end for end in ENDS if any(link["target"] == end for link in links)]
    skips = _lanes([link for link in links if _columns(link, tiers) > 1], tiers)
    canvas = new_canvas(ax, width, height or 2.9 + 0.62 * len(ends) + 0.34 * (max(skips.values(), default=-1) + 1))
    ax = canvas.ax
    titled(ax, title, note, width=width)
    if not links or not tiers:
        nothing(ax, "No request went through a tier.")
        return canvas.figure
    _Drawing(ax, tiers, links, ends, skips, width).draw()
    return canvas.figure


class _Drawing:
    """One drawing. The column of a tier is 1 wide; y falls from the top."""

    def __init__(
        self,
        ax: Axes,
        tiers: list[str],
        links: Sequence[Any],
        ends: list[str],
        skips: dict[tuple[str, str], int],
        width: float,
    ) -> None:
        self.ax, self.tiers, self.links, self.ends, self.skips = ax, tiers, links, ends, skips
        direct = any(link["source"] == "start" and link["target"] in ends for link in links)
        first = _START * direct
        self.middles = {
            **({"start": _START / 2} if direct else {}),
            **{tier: first + i + 0.5 for i, tier in enumerate(tiers)},
        }
        self.right = first + len(tiers)
        self.wide = _BOX if len(tiers) < 5 else _NARROW_BOX
        self.step = width / (self.right + _TITLES)
        self.size = SMALL if self.step >= 1.1 else SMALL - 0.8
        self.scale = _WIDEST / max(link["n"] for link in links)
        lanes = max(skips.values(), default=-1) + 1
        self.top = 1.0 + 0.42 * lanes
        self.box = 0.72
        self.rows = {end: self.top + self.box + 0.95 + 0.95 * row for row, end in enumerate(ends)}

    def draw(self) -> None:
        ax = self.ax
        bottom = self.top + self.box + 0.95 * max(len(self.ends), 1) + 0.3
        ax.set_xlim(-_TITLES, self.right)
        ax.set_ylim(bottom, -0.2)
        ax.set_axis_off()
        self._row_titles()
        for link in sorted(self.links, key=lambda link: -link["n"]):
            self._link(link)
        for tier in self.tiers:
            self._tier(tier)
        looks = [
            Patch(facecolor=BLUE, edgecolor="white"),
            Patch(facecolor=ORANGE, edgecolor="white", hatch="////"),
            Patch(facecolor=NOBODY, edgecolor="white"),
        ]
        names = ["draft was right", "draft was wrong", "not scored"]
        legend(
            ax, looks, names, loc="upper center", bbox_to_anchor=(0.5, 0.02), inside=False, ncols=3, handlelength=1.6
        )

    def _width(self, link: Any) -> float:
        return max(float(link["n"] * self.scale), _THINNEST)

    def _middle(self, name: str) -> float:
        return self.middles[name]

    def _row_titles(self) -> None:
        total = sum(link["n"] for link in self.links if link["source"] == "start")
        left, right = 0.05 - _TITLES, self.right
        self.ax.plot([0, right], [0, 0], color=SOFT, linewidth=3, solid_capstyle="butt")
        self._text(left, 0, f"requests\n{count(total)}", ha="left", bold=True, size=BODY)
        self._text(left, self.top + self.box / 2, "tier", ha="left", bold=True, size=BODY)
        for end, y in self.rows.items():
            n = sum(link["n"] for link in self.links if link["target"] == end)
            self.ax.plot([0, right], [y, y], color=SOFT, linewidth=1.2, solid_capstyle="butt", zorder=1)
            self._text(left, y, f"{end}\n{count(n)}", ha="left", bold=True, size=BODY)

    def _tier(self, tier: str) -> None:
        x = self._middle(tier)
        place = (x - self.wide / 2, self.top)
        style = "round,pad=0,rounding_size=0.06"
        self.ax.add_patch(
            FancyBboxPatch(
                place, self.wide, self.box, boxstyle=style, facecolor="white", edgecolor=INK, linewidth=1.3, zorder=4
            )
        )
        asked = sum(link["n"] for link in self.links if link["target"] == tier)
        letters = max(int(self.wide * self.step * 68 / (self.size * 0.66)), 5)
        self._text(
            x,
            self.top + self.box / 2,
            f"{folded(tier, letters)}\n{folded(f'{count(asked)} drafts', letters)}",
            zorder=5,
        )

    def _link(self, link: Any) -> None:
        source, target = link["source"], link["target"]
        if source == "start" and target in self.tiers:
            self._from_start(link)
        elif target in self.rows and source in self.middles:
            self._to_end(link)
        elif source in self.tiers and target in self.tiers:
            if (source, target) in self.skips:
                self._over(link)
            else:
                self._to_next(link)

    def _from_start(self, link: Any) -> None:
        x, wide = self._middle(link["target"]), self._width(link)
        hatched(self.ax, x - wide / 2, 0, wide, self.top, SKY).set_zorder(2)
        self._text(x, 0.3, count(link["n"]), boxed=True)

    def _to_next(self, link: Any) -> None:
        """A band between the boxes of neighbours, stacked of right, wrong and unscored drafts."""
        left = self._middle(link["source"]) + self.wide / 2
        gap = 1 - self.wide
        y = self.top + self.box / 2
        high = self._width(link) * 1.3
        at = y - high / 2
        for part, colour, hatch in _parts(link):
            hatched(self.ax, left, at, gap, high * part, colour, hatch).set_zorder(2)
            at += high * part
        self.ax.add_patch(_arrow(left + gap - 0.005, y, 0.07, sideways=True))
        self._text(left + gap / 2, y - high / 2 - 0.03, count(link["n"]), va="bottom", bold=True)
        self._text(left + gap / 2, y + high / 2 + 0.03, _judged(link, narrow=True), va="top")

    def _over(self, link: Any) -> None:
        """A line over the boxes in between, in a lane of its own."""
        start, end = self._middle(link["source"]) + self.wide * 0.36, self._middle(link["target"]) - self.wide * 0.36
        lane = 0.72 + 0.42 * self.skips[link["source"], link["target"]]
        thick = max(link["n"] * self.scale * self.step * 72, 1.0)
        self.ax.plot(
            [start, start, end, end],
            [self.top, lane, lane, self.top],
            color=SOFT,
            linewidth=min(thick, 9),
            alpha=0.75,
            zorder=3,
        )
        self.ax.add_patch(_arrow(end, self.top, 0.06, sideways=False))
        words = f"{count(link['n'])}; {_judged(link, narrow=False)}" if link["scored"] else count(link["n"])
        between = (self._middle(link["source"]) + self._middle(link["source"]) + 1) / 2
        self._text(between, lane, words, boxed=True)

    def _to_end(self, link: Any) -> None:
        """A band down to the row of the end; those of one column stand side by side."""
        source, target = link["source"], link["target"]
        top = 0.0 if source == "start" else self.top + self.box
        bottom = self.rows[target]
        here = [
            end for end in self.ends if any(each["source"] == source and each["target"] == end for each in self.links)
        ]
        wides = {each["target"]: self._width(each) for each in self.links if each["source"] == source}
        gap = 0.06
        whole = sum(wides[end] for end in here) + gap * (len(here) - 1)
        # The first end is the nearest row: it stands at the left, and its words have room below its own row only.
        at = self._middle(source) - whole / 2 + sum(wides[end] + gap for end in here[: here.index(target)])
        middle = at + wides[target] / 2
        for part, colour, hatch in _parts(link):
            hatched(self.ax, at, top, wides[target] * part, bottom - top, colour, hatch).set_zorder(2)
            at += wides[target] * part
        self.ax.add_patch(_arrow(middle, bottom, 0.06, sideways=False))
        words = count(link["n"]) + (f"\n{_judged(link, narrow=True)}" if link["scored"] else "")
        later = [each for each in here if here.index(each) > here.index(target)]
        if later and target == "accepted":
            self._text(middle, bottom - 0.5, words, boxed=True)
        else:
            self._text(middle, bottom - 0.42, words, boxed=True)

    def _text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        ha: str = "center",
        va: str = "center",
        bold: bool = False,
        boxed: bool = False,
        size: float | None = None,
        zorder: float = 6,
    ) -> None:
        patch = (
            {"facecolor": "white", "edgecolor": "none", "alpha": 0.92, "boxstyle": "square,pad=0.15"} if boxed else None
        )
        self.ax.text(
            x,
            y,
            literal(words),
            ha=ha,
            va=va,
            fontsize=size or self.size,
            fontweight="bold" if bold else "normal",
            color=INK,
            bbox=patch,
            zorder=zorder,
            linespacing=1.05,
        )


def _columns(link: Any, tiers: Sequence[str]) -> int:
    """How many columns a link from tier to tier goes, 0 for any other; one that goes back counts 2: it needs a lane."""
    if link["source"] not in tiers or link["target"] not in tiers:
        return 0
    steps = tiers.index(link["target"]) - tiers.index(link["source"])
    return steps if steps > 0 else 2


def _lanes(links: Sequence[Any], tiers: Sequence[str]) -> dict[tuple[str, str], int]:
    """A lane for each link over other boxes, 0 on top; links that do not meet share one, the short ones lie lowest."""
    spans: list[list[tuple[int, int]]] = []
    found = {}
    for link in sorted(links, key=lambda link: _columns(link, tiers)):
        start, end = sorted((tiers.index(link["source"]), tiers.index(link["target"])))
        free = [lane for lane, taken in enumerate(spans) if all(end <= a or b <= start for a, b in taken)]
        lane = free[0] if free else len(spans)
        spans[lane:lane] = [] if free else [[]]
        spans[lane].append((start, end))
        found[link["source"], link["target"]] = lane
    return {pair: len(spans) - 1 - lane for pair, lane in found.items()}


def _parts(link: Any) -> list[tuple[float, str, str]]:
    """Shares of a band that were right, wrong and unscored, with how they look."""
    n, scored = link["n"], min(link["scored"], link["n"])
    right = min(link["right"], scored)
    shares = [(right / n, BLUE, ""), ((scored - right) / n, ORANGE, "////"), ((n - scored) / n, NOBODY, "")]
    return [each for each in shares if each[0] > 0]


def _judged(link: Any, *, narrow: bool) -> str:
    """``380 of 400 right``; empty where nothing was scored."""
    if not link["scored"]:
        return ""
    right = _compact(link["right"])
    return f"{right} of {_compact(link['scored'])}{chr(10) if narrow else ' '}right"


def _compact(n: float) -> str:
    if n >= 1000:
        return f"{n / 1000:.1f}k"
    return f"{n:.0f}" if float(n).is_integer() else f"{n:.1f}"


def _arrow(x: float, y: float, size: float, *, sideways: bool) -> Polygon:
    """A small head whose point is at (x, y)."""
    if sideways:
        corners = [(x, y), (x - size, y - size * 0.8), (x - size, y + size * 0.8)]
    else:
        corners = [(x, y), (x - size * 0.6, y - size * 1.3), (x + size * 0.6, y - size * 1.3)]
    return Polygon(corners, closed=True, facecolor=INK, edgecolor="white", linewidth=0.4, zorder=4.5)
