"""What llama.cpp says while it loads: its complaints for our own message, and the sizes of the buffers that it makes.

The log callback is one for the process: other users of llama_cpp in it are silenced too.
"""

from __future__ import annotations

import ctypes
import re
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llama_cpp

_ERROR = 4
"""ggml's ``GGML_LOG_LEVEL_ERROR``, which llama_cpp does not export."""

_BUFFER = re.compile(r" (model|KV|compute|output) buffer size = +([0-9.]+) MiB")
_MIB = 1 << 20

_complaints: deque[str] = deque(maxlen=4)
_buffers: dict[str, float] = {}
_lock = threading.Lock()
_started = False


class Heard:
    """What was said in one `listening` block."""

    def __call__(self) -> str:
        """The first complaint."""
        return next((line.splitlines()[0].rstrip(".") for line in _complaints if line), "no reason given")

    def buffers(self, *kinds: str) -> int | None:
        """Bytes, to a hundredth of a MiB, of the buffers named ``model``, ``KV``, ``compute`` or ``output``.

        llama.cpp tells the sizes nowhere but in its log; ``None`` where that is worded otherwise one day.
        """
        known = [_buffers[kind] for kind in kinds if kind in _buffers]
        return round(sum(known) * _MIB) if known else None


def standard_library() -> Any:
    return ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)


def address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _note(level: int, text: bytes | None, _: object) -> None:
    """Keeps what is of use instead of printing it."""
    if not text:
        return
    line = text.decode("utf-8", "replace")
    if level == _ERROR:
        _complaints.append(line.strip())
    elif found := _BUFFER.search(line):
        _buffers[found[1]] = _buffers.get(found[1], 0.0) + float(found[2])


# A log callback in C that does nothing, since ``abs`` takes the level and has no effect. llama.cpp logs dozens of
# debug lines in every decode, and each would take the interpreter's lock if the callback were Python.
_drop = llama_cpp.llama_log_callback(address(standard_library().abs))


@contextmanager
def listening() -> Iterator[Heard]:
    """What llama.cpp says while the block runs; silence after it."""
    global _started
    with _lock:
        llama_cpp.llama_log_set(_note, ctypes.c_void_p(0))
        if not _started:
            llama_cpp.llama_backend_init()
            _started = True
        _complaints.clear()
        _buffers.clear()
        try:
            yield Heard()
        finally:
            llama_cpp.llama_log_set(_drop, ctypes.c_void_p(0))
