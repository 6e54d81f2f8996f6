"""Every tier of a ladder on a sample of a user's own requests: the rows that `tiergraph tune` reads.

Policy holds while labelling: a tier that policy forbids a request is never asked about it, and its score is null.
Nothing that costs money or leaves is asked before it was allowed. What was scored is on disk before the next request is
asked, so that a run that was killed goes on where it stood.

Failure rule: a tier that fails leaves a null and its code in the row, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tiergraph.answering import why_unreachable
from tiergraph.config import RouterConfig
from tiergraph.decider import Decider, create_decider
from tiergraph.endpoints import ProposerConfig
from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Problem
from tiergraph.evaluation.observing import in_parallel
from tiergraph.evaluation.paid import paid, paid_judge, paid_router
from tiergraph.evaluation.reading import json_line
from tiergraph.evaluation.subjects import patient
from tiergraph.judges import Judge
from tiergraph.outcomes.asking import Answered, Asker
from tiergraph.outcomes.drawing import Drawing, Sample
from tiergraph.outcomes.estimate import Estimate, estimate_tier
from tiergraph.outcomes.files import write_whole
from tiergraph.outcomes.kept import Job, Kept, Keys
from tiergraph.outcomes.prompts import read_prompts
from tiergraph.outcomes.scorers import Own, Scorer, find_scorer
from tiergraph.outcomes.summing import row_of, summary_of
from tiergraph.tiers import Tier

Progress = Callable[[str, int, int], None]
"""Told the stage (``deciding`` or ``asking``), how much of it is done, and of how much."""

WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The rows and what became of the requests.

    Attributes:
        rows: ``{"id", "text", "documents"?, "outcomes": {tier: score in [0, 1] or None}, "costs": {tier: USD}}``, with
            ``drafts`` where answers are kept, and ``label``: the scorer, the router's score and the code of every score
            that is null or 0 because the tier gave up.
        summary: JSON-like: means, failures and costs by tier, and what was left out and why.
        problems: Rows of the source that could not be used.
    """

    rows: tuple[dict[str, Any], ...]
    summary: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()

    def write(self, path: str | PathLike[str]) -> Path:
        """The rows as JSONL, whole or not at all.

        Raises:
            InputError: The file cannot be written.
        """
        lines = [json_line(row, row["id"]) for row in self.rows]
        return write_whole(Path(path), b"".join(lines))


def label_rows(
    prompts: str | PathLike[str] | Iterable[Mapping[str, Any]],
    config: RouterConfig,
    *,
    sample: int = 500,
    seed: int = 0,
    scorer: str | Own | None = None,
    tiers: Sequence[str] | None = None,
    models: Mapping[str, Any] | None = None,
    judge: Judge | None = None,
    retriever: Any = None,
    decider: Decider | None = None,
    cache: str | PathLike[str] | None = None,
    digest: str | None = None,
    keep_answers: bool = False,
    allow_paid: bool = False,
    confirm: Callable[[Estimate], bool] | None = None,
    workers: int = WORKERS,
    progress: Progress = lambda stage, done, total: None,
) -> Labelled:
    """Ask every tier about a sample of requests and score what it answers.

    The sample is drawn evenly over the scores of the current router, near-duplicates counted once, from the requests
    for which policy leaves at least two of the tiers: where it leaves one there is nothing to learn.

    Args:
        prompts: A file or rows, as of `read_prompts`.
        config: The ladder, its policy, and its router. A router model that is hosted is not asked for scores; the
            embedded one draws the sample then.
        sample: Requests to label, >= 1; all where there are no more.
        seed: Of the sample.
        scorer: ``reference``, ``exact``, ``judge``, ``python:MODULE:FUNCTION``, or a function of a row and an answer.
            By default ``reference`` where every request of the sample has one, else the judge.
        tiers: Names of the tiers to ask; by default all.
        models: Tier name to what is asked in place of the configured model: a chat model, or a function of a text.
        judge, retriever: As of `create_tier_router`.
        decider: Screens and router that are loaded already; by default those of ``config``.
        cache: Folder where scores are kept, to go on after a stop. Requests are not in it, answers only with
            ``keep_answers``.
        digest: Names all that a cache cannot name by itself: ``models``, a scorer or a retriever without ``digest``.
        keep_answers: Whether rows (as ``drafts``) and cache hold the answers. Another scorer then needs no new ones.
        allow_paid: Whether tiers that have a price or are external may be asked.
        confirm: Asked whether they may where ``allow_paid`` does not say so; told what it will cost.
        workers: Calls at the same time, >= 1.
        progress: Told how far it is.

    Raises:
        InputError: Nothing can be labelled, or paid tiers were not allowed; names the fix.
        ConfigError, ModelError: A model or a reference that cannot be used.
    """
    for name, value in (("sample", sample), ("workers", workers)):
        if value < 1:
            raise InputError(f"{name}: {value!r}. Fix: at least 1.", code="bad_option")
    read, given = read_prompts(prompts), dict(models or {})
    chosen = _chosen(config, tiers)
    opening = create_decider(_scoring(config), given=tuple(given)) if decider is None else nullcontext(decider)
    with opening as ready:
        waiting = patient(ready)
        waiting.warm()
        _check_reachable(chosen, waiting)
        drawing = Drawing(
            decider=waiting,
            tiers=tuple(tier.name for tier in chosen),
            sample=sample,
            seed=seed,
            referenced=scorer in ("reference", "exact"),
        )
        found = drawing.draw(read, lambda done, total: progress("deciding", done, total))
        asked = [each.case for each in found.requests]
        scoring = find_scorer(
            scorer,
            config,
            judge=judge,
            referenced=[case.id in read.references for case in asked],
            documented=retriever is not None or any(case.documents for case in asked),
        )
        keys = Keys(config, scoring, models=tuple(given), retriever=retriever, digest=digest)
        with closing(Kept.opened(cache, keys, scoring, keep_answers)) as kept:
            jobs = [Job(each.case, tier) for each in found.requests for tier in each.tiers]
            known = kept.known(jobs, read)
            todo = [job for job in jobs if job not in known]
            estimate = _estimate(config, chosen, found, todo, known, scoring, judge, retriever, tuple(given))
            _check_allowed(estimate, allow_paid, confirm)
            asker = Asker(
                waiting,
                tuple(dict.fromkeys(job.tier for job in todo)),
                scoring,
                retriever=retriever,
                models=given,
                keep_answers=keep_answers,
            )

            def ask(job: Job) -> Answered:
                id = job.case.id
                answered = asker.ask(job.case, job.tier, read.rows[id], read.references.get(id, ()))
                kept.add(job, read, answered)
                return answered

            answers = dict(known)
            progress("asking", 0, len(todo))
            for job, answered in in_parallel(todo, ask, workers):
                answers[job] = answered
                progress("asking", len(answers) - len(known), len(todo))
    rows = tuple(row_of(each, config.tiers, answers, scoring.name) for each in found.requests)
    summary = summary_of(config, scoring.name, found, estimate, answers, known)
    summary |= {"router": waiting.chain.name, "seed": seed, "bad_rows": len(read.suite.problems)}
    return Labelled(rows=rows, summary=summary, problems=read.suite.problems)


