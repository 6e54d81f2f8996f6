"""Outcomes of a ladder on requests of your own: what every tier's answer to each of them is worth.

::

    labelled = label_rows("prompts.jsonl", config, sample=500, cache=".tiergraph/label", confirm=ask_me)
    labelled.write("rows.jsonl")
    labelled.summary["tiers"]["small"]["mean"]

Tiers may be chat models or functions of your own: ``label_rows(rows, config, models={"small": f, "big": g})``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiergraph.outcomes.estimate import Estimate
    from tiergraph.outcomes.labelling import Labelled, label_rows
    from tiergraph.outcomes.matching import exact_score, reference_score

# LangGraph takes a second to import: each public name is imported where it is first used (PEP 562).
_HOME = {
    "Estimate": "estimate",
    "Labelled": "labelling",
    "exact_score": "matching",
    "label_rows": "labelling",
    "reference_score": "matching",
}

__all__ = ["Estimate", "Labelled", "exact_score", "label_rows", "reference_score"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
