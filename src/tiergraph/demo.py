"""Route an inbox of messages whose right handling is known, and count what happened.

Every figure is computed from the run. Costs are estimates: tokens at four characters each where no provider
counted them, at the configured prices.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig

SCREENED = ("attachment", "human_request", "legal", "pii", "safety")
"""Kinds of findings that the inbox has expectations about."""

_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Routed:
    """One message after its run.

    Attributes:
        id: As in the inbox.
        kinds: Its kinds, the primary one first.
        expect: What a correct system does.
        answer: Text of the one AI message.
        record: The record of the run.
        prompt_tokens: Estimated tokens of conversation and documents, as one call to a language model would carry them.
    """

    id: str
    kinds: tuple[str, ...]
    expect: Mapping[str, Any]
    answer: str
    record: Mapping[str, Any]
    prompt_tokens: int

    @property
    def answered(self) -> bool:
        return bool(self.record["outcome"] == "answered")

    @property
    def found(self) -> frozenset[str]:
        """Kinds that the screens and the model's flags reported."""
        return frozenset(finding["kind"] for finding in self.record["findings"]) & frozenset(SCREENED)

    @property
    def right(self) -> bool | None:
        """Whether the answer contains what a right one contains, in any case; ``None`` where none is known."""
        wanted = self.expect["must_contain"]
        if not wanted or not self.answered:
            return None
        return all(text.casefold() in self.answer.casefold() for text in wanted)

    @property
    def why(self) -> str:
        """The code that decided: why nobody answered, else why that tier."""
        record = self.record
        return str((not self.answered and record["trouble"]) or record["reason"] or "")


