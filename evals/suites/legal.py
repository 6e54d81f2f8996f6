"""Legal requests and documents, and what is none: posts to therapists, everyday requests, exam questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tiergraph.evaluation.cases import Case, Expect, Suite
from tiergraph.suites.files import drawn, json_rows, labelled, short
from tiergraph.suites.intents import everyday
from tiergraph.suites.mmlu_pro import asked, kept_out
from tiergraph.suites.seen import held_out, held_out_group, stratum

EXAM = 1000
"""Questions of MMLU-Pro that are drawn: all of them would outnumber the rest."""

_SHORTEST = 20  # characters of a post; below, nobody can tell


def load(data: Path) -> list[Suite]:
    """One suite; strata ``source`` and ``trained_on``."""
    readers = (_learned_hands, _legalbench, _counsel_chat, _everyday, _exam)
    cases = {case.id: case for read in readers for case in read(data)}
    return [
        Suite(
            name="legal",
            cases=tuple(cases.values()),
            sources=(
                "HazyResearch/legalbench, LearnedHands: CC BY-NC-SA 4.0",
                "HazyResearch/legalbench: by task, mostly CC BY 4.0",
                "nbertagnolli/counsel-chat: MIT",
                "clinc/oos-eval: CC BY 3.0",
                "PolyAI-LDN/task-specific-datasets: CC BY 4.0",
                "TIGER-AI-Lab/MMLU-Pro: Apache-2.0",
            ),
        )
    ]


def _learned_hands(data: Path) -> Iterator[Case]:
    """Lay posts that ask for legal help; those without a topic too, for all were posted for that."""
    for row in json_rows(data / "legal" / "learned_hands_posts.jsonl.gz"):
        if len(row["text"].strip()) >= _SHORTEST:
            yield _case("learned_hands", row["text"], legal=True)


def _legalbench(data: Path) -> Iterator[Case]:
    """Clauses and short cases. Those of one document are one group."""
    trained = {row.text for row in labelled("legalbench", data) if not held_out("legalbench", row.text)}
    for row in json_rows(data / "legal" / "legalbench_fewshot.jsonl.gz"):
        text = row.get("text") or row.get("question") or row.get("description")
        if text:
            named = str(row.get("document_name") or "").strip()
            group = f"document:{short(named)}" if named else None
            yield _case("legalbench", str(text), legal=True, kept_out=text not in trained, group=group)


def _counsel_chat(data: Path) -> Iterator[Case]:
    for row in labelled("counsel_chat", data):
        yield _case("counsel_chat", row.text, legal=False, kept_out=held_out_group(row.group))


def _everyday(data: Path) -> Iterator[Case]:
    for source, text in everyday(data):
        yield _case(source, text, legal=False)


def _exam(data: Path) -> Iterator[Case]:
    """Questions of every category but law that the embedded model has not seen."""
    rows = json_rows(data / "mmlu_pro_models" / "questions.jsonl.gz")
    learned = {row["question"] for row in rows if not kept_out(row)}
    unseen = {asked(row) for row in rows if row["category"] != "law" and row["question"] not in learned}
    for text in drawn(unseen, EXAM):
        yield _case("mmlu_pro", text, legal=False)


def _case(source: str, text: str, *, legal: bool, kept_out: bool = True, group: str | None = None) -> Case:
    return Case(
        id=f"{source}-{short(text)}",
        text=text,
        expect=Expect(findings={"legal": legal}),
        strata={"source": source, **stratum(kept_out)},
        group=group,
    )
