"""Words as ranking and judging compare them: lower case, light stems, a few synonyms, no grammar words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from tiergraph.extractive.vocabulary import PHRASES, STOP_WORDS, SYNONYMS, WEAK_WORDS

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Scripts that write no spaces: a run of them is compared by its pairs of characters.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")

_SUFFIXES = (
    ("ational", "at"),
    ("isation", "is"),
    ("ization", "is"),
    ("ations", ""),
    ("ation", ""),
    ("eries", "er"),
    ("ments", ""),
    ("ment", ""),
    ("ities", ""),
    ("ness", ""),
    ("ings", ""),
    ("ying", "i"),
    ("ions", ""),
    ("ated", ""),
    ("ates", ""),
    ("ible", ""),
    ("able", ""),
    ("ally", ""),
    ("ise", "is"),
    ("ize", "is"),
    ("ies", "i"),
    ("ied", "i"),
    ("ing", ""),
    ("ion", ""),
    ("ity", ""),
    ("ery", "er"),
    ("ate", ""),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ed", ""),
    ("es", ""),
    ("ly", ""),
    ("s", ""),
    ("e", ""),
    ("y", "i"),
)
_SLIP_FROM = 5
_KEEP = 3  # characters of a stem that stay at least


def fold(text: str) -> str:
    """``text`` in lower case and compatibility form, so that look-alike spellings compare equal."""
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A light stem of one folded word; synonyms share one stem. Not for reading."""
    word = word.removesuffix("'s").replace("'", "")
    if word in SYNONYMS:
        return SYNONYMS[word]
    if not word.isalpha() or not word.isascii():
        return word
    cut = _cut(word)
    return SYNONYMS.get(cut, cut)


def _cut(word: str) -> str:
    for suffix, instead in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) + len(instead) >= _KEEP:
            if suffix == "s" and word.endswith(("ss", "us", "is")):
                break
            cut = word[: len(word) - len(suffix)] + instead
            return _single(cut)
    return _single(word)


def _single(cut: str) -> str:
    """Undo a doubled consonant (shipp -> ship) and a silent e, so that forms of one word meet."""
    if len(cut) > _KEEP and cut[-1] == cut[-2] and cut[-1] not in "aeiou":
        return cut[:-1]
    return cut[:-1] if len(cut) > _KEEP and cut.endswith("e") else cut


def words(text: str) -> list[str]:
    """Every word of ``text``, folded, in order, grammar words included."""
    return [match.group() for match in _WORD.finditer(fold(text))]


def stems(text: str) -> list[str]:
    """The stems of the content words of ``text`` in order, set phrases read as one word. Linear in its length."""
    found: list[str] = []
    for word in words(_joined(text)):
        if _UNSPACED.search(word):
            found.extend(_pairs(word))
        elif word not in STOP_WORDS and (len(word) > 1 or word.isdigit()):
            found.append(stem(word))
    return found


def _pairs(word: str) -> Iterator[str]:
    if len(word) == 1:
        yield word
    for index in range(len(word) - 1):
        yield word[index : index + 2]


def is_weak(term: str) -> bool:
    """Whether a stem says little about what a text is about: a common word, or a bare number."""
    return term in _WEAK or term.isdigit()


_PHRASE = re.compile(r"\b(?:" + "|".join(re.escape(p).replace(r"\ ", r"[ -]") for p in PHRASES) + r")\b", re.IGNORECASE)


def _joined(text: str) -> str:
    """``text`` with set phrases such as "sign in" and "money back" replaced by the word they stand for."""
    return _PHRASE.sub(lambda match: PHRASES[fold(match.group()).replace("-", " ")], text)


_WEAK = frozenset(stem(word) for word in WEAK_WORDS)


def nearest(term: str, known: Iterable[str]) -> str | None:
    """The stem of ``known`` that is one slip of the keyboard away from ``term``, or ``None``.

    A slip is a letter left out, added, replaced or swapped with the next. Of the two stems one has five letters.
    """
    if len(term) < _SLIP_FROM - 1 or not term.isalpha():
        return None
    return min((other for other in known if other[:1] == term[:1] and _one_slip(term, other)), default=None)


def _one_slip(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(long) < _SLIP_FROM or len(long) - len(short) > 1 or one == other:
        return False
    at = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    return short[at + 1 :] == long[at + 1 :] or short[at:] == long[at + 1 : at + 2] + long[at : at + 1] + long[at + 2 :]
