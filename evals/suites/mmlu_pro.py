"""MMLU-Pro with recorded scores and whole drafts of three models: a ladder to run a cascade over.

A question that a tier has no record for stays, unscored there.
"""

from __future__ import annotations

from pathlib import Path

from tiergraph.evaluation.cases import Case, Suite
from tiergraph.suites.files import json_rows, shared, table
from tiergraph.suites.models import cost, ladder
from tiergraph.suites.seen import held_out_group, stratum

COLUMNS = {
    "phi-3-mini": "Phi-3-mini-4k-instruct",
    "llama-3.1-70b": "Meta-Llama-3_1-70B-Instruct",
    "gemini-1.5-pro": "gemini-1.5-pro-002",
}
"""Tier to the name of its model in the files."""


def load(data: Path) -> list[Suite]:
    """One suite: all questions, with their options."""
    folder = data / "mmlu_pro_models"
    questions = json_rows(folder / "questions.jsonl.gz")
    scores = {row["question_id"]: row for row in table(folder / "correct.csv.gz")}
    lengths = {row["question_id"]: row for row in table(folder / "output_chars.csv.gz")}
    drafts = {
        name: {str(row["question_id"]): row["output"] for row in json_rows(folder / f"outputs_{column}.jsonl.gz")}
        for name, column in COLUMNS.items()
    }
    tiers = ladder(*COLUMNS)
    learned = {row["question"] for row in questions if not kept_out(row)}
    groups = shared(row["question"] for row in questions)
    cases = []
    for row in questions:
        number, text = str(row["question_id"]), asked(row)
        scored = [tier for tier in tiers if scores[number][COLUMNS[tier.name]]]
        cases.append(
            Case(
                id=f"q{number}",
                text=text,
                outcomes={tier.name: float(scores[number][COLUMNS[tier.name]]) for tier in scored},
                costs={tier.name: cost(tier, text, _length(lengths[number][COLUMNS[tier.name]])) for tier in scored},
                drafts={name: of[number] for name, of in drafts.items() if of.get(number)},
                strata={"category": row["category"], **stratum(row["question"] not in learned)},
                group=groups.get(row["question"]),
            )
        )
    return [
        Suite(
            name="mmlu_pro",
            cases=tuple(cases),
            tiers=tiers,
            sources=("TIGER-AI-Lab/MMLU-Pro: Apache-2.0",),
        )
    ]


def asked(row: dict[str, object]) -> str:
    """The question with its options, a letter each."""
    options = row["options"]
    assert isinstance(options, list)
    return "\n".join([str(row["question"]), *(f"{chr(65 + i)}. {option}" for i, option in enumerate(options))])


def kept_out(row: dict[str, object]) -> bool:
    """Whether the embedded model was neither trained nor calibrated on the question."""
    return bool(row["overlaps_routellm_mmlu"]) or held_out_group(f"mmlu_pro:{row['question_id']}")


def _length(characters: str) -> int:
    return int(float(characters or 0))
