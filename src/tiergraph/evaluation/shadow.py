"""A candidate configuration beside the live one: it sees the same requests, decides, and never serves.

::

    with Shadow("candidate.yaml", log="shadow.jsonl", sample=0.1) as shadow:
        router = create_tier_router(load_config("router.yaml"), shadow=shadow)

It works in one daemon thread behind a bounded queue. The live path hands a request over and goes on: where the queue
is full the request is dropped and counted. The thread shares the machine with the live router.

Failure rule: nothing that goes wrong here reaches the live path, not even a wish to end the process; only an interrupt
of the host itself goes on to it. It is counted by the class of its error, and what the candidate raised stands in the
log by class too; no line of the log holds content. A process that forks gives its child a shadow that starts anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiergraph.config import RouterConfig, load_config
from tiergraph.errors import InputError
from tiergraph.evaluation.paid import paid, refuse_paid_helpers, refuse_paid_links, refuse_paid_models
from tiergraph.evaluation.shadow_log import VERSION, ShadowReport, candidate_part, live_part, shadow_report
from tiergraph.policy import Decision
from tiergraph.records import decision_json, input_hash

if TYPE_CHECKING:
    from tiergraph.decider import Decider
    from tiergraph.request import Request

__all__ = ["Counts", "Shadow", "ShadowReport", "shadow_report"]

KEPT = 10_000
"""Lines that stay in memory where there is no log."""

_WHO = "the candidate"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Where the requests went.

    Attributes:
        seen: Handed over by the live path.
        sampled: Of these, chosen by ``sample``.
        done: The candidate decided.
        dropped: The queue was full, or the shadow closed.
        failed: Something was raised; ``failures`` has the classes. What is neither is still waiting.
    """

    seen: int = 0
    sampled: int = 0
    done: int = 0
    dropped: int = 0
    failed: int = 0
    failures: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class _Job:
    request: Request
    input_hash: str
    live: dict[str, Any]


