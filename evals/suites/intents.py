"""Everyday requests with the intents that training maps their labels to; rows that the embedded model has not seen.

CLINC's out-of-scope rows have no intent of ours and are not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tiergraph.evaluation.cases import Case, Expect, Suite
from tiergraph.proposal import INTENTS
from tiergraph.suites.files import labelled, short
from tiergraph.suites.seen import held_out

SOURCES = ("clinc150: clinc/oos-eval, CC BY 3.0", "banking77: PolyAI-LDN/task-specific-datasets, CC BY 4.0")


def load(data: Path) -> list[Suite]:
    """One suite."""
    cases = {case.id: case for source in ("clinc150", "banking77") for case in _read(source, data)}
    return [Suite(name="intents", cases=tuple(cases.values()), sources=SOURCES)]


def everyday(data: Path) -> list[tuple[str, str]]:
    """Source and text of the requests that training held out: neither personal nor legal."""
    found = {
        row.text: source
        for source in ("clinc150", "banking77")
        for row in labelled(source, data)
        if held_out(source, row.text)
    }
    return [(source, text) for text, source in found.items()]


def _read(source: str, data: Path) -> Iterator[Case]:
    for row in labelled(source, data):
        if "intent" in row.labels and held_out(source, row.text):
            chances = row.labels["intent"]
            intent = INTENTS[chances.index(max(chances))]
            strata = {"source": source, "intent": intent}
            yield Case(id=f"{source}-{short(row.text)}", text=row.text, expect=Expect(intent=intent), strata=strata)
