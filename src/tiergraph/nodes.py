"""What each step of the flow does: the only effects of the graph.

Every node is a generator over `Call`s, so sync and async share one body. Failure rules stand beside each node;
`GraphBubbleUp` (interrupts, cancellation) always passes through.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import GraphBubbleUp
from langgraph.types import interrupt

from tiergraph.answering import Reply, TierClient, estimate_tokens, prompt_tokens
from tiergraph.decider import Decider
from tiergraph.documents import Document, as_documents
from tiergraph.effects import Call, Steps, arun, run
from tiergraph.errors import JudgeError, JudgeTimeoutError, TierError, TiersUnavailableError
from tiergraph.extractive import QUOTE_K
from tiergraph.failures import GAVE_UP
from tiergraph.handoff import Draft, Handoff
from tiergraph.judges import EvidenceJudge, Judge, Verdict
from tiergraph.policy import AllowedSet, Decision, Finding, clip, distinct, next_tier
from tiergraph.prompting import messages_for_people, prompts_digest, prompts_in_use
from tiergraph.records import OnRecord, build_record, decision_json, input_hash
from tiergraph.request import Request, clean_text, parse_request
from tiergraph.review import review_packet, reviewed
from tiergraph.screening import Segment
from tiergraph.state import Channels, DraftState, RouterState, flat, folded
from tiergraph.tiers import Location, Tier

if TYPE_CHECKING:
    from tiergraph.evaluation.shadow import Shadow

Update = dict[str, Any]

_CHECKPOINTER = "__pregel_checkpointer"
_FOLLOW_UP_WORDS = 6


class Node(Runnable[Channels, Update]):
    """A node body as a runnable with both ways in; a plain function could have only one."""

    def __init__(self, body: Callable[[RouterState], Steps[Update]]) -> None:
        self._body = body
        self.name = body.__name__

    def invoke(self, input: Channels, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        started = time.perf_counter()
        return self._update(run(self._body(flat(input))), input, started)

    async def ainvoke(self, input: Channels, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        started = time.perf_counter()
        return self._update(await arun(self._body(flat(input))), input, started)

    def _update(self, update: Update, channels: Channels, started: float) -> Update:
        fresh = self.name == "screen"
        before = 0.0 if fresh else channels.get("work", {}).get("spent_ms", 0.0)
        spent = before + (time.perf_counter() - started) * 1000
        return folded({**update, "spent_ms": spent}, channels, fresh=fresh)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _JudgeInput:
    vault: dict[str, str]
    question: str
    draft: str
    documents: list[Document]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nodes:
    """The nodes of one router.

    Attributes:
        decider: Screens and router model.
        clients: Tier name to what asks it.
        judges: In order of preference; one that may not see the request is passed over for the next.
        retriever: Sync and async search with its location, or ``None``.
        on_record: Called with every finished record.
        shadow: Shown every finished request; it never serves, and nothing of it comes back.
    """

    decider: Decider
    clients: Mapping[str, TierClient]
    judges: Sequence[Judge]
    retriever: tuple[Callable[[str], Any], Callable[[str], Any] | None] | None
    on_record: OnRecord | None
    shadow: Shadow | None = None

    # screen: a screen that fails counts as having found what it looks for.
    def screen(self, state: RouterState) -> Steps[Update]:
        request = _request(state, fresh=True)
        findings = yield Call(lambda: self.decider.screen(request))
        allowed = self.decider.allowed(findings)
        return {
            "started": time.time(),
            "input_hash": input_hash(request.question, self.decider.config),
            "sources": [dict(document) for document in request.documents],
            "findings": _dump(findings),
            "decision": {},
            "stop": allowed.stop,
            "current": None,
            "wants_documents": False,
            "retrieval": {"called": False, "documents": 0, "code": None},
            "drafts": [],
            "hops": [],
            "trouble": None,
            "review": None,
            "outcome": "refused" if allowed.stop == "refuse" else None,
            "accepted": None,
            "routing": {},
        }

    # propose: a router model that fails raises its flags, and the highest tier left answers.
    def propose(self, state: RouterState) -> Steps[Update]:
        request = _request(state)
        started = time.perf_counter()
        decision = yield from self.decider.propose(request, _load(state["findings"]))
        decision = dataclasses.replace(decision, latency_ms=(time.perf_counter() - started) * 1000)
        allowed = self.decider.allowed(decision.findings)
        _emit("decision", tier=decision.tier, source=decision.source)
        return {
            "decision": decision_json(decision),
            "findings": _dump(decision.findings),
            "stop": allowed.stop or ("human" if decision.tier is None else None),
            "outcome": "refused" if allowed.stop == "refuse" else None,
            "current": decision.tier,
            "wants_documents": self._wants_documents(decision, request),
        }

    # retrieve: without documents the flow goes on; the judge then has nothing to check against.
    def retrieve(self, state: RouterState) -> Steps[Update]:
        request, findings = _request(state), _load(state["findings"])
        assert self.retriever is not None
        search, asearch = self.retriever
        settings = self.decider.config.retrieval
        query = self.decider.outbound_part(_query(request), request, settings.location, findings)
        if query is None:
            return {"retrieval": {"called": False, "documents": 0, "code": "withheld"}}
        try:
            found = yield Call(
                lambda: search(query), None if asearch is None else lambda: asearch(query), settings.timeout_s
            )
            documents = as_documents(found)[: settings.k]
        except GraphBubbleUp:
            raise
        except Exception as error:
            code = "timeout" if isinstance(error, TimeoutError) else "failed"
            return {"retrieval": {"called": True, "documents": 0, "code": code}}
        request = parse_request("?", documents=documents)  # cleaned, and screened below like all that comes in
        segments = [segment for segment in request.segments() if segment.where == "document"]
        seen = yield Call(lambda: self.decider.screens.screen(segments))
        findings = yield from self.decider.flag_segments(segments, distinct((*findings, *seen)))
        allowed = self._allowed(state, findings)
        current = state["current"]
        return {
            "sources": [dict(document) for document in request.documents],
            "findings": _dump(findings),
            "stop": allowed.stop,
            "current": clip(current, allowed.tiers, self.decider.config.ladder) if current and allowed.tiers else None,
            "retrieval": {"called": True, "documents": len(documents), "code": None},
        }

    # draft: bounded retries with backoff; then the hop is kept with its reason code and the cascade goes on.
    def draft(self, state: RouterState) -> Steps[Update]:
        ladder = self.decider.config.ladder
        tier = ladder[cast(str, state["current"])]
        findings = _load(state["findings"])
        hop = _new_hop(tier)
        started = time.perf_counter()
        reply: Reply | None = None
        try:
            # The set is computed again before every hop; a tier that fell out of it is never asked.
            if tier.name not in self._allowed(state, findings).tiers:
                raise TierError(tier.name, "forbidden", retryable=False)
            vault: dict[str, str] = {}
            handoff, media = self._handoff(state, tier, findings, vault)
            self._afford(state, tier, handoff)
            reply = yield from self._ask(state, tier, handoff, media, hop)
            reply = self._restored(reply, vault)
            hop |= {"redacted": bool(vault)}
        except TierError as error:
            hop |= {"outcome": "failed", "code": error.code}
        hop["latency_ms"] = round((time.perf_counter() - started) * 1000, 3)
        _emit("draft", tier=tier.name, outcome=hop["outcome"], code=hop["code"])
        hops = [*state["hops"], hop]
        if reply is None:
            self._raise_if_unavailable(state, findings, hops)
            return {"hops": hops}
        hop |= _usage(tier, reply)
        draft = DraftState(tier=tier.name, text=clean_text(reply.text), tool_calls=list(reply.tool_calls), verdict=None)
        texts = [draft["text"], *(str(call["args"]) for call in reply.tool_calls)]
        seen = yield Call(lambda: self.decider.screens.screen(_draft_segments(texts)))
        return {
            "hops": hops,
            "drafts": [*state["drafts"], draft],
            "findings": _dump(distinct((*findings, *seen))),
        }

    # judge: one that fails, is late or may not see the draft gives no verdict, and no verdict is not a pass.
    def judge(self, state: RouterState) -> Steps[Update]:
        draft, hop = state["drafts"][-1], state["hops"][-1]
        if self.decider.config.cascade.judge == "none" or draft["tool_calls"]:
            code = "tool_calls" if draft["tool_calls"] else "not_judged"
            verdict: dict[str, Any] = {
                "passed": True,
                "score": None,
                "reason": code,
                "unsupported": [],
                "uncovered": [],
            }
            findings = _load(state["findings"])
            name = None
        else:
            verdict, findings, name = yield from self._verdict(state, draft)
        passed = bool(verdict["passed"])
        counted = {
            "passed": passed,
            "score": verdict["score"],
            "reason": verdict["reason"],
            "unsupported": len(verdict["unsupported"]),
            "uncovered": len(verdict["uncovered"]),
            "judge": name,
        }
        _emit("verdict", tier=draft["tier"], passed=passed, reason=verdict["reason"])
        return {
            "findings": _dump(findings),
            "drafts": [*state["drafts"][:-1], {**draft, "verdict": verdict}],
            "hops": [*state["hops"][:-1], {**hop, "outcome": "accepted" if passed else "rejected", "verdict": counted}],
            "accepted": len(state["drafts"]) - 1 if passed else None,
            "outcome": "answered" if passed else None,
        }

    # escalate: climbs strictly after a verdict; after a failure with nothing above, the highest tier not yet tried.
    def escalate(self, state: RouterState) -> Steps[Update]:
        findings = _load(state["findings"])
        if self._any_external(state, findings) and state["drafts"]:
            # Patterns read each draft as it came; before one can leave, the model's flags read it too.
            segments = _draft_segments([state["drafts"][-1]["text"]])
            findings = yield from self.decider.flag_segments(segments, findings)
        following, trouble = self._following(state, findings)
        update: Update = {"findings": _dump(findings), "current": following, "trouble": trouble}
        if following is None and trouble == "unavailable":
            update["outcome"] = "unavailable"
        elif following is None and self.decider.config.cascade.on_exhausted == "abstain":
            update["outcome"] = "abstained"
        else:
            _emit("escalate", tier=following, code=state["hops"][-1]["code"])
        return update

    # human: with a checkpointer the thread waits for a person; without one the answer says that a person is needed.
    def human(self, state: RouterState) -> Steps[Update]:
        findings = _load(state["findings"])
        if _resumable():
            findings = yield from self._flagged_for_review(state, findings)
        released = self.decider.allowed(findings, reviewed=True).tiers
        packet = review_packet(
            cast(RouterState, {**state, "findings": _dump(findings)}), self._allowed(state, findings), released
        )
        if not _resumable():
            return {"outcome": "human", "review": {"action": None, "packet": packet}}
        error: str | None = None
        while True:
            answer = interrupt({**packet, "error": error} if error else packet)
            update, error = reviewed(state, answer, released)
            if update is not None:
                return {**update, "findings": _dump(findings)}

    def finish(self, state: RouterState) -> Steps[Update]:
        findings = _load(state["findings"])
        outcome = state["outcome"] or "human"
        accepted = state["accepted"]
        review = state["review"] or {}
        calls: list[dict[str, Any]] = []
        if "content" in review:
            content = review["content"]
        elif accepted is not None:
            content, calls = state["drafts"][accepted]["text"], state["drafts"][accepted]["tool_calls"]
        else:
            content = messages_for_people()[outcome]
        kept = {key: value for key, value in review.items() if key != "content"} or None
        record = build_record(
            state={**state, "outcome": outcome, "review": kept},
            config=self.decider.config,
            allowed=self._allowed(state, findings),
            model={"name": self.decider.chain.name, "digest": self.decider.chain.digest},
            prompts_digest=prompts_digest(),
            prompts=prompts_in_use(),
        )
        if self.on_record is not None:
            self.on_record(record)
        if self.shadow is not None:
            # As it came in: without the documents that were retrieved for the live tiers.
            self.shadow.observe(lambda: _request(state, fresh=True), record)
        _emit("finish", outcome=outcome, tier=record["tier"])
        message = AIMessage(content, tool_calls=[{**call, "type": "tool_call"} for call in calls])
        # What belongs to this turn alone must not linger on a thread of our own.
        return {"messages": [message], "routing": record, "outcome": outcome, "documents": [], "attachments": []}
        yield

    def _flagged_for_review(self, state: RouterState, findings: tuple[Finding, ...]) -> Steps[tuple[Finding, ...]]:
        """Before a person is offered a tier outside, the model's flags read all that it would be handed.

        Rules may have sent the request to a person before the router model saw any of it.
        """
        ladder = self.decider.config.ladder
        released = self.decider.allowed(findings, reviewed=True).tiers
        if all(ladder[name].location == "on_prem" for name in released):
            return findings
        drafts = [draft["text"] for draft in state["drafts"]]
        return (yield from self.decider.flag_segments(_request(state).segments(drafts), findings))

    def _wants_documents(self, decision: Decision, request: Request) -> bool:
        """As the router model says; and always for a tier that has nothing to answer with but documents."""
        if self.retriever is None or request.documents or decision.tier is None:
            return False
        return decision.needs_retrieval or self.decider.config.ladder[decision.tier].extractive

    def _allowed(self, state: RouterState, findings: Iterable[Finding]) -> AllowedSet:
        return self.decider.allowed(findings, reviewed=(state.get("review") or {}).get("action") == "route")

    def _any_external(self, state: RouterState, findings: Iterable[Finding]) -> bool:
        ladder = self.decider.config.ladder
        return any(ladder[name].location == "external" for name in self._allowed(state, findings).tiers)

    def _handoff(
        self, state: RouterState, tier: Tier, findings: Sequence[Finding], vault: dict[str, str]
    ) -> tuple[Handoff, Sequence[dict[str, Any]]]:
        request = _request(state)
        redact = self._allowed(state, findings).redact and tier.location == "external"
        if redact and request.media:
            raise TierError(tier.name, "withheld", retryable=False)  # no placeholder fits into a picture

        def out(text: str) -> str:
            sent = self.decider.outbound(text, tier.location, findings, vault)
            if sent is None:
                raise TierError(tier.name, "withheld", retryable=False)
            return sent

        def build() -> Handoff:
            return Handoff(
                question=out(request.question),
                history=tuple({"role": turn["role"], "content": out(turn["content"])} for turn in request.history),
                documents=tuple(_mapped(document, out) for document in self._documents_for(state, tier)),
                tool_results=tuple(out(text) for text in request.tool_results),
                drafts=tuple(_handed_draft(draft, out) for draft in state["drafts"]),
            )

        handoff = build()
        if vault:
            handoff = build()  # a value that one part gives away is replaced in the parts before it too
        return handoff, request.media

    def _documents_for(self, state: RouterState, tier: Tier) -> list[Document]:
        """All documents; of retrieved ones, which come best first, ``quote`` reads only the best few."""
        narrow = tier.model == "quote" and state["retrieval"]["called"]
        return _documents(state)[: QUOTE_K if narrow else None]

    def _afford(self, state: RouterState, tier: Tier, handoff: Handoff) -> None:
        """Raise `TierError` where the estimated cost of this hop would break the budget."""
        budgets = self.decider.config.budgets
        if budgets.max_cost_usd is None:
            return
        tokens = sum(estimate_tokens(turn["content"]) for turn in handoff.render(max_tokens=prompt_tokens(tier)))
        spent = sum(hop["cost_usd"] for hop in state["hops"])
        if spent + tier.price.cost(tokens, budgets.answer_tokens) > budgets.max_cost_usd:
            raise TierError(tier.name, "over_budget", retryable=False)

    def _ask(
        self, state: RouterState, tier: Tier, handoff: Handoff, media: Sequence[dict[str, Any]], hop: dict[str, Any]
    ) -> Steps[Reply]:
        client, cascade = self.clients[tier.name], self.decider.config.cascade
        started = time.monotonic()
        for attempt in range(cascade.retries + 1):
            left = self._time_left(state) - (time.monotonic() - started)
            if left <= 0:
                raise TierError(tier.name, "deadline", retryable=False)
            hop["retries"] = attempt
            try:
                reply: Reply = yield Call(
                    lambda: client.answer(handoff, media),
                    lambda: client.aanswer(handoff, media),
                    None if tier.extractive else min(tier.timeout_s, left),
                )
                return reply
            except GraphBubbleUp:
                raise
            except TimeoutError:
                error = TierError(tier.name, "timeout", retryable=True)
            except TierError as failed:
                error = failed
            if not error.retryable or attempt == cascade.retries:
                raise error
            pause = min(cascade.backoff_s * 2**attempt, max(left, 0.0))
            yield Call(lambda pause=pause: time.sleep(pause), lambda pause=pause: asyncio.sleep(pause))  # type: ignore[misc]
        raise AssertionError("unreachable")

    def _time_left(self, state: RouterState) -> float:
        """Seconds of work that the deadline leaves."""
        deadline = self.decider.config.budgets.deadline_s
        return float("inf") if deadline is None else deadline - state["spent_ms"] / 1000

    def _restored(self, reply: Reply, vault: dict[str, str]) -> Reply:
        if not vault:
            return reply
        restore = self.decider.redactor.restore
        calls = tuple(
            {**call, "args": _restored_json(call["args"], lambda t: restore(t, vault))} for call in reply.tool_calls
        )
        return dataclasses.replace(reply, text=restore(reply.text, vault), tool_calls=calls)

    def _raise_if_unavailable(
        self, state: RouterState, findings: Sequence[Finding], hops: list[dict[str, Any]]
    ) -> None:
        """With ``on_unavailable: raise`` the last tier's node raises, so that resuming asks that tier again."""
        if self.decider.config.cascade.on_unavailable != "raise":
            return
        following, trouble = self._following(cast(RouterState, {**state, "hops": hops}), findings)
        if following is None and trouble == "unavailable":
            raise TiersUnavailableError({hop["tier"]: hop["code"] for hop in hops})

    def _following(self, state: RouterState, findings: Sequence[Finding]) -> tuple[str | None, str | None]:
        """The next tier, or why there is none: ``exhausted``, ``unavailable``, ``deadline`` or ``budget``."""
        hops, ladder = state["hops"], self.decider.config.ladder
        last = hops[-1]
        codes = {hop["code"] for hop in hops}
        if last["code"] == "over_budget":
            return None, "budget"
        if last["code"] == "deadline" or self._time_left(state) <= 0:
            return None, "deadline"
        allowed = self._allowed(state, findings).tiers
        tried = {hop["tier"] for hop in hops}
        if len(hops) < self.decider.config.cascade.max_hops:
            higher = next_tier(last["tier"], allowed, ladder, tried)
            if higher is not None:
                return higher, None
            lower = [name for name in ladder.in_order(allowed) if name not in tried]
            if last["outcome"] == "failed" and last["code"] not in GAVE_UP and not state["drafts"] and lower:
                return lower[-1], None
        answered = bool(state["drafts"]) or bool(codes & set(GAVE_UP))
        return None, "exhausted" if answered else "unavailable"

    def _verdict(
        self, state: RouterState, draft: DraftState
    ) -> Steps[tuple[dict[str, Any], tuple[Finding, ...], str | None]]:
        findings = _load(state["findings"])
        request = _request(state)
        for judge in self.judges:
            if judge.location == "external":
                # All of it, not the draft alone: a person may have routed what no router model has read.
                findings = yield from self.decider.flag_segments(request.segments([draft["text"]]), findings)
            seen = self._judge_input(request, state, draft, judge.location, findings)
            if seen is None:
                continue
            try:
                verdict = yield from self._ask_judge(judge, seen, self._time_left(state))
            except GraphBubbleUp:
                raise
            except Exception as error:
                late = isinstance(error, (TimeoutError, JudgeTimeoutError))
                return _no_verdict("judge_timeout" if late else "judge_failed"), findings, judge.name
            given = verdict.as_json()
            for key in ("unsupported", "uncovered"):
                given[key] = [self.decider.redactor.restore(claim, seen.vault) for claim in given[key]]
            return given, findings, judge.name
        return _no_verdict("judge_withheld"), findings, None

    def _ask_judge(self, judge: Judge, seen: _JudgeInput, time_left: float) -> Steps[Verdict]:
        cascade = self.decider.config.cascade
        seconds = min(time_left, cascade.judge_timeout_s)
        limits = {"threshold": cascade.threshold, "deadline": time.monotonic() + seconds}
        verdict: Verdict = yield Call(
            lambda: judge.judge(seen.question, seen.draft, seen.documents, **limits),
            lambda: judge.ajudge(seen.question, seen.draft, seen.documents, **limits),
            None if isinstance(judge, EvidenceJudge) else seconds,
        )
        if not isinstance(verdict, Verdict):
            raise JudgeError(f"Judge {judge.name!r} returned a {type(verdict).__name__}.")
        return verdict

    def _judge_input(
        self, request: Request, state: RouterState, draft: DraftState, location: Location, findings: Sequence[Finding]
    ) -> _JudgeInput | None:
        """What a judge at that place may see, or ``None`` where it may see nothing."""
        vault: dict[str, str] = {}
        texts = [request.question, draft["text"]]
        for _ in range(2):  # a value that one part gives away is replaced in the parts before it too
            sent = [
                self.decider.outbound_part(text, request, location, findings, vault, [draft["text"]]) for text in texts
            ]
            documents = [
                _mapped(document, lambda part: self.decider.outbound(part, location, findings, vault) or "")
                for document in _documents(state)
            ]
        question, text = sent
        if question is None or text is None:
            return None
        return _JudgeInput(vault=vault, question=question, draft=text, documents=documents)


