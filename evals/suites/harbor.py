"""Harbor's inbox, which the package carries: what a whole graph makes of 249 messages."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

from tiergraph.evaluation.cases import FINDING_KINDS, Case, Expect, Suite

_DIFFICULTIES: dict[str, Literal[1, 2, 3]] = {"easy": 1, "medium": 2, "hard": 3}


def load(data: Path | None) -> list[Suite]:
    """One suite. ``data`` is not read."""
    return [
        Suite(
            name="harbor",
            cases=tuple(_case(row) for row in inbox()),
            sources=("this project: Apache-2.0",),
        )
    ]


def inbox() -> list[dict[str, Any]]:
    """Harbor's messages, as its graph takes them."""
    rows: list[dict[str, Any]] = importlib.import_module("tiergraph.graphs.harbor_support").inbox()
    return rows


def _case(row: dict[str, Any]) -> Case:
    request = row["request"]
    return Case(
        id=row["id"],
        messages=tuple(request["messages"]),
        documents=tuple(request["documents"]),
        metadata=request["metadata"],
        attachments=tuple(request["attachments"]),
        expect=expected(row),
        strata={"difficulty": row["expect"]["difficulty"], "source": row["kinds"][0]},
    )


def expected(row: dict[str, Any]) -> Expect:
    """What a right system does. What follows from a safety finding is the policy's choice, so no outcome is asked."""
    known = row["expect"]
    return Expect(
        outcome="human" if known["human"] else None,
        difficulty=_DIFFICULTIES[known["difficulty"]],
        needs_retrieval=True if known["articles"] else None,
        findings={kind: kind in known["findings"] for kind in FINDING_KINDS},
        contains=tuple(known["must_contain"]),
    )
