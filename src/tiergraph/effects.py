"""One body for sync and async: a generator yields the calls it needs made, a driver makes them either way.

A node that was written twice drifts apart; a node that was written once cannot.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A call to be made: ``sync`` blocks, ``asynchronous`` awaits; without one, ``sync`` runs in a worker thread.

    ``timeout_s``: seconds until `TimeoutError`; ``None`` leaves the time to the callee.
    """

    sync: Callable[[], Any]
    asynchronous: Callable[[], Awaitable[Any]] | None = None
    timeout_s: float | None = None


Steps = Generator[Call, Any, T]


def run(steps: Steps[T]) -> T:
    """Drive the steps, blocking."""
    try:
        call = next(steps)
        while True:
            try:
                result = call.sync() if call.timeout_s is None else _within(call.sync, call.timeout_s)
            except Exception as error:
                call = steps.throw(error)
            else:
                call = steps.send(result)
    except StopIteration as stop:
        value: T = stop.value
        return value


async def arun(steps: Steps[T]) -> T:
    """Drive the steps without blocking the event loop."""
    try:
        call = next(steps)
        while True:
            try:
                if call.asynchronous:
                    pending: Awaitable[Any] = call.asynchronous()
                elif call.timeout_s is None:
                    pending = asyncio.to_thread(call.sync)
                else:
                    # Not in the loop's executor: a call that hangs would keep one of its few threads for good.
                    pending = asyncio.wrap_future(_started(call.sync))
                result = await (pending if call.timeout_s is None else asyncio.wait_for(pending, call.timeout_s))
            except Exception as error:
                call = steps.throw(error)
            else:
                call = steps.send(result)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        steps.close()  # a cancelled await throws nothing into it, and what it holds has to be given back now


def _within(function: Callable[[], T], seconds: float) -> T:
    """The function's result, or `TimeoutError` after so many seconds.

    A function that hangs keeps its daemon thread; Python cannot end it, but the request goes on and so does the exit.
    """
    return _started(function).result(timeout=max(seconds, 0.0))


def _started(function: Callable[[], T]) -> Future[T]:
    """The function in a daemon thread of its own."""
    future: Future[T] = Future()
    context = contextvars.copy_context()  # LangGraph's config and callbacks travel in context variables

    def work() -> None:
        try:
            result = context.run(function)
        except BaseException as error:
            outcome, given = future.set_exception, error
        else:
            outcome, given = future.set_result, result  # type: ignore[assignment]
        with suppress(InvalidStateError):  # whoever asked has gone
            outcome(given)

    threading.Thread(target=work, name="tiergraph-call", daemon=True).start()
    return future
