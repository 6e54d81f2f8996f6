"""Requests with and without personal data, as the project defines it for training: direct identifiers.

Positive: an identifier that patterns know, an address, a full name. A lone first name is neither here nor there, and is
left out. Negative: texts without any of it, the templates of the positive ones with plain words in place of what is
personal, and everyday requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiergraph.config import DEFAULT_PII_ENTITIES
from tiergraph.evaluation.cases import Case, Expect, Suite
from tiergraph.suites.files import json_rows, labelled, short
from tiergraph.suites.intents import everyday
from tiergraph.suites.seen import held_out_group, stratum

_ADDRESSES = {"ADDRESS", "STREET_ADDRESS"}

# entity type -> what stands there in a text of the same form that is about nobody
_PLAIN: dict[str, tuple[str, ...]] = {
    "PERSON": ("the manager", "our team", "a colleague", "the front desk"),
    "TITLE": ("clerk", "assistant"),
    "PREFIX": ("",),
    "ADDRESS": ("the main building", "our warehouse", "the old harbour"),
    "STREET_ADDRESS": ("the main building", "our warehouse", "the old harbour"),
    "ZIP_CODE": ("nearby",),
    "CREDIT_CARD": ("of the usual kind",),
    "PHONE_NUMBER": ("the usual line",),
    "EMAIL_ADDRESS": ("the shared inbox",),
    "DOMAIN_NAME": ("the shop's page",),
    "US_SSN": ("not needed",),
    "US_DRIVER_LICENSE": ("not needed",),
    "IP_ADDRESS": ("localhost",),
}


def load(data: Path) -> list[Suite]:
    """One suite; strata ``kind`` (``structured``, ``address``, ``name``, ``none``), ``source`` and ``trained_on``."""
    cases = {case.id: case for case in (*_presidio(data), *_everyday(data))}
    return [
        Suite(
            name="pii",
            cases=tuple(cases.values()),
            sources=(
                "microsoft/presidio-research: MIT",
                "clinc/oos-eval: CC BY 3.0",
                "PolyAI-LDN/task-specific-datasets: CC BY 4.0",
            ),
        )
    ]


def _presidio(data: Path) -> Iterator[Case]:
    personal = {row.text: row.labels["contains_pii"][0] > 0.5 for row in labelled("presidio_pii", data)}
    emptied: set[str] = set()
    for row in json_rows(data / "presidio_pii" / "pii_by_template.jsonl.gz"):
        text, group = row["full_text"], f"presidio:{row['template_id']}"
        if text in personal:
            yield _case("presidio", text, personal[text], kind(row) if personal[text] else "none", group)
        if personal.get(text) and row["masked"] not in emptied:
            emptied.add(row["masked"])
            yield _case("template", plain(row), False, "none", group)


def _everyday(data: Path) -> Iterator[Case]:
    for source, text in everyday(data):
        yield _case(source, text, False, "none", None)


def _case(source: str, text: str, personal: bool, of: str, group: str | None) -> Case:
    return Case(
        id=f"{source}-{short(text)}",
        text=text,
        expect=Expect(findings={"pii": personal}),
        strata={"source": source, "kind": of, **stratum(group is None or held_out_group(group))},
        group=group,
    )


def kind(row: dict[str, Any]) -> str:
    """The easiest kind of personal data in a row to find: what patterns know, then addresses, then names."""
    entities = {span["entity_type"] for span in row["spans"]}
    if entities & set(DEFAULT_PII_ENTITIES):
        return "structured"
    return "address" if entities & _ADDRESSES else "name"


def plain(row: dict[str, Any]) -> str:
    """The text of a row with plain words in place of what is personal; dates, places and companies stay."""
    text: str = row["full_text"]
    for number, span in enumerate(sorted(row["spans"], key=lambda span: -span["start_position"])):
        words = _PLAIN.get(span["entity_type"])
        if words:
            word = words[number % len(words)]
            text = text[: span["start_position"]] + word + text[span["end_position"] :]
    return text
