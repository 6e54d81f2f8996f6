"""Drafts that people labelled as supported by a document or not, for judges.

BEGIN and HaluEval are easy: shared words alone, or the length of the answer, nearly give the label. QAGS and CLIFF and
Goyal (of AggreFact), summaries of news, are the test. HaluEval's general queries have no document and are not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tiergraph.evaluation.cases import Case, Expect, Suite
from tiergraph.suites.files import json_rows, short, table

SUMMARISE = "Summarise the document."
"""What was asked for, where all that is known is that the draft is a summary."""

_BEGIN = {"Fully attributable": True, "Not fully attributable": False}  # "Generic" claims nothing that a document has


def load(data: Path) -> list[Suite]:
    """One suite; the stratum ``source`` names the set."""
    found = {case.id: case for read in (_begin, _qags, _aggrefact, _halueval) for case in read(data)}
    return [
        Suite(
            name="grounding",
            cases=tuple(found.values()),
            sources=(
                "google/BEGIN-dataset: CC BY 4.0, CDLA-Sharing 1.0",
                "W4ngatang/qags: no licence stated",
                "Liyan06/AggreFact: no licence stated",
                "RUCAIBox/HaluEval: MIT",
            ),
        )
    ]


def _begin(data: Path) -> Iterator[Case]:
    """Replies in a conversation; the request is the message before."""
    for row in table(data / "begin" / "begin.csv.gz"):
        grounded = _BEGIN.get(row["begin_label"])
        if grounded is not None and row["split"] in ("dev", "test"):
            yield _case("begin", row["knowledge"], row["message"], row["response"], grounded)


def _qags(data: Path) -> Iterator[Case]:
    """Summaries of CNN/DailyMail; grounded where the majority of readers says so of every sentence."""
    for row in json_rows(data / "qags" / "cnndm.jsonl.gz"):
        draft = " ".join(sentence["sentence"] for sentence in row["sentences"])
        yield _case("qags", row["article"], SUMMARISE, draft, bool(row["consistent"]))


def _aggrefact(data: Path) -> Iterator[Case]:
    """Summaries by BART and Pegasus of CNN/DailyMail and XSum."""
    for row in table(data / "aggrefact_cliff_goyal" / "cliff_goyal.csv.gz"):
        source = "cliff" if row["dataset"] == "CLIFF" else "goyal"
        yield _case(source, row["doc"], SUMMARISE, row["summ"], row["consistent"] == "1", origin=row["origin"])


def _halueval(data: Path) -> Iterator[Case]:
    """The right answer and one made-up answer to each question; the second variant of made-up ones is left out."""
    for row in json_rows(data / "halueval_qa500" / "qa500.jsonl.gz"):
        if row["variant"] == "one-turn":
            yield _case("halueval", row["knowledge"], row["question"], row["right_answer"], True)
            yield _case("halueval", row["knowledge"], row["question"], row["hallucinated_answer"], False)


def _case(source: str, document: str, asked: str, draft: str, grounded: bool, **strata: str) -> Case:
    """A case by what a judge is given: the same asked twice is one case."""
    return Case(
        id=f"{source}-{short(repr((document, asked, draft)))}",
        text=asked.strip() or SUMMARISE,
        documents=({"id": "document", "text": document},),
        draft=draft,
        expect=Expect(grounded=grounded),
        strata={"source": source, **strata},
        group=short(document),
    )
