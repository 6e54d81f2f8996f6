"""What went wrong with a call over the network, as one of a few stable codes. Pure."""

from __future__ import annotations

from typing import NamedTuple

GAVE_UP = ("unsure", "refusal", "empty")
"""Codes of a tier that was reached and had no answer: asking it again, or another like it, is no cure."""

_UNREACHABLE = frozenset({"APIConnectionError", "ConnectError", "TransportError", "RemoteProtocolError"})


class Failure(NamedTuple):
    """A reason code, and whether asking again may help."""

    code: str
    retryable: bool


def status_of(error: BaseException) -> int | None:
    """HTTP status that an exception of any provider's package carries."""
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def failure_of(error: BaseException) -> Failure:
    """A provider's exception as a code: by status where it has one, else by the names of its classes."""
    status = status_of(error)
    if status is not None:
        if status == 429:
            return Failure("rate_limited", True)
        if status in (408, 504):
            return Failure("timeout", True)
        if status >= 500:
            return Failure("server_error", True)
        if status >= 400:
            return Failure("bad_request", False)
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, TimeoutError) or any("Timeout" in name for name in names):
        return Failure("timeout", True)
    if isinstance(error, ConnectionError) or names & _UNREACHABLE:
        return Failure("unreachable", True)
    return Failure("error", False)
