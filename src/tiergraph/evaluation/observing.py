"""Observe every case of a suite: in parallel, and not again what is known already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from typing import TypeVar

from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Suite
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.store import Store
from tiergraph.evaluation.subjects import Subject

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[int, int], None]
"""Told how many cases are done, and of how many."""


def observe(
    suite: Suite,
    subject: Subject,
    *,
    cache: str | PathLike[str] | None = None,
    workers: int = 1,
    progress: Progress | bool = False,
) -> tuple[list[Observation], int]:
    """One observation for each case, in the suite's order, and how many of them were known already.

    Raises:
        InputError: A cache is wanted for a subject that nothing names.
    """
    found: dict[str, Observation] = {}
    store = _store(cache, subject)
    try:
        if store is not None:
            found.update(store.known(suite))
        reused = len(found)
        waiting = [case for case in suite if case.id not in found]
        with _shown(progress, suite.name, len(suite)) as tell:
            tell(reused, len(suite))
            for case, observation in in_parallel(waiting, subject.observe, workers):
                found[case.id] = observation
                # What failed may succeed another time, and is not kept.
                if store is not None and observation.outcome != "error":
                    store.add(case, observation)
                tell(len(found), len(suite))
    finally:
        if store is not None:
            store.close()
    return [found[case.id] for case in suite], reused


def _store(cache: str | PathLike[str] | None, subject: Subject) -> Store | None:
    if cache is None or subject.kind == "records":  # which are read, not asked
        return None
    if subject.digest is None:
        raise InputError(
            f"A cache for a {subject.kind} needs a name for all that decides what it answers. "
            "Fix: pass digest=, and change it whenever the answers may.",
            code="no_digest",
        )
    return Store(cache, subject.digest, subject.key)


def in_parallel(items: Iterable[T], function: Callable[[T], R], workers: int) -> Iterator[tuple[T, R]]:
    """Each item with what the function makes of it, as they come.

    Few are handed out ahead, so that an interruption leaves little unfinished work.
    """
    if workers == 1:
        for item in items:
            yield item, function(item)
        return
    ahead = iter(items)
    running: dict[Future[R], T] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="tiergraph-eval") as pool:
        try:
            while True:
                for item in islice(ahead, 2 * workers - len(running)):
                    running[pool.submit(function, item)] = item
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()


@contextmanager
def _shown(progress: Progress | bool, name: str, total: int) -> Iterator[Progress]:
    if progress is False:
        yield lambda done, of: None
    elif progress is True:
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=total)
            yield lambda done, of: bar.update(task, completed=done)
    else:
        yield progress
