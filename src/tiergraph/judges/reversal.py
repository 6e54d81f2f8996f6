"""Sentences that repeat a document's sentence with the negation or the number changed. Conservative on purpose."""

from __future__ import annotations

import re

from tiergraph.extractive.words import stems
from tiergraph.judges.facts import Number, numbers

SAME = 0.75  # share of a sentence's words that the other must have for the two to speak of the same thing
_NOT = re.compile(
    r"\b(?:not|no|never|cannot|neither|nor|none|nobody|nothing|without|unable|(?:ca|wo|do|does|did|is|are|was|were|should|would"
    r"|could|must|have|has|had)n['’]t)\b",
    re.IGNORECASE,
)
# Words that may carry a negation in other words; where a sentence has one, its polarity is not judged.
_UNCLEAR = re.compile(
    r"\b(?:avoid\w*|except\w*|unless|only|exclu\w+|instead|fail\w*|prohibit\w*|forbid\w*|forbidden|impossible|refus\w+|lose|lost"
    r"|rather|stop|reject\w*|declin\w+|hardly|free|too|neither|unfortunately|excluded|beyond|outside|before|until)\b",
    re.IGNORECASE,
)


def reversed_negation(sentence: str, source: str) -> bool:
    """Whether one of the two negates a word that the other affirms, in otherwise the same words."""
    if not _same(sentence, source) or _UNCLEAR.search(sentence):
        return False
    here, there = _negated(sentence), _negated(source)
    if here and there:
        return False
    if there:
        return not _NOT.search(sentence) and bool(there & set(stems(sentence)))
    return bool(here) and not _NOT.search(source) and not _UNCLEAR.search(source) and here <= set(stems(source))


def changed_number(sentence: str, source: str, asked: str) -> bool:
    """Whether ``sentence`` has one number where ``source``, in otherwise the same words, has one other of its unit.

    A number that the question ``asked`` brought may stand beside any other.
    """
    if not _same(sentence, source):
        return False
    here, there = [number for number in numbers(sentence) if number.certain], numbers(source)
    if len(here) != 1 or len(there) != 1 or here[0].unit != there[0].unit:
        return False
    return not _held(here[0], there) and not _held(here[0], numbers(asked))


def _held(number: Number, there: list[Number]) -> bool:
    return any(number.values & other.values for other in there)


def _same(sentence: str, source: str) -> bool:
    said = {term for term in stems(_NOT.sub(" ", sentence)) if not term.isdigit()}
    return len(said) > 1 and len(said & set(stems(source))) >= SAME * len(said)


def _negated(sentence: str) -> set[str]:
    """The first content word after each negation."""
    return {next(iter(stems(sentence[m.end() : m.end() + 60])), "") for m in _NOT.finditer(sentence)} - {""}
