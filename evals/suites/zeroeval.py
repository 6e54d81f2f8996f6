"""ZeroEval's recorded outputs on GSM8K: four models from 2B to GPT-4o, with whole drafts."""

from __future__ import annotations

from pathlib import Path

from tiergraph.evaluation.cases import Case, Suite
from tiergraph.suites.files import json_rows, table
from tiergraph.suites.models import cost, ladder

COLUMNS = {
    "gemma-2-2b": "gemma-2-2b-it",
    "llama-3.1-8b": "Meta-Llama-3.1-8B-Instruct",
    "llama-3.1-70b": "Meta-Llama-3.1-70B-Instruct",
    "gpt-4o": "gpt-4o-2024-08-06",
}
"""Tier to the name of its model in the files."""


def load(data: Path) -> list[Suite]:
    """One suite."""
    folder = data / "zeroeval"
    scores = {row["id"]: row for row in table(folder / "gsm_correct.csv.gz")}
    lengths = {row["id"]: row for row in table(folder / "gsm_output_chars.csv.gz")}
    drafts = {
        name: {row["id"]: row["output"] for row in json_rows(folder / f"gsm_outputs_{column}.jsonl.gz")}
        for name, column in COLUMNS.items()
    }
    tiers = ladder(*COLUMNS)
    cases = []
    for row in json_rows(folder / "gsm_questions.jsonl.gz"):
        number, text = row["id"], row["question"]
        scored = [tier for tier in tiers if scores[number][COLUMNS[tier.name]]]
        cases.append(
            Case(
                id=f"gsm8k-{number.rpartition('#')[2]}",
                text=text,
                outcomes={tier.name: float(scores[number][COLUMNS[tier.name]]) for tier in scored},
                costs={
                    tier.name: cost(tier, text, int(float(lengths[number][COLUMNS[tier.name]] or 0))) for tier in scored
                },
                drafts={name: of[number] for name, of in drafts.items() if of.get(number)},
            )
        )
    return [
        Suite(
            name="zeroeval",
            cases=tuple(cases),
            tiers=tiers,
            sources=("WildEval/ZeroEval: Apache-2.0", "openai/grade-school-math: MIT"),
        )
    ]
