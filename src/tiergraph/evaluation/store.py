"""Observations kept on disk, so that an evaluation that was stopped goes on where it stood.

One file for each subject, named by its digest; one line for each request, named by its own. A line that was torn when
the process was killed is passed over, and its case is observed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from tiergraph.evaluation.cases import Case
from tiergraph.evaluation.journal import Journal
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
        self._journal = Journal(Path(folder) / f"{digest[:40]}.v{FORMAT}.jsonl", name="case", value="observation")
        self.path, self._key = self._journal.path, key

    def known(self, cases: Iterable[Case]) -> dict[str, Observation]:
        """Case id to what was observed of the same request before."""
        kept: dict[str, Observation] = {}
        for key, value in self._journal.known().items():
            try:
                kept[key] = Observation.from_json(value)
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
                continue
        keys = ((case.id, self._key(case)) for case in cases)
        return {id: replace(kept[key], case=id) for id, key in keys if key in kept}

    def add(self, case: Case, observation: Observation) -> None:
        """Keep one; it is on disk when this returns."""
        self._journal.add(self._key(case), observation.as_json())

    def close(self) -> None:
        self._journal.close()
