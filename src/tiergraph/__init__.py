"""Route LLM requests to the cheapest sufficient tier, inside LangGraph, under policy that holds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig, load_config
    from tiergraph.decider import Decider, create_decider
    from tiergraph.decision_model import create_decision_model
    from tiergraph.graph import create_tier_router
    from tiergraph.policy import Decision, Finding
    from tiergraph.records import RecordLog
    from tiergraph.state import RouterInput, RouterOutput
    from tiergraph.tiers import Ladder, Tier

# LangGraph and llama.cpp take a second to import: each public name is imported where it is first used (PEP 562).
_HOME = {
    "Decider": "decider",
    "Decision": "policy",
    "Finding": "policy",
    "Ladder": "tiers",
    "RecordLog": "records",
    "RouterConfig": "config",
    "RouterInput": "state",
    "RouterOutput": "state",
    "Tier": "tiers",
    "create_decider": "decider",
    "create_decision_model": "decision_model",
    "create_tier_router": "graph",
    "load_config": "config",
}

__all__ = [
    "Decider",
    "Decision",
    "Finding",
    "Ladder",
    "RecordLog",
    "RouterConfig",
    "RouterInput",
    "RouterOutput",
    "Tier",
    "create_decider",
    "create_decision_model",
    "create_tier_router",
    "load_config",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
