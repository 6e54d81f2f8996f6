"""What a judge is, and what it says of a draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from tiergraph.documents import Document
from tiergraph.tiers import Location

Reason = Literal[
    "supported",
    "unsupported_claims",
    "uncovered_aspects",
    "no_documents",
    "empty",
    "abstained",
    "refusal",
    "echo",
]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge says of one draft.

    Attributes:
        passed: Whether the draft may be the answer: ``score`` reached the threshold and nothing forbids it.
        score: In [0, 1], higher is better.
        reason: Code of what decided: ``supported``, ``unsupported_claims``, ``uncovered_aspects``, ``no_documents``,
            ``empty``, ``abstained``, ``refusal`` or ``echo`` (the draft only repeats the question).
        unsupported: Sentences of the draft without support, verbatim. Content: for the next tier, never for a record.
        uncovered: Clauses of the question that the draft leaves out, verbatim. Content, as above.
    """

    passed: bool
    score: float
    reason: Reason
    unsupported: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it, JSON-like, for the state. It holds content."""
        return {
            "passed": self.passed,
            "score": self.score,
            "reason": self.reason,
            "unsupported": list(self.unsupported),
            "uncovered": list(self.uncovered),
        }


@runtime_checkable
class Judge(Protocol):
    """Judges drafts. Both methods raise `JudgeError` on failure only; a bad draft is a verdict.

    Attributes:
        name: For the record.
        location: Where what it is given goes; a judge gets nothing that its location forbids.
        digest: sha256 of whatever determines its verdicts.
    """

    name: str
    location: Location

    @property
    def digest(self) -> str: ...

    def judge(
        self, question: str, draft: str, documents: Sequence[Document], *, threshold: float, deadline: float
    ) -> Verdict:
        """Judge one draft. ``threshold`` is in [0, 1]; ``deadline`` is a time of ``time.monotonic()``."""
        ...

    async def ajudge(
        self, question: str, draft: str, documents: Sequence[Document], *, threshold: float, deadline: float
    ) -> Verdict:
        """`judge` without blocking the event loop."""
        ...