def _request(state: RouterState, *, fresh: bool = False) -> Request:
    """The request as it stands; ``fresh``: as it came in, before ``screen`` has cleared the last turn away."""
    return parse_request(
        state["messages"],
        documents=state.get("documents") if fresh else state["sources"],
        metadata=state.get("metadata"),
        attachments=state.get("attachments"),
    )


def _documents(state: RouterState) -> list[Document]:
    return [cast(Document, document) for document in state["sources"]]


def _query(request: Request) -> str:
    """What to search for: the question, with the user's turn before it where it is a short follow-up."""
    earlier = [turn["content"] for turn in request.history if turn["role"] == "user"]
    if earlier and len(request.question.split()) < _FOLLOW_UP_WORDS:
        return f"{earlier[-1]}\n{request.question}"
    return request.question


def _resumable() -> bool:
    """Whether this run has a checkpointer, the host's or its own."""
    return get_config().get("configurable", {}).get(_CHECKPOINTER) is not None


def _emit(event: str, **data: Any) -> None:
    """A progress event for hosts that stream ``custom``: names and codes only."""
    get_stream_writer()({"type": f"tiergraph.{event}", **data})


def _new_hop(tier: Tier) -> dict[str, Any]:
    return {
        "tier": tier.name,
        "outcome": "drafted",
        "code": None,
        "input_tokens": 0,
        "output_tokens": 0,
        "tokens_estimated": True,
        "cost_usd": 0.0,
        "latency_ms": 0.0,
        "retries": 0,
        "redacted": False,
        "verdict": None,
    }


