"""OpenAI's and Ollama's wire formats, each over its own package, with one guard over time and size below both."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from tiergraph.config import expand_env
from tiergraph.endpoints import Endpoint
from tiergraph.errors import ConfigError
from tiergraph.failures import failure_of, status_of
from tiergraph.guards import Guards, guards_of, proxy_for, until
from tiergraph.wire import Answer, Asked, TokenChance, Wire, WireError, clean, instructed

OURS = frozenset({"model", "messages", "stream", "response_format", "format", "tools", "tool_choice", "n"})
"""Keys of the body that ``params`` may not name."""

_FUNCTION = "answer"
_REFUSALS = ("content_filter", "refusal", "safety")


def open_wire(endpoint: Endpoint) -> Wire:
    """The wire of an endpoint's scheme.

    Raises:
        ConfigError: ``params`` name what is not theirs, an environment variable or a key is missing, or the scheme has
            no wire.
    """
    taken = sorted(OURS & endpoint.params.keys())
    if taken:
        raise ConfigError(
            f"{endpoint.model!r}: params name {taken[0]!r}.", fix=f"leave it out; tiergraph sets {sorted(OURS)}."
        )
    if endpoint.scheme == "openai":
        return OpenAIWire(endpoint)
    if endpoint.scheme == "ollama":
        return OllamaWire(endpoint)
    raise ConfigError(f"{endpoint.model!r} is behind no server.", fix="use openai:NAME or ollama:NAME.")


class _PerLoop:
    """One async client for each event loop: its connections belong to the loop that opened them."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}

    def get(self) -> Any:
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:  # its connections hold the loop, so that weak references would keep every loop alive
                self._clients = {old: kept for old, kept in self._clients.items() if not old.is_closed()}
                client = self._clients[loop] = self._make()
        return client

    def clear(self) -> None:
        with self._lock:
            self._clients.clear()


