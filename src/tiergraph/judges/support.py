"""How well the documents carry a sentence: rarity-weighted overlap with a few neighbouring sentences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log

import numpy as np
from numpy.typing import NDArray

from tiergraph.documents import Document
from tiergraph.extractive.sentences import all_sentences
from tiergraph.extractive.words import is_weak, nearest, stems

WINDOW = 3  # neighbouring sentences that may carry one sentence of the draft together
MAX_SENTENCES = 30_000  # of all documents together; what lies behind them carries nothing
ASKED_WEIGHT = 0.3  # of a word that the question brought, beside one that the draft brought
WEAK_WEIGHT = 0.8
LEAST_WEIGHT = 0.3  # of a word that every sentence has
ORDER_SHARE = 0.3  # of support that neighbouring words give by being neighbours in the documents too


class Evidence:
    """The sentences of the documents, indexed once for every sentence of a draft."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.texts: list[str] = []
        self._heads: list[tuple[int, ...]] = []  # rows of the title and the heading that each sentence stands under
        owners: list[int] = []
        for number, document in enumerate(documents):
            self._add(document)
            owners += [number] * (len(self.texts) - len(owners))
        self._owners = np.asarray(owners, dtype=np.int64)
        self._rows = [stems(text) for text in self.texts]
        self._held: dict[str, list[int]] = {}
        self._pairs: set[tuple[str, str]] = set()
        self._spelled: dict[str, str] = {}
        for number, row in enumerate(self._rows):
            for term in dict.fromkeys(row):
                self._held.setdefault(term, []).append(number)
            self._pairs.update(pairwise(row))

    def _add(self, document: Document) -> None:
        text = document["text"]
        title, heading = document.get("title", ""), -1
        head = len(self.texts) if title else -1
        room = max(0, MAX_SENTENCES - len(self.texts))
        found = [text[span.start : span.end] for span in all_sentences(text, room)]
        for sentence in ([title, *found] if title else found)[:room]:
            heading = len(self.texts) if sentence.startswith("#") else heading
            self._heads.append(tuple(row for row in (head, heading) if row >= 0))
            self.texts.append(sentence)

    def weight(self, term: str) -> float:
        """Rarity of a term in the documents, in (0, 1]; 1 where they lack it."""
        total = len(self.texts)
        held = len(self._held.get(term, ()))
        rarity = log(1 + (total - held + 0.5) / (held + 0.5)) / log(1 + (total + 0.5) / 0.5)
        return (LEAST_WEIGHT + (1 - LEAST_WEIGHT) * rarity) * (WEAK_WEIGHT if is_weak(term) else 1.0)

    def __contains__(self, term: str) -> bool:
        return term in self._held

    def _covered(self, weights: dict[str, float]) -> NDArray[np.float64]:
        """Weight that each window covers; row 0 for windows of one sentence, row 1 for `WINDOW`."""
        total = np.zeros((2, len(self.texts)))
        for term, weight in weights.items():
            held = np.zeros(len(self.texts), dtype=bool)
            held[self._held.get(term, [])] = True
            total[0] += weight * held
            wide = held.copy()
            for step in range(1, WINDOW):
                wide[:-step] |= held[step:] & (self._owners[step:] == self._owners[:-step])
            total[1] += weight * wide
        return total

    def support(self, terms: Sequence[str], asked: frozenset[str]) -> float:
        """Support in [0, 1] of a sentence with these stems; words that the question ``asked`` brought count less."""
        weights = {t: self.weight(t) * (ASKED_WEIGHT if t in asked else 1.0) for t in dict.fromkeys(terms)}
        whole = sum(weights.values())
        if not self.texts or whole == 0:
            return 0.0
        single, wide = self._covered(weights) / whole
        held = max(float(single.max()), 0.95 * float(wide.max()))
        return min(1.0, (1 - ORDER_SHARE) * held + ORDER_SHARE * self._order(terms))

    def carrier(self, terms: Sequence[str]) -> int:
        """The row that shares most with these stems, numbers aside; -1 where none shares a word."""
        single = self._covered({term: self.weight(term) for term in terms if not term.isdigit()})[0]
        return int(single.argmax()) if single.any() else -1

    def spelled(self, term: str) -> str:
        """``term``, or the term of the documents that it is a slip of."""
        if term in self._held:
            return term
        if term not in self._spelled:
            self._spelled[term] = nearest(term, self._held) or term
        return self._spelled[term]

    def heads(self, best: int) -> frozenset[str]:
        """The terms of the title and the heading over a sentence."""
        return frozenset(term for row in (self._heads[best] if best >= 0 else ()) for term in self._rows[row])

    def around(self, best: int, reach: int = 1) -> frozenset[str]:
        """The terms of a sentence, of ``reach`` neighbours on either side in its document, and of its heads."""
        if best < 0:
            return frozenset()
        owner = self._owners[best]
        near = [
            n for n in range(max(0, best - reach), min(len(self._rows), best + reach + 1)) if self._owners[n] == owner
        ]
        return frozenset(term for row in near for term in self._rows[row]) | self.heads(best)

    def _order(self, terms: Sequence[str]) -> float:
        """Share of neighbouring stems that are neighbours in the documents too, in [0, 1]."""
        pairs = list(pairwise(terms))
        if not pairs:
            return float(terms[0] in self)
        return sum(pair in self._pairs for pair in pairs) / len(pairs)
