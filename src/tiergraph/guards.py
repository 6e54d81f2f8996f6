"""Below the providers' packages: a request ends when its time is up or its response too large, however it is spread.

httpx bounds the wait for each piece, so that a server which drips is never late; here the whole is bounded. The openai
package speaks through httpx or httpx2 by its version, so the guards are made for the one that is given.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tiergraph.wire import MAX_BODY, WireError

until: ContextVar[float] = ContextVar("tiergraph_until")
"""Time of ``time.monotonic()`` at which the request at hand ends."""

PACKED = 64
"""How much larger than what travels an unpacked response may be taken to be."""


@dataclass(frozen=True)
class Guards:
    """How to open guarded clients' transports, and the package they belong to."""

    package: Any
    sync: Any
    asynchronous: Any


@lru_cache(maxsize=4)
def guards_of(package: str) -> Guards:
    """Guarded transports of ``httpx`` or a package shaped like it. Each takes the proxy to go through, or ``None``."""
    http: Any = importlib.import_module(package)
    keep = http.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)

    class Stream(http.SyncByteStream):  # type: ignore[misc, unused-ignore]
        def __init__(self, inner: Any, end: float, limit: int) -> None:
            self._inner, self._end, self._limit = inner, end, limit

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for chunk in self._inner:
                size += len(chunk)
                _check(self._end, size, self._limit)
                yield chunk

        def close(self) -> None:
            self._inner.close()

    class AsyncStream(http.AsyncByteStream):  # type: ignore[misc, unused-ignore]
        def __init__(self, inner: Any, end: float, limit: int) -> None:
            self._inner, self._end, self._limit = inner, end, limit

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in self._inner:
                size += len(chunk)
                _check(self._end, size, self._limit)
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    class Guard(http.BaseTransport):  # type: ignore[misc, unused-ignore]
        def __init__(self, proxy: str | None) -> None:
            self._inner = http.HTTPTransport(proxy=proxy, limits=keep)

        def handle_request(self, request: Any) -> Any:
            end = _bounded(request)
            response = self._inner.handle_request(request)
            response.stream = Stream(response.stream, end, _limit(response))
            return response

        def close(self) -> None:
            self._inner.close()

    class AsyncGuard(http.AsyncBaseTransport):  # type: ignore[misc, unused-ignore]
        def __init__(self, proxy: str | None) -> None:
            self._inner = http.AsyncHTTPTransport(proxy=proxy, limits=keep)

        async def handle_async_request(self, request: Any) -> Any:
            end = _bounded(request)
            response = await self._inner.handle_async_request(request)
            response.stream = AsyncStream(response.stream, end, _limit(response))
            return response

        async def aclose(self) -> None:
            await self._inner.aclose()

    return Guards(http, Guard, AsyncGuard)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL; httpx looks for one only where it makes the transport itself."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _bounded(request: Any) -> float:
    end = until.get()
    left = max(0.001, end - time.monotonic())
    request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), left)
    return end


def _limit(response: Any) -> int:
    packed = response.headers.get("content-encoding", "identity") != "identity"
    return MAX_BODY // PACKED if packed else MAX_BODY


def _check(end: float, size: int, limit: int) -> None:
    if time.monotonic() > end:
        raise WireError("timeout", True)
    if size > limit:
        raise WireError("invalid", False, detail="Huge output.")
