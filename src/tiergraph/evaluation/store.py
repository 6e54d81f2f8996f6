"""Observations kept on disk, so that an evaluation that was stopped goes on where it stood.

One file for each subject, named by its digest; one line for each request, named by its own. A line that was torn when
the process was killed is passed over, and its case is observed again.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case
from tiergraph.evaluation.observations import Observation

FORMAT = 1
"""Raised whenever an observation of the same subject would come out otherwise."""


class Store:
    """Observations of one subject. Thread-safe; several processes may append to it.

    Args:
        folder: Made where it is missing.
        digest: Of the subject: whatever decides what it observes.
        key: From a case to the digest of all that the subject reads of it.

    Raises:
        InputError: The folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str], digest: str, key: Callable[[Case], str]) -> None:
        self.path = Path(folder) / f"{digest[:40]}.v{FORMAT}.jsonl"
        self._lock, self._key, self._full = threading.Lock(), key, False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.exists() and _torn(self.path)
            self._file = self.path.open("ab")
        except OSError as error:
            raise InputError(
                f"{folder}: the cache cannot be written: {error.strerror}. Fix: name another folder, or none.",
                code="bad_cache",
            ) from None
        if torn:
            self._file.write(b"\n")

    def known(self, cases: Iterable[Case]) -> dict[str, Observation]:
        """Case id to what was observed of the same request before."""
        kept: dict[str, Observation] = {}
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                    kept[row["case"]] = Observation.from_json(row["observation"])
                except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
                    continue
        keys = ((case.id, self._key(case)) for case in cases)
        return {id: replace(kept[key], case=id) for id, key in keys if key in kept}

    def add(self, case: Case, observation: Observation) -> None:
        """Keep one; it is on disk when this returns."""
        row = {"case": self._key(case), "observation": observation.as_json()}
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._full:
                return
            try:
                self._file.write(line)
                self._file.flush()
            except OSError as error:  # what is observed counts all the same
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
