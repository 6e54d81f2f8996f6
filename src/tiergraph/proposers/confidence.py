"""What a router model's own confidence is worth: a monotone map from what it says to how often it was right.

A confidence that a model states, or that its tokens have, is earned on rows whose right tier is known. Pure but for
the file.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from tiergraph.errors import ConfigError

Source = Literal["stated", "tokens", "any"]

MIN_ROWS = 30
"""Fewer say too little: the share of right answers of so few rows is off by .1 and more."""

UNEARNED = 0.5
"""What a stated confidence is worth without a map."""

BINS = 10
FOLDS = 5

PRIOR = 2.0
"""Rows of the overall share that every step of the map is mixed with, so that a step of one row is not certain."""

_FIX = "run tiergraph check --calibrate FILE --data ROWS again."


class _Step(NamedTuple):
    """Neighbouring points that share one value."""

    low: float
    high: float
    right: float
    rows: float

    @property
    def mean(self) -> float:
        return self.right / self.rows


@dataclass(frozen=True, kw_only=True)
class ConfidenceMap:
    """From a confidence in [0, 1] to the share of answers that were right. Straight lines between points, flat beyond.

    Attributes:
        x, y: Its points, ``x`` rising and ``y`` not falling, both in [0, 1].
        source: What kind of confidence it is for; another kind is not mapped. ``any`` is for all.
        model: What it was measured on, as a router model names it; "" fits every model.
        rows: Answers that it was measured on.
        ece_before: Expected calibration error of the bare confidence in [0, 1], over ten bins.
        ece_after: Likewise of mapped confidence, each fifth of the rows mapped by what the others gave.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    source: Source = "stated"
    model: str = ""
    rows: int = 0
    ece_before: float = 0.0
    ece_after: float = 0.0

    def __call__(self, confidence: float) -> float:
        """The share of right answers in [0, 1] at that confidence."""
        right = bisect_right(self.x, confidence)
        if right == 0:
            return self.y[0]
        if right == len(self.x):
            return self.y[-1]
        x0, x1, y0, y1 = self.x[right - 1], self.x[right], self.y[right - 1], self.y[right]
        return y0 + (y1 - y0) * (confidence - x0) / (x1 - x0)

    @classmethod
    def identity(cls) -> ConfidenceMap:
        """Takes every confidence at its word: for measurements, never for a router in use."""
        return cls(x=(0.0, 1.0), y=(0.0, 1.0), source="any")

    @classmethod
    def fit(
        cls, stated: Sequence[float], right: Sequence[bool], *, source: Source = "stated", model: str = ""
    ) -> ConfidenceMap:
        """Measure it.

        Args:
            stated: Confidence of each answer, in [0, 1].
            right: Whether its tier was the right one.

        Raises:
            ConfigError: Fewer than `MIN_ROWS` rows, not as many of one as of the other, or a confidence outside.
        """
        if len(stated) != len(right):
            raise ConfigError(
                f"{len(stated)} confidences and {len(right)} outcomes.", fix="give one outcome for each confidence."
            )
        if len(stated) < MIN_ROWS:
            raise ConfigError(
                f"{len(stated)} rows are too few to calibrate a confidence.", fix=f"label at least {MIN_ROWS}."
            )
        for value in stated:
            if not 0 <= value <= 1:
                raise ConfigError(f"A confidence is {value!r}, not in [0, 1].", fix="divide percentages by 100.")
        x, y = _fitted(stated, right)
        return cls(
            x=x,
            y=y,
            source=source,
            model=model,
            rows=len(stated),
            ece_before=round(expected_calibration_error(stated, right), 4),
            ece_after=round(expected_calibration_error(_mapped_by_others(stated, right), right), 4),
        )

    @classmethod
    def load(cls, path: str | Path) -> ConfidenceMap:
        """Read what `save` wrote.

        Raises:
            ConfigError: The file is missing, or is no such map; names it and the fix.
        """
        file = Path(path)
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except OSError:
            raise ConfigError(f"The calibration {str(path)!r} cannot be read.", fix=_FIX) from None
        except (ValueError, RecursionError):
            raise ConfigError("The calibration is not JSON.", file=str(path), fix=_FIX) from None
        try:
            return cls._parse(data)
        except ValueError as error:
            raise ConfigError(f"The calibration is none: {error}.", file=str(path), fix=_FIX) from None

    def save(self, path: str | Path) -> None:
        """Write it as JSON. Raises `OSError` where the file cannot be written."""
        Path(path).write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")

    def as_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "source": self.source,
            "model": self.model,
            "rows": self.rows,
            "ece": {"before": self.ece_before, "after": self.ece_after},
            "map": {"x": list(self.x), "y": list(self.y)},
        }

    @classmethod
    def _parse(cls, data: Any) -> ConfidenceMap:
        if not isinstance(data, dict) or data.get("version") != 1 or not isinstance(data.get("map"), dict):
            raise ValueError("it has no map of version 1")
        source: Any = data.get("source")
        model, rows, ece = data.get("model", ""), data.get("rows", 0), data.get("ece", {})
        if source not in get_args(Source):
            raise ValueError(f"source is {source!r}, not one of {list(get_args(Source))}")
        if not isinstance(model, str) or not isinstance(rows, int) or not isinstance(ece, dict):
            raise ValueError("model, rows or ece is off its type")
        x, y = _numbers(data["map"].get("x"), "map.x"), _numbers(data["map"].get("y"), "map.y")
        if not x or len(x) != len(y):
            raise ValueError(f"map.x has {len(x)} points and map.y {len(y)}")
        if any(a >= b for a, b in pairwise(x)):
            raise ValueError("map.x does not rise")
        if any(a > b for a, b in pairwise(y)):
            raise ValueError("map.y falls")
        before, after = _numbers([ece.get("before", 0.0), ece.get("after", 0.0)], "ece")
        return cls(x=x, y=y, source=source, model=model, rows=rows, ece_before=before, ece_after=after)


