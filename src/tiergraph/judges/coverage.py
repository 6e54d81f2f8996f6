"""How far a draft answers each thing that was asked: words of the question, near one another, and the kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tiergraph.extractive.questions import Aspect
from tiergraph.extractive.words import is_weak, stems
from tiergraph.judges.support import Evidence

CONTEXT_SHARE = 0.8  # of a word that the sentences behind the draft hold and the draft does not
UNKNOWN_WEIGHT = 0.7  # of a word of the question that no document has
WEAK_SHARE = 0.5  # of a word of the question that says little
WRONG_KIND = 0.5  # left of an aspect whose kind of answer, such as a duration, is missing
NEAR_SHARE = 0.5  # of coverage that a single sentence must give by itself
BEND = 0.6  # power that coverage is raised to: half of the words is more than half of the way


@dataclass(frozen=True, kw_only=True)
class Stand:
    """One sentence of a draft and what it stands on.

    Attributes:
        own: Stems of the sentence.
        heads: Stems of the title and heading over the sentence that carries it best.
        around: Stems of the carrying sentence, its neighbours, heading and title.
    """

    own: frozenset[str]
    heads: frozenset[str] = frozenset()
    around: frozenset[str] = frozenset()


def coverage(asked: Sequence[Aspect], text: str, stands: Sequence[Stand], evidence: Evidence | None) -> list[float]:
    """For each aspect how far ``text`` answers it, in [0, 1]; 1 for an aspect without words.

    ``evidence`` is ``None`` where there are no documents; then every word of the question weighs the same.
    """
    said = frozenset(stems(text))
    around = frozenset(term for stand in stands for term in stand.around)
    return [_covered(aspect, text, said, around, stands, evidence) for aspect in asked]


def _covered(
    aspect: Aspect,
    text: str,
    said: frozenset[str],
    around: frozenset[str],
    stands: Sequence[Stand],
    evidence: Evidence | None,
) -> float:
    weights = _weights(aspect, evidence)
    if not weights:
        return 1.0
    share = _share(weights, said, around)
    if evidence is not None:
        near = max((_share(weights, stand.own, stand.heads) for stand in stands), default=0.0)
        share = (1 - NEAR_SHARE) * share + NEAR_SHARE * near
    bent = float(min(1.0, share) ** BEND)
    return bent if aspect.answered_in_kind(text) else WRONG_KIND * bent


def _weights(aspect: Aspect, evidence: Evidence | None) -> dict[str, float]:
    spelled: Callable[[str], str] = evidence.spelled if evidence else str
    return {
        known: (evidence.weight(known) if evidence and known in evidence else UNKNOWN_WEIGHT)
        * (WEAK_SHARE if is_weak(known) else 1.0)
        for known in map(spelled, aspect.terms)
    }


def _share(weights: dict[str, float], said: frozenset[str], context: frozenset[str]) -> float:
    held: float = sum(w * (1.0 if t in said else CONTEXT_SHARE if t in context else 0.0) for t, w in weights.items())
    whole: float = sum(weights.values())
    return held / whole
