"""What goes in, what comes out, and what stays private. JSON-like throughout, so that every checkpointer can keep it.

Separate schemas keep a host's keys apart from ours: only ``messages``, ``documents``, ``metadata`` and
``attachments`` come in, only ``messages`` and ``routing`` go out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required, TypedDict, cast

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from tiergraph.policy import Outcome


class RouterInput(TypedDict, total=False):
    """A request.

    Attributes:
        messages: The conversation; the last user message is the question.
        documents: Texts, ``{"id", "text"}`` dicts or LangChain documents.
        metadata: Plan, channel, locale and the like; rules read it.
        attachments: ``{"type": "image" | "audio" | "video" | "file"}``, besides content blocks of the question.
    """

    messages: Required[Annotated[list[AnyMessage], add_messages]]
    documents: list[Any]
    metadata: dict[str, Any]
    attachments: list[Any]


class RouterOutput(TypedDict):
    """An answer.

    Attributes:
        messages: The conversation and exactly one AI message more.
        routing: The record: JSON only, never content. A host that wants it declares a ``routing`` key.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    routing: dict[str, Any]


class DraftState(TypedDict):
    """A tier's candidate answer and what the judge said of it. Text, never a message: those reach the stream."""

    tier: str
    text: str
    tool_calls: list[dict[str, Any]]
    verdict: dict[str, Any] | None


class RouterState(RouterInput, total=False):
    """All that a node of ours sees of one request. ``screen`` resets it, so that nothing of the last turn remains.

    In the graph the private part travels in two channels (`Channels`): LangGraph's cost per step grows with the
    number of channels. Nodes and path functions get it flat.

    Attributes:
        sources: The documents, those that came in and those that were retrieved.
        started: Seconds since the epoch.
        spent_ms: Milliseconds at work so far; waiting for a person does not count against the deadline.
        input_hash: Salted sha256 of the question.
        findings: As JSON, with all attributes.
        decision: The decision as JSON.
        stop: ``human`` or ``refuse`` where policy lets no tier answer.
        current: Name of the tier whose turn it is.
        wants_documents: Whether to retrieve.
        retrieval: How retrieval went: ``{"called", "documents", "code"}``.
        drafts: Every draft, oldest first.
        hops: Every asking of a tier, as it goes into the record.
        trouble: Why no tier may answer any more: ``exhausted``, ``unavailable``, ``deadline``, ``budget``.
        review: What a person decided.
        outcome: How it ended.
        accepted: Index into ``drafts``.
    """

    routing: dict[str, Any]
    sources: list[dict[str, Any]]
    started: float
    spent_ms: float
    input_hash: str
    findings: list[dict[str, Any]]
    decision: dict[str, Any]
    stop: Literal["human", "refuse"] | None
    current: str | None
    wants_documents: bool
    retrieval: dict[str, Any]
    drafts: list[DraftState]
    hops: list[dict[str, Any]]
    trouble: str | None
    review: dict[str, Any] | None
    outcome: Outcome | None
    accepted: int | None


class Channels(RouterInput, total=False):
    """What LangGraph keeps. ``sources`` stands apart from ``work``, so that a step does not store documents again."""

    routing: dict[str, Any]
    sources: list[dict[str, Any]]
    work: dict[str, Any]


_PUBLIC = ("messages", "documents", "metadata", "attachments", "routing", "sources")


def flat(channels: Channels) -> RouterState:
    """The channels as nodes and path functions see them."""
    return cast(RouterState, {**channels, **channels.get("work", {})})


def folded(update: dict[str, Any], channels: Channels, *, fresh: bool) -> dict[str, Any]:
    """A node's update as LangGraph stores it. ``fresh``: the last turn's private state is dropped."""
    public = {key: value for key, value in update.items() if key in _PUBLIC}
    private = {key: value for key, value in update.items() if key not in _PUBLIC}
    return {**public, "work": {**({} if fresh else channels.get("work", {})), **private}}
