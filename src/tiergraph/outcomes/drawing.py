"""The sample of requests that every tier is asked about, drawn by what the current router makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tiergraph.decider import Decider
from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case, digest_of
from tiergraph.evaluation.observing import in_parallel
from tiergraph.machine import cores
from tiergraph.outcomes.prompts import Prompts
from tiergraph.outcomes.sampling import distinct, drawn, stratified
from tiergraph.policy import Decision

MOST_READ = 2000
"""Requests that the router reads at most to draw from, or `MOST_READ_OF_SAMPLE` samples' worth where that is more."""
MOST_READ_OF_SAMPLE = 4
_MOST_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request of the sample.

    Attributes:
        case: The request.
        score: The router's, in [0, 1]; ``None`` where a rule decided alone.
        tiers: Names of those that policy lets answer and that are to be asked, in ladder order.
        withheld: Tier name to the code why it is not asked.
    """

    case: Case
    score: float | None
    tiers: tuple[str, ...]
    withheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The sample, in the order of the file, and how many requests were left out for which reason."""

    requests: tuple[Request, ...]
    left_out: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How a sample is drawn.

    Attributes:
        decider: Screens and router.
        tiers: Names of the tiers that are to be asked.
        sample: How many requests, >= 1.
        seed: Of all that is random.
        referenced: Whether only requests with a reference will do.
    """

    decider: Decider
    tiers: tuple[str, ...]
    sample: int
    seed: int
    referenced: bool

    def draw(self, prompts: Prompts, progress: Callable[[int, int], None]) -> Sample:
        """The sample. ``progress``: told how many requests the router has read, and of how many.

        Raises:
            InputError: No request is left; says what became of them.
        """
        left_out: Counter[str] = Counter()
        cases = [case for case in prompts.suite if not self.referenced or case.id in prompts.references]
        left_out["no_reference"] = len(prompts.suite) - len(cases)
        kept = [cases[place] for place in distinct(*_compared(cases))]
        left_out["near_duplicate"] = len(cases) - len(kept)
        limit = max(MOST_READ, MOST_READ_OF_SAMPLE * self.sample)
        pool = [kept[place] for place in drawn(range(len(kept)), limit, seed=self.seed)]
        requests = []
        for case, decision in zip(pool, self._decisions(pool, progress), strict=True):
            request = self._request(case, decision)
            if isinstance(request, str):
                left_out[request] += 1
            else:
                requests.append(request)
        places = stratified([request.score for request in requests], self.sample, seed=self.seed)
        left_out["not_drawn"] = len(kept) - len(pool) + len(requests) - len(places)
        found = {reason: count for reason, count in left_out.items() if count}
        if not places:
            said = ", ".join(f"{reason} ({count:,})" for reason, count in found.items()) or "none"
            raise InputError(
                f"No request can be labelled. Left out: {said}. Fix: give requests for which policy leaves two tiers"
                f"{' and a reference is known' if self.referenced else ''}.",
                code="no_cases",
            )
        return Sample(requests=tuple(requests[place] for place in places), left_out=found)

    def _decisions(self, cases: Sequence[Case], progress: Callable[[int, int], None]) -> list[Decision | None]:
        found: dict[str, Decision | None] = {}
        progress(0, len(cases))
        for case, decision in in_parallel(cases, self._decided, min(cores(), _MOST_WORKERS)):
            found[case.id] = decision
            progress(len(found), len(cases))
        return [found[case.id] for case in cases]

    def _decided(self, case: Case) -> Decision | None:
        try:
            return self.decider.decide(**case.request)
        except Exception:  # one odd request must not end the run; what it raises may hold it
            return None

    def _request(self, case: Case, decision: Decision | None) -> Request | str:
        """The request, or the reason why it is left out."""
        if decision is None:
            return "undecided"
        if decision.outcome != "route":
            return "refused" if decision.outcome == "refuse" else "human"
        tiers = tuple(name for name in decision.allowed if name in self.tiers)
        if len(tiers) < min(2, len(self.tiers)):
            return "one_tier"
        return Request(case=case, score=decision.score, tiers=tiers, withheld=dict(self._withheld(tiers, decision)))

    def _withheld(self, tiers: Sequence[str], decision: Decision) -> Iterable[tuple[str, str]]:
        why = self.decider.allowed(decision.findings).why
        for tier in self.decider.config.tiers:
            if tier.name in tiers:
                continue
            if tier.name not in self.tiers:
                yield tier.name, "not_asked"
                continue
            home = [code for code in why if code.endswith("on_prem")] if tier.location == "external" else []
            yield tier.name, f"policy:{next(iter((*home, *why)), 'allowed')}"


def _compared(cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    """Questions, and what stands beside each: requests that differ in that are different requests."""
    questions = [case.question for case in cases]
    beside = []
    for case in cases:
        asked = case.request
        history = [turn for turn in asked.get("messages", ()) if turn.get("content") != case.question]
        rest = {key: value for key, value in asked.items() if key not in ("text", "messages")}
        beside.append(digest_of(history, rest))
    return questions, beside