class Shadow:
    """A candidate that runs beside the live router. Thread-safe; one serves any number of live routers.

    Args:
        candidate: A configuration, the path of a ``router.yaml``, or a decider that is loaded already.
        log: JSONL file to append to; without one the last `KEPT` lines stay in ``lines``.
        sample: Share of requests in [0, 1] that the candidate sees, chosen by the hash of the question: the same
            questions each time, in all processes where ``record.salt`` is set.
        allow_paid: Let it call what costs money or leaves: hosted or external router models and judges, external
            retrievers, and, with ``draft``, tiers with a price or outside.
        draft: Run the whole graph and not the decision alone. Tiers that may not be called are taken to be there; the
            run of a request that comes to one says so (``unasked``) and counts as ending at it.
        queue: Requests that may wait, >= 1.
        models, retriever, judge: As of `create_tier_router`, for the candidate; with ``draft``.
        salt: Of the sample, so that two shadows can look at different requests.

    Raises:
        ConfigError: The candidate could call something paid, or cannot be loaded; names the fix.
        InputError: An option out of its range, or a log that cannot be written.
        ModelError: A router model that cannot be loaded.
    """

    def __init__(
        self,
        candidate: RouterConfig | str | PathLike[str] | Decider,
        *,
        log: str | PathLike[str] | None = None,
        sample: float = 1.0,
        allow_paid: bool = False,
        draft: bool = False,
        queue: int = 100,
        models: Mapping[str, Any] | None = None,
        retriever: Any = None,
        judge: Any = None,
        salt: str = "",
    ) -> None:
        if not 0 <= sample <= 1:
            raise InputError(f"sample is {sample!r}. Fix: a share in [0, 1].", code="bad_option")
        if queue < 1:
            raise InputError(f"queue is {queue!r}. Fix: at least 1.", code="bad_option")
        if not draft and (models or retriever is not None or judge is not None):
            raise InputError("models, retriever and judge are for draft=True. Fix: add it.", code="bad_option")
        self._sample, self._queue, self._salt = sample, queue, salt
        self._log = None if log is None else _writable(log)
        self.lines: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._decider, self._owned = _loaded(candidate, allow_paid, models or {})
        self.config = self._decider.config
        try:
            self._graph = _graph(self._decider, allow_paid, models or {}, retriever, judge) if draft else None
        except BaseException:
            if self._owned:
                self._decider.close()
            raise
        self._closed = False
        self._torn = b""
        self._start_anew()
        _ALIVE.add(self)

    def _start_anew(self) -> None:
        """Nothing waits, runs or was counted: so it is at first, and in the child of a fork.

        There the parent's thread does not run, its requests are the parent's, and its lock may be held for ever.
        """
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._counted: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    def observe(self, request: Any, live: Decision | Mapping[str, Any]) -> None:
        """Hand over a request that was served. Returns at once and raises nothing.

        An interrupt in the main thread is the host's own, and goes on to it.

        Args:
            request: A `Request`, what makes one when called, a text, or keyword arguments of `Decider.decide`.
            live: The record of the live router, or its decision.
        """
        try:
            self._observe(request, live)
        except BaseException as error:  # the live path must not notice, whatever a request that is called raises
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            self._fail(error)

    def _observe(self, request: Any, live: Decision | Mapping[str, Any]) -> None:
        with self._changed:
            self._counted["seen"] += 1
        known = None if isinstance(live, Decision) else str(live["input_hash"])
        if known is not None and not self._sampled(known):
            return
        parsed = _parsed(request)
        hashed = known or input_hash(parsed.question, self.config)
        if known is None and not self._sampled(hashed):
            return
        job = _Job(request=parsed, input_hash=hashed, live=live_part(_json(live)))
        with self._changed:
            self._counted["sampled"] += 1
            if self._closed or len(self._waiting) >= self._queue:
                self._counted["dropped"] += 1
                return
            self._waiting.append(job)
            if self._thread is None or not self._thread.is_alive():
                # In a context of its own: nothing of the host's run, its callbacks or its thread, is visible there.
                self._thread = threading.Thread(
                    target=Context().run, args=(self._work,), name="tiergraph-shadow", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def _sampled(self, hashed: str) -> bool:
        drawn = hashlib.sha256(f"{self._salt}:{hashed}".encode()).digest()[:8]
        return int.from_bytes(drawn) < self._sample * 2**64

    @property
    def counts(self) -> Counts:
        """Where the requests went so far."""
        with self._changed:
            return Counts(**self._counted, failures=dict(self._failures))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until all that was handed over is done; whether it was, within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Finish what waits, for so many seconds at most, and give back what was loaded here. Twice is harmless.

        A candidate that hangs keeps its daemon thread, and what it has loaded.
        """
        with self._changed:
            first, self._closed = not self._closed, True
        done = self.flush(timeout_s)
        with self._changed:
            self._counted["dropped"] += len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        if first and done and self._owned:
            self._decider.close()

    def __enter__(self) -> Shadow:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                job, self._busy = self._waiting.popleft(), True
            error: BaseException | None = None
            try:
                error = self._run(job)
            except BaseException as failed:  # a candidate's own code may even ask the process to end
                error = failed
            with self._changed:
                self._busy = False
                if error is None:
                    self._counted["done"] += 1
                else:
                    self._counted["failed"] += 1
                    self._failures[type(error).__name__] += 1
                del job
                self._changed.notify_all()

    def _run(self, job: _Job) -> BaseException | None:
        """Decide one request and write its line; gives what the candidate raised."""
        started, error = time.perf_counter(), None
        try:
            found = self._candidate(job.request)
        except BaseException as failed:
            found, error = {"error": type(failed).__name__}, failed
        latency = round((time.perf_counter() - started) * 1000, 3)
        self._write(
            {
                "version": VERSION,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "input_hash": job.input_hash,
                "live": job.live,
                "candidate": candidate_part(
                    {"latency_ms": latency, **found}, self.config.digest, self.config.ladder.names
                ),
            }
        )
        return error

    def _candidate(self, request: Request) -> dict[str, Any]:
        from tiergraph.effects import run

        if self._graph is None:
            return decision_json(run(self._decider.steps(request)))
        graph, stubs = self._graph
        record = graph.invoke(_graph_input(request))["routing"]
        unasked = next((hop["tier"] for hop in record["hops"] if hop["tier"] in stubs), None)
        return {**record, "unasked": unasked}

    def _write(self, line: dict[str, Any]) -> None:
        if self._log is None:
            self.lines.append(line)
            return
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        self._append(self._torn + data)

    def _append(self, data: bytes) -> None:
        """All of it, or an `OSError`; after one that came in the middle of a line the next write ends that line."""
        assert self._log is not None
        with self._log.open("ab", buffering=0) as file:
            done = 0
            try:
                while done < len(data):
                    written = os.write(file.fileno(), data[done:])
                    if not written:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    done += written
            finally:
                if done:
                    self._torn = b"" if data[:done].endswith(b"\n") else b"\n"

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._counted["failed"] += 1
            self._failures[type(error).__name__] += 1


_ALIVE: weakref.WeakSet[Shadow] = weakref.WeakSet()
"""Shadows of this process, none of which is kept by it."""


def _after_fork() -> None:
    for shadow in list(_ALIVE):
        shadow._start_anew()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)


def _loaded(
    candidate: RouterConfig | str | PathLike[str] | Decider, allow_paid: bool, models: Mapping[str, Any]
) -> tuple[Decider, bool]:
    """The candidate's decider, and whether it was loaded here."""
    from tiergraph.decider import Decider, create_decider

    if isinstance(candidate, Decider):
        if not allow_paid:
            refuse_paid_links(candidate, _WHO)
        return candidate, False
    config = candidate if isinstance(candidate, RouterConfig) else load_config(candidate)
    if not allow_paid:
        refuse_paid_models(config, _WHO)
    # A paid tier is never asked, so that it need not be there: the candidate decides as it would where it is.
    given = {*models, *(tier.name for tier in config.tiers if not allow_paid and paid(tier))}
    decider = create_decider(config, given=given)
    try:
        if not allow_paid:
            refuse_paid_links(decider, _WHO)
        decider.warm()
    except BaseException:
        decider.close()
        raise
    return decider, True


def _graph(
    decider: Decider, allow_paid: bool, models: Mapping[str, Any], retriever: Any, judge: Any
) -> tuple[Any, frozenset[str]]:
    """The candidate's graph, and the tiers in it that are never asked."""
    from tiergraph.evaluation.replay import ReplayChat
    from tiergraph.graph import create_tier_router

    config, stubs = decider.config, frozenset[str]()
    if not allow_paid:
        refuse_paid_helpers(config, _WHO, retriever=retriever, judge=judge)
        stubs = frozenset(tier.name for tier in config.tiers if paid(tier))
    graph = create_tier_router(
        config,
        decider=decider,
        models={**models, **{name: ReplayChat(tier=name) for name in stubs}},  # without a case it answers nothing
        retriever=retriever,
        judge=judge,
        name="tiergraph-shadow",
    )
    return graph, stubs


def _writable(log: str | PathLike[str]) -> Path:
    """The log, with an end to its last line: one that was torn when a process was killed would swallow the next."""
    path = Path(log)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
    except OSError as error:
        raise InputError(
            f"{log}: the log cannot be written: {error.strerror}. Fix: name another file.", code="bad_log"
        ) from None
    return path


def _parsed(request: Any) -> Request:
    from tiergraph.request import Request, parse_request

    if callable(request):
        request = request()
    if isinstance(request, Request):
        return request
    if not isinstance(request, Mapping):
        return parse_request(request)
    parts = dict(request)
    text, messages = parts.pop("text", None), parts.pop("messages", None)
    return parse_request(text if messages is None else messages, **parts)


def _graph_input(request: Request) -> dict[str, Any]:
    """The request as input of a graph, which takes it apart into the same parts again."""
    from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

    kinds: dict[str, Callable[[str], BaseMessage]] = {"user": HumanMessage, "assistant": AIMessage}
    messages = [kinds.get(turn["role"], SystemMessage)(turn["content"]) for turn in request.history]
    messages += [ToolMessage(text, tool_call_id="shadow") for text in request.tool_results]
    content: Any = request.question
    if request.media:
        content = [{"type": "text", "text": request.question}, *request.media]
    messages.append(HumanMessage(content))
    return {
        "messages": messages,
        "documents": [dict(document) for document in request.documents],
        "metadata": dict(request.metadata),
        "attachments": list(request.attachments),
    }


def _json(live: Decision | Mapping[str, Any]) -> Mapping[str, Any]:
    return decision_json(live) if isinstance(live, Decision) else live
