"""Ask each free tier about every case, alone, so that a cascade can be compared with what one tier would have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

from tiergraph.evaluation.cases import Suite, digest_of
from tiergraph.evaluation.observing import observe
from tiergraph.evaluation.paid import paid
from tiergraph.evaluation.subjects import GraphSubject, Scorer

if TYPE_CHECKING:
    from tiergraph.decider import Decider
    from tiergraph.judges import Judge


class Tried(NamedTuple):
    """A suite with what each tier's answer was worth; ``silent``: tier to the cases to which it gave no answer."""

    suite: Suite
    silent: Mapping[str, frozenset[str]]


def tried(
    suite: Suite,
    decider: Decider,
    *,
    retriever: Any = None,
    scorer: Scorer | None = None,
    cache: str | PathLike[str] | None = None,
    workers: int = 1,
) -> Tried:
    """The suite with the score of each free tier's answer as the case's outcomes, where it can be scored.

    Each tier answers alone: no judge, no escalation, the same documents, and the same policy. A tier that gives no
    answer scores 0. Cases that policy gives to a person or to another tier, and those of which nothing says what is
    right, stay as they are.

    Args:
        suite: Its cases have ``expect.contains``, or a ``scorer`` that knows.
        decider: Of the ladder. Its router model is not asked, its flags are.
        retriever, scorer, cache, workers: As of `evaluate`.
    """
    asked = [case for case in suite if not case.outcomes and (case.expect.contains or scorer is not None)]
    tiers = [tier for tier in decider.config.tiers if tier.name not in decider.unreachable]
    free = [tier.name for tier in tiers if not paid(tier)]
    if not asked or len(free) < 2:
        return Tried(suite, {})
    silent: dict[str, frozenset[str]] = {}
    found: dict[str, dict[str, float]] = {case.id: {} for case in asked}
    for tier in free:
        alone = _alone(decider, tier, retriever, scorer)
        kept = cache if alone.digest is not None else None
        observed, _ = observe(replace(suite, cases=tuple(asked)), alone, cache=kept, workers=workers)
        answered = [seen for seen in observed if seen.hops and seen.hops[-1].tier == tier]
        for seen in answered:
            found[seen.case][tier] = seen.hops[-1].quality or 0.0
        silent[tier] = frozenset(seen.case for seen in answered if seen.hops[-1].quality is None)
    cases = (
        replace(case, outcomes=found[case.id]) if len(found.get(case.id, ())) == len(free) else case for case in suite
    )
    return Tried(replace(suite, cases=tuple(cases)), silent)


def _alone(decider: Decider, tier: str, retriever: Any, scorer: Scorer | None) -> GraphSubject:
    """A subject that asks one tier and takes what it says, under the policy as it is."""
    config = decider.config
    graph = graph_of_one(decider, tier, retriever=retriever)
    documents = None if retriever is None else getattr(retriever, "digest", None)
    nameless = (retriever is not None and documents is None) or (scorer is not None and not hasattr(scorer, "digest"))
    # Whatever decides what one tier answers; neither the judge's threshold nor the profile is in it.
    parts = [each.model_dump(mode="json") for each in (*config.tiers, config.policy, config.budgets, config.retrieval)]
    digest = None if nameless else digest_of(parts, decider.chain.digest, tier, documents, sorted(decider.unreachable))
    return GraphSubject(graph, config=config, digest=digest, name=tier, scorer=scorer)


def graph_of_one(
    decider: Decider,
    tier: str,
    *,
    retriever: Any = None,
    judge: Judge | None = None,
    judged: bool = False,
    models: Mapping[str, Any] | None = None,
) -> Any:
    """A router graph that asks one tier once, under the policy as it is, and never climbs.

    Where policy forbids the tier, the nearest that it allows is asked, as with every proposal.

    Args:
        decider: Of the ladder. Its router model is not asked, its flags are.
        tier: Name of the tier.
        retriever, judge, models: As of `create_tier_router`.
        judged: Whether the configured judge, or ``judge``, gives the answer a verdict; it stands in any case.
    """
    from tiergraph.decider import Decider as Own
    from tiergraph.graph import create_tier_router
    from tiergraph.proposers.chain import Chain
    from tiergraph.testing import ScriptedProposer

    config = decider.config
    alone = {"max_hops": 1, "on_unavailable": "message", **({} if judged else {"judge": "none"})}
    config = config.model_copy(update={"cascade": config.cascade.model_copy(update=alone), "map": ()})
    named = ScriptedProposer(config.ladder, tier=tier, confidence=1.0, needs_retrieval=True)
    chain = Chain.of(
        named,
        sufficiency=config.sufficiency,
        reader=decider.chain.reader,
        intents=config.router.intents,
        reasons=config.router.reasons,
        reader_bounded=True,
    )
    own = Own(config, chain, unreachable=decider.unreachable)
    return create_tier_router(config, decider=own, retriever=retriever, judge=judge, models=models)
