"""From answers to rows, and to what is said of them all. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tiergraph.config import RouterConfig
from tiergraph.outcomes.asking import Answered
from tiergraph.outcomes.drawing import Request, Sample
from tiergraph.outcomes.estimate import Estimate
from tiergraph.outcomes.kept import Job
from tiergraph.tiers import Tier


def row_of(request: Request, tiers: Sequence[Tier], answers: Mapping[Job, Answered], scorer: str) -> dict[str, Any]:
    """One row of ``tiergraph tune``, as of `Labelled.rows`."""
    case = request.case
    found = {tier: answers[Job(case, tier)] for tier in request.tiers}
    codes = {name: answered.code for name, answered in found.items() if answered.code is not None}
    row: dict[str, Any] = {"id": case.id, "text": case.question}
    if case.documents:
        row["documents"] = list(case.documents)
    row["outcomes"] = {tier.name: _rounded(found[tier.name].score) if tier.name in found else None for tier in tiers}
    row["costs"] = {tier.name: _cost(tier, found[tier.name]) for tier in tiers if _answered(found.get(tier.name))}
    if drafts := {name: answered.text for name, answered in found.items() if answered.text is not None}:
        row["drafts"] = drafts
    row["label"] = {"scorer": scorer, "score": _rounded(request.score), "codes": {**request.withheld, **codes}}
    return row


def summary_of(
    config: RouterConfig,
    scorer: str,
    sample: Sample,
    estimate: Estimate,
    answers: Mapping[Job, Answered],
    known: Mapping[Job, Answered],
) -> dict[str, Any]:
    """What is said of a run, JSON-like.

    ``known``: of ``answers`` those of earlier runs.
    """
    tiers = {tier.name: _of_tier(tier, sample, answers, known) for tier in config.tiers}
    failed = [
        {"id": job.case.id, "tier": job.tier, "error": answered.detail}
        for job, answered in answers.items()
        if answered.code == "scorer_failed"
    ]
    return {
        "rows": len(sample.requests),
        "scorer": scorer,
        "tiers": tiers,
        "asked": len(answers) - len(known),
        "known": len(known),
        "failed": sum(sum(tier["failures"].values()) for tier in tiers.values()),
        "left_out": dict(sample.left_out),
        "cost": {
            "estimated_usd": round(estimate.cost_usd, 6),
            "spent_usd": _usd(tier["spent_usd"] for tier in tiers.values()),
            "earlier_usd": _usd(tier["earlier_usd"] for tier in tiers.values()),
        },
        "scorer_failures": failed,
    }


def _of_tier(
    tier: Tier, sample: Sample, answers: Mapping[Job, Answered], known: Mapping[Job, Answered]
) -> dict[str, Any]:
    own = {job: answered for job, answered in answers.items() if job.tier == tier.name}
    scores = [answered.score for answered in own.values() if answered.score is not None]
    withheld = Counter(code for each in sample.requests if (code := each.withheld.get(tier.name)))
    return {
        "mean": round(sum(scores) / len(scores), 6) if scores else None,
        "scored": len(scores),
        "gave_up": _counted(answered.code for answered in own.values() if answered.score is not None),
        "failures": _counted(answered.code for answered in own.values() if answered.score is None),
        "withheld": dict(withheld.most_common()),
        "spent_usd": _usd(_cost(tier, answered) for job, answered in own.items() if job not in known),
        "earlier_usd": _usd(_cost(tier, answered) for job, answered in own.items() if job in known),
    }


def _counted(codes: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(code for code in codes if code is not None).most_common())


def _answered(answered: Answered | None) -> bool:
    return answered is not None and answered.answered


def _cost(tier: Tier, answered: Answered) -> float:
    return round(tier.price.cost(answered.input_tokens, answered.output_tokens), 8)


def _usd(costs: Iterable[float]) -> float:
    return round(sum(costs, start=0.0), 6)


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)
