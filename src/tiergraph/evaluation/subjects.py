"""What can be evaluated: a decider, a whole router graph, a judge, a function of your own, or records of the past.

Failure rule: whatever goes wrong with one case is an observation with outcome ``error``; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tiergraph.errors import InputError, TiergraphError
from tiergraph.evaluation.cases import Case, digest_of
from tiergraph.evaluation.observations import Hop, Observation
from tiergraph.tiers import Tier

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig
    from tiergraph.decider import Decider
    from tiergraph.judges import Judge
    from tiergraph.policy import Decision

PATIENCE_S = 60.0
"""Seconds for one decision: an evaluation measures what a model knows, and says apart how late it was."""

Scorer = Callable[[Case, str], float | None]
"""From a case and an answer to its score in [0, 1]; ``None`` is unscored."""


class Subject(Protocol):
    """Something that is evaluated. ``observe`` may be called from several threads and raises nothing."""

    kind: str
    config: RouterConfig | None
    """Its configuration, where it has one: policy and prices."""

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Its ladder, cheapest first; empty where it has none."""

    @property
    def digest(self) -> str | None:
        """Of all that decides what it observes; ``None`` where nobody knows, and then nothing is cached."""

    def about(self) -> dict[str, Any]:
        """As of `Report.subject`."""

    def key(self, case: Case) -> str:
        """Digest of all that it reads of a case."""

    def observe(self, case: Case) -> Observation:
        """What happens to one case."""


def patient(decider: Decider, *, unreachable: Iterable[str] = ()) -> Decider:
    """The same screens and router models with a deadline of `PATIENCE_S`; further tiers may count as unreachable."""
    from tiergraph.decider import Decider as Own

    router = decider.config.router.model_copy(update={"deadline_ms": PATIENCE_S * 1000})
    config = decider.config.model_copy(update={"router": router})
    return Own(config, decider.chain, unreachable=decider.unreachable | frozenset(unreachable))


class DeciderSubject:
    """Screens and router models, without drafting. Its deadline is `PATIENCE_S`; it lives as long as the decider."""

    kind = "decider"

    def __init__(self, decider: Decider) -> None:
        self.config: RouterConfig | None = decider.config
        self._of, self._decider = decider, patient(decider)
        self.tiers: tuple[Tier, ...] = decider.config.tiers

    @property
    def digest(self) -> str:
        of = self._of
        return digest_of("decider", _package(), of.config.digest, of.chain.digest, sorted(of.unreachable))

    def about(self) -> dict[str, Any]:
        return {"name": self._of.chain.name, "kind": self.kind, **_of_config(self._of)}

    def key(self, case: Case) -> str:
        return case.request_digest

    def observe(self, case: Case) -> Observation:
        return guarded(case, lambda: observed_decision(case, self._decider.decide(**case.request)))


