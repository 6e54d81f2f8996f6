"""How much our side of a hosted path costs over the bare HTTP call of the same body to the same server.

The server is a stand-in on loopback that answers after a stated pause with a valid text, in OpenAI's and in Ollama's
format. Ours and the bare call alternate in one loop, so that a busy machine slows both.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tiergraph.config import RouterModelConfig
from tiergraph.endpoints import JudgeConfig
from tiergraph.engine_bench import LADDER
from tiergraph.timing import spread

PAUSES_MS = (0, 50)
"""Milliseconds that the stand-in takes to answer. A small model on a fast server takes longer than the larger one."""

QUOTED_MS = 50
"""The pause whose ratio is held against the bar; at 0 the ratio compares us with a server that does nothing."""

_PROPOSAL = {
    "tier": "mid",
    "difficulty": 2,
    "intent": "other",
    "needs_retrieval": False,
    "contains_pii": False,
    "is_legal": False,
    "reason": "procedure",
    "confidence": 80,
}
_VERDICT = {"faithfulness": 5, "helpfulness": 4, "unsupported": []}
_DOCUMENT = {"id": "refunds", "text": "A refund takes five working days after the parcel has come back."}


def bench_hosted(*, repeats: int) -> dict[str, Any]:
    """Median times in microseconds of each hosted path and of the bare call, and their ratio, for each pause.

    ``worst``: the highest ratio at `QUOTED_MS`, over router model, judge and embedding router on both wires.
    """
    paths: dict[str, Any] = {}
    for pause in PAUSES_MS:
        with _server(pause / 1000) as (url, said):
            for name, make in _paths(url):
                said.text = json.dumps(_VERDICT if name.endswith("judge") else _PROPOSAL)
                paths.setdefault(name, {})[str(pause)] = _measure(make(), url, said, repeats)
    worst = max(times[str(QUOTED_MS)]["over_bare"] for times in paths.values())
    return {"pauses_ms": list(PAUSES_MS), "paths": paths, "worst": worst}


class _Said:
    """What the stand-in answers, and the last body and path that it was asked with."""

    text = ""
    path = ""
    body = b""


class _Path(NamedTuple):
    call: Callable[[], object]
    close: Callable[[], None]


def _paths(url: str) -> Iterator[tuple[str, Callable[[], _Path]]]:
    for wire, base in (("openai", f"{url}/v1"), ("ollama", url)):
        yield f"{wire} router", lambda wire=wire, base=base: _router(wire, base)  # type: ignore[misc]
        yield f"{wire} judge", lambda wire=wire, base=base: _judge(wire, base)  # type: ignore[misc]
        yield f"{wire} embeddings", lambda wire=wire, base=base: _embeddings(wire, base)  # type: ignore[misc]


def _router(wire: str, base: str) -> _Path:
    from tiergraph.proposers.hosted import HostedProposer

    config = RouterModelConfig(
        model=f"{wire}:stand-in",
        location="on_prem",
        base_url=base,
        mode="text",  # the stand-in obeys no schema, and how a mode is asked for costs nothing
        cache_size=0,
        logprobs=False,
        params={"temperature": 0},
    )
    proposer = HostedProposer.load(ladder=LADDER, config=config, sufficiency=0.5, config_digest="bench")

    def call() -> object:
        return proposer.propose(
            "How do I return an order?", narrow=lambda _: LADDER.names, deadline=time.monotonic() + 60, windows=1
        )

    return _Path(call, proposer.close)


def _judge(wire: str, base: str) -> _Path:
    from tiergraph.judges.hosted import HostedJudge

    judge = HostedJudge.load(JudgeConfig(model=f"{wire}:stand-in", location="on_prem", base_url=base, mode="text"))

    def call() -> object:
        return judge.judge(
            "How long does a refund take?",
            "A refund takes five working days after the parcel has come back.",
            [_DOCUMENT],  # type: ignore[list-item]
            threshold=0.65,
            deadline=time.monotonic() + 60,
        )

    return _Path(call, judge.close)


def _embeddings(wire: str, base: str) -> _Path:
    from tiergraph.proposers.embedding import EmbeddingProposer

    clusters = [
        {"name": "parcels", "tier": "local", "examples": ["where is my parcel", "track my order"]},
        {"name": "proofs", "tier": "frontier", "examples": ["prove the theorem", "derive the bound"]},
    ]
    key = {"api_key": "none"} if wire == "openai" else {}
    embeddings = {"model": f"{wire}:stand-in", "location": "on_prem", "base_url": base, **key}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "routes.yaml"
        file.write_text(json.dumps({"version": 1, "embeddings": embeddings, "clusters": clusters}), encoding="utf-8")
        config = RouterModelConfig(model=f"embedding:{file}", cache_size=0)
        proposer = EmbeddingProposer.load(ladder=LADDER, config=config, sufficiency=0.5, config_digest="bench")

    def call() -> object:
        return proposer.propose(
            "How do I return an order?", narrow=lambda _: LADDER.names, deadline=time.monotonic() + 60, windows=1
        )

    return _Path(call, proposer.close)


def _measure(path: _Path, url: str, said: _Said, repeats: int) -> dict[str, Any]:
    import httpx

    ours, bare = [], []
    try:
        path.call()
        with httpx.Client() as client:
            for number in range(-3, repeats):  # the first ones warm up
                began = time.perf_counter()
                path.call()
                mine = time.perf_counter() - began
                body = said.body
                began = time.perf_counter()
                client.post(f"{url}{said.path}", content=body, headers={"Content-Type": "application/json"}).json()
                other = time.perf_counter() - began
                if number >= 0:
                    ours.append(mine)
                    bare.append(other)
    finally:
        path.close()
    return {
        "ours_us": spread(ours, 1e6),
        "bare_us": spread(bare, 1e6),
        "over_bare": statistics.median(ours) / statistics.median(bare),
    }


@contextmanager
def _server(pause_s: float) -> Iterator[tuple[str, _Said]]:
    said = _Said()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            said.path, said.body = self.path, self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(pause_s)
            data = json.dumps(_answer(self.path, said)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", said
    finally:
        server.shutdown()
        server.server_close()


def _answer(path: str, said: _Said) -> Mapping[str, Any]:
    if path.endswith(("/embeddings", "/embed")):
        texts = json.loads(said.body)["input"]
        vectors = [_vector(text) for text in ([texts] if isinstance(texts, str) else texts)]
        if path.startswith("/api"):
            return {"model": "stand-in", "embeddings": vectors}
        data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        return {"object": "list", "data": data, "model": "stand-in", "usage": {"prompt_tokens": 9, "total_tokens": 9}}
    return _ollama(said.text) if path.startswith("/api") else _openai(said.text)


def _vector(text: str) -> list[float]:
    """A few hundred numbers that differ from text to text."""
    chance = random.Random(text)
    return [chance.uniform(-1, 1) for _ in range(384)]


def _openai(text: str) -> Mapping[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "stand-in",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
    }


def _ollama(text: str) -> Mapping[str, Any]:
    return {
        "model": "stand-in",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 9,
    }
