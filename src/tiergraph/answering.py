"""How a tier is asked: the extractive tiers in-process, every other one through a LangChain chat model.

Failure rule: whatever goes wrong becomes a `TierError` with a reason code; codes that may pass are retried by the
caller. Tokens of a tier never reach the host's stream: the models carry the ``nostream`` tag.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from tiergraph.config import RouterConfig, expand_env
from tiergraph.errors import ConfigError, TierError
from tiergraph.extractive import UNSURE, compose, quote
from tiergraph.failures import failure_of
from tiergraph.handoff import MAX_TOKENS, Handoff
from tiergraph.references import build
from tiergraph.tiers import Tier

_NOSTREAM = "nostream"
_OLLAMA_URL = "http://127.0.0.1:11434"
_REFUSALS = ("content_filter", "refusal", "safety")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a tier answered.

    Attributes:
        text: The answer; empty only beside tool calls.
        tool_calls: LangChain tool calls as JSON, where the tier wants tools run.
        input_tokens: As the provider counted them, or estimated at four characters each.
        output_tokens: Likewise.
        estimated: Whether the token counts are estimates.
    """

    text: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = True


class TierClient(Protocol):
    """One tier, ready to be asked. Raises `TierError`."""

    def answer(self, handoff: Handoff, media: Sequence[dict[str, Any]]) -> Reply:
        """The tier's answer to what it is handed; ``media`` are content blocks attached to the question."""

    async def aanswer(self, handoff: Handoff, media: Sequence[dict[str, Any]]) -> Reply:
        """As `answer`, without blocking the event loop."""


