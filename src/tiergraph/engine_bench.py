"""How much a decision costs over the least that it could cost, and how much less than grammar-constrained JSON.

The floor is a bare ``llama_decode`` of the same request tokens with the prompt cached and logits at the last token:
no tokenising, no fields, no JSON. Decision and floor alternate in one loop, so that a busy machine slows both.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tiergraph.config import RouterModelConfig
from tiergraph.proposal import proposal_schema
from tiergraph.tiers import Ladder, Tier

TEXTS = 24
"""Different requests of each length."""

GRAMMAR_VOCABULARY = 16_000
"""Larger vocabularies make grammar sampling look worse than a small router model would; they are not compared."""

_SAMPLE = (
    "where is my order and can I return the lamp for a refund when it arrives late please explain how to reset the "
    "password write a function that sorts numbers compare these two contracts what does the warranty cover in winter "
    "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7 8 9"
)
WORDS = _SAMPLE.split()

LADDER = Ladder(
    (
        Tier(name="local", model="quote", location="on_prem", criteria="One look-up or a short fact."),
        Tier(name="mid", model="quote", location="on_prem", criteria="A few steps over given facts."),
        Tier(name="frontier", model="quote", location="external", criteria="Long reasoning, code, expert judgement."),
    )
)


def bench_engine(
    path: str = "embedded", *, repeats: int = 200, request_tokens: Sequence[int] = (8, 16, 32, 128)
) -> dict[str, Any]:
    """Measure the router model at ``path`` on this machine.

    Screening is not part of it, the cache is off, and policy allows every tier. Times are in microseconds, each with
    median, 10th and 90th percentile and n. ``decision_over_floor`` is a ratio of medians for each length, and
    ``decision_over_floor_cpu`` the same of the calling thread's processor time, which a busy machine disturbs less
    (meaningful where ``threads`` is 1). ``grammar_over_decision`` is one at 32 request tokens (``grammar`` is ``None``
    above a vocabulary of 16,000).

    Raises:
        ModelError: As `LlamaCppProposer.load`.
    """
    from tiergraph.proposers.llamacpp import LlamaCppProposer

    config = RouterModelConfig(cache_size=0, contexts=2)
    with LlamaCppProposer.load(path, ladder=LADDER, config=config, sufficiency=0.5, config_digest="bench") as proposer:

        def decide(text: str) -> None:
            proposer.propose(text, narrow=lambda _: LADDER.names, deadline=time.monotonic() + 60, windows=1)

        texts = {n: _texts(proposer.tokenise, n) for n in request_tokens}
        floor = _Floor(proposer)
        lengths = {str(n): _length(decide, floor, proposer.tokenise, texts[n], repeats) for n in request_tokens}
        floor.free()
        ratios = [entry["decision_over_floor"] for entry in lengths.values()]
        middle = _texts(proposer.tokenise, 32)
        return {
            "model": proposer.name,
            "digest": proposer.digest,
            "parameters": proposer.model.parameters,
            "vocabulary": proposer.model.vocabulary,
            "threads": proposer.threads,
            "request_tokens": lengths,
            "decision_over_floor_worst": max(ratios),
            "decisions_per_second": {
                "texts_of_tokens": 32,
                "one_thread": _rate(decide, middle, repeats, 1),
                "two_threads": _rate(decide, middle, repeats, 2),
            },
            "grammar": _grammar(proposer, decide, middle, max(5, repeats // 20)),
            "memory_mb": _memory_mb(),
        }


def _length(
    decide: Callable[[str], None],
    floor: _Floor,
    tokenise: Callable[[str], Sequence[int]],
    texts: Sequence[str],
    repeats: int,
) -> dict[str, Any]:
    tokens = [tokenise(text) for text in texts]
    decisions, floors = [], []
    for number in range(-5, repeats):  # the first few warm up
        text, ids = texts[number % len(texts)], tokens[number % len(texts)]
        bare = floor.seconds(ids)
        began, cpu = time.perf_counter(), time.thread_time()
        decide(text)
        decision = _Seconds(time.perf_counter() - began, time.thread_time() - cpu)
        if number >= 0:
            floors.append(bare)
            decisions.append(decision)
    wall, processor = [d.wall for d in decisions], [d.cpu for d in decisions]
    return {
        "decision_us": _spread(wall),
        "floor_us": _spread([f.wall for f in floors]),
        "decision_over_floor": statistics.median(wall) / statistics.median(f.wall for f in floors),
        "decision_over_floor_cpu": statistics.median(processor) / statistics.median(f.cpu for f in floors),
    }


class _Seconds(NamedTuple):
    """Wall time, and processor time of the calling thread, which does all of the work where one thread decodes."""

    wall: float
    cpu: float


class _Floor:
    """A context of its own with the same prompt, and nothing but ``llama_decode``."""

    def __init__(self, proposer: Any) -> None:
        import llama_cpp

        self._llama = llama_cpp
        prompt, window, threads = proposer.prompt, proposer.window, proposer.threads
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = len(prompt) + window
        params.n_batch = max(window, min(512, len(prompt)))
        params.n_ubatch = min(params.n_batch, 512)
        params.n_threads = params.n_threads_batch = threads
        params.n_outputs_max = 1
        params.no_perf = True
        self._context: Any = llama_cpp.llama_init_from_model(proposer.model.handle, params)
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._start = 0
        for begin in range(0, len(prompt), params.n_batch):
            self._decode(prompt[begin : begin + params.n_batch])
        self._start = len(prompt)

    def seconds(self, ids: Sequence[int]) -> _Seconds:
        """Time of one decode, the old request's positions removed before."""
        self._llama.llama_memory_seq_rm(self._memory, 0, self._start, -1)
        return self._decode(ids)

    def _decode(self, ids: Sequence[int]) -> _Seconds:
        tokens = (ctypes.c_int32 * len(ids))(*ids)
        batch = self._llama.llama_batch_get_one(tokens, len(ids))
        began, cpu = time.perf_counter(), time.thread_time()
        code = self._llama.llama_decode(self._context, batch)
        self._llama.llama_synchronize(self._context)
        seconds = _Seconds(time.perf_counter() - began, time.thread_time() - cpu)
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code}")
        return seconds

    def free(self) -> None:
        self._llama.llama_free(self._context)


