"""A model server on loopback in OpenAI's and in Ollama's wire format that can be told to misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from constrained_reply import ANSWERED_BADLY, mode_of, routed, spoilt, token_chances

__all__ = ["MISBEHAVIOURS", "ModelServer", "first_then", "routed"]

MISBEHAVIOURS = ("slow", "drip", "429", "500", "cut", "garbage", "truncated", *ANSWERED_BADLY)
"""Every way in which a server may fail a call that asks for JSON of a schema.

``slow``: answers after ``pause`` seconds. ``drip``: one byte at a time for as long. ``cut``: closes the connection
within the answer. ``garbage``: a web page. ``truncated``: half of the answer, ended by its length. The rest: see
`constrained_reply.spoilt`.
"""

Reply = Callable[[dict[str, Any]], str]


class _Patient(ThreadingHTTPServer):
    """Holds many callers that come at once; the default of five resets the rest."""

    request_queue_size = 128


class ModelServer:
    """Answers ``/v1/chat/completions`` and ``/api/chat`` on 127.0.0.1. All attributes may change between calls.

    Attributes:
        behaviour: ``answer``, ``tools``, ``400`` (or any status), or one of `MISBEHAVIOURS`.
        text: What is answered where there is no ``reply``.
        reply: From a request's body to the answer; `routed` is a server that keeps to every schema. A call that offers
            tools is then answered with the first of them.
        logprobs: What a call for log probabilities meets: ``refused`` is a 400, ``ignored`` an answer without, and a
            mapping from values of the first property to their probabilities is given as that of its tokens.
        honours: Modes (see `constrained_reply.mode_of`) in which ``reply`` is kept; ``None`` is all of them.
        otherwise: Behaviour in every other mode.
        pause: Seconds for ``slow`` and ``drip``.
        requests: Bodies that came in.
        headers: Of each of them.
    """

    def __init__(
        self,
        behaviour: str = "answer",
        text: str = "From the wire.",
        *,
        reply: Reply | None = None,
        logprobs: Mapping[str, float] | Literal["refused", "ignored"] = "ignored",
        honours: tuple[str, ...] | None = None,
        otherwise: str = "forbidden tier",
        pause: float = 3.0,
    ) -> None:
        self.behaviour, self.text, self.reply = behaviour, text, reply
        self.logprobs, self.honours, self.otherwise, self.pause = logprobs, honours, otherwise, pause
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else head and body of an answer wait for each other

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append(body)
                server.headers.append(dict(self.headers))
                with suppress(BrokenPipeError, ConnectionResetError):  # a client that ran out of patience
                    server._respond(self, body)

        self._http = _Patient(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._closing = threading.Event()
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def sent(self) -> str:
        """All that came in, as one text."""
        return json.dumps(self.requests)

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    def _respond(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        behaviour = self._behaviour(body)
        if behaviour.isdigit():
            return _send(handler, int(behaviour), json.dumps({"error": {"message": "told to"}}))
        if behaviour == "slow":
            self._closing.wait(self.pause)
        if behaviour == "garbage":
            return _send(handler, 200, "<html>not what you asked for</html>")
        ollama = handler.path.startswith("/api")
        said = _Said(self, body, behaviour)
        lines = _ollama_lines(said, body) if ollama else _openai_lines(said, body)
        streaming = bool(body.get("stream"))
        text = "".join(lines) if streaming else lines[-1]
        if behaviour == "cut":
            return _cut(handler, lines[0][: None if streaming else 40], ollama)
        if behaviour == "drip":
            return _drip(handler, text, self.pause, self._closing)
        return _send(handler, 200, text, stream=streaming and not ollama)

    def _behaviour(self, body: dict[str, Any]) -> str:
        if self.logprobs == "refused" and body.get("logprobs"):
            return "400"
        if self.honours is not None and self.behaviour == "answer" and mode_of(body) not in self.honours:
            return self.otherwise
        return self.behaviour


def first_then(first: str, then: Reply = routed) -> Reply:
    """A reply that is ``first`` once, and ``then`` from there on."""
    said: list[str] = []

    def reply(body: dict[str, Any]) -> str:
        said.append(first)
        return first if len(said) == 1 else then(body)

    return reply


class _Said:
    """What is answered: text, tool calls, why it ends, and its tokens where they were asked for and are given."""

    def __init__(self, server: ModelServer, body: dict[str, Any], behaviour: str) -> None:
        self.calls: list[dict[str, Any]] = []
        self.finish, self.tokens = "stop", None
        if behaviour == "tools":
            self.text, self.calls = "", [{"name": "track", "arguments": {"order": "HB-1"}}]
            return
        text = server.text if server.reply is None else server.reply(body)
        self.text = "" if behaviour == "empty" else text
        if server.reply is not None and behaviour in ANSWERED_BADLY:
            self.text = spoilt(text, behaviour, body)
        if behaviour == "truncated":
            self.text, self.finish = text[: len(text) // 2], "length"
        if body.get("logprobs") and isinstance(server.logprobs, Mapping):
            self.tokens = token_chances(self.text, server.logprobs)
        offered = body.get("tools") if server.reply is not None else None
        if offered and behaviour != "plain text" and self.text:
            self.calls = [{"name": offered[0]["function"]["name"], "arguments": self.text}]
            self.text = ""


def _cut(handler: BaseHTTPRequestHandler, start: str, ollama: bool) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-ndjson" if ollama else "text/event-stream")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(start.encode())
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def _drip(handler: BaseHTTPRequestHandler, text: str, seconds: float, closing: threading.Event) -> None:
    data = text.encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    end = time.monotonic() + seconds
    for at in range(len(data) - 1):  # the last byte comes when the time is up
        handler.wfile.write(data[at : at + 1])
        handler.wfile.flush()
        left = len(data) - 1 - at
        if closing.wait(max(0.0, end - time.monotonic()) / left):
            return
    handler.wfile.write(data[-1:])


def _send(handler: BaseHTTPRequestHandler, status: int, text: str, *, stream: bool = False) -> None:
    data = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "text/event-stream" if stream else "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def _openai_lines(said: _Said, body: dict[str, Any]) -> list[str]:
    text = said.text
    tool_calls = [
        {"index": i, "id": f"c{i}", "type": "function", "function": {**c, "arguments": _text(c["arguments"])}}
        for i, c in enumerate(said.calls)
    ]
    finish = "tool_calls" if tool_calls and said.finish == "stop" else said.finish
    usage = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25}
    base = {"id": "x", "created": 1, "model": body.get("model", "m")}
    if not body.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if tool_calls:
            message["tool_calls"] = tool_calls
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
        if said.tokens is not None:
            choice["logprobs"] = {"content": said.tokens}
        return [json.dumps({**base, "object": "chat.completion", "choices": [choice], "usage": usage})]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": part} for part in text.split(" ")] or [{}]
    deltas = [{**d, "content": d["content"] + " "} if d.get("content") else d for d in deltas]
    if tool_calls:
        deltas = [{"role": "assistant", "content": None, "tool_calls": tool_calls}]
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chunks.append({"choices": [], "usage": usage})
    lines = [f"data: {json.dumps({**base, 'object': 'chat.completion.chunk', **chunk})}\n\n" for chunk in chunks]
    return [*lines, "data: [DONE]\n\n"]


def _ollama_lines(said: _Said, body: dict[str, Any]) -> list[str]:
    text = said.text
    base = {"model": body.get("model", "m"), "created_at": "2026-01-01T00:00:00Z"}
    calls = [{"function": {**call, "arguments": _mapping(call["arguments"])}} for call in said.calls]
    counts: dict[str, Any] = {"prompt_eval_count": 21, "eval_count": 4, "total_duration": 1}
    ended = {"done": True, "done_reason": said.finish, **counts}
    if not body.get("stream"):
        whole: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            whole["tool_calls"] = calls
        tokens = {} if said.tokens is None else {"logprobs": said.tokens}
        return [json.dumps({**base, "message": whole, **ended, **tokens})]
    messages: list[dict[str, Any]] = [{"role": "assistant", "content": part + " "} for part in text.split(" ") if part]
    if calls:
        messages = [{"role": "assistant", "content": "", "tool_calls": calls}]
    lines = [json.dumps({**base, "message": message, "done": False}) + "\n" for message in messages]
    lines.append(json.dumps({**base, "message": {"role": "assistant", "content": ""}, **ended}) + "\n")
    return lines


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _mapping(arguments: Any) -> Any:
    """Arguments as Ollama sends them: an object, or whatever a broken answer is."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return {"text": arguments}
