"""What every plot shares: a figure that shows itself, colours, and labels that keep out of each other's way.

Imported only through `tiergraph.evaluation.plots`, which says what to install where matplotlib is absent. Nothing here
touches matplotlib's global state, so plots can be drawn in several threads.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

DPI = 150
INK, SOFT, GRID, NOBODY = "#222222", "#5A5A5A", "#DDDDDD", "#BDBDBD"

# The palette of Okabe and Ito, which stays apart for every kind of colour vision.
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"

TIER_COLOURS = (SKY, ORANGE, GREEN, PURPLE, BLUE, VERMILLION)
TIER_HATCHES = ("", "///", "...", "xx", "\\\\\\", "++")
TITLE, BODY, SMALL = 10.5, 8.5, 7.5
"""Sizes of text in points."""

_FARTHEST = 90.0
_REACHES = (9.0, 16.0, 26.0, 38.0, 52.0, 70.0, _FARTHEST)
_AROUND = 12
_SAMPLES = 60


class Picture(Figure):
    """A figure that notebooks show when it is a cell's last value, with pyplot or without."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(100 * inches) for inches in self.get_size_inches())
        return self.png(), {"width": width, "height": height}

    def png(self, *, dpi: int = DPI) -> bytes:
        """The figure as a PNG; the same bytes each time."""
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
        return stream.getvalue()


class Canvas(NamedTuple):
    """Where a plot is drawn: ``whole`` is false where the caller gave ``ax``, which then decides size and margins."""

    figure: Figure
    ax: Axes
    whole: bool


def new_canvas(ax: Axes | None, width: float, height: float) -> Canvas:
    """``ax``, or axes of a new figure of ``width`` by ``height`` inches."""
    if ax is not None:
        figure = ax.get_figure(root=True)
        assert figure is not None
        return Canvas(figure, clean(ax), False)
    figure = new_picture(width, height)
    return Canvas(figure, clean(figure.add_subplot()), True)


