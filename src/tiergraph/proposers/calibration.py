"""From logits to calibrated probabilities of tiers, and from those to one allowed tier. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

DEFAULT_THRESHOLD = 0.5
SLOTS = 6
"""Ordinal slots of needed capability: 0, the cheapest suffices, to 5, only the strongest does."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How a model's logits become probabilities.

    Attributes:
        temperatures: Field to the number > 0 that its logits are divided by; 1 where absent.
        thresholds: Flag to the probability in [0, 1] from which it is raised; .5 where absent.
        level_x, level_y: Points of the monotone map of cumulative probabilities, both rising in [0, 1]; empty is
            the identity.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    level_x: tuple[float, ...] = ()
    level_y: tuple[float, ...] = ()

    def temperature(self, name: str) -> float:
        return self.temperatures.get(name, 1.0)

    def threshold(self, name: str) -> float:
        return self.thresholds.get(name, DEFAULT_THRESHOLD)

    def level(self, cumulative: float) -> float:
        """The map at one point: straight lines between the points, flat beyond them."""
        if not self.level_x:
            return cumulative
        right = bisect_right(self.level_x, cumulative)
        if right == 0:
            return self.level_y[0]
        if right == len(self.level_x):
            return self.level_y[-1]
        x0, x1 = self.level_x[right - 1], self.level_x[right]
        y0, y1 = self.level_y[right - 1], self.level_y[right]
        return y0 + (y1 - y0) * (cumulative - x0) / (x1 - x0)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Calibration:
        """From the ``calibration`` of a model's manifest.

        Raises:
            ValueError: Names the part that cannot be used.
        """
        temperatures: dict[str, float] = {}
        thresholds: dict[str, float] = {}
        for name, entry in data.items():
            if not isinstance(entry, Mapping):
                raise ValueError(f"calibration of {name!r} is no mapping")
            if "temperature" in entry:
                temperatures[name] = _number(entry["temperature"], f"{name}.temperature")
                if temperatures[name] <= 0:
                    raise ValueError(f"{name}.temperature is {temperatures[name]!r}, not above 0")
            if "threshold" in entry:
                thresholds[name] = _number(entry["threshold"], f"{name}.threshold")
        level = data.get("level", {})
        x = tuple(_number(value, "level.x") for value in level.get("x", ()))
        y = tuple(_number(value, "level.y") for value in level.get("y", ()))
        if len(x) != len(y):
            raise ValueError(f"level.x has {len(x)} points and level.y {len(y)}")
        if any(a >= b for a, b in pairwise(x)):
            raise ValueError("level.x does not rise")
        if any(a > b for a, b in pairwise(y)) or any(not 0 <= value <= 1 for value in y):
            raise ValueError("level.y falls, or leaves [0, 1]")
        return cls(temperatures=temperatures, thresholds=thresholds, level_x=x, level_y=y)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a finite number")
    return float(value)


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Probabilities in the order of ``logits``; they sum to 1.

    Raises:
        ValueError: A logit is ``+inf`` or not a number, or all are ``-inf``.
    """
    top = max(logits)
    weights = [math.exp((x - top) / temperature) for x in logits]
    total = sum(weights)
    if not math.isfinite(total):
        raise ValueError("logits are not finite numbers")
    return [weight / total for weight in weights]


class TierScores(NamedTuple):
    """What a model says of the tiers of a whole ladder, before policy narrows it.

    Attributes:
        probabilities: For each tier, cheapest first, the probability that it is the cheapest sufficient one; sum 1.
        logs: Their natural logs where the tiers are mere categories to the model; ``None`` where it knows their order.
    """

    probabilities: tuple[float, ...]
    logs: tuple[float, ...] | None = None

    @property
    def insufficient(self) -> float:
        """Probability in [0, 1] that the cheapest tier of the ladder is not enough."""
        return min(1.0, max(0.0, 1.0 - self.probabilities[0]))


Mask = Callable[[TierScores, Sequence[bool]], tuple[float, ...]]
"""From scores and, for each tier, whether it is allowed (one is), to probabilities: 0 where forbidden, sum 1."""


class LevelMap:
    """Ordinal slots of needed capability onto the tiers of a ladder.

    The slots cut (0, 1] into equal parts. Their cumulative probability, calibrated, is F at each slot's end and
    linear between; tier ``i`` of ``n`` covers the capability up to ``(i + 1) / n``.
    """

    def __init__(self, slots: int, tiers: int, calibration: Calibration) -> None:
        self._calibration = calibration
        # For every tier but the top: the slot that its level falls into, and how far.
        places = [divmod((tier + 1) * slots, tiers) for tier in range(tiers - 1)]
        self._places = [(slot, rest / tiers) for slot, rest in places]

    def __call__(self, slots: Sequence[float]) -> TierScores:
        """Scores of the ladder from the slots' probabilities."""
        level = self._calibration.level
        cumulative = [0.0, *accumulate(slots)]
        below = 0.0
        probabilities = []
        for slot, part in self._places:
            here = level(min(cumulative[slot], 1.0)) if slot else 0.0
            if part:
                here += part * (level(min(cumulative[slot + 1], 1.0)) - here)
            probabilities.append(max(0.0, here - below))
            below = max(below, here)
        return TierScores(probabilities=(*probabilities, 1.0 - below))


def mask_tiers(scores: TierScores, allowed: Sequence[bool]) -> tuple[float, ...]:
    """Probabilities over the allowed tiers; forbidden ones have exactly 0.

    Where the model knows the tiers' order, the mass of a forbidden tier moves up to the next allowed one: that is
    then the cheapest allowed tier that suffices, since whatever a tier can answer a higher one can too. Mass above
    the highest allowed tier stays on it: nothing allowed suffices, and it is the best that is left. Where tiers are
    mere categories, forbidden logits are ``-inf`` and the rest is normalised again.
    """
    if scores.logs is not None:
        return tuple(softmax([log if open_ else -math.inf for log, open_ in zip(scores.logs, allowed, strict=True)]))
    if all(allowed):
        return scores.probabilities
    moved = [0.0] * len(allowed)
    carried, highest = 0.0, -1
    for tier, (probability, open_) in enumerate(zip(scores.probabilities, allowed, strict=True)):
        carried += probability
        if open_:
            moved[tier], carried, highest = carried, 0.0, tier
    moved[highest] += carried
    return tuple(moved)


def choose(probabilities: Sequence[float], allowed: Sequence[bool], sufficiency: float) -> int:
    """Index of the cheapest allowed tier that suffices with probability ``sufficiency``, else the highest allowed.

    ``probabilities``: of each tier being the cheapest sufficient one, so that their running sum is the probability
    that a tier suffices.
    """
    running, chosen = 0.0, -1
    for tier, (probability, open_) in enumerate(zip(probabilities, allowed, strict=True)):
        running += probability
        if open_:
            chosen = tier
            if running >= sufficiency:
                break
    return chosen


def boundary_distance(probabilities: Iterable[float], sufficiency: float) -> float:
    """How far the probability that a tier suffices is from ``sufficiency``, at the tier where it is nearest.

    `choose` takes the cheapest tier whose running sum reaches ``sufficiency``: where one is this near, so small an
    error would have chosen another tier. ``probabilities``: of every tier, cheapest first, 0 for forbidden ones. 1
    where one tier is left, since then nothing could be otherwise.
    """
    open_ = [p for p in probabilities if p > 0]
    running = list(accumulate(open_))[:-1]
    return min((abs(value - sufficiency) for value in running), default=1.0)
