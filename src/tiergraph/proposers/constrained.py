"""Tries over the token sequences of a field's values: exact probabilities of whole values from a few logits.

A value is spelled out together with the label before it and the terminator after it (``tier local`` and a line
break) and tokenised as one text, so that what a tokeniser merges across a boundary is merged here too. Where every
value continues with the same token, that token is forced: it is walked and never scored. Where they part, a
softmax over the tokens that are possible there (not over the vocabulary) gives the conditional probability of each
branch, and a value's probability is the product along its path. The values of a field therefore sum to 1, however
many tokens each takes, and ``a`` is not confused with ``ab``: its terminator is a branch of its own.

Pure: knows token ids, not llama.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

TERMINATOR = "\n"
"""Ends every value. A value has no control characters, so it cannot hold its own end."""

Path = tuple[int, ...]
Tokenise = Callable[[str], Sequence[int]]


class Branch(NamedTuple):
    """A place where the values of a field part.

    path: Token ids that lead there, forced ones included; their logits at its last token are what is read.
    tokens: Token ids that are possible next, at least two.
    """

    path: Path
    tokens: tuple[int, ...]


class Step(NamedTuple):
    """One choice on a value's way: which branch, and which of its tokens."""

    branch: int
    choice: int


@dataclass(frozen=True, kw_only=True)
class Trie:
    """The values of one field.

    Attributes:
        values: In the order they were given.
        branches: Where they part, shorter paths first; empty for a single value.
        ways: For each value, its choices from the root to its end.
    """

    values: tuple[str, ...]
    branches: tuple[Branch, ...]
    ways: tuple[tuple[Step, ...], ...]

    @property
    def decoded(self) -> frozenset[Path]:
        """Every path that must be decoded to read the branches: those to them and all that lead there."""
        return frozenset(branch.path[:depth] for branch in self.branches for depth in range(1, len(branch.path) + 1))

    def log_probabilities(self, logits: Sequence[Sequence[float]]) -> list[float]:
        """Natural log of each value's probability, in the order of ``values``.

        ``logits``: for each branch, the logits of its tokens, in their order. ``-inf`` closes a branch.

        Raises:
            ValueError: A branch whose logits are all ``-inf``, or one that is not a number.
        """
        scored = [log_softmax(row) for row in logits]
        return [sum(scored[branch][choice] for branch, choice in way) for way in self.ways]

    def probabilities(self, logits: Sequence[Sequence[float]]) -> dict[str, float]:
        """Each value to its probability; they sum to 1. Arguments and errors as `log_probabilities`."""
        return dict(zip(self.values, map(math.exp, self.log_probabilities(logits)), strict=True))


def log_softmax(logits: Sequence[float]) -> list[float]:
    """Natural logs of the softmax; a ``-inf`` stays one.

    Raises:
        ValueError: Empty, all ``-inf``, ``+inf`` or not a number.
    """
    top = max(logits)
    norm = math.log(sum([math.exp(x - top) for x in logits])) if math.isfinite(top) else math.nan
    if not math.isfinite(norm):
        raise ValueError("logits are not finite numbers")
    return [x - top - norm for x in logits]  # in this order: next to a large logit the norm would be lost


def compile_trie(sequences: Mapping[str, Sequence[int]]) -> Trie:
    """The trie of values whose token ids are given, terminator included.

    Raises:
        ValueError: No value, an empty sequence, or two values that no token tells apart because one's ids are the
            other's or begin them; the message names both.
    """
    if not sequences:
        raise ValueError("a field needs at least one value")
    tokens_after: dict[Path, dict[int, None]] = {}
    ends: dict[Path, str] = {}
    for value, ids in sequences.items():
        path = tuple(ids)
        if not path:
            raise ValueError(f"the value {value!r} has no tokens")
        if path in ends:
            raise ValueError(f"the values {ends[path]!r} and {value!r} have the same tokens")
        ends[path] = value
        for depth, token in enumerate(path):
            tokens_after.setdefault(path[:depth], {})[token] = None
    for path, value in ends.items():
        if path in tokens_after:
            longer = next(other for ids, other in ends.items() if len(ids) > len(path) and ids[: len(path)] == path)
            raise ValueError(f"the tokens of the value {value!r} begin those of {longer!r}")
    parting = {path: tuple(tokens) for path, tokens in tokens_after.items() if len(tokens) > 1}
    branches = tuple(Branch(path, tokens) for path, tokens in sorted(parting.items(), key=lambda item: len(item[0])))
    index = {branch.path: i for i, branch in enumerate(branches)}
    ways = tuple(
        tuple(
            Step(index[path[:depth]], parting[path[:depth]].index(path[depth]))
            for depth in range(len(path))
            if path[:depth] in parting
        )
        for path in ends
    )
    return Trie(values=tuple(ends.values()), branches=branches, ways=ways)


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How the values of a field are written for a model.

    Attributes:
        label: What stands before the value.
        forms: Each value to what is written for it: itself, or its number where tokens do not tell the values apart.
        trie: Over the values (not the forms).
    """

    label: str
    forms: Mapping[str, str]
    trie: Trie


def spell(labels: Sequence[str], forms: Mapping[str, str], tokenise: Tokenise) -> Spelling:
    """Spell the values of a field so that their tokens tell them apart: as ``forms`` says, or else by number from 1.

    Args:
        labels: Words that may stand before the value, best first. A later one is taken only where it costs fewer
            tokens: those that lead to where values part, since each of them is decoded with every request.
        forms: Each value to what is written for it, commonly itself.
        tokenise: Gives the ids of a text, without any that begin or end a sequence.

    Raises:
        ValueError: Neither way tells two of them apart, or a value holds a control character; names the values.
    """
    for value, form in forms.items():
        if TERMINATOR in form:
            raise ValueError(f"the value {value!r} holds a line break")
    first: ValueError | None = None
    for written in (forms, {value: str(i) for i, value in enumerate(forms, 1)}):
        try:
            spellings = [
                Spelling(
                    label=label,
                    forms=written,
                    trie=compile_trie(
                        {value: tokenise(f"{label} {form}{TERMINATOR}") for value, form in written.items()}
                    ),
                )
                for label in labels
            ]
        except ValueError as error:
            first = first or error
        else:
            return min(spellings, key=lambda spelling: len(spelling.trie.decoded))
    assert first is not None
    raise first
