"""Evaluate a router on cases: every figure with its interval, beside honest baselines.

::

    suite = Suite.from_jsonl("cases.jsonl")
    report = evaluate(decider, suite)
    report.table()
    report.plot("cost_quality")
    report.write_html("report.html")

The extra ``eval`` brings what tables, baselines and plots need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiergraph.evaluation.cases import Case, Expect, Problem, Suite
    from tiergraph.evaluation.comparing import Comparison, compare
    from tiergraph.evaluation.gating import Verdict, gate
    from tiergraph.evaluation.report import Figure, Report
    from tiergraph.evaluation.running import evaluate
    from tiergraph.evaluation.shadow import Shadow
    from tiergraph.evaluation.simulating import Simulation, simulate

# pandas and scikit-learn take seconds to import: each public name is imported where it is first used (PEP 562).
_HOME = {
    "Case": "cases",
    "Comparison": "comparing",
    "Expect": "cases",
    "Figure": "report",
    "Problem": "cases",
    "Report": "report",
    "Shadow": "shadow",
    "Simulation": "simulating",
    "Suite": "cases",
    "Verdict": "gating",
    "compare": "comparing",
    "evaluate": "running",
    "gate": "gating",
    "simulate": "simulating",
}

__all__ = [
    "Case",
    "Comparison",
    "Expect",
    "Figure",
    "Problem",
    "Report",
    "Shadow",
    "Simulation",
    "Suite",
    "Verdict",
    "compare",
    "evaluate",
    "gate",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
