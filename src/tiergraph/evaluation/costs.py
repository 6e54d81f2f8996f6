"""What a tier's answer to a case costs: as recorded, or estimated from prices and lengths."""

from __future__ import annotations

from collections.abc import Sequence

from tiergraph.answering import estimate_tokens
from tiergraph.evaluation.cases import Case
from tiergraph.tiers import Tier

ANSWER_TOKENS = 256
"""Tokens that an answer is taken to have where its length is not known."""


def case_costs(case: Case, tiers: Sequence[Tier]) -> dict[str, float]:
    """USD of each tier's answer: as recorded, else by its price, for request and draft at four characters a token."""
    asked = sum(len(text) for text in _texts(case))
    return {tier.name: case.costs.get(tier.name, _estimate(case, tier, asked)) for tier in tiers}


def _estimate(case: Case, tier: Tier, characters: int) -> float:
    draft = case.drafts.get(tier.name)
    answer = ANSWER_TOKENS if draft is None else estimate_tokens(draft)
    return tier.price.cost(max(1, characters // 4), answer)


def _texts(case: Case) -> list[str]:
    turns = [str(turn.get("content", "")) for turn in case.messages] or [case.text]
    documents = [document if isinstance(document, str) else str(_text_of(document)) for document in case.documents]
    return [*turns, *documents]


def _text_of(document: object) -> object:
    return document.get("text", "") if isinstance(document, dict) else getattr(document, "page_content", "")
