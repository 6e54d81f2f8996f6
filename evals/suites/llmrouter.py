"""LLMRouter's recorded scores of open models on 14 tasks, with its own price list."""

from __future__ import annotations

import json
from pathlib import Path

from tiergraph.evaluation.cases import Case, Suite
from tiergraph.suites.files import json_rows, short
from tiergraph.suites.models import tier
from tiergraph.suites.seen import held_out, stratum

LADDER = (
    "gemma-2-9b-it",
    "mistral-7b-instruct-v0.3",
    "qwen2.5-7b-instruct",
    "llama-3.1-8b-instruct",
    "llama-3.3-nemotron-super-49b-v1",
    "llama-3.1-nemotron-51b-instruct",
)
"""By price, at one price by mean score. Left out of the nine: three that are worse than others at their price."""

PAIR = ("mistral-7b-instruct-v0.3", "llama-3.1-nemotron-51b-instruct")


def load(data: Path) -> list[Suite]:
    """The ladder of six."""
    return [_suite(data, "llmrouter", LADDER)]


def load_pair(data: Path) -> list[Suite]:
    """Two tiers: the widest gap in quality."""
    return [_suite(data, "llmrouter-pair", PAIR)]


def _suite(data: Path, name: str, models: tuple[str, ...]) -> Suite:
    folder = data / "llmrouter_dc"
    listed = json.loads((folder / "default_llm.json").read_text(encoding="utf-8"))
    prices = {model: (float(listed[model]["input_price"]), float(listed[model]["output_price"])) for model in models}
    cases = tuple(
        Case(
            id=short(row["question"]),
            text=row["question"],
            outcomes={model: float(row["scores"][model]) for model in models if row["scores"].get(model) is not None},
            strata={
                "category": row["task"],
                **stratum(row["overlaps_routellm"] or held_out("llmrouter", row["question"])),
            },
        )
        for row in json_rows(folder / "all.jsonl.gz")
    )
    return Suite(
        name=name,
        cases=cases,
        tiers=tuple(tier(model, "on_prem", *prices[model]) for model in models),
        sources=("ulab-uiuc/LLMRouter: MIT",),
    )