class GraphSubject:
    """A router graph: what it decides, drafts, judges and climbs. The score of every draft is kept, never its text.

    Args:
        graph: From `create_tier_router`, without a checkpointer.
        config: Its configuration, for prices, policy and the digest.
        digest: Of all that decides what it answers; needed for a cache.
        scorer: Scores answers; by default what the case knows (`known_score`).
        lay_in: Told the case before it is run; for recorded drafts.
        about: What is known of it beforehand; else its first record tells.
    """

    kind = "graph"

    def __init__(
        self,
        graph: Any,
        *,
        config: RouterConfig | None = None,
        digest: str | None = None,
        name: str = "graph",
        scorer: Scorer | None = None,
        lay_in: Callable[[Case | None], None] = lambda case: None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if getattr(graph, "checkpointer", None) is not None:
            raise InputError(
                "The graph has a checkpointer: it would wait for people. Fix: build it without one to evaluate it.",
                code="checkpointer",
            )
        self._graph, self.config, self._digest, self._name = graph, config, digest, name
        self._scorer, self._lay_in = scorer, lay_in
        self.tiers: tuple[Tier, ...] = config.tiers if config else ()
        self._about: dict[str, Any] = dict(about or {})

    @property
    def digest(self) -> str | None:
        return None if self._digest is None else digest_of("graph", _package(), self._digest)

    def about(self) -> dict[str, Any]:
        own = {"config_digest": self.config.digest} if self.config else {}
        return {"name": self._name, "kind": self.kind, **self._about, **own}

    def key(self, case: Case) -> str:
        if self._scorer is not None:  # which may read anything of it
            return case.digest
        return digest_of(case.request_digest, case.expect.contains, case.outcomes, case.costs)

    def observe(self, case: Case) -> Observation:
        return guarded(case, lambda: self._run(case))

    def _run(self, case: Case) -> Observation:
        self._lay_in(case)
        began = time.perf_counter()
        ran = run_graph(self._graph, case)
        elapsed = (time.perf_counter() - began) * 1000
        self._lay_in(None)
        self._remember(ran.record)
        texts = iter(ran.drafts)
        qualities = [
            self._score(case, hop["tier"], next(texts)) if hop["outcome"] != "failed" else None
            for hop in ran.record["hops"]
        ]
        return replace(observed_record(case, ran.record, qualities), latency_ms=elapsed)

    def _score(self, case: Case, tier: str, text: str) -> float | None:
        return known_score(case, text, tier) if self._scorer is None else self._scorer(case, text)

    def _remember(self, record: Mapping[str, Any]) -> None:
        if not self._about:
            self._about = {
                "config_digest": record["config_digest"],
                "model": dict(record["router_model"]),
                "prompts_digest": record["prompts_digest"],
            }


class Ran(NamedTuple):
    """One run of a graph: its record, and the texts of the drafts, one for each hop that did not fail. Content."""

    record: Mapping[str, Any]
    drafts: tuple[str, ...]


def run_graph(graph: Any, case: Case) -> Ran:
    """A case through a graph of `create_tier_router` that has no checkpointer.

    Raises:
        InputError: It is no such graph: it gave no record.
    """
    state: Mapping[str, Any] = {}
    record: Mapping[str, Any] = {}
    for mode, part in graph.stream(_graph_input(case), stream_mode=["tasks", "values"]):
        if mode == "tasks" and part["name"] == "finish" and "input" in part:
            state = part["input"].get("work", {})
        elif mode == "values" and part.get("routing"):
            record = part["routing"]
    if not record:
        raise InputError("The graph gave no record. Fix: evaluate one of create_tier_router.", code="no_record")
    return Ran(record, tuple(draft["text"] for draft in state.get("drafts", ())))


class JudgeSubject:
    """A judge over drafts of which it is known whether their documents support them.

    ``threshold``: score in [0, 1] from which a draft passes.
    """

    kind = "judge"
    config: RouterConfig | None = None
    tiers: tuple[Tier, ...] = ()

    def __init__(self, judge: Judge, *, threshold: float) -> None:
        self._judge, self._threshold = judge, threshold

    @property
    def digest(self) -> str:
        return digest_of("judge", _package(), self._judge.digest, self._threshold)

    def about(self) -> dict[str, Any]:
        model = {"name": self._judge.name, "digest": self._judge.digest}
        return {"name": self._judge.name, "kind": self.kind, "model": model, "threshold": self._threshold}

    def key(self, case: Case) -> str:
        return case.request_digest

    def observe(self, case: Case) -> Observation:
        return guarded(case, lambda: self._verdict(case))

    def _verdict(self, case: Case) -> Observation:
        from tiergraph.documents import as_documents

        if case.draft is None:
            raise InputError(f"{case.id!r} has no 'draft' to judge.", code="no_draft")
        began = time.perf_counter()
        verdict = self._judge.judge(
            case.question,
            case.draft,
            as_documents(list(case.documents)),
            threshold=self._threshold,
            deadline=time.monotonic() + PATIENCE_S,
        )
        if not isinstance(verdict.score, (int, float)) or not 0 <= verdict.score <= 1:
            raise InputError("The judge gave a score outside [0, 1].", code="bad_verdict")
        return Observation(
            case=case.id,
            outcome="judged",
            score=verdict.score,
            passed=verdict.passed,
            reason=verdict.reason,
            latency_ms=(time.perf_counter() - began) * 1000,
        )


class FunctionSubject:
    """A router of your own: a function of the question.

    It gives a tier's name, a score in [0, 1] (higher: a stronger tier is needed), a mapping of tier to probability that
    it is the cheapest sufficient one, or a `Decision`.
    """

    kind = "function"
    config: RouterConfig | None = None

    def __init__(self, function: Callable[[str], Any], tiers: Sequence[Tier], *, digest: str | None = None) -> None:
        self._function, self.tiers, self._digest = function, tuple(tiers), digest
        self._name = getattr(function, "__name__", type(function).__name__)

    @property
    def digest(self) -> str | None:
        names = [tier.name for tier in self.tiers]
        return None if self._digest is None else digest_of("function", _package(), self._digest, names)

    def about(self) -> dict[str, Any]:
        return {"name": self._name, "kind": self.kind}

    def key(self, case: Case) -> str:
        return digest_of(case.question)

    def observe(self, case: Case) -> Observation:
        return guarded(case, lambda: self._call(case))

    def _call(self, case: Case) -> Observation:
        began = time.perf_counter()
        answer = self._function(case.question)
        found = self._understood(case, answer)
        return replace(found, latency_ms=(time.perf_counter() - began) * 1000)

    def _understood(self, case: Case, answer: Any) -> Observation:
        names = [tier.name for tier in self.tiers]
        if hasattr(answer, "tier_probabilities"):
            return observed_decision(case, answer)
        if isinstance(answer, str):
            if names and answer not in names:
                raise InputError(f"The router named {answer!r}. Tiers: {names}.", code="unknown_tier")
            rank = names.index(answer) / max(len(names) - 1, 1) if names else None
            return self._observed(case, answer, rank)
        if isinstance(answer, Mapping):
            given = {name: float(answer.get(name, 0.0)) for name in names}
            if not all(0 <= probability <= 1 for probability in given.values()):
                raise InputError("The router gave a probability outside [0, 1].", code="bad_score")
            best = max(given, key=lambda name: given[name])
            return self._observed(case, best, 1.0 - given[names[0]], given)
        score = float(answer)
        if not 0 <= score <= 1:
            raise InputError(f"The router gave {score!r}, not a score in [0, 1].", code="bad_score")
        return self._observed(case, names[min(int(score * len(names)), len(names) - 1)] if names else None, score)

    @staticmethod
    def _observed(
        case: Case, tier: str | None, score: float | None, probabilities: Mapping[str, float] | None = None
    ) -> Observation:
        return Observation(
            case=case.id,
            tier=tier,
            decided=tier,
            source="model",
            score=score,
            tier_probabilities=probabilities or {},
        )


class RecordsSubject:
    """The past: what the cases' own records say happened."""

    kind = "records"
    digest: str | None = None

    def __init__(self, cases: Sequence[Case], config: RouterConfig | None = None) -> None:
        self.config = config
        seen = dict.fromkeys(tier for case in cases for tier in _tiers_of(case.record or {}))
        named = tuple(Tier(name=name, model="quote", location="on_prem") for name in seen)
        self.tiers: tuple[Tier, ...] = config.tiers if config else named
        digests = {case.record.get("config_digest") for case in cases if case.record}
        self._digests = sorted(str(each) for each in digests)

    def about(self) -> dict[str, Any]:
        return {"name": "records", "kind": self.kind, "config_digests": self._digests}

    def key(self, case: Case) -> str:
        return case.id

    def observe(self, case: Case) -> Observation:
        if case.record is None:
            return Observation(case=case.id, outcome="error", error="no_record")
        return guarded(case, lambda: self._read(case, case.record or {}))

    def _read(self, case: Case, record: Mapping[str, Any]) -> Observation:
        qualities = [case.outcomes.get(hop["tier"]) for hop in record.get("hops", ())]
        return replace(observed_record(case, record, qualities), latency_ms=float(record.get("latency_ms") or 0.0))


def guarded(case: Case, observe: Callable[[], Observation]) -> Observation:
    """An observation, or one that says what went wrong: by class or code, since a message may repeat the request."""
    try:
        return observe()
    except InputError as error:
        return Observation(case=case.id, outcome="error", error=error.code)
    except TiergraphError as error:
        return Observation(case=case.id, outcome="error", error=str(getattr(error, "code", type(error).__name__)))
    except Exception as error:
        return Observation(case=case.id, outcome="error", error=type(error).__name__)


def observed_decision(case: Case, decision: Decision) -> Observation:
    """An observation of a decision."""
    proposal = decision.proposal.model_dump() if decision.proposal else {}
    return Observation(
        case=case.id,
        tier=decision.tier,
        decided=decision.tier,
        outcome=decision.outcome,
        source=_source(decision.source),
        score=decision.score,
        confidence=decision.confidence,
        tier_probabilities=dict(decision.tier_probabilities),
        allowed=tuple(decision.allowed),
        findings=tuple(dict.fromkeys(finding.kind for finding in decision.findings)),
        proposal=proposal,
        probabilities=_probabilities(proposal, decision.field_probabilities),
        reason=decision.reasons[0] if decision.reasons else None,
        latency_ms=decision.latency_ms,
    )


def observed_record(case: Case, record: Mapping[str, Any], qualities: Sequence[float | None]) -> Observation:
    """An observation of a routing record. ``qualities``: score of the draft of each hop, ``None`` where unknown."""
    hops = tuple(
        Hop(
            tier=hop["tier"],
            code=hop.get("code"),
            passed=None if hop["outcome"] == "failed" or not hop.get("verdict") else bool(hop["verdict"]["passed"]),
            score=(hop.get("verdict") or {}).get("score"),
            quality=quality,
            cost_usd=case.costs.get(hop["tier"], hop["cost_usd"]) if hop["outcome"] != "failed" else hop["cost_usd"],
            latency_ms=hop["latency_ms"],
        )
        for hop, quality in zip(record.get("hops", ()), qualities, strict=True)
    )
    answered = record.get("outcome") == "answered" and record.get("tier") is not None
    return Observation(
        case=case.id,
        tier=record.get("tier"),
        decided=record.get("decided"),
        outcome=str(record.get("outcome")),
        source=_source(record.get("source")),
        score=record.get("score"),
        confidence=record.get("confidence"),
        tier_probabilities=dict(record.get("tier_probabilities") or {}),
        allowed=tuple(record.get("allowed") or ()),
        findings=_asked(case, record.get("findings") or ()),
        proposal=dict(record.get("proposal") or {}),
        reason=record.get("reason"),
        hops=hops,
        quality=next((hop.quality for hop in reversed(hops) if hop.tier == record["tier"]), None) if answered else None,
        cost_usd=sum(hop.cost_usd for hop in hops),
    )


def _asked(case: Case, findings: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Kinds that were found in the request itself: what a case states is not about drafts and retrieved documents."""
    outside = ("draft",) if case.documents else ("draft", "document")
    return tuple(
        dict.fromkeys(finding["kind"] for finding in findings if finding.get("where", "question") not in outside)
    )


def known_score(case: Case, text: str, tier: str) -> float | None:
    """The recorded score of the tier's answer; else 1 or 0 by what an answer has to contain; else unscored."""
    if tier in case.drafts and tier in case.outcomes:
        return case.outcomes[tier]
    if not case.expect.contains:
        return case.outcomes.get(tier)
    said = text.casefold()
    return float(all(part.casefold() in said for part in case.expect.contains))


def _graph_input(case: Case) -> dict[str, Any]:
    asked = case.request
    text = asked.pop("text", None)
    return {"messages": [{"role": "user", "content": text}], **asked} if text is not None else asked


def _probabilities(proposal: Mapping[str, Any], fields: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Field to the probability of what was proposed, and of each flag to that of true."""
    found: dict[str, float] = {}
    for name, values in fields.items():
        value = proposal.get(name)
        wanted = "true" if isinstance(value, bool) else str(value)
        if wanted in values:
            found[name] = values[wanted]
    return found


def _source(source: Any) -> str | None:
    return "model" if source == "cache" else source


def _of_config(decider: Decider) -> dict[str, Any]:
    return {
        "config_digest": decider.config.digest,
        "model": {"name": decider.chain.name, "digest": decider.chain.digest},
    }


def _tiers_of(record: Mapping[str, Any]) -> list[str]:
    hops = [hop["tier"] for hop in record.get("hops") or ()]
    return [*(record.get("tier_probabilities") or {}), *(record.get("allowed") or ()), *hops]


def _package() -> str:
    from importlib.metadata import version

    return version("tiergraph")
