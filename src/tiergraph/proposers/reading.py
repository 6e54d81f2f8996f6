"""What one decode says of a text, before policy: labels, flags and the scores of all tiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tiergraph.proposal import Proposal, parse_proposal, render_proposal
from tiergraph.proposers.base import Flags
from tiergraph.proposers.calibration import Calibration, TierScores

if TYPE_CHECKING:
    from tiergraph.config import RouterModelConfig

FLAG_VALUES = ("true", "false")
LABEL_FIELDS = ("difficulty", "intent", "needs_retrieval", "contains_pii", "is_legal", "reason")
"""Every field but the tier."""


class FlagScores(NamedTuple):
    """Probability in [0, 1] of each flag that policy acts on."""

    contains_pii: float
    is_legal: float

    def highest(self, other: FlagScores) -> FlagScores:
        return FlagScores(max(self.contains_pii, other.contains_pii), max(self.is_legal, other.is_legal))


class Thresholds:
    """Raises the flags whose probabilities reach their thresholds."""

    def __init__(self, calibration: Calibration) -> None:
        self._contains_pii = calibration.threshold("contains_pii")
        self._is_legal = calibration.threshold("is_legal")

    def __call__(self, scores: FlagScores) -> Flags:
        return _FLAGS[scores[0] >= self._contains_pii, scores[1] >= self._is_legal]


_FLAGS = {(pii, legal): Flags(contains_pii=pii, is_legal=legal) for pii in (False, True) for legal in (False, True)}


class Labels(NamedTuple):
    """The most probable value of each field that policy does not narrow."""

    difficulty: int
    intent: str
    needs_retrieval: bool
    reason: str


def proposal_of(
    tier: str, labels: Labels, flags: Flags, *, allowed: Sequence[str], config: RouterModelConfig
) -> Proposal:
    """The values as JSON, and the JSON validated. Raises `ProposalInvalidError` as `parse_proposal`."""
    values = {
        "tier": tier,
        **labels._asdict(),
        "contains_pii": flags.contains_pii,
        "is_legal": flags.is_legal,
    }
    return parse_proposal(
        render_proposal(values), allowed=tuple(allowed), intents=config.intents, reasons=config.reasons
    )


class FieldProbabilities(Mapping[str, Mapping[str, float]]):
    """Field to value to probability, for every field but the tier, each computed when it is asked for.

    A decision needs the likeliest values only, and the rest is a tenth of what it costs beside the decode.
    """

    def __init__(
        self, compute: Callable[[str], dict[str, float]], known: Mapping[str, Mapping[str, float]] | None = None
    ) -> None:
        """``compute``: from field to its probabilities, pure; ``known``: fields that need no computing."""
        self._compute = compute
        self._known = dict(known or {})

    def __getitem__(self, name: str) -> Mapping[str, float]:
        if name not in self._known:
            if name not in LABEL_FIELDS:
                raise KeyError(name)
            self._known[name] = self._compute(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(LABEL_FIELDS)

    def __len__(self) -> int:
        return len(LABEL_FIELDS)

    def __repr__(self) -> str:
        return repr(dict(self))

    def with_flags(self, scores: FlagScores) -> FieldProbabilities:
        """The same with the flags of more windows."""
        return self.replaced({name: {"true": p, "false": 1.0 - p} for name, p in scores._asdict().items()})

    def replaced(self, known: Mapping[str, Mapping[str, float]]) -> FieldProbabilities:
        """The same with other probabilities for some fields."""
        return FieldProbabilities(self._compute, {**self._known, **known})


@dataclass(slots=True)  # not frozen: one is made in every decision, and frozen ones take four times as long to make
class Reading:
    """One text as the model reads it, never changed. The tier is not chosen yet, so it holds under every policy.

    Attributes:
        tiers: Scores of the whole ladder.
        labels: The likeliest values of the other fields.
        fields: Their probabilities.
        flags: Highest probabilities over every window that was read.
        complete: Whether the flags cover all of the text.
        windows: Windows that were read for it.
        logits: (m,) raw logits of every value and probe, where heads wait for them; ``None`` once they were applied.
    """

    tiers: TierScores
    labels: Labels
    fields: FieldProbabilities
    flags: FlagScores
    complete: bool = True
    windows: int = 1
    logits: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Tail:
    """What is decoded after a request's tokens, in the same batch.

    Attributes:
        suffix: Tokens that every sequence shares.
        tokens: Tokens of the branches, parents before children.
        depths: For each branch token, its place after the suffix, from 0.
        sequences: For each branch token, the sequences that it belongs to.
        outputs: For the last suffix token and then each branch token, whether its logits are read.
        gather: Which logits are read: (row among the outputs, token id), in the order a head expects.
        n_sequences: Number of sequences, 1 to 256.
    """

    suffix: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    sequences: tuple[tuple[int, ...], ...] = ()
    outputs: tuple[bool, ...] = (False,)
    gather: tuple[tuple[int, int], ...] = ()
    n_sequences: int = 1

    @property
    def rows(self) -> int:
        """Positions whose logits are read."""
        return sum(self.outputs)


class Head(Protocol):
    """How one kind of model is asked, and how its logits are understood."""

    @property
    def prompt(self) -> Sequence[int]:
        """Token ids before every request, kept decoded."""

    @property
    def tail(self) -> Tail:
        """What follows every request."""

    @property
    def window(self) -> int:
        """Request tokens at most, > 0."""

    @property
    def raise_flags(self) -> Thresholds:
        """From the scores of flags to those that are raised."""

    def read(self, logits: Sequence[float]) -> Reading:
        """Understand the logits that ``tail.gather`` names.

        Raises:
            ValueError: They are not finite.
        """
