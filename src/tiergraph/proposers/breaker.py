"""A circuit breaker: after some failures in a row the model is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tiergraph.errors import CircuitOpenError


class Breaker:
    """Closed: every call passes. Open: none does. Half-open, after ``reset_s``: one call is let through to try.

    Safe to use from several threads.

    Args:
        failures: Failures in a row that open it, >= 1.
        reset_s: Seconds it stays open, > 0.
        now: Clock in seconds that never goes back.
    """

    def __init__(self, failures: int, reset_s: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._reset_s, self._now = failures, reset_s, now
        self._lock = threading.Lock()
        self._failed = 0
        self._opened_at: float | None = None
        self._trying = False

    def enter(self) -> bool:
        """Call before asking; every `enter` that returns is followed by one `leave` that is given what it returned.

        Returns whether this call is the one try of a half-open breaker.

        Raises:
            CircuitOpenError: Open, or half-open with a try under way.
        """
        with self._lock:
            if self._opened_at is None:
                return False
            left = self._opened_at + self._reset_s - self._now()
            if left > 0 or self._trying:
                raise CircuitOpenError(
                    f"The router model failed {self._failed} times in a row and is left alone"
                    + (f" for {left:.1f} s more." if left > 0 else " until the try under way has ended.")
                )
            self._trying = True
            return True

    def leave(self, ok: bool | None, *, trying: bool) -> None:
        """Tell how it went; ``None`` where that says nothing of the model."""
        with self._lock:
            if trying:
                self._trying = False
            if ok:
                self._failed, self._opened_at = 0, None
            elif ok is not None:
                self._failed += 1
                # Calls that were under way when it opened do not prolong it.
                if trying or (self._opened_at is None and self._failed >= self._limit):
                    self._opened_at = self._now()