def _usage(tier: Tier, reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "tokens_estimated": reply.estimated,
        "cost_usd": tier.price.cost(reply.input_tokens, reply.output_tokens),
    }


def _no_verdict(code: str) -> dict[str, Any]:
    return {"passed": False, "score": None, "reason": code, "unsupported": [], "uncovered": []}


def _draft_segments(texts: Iterable[str]) -> list[Segment]:
    return [Segment(where="draft", text=text) for text in texts]


def _handed_draft(draft: DraftState, out: Callable[[str], str]) -> Draft:
    verdict = draft["verdict"] or {}
    return Draft(
        tier=draft["tier"],
        text=out(draft["text"]),
        reason=verdict.get("reason", ""),
        unsupported=tuple(out(text) for text in verdict.get("unsupported", ())),
        uncovered=tuple(out(text) for text in verdict.get("uncovered", ())),
    )


def _mapped(document: Document, change: Callable[[str], str]) -> Document:
    """The document with every text in it changed: ids and sources can name a person too."""
    return cast(Document, {k: change(v) if isinstance(v, str) else v for k, v in document.items()})


def _restored_json(value: Any, restore: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return restore(value)
    if isinstance(value, dict):
        return {key: _restored_json(item, restore) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored_json(item, restore) for item in value]
    return value


def _dump(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(finding) for finding in findings]


def _load(findings: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(**finding) for finding in findings)
