"""Passages ranked for a question: BM25 over their words, their headings and titles, and the kind of answer wanted."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tiergraph.extractive.passages import Passage
from tiergraph.extractive.questions import Aspect
from tiergraph.extractive.words import is_weak, nearest, stems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TITLE_WEIGHT = 2  # times that a word of title or heading counts
HEADING_WEIGHT = 2
KIND_BOOST = 1.35  # of a passage that holds the kind of answer that is wanted
ORDER_DISCOUNT = 0.9  # for each place that a document stands further back: its retriever knew more than these passages
LATER = 0.98  # for each passage further down in its document: what is said first is what it is about
WEAK_WEIGHT = 0.4
CONTEXT_WEIGHT = 0.4  # of words that only the rest of the question has, beside those of the aspect


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A passage with its BM25 score and the share of the aspect's terms, by weight, that it covers in [0, 1]."""

    passage: Passage
    score: float
    coverage: float


def bm25(rows: Sequence[Sequence[str]]) -> Any:
    """A BM25 index over rows of stems. An empty row matches nothing."""
    with warnings.catch_warnings():
        # Of its progress bars, which want widgets and are never shown.
        warnings.filterwarnings("ignore", message="IProgress not found")
        import bm25s  # type: ignore[import-untyped]

    index = bm25s.BM25(k1=1.2, b=0.6)
    index.index([list(row) or [""] for row in rows], show_progress=False)
    return index


def scores(index: Any, terms: Sequence[str], rows: int) -> NDArray[np.float64]:
    """One BM25 score >= 0 for each row. A term that the index lacks stands for its nearest spelling."""
    import numpy as np

    known = index.vocab_dict
    spelled = {term if term in known else nearest(term, known) or "" for term in terms} - {""}
    weak = {term for term in spelled if is_weak(term)}
    total = np.zeros(rows)
    for weight, group in ((1.0, spelled - weak), (WEAK_WEIGHT, weak)):
        if group:
            total += weight * np.asarray(index.get_scores(sorted(group)), dtype=np.float64)
    return total


class Ranking:
    """Passages of one list of documents, indexed once and ranked for each aspect of a question."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = tuple(passages)
        rows = [
            [*stems(p.title) * TITLE_WEIGHT, *stems(p.heading) * HEADING_WEIGHT, *stems(p.text)] for p in self.passages
        ]
        self.terms = tuple(frozenset(row) for row in rows)
        self._index = bm25(rows) if rows else None
        first: dict[int, int] = {}
        self._depth = [number - first.setdefault(p.document, number) for number, p in enumerate(self.passages)]

    def rank(self, aspect: Aspect, context: Sequence[str] = ()) -> list[Ranked]:
        """Every passage that shares a term with the aspect or, where it has none, its context; best first."""
        if self._index is None:
            return []
        own = scores(self._index, aspect.terms, len(self.passages))
        rest = scores(self._index, [term for term in context if term not in aspect.terms], len(self.passages))
        weights = self.weights(aspect.terms)
        found = []
        for number, passage in enumerate(self.passages):
            score = float(own[number]) + CONTEXT_WEIGHT * float(rest[number])
            if score > 0 and aspect.answered_in_kind(passage.text):
                score *= KIND_BOOST
            score *= ORDER_DISCOUNT**passage.document * LATER ** self._depth[number]
            covered = sum(weight for term, weight in weights.items() if term in self.terms[number])
            if score > 0:
                found.append(Ranked(passage=passage, score=score, coverage=covered / (sum(weights.values()) or 1.0)))
        return sorted(found, key=lambda ranked: -ranked.score)

    def weights(self, terms: Sequence[str]) -> dict[str, float]:
        """Weight in (0, 1] of each term: the rarer in these passages, the more; one that no passage has counts .7."""
        total = len(self.terms)
        held = {term: sum(term in row for row in self.terms) for term in dict.fromkeys(terms)}
        return {term: _rarity(count, total) for term, count in held.items()}


def _rarity(count: int, total: int) -> float:
    return 1 - 0.75 * count / total if count else 0.7
