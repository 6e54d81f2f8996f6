"""Values kept on disk under keys, one line each, appended as they come.

A line that was torn when the process was killed is passed over: what it held has to be found out again.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from pathlib import Path
from typing import Any

from tiergraph.errors import InputError


class Journal:
    """Key to value, appended to a file. Thread-safe; several processes may append to it.

    Args:
        path: Its folder is made where it is missing.
        name: What a row calls the key, and ``value`` what it calls the value.
        sync: Whether a value is on the disk itself when `add` returns, so that it outlives the machine as well as the
            process.

    Raises:
        InputError: The folder cannot be made or written to.
    """

    def __init__(self, path: str | os.PathLike[str], *, name: str, value: str, sync: bool = False) -> None:
        self.path = Path(path)
        self._name, self._value, self._sync = name, value, sync
        self._lock, self._full = threading.Lock(), False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.exists() and _torn(self.path)
            self._file = self.path.open("ab")
        except OSError as error:
            raise InputError(
                f"{self.path.parent}: the cache cannot be written: {error.strerror}. "
                "Fix: name another folder, or none.",
                code="bad_cache",
            ) from None
        if torn:
            self._file.write(b"\n")

    def known(self) -> dict[str, Any]:
        """Key to the last value that was kept under it; any JSON."""
        kept: dict[str, Any] = {}
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                    kept[row[self._name]] = row[self._value]
                except (KeyError, RecursionError, TypeError, ValueError):
                    continue
        return kept

    def add(self, key: str, value: Any) -> None:
        """Keep one; it outlives the process when this returns."""
        row = {self._name: key, self._value: value}
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._full:
                return
            try:
                self._file.write(line)
                self._file.flush()
                if self._sync:
                    os.fsync(self._file.fileno())
            except OSError as error:  # what was found out counts all the same
                self._full = True
                warnings.warn(f"{self.path}: the cache cannot be written: {error.strerror}.", stacklevel=2)

    def close(self) -> None:
        self._file.close()


def _torn(path: Path) -> bool:
    """Whether the last line has no end."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
