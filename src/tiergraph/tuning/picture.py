"""The curve of a tuned ladder: score over cost with its interval, the baselines, the oracle and the chosen point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tiergraph.evaluation import curves
from tiergraph.evaluation.charts import Line
from tiergraph.evaluation.facts import Facts
from tiergraph.extras import require
from tiergraph.tuning import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture


def draw(facts: Facts, generic: figures.Floats, *, title: str, width: float = 7.0) -> Picture:
    """The picture.

    Args:
        facts: Of the tuned levels at the chosen threshold.
        generic: (n, tiers - 1) levels without a head for the ladder.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", extra="eval")
    from tiergraph.evaluation import plot_curves
    from tiergraph.evaluation.picture import BLUE
    from tiergraph.evaluation.report import ROUTER
    from tiergraph.evaluation.tables import Money

    data: Any = charts_of(facts)
    for part in (*data["lines"], *data["marks"]):
        if part["name"] == ROUTER:
            part["name"] = figures.TUNED
    at = np.flatnonzero(facts.complete)
    quality, cost = facts.quality[at], facts.cost[at]
    levels = np.hstack([generic[at], np.ones((len(at), 1))])
    x, y = curves.thin(curves.operating_curve(levels, quality, cost))
    data["lines"].append(Line(name=figures.GENERIC, kind="previous", x=x.tolist(), y=y.tolist()))
    money = Money.up_to(float(cost.mean(axis=0).max())) if facts.priced else Money.up_to(1.0)
    note = f"n = {len(at):,} rows, each scored by a head fitted without it; band: 95 % interval"
    drawn = plot_curves.cost_quality(data, title=title, note=note, money=money, ax=None, width=width, height=None)
    across, low, high = figures.band(facts, cost)
    factor = money.factor if facts.priced else 1.0
    drawn.axes[0].fill_between(across * factor, low, high, color=BLUE, alpha=0.13, linewidth=0, zorder=1)
    return drawn


def charts_of(facts: Facts) -> Any:
    """The data of the plot, as an evaluation has it."""
    from tiergraph.evaluation.charting import charts_of as all_charts

    return all_charts(facts, {})["cost_quality"]


def save(picture: Picture, path: Path) -> None:
    """As PNG, 150 dots per inch. Raises `OSError` where it cannot be written."""
    picture.savefig(path, format="png", dpi=150, metadata={"Software": None})
