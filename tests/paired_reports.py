"""Small reports for tests of what reads them: rows that are written down, and the figures that follow from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tiergraph.evaluation.cases import Problem
from tiergraph.evaluation.observations import Hop, Observation
from tiergraph.evaluation.report import Figure, Report, Row

TIERS = ("small", "middle", "big")


def make_row(
    id: str,
    tier: str | None,
    quality: float | None = None,
    cost: float | None = None,
    *,
    hops: Iterable[str] = (),
    outcome: str = "route",
    **known: Any,
) -> Row:
    """One row; ``hops`` are names of tiers."""
    seen = Observation(case=id, tier=tier, outcome=outcome, hops=tuple(Hop(tier=name) for name in hops))
    return Row(observation=seen, quality=quality, cost_usd=cost, **known)


def make_report(
    rows: Iterable[Row] = (),
    *,
    digest: str = "d" * 64,
    figures: Iterable[Figure] | None = None,
    left_out: int = 0,
    scale: float = 1.0,
    name: str = "router",
    more: Mapping[str, Any] | None = None,
) -> Report:
    """A report; without ``figures`` it states mean score and mean cost of its rows."""
    rows = tuple(rows)
    suite = {
        "name": "suite",
        "digest": digest,
        "scale": scale,
        "unit": "score",
        "tiers": [{"name": tier} for tier in TIERS],
        **(more or {}),
    }
    problem = Problem(file=None, line=None, id=None, code="bad", message="bad")
    return Report(
        suite=suite,
        subject={"name": name},
        manifest={},
        figures=tuple(_means(rows, scale) if figures is None else figures),
        problems=(problem,) * left_out,
        rows=rows,
    )


def _means(rows: tuple[Row, ...], scale: float) -> list[Figure]:
    found = []
    for name, values, better in (
        ("quality", [row.quality * scale for row in rows if row.quality is not None], "higher"),
        ("cost_usd", [row.cost_usd for row in rows if row.cost_usd is not None], "lower"),
    ):
        if values:
            mean = math.fsum(values) / len(values)
            found.append(Figure(name=name, value=mean, low=mean - 0.2, high=mean + 0.2, n=len(values), better=better))  # type: ignore[arg-type]
    return found
