"""Custom rules, attachments and the length of the context."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, get_args

import regex  # type: ignore[import-untyped, unused-ignore]

from tiergraph.config import Rule
from tiergraph.policy import Where
from tiergraph.screening.folding import keyword_form
from tiergraph.screening.words import whole_words
from tiergraph.tiers import Modality

REGEX_TIMEOUT_S = 0.5
"""Processor seconds of the process in which one configured regular expression must be done with one text.

Later counts as a match (closed). On a busy machine the clock on the wall shows a few times as much.
"""

ASCII_CHARACTERS_PER_TOKEN = 4.0
OTHER_CHARACTERS_PER_TOKEN = 2.0
WIDE_CHARACTERS_PER_TOKEN = 1.0
"""Characters that one token holds on average: ASCII text, other alphabets, and CJK, kana, hangul and emoji."""

_WIDE = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]+")
_MODALITIES = frozenset(get_args(Modality))


class Part(Protocol):
    """A piece of the request: where it stands, and its text."""

    @property
    def where(self) -> Where: ...
    @property
    def text(self) -> str: ...


class CustomRule:
    """A configured rule, compiled.

    Every part of the condition that is given must hold: each metadata key, the keywords, the regular expressions.
    Within a part one match is enough, anywhere in the places that the condition reads. Metadata values are compared
    as strings in any case, lists by their items; keywords are whole words in any case, without accents; regular
    expressions read the text as it stands, in any case, for `REGEX_TIMEOUT_S` at most.
    """

    def __init__(self, rule: Rule) -> None:
        self.id = rule.id
        self._places = frozenset(rule.when.where)
        self._metadata = {key: frozenset(map(_plain, values)) for key, values in rule.when.metadata.items()}
        self._keywords = whole_words(rule.when.keywords)
        self._wants_keywords = bool(rule.when.keywords)
        self._regexes = tuple(map(_compiled, rule.when.regex))

    def fires(self, parts: Iterable[Part], metadata: Mapping[str, object]) -> tuple[Where, ...]:
        """Where the rule fires: the places of the text that matched, else ``metadata``; empty where it does not.

        Raises:
            TimeoutError: A regular expression took too long; the caller counts that as a match.
        """
        if not all(_values(metadata.get(key)) & accepted for key, accepted in self._metadata.items() if accepted):
            return ()
        read = [part for part in parts if part.where in self._places]
        texts: list[tuple[Where, str]] = [(part.where, part.text) for part in read]
        if "metadata" in self._places:
            texts += [("metadata", str(value)) for value in metadata.values()]
        found: list[Where] = []
        if self._wants_keywords:
            words = self._keywords
            places = [where for where, text in texts if words is not None and words.search(keyword_form(text))]
            if not places:
                return ()
            found += places
        if self._regexes:
            places = [where for where, text in texts if self._matches(text)]
            if not places:
                return ()
            found += places
        return tuple(dict.fromkeys(found)) or ("metadata",)

    def _matches(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self._regexes)


class _Timed:
    """A pattern of the `regex` package, which, unlike `re`, can be stopped."""

    def __init__(self, pattern: str) -> None:
        self._pattern: Any = regex.compile(pattern, regex.IGNORECASE)

    def search(self, text: str) -> bool:
        return self._pattern.search(text, timeout=REGEX_TIMEOUT_S) is not None


class _Plain:
    """A pattern that only `re` takes. Nothing stops it on a text that it backtracks on for ever."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern, re.IGNORECASE)

    def search(self, text: str) -> bool:
        return self._pattern.search(text) is not None


def _compiled(pattern: str) -> _Timed | _Plain:
    try:
        return _Timed(pattern)
    except regex.error:
        return _Plain(pattern)


def _plain(value: object) -> str:
    return str(value).strip().casefold()


def _values(value: object) -> frozenset[str]:
    if value is None:
        return frozenset()
    if isinstance(value, (list, tuple, set, frozenset)):
        return frozenset(map(_plain, value))
    return frozenset((_plain(value),))


def modality(attachment: str) -> Modality:
    """The modality of an attachment given as one, or as a media type such as ``image/png``; else ``file``."""
    kind = attachment.strip().casefold().partition("/")[0]
    return kind if kind in _MODALITIES else "file"  # type: ignore[return-value]


def estimated_tokens(texts: Sequence[str]) -> int:
    """Tokens of the texts, estimated from their characters without a tokenizer, rounded up."""
    return math.ceil(sum(map(_tokens, texts)))


def _tokens(text: str) -> float:
    if text.isascii():
        return len(text) / ASCII_CHARACTERS_PER_TOKEN
    plain = len(text.encode("ascii", "ignore"))
    wide = sum(map(len, _WIDE.findall(text)))
    other = len(text) - plain - wide
    return plain / ASCII_CHARACTERS_PER_TOKEN + other / OTHER_CHARACTERS_PER_TOKEN + wide / WIDE_CHARACTERS_PER_TOKEN
