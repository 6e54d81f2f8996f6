"""What labelling will ask of whom and at what price, before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tiergraph.answering import estimate_tokens, prompt_tokens
from tiergraph.config import RouterConfig
from tiergraph.evaluation.cases import Case
from tiergraph.handoff import Handoff
from tiergraph.request import parse_request
from tiergraph.tiers import Tier


@dataclass(frozen=True, kw_only=True)
class TierEstimate:
    """Calls of one tier.

    Attributes:
        tier: Its name.
        calls: Requests that it has not been asked yet.
        input_tokens: Of all of them, at four characters each.
        output_tokens: At ``budgets.answer_tokens`` an answer.
        cost_usd: At its configured price; 0 where it has none.
        paid: Whether it has a price or is external, so that its calls have to be confirmed.
        priced: Whether it has a price.
    """

    tier: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    paid: bool
    priced: bool


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will ask.

    Attributes:
        requests: In the sample.
        tiers: In ladder order.
        known: Answers that were scored by an earlier run.
        judge: Reference or name of a judge that is hosted or external, which costs what its provider asks; else
            ``None``.
        verdicts: Calls of that judge, at least.
        searches: Searches of a retriever that is external, which leave as well.
    """

    requests: int
    tiers: tuple[TierEstimate, ...]
    known: int = 0
    judge: str | None = None
    verdicts: int = 0
    searches: int = 0

    @property
    def calls(self) -> int:
        """Of all tiers."""
        return sum(tier.calls for tier in self.tiers)

    @property
    def cost_usd(self) -> float:
        """Of all tiers, without the judge."""
        return sum(tier.cost_usd for tier in self.tiers)

    @property
    def paid(self) -> bool:
        """Whether anything is asked that costs money or leaves."""
        return any(tier.paid and tier.calls for tier in self.tiers) or bool(self.verdicts or self.searches)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "calls": self.calls, "cost_usd": round(self.cost_usd, 6), "paid": self.paid}


def estimate_tier(
    tier: Tier, cases: Iterable[Case], config: RouterConfig, *, paid: bool, found_tokens: int = 0
) -> TierEstimate:
    """Of one tier and the requests that it will be asked.

    ``found_tokens``: of the documents that a retriever finds for a request that brings none.
    """
    calls = tokens = 0
    for case in cases:
        calls += 1
        tokens += min(_prompt(case, tier) + (0 if case.documents else found_tokens), prompt_tokens(tier))
    answers = calls * config.budgets.answer_tokens
    return TierEstimate(
        tier=tier.name,
        calls=calls,
        input_tokens=tokens,
        output_tokens=answers,
        cost_usd=tier.price.cost(tokens, answers),
        paid=paid,
        priced=bool(tier.price.input or tier.price.output),
    )


def _prompt(case: Case, tier: Tier) -> int:
    """Tokens of the prompt that a tier is sent; placeholders for what is redacted are taken to be as long."""
    asked: Mapping[str, Any] = case.request
    request = parse_request(
        asked.get("messages", asked.get("text")), documents=asked.get("documents"), attachments=asked.get("attachments")
    )
    handoff = Handoff(
        question=request.question,
        history=request.history,
        documents=request.documents,
        tool_results=request.tool_results,
    )
    return sum(estimate_tokens(turn["content"]) for turn in handoff.render(max_tokens=prompt_tokens(tier)))
