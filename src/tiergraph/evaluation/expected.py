"""What is expected of a case, beside what was observed of it: labels, findings, and whether they are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tiergraph.evaluation.cases import Case
from tiergraph.evaluation.observations import Observation

FLAGS = {"pii": "contains_pii", "legal": "is_legal"}
"""Kind of finding to the field of the proposal that says how likely it is."""


@dataclass(frozen=True)
class Label:
    """A label of one value: where it stands in what is expected, and in what was observed."""

    name: str
    expected: Callable[[Case], Any]
    observed: Callable[[Observation], Any]


LABELS = (
    Label("tier", lambda case: case.expect.tier, lambda seen: seen.decided),
    Label(
        "outcome",
        lambda case: case.expect.outcome,
        lambda seen: {"route": "answered", "refuse": "refused"}.get(seen.outcome, seen.outcome),
    ),
    Label("intent", lambda case: case.expect.intent, lambda seen: seen.proposal.get("intent")),
    Label("difficulty", lambda case: case.expect.difficulty, lambda seen: seen.proposal.get("difficulty")),
    Label(
        "needs_retrieval", lambda case: case.expect.needs_retrieval, lambda seen: seen.proposal.get("needs_retrieval")
    ),
)


def right_of(case: Case, seen: Observation, *, screened: bool = True) -> dict[str, bool]:
    """What is asked of a case to whether the observation has it right. What cannot be known of it is absent."""
    if seen.outcome == "error":
        return {}
    found = {}
    for label in LABELS:
        wanted, got = label.expected(case), label.observed(seen)
        if wanted is not None and got is not None:
            found[label.name] = wanted == got
    if seen.outcome != "judged" and screened:
        found |= {kind: (kind in seen.findings) == there for kind, there in case.expect.findings.items()}
    if case.expect.grounded is not None and seen.passed is not None:
        found["grounded"] = seen.passed == case.expect.grounded
    return found