def prompt_tokens(tier: Tier) -> int:
    """Tokens that a rendered handoff may take: three quarters of the window, the rest is for the answer."""
    return min(MAX_TOKENS, tier.context_window * 3 // 4)


def estimate_tokens(text: str) -> int:
    """Tokens of a text at four characters each, >= 1."""
    return max(1, len(text) // 4)


@dataclass(frozen=True)
class ExtractiveClient:
    """``quote`` or ``compose``: passages of the documents, cited; nothing is written that no document says."""

    tier: Tier

    def answer(self, handoff: Handoff, media: Sequence[dict[str, Any]]) -> Reply:
        extract = quote if self.tier.model == "quote" else compose
        earlier = [turn["content"] for turn in handoff.history if turn["role"] == "user"]
        found = extract(handoff.question, handoff.documents, history=earlier)
        if found.text == UNSURE:
            raise TierError(self.tier.name, "unsure", retryable=False)
        read = handoff.question + "".join(document["text"] for document in handoff.documents)
        return Reply(text=found.text, input_tokens=estimate_tokens(read), output_tokens=estimate_tokens(found.text))

    async def aanswer(self, handoff: Handoff, media: Sequence[dict[str, Any]]) -> Reply:
        return self.answer(handoff, media)


@dataclass(frozen=True)
class ChatClient:
    """A LangChain chat model as a tier. ``model`` is any runnable from messages to an AI message."""

    tier: Tier
    model: Any

    def answer(self, handoff: Handoff, media: Sequence[dict[str, Any]]) -> Reply:
        messages = _messages(self.tier, handoff, media)
        try:
            return self._reply(self.model.invoke(messages), messages)
        except Exception as error:
            raise classify(self.tier.name, error) from None  # a provider's message may repeat the request

    async def aanswer(self, handoff: Handoff, media: Sequence[dict[str, Any]]) -> Reply:
        messages = _messages(self.tier, handoff, media)
        try:
            return self._reply(await self.model.ainvoke(messages), messages)
        except Exception as error:
            raise classify(self.tier.name, error) from None

    def _reply(self, message: Any, asked: Sequence[BaseMessage]) -> Reply:
        if not isinstance(message, AIMessage):
            raise TierError(self.tier.name, "error", retryable=False)
        text = message.text.strip()
        calls = tuple({"name": c["name"], "args": c["args"], "id": c["id"]} for c in message.tool_calls)
        finish = str(message.response_metadata.get("finish_reason") or message.response_metadata.get("done_reason"))
        if finish in _REFUSALS or message.additional_kwargs.get("refusal"):
            raise TierError(self.tier.name, "refusal", retryable=False)
        if not text and not calls:
            raise TierError(self.tier.name, "empty", retryable=True)
        if text.rstrip(".!").upper() == UNSURE:
            raise TierError(self.tier.name, "unsure", retryable=False)
        usage = message.usage_metadata
        if usage is None:
            tokens = sum(estimate_tokens(m.text) for m in asked), estimate_tokens(text)
        else:
            tokens = usage["input_tokens"], usage["output_tokens"]
        return Reply(
            text=text, tool_calls=calls, input_tokens=tokens[0], output_tokens=tokens[1], estimated=usage is None
        )


def _messages(tier: Tier, handoff: Handoff, media: Sequence[dict[str, Any]]) -> list[BaseMessage]:
    messages: list[BaseMessage] = []
    for turn in handoff.render(max_tokens=prompt_tokens(tier)):
        kind = SystemMessage if turn["role"] == "system" else HumanMessage
        messages.append(kind(turn["content"]))
    if media:
        messages[-1] = HumanMessage([{"type": "text", "text": messages[-1].text}, *media])
    return messages


def classify(tier: str, error: Exception) -> TierError:
    """A provider's exception as a `TierError`: by status code where it has one, else by kind."""
    if isinstance(error, TierError):
        return error
    code, retryable = failure_of(error)
    return TierError(tier, code, retryable=retryable)


def build_client(tier: Tier, *, model: Any = None, tools: Sequence[Any] = ()) -> TierClient:
    """The client of a tier.

    Args:
        tier: As configured.
        model: A LangChain chat model to use in place of the configured reference.
        tools: Tools to bind to chat models; the extractive tiers have no use for them.

    Raises:
        ConfigError: The reference cannot be resolved.
        MissingExtraError: A package is missing.
    """
    if model is None and tier.extractive:
        return ExtractiveClient(tier)
    chat = chat_model(tier) if model is None else model
    if tools:
        chat = chat.bind_tools(list(tools))
    return ChatClient(tier, chat.with_config(tags=[_NOSTREAM]))


def chat_model(tier: Tier) -> BaseChatModel:
    """The LangChain chat model behind a tier's reference. Retries are ours, so the provider's own are off."""
    scheme, _, name = expand_env(tier.model).partition(":")
    if scheme == "openai":
        return _openai(tier, name)
    if scheme == "ollama":
        from langchain_ollama import ChatOllama

        url = expand_env(tier.base_url) if tier.base_url else os.environ.get("OLLAMA_HOST")
        options = {"client_kwargs": {"timeout": tier.timeout_s}, **tier.params}
        return ChatOllama(model=name, base_url=url, **options)
    return _python(tier, name)


def _openai(tier: Tier, name: str) -> BaseChatModel:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    url = expand_env(tier.base_url) if tier.base_url else None
    # A local server wants no key; the client insists on having one.
    key = expand_env(tier.api_key) if tier.api_key else os.environ.get("OPENAI_API_KEY") or ("none" if url else None)
    if key is None:
        raise ConfigError(
            f"Tier {tier.name!r}: no key for {tier.model!r}.", fix="export OPENAI_API_KEY, or set api_key or base_url."
        )
    params = dict(tier.params)
    if url and "max_tokens" in params:
        # LangChain renames it to max_completion_tokens, which llama.cpp's server and others ignore: no bound at all.
        params["extra_body"] = {"max_tokens": params.pop("max_tokens"), **params.get("extra_body", {})}
    return ChatOpenAI(model=name, base_url=url, api_key=SecretStr(key), timeout=tier.timeout_s, max_retries=0, **params)


def _python(tier: Tier, target: str) -> BaseChatModel:
    found: Any = build(
        target, f"Tier {tier.name!r}", params=tier.params, ready=lambda found: isinstance(found, BaseChatModel)
    )
    if not hasattr(found, "invoke"):
        raise ConfigError(
            f"Tier {tier.name!r}: {target!r} is a {type(found).__name__}.", fix="point it at a LangChain chat model."
        )
    model: BaseChatModel = found
    return model


def unreachable_tiers(config: RouterConfig) -> frozenset[str]:
    """Names of tiers that cannot be reached as things stand, found without sending a request.

    A tier counts as unreachable when its environment variable is missing, when an ``openai:`` tier has neither key
    nor ``base_url``, when a ``python:`` reference does not import, and when nothing listens at a loopback address.
    """
    return frozenset(tier.name for tier in config.tiers if why_unreachable(tier) is not None)


def why_unreachable(tier: Tier) -> str | None:
    """One clause that says why the tier cannot be reached, or ``None`` where nothing speaks against it."""
    if tier.extractive:
        return None
    try:
        if tier.model.startswith("python:"):
            chat_model(tier)
            return None
        url = expand_env(tier.base_url) if tier.base_url else None
        if tier.model.startswith("ollama:"):
            return _listening(url or os.environ.get("OLLAMA_HOST") or _OLLAMA_URL)
        key = expand_env(tier.api_key) if tier.api_key else os.environ.get("OPENAI_API_KEY")
    except ConfigError as error:
        return error.problem.rstrip(".")
    except Exception as error:
        return f"it cannot be built: {type(error).__name__}"
    url = url or os.environ.get("OPENAI_BASE_URL")
    if not key and not url:
        return "OPENAI_API_KEY is not set"
    return _listening(url) if url else None


def _listening(url: str) -> str | None:
    """Whether something listens at a loopback address; other hosts are not touched before a request needs them."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 11434 if "//" not in url else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=0.3).close()
    except OSError:
        return f"nothing listens at {parts.hostname}:{port}"
    return None


Search = Callable[[str], Any]


def retriever_calls(retriever: Any) -> tuple[Search, Callable[[str], Awaitable[Any]] | None]:
    """Sync and, where there is one, async way to call a retriever.

    A retriever is a LangChain retriever or runnable (``invoke``/``ainvoke``), an object with ``search(query)``, or a
    function of the query.
    """
    if hasattr(retriever, "invoke"):
        return retriever.invoke, getattr(retriever, "ainvoke", None)
    if hasattr(retriever, "search"):
        return retriever.search, None
    if callable(retriever):
        return retriever, None
    raise ConfigError(
        f"The retriever is a {type(retriever).__name__}.", fix="give a LangChain retriever or a function of the query."
    )


def check_models(models: Mapping[str, Any], config: RouterConfig) -> None:
    """Raise `ConfigError` where a model is given for a tier that is not on the ladder."""
    for name in models:
        if name not in config.ladder:
            raise ConfigError(
                f"A model is given for {name!r}.", fix=f"use one of the tiers {list(config.ladder.names)}."
            )
