"""The contract of every router model: labels and flags first, then a tier inside what policy leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from tiergraph.proposal import Proposal
from tiergraph.tiers import Location


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What the model saw that patterns cannot. A flag may tighten, never lift."""

    contains_pii: bool = False
    is_legal: bool = False

    def __or__(self, other: Flags) -> Flags:
        return Flags(contains_pii=self.contains_pii or other.contains_pii, is_legal=self.is_legal or other.is_legal)


@dataclass(frozen=True, kw_only=True)
class FlagReading:
    """Flags of a text that was read window by window.

    Attributes:
        flags: Raised in any window.
        windows: Windows that were read now; those that came from the cache cost nothing and do not count.
        complete: Whether all of the text was read. What remains unread counts as found.
    """

    flags: Flags
    windows: int
    complete: bool


ConfidenceFrom = Literal["logits", "tokens", "stated", "similarity"]


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What a router model says of one request.

    Attributes:
        proposal: The validated JSON; ``None`` exactly where ``narrow`` left no tier.
        flags: Raised flags, of every window of the question.
        confidence: Probability of the proposed tier in [0, 1].
        confidence_from: Where the probabilities come from: ``logits`` of all values, a server's ``tokens``, what the
            model ``stated`` of itself, or ``similarity`` to examples.
        score: Calibrated probability in [0, 1] that the cheapest tier of the whole ladder is not enough.
        tier_probabilities: Every tier of the ladder to its probability; forbidden ones have exactly 0, the rest sum
            to 1.
        field_probabilities: Field to value to calibrated probability, for every field but the tier.
        complete: Whether the flags cover all of the question.
        windows: Windows that were read for it.
        cached: Whether it came from the decision cache.
    """

    proposal: Proposal | None
    flags: Flags
    confidence: float
    score: float
    tier_probabilities: Mapping[str, float]
    field_probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    complete: bool = True
    windows: int = 1
    cached: bool = False
    confidence_from: ConfidenceFrom = "logits"


Narrow = Callable[[Flags], Sequence[str]]
"""From the model's flags to the allowed set in ladder order; empty where a person takes it.

Where the question could not be read to its end, ``contains_pii`` is passed as raised: what is unread counts as found.
"""


class Proposer(Protocol):
    """A router model. Safe to call from several threads at once.

    ``propose`` raises `ProposerError` (never anything else for a run's failure); the caller then takes the next router
    model or the fallback. ``deadline`` is a time of ``time.monotonic()``.
    """

    @property
    def name(self) -> str:
        """Short and stable, for the record."""

    @property
    def location(self) -> Location:
        """Where the text goes that it reads."""

    @property
    def digest(self) -> str:
        """sha256 of the model, or of all that names it, for the record."""

    def propose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """One decision. ``text`` is the question; ``windows`` bounds the windows read for its flags."""

    async def apropose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        """As `propose`, without blocking the event loop."""

    def close(self) -> None:
        """Give back memory, connections and threads. Calling it twice is harmless."""


@runtime_checkable
class FlagReader(Protocol):
    """A model that reads the flags of any text: the question before it leaves, documents, tool results, drafts.

    A router model inside the process is one; a hosted one is not, for it would be handed what the flags are to protect.
    """

    @property
    def location(self) -> Location:
        """Where the text goes that it reads."""

    def read_flags(self, text: str, *, deadline: float, windows: int) -> FlagReading:
        """Flags of a text, of at most ``windows`` windows. Raises `ProposerError` on failure, and nothing else."""

    def close(self) -> None:
        """As of a `Proposer`."""
