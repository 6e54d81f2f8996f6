"""What a hosted model is asked, and what it says: the part that every wire format shares. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tiergraph.endpoints import Mode

MAX_CONTENT = 64 * 1024
"""Characters of an answer; more is no answer to a closed question."""

MAX_BODY = 8 * 1024 * 1024
"""Bytes of a response; tokens with twenty alternatives each take some kilobytes a token."""

MAX_OBJECTS = 64
"""Places in a text where the start of a JSON object is tried."""


@dataclass(frozen=True, kw_only=True)
class TokenChance:
    """One token of an answer.

    Attributes:
        text: As the server spells it.
        logprob: Natural log of its probability, <= 0.
        alternatives: Text to natural log of the likeliest tokens there, itself often among them.
    """

    text: str
    logprob: float
    alternatives: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call.

    Attributes:
        messages: ``{"role": ..., "content": ...}``.
        schema: JSON schema that the answer is to keep, as `sendable` gives it.
        mode: How the server is told; not ``auto``.
        logprobs: Alternatives per token, 0 for none.
        until: Time of ``time.monotonic()`` at which it ends, whatever the server does.
    """

    messages: Sequence[Mapping[str, Any]]
    schema: Mapping[str, Any]
    mode: Mode
    until: float
    logprobs: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came.

    Attributes:
        text: Content, or the arguments of the function that was called.
        finish: Why it ended, as the server says: ``stop``, ``length``, ...
        refused: Whether the model or a filter refused.
        tokens: With their probabilities, where the server gave them.
    """

    text: str
    finish: str = "stop"
    refused: bool = False
    tokens: tuple[TokenChance, ...] | None = None


class WireError(Exception):
    """No answer. ``status``: of HTTP, where there was one. ``detail`` holds no content."""

    def __init__(self, code: str, retryable: bool, *, status: int | None = None, detail: str = "") -> None:
        self.code, self.retryable, self.status, self.detail = code, retryable, status, detail
        super().__init__(code)


class Wire(Protocol):
    """A server that is asked in its own format. Raises `WireError` and, where time is up, `TimeoutError`."""

    def send(self, asked: Asked) -> Answer:
        """Ask, blocking."""

    async def asend(self, asked: Asked) -> Answer:
        """Ask, without blocking the event loop."""

    def close(self) -> None:
        """Close every connection."""


def clean(text: str) -> str:
    """``text`` as it can travel in UTF-8: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def instructed(messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages, the schema stated at the end of the first system message: for servers that know no other way."""
    rule = (
        "Answer with one JSON object and nothing else: no explanation, no markdown. "
        f"It keeps to this JSON schema:\n{json.dumps(schema, ensure_ascii=False, separators=(',', ':'))}"
    )
    told = [dict(message) for message in messages]
    if told and told[0]["role"] == "system":
        told[0]["content"] = f"{told[0]['content']}\n\n{rule}"
    else:
        told.insert(0, {"role": "system", "content": rule})
    return told


def sendable(schema: Any) -> Any:
    """A schema as servers take it: each ``enum`` has its type beside it, which OpenAI insists on; no ``$schema``."""
    if isinstance(schema, list):
        return [sendable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    sent = {key: part if key == "enum" else sendable(part) for key, part in schema.items() if key != "$schema"}
    values = sent.get("enum")
    if isinstance(values, list) and "type" not in sent:
        for name, kind in (("string", str), ("integer", int)):
            if all(isinstance(value, kind) and not isinstance(value, bool) for value in values):
                sent = {"type": name, **sent}
    return sent


_THOUGHT_END = re.compile(r"</(think|thinking|reasoning)>", re.IGNORECASE)


def unwrapped(text: str) -> str:
    """The last whole JSON object of a text, out of reasoning, markdown fences and prose; the text where there is none.

    The last one, for what came before may repeat the request.
    """
    for thought in _THOUGHT_END.finditer(text):  # only the end: some servers swallow the beginning
        text = thought.string[thought.end() :]
    decoder, found, place, tries = json.JSONDecoder(), "", text.find("{"), 0
    while place != -1 and tries < MAX_OBJECTS:
        tries += 1
        try:
            _, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            found = text[place:end]
        place = text.find("{", end)
    return found or text.strip()
