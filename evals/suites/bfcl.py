"""The Berkeley function-calling leaderboard of August 2024: which model's calls passed its checker.

The text is the question alone, as a router sees it: the functions go to the model that is called. Most entries of large
models score below xLAM-7B; the top tier is the best of them all, Claude 3.5 Sonnet asked by prompt.
"""

from __future__ import annotations

from pathlib import Path

from tiergraph.evaluation.cases import Case, Suite
from tiergraph.suites.files import json_rows, shared, table
from tiergraph.suites.models import ladder

COLUMNS = {
    "xlam-1b": "Salesforce_xLAM-1b-fc-r",
    "xlam-7b": "Salesforce_xLAM-7b-fc-r",
    "claude-3.5-sonnet": "claude-3-5-sonnet-20240620",
}
"""Tier to the name of its entry in the files."""


def load(data: Path) -> list[Suite]:
    """One suite. The stratum ``difficulty`` is the number of calls that are right; 0: none of the functions helps."""
    folder = data / "bfcl_results_2024-08"
    passed = {(row["category"], row["index"]): row for row in table(folder / "correct.csv.gz")}
    questions = json_rows(folder / "questions.jsonl.gz")
    groups = shared(row["question"] for row in questions)
    cases = []
    for row in questions:
        marks = passed[row["category"], str(row["index"])]
        cases.append(
            Case(
                id=f"{row['category']}-{row['index']}",
                text=row["question"],
                outcomes={name: float(marks[column]) for name, column in COLUMNS.items() if marks[column]},
                strata={"category": row["category"], "difficulty": calls(row["n_gold_calls"])},
                group=groups.get(row["question"]),
            )
        )
    return [
        Suite(
            name="bfcl",
            cases=tuple(cases),
            tiers=ladder(*COLUMNS),
            sources=("HuanzhiMao/BFCL-Result: no licence stated", "ShishirPatil/gorilla: Apache-2.0"),
        )
    ]


def calls(count: int | None) -> str:
    """The stratum of so many right calls; ``None`` where the checker runs the call and lists none."""
    if count is None:
        return "not listed"
    return "4 or more calls" if count >= 4 else f"{count} call{'' if count == 1 else 's'}"
