"""Screen and propose, without drafting: from a request to a policy-checked decision.

Failure rule: a screen that fails counts as having found; a router model that fails raises its flags and the
highest tier left answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from tiergraph.config import RouterConfig
from tiergraph.effects import Call, Steps, arun, run
from tiergraph.policy import AllowedSet, Decision, Finding, allowed_tiers, distinct, resolve
from tiergraph.proposers.base import Flags, Proposer
from tiergraph.proposers.chain import Chain, Consultation, within
from tiergraph.request import Request, parse_request
from tiergraph.screening import Screens, Segment
from tiergraph.screening.redaction import RedactionError, Redactor
from tiergraph.tiers import Location

_FLAG_RULE = "flag:model"
_UNREAD_RULE = "flag:unread"
_FAILED_RULE = "flag:unavailable"


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the router models said, or that none could; findings include those of their flags."""

    findings: tuple[Finding, ...]
    consultation: Consultation = field(default_factory=lambda: Consultation(proposed=None))


class Decider:
    """Screens and router models of one configuration. Thread-safe; build once, use for every request."""

    def __init__(self, config: RouterConfig, proposer: Proposer | Chain, *, unreachable: Iterable[str] = ()) -> None:
        self.config = config
        self.chain = (
            proposer
            if isinstance(proposer, Chain)
            else Chain.of(
                proposer, sufficiency=config.sufficiency, intents=config.router.intents, reasons=config.router.reasons
            )
        )
        self.unreachable = frozenset(unreachable)
        self.screens = Screens(config.policy, config.ladder, answer_tokens=config.budgets.answer_tokens)
        self.redactor = Redactor(self.screens.pii)
        # Pure, and asked several times a hop with the same few findings.
        self._allowed = lru_cache(maxsize=1024)(
            lambda findings, reviewed: allowed_tiers(
                findings, config.ladder, config.policy, unreachable=self.unreachable, reviewed=reviewed
            )
        )

    def decide(
        self,
        text: str | None = None,
        *,
        messages: Any = None,
        documents: Any = None,
        metadata: Mapping[str, Any] | None = None,
        attachments: Any = None,
    ) -> Decision:
        """Decide one request, given as a text or as messages.

        Raises:
            InputError: The request cannot be routed; names the fix. A router model that fails raises nothing: it
                gives source ``fallback``.
        """
        request = parse_request(
            text if messages is None else messages, documents=documents, metadata=metadata, attachments=attachments
        )
        return run(self.steps(request))

    async def adecide(
        self,
        text: str | None = None,
        *,
        messages: Any = None,
        documents: Any = None,
        metadata: Mapping[str, Any] | None = None,
        attachments: Any = None,
    ) -> Decision:
        """As `decide`, without blocking the event loop."""
        request = parse_request(
            text if messages is None else messages, documents=documents, metadata=metadata, attachments=attachments
        )
        return await arun(self.steps(request))

    def warm(self) -> None:
        """Load now what the first request would otherwise wait for: Presidio takes seconds to import."""
        self.screens.pii.find("a@example.org")

    def close(self) -> None:
        """Give back the router models' memory, connections and threads."""
        self.chain.close()

    def __enter__(self) -> Decider:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def steps(self, request: Request) -> Steps[Decision]:
        started = time.perf_counter()
        # Presidio on a long text takes a while: a worker thread keeps the loop free.
        findings: tuple[Finding, ...] = yield Call(lambda: self.screen(request))
        decision = yield from self.propose(request, findings)
        return replace(decision, latency_ms=(time.perf_counter() - started) * 1000)

    def screen(self, request: Request, drafts: Sequence[str] = ()) -> tuple[Finding, ...]:
        """What the rules see in all parts of the request and in the drafts."""
        return self.screens.screen(request.segments(drafts), attachments=request.attachments, metadata=request.metadata)

    def allowed(self, findings: Iterable[Finding], *, reviewed: bool = False) -> AllowedSet:
        """The allowed set as things stand; ``reviewed`` as in `allowed_tiers`."""
        return self._allowed(tuple(findings), reviewed)

    def propose(self, request: Request, findings: tuple[Finding, ...]) -> Steps[Decision]:
        """Ask the router models, unless rules already gave the request to a person or refused it."""
        before = self.allowed(findings)
        if before.stop is not None:  # findings only ever narrow: nothing that the model says could change it
            return self._decision(None, findings, before)
        answer = yield from self._ask(request, findings)
        return self._decision(answer, answer.findings, self.allowed(answer.findings))

    def flag_segments(
        self, segments: Sequence[Segment], findings: tuple[Finding, ...], *, deadline: float | None = None
    ) -> Steps[tuple[Finding, ...]]:
        """Findings of the model's flags on parts of a request, window by window up to the budget.

        What cannot be read, because the budget is spent, the model fails or the text may not leave, counts as found.
        ``deadline``: a time of ``time.monotonic()``; without one, ``router.deadline_ms`` from now.
        """
        budget = self.config.policy.flag_windows
        deadline = self._deadline() if deadline is None else deadline
        found = list(findings)
        for segment in segments:
            text = self.outbound(segment.text, self.chain.reader.location, found)
            if not segment.text.strip():
                continue
            if text is None:
                found += _flag_findings(Flags(contains_pii=True), segment.where, _UNREAD_RULE)
                continue
            try:
                reading = yield Call(
                    lambda text=text, budget=budget: self.chain.reader.read_flags(  # type: ignore[misc]
                        text, deadline=deadline, windows=budget
                    ),
                    timeout_s=None if self.chain.reader_bounded else max(deadline - time.monotonic(), 0.0),
                )
            except Exception:  # a reader of the user's own may raise anything, and its message may hold the text
                found += _flag_findings(Flags(contains_pii=True, is_legal=False), segment.where, _FAILED_RULE)
                continue
            budget = max(budget - reading.windows, 0)
            # Legal vocabulary is at home in a document or a draft: there only PII counts, as in the legal screen.
            asked = segment.where in ("question", "history")
            flags = reading.flags if asked else replace(reading.flags, is_legal=False)
            found += _flag_findings(flags, segment.where, _FLAG_RULE)
            if not reading.complete:
                found += _flag_findings(Flags(contains_pii=True), segment.where, _UNREAD_RULE)
        return distinct(found)

    def outbound(
        self, text: str, location: Location, findings: Iterable[Finding], vault: dict[str, str] | None = None
    ) -> str | None:
        """What may be sent to a place: the text, the text with placeholders, or ``None`` where nothing may be.

        Everything that leaves passes through here, with the findings of all that was screened so far. Where they
        leave no external tier of those on the ladder, nothing goes outside for any other purpose either.
        """
        policy, findings = self.config.policy, tuple(findings)
        if location == "external" and self._inside_only(findings):
            return None
        pii = [finding for finding in findings if finding.kind == "pii"]
        if location == "on_prem" or policy.pii == "allow" or not pii:
            return text
        if policy.pii != "redact" or not all(finding.spans for finding in pii):
            return None
        try:
            return self.redactor.redact(text, {} if vault is None else vault)
        except RedactionError:
            return None

    def outbound_part(
        self,
        text: str,
        request: Request,
        location: Location,
        findings: Iterable[Finding],
        vault: dict[str, str] | None = None,
        drafts: Sequence[str] = (),
    ) -> str | None:
        """As `outbound`, for a part that goes alone: values that the other parts give away are replaced in it too."""
        vault, findings = {} if vault is None else vault, tuple(findings)
        if location == "external" and self.config.policy.pii == "redact":
            for segment in request.segments(drafts):
                if self.outbound(segment.text, location, findings, vault) is None:
                    return None
        return self.outbound(text, location, findings, vault)

    def _inside_only(self, findings: tuple[Finding, ...]) -> bool:
        external = [tier.name for tier in self.config.ladder if tier.location == "external"]
        allowed = self.allowed(findings)
        return bool(external) and allowed.stop is None and not set(external) & set(allowed.tiers)

    def _deadline(self) -> float:
        return time.monotonic() + self.config.router.deadline_ms / 1000

    def _ask(self, request: Request, findings: tuple[Finding, ...]) -> Steps[_Answer]:
        # A first router model that reads flags reads those of the question as it decides; else they are read before
        # the question goes anywhere.
        first, deadline = self.chain.reads_question, self._deadline()
        parts = request.segments()
        unread = [segment for segment in parts if not first or segment.where != "question"]
        seen = [(yield from self.flag_segments(unread, findings, deadline=deadline))]

        def narrow(flags: Flags) -> tuple[str, ...]:
            seen.append(distinct((*seen[-1], *_flag_findings(flags, "question", _FLAG_RULE))))
            return self.allowed(seen[-1]).tiers

        def read_question() -> Steps[None]:
            question = [segment for segment in parts if segment.where == "question"]
            seen.append((yield from self.flag_segments(question, seen[-1], deadline=deadline)))

        consultation = yield from self.chain.steps(
            lambda location: self.outbound_part(request.question, request, location, seen[-1]),
            narrow=narrow,
            deadline=deadline,
            windows=self.config.policy.flag_windows,
            read_question=read_question,
        )
        proposed, allowed = consultation.proposed, self.allowed(seen[-1]).tiers
        if proposed is None or (proposed.proposal and proposed.proposal.tier not in allowed):
            return _failed(seen[-1], consultation)
        return _Answer(findings=seen[-1], consultation=replace(consultation, proposed=within(proposed, allowed)))

    def _decision(self, answer: _Answer | None, findings: tuple[Finding, ...], allowed: AllowedSet) -> Decision:
        consultation = answer.consultation if answer else Consultation(proposed=None)
        proposed = consultation.proposed
        proposal = proposed.proposal if proposed else None
        resolution = resolve(
            proposal,
            proposed.confidence if proposed and proposal else None,
            allowed,
            self.config.ladder,
            self.config.policy,
            self.config.map,
        )
        source = resolution.source
        if source == "model" and proposed and proposed.cached:
            source = "cache"
        failure = consultation.failure
        reasons = resolution.reasons if failure is None else (failure, *resolution.reasons)
        probabilities = dict(proposed.tier_probabilities) if proposed and proposal else {}
        return Decision(
            tier=resolution.tier,
            source=source,
            outcome="route" if resolution.tier is not None else ("refuse" if allowed.stop == "refuse" else "human"),
            allowed=allowed.tiers,
            confidence=probabilities.get(resolution.tier or "", None),
            score=proposed.score if proposed else None,
            tier_probabilities=probabilities,
            field_probabilities=proposed.field_probabilities if proposed and proposal else {},
            findings=findings,
            reasons=reasons,
            proposal=proposal,
            proposer=consultation.by,
            consulted=consultation.consulted,
            confidence_from=proposed.confidence_from if proposed and proposal else None,
            redact=allowed.redact,
            floor_clipped=allowed.clipped,
            config_digest=self.config.digest,
        )