def expected_calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Mean distance in [0, 1] between confidence and share of right answers, over ten bins, weighted by their rows."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for value, was_right in zip(confidence, right, strict=True):
        bins[min(int(value * BINS), BINS - 1)].append((value, was_right))
    off = sum(abs(sum(value - was_right for value, was_right in rows)) for rows in bins)
    return off / max(1, len(confidence))


def one_against_rest(tier: str, worth: float, tiers: Sequence[str]) -> dict[str, float]:
    """Probabilities of ``tiers``: ``worth`` for ``tier``, the rest shared equally; 1 where there is no other."""
    if len(tiers) == 1:
        return {tier: 1.0}
    rest = (1 - worth) / (len(tiers) - 1)
    return {name: worth if name == tier else rest for name in tiers}


def _fitted(stated: Sequence[float], right: Sequence[bool]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Points of the map: the ends of every step."""
    steps: dict[float, _Step] = {}
    for value, was_right in sorted(zip(stated, right, strict=True)):
        seen = steps.get(value, _Step(value, value, 0.0, 0.0))
        steps[value] = seen._replace(right=seen.right + was_right, rows=seen.rows + 1)
    base = sum(right) / len(right)
    pooled = _pooled(steps.values())
    mixed = [step._replace(right=step.rows * (step.right + PRIOR * base) / (step.rows + PRIOR)) for step in pooled]
    points = [(at, step.mean) for step in _pooled(mixed) for at in dict.fromkeys((step.low, step.high))]
    return tuple(x for x, _ in points), tuple(min(1.0, max(0.0, y)) for _, y in points)


def _pooled(steps: Iterable[_Step]) -> list[_Step]:
    """Steps that rise: neighbours that do not become one (pool adjacent violators)."""
    pooled: list[_Step] = []
    for step in steps:
        while pooled and pooled[-1].mean >= step.mean:
            last = pooled.pop()
            step = _Step(last.low, step.high, last.right + step.right, last.rows + step.rows)
        pooled.append(step)
    return pooled


def _mapped_by_others(stated: Sequence[float], right: Sequence[bool]) -> list[float]:
    """Each confidence mapped by what the other four fifths of the rows give."""
    mapped = [0.0] * len(stated)
    for fold in range(FOLDS):
        others = [number for number in range(len(stated)) if number % FOLDS != fold]
        x, y = _fitted([stated[number] for number in others], [right[number] for number in others])
        one = ConfidenceMap(x=x, y=y)
        for number in range(fold, len(stated), FOLDS):
            mapped[number] = one(stated[number])
    return mapped


def _numbers(values: Any, name: str) -> tuple[float, ...]:
    if not isinstance(values, list):
        raise ValueError(f"{name} is no list")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"{name} has {value!r}, not a number in [0, 1]")
    return tuple(float(value) for value in values)
