"""Cases and what happened to them, side by side as arrays: what every figure is computed from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tiergraph.evaluation.baselines import category_score, length_score, random_score, tfidf_score
from tiergraph.evaluation.cases import Case, Suite
from tiergraph.evaluation.costs import case_costs
from tiergraph.evaluation.expected import right_of
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.report import Report, by_id
from tiergraph.tiers import Tier

Array = Any
"""A numpy array."""

_CATEGORIES = ("category", "task", "intent", "source")
LEAST_TO_LEARN = 50
"""Cases that a baseline which learns needs at least."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One suite with one observation for each case.

    Attributes:
        screened: Whether the subject looks for findings at all; a function of the question does not.
        scale: As of the suite.
        places: Where each case stood in the suite, (n,).
        ladder: Names of all tiers, cheapest first.
        tiers: Of these, those with recorded outcomes, or all where no case has any; T tiers.
        previous: A report of the same suite to compare with.
        silent: Tier to the ids of cases to which it gave no answer, alone: an outcome of 0 that misleads nobody.
        seed: Of baselines that draw.
    """

    cases: Sequence[Case]
    observations: Sequence[Observation]
    ladder: Sequence[str]
    tiers: Sequence[Tier]
    places: Array
    screened: bool = True
    scale: float = 1.0
    unit: str = "share of cases"
    previous: Report | None = None
    silent: Mapping[str, Collection[str]] = field(default_factory=dict)
    seed: int = 0

    def __len__(self) -> int:
        return len(self.cases)

    @cached_property
    def names(self) -> list[str]:
        return [tier.name for tier in self.tiers]

    @cached_property
    def quality(self) -> Array:
        """Recorded score of each tier on each case, (n, T); NaN is unscored."""
        return self._per_tier(lambda case: case.outcomes)

    @cached_property
    def usd(self) -> Array:
        """Cost of each tier on each case in USD, (n, T)."""
        return self._per_tier(lambda case: case_costs(case, self.tiers))

    @cached_property
    def priced(self) -> bool:
        """Whether the tiers' costs differ; else the position on the ladder stands for the cost."""
        return len(self.tiers) > 1 and bool((self.usd.max(axis=1) > self.usd.min(axis=1)).any())

    @cached_property
    def cost(self) -> Array:
        """What the cost axis shows, (n, T): USD, or the position on the ladder from 0 to 1."""
        if self.priced:
            return self.usd
        return np.tile(np.linspace(0.0, 1.0, len(self.tiers)), (len(self), 1))

    @cached_property
    def score(self) -> Array:
        """How likely the cheapest of the tiers is not enough, as the subject says, (n,); NaN where it says nothing."""
        if self.names and self.ladder and self.names[0] != self.ladder[0]:  # its own score is about a cheaper tier
            return 1.0 - self.sufficiency[:, 0]
        return _floats(each.score for each in self.observations)

    @cached_property
    def sufficiency(self) -> Array:
        """How likely each tier suffices, (n, T): not falling, the last column 1; NaN where nothing was said."""
        scored = [self.ladder.index(name) for name in self.names]
        rows = []
        for each in self.observations:
            given = each.tier_probabilities
            if given:
                summed = np.minimum(np.cumsum([given.get(name, 0.0) for name in self.ladder]), 1.0)
            elif each.score is not None and self.tiers:
                summed = _from_score(each.score, len(self.ladder))
            else:
                summed = np.full(len(self.ladder), np.nan)
            rows.append(summed[scored])
        found = np.array(rows, dtype=float).reshape(len(self), len(self.tiers))
        if len(self.tiers):
            found[~np.isnan(found[:, -1]), -1] = 1.0
        return found

    @cached_property
    def took(self) -> list[str | None]:
        """The tier that was chosen or, in a cascade, that answered; ``None`` where none was."""
        return [seen.tier for seen in self.observations]

    @cached_property
    def chosen(self) -> Array:
        """Index into ``tiers`` of the tier that took each case, (n,); -1 where none of them did."""
        return self._rungs(lambda seen: seen.tier)

    @cached_property
    def decided(self) -> Array:
        """Index into ``tiers`` of the tier that the decision named, before any escalation, (n,); -1 where none."""
        return self._rungs(lambda seen: seen.decided)

    @cached_property
    def cascade(self) -> bool:
        """Whether tiers were asked, and not only chosen."""
        return any(seen.hops for seen in self.observations)

    @cached_property
    def spoke(self) -> Array:
        """Whether each tier, alone, gave an answer to each case, (n, T) of bool; it did where nothing is known."""
        silent = [self.silent.get(name, ()) for name in self.names]
        return np.array([[case.id not in ids for ids in silent] for case in self.cases], dtype=bool).reshape(
            len(self), len(self.tiers)
        )

    @cached_property
    def failed(self) -> Array:
        """Cases without an observation that says anything, (n,) of bool."""
        return np.array([each.outcome == "error" for each in self.observations], dtype=bool)

    @cached_property
    def complete(self) -> Array:
        """Cases on which every tier was scored, and which the subject gave a score and a tier, (n,) of bool.

        What is compared is compared over these: a case that went to a person says nothing of any ranking.
        """
        if len(self.tiers) < 2:
            return np.zeros(len(self), dtype=bool)
        routed = (self.decided if self.cascade else self.chosen) >= 0
        return ~np.isnan(self.quality).any(axis=1) & ~np.isnan(self.score) & routed

    @cached_property
    def right(self) -> list[dict[str, bool]]:
        """What is asked of each case to whether its observation has it right, as of `right_of`."""
        both = zip(self.cases, self.observations, strict=True)
        return [right_of(case, seen, screened=self.screened) for case, seen in both]

    @cached_property
    def lengths(self) -> Array:
        return np.array([len(case.question) for case in self.cases], dtype=float)

    @cached_property
    def groups(self) -> Array | None:
        """Group of each case as a number; ``None`` where each is its own.

        Variants belong to the case that they were made from, and equal texts to each other.
        """
        texts = {case.id: f"text:{case.question}" for case in self.cases}
        keys = [case.group or texts.get(case.variant_of or case.id, texts[case.id]) for case in self.cases]
        if len(set(keys)) == len(keys):
            return None
        seen: dict[str, int] = {}
        return np.array([seen.setdefault(key, len(seen)) for key in keys])

    @cached_property
    def dice(self) -> Array:
        """A number for each case that its place does not change, (n,): what breaks ties."""
        digests = (hashlib.sha256(f"{self.seed}:{case.id}".encode()).digest() for case in self.cases)
        return np.array([int.from_bytes(each[:6]) for each in digests], dtype=float)

    @cached_property
    def categories(self) -> list[str] | None:
        """What a category mean goes by: the first of category, task, intent and source that differs between cases."""
        for name in _CATEGORIES:
            values = [case.strata.get(name, "") for case in self.cases]
            if 1 < len(set(values)) <= len(self) // 2:
                return values
        return None

    @cached_property
    def baselines(self) -> dict[str, Array]:
        """Name to score of each baseline that a router should beat, (n,); NaN outside the complete cases.

        Those that learn are cross-validated inside the suite: an upper bound for what they would do elsewhere.
        """
        at = np.flatnonzero(self.complete)
        if not len(at):
            return {}
        gain = self.quality[at, -1] - self.quality[at, 0]
        groups = None if self.groups is None else self.groups[at]
        found = {
            "random": random_score(len(at), seed=self.seed),
            "length": length_score(self.lengths[at]),
        }
        if len(at) >= LEAST_TO_LEARN:
            if self.categories is not None:
                kinds = [self.categories[i] for i in at]
                found["category mean"] = category_score(kinds, gain, groups=groups, seed=self.seed)
            texts = [self.cases[int(i)].question for i in at]
            found["TF-IDF"] = tfidf_score(texts, gain, groups=groups, seed=self.seed)
        if self.previous is not None:
            rows = by_id(self.previous.rows)
            ids = [self.cases[int(i)].id for i in at]
            earlier = [rows[id].observation.score if id in rows else None for id in ids]
            if earlier and all(score is not None for score in earlier):
                found["previous"] = _floats(earlier)
        return {name: scattered(np.asarray(values, dtype=float), at, len(self)) for name, values in found.items()}

    def _rungs(self, tier: Callable[[Observation], str | None]) -> Array:
        rungs = {name: rung for rung, name in enumerate(self.names)}
        return np.array([rungs.get(tier(each) or "", -1) for each in self.observations], dtype=int)

    def _per_tier(self, given: Callable[[Case], Mapping[str, float]]) -> Array:
        rows = [[given_to.get(name, np.nan) for name in self.names] for given_to in map(given, self.cases)]
        return np.array(rows, dtype=float).reshape(len(self), len(self.tiers))