def _failed(findings: tuple[Finding, ...], consultation: Consultation) -> _Answer:
    """The fallback row: the models' flags count as raised."""
    raised = _flag_findings(Flags(contains_pii=True, is_legal=True), "question", _FAILED_RULE)
    return _Answer(findings=distinct((*findings, *raised)), consultation=replace(consultation, proposed=None, by=None))


def _flag_findings(flags: Flags, where: Any, rule: str) -> tuple[Finding, ...]:
    found = []
    if flags.contains_pii:
        found.append(Finding(kind="pii", rule=rule, where=where))
    if flags.is_legal:
        found.append(Finding(kind="legal", rule=rule, where=where))
    return tuple(found)


def create_decider(
    config: RouterConfig,
    *,
    proposer: Proposer | Chain | None = None,
    given: Container[str] = (),
    progress: Callable[[str], None] | None = None,
) -> Decider:
    """Screens and router models of a configuration, ready to decide.

    Args:
        config: From `load_config`.
        proposer: A router model to use in place of those that are configured. One that reads no flags, or is
            somewhere else, gets the embedded model beside it for them.
        given: Names of tiers whose chat model the caller brings; they count as reachable. The others count as
            unreachable where `tiergraph.answering.why_unreachable` finds a reason.
        progress: Told what is loaded next.

    Raises:
        ConfigError: The configuration does not fit the router model.
        ModelError: The router model cannot be loaded, or was refused by the canary.
    """
    from tiergraph.answering import unreachable_tiers

    if proposer is None:
        proposer = load_proposer(config) if progress is None else load_proposer(config, progress=progress)
    elif not isinstance(proposer, Chain):
        from tiergraph.proposers.linking import with_reader

        proposer = with_reader(proposer, config)
    return Decider(
        config,
        proposer,
        unreachable=(name for name in unreachable_tiers(config) if name not in given),
    )


def load_proposer(config: RouterConfig, *, progress: Callable[[str], None] = lambda _: None) -> Proposer | Chain:
    """The router models that the configuration names, as a chain. ``progress`` is told what is loaded next."""
    from tiergraph.proposers.linking import load_chain

    return load_chain(config, progress=progress)