def _chosen(config: RouterConfig, names: Sequence[str] | None) -> tuple[Tier, ...]:
    """The tiers of those names, in ladder order; all where there are none."""
    for name in names or ():
        if name not in config.ladder:
            known = list(config.ladder.names)
            raise InputError(f"There is no tier {name!r}. Fix: use one of {known}.", code="unknown_tier")
    return tuple(tier for tier in config.tiers if not names or tier.name in names)


def _scoring(config: RouterConfig) -> RouterConfig:
    """The configuration with a router model that is in this process, so that drawing a sample costs nothing."""
    if not paid_router(config):
        return config
    embedded = ProposerConfig()
    own = {name: getattr(embedded, name) for name in ProposerConfig.model_fields}
    return config.model_copy(update={"router": config.router.model_copy(update={**own, "chain": ()})})


def _check_reachable(tiers: Sequence[Tier], decider: Decider) -> None:
    for tier in tiers:
        if tier.name in decider.unreachable:
            why = why_unreachable(tier) or "it counts as unreachable"
            raise InputError(
                f"The tier {tier.name!r} cannot be reached: {why}. Fix: make it reachable, or name the tiers to ask "
                "(on the command line --tier NAME, once for each).",
                code="unreachable",
            )


def _estimate(
    config: RouterConfig,
    tiers: Sequence[Tier],
    found: Sample,
    todo: Sequence[Job],
    known: Mapping[Job, Answered],
    scorer: Scorer,
    judge: Judge | None,
    retriever: Any,
    given: Sequence[str],
) -> Estimate:
    found_tokens = 0 if retriever is None else _found_tokens(retriever, config.retrieval.k)
    by_tier = (
        estimate_tier(
            tier,
            [job.case for job in todo if job.tier == tier.name],
            config,
            paid=paid(tier) and tier.name not in given,
            found_tokens=found_tokens,
        )
        for tier in tiers
    )
    asked = None
    if scorer.judge is not None:
        asked = paid_judge(config) if judge is None else judge.name if judge.location == "external" else None
    searched = retriever is not None and config.retrieval.location == "external"
    return Estimate(
        requests=len(found.requests),
        tiers=tuple(by_tier),
        known=len(known),
        judge=asked,
        verdicts=len(todo) if asked is not None else 0,
        searches=sum(not job.case.documents for job in todo) if searched else 0,
    )


def _found_tokens(retriever: Any, k: int) -> int:
    """Tokens of what one search gives, where the retriever's documents can be looked at; else 0."""
    documents = getattr(retriever, "documents", None)
    if not isinstance(documents, (list, tuple)) or not documents:
        return 0
    lengths = [len(each["text"] if isinstance(each, Mapping) else str(each)) for each in documents]
    return round(sum(lengths) / len(lengths) / 4) * min(k, len(lengths))


def _check_allowed(estimate: Estimate, allow_paid: bool, confirm: Callable[[Estimate], bool] | None) -> None:
    if not estimate.paid or allow_paid:
        return
    if confirm is None:
        raise InputError(
            f"Labelling would make paid or external calls, for about {estimate.cost_usd:.2f} USD. "
            "Fix: pass allow_paid=True, or confirm= to be asked.",
            code="paid",
        )
    if not confirm(estimate):
        raise InputError("Nothing was asked: it was not confirmed.", code="not_confirmed")
