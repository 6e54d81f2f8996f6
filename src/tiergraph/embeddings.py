"""Embedding models in any form: a GGUF in this process, a server, or any LangChain ``Embeddings``.

Failure rule: whatever goes wrong in a call is a `ProposerError`: unavailable, late, or vectors that are none. No
message repeats a text.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import Field, field_validator, model_validator

from tiergraph.config import expand_env
from tiergraph.effects import Call, Steps, arun, run
from tiergraph.endpoints import Model
from tiergraph.errors import (
    ConfigError,
    DecisionTimeoutError,
    ProposalInvalidError,
    ProposerError,
    ProposerUnavailableError,
)
from tiergraph.references import build
from tiergraph.tiers import Location

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

T = TypeVar("T")

_REMOTE = re.compile(r"(openai|ollama):.+|python:[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class EmbeddingsConfig(Model):
    """``embeddings:`` of a routes file.

    Attributes:
        model: ``embedded``, ``gguf:FILE``, ``openai:NAME`` (any OpenAI-compatible server), ``ollama:NAME``, or
            ``python:module:attribute`` for a LangChain ``Embeddings`` or what makes one.
        location: Whether what is embedded stays with you (``on_prem``) or leaves (``external``). To be stated for all
            that is not a GGUF.
        base_url: Of the server, for ``openai:`` with its ``/v1``. ``${NAME}`` expands when used.
        api_key: For ``openai:``. Write ``${NAME}``, never the key itself.
        timeout_s: Seconds that one call may take, > 0; the deadline of the decision bounds it too.
        params: Further keyword arguments of the LangChain model.
        max_characters: Of a longer text the head and the tail are sent, for what is no GGUF; > 0.
        startup_s: Seconds that embedding all examples may take, > 0.
    """

    model: str = "embedded"
    location: Location | None = None
    base_url: str | None = None
    api_key: str | None = None
    timeout_s: float = Field(default=10.0, gt=0)
    params: dict[str, Any] = Field(default_factory=dict)
    max_characters: int = Field(default=2000, gt=0)
    startup_s: float = Field(default=120.0, gt=0)

    @field_validator("model")
    @classmethod
    def _known_form(cls, model: str) -> str:
        if model == "embedded" or _REMOTE.fullmatch(model) or (model.startswith("gguf:") and model[5:]):
            return model
        raise ValueError(
            f"unknown embedding model {model!r}; use embedded, gguf:FILE, openai:NAME, ollama:NAME or "
            "python:module:attribute"
        )

    @model_validator(mode="after")
    def _placed(self) -> EmbeddingsConfig:
        if self.in_process and self.location == "external":
            raise ValueError(f"{self.model!r} runs inside this process: leave location out, or write on_prem")
        if not self.in_process and self.location is None:
            raise ValueError(
                f"{self.model!r} needs a location: on_prem where what it is sent stays with you, else external"
            )
        if (self.base_url or self.api_key) and self.scheme not in ("openai", "ollama"):
            raise ValueError(f"base_url and api_key are for openai: and ollama:, not for {self.model!r}")
        return self

    @property
    def scheme(self) -> str:
        """``embedded``, ``gguf``, ``openai``, ``ollama`` or ``python``."""
        return self.model.partition(":")[0]

    @property
    def in_process(self) -> bool:
        """Whether llama.cpp runs it here."""
        return self.scheme in ("embedded", "gguf")


class Embedder(Protocol):
    """An embedding model. Safe to call from several threads. Calls raise `ProposerError`, and nothing else.

    ``deadline`` is a time of ``time.monotonic()``; vectors have length 1. ``remote`` says whether a call that failed
    may succeed later, as of a server that is down.
    """

    remote: bool
    name: str
    digest: str

    @property
    def location(self) -> Location:
        """Where the text goes that it embeds."""

    def embed_many(self, texts: Sequence[str], deadline: float) -> Vectors:
        """One row for each text."""

    def embed(self, text: str, deadline: float) -> Vectors:
        """The vector of one text."""

    async def aembed(self, text: str, deadline: float) -> Vectors:
        """As `embed`, without blocking the event loop."""

    def close(self) -> None:
        """Twice is harmless."""


def load_embedder(config: EmbeddingsConfig, *, folder: Path, contexts: int = 1, threads: int | None = None) -> Embedder:
    """The embedding model that a routes file names. Nothing is sent yet.

    Args:
        folder: What the path of a GGUF is relative to.
        contexts: Texts that a GGUF may embed at the same time, >= 1.
        threads: Of llama.cpp per text; ``None`` chooses by the model's size.

    Raises:
        ConfigError: A reference or key that cannot be used.
        ModelError: A GGUF that cannot be loaded.
    """
    if config.in_process:
        from tiergraph.proposers.native_embedding import GgufEmbedder

        path = config.model if config.model == "embedded" else folder / expand_env(config.model.partition(":")[2])
        return GgufEmbedder.load(path, contexts=contexts, threads=threads)
    makers = {"openai": _openai, "ollama": _ollama, "python": _python}
    return LangChainEmbedder(
        makers[config.scheme](config),
        name=config.model,
        location=config.location or "external",
        identity=json.dumps([config.model, config.base_url, config.params], sort_keys=True, default=repr),
        timeout_s=config.timeout_s,
        max_characters=config.max_characters,
    )


class LangChainEmbedder:
    """Any LangChain ``Embeddings``. A synchronous call that hangs is left behind in its thread at the deadline."""

    remote = True

    def __init__(
        self,
        model: Any,
        *,
        name: str,
        location: Location,
        identity: str = "",
        timeout_s: float = 10.0,
        max_characters: int = 2000,
    ) -> None:
        """``identity``: all that names the model, for the digest."""
        self._model, self.name, self._location = model, name, location
        self._timeout, self._limit = timeout_s, max_characters
        self.digest = hashlib.sha256(f"langchain:{name}:{identity}:{max_characters}".encode()).hexdigest()
        self._closed = False

    @property
    def location(self) -> Location:
        return self._location

    def embed_many(self, texts: Sequence[str], deadline: float) -> Vectors:
        cut = [self._cut(text) for text in texts]
        return _checked(self._within(lambda: self._model.embed_documents(cut), deadline), len(cut))

    def embed(self, text: str, deadline: float) -> Vectors:
        cut = self._cut(text)
        vector: Vectors = _checked([self._within(lambda: self._model.embed_query(cut), deadline)], 1)[0]
        return vector

    async def aembed(self, text: str, deadline: float) -> Vectors:
        left, cut = self._left(deadline), self._cut(text)

        def steps() -> Steps[Any]:
            # Without an async way of its own LangChain would call it in the loop's executor, where one that hangs
            # keeps a thread for good.
            result = yield Call(
                lambda: self._model.embed_query(cut),
                (lambda: self._model.aembed_query(cut)) if _async_itself(self._model) else None,
                left,
            )
            return result

        try:
            found = await arun(steps())
        except Exception as error:
            raise _failure(error) from None  # a provider's message may repeat the request
        vector: Vectors = _checked([found], 1)[0]
        return vector

    def close(self) -> None:
        self._closed = True

    def _within(self, call: Callable[[], T], deadline: float) -> T:
        left = self._left(deadline)

        def steps() -> Steps[T]:
            result: T = yield Call(call, None, left)
            return result

        try:
            return run(steps())
        except Exception as error:
            raise _failure(error) from None

    def _left(self, deadline: float) -> float:
        if self._closed:
            raise ProposerError("The embedding model is closed.")
        left = min(deadline - time.monotonic(), self._timeout)
        if left <= 0:
            raise DecisionTimeoutError("The deadline had passed before the embedding began.")
        return left

    def _cut(self, text: str) -> str:
        if len(text) <= self._limit:
            return text
        tail = self._limit // 3
        return text[: self._limit - tail] + text[len(text) - tail :]


def _async_itself(model: Any) -> bool:
    from langchain_core.embeddings import Embeddings

    return getattr(type(model), "aembed_query", None) is not Embeddings.aembed_query


def _checked(found: Any, rows: int) -> Vectors:
    """Vectors of length 1, one row each.

    Raises:
        ProposalInvalidError: Too few or too many, of several widths, no numbers, not finite, or nothing but zeros.
    """
    import numpy as np

    try:
        vectors = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProposalInvalidError("The embedding model returned no numbers, or rows of several widths.") from None
    if vectors.ndim != 2 or vectors.shape[0] != rows or vectors.shape[1] == 0:
        raise ProposalInvalidError(f"The embedding model returned shape {vectors.shape} for {rows} texts.")
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise ProposalInvalidError("The embedding model gave a vector without a direction: zeros, or no numbers.")
    scaled: Vectors = (vectors / lengths).astype(np.float32)
    return scaled


def _failure(error: Exception) -> ProposerError:
    if isinstance(error, ProposerError):
        return error
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    names = [kind.__name__ for kind in type(error).__mro__]
    if isinstance(error, TimeoutError) or any("Timeout" in name for name in names) or status in (408, 504):
        return DecisionTimeoutError("The embedding model did not answer in time.")
    why = f"status {status}" if isinstance(status, int) else names[0]
    return ProposerUnavailableError(f"The embedding model gave no vector: {why}.")


def _openai(config: EmbeddingsConfig) -> Any:
    from langchain_openai import OpenAIEmbeddings
    from pydantic import SecretStr

    url = expand_env(config.base_url) if config.base_url else None
    # A local server wants no key; the client insists on having one.
    key = (
        expand_env(config.api_key) if config.api_key else os.environ.get("OPENAI_API_KEY") or ("none" if url else None)
    )
    if key is None:
        raise ConfigError(
            f"embeddings: no key for {config.model!r}.", fix="export OPENAI_API_KEY, or set api_key or base_url."
        )
    given: dict[str, Any] = {
        "model": expand_env(config.model.partition(":")[2]),
        "base_url": url,
        "api_key": SecretStr(key),
        "timeout": config.timeout_s,
        "max_retries": 0,
        # Else it loads a tokeniser from the network and sends token ids, which few servers take.
        "check_embedding_ctx_length": False,
        **_staying(),
    }
    return OpenAIEmbeddings(**{**given, **config.params})


def _staying() -> dict[str, Any]:
    """Clients that follow no redirect: it would lead to another place. The openai package speaks httpx2 or httpx."""
    import openai

    package = openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
    http: Any = importlib.import_module(package)
    return {
        "http_client": http.Client(follow_redirects=False),
        "http_async_client": http.AsyncClient(follow_redirects=False),
    }


def _ollama(config: EmbeddingsConfig) -> Any:
    from langchain_ollama import OllamaEmbeddings

    url = expand_env(config.base_url) if config.base_url else os.environ.get("OLLAMA_HOST")
    given: dict[str, Any] = {
        "model": expand_env(config.model.partition(":")[2]),
        "base_url": url,
        "client_kwargs": {"timeout": config.timeout_s, "follow_redirects": False},
    }
    return OllamaEmbeddings(**{**given, **config.params})


def _python(config: EmbeddingsConfig) -> Any:
    found: Any = build(
        config.model, "embeddings.model", params=config.params, ready=lambda found: hasattr(found, "embed_query")
    )
    if not all(callable(getattr(found, name, None)) for name in ("embed_documents", "embed_query", "aembed_query")):
        raise ConfigError(
            f"embeddings.model: {config.model!r} is a {type(found).__name__}.",
            fix="point it at a LangChain Embeddings, or at what makes one.",
        )
    return found
