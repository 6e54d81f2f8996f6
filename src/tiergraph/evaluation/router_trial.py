"""What every measure of the router is given: the data, the router, and how to draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case, Suite
from tiergraph.evaluation.intervals import RESAMPLES, Groups, resamples
from tiergraph.evaluation.router_asking import Asking

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run.

    Attributes:
        asking: The router.
        data: Folder of public data; ``None`` where there is none.
        sample: Rows of each set at most, for a quick look; ``None`` takes all.
        seed: Of drawing, resampling, folds and fits.
        count: Bootstrap resamples.
        repeats: Samples timed for each length of request.
        known: What several measures need and one has had already, by name.
    """

    asking: Asking
    data: Path | None = None
    sample: int | None = None
    seed: int = 0
    count: int = RESAMPLES
    repeats: int = 200
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    def once(self, name: str, compute: Callable[[], Value]) -> Value:
        """What ``compute`` gives, had once in a run."""
        if name not in self.known:
            self.known[name] = compute()
        value: Value = self.known[name]
        return value

    def suite(self, name: str) -> Suite:
        """The one suite of a name, whole. InputError where its data is not there."""
        from tiergraph.suites import load_suite

        found: Suite = load_suite(name, self.data)[0]
        return found

    def need(self, *names: str) -> None:
        """Raise `InputError`, of one line, where a file that one of these suites reads is missing."""
        from tiergraph.suites import data_folder, find, missing_files

        folder = data_folder(self.data)
        absent = sorted({file for name in names for file in missing_files(find(name), folder)})
        if not absent:
            return
        where = "TIERGRAPH_DATA is not set" if folder is None else f"they are not in {str(folder)!r}"
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise InputError(
            f"Public data is missing ({where}): {', '.join(absent[:3])}{more}. Fix: tiergraph eval list says how to "
            "get it; then --data FOLDER, or --only with measures whose data is there.",
            code="no_data",
        )

    @property
    def folder(self) -> Path:
        """Where the data of a suite that was read lies."""
        from tiergraph.suites import data_folder

        found: Path | None = data_folder(self.data)
        if found is None:
            raise InputError("There is no folder of public data. Fix: --data FOLDER.", code="no_data")
        return found

    def drawn(self, cases: Sequence[Case], by: Callable[[Case], Any] = lambda case: None) -> tuple[Case, ...]:
        """At most ``sample`` cases of each value of ``by``, in their order; all of them without a sample."""
        if self.sample is None:
            return tuple(cases)
        places = defaultdict(list)
        for place, case in enumerate(cases):
            places[by(case)].append(place)
        kept = sorted(place for value in places.values() for place in self.draw(value))
        return tuple(cases[place] for place in kept)

    def draw(self, items: Sequence[Any]) -> list[Any]:
        """At most ``sample`` items, in their order."""
        if self.sample is None or len(items) <= self.sample:
            return list(items)
        chosen = np.random.default_rng(self.seed).choice(len(items), self.sample, replace=False)
        return [items[place] for place in sorted(chosen)]

    def weights(self, n: int, groups: Groups | None = None) -> NDArray[np.int16]:
        """Resamples of n rows, (count, n)."""
        return resamples(n, groups, self.count, self.seed)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the model that is measured; empty where it has none."""
        from tiergraph.evaluation.router_model import read_manifest

        return read_manifest(self.asking.model)
