"""Scripted fakes for your own tests: a router model, a chat model, a judge, a retriever, each with a history.

They are as thread-safe as the real ones and never touch the network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from tiergraph.documents import Document
from tiergraph.judges import Reason, Verdict
from tiergraph.policy import clip
from tiergraph.proposal import Proposal
from tiergraph.proposers.base import FlagReading, Flags, Narrow, Proposed
from tiergraph.tiers import Ladder, Location


class ScriptedProposer:
    """A router model that says what it is told.

    Args:
        ladder: The tiers.
        tier: The tier that it wants; it gets the nearest that policy allows.
        confidence: Its probability of that tier, in [0, 1].
        needs_retrieval: As in the proposal.
        flag: From a text to the flags that it raises; by default none.
        fails: Raised by every call instead.
        location: Where it pretends to be.

    ``asked`` and ``read`` are the texts that it saw, in order.
    """

    def __init__(
        self,
        ladder: Ladder,
        *,
        tier: str | None = None,
        confidence: float = 0.9,
        needs_retrieval: bool = False,
        flag: Callable[[str], Flags] = lambda text: Flags(),
        fails: Exception | None = None,
        location: Location = "on_prem",
    ) -> None:
        self.ladder, self.tier, self.confidence = ladder, tier or ladder.names[0], confidence
        self.needs_retrieval, self.flag, self.fails = needs_retrieval, flag, fails
        self.name, self.location, self.digest = "scripted", location, "0" * 64
        self.asked: list[str] = []
        self.read: list[str] = []

    def propose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        self.asked.append(text)
        if self.fails is not None:
            raise self.fails.with_traceback(None)  # raised again and again, it would gather frames
        flags = self.flag(text)
        allowed = tuple(narrow(flags))
        proposal = None
        probabilities: dict[str, float] = {}
        if allowed:
            chosen = clip(self.tier, allowed, self.ladder)
            confidence = self.confidence if len(allowed) > 1 else 1.0
            rest = (1 - confidence) / max(len(allowed) - 1, 1)
            probabilities = {name: rest if name in allowed else 0.0 for name in self.ladder.names}
            probabilities[chosen] = confidence
            proposal = Proposal(
                tier=chosen,
                difficulty=1,
                intent="other",
                needs_retrieval=self.needs_retrieval,
                contains_pii=flags.contains_pii,
                is_legal=flags.is_legal,
                reason="unclear",
            )
        return Proposed(
            proposal=proposal,
            flags=flags,
            confidence=self.confidence,
            score=self.ladder.index(self.tier) / (len(self.ladder) - 1),
            tier_probabilities=probabilities,
        )

    async def apropose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        return self.propose(text, narrow=narrow, deadline=deadline, windows=windows)

    def read_flags(self, text: str, *, deadline: float, windows: int) -> FlagReading:
        self.read.append(text)
        if self.fails is not None:
            raise self.fails.with_traceback(None)  # raised again and again, it would gather frames
        return FlagReading(flags=self.flag(text), windows=1, complete=windows > 0)

    def close(self) -> None:
        pass


Reply = str | AIMessage | Exception | Callable[[list[BaseMessage]], "str | AIMessage"]


class ScriptedChat(BaseChatModel):
    """A chat model that answers from a script: texts, messages, errors to raise, or functions of the messages.

    The last entry repeats. ``history`` holds the messages of every call.
    """

    replies: list[Any] = Field(default_factory=lambda: ["An answer."])
    history: list[list[BaseMessage]] = Field(default_factory=list)
    bound_tools: list[Any] = Field(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, *replies: Reply, **kwargs: Any) -> None:
        script: dict[str, Any] = {"replies": list(replies)} if replies else {}
        super().__init__(**script, **kwargs)

    @property
    def _llm_type(self) -> str:
        return "tiergraph-scripted"

    @property
    def sent(self) -> str:
        """Everything that was sent to it, as one text."""
        return "\n".join(str(message.content) for call in self.history for message in call)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        self.bound_tools[:] = tools
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._lock:
            reply = self.replies[min(len(self.history), len(self.replies) - 1)]
            self.history.append(list(messages))
        if isinstance(reply, Exception):
            raise reply.with_traceback(None)  # raised again and again, it would gather frames
        said = reply(messages) if callable(reply) and not isinstance(reply, BaseMessage) else reply
        message = AIMessage(said) if isinstance(said, str) else said
        return ChatResult(generations=[ChatGeneration(message=message)])


class ScriptedJudge:
    """A judge that passes or fails what it is told to. Entries are booleans, verdicts or errors; the last repeats."""

    def __init__(self, *verdicts: bool | Verdict | Exception, location: Location = "on_prem") -> None:
        self.verdicts = verdicts or (True,)
        self.name, self.location, self.digest = "scripted-judge", location, "0" * 64
        self.seen: list[tuple[str, str, list[Document]]] = []

    def judge(
        self, question: str, draft: str, documents: Sequence[Document], *, threshold: float, deadline: float
    ) -> Verdict:
        entry = self.verdicts[min(len(self.seen), len(self.verdicts) - 1)]
        self.seen.append((question, draft, list(documents)))
        if isinstance(entry, Exception):
            raise entry.with_traceback(None)  # raised again and again, it would gather frames
        if isinstance(entry, Verdict):
            return entry
        reason: Reason = "supported" if entry else "unsupported_claims"
        return Verdict(passed=entry, score=float(entry), reason=reason)

    async def ajudge(
        self, question: str, draft: str, documents: Sequence[Document], *, threshold: float, deadline: float
    ) -> Verdict:
        return self.judge(question, draft, documents, threshold=threshold, deadline=deadline)


class ScriptedRetriever:
    """A retriever that returns the same documents, or raises. ``queries`` is what it was asked."""

    def __init__(self, documents: Sequence[str | Mapping[str, Any]] = (), *, fails: Exception | None = None) -> None:
        self.documents, self.fails = list(documents), fails
        self.queries: list[str] = []

    def search(self, query: str) -> list[Any]:
        self.queries.append(query)
        if self.fails is not None:
            raise self.fails.with_traceback(None)  # raised again and again, it would gather frames
        return list(self.documents)