def spread(rows: Sequence[Any], limit: int | None) -> list[Any]:
    """``limit`` rows evenly over all of them, in order, so that every part of the inbox is in it; ``None``: all."""
    if limit is None or limit >= len(rows):
        return list(rows)
    return [rows[i * len(rows) // limit] for i in range(limit)]


def route_inbox(
    router: Any, rows: Iterable[Mapping[str, Any]], search: Callable[[str], Sequence[Mapping[str, Any]]]
) -> Iterable[Routed]:
    """Run every message through the graph, one after the other.

    Args:
        router: From `create_tier_router`, without a checkpointer: who needs a person gets the outcome ``human``.
        rows: The inbox; ``request`` is the graph's input.
        search: The retriever, for the estimate of what a language model would have had to read.
    """
    for row in rows:
        result = router.invoke(row["request"])
        yield Routed(
            id=row["id"],
            kinds=tuple(row["kinds"]),
            expect=row["expect"],
            answer=result["messages"][-1].text,
            record=result["routing"],
            prompt_tokens=_prompt_tokens(row["request"], search),
        )


def _prompt_tokens(request: Mapping[str, Any], search: Callable[[str], Sequence[Mapping[str, Any]]]) -> int:
    turns = [turn["content"] for turn in request["messages"]]
    documents = request["documents"] or search(turns[-1])
    return _tokens("".join((*turns, *(document["text"] for document in documents))))


def _tokens(text: str) -> int:
    return max(1, len(text) // _CHARS_PER_TOKEN)


def top_costs(routed: Sequence[Routed], config: RouterConfig) -> list[float]:
    """USD for each message, had it gone straight to the top tier: its conversation and documents in, an answer out.

    The answer is taken to be as long as the one that was given, or as the median of those given.
    """
    given = [_tokens(item.answer) for item in routed if item.answered]
    usual = round(statistics.median(given)) if given else config.budgets.answer_tokens
    price = config.ladder.top.price
    return [price.cost(item.prompt_tokens, _tokens(item.answer) if item.answered else usual) for item in routed]


def as_row(item: Routed, top_usd: float) -> dict[str, Any]:
    """One message as JSON: what happened, and what it was taken to cost."""
    record = item.record
    return {
        "id": item.id,
        "kinds": list(item.kinds),
        "tier": record["tier"],
        "decided": record["decided"],
        "source": record["source"],
        "reason": item.why,
        "findings": sorted(item.found),
        "expected_findings": sorted(item.expect["findings"]),
        "hops": [hop["tier"] for hop in record["hops"]],
        "cost_usd_estimate": record["cost_usd"],
        "top_cost_usd_estimate": round(top_usd, 8),
        "outcome": record["outcome"],
        "contains_expected": item.right,
        "latency_ms": record["latency_ms"],
        "answer": item.answer,
    }


def summarise(routed: Sequence[Routed], config: RouterConfig) -> dict[str, Any]:
    """All counts of a run."""
    return {
        "messages": len(routed),
        "outcomes": dict(Counter(str(item.record["outcome"]) for item in routed).most_common()),
        "kinds": _by_kind(routed),
        "tiers": {name: sum(item.record["tier"] == name for item in routed) for name in config.ladder.names},
        "escalated": sum(len(item.record["hops"]) > 1 for item in routed),
        "cost": _costs(routed, config),
        "findings": {kind: _agreement(routed, kind) for kind in SCREENED},
        "policy": _policy(routed, config),
        "answers": _answers(routed, config),
        "latency_ms": _latency(routed),
    }


def _by_kind(routed: Sequence[Routed]) -> dict[str, dict[str, int]]:
    kinds = dict.fromkeys(item.kinds[0] for item in routed)
    return {
        kind: dict(Counter(str(item.record["outcome"]) for item in routed if item.kinds[0] == kind)) for kind in kinds
    }


def _costs(routed: Sequence[Routed], config: RouterConfig) -> dict[str, Any]:
    """Estimated USD as routed and as everything-to-the-top, over all messages and over those that were answered."""
    top = top_costs(routed, config)
    answered = [(item.record["cost_usd"], cost) for item, cost in zip(routed, top, strict=True) if item.answered]
    return {
        "estimate": True,
        "chars_per_token": _CHARS_PER_TOKEN,
        "top_tier": config.ladder.top.name,
        "routed_usd": round(sum(item.record["cost_usd"] for item in routed), 6),
        "all_to_top_usd": round(sum(top), 6),
        "answered": len(answered),
        "answered_routed_usd": round(sum(cost for cost, _ in answered), 6),
        "answered_to_top_usd": round(sum(cost for _, cost in answered), 6),
    }


def _agreement(routed: Sequence[Routed], kind: str) -> dict[str, Any]:
    """Precision and recall of one kind of finding; ``None`` where there is nothing to divide by."""
    expected = {item.id for item in routed if kind in item.expect["findings"]}
    found = {item.id for item in routed if kind in item.found}
    both = len(expected & found)
    return {
        "expected": len(expected),
        "found": len(found),
        "both": both,
        "precision": round(both / len(found), 3) if found else None,
        "recall": round(both / len(expected), 3) if expected else None,
        "missed": sorted(expected - found),
        "extra": sorted(found - expected),
    }


def _policy(routed: Sequence[Routed], config: RouterConfig) -> dict[str, Any]:
    """What must never happen, counted by what is expected and not by what was found."""
    external = {tier.name for tier in config.tiers if tier.location == "external"}
    pii = [item for item in routed if "pii" in item.expect["findings"]]
    legal = [item for item in routed if "legal" in item.expect["findings"]]
    humans = [item for item in routed if item.expect["human"]]
    names = [item for item in routed if item.expect.get("names_only")]
    return {
        "pii_messages": len(pii),
        "pii_sent_outside": sum(any(hop["tier"] in external for hop in item.record["hops"]) for item in pii),
        "names_only": len(names),
        "names_only_found": sum("pii" in item.found for item in names),
        "legal_messages": len(legal),
        "legal_answered_below_top": sum(_below_top(item, config) for item in legal),
        "humans_asked_for": len(humans),
        "humans_honoured": sum(item.record["outcome"] == "human" for item in humans),
    }


def _below_top(item: Routed, config: RouterConfig) -> bool:
    """Answered by a lower tier than policy left as the highest: with PII too, the highest on-prem tier."""
    if not item.answered:
        return False
    private = "pii" in item.found and config.policy.pii == "on_prem"
    left = [tier.name for tier in config.tiers if not private or tier.location == "on_prem"]
    return bool(item.record["tier"] != left[-1])


def _answers(routed: Sequence[Routed], config: RouterConfig) -> dict[str, Any]:
    """How many answers to easy and medium messages contain the expected strings, in all and by tier."""
    asked = [item for item in routed if item.expect["difficulty"] in ("easy", "medium") and item.expect["must_contain"]]
    judged = [item for item in asked if item.right is not None]
    return {
        "asked": len(asked),
        "answered": len(judged),
        "right": sum(item.right is True for item in judged),
        "by_tier": {
            name: {
                "answered": sum(item.record["tier"] == name for item in judged),
                "right": sum(item.record["tier"] == name and item.right is True for item in judged),
            }
            for name in config.ladder.names
        },
        "wrong": [item.id for item in judged if not item.right],
    }


def _latency(routed: Sequence[Routed]) -> dict[str, float]:
    times = sorted(item.record["latency_ms"] for item in routed)
    if not times:
        return {}
    return {"median": round(statistics.median(times), 1), "max": round(times[-1], 1)}
