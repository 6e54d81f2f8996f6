"""The models whose answers were recorded, as tiers; what their answers would have cost."""

from __future__ import annotations

from tiergraph.tiers import Location, Price, Tier

RECORDED = "python:tiergraph.evaluation.replay:recorded"
"""Reference of a model that gives recorded answers. That module brings LangChain, hence a text and no import."""

CHARS_PER_TOKEN = 4

# USD per million input and output tokens. Assumptions, to order tiers and to weigh costs by, not offers: for closed
# models list prices about when the answers were recorded; for open ones what a hosted model of that size costs, on the
# scale of LLMRouter's price list (7B to 8B 0.20, Mixtral-8x7B 0.60, 49B to 70B 0.90), below 4B by extrapolation.
_MODELS: dict[str, tuple[Location, float, float]] = {
    "xlam-1b": ("on_prem", 0.05, 0.05),
    "gemma-2-2b": ("on_prem", 0.10, 0.10),
    "phi-3-mini": ("on_prem", 0.10, 0.10),
    "xlam-7b": ("on_prem", 0.20, 0.20),
    "llama-3.1-8b": ("on_prem", 0.20, 0.20),
    "mixtral-8x7b": ("on_prem", 0.60, 0.60),
    "llama-3.1-70b": ("on_prem", 0.90, 0.90),
    "gemini-1.5-pro": ("external", 1.25, 5.00),
    "gpt-4o": ("external", 2.50, 10.00),
    "claude-3.5-sonnet": ("external", 3.00, 15.00),
    "gpt-4-1106": ("external", 10.00, 30.00),
}


def ladder(*names: str) -> tuple[Tier, ...]:
    """Tiers of recorded models in the given order, cheapest first."""
    return tuple(tier(name, *_MODELS[name]) for name in names)


def tier(name: str, location: Location, price_in: float, price_out: float) -> Tier:
    """A tier of recorded answers. Prices: USD per million tokens."""
    price = Price(input=price_in, output=price_out)
    return Tier(name=name, model=RECORDED, location=location, price=price, context_window=32768)


def cost(of: Tier, asked: str, answered: int) -> float:
    """USD of one answer, estimated: the request ``asked`` in, ``answered`` characters out, four to a token."""
    return of.price.cost(max(1, len(asked) // CHARS_PER_TOKEN), max(1, answered // CHARS_PER_TOKEN))
