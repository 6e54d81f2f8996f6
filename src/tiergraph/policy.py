"""The policy, pure: from findings to the allowed set, from a proposal to a decision, from a tier to the next.

Precedence: refuse > human > residency and exclusions > floors > map, profile and model. Residency and exclusions
narrow first; a floor is then clipped to the highest tier left. Nothing here can widen a set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tiergraph.tiers import Ladder

if TYPE_CHECKING:
    from tiergraph.config import MapRule, PolicyConfig
    from tiergraph.proposal import Proposal
    from tiergraph.proposers.base import ConfidenceFrom
    from tiergraph.proposers.chain import Consulted

FindingKind = Literal["pii", "legal", "human_request", "safety", "attachment", "context", "rule"]
Where = Literal["question", "history", "document", "tool_result", "draft", "metadata"]
Effect = Literal["on_prem", "only", "exclude", "floor", "human", "refuse", "none"]
Source = Literal["rule", "model", "cache", "fallback", "human"]
Outcome = Literal["answered", "human", "refused", "abstained", "unavailable"]
"""How a request ends in the graph."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a screen saw. Never the matched text.

    Attributes:
        kind: Which screen or policy it belongs to.
        rule: Id of the pattern, entity kind or custom rule, such as ``EMAIL_ADDRESS`` or ``flag:window``.
        where: The part of the request that it was seen in.
        spans: Whether every occurrence has a known place in the text, so that ``redact`` can replace it.
        amount: For ``context``: tokens needed. Else 0.
    """

    kind: FindingKind
    rule: str
    where: Where
    spans: bool = False
    amount: int = 0

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "rule": self.rule, "where": self.where}


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings in their order, each once."""
    return tuple(dict.fromkeys(findings))


@dataclass(frozen=True, kw_only=True)
class AllowedSet:
    """What the constraints leave.

    Attributes:
        tiers: Allowed tier names in ladder order. Empty exactly where ``stop`` is set.
        stop: ``human`` or ``refuse`` where no tier may answer, else ``None``.
        floor: The floor that applied, after clipping; ``None`` without one.
        clipped: Whether a floor lay above the highest tier left and was lowered to it.
        redact: Whether external tiers in the set may only see redacted text.
        why: Reason codes in order of precedence, such as ``pii:on_prem`` or ``rule:vip:floor``.
    """

    tiers: tuple[str, ...]
    stop: Literal["human", "refuse"] | None = None
    floor: str | None = None
    clipped: bool = False
    redact: bool = False
    why: tuple[str, ...] = ()


_PRECEDENCE: tuple[Effect, ...] = ("refuse", "human", "on_prem", "only", "exclude", "floor", "none")


@dataclass(frozen=True, kw_only=True)
class _Constraint:
    effect: Effect
    code: str
    tiers: tuple[str, ...] = ()


def _constraint(finding: Finding, ladder: Ladder, policy: PolicyConfig, redactable: bool) -> _Constraint:
    """What one finding does under this policy."""
    match finding.kind:
        case "pii":
            effect = policy.pii
            if effect == "allow" or (effect == "redact" and redactable):
                return _Constraint(effect="none", code=f"pii:{effect}")
            if effect == "human":
                return _Constraint(effect="human", code="pii:human")
            return _Constraint(effect="on_prem", code="pii:on_prem")
        case "legal":
            if policy.legal == "allow":
                return _Constraint(effect="none", code="legal:allow")
            if policy.legal == "human":
                return _Constraint(effect="human", code="legal:human")
            return _Constraint(effect="floor", code="legal:top", tiers=(ladder.top.name,))
        case "human_request":
            return _Constraint(effect="human", code="human_request")
        case "safety":
            if policy.safety == "allow":
                return _Constraint(effect="none", code="safety:allow")
            return _Constraint(effect=policy.safety, code=f"safety:{policy.safety}")
        case "attachment":
            blind = tuple(tier.name for tier in ladder if finding.rule not in tier.modalities)
            return _Constraint(effect="exclude", code=f"attachment:{finding.rule}", tiers=blind)
        case "context":
            short = tuple(tier.name for tier in ladder if tier.context_window < finding.amount)
            return _Constraint(effect="exclude", code="context", tiers=short)
        case "rule":
            rule = policy.rule(finding.rule)
            if rule is None:  # a finding of a rule that this configuration does not have: closed
                return _Constraint(effect="human", code=f"rule:{finding.rule}:unknown")
            return _Constraint(effect=rule.effect, code=f"rule:{rule.id}:{rule.effect}", tiers=rule.tiers)


