"""A model server on loopback in OpenAI's and in Ollama's wire format that can be told to misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ModelServer:
    """Answers ``/v1/chat/completions`` and ``/api/chat`` on 127.0.0.1.

    ``behaviour``: ``answer``, ``tools``, ``429``, ``500``, ``400``, ``slow``, ``cut``, ``garbage``, ``empty``.
    ``requests`` are the bodies that came in.
    """

    def __init__(self, behaviour: str = "answer", text: str = "From the wire.") -> None:
        self.behaviour, self.text = behaviour, text
        self.requests: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append(body)
                with suppress(BrokenPipeError, ConnectionResetError):  # a client that ran out of patience
                    server._respond(self, body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

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
        self._http.shutdown()
        self._http.server_close()

    def _respond(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if self.behaviour.isdigit():
            return _send(handler, int(self.behaviour), json.dumps({"error": {"message": "told to"}}))
        if self.behaviour == "slow":
            time.sleep(3)
        if self.behaviour == "garbage":
            return _send(handler, 200, "<html>not what you asked for</html>")
        ollama = handler.path.startswith("/api")
        lines = _ollama_lines(self, body) if ollama else _openai_lines(self, body)
        streaming = bool(body.get("stream"))
        if self.behaviour == "cut":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/x-ndjson" if ollama else "text/event-stream")
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            handler.wfile.write(lines[0].encode())
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return None
        return _send(handler, 200, "".join(lines) if streaming else lines[-1], stream=streaming and not ollama)


def _send(handler: BaseHTTPRequestHandler, status: int, text: str, *, stream: bool = False) -> None:
    data = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "text/event-stream" if stream else "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def _said(server: ModelServer) -> tuple[str, list[dict[str, Any]]]:
    if server.behaviour == "tools":
        return "", [{"name": "track", "arguments": {"order": "HB-1"}}]
    return ("" if server.behaviour == "empty" else server.text), []


def _openai_lines(server: ModelServer, body: dict[str, Any]) -> list[str]:
    text, calls = _said(server)
    tool_calls = [
        {"index": i, "id": f"c{i}", "type": "function", "function": {**c, "arguments": json.dumps(c["arguments"])}}
        for i, c in enumerate(calls)
    ]
    finish = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25}
    base = {"id": "x", "created": 1, "model": body.get("model", "m")}
    if not body.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if tool_calls:
            message["tool_calls"] = tool_calls
        choice = {"index": 0, "message": message, "finish_reason": finish}
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


def _ollama_lines(server: ModelServer, body: dict[str, Any]) -> list[str]:
    text, calls = _said(server)
    base = {"model": body.get("model", "m"), "created_at": "2026-01-01T00:00:00Z"}
    messages: list[dict[str, Any]] = [{"role": "assistant", "content": part + " "} for part in text.split(" ") if part]
    if calls:
        messages = [{"role": "assistant", "content": "", "tool_calls": [{"function": call} for call in calls]}]
    lines = [json.dumps({**base, "message": message, "done": False}) + "\n" for message in messages]
    counts = {"prompt_eval_count": 21, "eval_count": 4, "total_duration": 1}
    closing = {"role": "assistant", "content": ""}
    lines.append(json.dumps({**base, "message": closing, "done": True, "done_reason": "stop", **counts}) + "\n")
    return lines
