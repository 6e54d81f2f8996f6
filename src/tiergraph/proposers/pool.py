"""A fixed number of workers, each used by one thread at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tiergraph.errors import DecisionTimeoutError, ProposerError

T = TypeVar("T")

CLOSED = "The router model is closed."


class Pool(Generic[T]):
    """Lends out ``workers``, the one used last first (its caches are warm).

    Args:
        close: Frees a worker; called once for each, after its last use.
        closed: Called once, after the last worker was freed and the last `hold` ended.
    """

    def __init__(self, workers: Sequence[T], *, close: Callable[[T], None], closed: Callable[[], None]) -> None:
        self._free = list(workers)
        self._alive = len(workers)
        self._close, self._closed = close, closed
        self._shut = False
        self._changed = threading.Condition(threading.Lock())

    def hold(self) -> None:
        """What the workers share is not freed until `release`, which follows every `hold` that returns.

        Raises:
            ProposerError: The pool is closed.
        """
        with self._changed:
            if self._shut:
                raise ProposerError(CLOSED)
            self._alive += 1

    def release(self) -> None:
        """Ends a `hold`."""
        self._gone(1)

    def take(self, deadline: float) -> T:
        """A worker, to be given back with `give_back`.

        Raises:
            DecisionTimeoutError: None became free before ``deadline`` (of ``time.monotonic()``).
            ProposerError: The pool is closed.
        """
        with self._changed:
            while not self._free or self._shut:
                if self._shut:
                    raise ProposerError(CLOSED)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DecisionTimeoutError("No context of the router model became free before the deadline.")
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
            return self._free.pop()

    def give_back(self, worker: T) -> None:
        """Every `take` is followed by one."""
        with self._changed:
            if not self._shut:
                self._free.append(worker)
                self._changed.notify()
                return
        self._drop([worker])

    def close(self) -> None:
        """Free the idle workers now and each busy one when it comes back. Calling it twice is harmless."""
        with self._changed:
            if self._shut:
                return
            self._shut = True
            idle, self._free = self._free, []
            self._changed.notify_all()
        self._drop(idle)

    def _drop(self, workers: Sequence[T]) -> None:
        for worker in workers:
            self._close(worker)
        self._gone(len(workers))

    def _gone(self, count: int) -> None:
        with self._changed:
            self._alive -= count
            last = count > 0 and self._alive == 0
        if last:
            self._closed()
