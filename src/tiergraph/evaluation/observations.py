"""An observation is what one subject did with one case: kinds, counts, costs and times, never content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One asking of a tier.

    Attributes:
        tier: Its name.
        code: Why it gave no answer; ``None`` where it did.
        passed: Whether the judge passed its draft; ``None`` where there was no draft or no verdict.
        score: The judge's, in [0, 1].
        quality: Score of the draft itself in [0, 1], where it is known; ``None`` is unscored.
        cost_usd: What it cost.
        latency_ms: Milliseconds of the tier alone.
    """

    tier: str
    code: str | None = None
    passed: bool | None = None
    score: float | None = None
    quality: float | None = None
    cost_usd: float = 0.0
    latency_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What happened to one case.

    Attributes:
        case: Id of the case.
        tier: The tier that answered, or was chosen where nothing is drafted; ``None`` where none was.
        decided: The tier that the decision named, before any escalation.
        outcome: Of a decider ``route``, ``human`` or ``refuse``; of a graph that of its record; of a judge ``judged``;
            ``error`` where there is no answer, with the code in ``error``.
        source: ``rule``, ``model``, ``fallback`` or ``human``; what came from the decision cache counts as ``model``.
        score: Calibrated probability that the cheapest tier is not enough; of a judge the score of its verdict.
        confidence: Of the tier.
        tier_probabilities: How likely each tier is the cheapest that suffices.
        allowed: What policy left.
        findings: Kinds that were found in the request, each once; what was found in drafts and in documents that were
            retrieved for it is left out.
        proposal: Field to value, where a model proposed.
        probabilities: Field to the probability of the value that was proposed.
        reason: Code of what decided.
        hops: Askings of tiers, in order.
        passed: Of a judge: whether the draft passed.
        quality: Score of the answer in [0, 1], where it is known; ``None`` is unscored.
        cost_usd: Of all hops.
        latency_ms: Milliseconds of the whole. Not part of any figure that has to be equal in two runs.
        error: Class or code of what went wrong.
    """

    case: str
    tier: str | None = None
    decided: str | None = None
    outcome: str = "route"
    source: str | None = None
    score: float | None = None
    confidence: float | None = None
    tier_probabilities: Mapping[str, float] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    proposal: Mapping[str, Any] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    hops: tuple[Hop, ...] = ()
    passed: bool | None = None
    quality: float | None = None
    cost_usd: float | None = None
    latency_ms: float = 0.0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON-like: lists, not tuples."""
        parts = asdict(self)
        return {name: list(part) if isinstance(part, tuple) else part for name, part in parts.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Observation:
        """The inverse of `as_json`; keys that are not known are passed over."""
        known = {name.name for name in fields(cls)}
        parts = {key: part for key, part in value.items() if key in known}
        for name in ("score", "confidence", "quality", "cost_usd", "latency_ms"):
            if not isinstance(parts.get(name), (int, float, NoneType)):
                raise TypeError(f"{name} is no number")
        parts["hops"] = tuple(Hop(**hop) for hop in parts.get("hops", ()))
        for name in ("allowed", "findings"):
            parts[name] = tuple(parts.get(name, ()))
        return cls(**parts)
