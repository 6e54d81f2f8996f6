"""The shapes of a report's charts, as JSON-like data: what plots and pages draw, and nothing that they compute."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

NOBODY = "nobody"
"""Stands for a person, a refusal or an error: no tier took the request."""


class Line(TypedDict):
    """One line. ``kind`` chooses how it is drawn. ``x`` rises; both lists are of one length."""

    name: str
    kind: Literal["router", "baseline", "oracle", "previous"]
    x: list[float]
    y: list[float]


class Mark(TypedDict):
    """One point: always the same tier, or the operating point of what was evaluated."""

    name: str
    kind: Literal["tier", "operating"]
    x: float
    y: float


class CostQuality(TypedDict):
    """Mean score over mean cost. ``x_unit`` is ``USD per request``, ``share of requests to TIER`` or, for more
    than two tiers without prices, ``mean position on the ladder, 0 to 1``.

    ``n``: cases of which every tier's score and the router's is known.
    """

    x_unit: str
    y_unit: str
    n: int
    lines: list[Line]
    marks: list[Mark]


class Bin(TypedDict):
    """Cases whose probability lies in [low, high). ``observed`` has a 95 % interval."""

    low: float
    high: float
    predicted: float
    observed: float
    observed_low: float
    observed_high: float
    n: int


class Reliability(TypedDict):
    """One reliability curve: what was said against what came. ``name`` such as ``a tier suffices``."""

    name: str
    bins: list[Bin]
    ece: float
    brier: float


class Stratum(TypedDict):
    """Tier shares of one stratum; ``by`` and ``value`` are ``None`` for all cases. Shares sum to 1 with ``nobody``."""

    by: str | None
    value: str | None
    n: int
    shares: dict[str, float]


class Mix(TypedDict):
    """Which tier took what. ``tiers`` in ladder order; ``nobody`` is a person or a refusal."""

    tiers: list[str]
    strata: list[Stratum]


class Link(TypedDict):
    """Cases that went from one place to the next.

    ``source``: ``start`` or a tier; ``target``: a tier, ``accepted``, ``human``, ``refused``, ``abstained``,
    ``unavailable``, ``error``. ``right`` of ``scored`` ended well, where that is known: for a link to ``accepted`` the
    accepted drafts, for a link to a higher tier the drafts that were left behind.
    """

    source: str
    target: str
    n: int
    right: float
    scored: int


class Flow(TypedDict):
    """The escalation flow of a cascade. ``tiers`` in ladder order."""

    tiers: list[str]
    links: list[Link]


class Miss(TypedDict):
    """A case that went worse than it could have.

    ``loss``: score that a better choice would have had more, in [0, 1]; of a wrong label or finding, how much it
    weighs. ``why`` is a line. ``observation`` is what happened, as JSON; it holds no text.
    """

    case: str
    why: str
    loss: float
    strata: dict[str, str]
    observation: dict[str, Any]


class Charts(TypedDict, total=False):
    """All of them; each is absent where the cases cannot give it."""

    cost_quality: CostQuality
    reliability: list[Reliability]
    mix: Mix
    flow: Flow
    worst: list[Miss]