def _rate(decide: Callable[[str], None], texts: Sequence[str], repeats: int, threads: int) -> float:
    """Decisions per second of ``threads`` callers together, each text different from the one before."""
    endless = itertools.cycle(texts)
    requests = iter([next(endless) for _ in range(repeats * threads)])
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                text = next(requests, None)
            if text is None:
                return
            decide(text)

    callers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return repeats * threads / (time.perf_counter() - began)


def _grammar(proposer: Any, decide: Callable[[str], None], texts: Sequence[str], repeats: int) -> dict[str, Any] | None:
    """The same GGUF, prompt, requests and schema through llama-cpp-python's own grammar, its prompt cache warm."""
    if proposer.model.vocabulary > GRAMMAR_VOCABULARY:
        return None
    import llama_cpp
    from llama_cpp import llama_grammar

    prompt, threads = proposer.prompt, proposer.threads
    llama = llama_cpp.Llama(
        str(proposer.model.path),
        n_ctx=len(prompt) + 1024,
        n_threads=threads,
        n_threads_batch=threads,
        n_gpu_layers=0,
        verbose=False,
    )
    grammar = llama_grammar.LlamaGrammar.from_json_schema(json.dumps(proposal_schema(LADDER.names)), verbose=False)
    seconds, decisions, written, valid = [], [], [], 0
    for number in range(-1, repeats):
        text = texts[number % len(texts)]
        ids = [*prompt, *proposer.tokenise(text)]
        began = time.perf_counter()
        out: Any = llama.create_completion(prompt=ids, max_tokens=500, temperature=0.0, grammar=grammar)
        grammar_s = time.perf_counter() - began
        began = time.perf_counter()
        decide(text)
        decision_s = time.perf_counter() - began
        if number < 0:
            continue
        seconds.append(grammar_s)
        decisions.append(decision_s)
        written.append(out["usage"]["completion_tokens"])
        valid += _is_json(out["choices"][0]["text"])
    llama.close()
    return {
        "grammar_us": _spread(seconds),
        "decision_us": _spread(decisions),
        "tokens_written": statistics.median(written),
        "valid_json": valid,
        "grammar_over_decision": statistics.median(seconds) / statistics.median(decisions),
    }


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _texts(tokenise: Callable[[str], Sequence[int]], tokens: int) -> list[str]:
    """Different texts of exactly so many tokens."""
    chance = random.Random(tokens)
    found: dict[str, None] = {}
    while len(found) < TEXTS:
        text = ""
        while (n := len(tokenise(text))) < tokens:
            text = f"{text} {chance.choice(WORDS)}".strip()
        if n == tokens:
            found[text] = None
    return list(found)


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    tenths = statistics.quantiles(seconds, n=10)
    micro = [round(s * 1e6, 1) for s in (statistics.median(seconds), tenths[0], tenths[-1])]
    return {"median": micro[0], "p10": micro[1], "p90": micro[2], "n": len(seconds)}


def _memory_mb() -> float | None:
    """Highest resident memory of this process so far, in 10^6 bytes; ``None`` where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


__all__ = ["LADDER", "bench_engine"]
