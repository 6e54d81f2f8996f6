"""What the router model says of each text, kept on disk: one file for each model, one record of floats for each text.

Texts are named by their digest and never stored. A record that was torn when the process was killed is cut off, and its
text is read again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import InputError

FORMAT = 1
"""Raised whenever the same model would say something else of the same text."""

_KEY = 20  # bytes of a text's digest


class ReadingStore:
    """Vectors of one model. Thread-safe; one process at a time should append to it.

    Args:
        folder: Made where it is missing.
        digest: Of the model and of all else that decides the vectors.
        width: Floats of a vector, > 0.

    Raises:
        InputError: The folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str], digest: str, width: int) -> None:
        self.path = Path(folder) / f"{digest[:40]}.readings{width}.v{FORMAT}"
        self._kind = np.dtype([("key", np.void, _KEY), ("vector", "<f4", (width,))])
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
            self._file.truncate(self.path.stat().st_size // self._kind.itemsize * self._kind.itemsize)
        except OSError as error:
            raise InputError(
                f"{folder}: the cache cannot be written: {error.strerror}. Fix: name another folder, or none.",
                code="bad_cache",
            ) from None
        kept = np.fromfile(self.path, self._kind)
        self._known = {bytes(key): vector for key, vector in zip(kept["key"], kept["vector"], strict=True)}

    def get(self, text: str) -> NDArray[np.float32] | None:
        """What was kept of a text; ``None`` where nothing was."""
        return self._known.get(_key(text))

    def add(self, text: str, vector: NDArray[np.float32]) -> None:
        """Keep one; it is on disk when this returns."""
        record = np.zeros(1, self._kind)
        record["key"][0], record["vector"][0] = np.void(_key(text)), vector
        with self._lock:
            self._known[_key(text)] = np.asarray(vector, np.float32)
            self._file.write(record.tobytes())
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY).digest()
