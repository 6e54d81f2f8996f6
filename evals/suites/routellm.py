"""RouteLLM's published evaluation: MMLU, GSM8K and MT-Bench with answers of Mixtral-8x7B and GPT-4.

As there, prompts that its routers were trained on are dropped. Its MMLU has an artefact: GPT-4 scores 3 % on
``high_school_mathematics``, as only its first token was read. The rows stay, for the published figures hold them; the
stratum ``artefact`` tells them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from tiergraph.evaluation.cases import Case, Problem, Suite
from tiergraph.suites.files import json_rows, shared, table
from tiergraph.suites.models import cost, ladder
from tiergraph.suites.routellm_import import SUBJECTS

WEAK, STRONG = "mixtral-8x7b", "gpt-4-1106"
COLUMNS = {WEAK: "mistralai/Mixtral-8x7B-Instruct-v0.1", STRONG: "gpt-4-1106-preview"}
"""Tier to the name of its model in the files."""

ARTEFACT = "high_school_mathematics"


def load(data: Path) -> list[Suite]:
    """All three."""
    return [*load_mmlu(data), *load_gsm8k(data), *load_mt_bench(data)]


def load_mmlu(data: Path) -> list[Suite]:
    """MMLU. A subject that is not there becomes a problem: without it the figures are not the published ones."""
    folder = data / "routellm"
    rows = table(folder / "mmlu_responses.csv.gz")
    dropped = contaminated(folder / "contaminated_mmlu.jsonl")
    rows = [row for row in rows if row["prompt"] not in dropped]
    groups = shared(row["prompt"] for row in rows)
    cases = tuple(
        Case(
            id=f"{row['domain']}-{row['row']}",
            text=row["prompt"],
            outcomes=_outcomes(row),
            strata={"category": row["domain"], "artefact": "yes" if row["domain"] == ARTEFACT else "no"},
            group=groups.get(row["prompt"]),
        )
        for row in rows
    )
    absent = sorted(set(SUBJECTS) - {row["domain"] for row in rows})
    problems = tuple(
        Problem(
            file="routellm/mmlu_responses.csv.gz",
            line=None,
            id=None,
            code="no_data",
            message=f"It has no rows of {subject!r}, so that figures are not the published ones. Fix: import it again "
            "from a whole clone.",
        )
        for subject in absent
    )
    return [_suite("routellm-mmlu", cases, problems=problems)]


def load_gsm8k(data: Path) -> list[Suite]:
    """GSM8K, with drafts of both models."""
    folder = data / "routellm"
    dropped = contaminated(folder / "contaminated_gsm8k.jsonl")
    tiers = ladder(WEAK, STRONG)
    cases = []
    for number, row in enumerate(table(folder / "gsm8k_responses.csv.gz")):
        if row["prompt"] in dropped:
            continue
        drafts = {tier.name: row[f"{COLUMNS[tier.name]}_response"] for tier in tiers}
        cases.append(
            Case(
                id=f"gsm8k-{number}",
                text=row["prompt"],
                outcomes=_outcomes(row),
                drafts=drafts,
                costs={tier.name: cost(tier, row["prompt"], len(drafts[tier.name])) for tier in tiers},
            )
        )
    return [_suite("routellm-gsm8k", tuple(cases))]


def load_mt_bench(data: Path) -> list[Suite]:
    """MT-Bench. A case is a question, its text the first turn; a score is the mean of its turns, in points of ten."""
    folder = data / "routellm"
    dropped = contaminated(folder / "contaminated_mt_bench.jsonl")
    tiers = {column: name for name, column in COLUMNS.items()}
    given: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in json_rows(folder / "mt_bench_judgements.jsonl.gz"):
        if row["model"] in tiers:
            given[row["question_id"]][tiers[row["model"]]].append(float(row["score"]))
    cases = tuple(
        Case(
            id=f"mt-{row['question_id']}",
            text=row["turns"][0],
            outcomes={name: sum(points) / len(points) / 10 for name, points in given[row["question_id"]].items()},
            strata={"category": row["category"]},
        )
        for row in json_rows(folder / "mt_bench_question.jsonl.gz")
        if row["turns"][0] not in dropped
    )
    return [_suite("routellm-mt-bench", cases, scale=10.0, unit="points of 10")]


def contaminated(file: Path) -> set[str]:
    """Prompts that RouteLLM's routers were trained on."""
    return {row["eval_prompt"] for row in json_rows(file)}


def _outcomes(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(row[column] == "True") for name, column in COLUMNS.items() if row[column]}


def _suite(
    name: str,
    cases: tuple[Case, ...],
    *,
    scale: float = 1.0,
    unit: str = "share of cases",
    problems: tuple[Problem, ...] = (),
) -> Suite:
    return Suite(
        name=name,
        cases=cases,
        tiers=ladder(WEAK, STRONG),
        scale=scale,
        unit=unit,
        problems=problems,
        sources=("lm-sys/RouteLLM: Apache-2.0",),
    )
