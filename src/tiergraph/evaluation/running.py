"""Run a suite: in parallel, resumably, and with the same figures each time.

What happens to a case does not depend on the others, nor on their order; the times that it took are kept apart from
the figures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Suite
from tiergraph.evaluation.observing import Progress, observe
from tiergraph.evaluation.report import Report
from tiergraph.evaluation.subjects import Subject
from tiergraph.machine import cores

_MOST_WORKERS = 4
RESAMPLES = 1000


def evaluate(
    subject: Any,
    suite: Suite,
    *,
    cascade: bool = False,
    previous: Report | None = None,
    cache: str | PathLike[str] | None = None,
    workers: int | None = None,
    progress: Progress | bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
    by: Sequence[str] | None = None,
    digest: str | None = None,
    **options: Any,
) -> Report:
    """Evaluate a router, or whatever decides, on a suite.

    Args:
        subject: A `RouterConfig` (it is placed on the suite's ladder, where the suite has one), a `Decider`, a graph of
            `create_tier_router`, a judge, a function of the question (see `FunctionSubject`), or ``None``: then the
            cases' own routing records are the past that is evaluated.
        suite: The cases.
        cascade: With a `RouterConfig`: run the whole graph and not the decision alone. Recorded drafts of the suite
            answer in place of its tiers; without them the tiers themselves do, and paid ones only with
            ``allow_paid=True``.
        previous: A report of the same suite with its rows, to stand beside this one as a baseline.
        cache: Folder in which observations are kept, so that a run that was stopped goes on and one that is repeated
            is not. They are kept by digest of configuration, models and package.
        workers: Cases at the same time, >= 1; by default as many as there are cores, at most 4.
        progress: ``True`` shows a bar on stderr or in the notebook; or a function that is told (done, total).
        resamples: Bootstrap resamples for each interval, >= 100.
        seed: Of resampling and of the baselines that draw.
        by: Names of strata to break figures down by; by default all that the cases have.
        digest: With a graph, a function or a scorer of your own: what names all that decides what it answers. A
            ``cache`` needs it.
        options: With a `RouterConfig`: ``allow_paid`` (else nothing is called that is hosted, external or priced) and,
            for a cascade, ``retriever``, ``models``, ``judge``, ``scorer``; with a graph:
            ``config``, ``scorer``, ``name``; with a judge: ``threshold``.

    Raises:
        InputError: The suite does not fit the subject; names the fix.
        MissingExtraError: The extra ``eval`` is not installed.
    """
    from tiergraph.evaluation.facts import facts_of
    from tiergraph.evaluation.figures import build_report
    from tiergraph.evaluation.opening import opened

    if not isinstance(suite, Suite):
        raise InputError(
            f"The suite is a {type(suite).__name__}. Fix: Suite.from_pandas, Suite.from_jsonl or Suite(name=, cases=).",
            code="bad_suite",
        )
    if resamples < 100:
        raise InputError(f"resamples: {resamples!r} are too few. Fix: at least 100.", code="bad_option")
    if workers is not None and workers < 1:
        raise InputError(f"workers: {workers!r}. Fix: at least 1.", code="bad_option")
    workers = workers or min(cores(), _MOST_WORKERS)
    began = time.perf_counter()
    with opened(subject, suite, cascade=cascade, workers=workers, cache=cache, digest=digest, **options) as ready:
        fitting = _fitting(ready.suite, ready.subject)
        observations, reused = observe(fitting, ready.subject, cache=cache, workers=workers, progress=progress)
        timing = {
            "seconds": round(time.perf_counter() - began, 3),
            "observed": len(observations) - reused,
            "from_cache": reused,
            "workers": workers,
        }
        facts = facts_of(
            fitting,
            ready.subject.tiers,
            observations,
            previous,
            seed,
            silent=ready.silent,
            screened=ready.subject.kind != "function",
        )
        return build_report(fitting, suite.digest, ready.subject, facts, resamples=resamples, by=by, timing=timing)


def _fitting(suite: Suite, subject: Subject) -> Suite:
    """The suite as the subject can be measured on it.

    Raises:
        InputError: Its outcomes were recorded for other tiers, or no case is left.
    """
    if not subject.tiers:
        return suite
    names = [tier.name for tier in subject.tiers]
    if suite.tiers and [tier.name for tier in suite.tiers] != names:
        recorded = [tier.name for tier in suite.tiers]
        raise InputError(
            f"The suite {suite.name!r} was recorded for the tiers {recorded}; the router has {names}. "
            "Fix: pass the configuration itself, evaluate(config, suite), to place it on the suite's ladder.",
            code="other_tiers",
        )
    fitting = suite.on(names)
    return fitting if fitting.tiers else replace(fitting, tiers=tuple(subject.tiers))