class OpenAIWire:
    """``/v1/chat/completions`` of any OpenAI-compatible server, through the openai package, without its retries."""

    def __init__(self, endpoint: Endpoint) -> None:
        import openai

        url = expand_env(endpoint.base_url) if endpoint.base_url else None
        # A local server wants no key; the client insists on one. The key of OpenAI goes to no other server by itself.
        key = expand_env(endpoint.api_key) if endpoint.api_key else "none" if url else os.environ.get("OPENAI_API_KEY")
        if not key:
            raise ConfigError(
                f"No key for {endpoint.model!r}.", fix="export OPENAI_API_KEY, or set api_key or base_url."
            )
        given: dict[str, Any] = {"api_key": key, "base_url": url, "max_retries": 0}
        proxy = proxy_for(url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")
        self._model, self._params = expand_env(endpoint.name), dict(endpoint.params) or None
        guards = _of_openai(openai)
        self._client = openai.OpenAI(http_client=guards.package.Client(transport=guards.sync(proxy)), **given)
        self._create = self._client.chat.completions.with_raw_response.create

        def connect() -> Any:
            http = guards.package.AsyncClient(transport=guards.asynchronous(proxy))
            return openai.AsyncOpenAI(http_client=http, **given).chat.completions.with_raw_response.create

        self._async = _PerLoop(connect)

    def send(self, asked: Asked) -> Answer:
        return _sync(lambda: self._create(**self._body(asked)).content, asked, _openai_answer)

    async def asend(self, asked: Asked) -> Answer:
        create = self._async.get()

        async def call() -> Any:
            return (await create(**self._body(asked))).content

        return await _async(call, asked, _openai_answer)

    def close(self) -> None:
        self._client.close()
        self._async.clear()

    def _body(self, asked: Asked) -> dict[str, Any]:
        schema = asked.schema
        messages = instructed(asked.messages, schema) if asked.mode == "text" else asked.messages
        body: dict[str, Any] = {
            "model": self._model,
            "messages": _cleaned(messages),
            "extra_body": self._params or None,
        }
        if asked.mode == "json_schema":
            named = {"name": _FUNCTION, "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif asked.mode == "json_object":
            body["response_format"] = {"type": "json_object", "schema": schema}
        elif asked.mode == "tools":
            body["tools"] = [{"type": "function", "function": _function(schema)}]
            body["tool_choice"] = {"type": "function", "function": {"name": _FUNCTION}}
        if asked.logprobs:
            body |= {"logprobs": True, "top_logprobs": asked.logprobs}
        return body


class OllamaWire:
    """``/api/chat`` of Ollama, through its own package."""

    _OWN = ("think", "keep_alive", "options")

    def __init__(self, endpoint: Endpoint) -> None:
        import ollama

        url = expand_env(endpoint.base_url) if endpoint.base_url else os.environ.get("OLLAMA_HOST")
        given: dict[str, Any] = {"host": url, "follow_redirects": False}  # a redirect would be another place
        proxy = proxy_for(url if url and "//" in url else f"http://{url or '127.0.0.1'}")
        guards = guards_of("httpx")
        self._model = expand_env(endpoint.name)
        self._params: dict[str, Any] = {key: value for key, value in endpoint.params.items() if key in self._OWN}
        options = {key: value for key, value in endpoint.params.items() if key not in self._OWN}
        if options:
            self._params["options"] = {**options, **self._params.get("options", {})}
        self._client = ollama.Client(transport=guards.sync(proxy), **given)
        self._async = _PerLoop(lambda: ollama.AsyncClient(transport=guards.asynchronous(proxy), **given))

    def send(self, asked: Asked) -> Answer:
        return _sync(lambda: self._client.chat(**self._body(asked)), asked, _ollama_answer)

    async def asend(self, asked: Asked) -> Answer:
        client = self._async.get()
        return await _async(lambda: client.chat(**self._body(asked)), asked, _ollama_answer)

    def close(self) -> None:
        client: Any = self._client
        client.close()
        self._async.clear()

    def _body(self, asked: Asked) -> dict[str, Any]:
        schema = asked.schema
        messages = instructed(asked.messages, schema) if asked.mode == "text" else asked.messages
        body: dict[str, Any] = {"model": self._model, "messages": _cleaned(messages), **self._params}
        if asked.mode == "json_schema":
            body["format"] = schema
        elif asked.mode == "json_object":
            body["format"] = "json"
        elif asked.mode == "tools":
            body["tools"] = [{"type": "function", "function": _function(schema)}]
        if asked.logprobs:
            body |= {"logprobs": True, "top_logprobs": asked.logprobs}
        return body


def _of_openai(openai: Any) -> Guards:
    """Guards for the HTTP package that this version of openai speaks through."""
    client = next(kind for kind in openai.DefaultHttpxClient.__mro__ if kind.__name__ == "Client")
    return guards_of(client.__module__.partition(".")[0])


def _function(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": _FUNCTION, "description": "Gives the answer.", "parameters": schema}


def _cleaned(messages: Any) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": clean(message["content"])} for message in messages]


def _sync(call: Callable[[], Any], asked: Asked, read: Callable[[Any], Answer]) -> Answer:
    token = until.set(asked.until)
    try:
        return _read(call(), read)
    except Exception as error:
        _fail(error)
    finally:
        until.reset(token)


async def _async(call: Callable[[], Awaitable[Any]], asked: Asked, read: Callable[[Any], Answer]) -> Answer:
    token = until.set(asked.until)
    try:
        return _read(await call(), read)
    except Exception as error:
        _fail(error)
    finally:
        until.reset(token)


def _fail(error: BaseException) -> NoReturn:
    cause: BaseException | None = error
    while cause is not None:  # the openai package wraps what its transport raises
        if isinstance(cause, WireError):
            raise cause from None
        cause = cause.__cause__
    code, retryable = failure_of(error)
    raise WireError(code, retryable, status=status_of(error)) from None  # a provider's message may repeat the request


def _read(raw: Any, read: Callable[[Any], Answer]) -> Answer:
    try:
        return read(raw)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
        raise WireError("error", False, detail="The server does not speak this format.") from None


def _openai_answer(content: bytes) -> Answer:
    choice = json.loads(content)["choices"][0]
    message = choice["message"]
    finish = str(choice.get("finish_reason") or "stop")
    text = message.get("content") or ""
    calls = message.get("tool_calls") or []
    if calls:
        arguments = calls[0]["function"]["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    if isinstance(text, list):
        text = "".join(part.get("text") or "" for part in text)
    refused = bool(message.get("refusal")) or finish in _REFUSALS
    tokens = _chances((choice.get("logprobs") or {}).get("content"))
    return Answer(text=text + "", finish=finish, refused=refused, tokens=tokens)


def _ollama_answer(response: Any) -> Answer:
    message = response.message
    text = message.content or ""
    if message.tool_calls:
        text = json.dumps(dict(message.tool_calls[0].function.arguments))
    finish = str(response.done_reason or "stop")
    spelled = [token.model_dump() for token in response.logprobs] if response.logprobs else None
    return Answer(text=text, finish=finish, refused=finish in _REFUSALS, tokens=_chances(spelled))


def _chances(tokens: Any) -> tuple[TokenChance, ...] | None:
    """Tokens as both formats spell them; ``None`` where there are none, or they cannot be read."""
    if not isinstance(tokens, list) or not tokens:
        return None
    try:
        return tuple(
            TokenChance(
                text=str(token["token"]),
                logprob=float(token["logprob"]),
                alternatives={str(a["token"]): float(a["logprob"]) for a in token.get("top_logprobs") or ()},
            )
            for token in tokens
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