def _released(constraint: _Constraint) -> _Constraint:
    if constraint.effect != "human":
        return constraint
    effect: Effect = "on_prem" if constraint.code == "pii:human" else "none"
    return _Constraint(effect=effect, code=f"{constraint.code}:released")


def allowed_tiers(
    findings: Iterable[Finding],
    ladder: Ladder,
    policy: PolicyConfig,
    *,
    unreachable: frozenset[str] = frozenset(),
    reviewed: bool = False,
) -> AllowedSet:
    """The tiers that every constraint leaves.

    An empty set is a person, never a default. A floor whose tiers are all unreachable is a person, not a lower tier.

    Args:
        findings: All that was seen so far.
        ladder: The tiers.
        policy: What findings do.
        unreachable: Names of tiers that cannot be reached.
        reviewed: A person has released the request: what asked for a person no longer does, PII then stays on-prem,
            and every other constraint holds.
    """
    findings = tuple(findings)
    redactable = all(finding.spans for finding in findings if finding.kind == "pii")
    constraints = [_constraint(finding, ladder, policy, redactable) for finding in findings]
    if reviewed:
        constraints = [_released(constraint) for constraint in constraints]
    constraints.sort(key=lambda constraint: _PRECEDENCE.index(constraint.effect))
    why = tuple(dict.fromkeys(c.code for c in constraints if c.effect != "none"))
    effects = {c.effect for c in constraints}
    if "refuse" in effects:
        return AllowedSet(tiers=(), stop="refuse", why=why)
    if "human" in effects:
        return AllowedSet(tiers=(), stop="human", why=why)

    left = list(ladder.names)
    for constraint in constraints:
        if constraint.effect == "on_prem":
            left = [name for name in left if ladder[name].location == "on_prem"]
        elif constraint.effect == "only":
            left = [name for name in left if name in constraint.tiers]
        elif constraint.effect == "exclude":
            left = [name for name in left if name not in constraint.tiers]
    if not left:
        return AllowedSet(tiers=(), stop="human", why=("empty", *why))

    rungs = [ladder.index(tier) for c in constraints if c.effect == "floor" for tier in c.tiers]
    floor: str | None = None
    clipped = False
    if rungs:
        highest = ladder.index(left[-1])
        clipped = max(rungs) > highest
        floor = ladder.names[min(max(rungs), highest)]
        left = [name for name in left if ladder.index(name) >= ladder.index(floor)]
    reachable = tuple(name for name in left if name not in unreachable)
    redact = any(finding.kind == "pii" for finding in findings) and policy.pii == "redact" and redactable
    if not reachable:
        return AllowedSet(tiers=(), stop="human", floor=floor, clipped=clipped, why=("unreachable", *why))
    return AllowedSet(tiers=reachable, floor=floor, clipped=clipped, redact=redact, why=why)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A proposal resolved.

    Attributes:
        tier: Name of the tier, or ``None`` where a person takes it or it is refused.
        source: Who decided: ``rule``, ``model``, ``cache``, ``fallback`` or ``human``.
        outcome: ``route``, ``human`` or ``refuse``.
        allowed: The allowed set in ladder order; ``tier`` is in it.
        confidence: Probability of the decided tier in [0, 1]; ``None`` where no model spoke.
        score: Calibrated probability in [0, 1] that the cheapest tier is not enough; ``None`` where a rule decided
            alone.
        tier_probabilities: Tier name to probability, 0 for every forbidden one; empty where no model spoke.
        field_probabilities: Field to value to probability, for every field but the tier; empty where none is known.
        findings: What the screens and the model's flags saw.
        reasons: Codes, the deciding one first.
        proposal: The router model's JSON, or ``None`` where none could be had.
        proposer: Name of the router model that decided, or ``None``.
        consulted: How asking each router model went, in order.
        confidence_from: Where the probabilities come from: ``logits``, ``tokens``, ``stated`` or ``similarity``;
            ``None`` where no model spoke.
        redact: Whether external tiers may only see redacted text.
        latency_ms: Milliseconds for screens and proposal together.
        config_digest: sha256 of the configuration.
    """

    tier: str | None
    source: Source
    outcome: Literal["route", "human", "refuse"]
    allowed: tuple[str, ...] = ()
    confidence: float | None = None
    score: float | None = None
    tier_probabilities: Mapping[str, float] = field(default_factory=dict)
    field_probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    proposal: Proposal | None = None
    proposer: str | None = None
    consulted: tuple[Consulted, ...] = ()
    confidence_from: ConfidenceFrom | None = None
    redact: bool = False
    floor_clipped: bool = False
    latency_ms: float = 0.0
    config_digest: str = ""

    @property
    def needs_retrieval(self) -> bool:
        """Whether documents should be fetched: as the model says, and yes where it could not speak."""
        return self.proposal is None or self.proposal.needs_retrieval


def next_tier(current: str | None, allowed: Sequence[str], ladder: Ladder, tried: Iterable[str] = ()) -> str | None:
    """The next strictly higher allowed tier that was not tried, or ``None`` at the end of the ladder."""
    rung = -1 if current is None else ladder.index(current)
    done = set(tried)
    return next((name for name in ladder.in_order(allowed) if ladder.index(name) > rung and name not in done), None)


def clip(wanted: str, allowed: Sequence[str], ladder: Ladder) -> str:
    """``wanted`` where it is allowed, else the next allowed tier above it, else the highest allowed below."""
    if wanted in allowed:
        return wanted
    return next_tier(wanted, allowed, ladder) or ladder.in_order(allowed)[-1]


def _mapped(proposal: Proposal, confidence: float, rules: Sequence[MapRule]) -> MapRule | None:
    return next((rule for rule in rules if rule.matches(proposal, confidence)), None)


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """Tier, source and reasons that `resolve` arrives at; ``tier`` is ``None`` where a person takes it."""

    tier: str | None
    source: Source
    reasons: tuple[str, ...]


def resolve(
    proposal: Proposal | None,
    confidence: float | None,
    allowed: AllowedSet,
    ladder: Ladder,
    policy: PolicyConfig,
    map_rules: Sequence[MapRule] = (),
) -> Resolution:
    """From a proposal to a tier inside the allowed set, or to a person.

    Without a proposal the highest tier left answers (source ``fallback``). Where one tier is left, a rule decided.
    Below ``min_confidence`` the next allowed tier or a person takes it, as configured.
    """
    if allowed.stop is not None:
        return Resolution(tier=None, source="human" if allowed.stop == "human" else "rule", reasons=allowed.why)
    if proposal is None or confidence is None:
        return Resolution(tier=allowed.tiers[-1], source="fallback", reasons=("fallback", *allowed.why))
    if len(allowed.tiers) == 1 and len(allowed.why) > 0:
        return Resolution(tier=allowed.tiers[0], source="rule", reasons=allowed.why)
    rule = _mapped(proposal, confidence, map_rules)
    if rule is not None:
        tier = clip(rule.tier, allowed.tiers, ladder)
        return Resolution(tier=tier, source="rule", reasons=(f"map:{map_rules.index(rule)}", *allowed.why))
    tier = clip(proposal.tier, allowed.tiers, ladder)
    reasons = (f"model:{proposal.reason}", *allowed.why)
    if confidence < policy.min_confidence:
        if policy.below_min_confidence == "human":
            return Resolution(tier=None, source="human", reasons=("low_confidence", *reasons))
        higher = next_tier(tier, allowed.tiers, ladder) or tier
        return Resolution(tier=higher, source="model", reasons=("low_confidence", *reasons))
    return Resolution(tier=tier, source="model", reasons=reasons)