def new_picture(width: float, height: float) -> Picture:
    """An empty white figure, whatever the style of the process."""
    figure = Picture(figsize=(width, height), facecolor="white", edgecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def clean(ax: Axes) -> Axes:
    """Axes with light lines, whatever the style of the process."""
    ax.set_facecolor("white")
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(SOFT)
        spine.set_linewidth(0.8)
    ax.tick_params(labelsize=SMALL, colors=SOFT, labelcolor=INK, length=3)
    ax.grid(visible=False)
    ax.set_axisbelow(True)
    return ax


def titled(ax: Axes, title: str, note: str = "", *, width: float, room: float = 0.0) -> None:
    """A title at the left with a smaller line under it, both wrapped to a plot of ``width`` inches.

    ``room``: points to leave between the smaller line and the axes, such as for a legend.
    """
    letters = max(int(12.5 * width), 20)
    lines = textwrap.wrap(title, int(letters * 0.66))[:2]
    notes = textwrap.wrap(note, letters)[:3]
    pad = 7 + room + 10.5 * len(notes)
    ax.set_title(literal("\n".join(lines)), loc="left", fontsize=TITLE, color=INK, fontweight="bold", pad=pad)
    if notes:
        style: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        ax.annotate(literal("\n".join(notes)), (0, 1), (0, 5 + room), va="bottom", fontsize=SMALL, color=SOFT, **style)


def axis_titles(ax: Axes, x: str | None, y: str | None) -> None:
    """What the axes show, with units."""
    if x is not None:
        ax.set_xlabel(literal(x), fontsize=BODY, color=INK)
    if y is not None:
        ax.set_ylabel(literal(y), fontsize=BODY, color=INK)


def literal(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", "\\$")


def short(text: str, width: int) -> str:
    """``text`` in one line of at most ``width`` characters; its middle goes, because names differ at their ends."""
    text = " ".join(text.split())
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def folded(text: str, width: int, lines: int = 2) -> str:
    """``text`` in at most ``lines`` lines of ``width`` characters."""
    found = textwrap.wrap(" ".join(text.split()), width) or [""]
    if len(found) > lines:
        found = [*found[: lines - 1], short("".join(found[lines - 1 :]), width)]
    return "\n".join(found)


def count(n: int) -> str:
    """A count that fits on a plot: ``1,234``, ``12.3k``."""
    return f"{n:,}" if n < 10_000 else f"{n / 1000:,.1f}k" if n < 1_000_000 else f"{n / 1_000_000:,.2f}M"


def legend(ax: Axes, handles: Sequence[Any], labels: Sequence[str], *, inside: bool = True, **options: Any) -> None:
    """A legend; none where there is nothing to say. ``inside``: the margins need not leave room for it."""
    if not handles:
        return
    # A label that begins with an underscore would be left out.
    texts = [literal(f"\u200b{text}" if text.startswith("_") else text) for text in labels]
    chosen: dict[str, Any] = {"fontsize": SMALL, "frameon": False, "labelcolor": INK, "handlelength": 2.6, **options}
    ax.legend(list(handles), texts, **chosen).set_in_layout(not inside)


def nothing(ax: Axes, message: str) -> None:
    """A plot without data says so."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, message, ha="center", va="center", fontsize=BODY, color=SOFT, transform=ax.transAxes)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A label to place.

    Attributes:
        text: What it says.
        points: What it may point at, in data coordinates, (n, 2); a single point for a mark.
        colour: Of the line from the label to the point.
        bold: For the label that matters most.
    """

    text: str
    points: np.ndarray[Any, Any]
    colour: str
    bold: bool = False


def place_labels(ax: Axes, wanted: Sequence[Wanted], lines: Sequence[np.ndarray[Any, Any]]) -> list[Wanted]:
    """Write labels where they cover neither each other nor a line nor a mark; the first of them get the best places.

    Args:
        ax: With its limits set; the layout is settled here.
        wanted: The labels.
        lines: All lines and marks that are drawn, in data coordinates, (n, 2) each; no label covers them.

    Returns:
        Those that found no place.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    settle(figure)
    scale = figure.dpi / 72
    frame = ax.get_window_extent()
    drawn = [_dense(ax.transData.transform(line)) for line in lines if len(line)]
    ink = np.concatenate(drawn) if drawn else np.empty((0, 2))
    taken: list[Bbox] = []
    leaders: list[np.ndarray[Any, Any]] = []
    left = []
    for label in wanted:
        found = _best_place(ax, label, ink, taken, leaders, frame, scale)
        if found is None:
            left.append(label)
            continue
        anchor, box = found
        place = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        _write(ax, label, anchor, place, scale)
        taken.append(box)
        leaders.append(np.linspace(anchor, _edge(box, anchor), 12))
    return left


def settle(figure: Figure) -> None:
    """Work the layout out and keep it, so that positions in pixels hold."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def text_size(ax: Axes, text: str, size: float, *, bold: bool = False) -> tuple[float, float]:
    """Width and height of a text in pixels."""
    probe = Text(0, 0, literal(text), fontsize=size, fontweight="bold" if bold else "normal")
    figure = ax.get_figure(root=True)
    assert figure is not None
    probe.set_figure(figure)
    box = probe.get_window_extent(_renderer(figure))
    return box.width, box.height


def hatched(ax: Axes, x: float, y: float, width: float, height: float, colour: str, hatch: str = "") -> Rectangle:
    """A filled rectangle with a white edge; the hatch tells it from others in grey."""
    patch = Rectangle((x, y), width, height, facecolor=colour, edgecolor="white", hatch=hatch, linewidth=0.6)
    ax.add_patch(patch)
    return patch


def _renderer(figure: Figure) -> Any:
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(figure)
    return canvas.get_renderer()  # type: ignore[no-untyped-call]


def _dense(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Points along a line in pixels, close enough that none crosses a label unseen."""
    if len(points) == 1:
        return points
    parts = []
    for start, end in pairwise(points):
        steps = max(int(np.hypot(*(end - start)) / 4), 1)
        parts.append(start + (end - start) * np.linspace(0, 1, steps, endpoint=False)[:, None])
    return np.concatenate([*parts, points[-1:]])


def _best_place(
    ax: Axes,
    label: Wanted,
    ink: np.ndarray[Any, Any],
    taken: Sequence[Bbox],
    leaders: Sequence[np.ndarray[Any, Any]],
    frame: Bbox,
    scale: float,
) -> tuple[np.ndarray[Any, Any], Bbox] | None:
    """The anchor in pixels and the box of the cheapest free place; ``None`` where none is free."""
    wide, high = text_size(ax, label.text, SMALL, bold=label.bold)
    points = ax.transData.transform(label.points)
    anchors = points if len(points) == 1 else _dense(points)
    if len(anchors) > 1:
        anchors = anchors[np.linspace(len(anchors) * 0.12, len(anchors) * 0.9, 14).astype(int)]
    best, least = None, np.inf
    for anchor in anchors:
        for reach in _REACHES:
            for turn in np.arange(_AROUND) * 2 * np.pi / _AROUND:
                away = np.array([np.cos(turn), np.sin(turn)])
                middle = anchor + away * (reach * scale + np.abs(away) @ np.array([wide, high]) / 2)
                box = Bbox.from_bounds(middle[0] - wide / 2, middle[1] - high / 2, wide, high)
                cost = reach + 6 * abs(np.sin(turn) < 0)
                if cost >= least or not _inside(box, frame, 2 * scale):
                    continue
                leader = np.linspace(anchor, _edge(box, anchor), 12)
                cost += _crossings(leader, ink, anchor, scale) * 25
                if cost < least and _free(box, leader, ink, taken, leaders, scale):
                    best, least = (anchor, box), cost
    return best


def _free(
    box: Bbox,
    leader: np.ndarray[Any, Any],
    ink: np.ndarray[Any, Any],
    taken: Sequence[Bbox],
    leaders: Sequence[np.ndarray[Any, Any]],
    scale: float,
) -> bool:
    around = box.padded(3 * scale)
    if any(around.overlaps(other) for other in taken) or _any_inside(ink, around):
        return False
    if any(_any_inside(leader, other.padded(scale)) for other in taken):
        return False
    return not any(_any_inside(other, around) or _cross(leader, other) for other in leaders)


def _cross(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Whether two straight lines cross."""

    def side(p: Any, q: Any, r: Any) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    p, q, r, s = a[0], a[-1], b[0], b[-1]
    return side(p, q, r) * side(p, q, s) < 0 and side(r, s, p) * side(r, s, q) < 0


def _crossings(
    leader: np.ndarray[Any, Any], ink: np.ndarray[Any, Any], anchor: np.ndarray[Any, Any], scale: float
) -> int:
    """Steps of the leader that touch what is drawn, beyond the point that it starts from."""
    if not len(ink):
        return 0
    near = ink[np.hypot(*(ink - anchor).T) > 5 * scale]
    if not len(near):
        return 0
    gaps = np.hypot(near[:, 0] - leader[:, :1], near[:, 1] - leader[:, 1:]).min(axis=1)
    return int((gaps < 2.5 * scale).sum())


def _inside(box: Bbox, frame: Bbox, margin: float) -> bool:
    inner = frame.padded(-margin)
    return bool(box.x0 >= inner.x0 and box.x1 <= inner.x1 and box.y0 >= inner.y0 and box.y1 <= inner.y1)


def _any_inside(points: np.ndarray[Any, Any], box: Bbox) -> bool:
    x, y = points[:, 0], points[:, 1]
    return bool(((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).any())


def _edge(box: Bbox, point: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The place of a box that is nearest to a point."""
    return np.array([np.clip(point[0], box.x0, box.x1), np.clip(point[1], box.y0, box.y1)])


def _write(ax: Axes, label: Wanted, anchor: np.ndarray[Any, Any], place: tuple[float, float], scale: float) -> None:
    box = text_size(ax, label.text, SMALL, bold=label.bold)
    start = _edge(Bbox.from_bounds(place[0] - box[0] / 2, place[1] - box[1] / 2, *box), anchor)
    to_data = ax.transData.inverted()
    if np.hypot(*(start - anchor)) > 4 * scale:
        ends = to_data.transform([start, anchor])
        ax.plot(ends[:, 0], ends[:, 1], color=label.colour, linewidth=0.8, zorder=2.5, solid_capstyle="round")
    x, y = to_data.transform(place)
    weight = "bold" if label.bold else "normal"
    ax.text(x, y, literal(label.text), fontsize=SMALL, color=INK, ha="center", va="center", fontweight=weight, zorder=6)
