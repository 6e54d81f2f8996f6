"""Phrase patterns that cost next to nothing on text that has none of their words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"[^\W\d_]+")

FIRES = 1.0
"""Weight of a phrase that fires its rule alone."""

ADDED_UP = 0.75
"""Summed weight of different lighter cues from which their rules fire."""

_NEAR = 1200
"""Characters within which cues add up; cues further apart are about different things."""


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """One pattern over the keyword form of a text (lower case, plain quotes, no accents, single spaces).

    Attributes:
        rule: Id of the rule it speaks for.
        words: Words of which at least one stands in every match. A text without any of them is never searched.
        pattern: Regular expression.
        weight: In (0, 1]. One match of weight 1 fires its rule; lighter cues add up with other phrases near by,
            whatever their rule, and then fire the rules they speak for.
    """

    rule: str
    words: frozenset[str]
    pattern: re.Pattern[str]
    weight: float = FIRES


def phrase(rule: str, words: str, pattern: str, weight: float = FIRES) -> Phrase:
    """A `Phrase` from its words separated by spaces and a pattern that is bounded by whole words."""
    return Phrase(
        rule=rule, words=frozenset(words.split()), pattern=re.compile(rf"\b(?:{pattern})(?!\w)"), weight=weight
    )


class PhraseBook:
    """Phrases indexed by the words they need."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._phrases = tuple(phrases)
        self._by_word: dict[str, list[int]] = {}
        for number, item in enumerate(self._phrases):
            for word in item.words:
                self._by_word.setdefault(word, []).append(number)
        self._words = frozenset(self._by_word)

    def find(self, text: str) -> frozenset[str]:
        """The rules that fire on a text in keyword form."""
        present = self._words.intersection(_WORD.findall(text))
        if not present:
            return frozenset()
        cues: list[tuple[int, Phrase]] = []
        fired: set[str] = set()
        for number in sorted({number for word in present for number in self._by_word[word]}):
            item = self._phrases[number]
            if item.weight >= FIRES:
                if item.rule not in fired and item.pattern.search(text):
                    fired.add(item.rule)
            else:
                cues.extend((match.start(), item) for match in item.pattern.finditer(text))
        return frozenset(fired | _added_up(cues))


def _added_up(cues: list[tuple[int, Phrase]]) -> set[str]:
    """The rules of cues that, each phrase counted once, reach `ADDED_UP` within `_NEAR` characters."""
    cues.sort(key=lambda cue: cue[0])
    fired: set[str] = set()
    counts: dict[Phrase, int] = {}
    total, first = 0.0, 0
    for place, item in cues:
        while place - cues[first][0] > _NEAR:
            gone = cues[first][1]
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
                total -= gone.weight
            first += 1
        if item not in counts:
            total += item.weight
        counts[item] = counts.get(item, 0) + 1
        if len(counts) > 1 and total >= ADDED_UP - 1e-9:
            fired.update(cue.rule for cue in counts)
    return fired