def facts_of(
    suite: Suite,
    tiers: Sequence[Tier],
    observations: Sequence[Observation],
    previous: Report | None,
    seed: int,
    *,
    silent: Mapping[str, Collection[str]] | None = None,
    screened: bool = True,
) -> Facts:
    """The facts of one evaluation, its cases in the order of their ids: how they were given changes no figure."""
    tiers = tiers or suite.tiers
    order = sorted(range(len(suite)), key=lambda number: suite.cases[number].id)
    scored = {name for case in suite for name in case.outcomes}
    ladder = [tier for tier in tiers if tier.name in scored] if scored else list(tiers)
    return Facts(
        cases=[suite.cases[number] for number in order],
        observations=[observations[number] for number in order],
        places=np.array(order, dtype=int),
        ladder=[tier.name for tier in tiers],
        tiers=ladder,
        screened=screened,
        scale=suite.scale,
        unit=suite.unit,
        previous=previous,
        silent=silent or {},
        seed=seed,
    )


def _from_score(score: float, tiers: int) -> Array:
    """A lone score as sufficiency: the cheapest suffices with 1 - score, the others rise evenly from there to 1."""
    return 1.0 - score * np.linspace(1.0, 0.0, tiers)


def _floats(values: Any) -> Array:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def scattered(values: Array, at: Array, n: int) -> Array:
    """``values`` at the indices ``at`` of n, NaN elsewhere."""
    whole = np.full(n, np.nan)
    whole[at] = values
    return whole
