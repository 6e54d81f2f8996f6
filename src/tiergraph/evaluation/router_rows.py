"""Figures of the embedded router beside what they must reach, and their verdicts.

Failure rule: a figure that could not be had has no value, and its verdict says so; it never passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tiergraph.evaluation.intervals import Interval

Verdict = Literal["aim reached", "pass", "aim missed", "falls short", "no figure", ""]
"""``aim missed`` is of a figure that need not reach anything; the empty one of a figure without a bar."""

Unit = Literal["APGR", "share", "MB", "ratio", "ECE", "skill", "quality"]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a figure has to reach.

    Attributes:
        sense: Whether it must come to ``at_least`` the numbers or stay ``at_most`` at them.
        must, aim: The numbers; ``None`` where there is none.
        strict: Whether ``must`` has to be passed, and reaching it is not enough.
        above: Name of the baseline whose figure ``must`` is, where it is one.
        end: Which end of the interval has to reach ``must``.
    """

    sense: Literal["at_least", "at_most"]
    must: float | None = None
    aim: float | None = None
    strict: bool = False
    above: str | None = None
    end: Literal["value", "low"] = "value"

    def verdict(self, figure: Interval | None) -> Verdict:
        """How a figure stands; ``no figure`` where there is none, or none of the end that is asked for."""
        held = None if figure is None else figure.low if self.end == "low" else figure.value
        if figure is None or held is None:
            return "no figure"
        passes = self.must is None or self._reached(held, self.must, self.strict)
        aimed = self.aim is not None and self._reached(figure.value, self.aim, False)
        if not passes:
            return "falls short"
        if aimed:
            return "aim reached"
        return "pass" if self.must is not None else "aim missed"

    def _reached(self, value: float, wanted: float, strict: bool) -> bool:
        if value == wanted:
            return not strict
        return value > wanted if self.sense == "at_least" else value < wanted


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        name: Unique in its measure, for people and programs.
        figure: With its interval and the number of rows; ``None`` where there is none.
        unit: What it is measured in.
        bar: ``None`` for a figure that stands beside the others.
        baselines: Name to the same figure of whatever is compared with; ``None`` where it has none.
        note: One line on how it was had.
        details: Further numbers, JSON-like.
    """

    name: str
    figure: Interval | None
    unit: Unit
    bar: Bar | None = None
    baselines: Mapping[str, Interval | None] = field(default_factory=dict)
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return "" if self.bar is None else self.bar.verdict(self.figure)

    def as_json(self) -> dict[str, Any]:
        bar = self.bar or Bar(sense="at_least")
        return {
            "name": self.name,
            **_numbers(self.figure),
            "unit": self.unit,
            "sense": None if self.bar is None else bar.sense,
            "must": bar.must,
            "must_is": bar.above,
            "aim": bar.aim,
            "verdict": self.verdict,
            "baselines": {name: _numbers(figure) for name, figure in self.baselines.items()},
            "note": self.note,
            "details": dict(self.details),
        }


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The figures of one measure, or why there are none.

    Attributes:
        name: Short and stable, as of ``--only``.
        title: One line for people.
        rows: Figures.
        seconds: How long it took.
        missing: Why it could not be measured; empty where it was.
    """

    name: str
    title: str
    rows: tuple[Row, ...] = ()
    seconds: float = 0.0
    missing: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "seconds": round(self.seconds, 1),
            "missing": self.missing or None,
            "rows": [row.as_json() for row in self.rows],
        }


def _numbers(figure: Interval | None) -> dict[str, Any]:
    """An interval as JSON, every number rounded to what resampling can tell apart."""
    if figure is None:
        return {"value": None, "low": None, "high": None, "n": 0}
    value, low, high = (None if number is None else round(number, 6) for number in figure[:3])
    return {"value": value, "low": low, "high": high, "n": figure.n}
