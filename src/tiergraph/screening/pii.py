"""PII patterns in a text: Presidio's recognisers, shown only the places that could hold something.

No model, no network, no log. Names and addresses are not found here: the router model's flag covers them.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiergraph.errors import ConfigError
from tiergraph.screening import numbers
from tiergraph.screening.entities import (
    CONTEXT_AFTER,
    CONTEXT_BEFORE,
    CONTEXT_BOOST,
    CONTEXT_MINIMUM,
    KNOWN,
    NUMERIC,
    OTHERS,
    PLACED,
    WEAK_SCORE,
    Entity,
    labelled,
    other,
    supported,
)
from tiergraph.screening.folding import visible

if TYPE_CHECKING:
    from tiergraph.screening.recognisers import Recognisers


@dataclass(frozen=True, kw_only=True)
class Span:
    """A match: ``text[start:end]`` looks like ``entity`` with a score in [0, 1]. It holds no text."""

    entity: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, kw_only=True)
class PiiReading:
    """What was found in one text.

    Attributes:
        spans: Matches in the text as it stands, in order of their start.
        unplaced: Entities of which more was found once zero-width characters were removed and full-width ones
            folded than the spans cover. Their place in the text is not known.
    """

    spans: tuple[Span, ...]
    unplaced: frozenset[str]


class PiiScreen:
    """Finds the given entities.

    Safe to share between threads. Presidio is imported at the first text that could hold something.

    Args:
        entities: Presidio entity kinds, from `entities.KNOWN`.
        score: Score in [0, 1] from which a match counts.

    Raises:
        ConfigError: An entity is not known.
    """

    def __init__(self, entities: Iterable[str], score: float) -> None:
        self.entities = tuple(dict.fromkeys(entities))
        self.score = score
        unknown = next((entity for entity in self.entities if entity not in KNOWN), None)
        if unknown is not None:
            raise ConfigError(f"policy.pii_entities: unknown entity {unknown!r}.", fix=f"use some of {list(KNOWN)}.")
        self._wanted = frozenset(self.entities)
        self._numeric = tuple(entity for entity in self.entities if entity in NUMERIC)
        self._others = tuple(entity for entity in self.entities if entity in OTHERS)
        self._lock = threading.Lock()
        self._loaded: tuple[Recognisers, dict[str, Entity]] | None = None

    def find(self, text: str) -> tuple[Span, ...]:
        """Matches in ``text`` as it stands, in order of their start; overlaps are resolved to the best match."""
        return _resolved([span for span in self._candidates(text) if span.score >= self.score])

    def read(self, text: str) -> PiiReading:
        """`find`, and what shows only in the folded text."""
        spans = self.find(text)
        plain = visible(text)
        if plain == text:
            return PiiReading(spans=spans, unplaced=frozenset())
        placed = Counter((span.entity, visible(text[span.start : span.end])) for span in spans)
        folded = Counter((span.entity, plain[span.start : span.end]) for span in self.find(plain))
        return PiiReading(spans=spans, unplaced=frozenset(entity for entity, _ in folded - placed))

    def kinds(self, text: str) -> dict[str, bool]:
        """Entity to whether every occurrence has a known place in ``text``; only entities that were found."""
        reading = self.read(text)
        found = dict.fromkeys((*(span.entity for span in reading.spans), *sorted(reading.unplaced)))
        return {entity: entity not in reading.unplaced for entity in found}

    def _tools(self) -> tuple[Recognisers, dict[str, Entity]]:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    with _no_device():
                        from tiergraph.screening.recognisers import Recognisers

                    tools = Recognisers(self.entities)
                    table = {entity: other(OTHERS[entity], tools.context(entity)) for entity in self._others}
                    self._loaded = (tools, NUMERIC | PLACED | table)
        return self._loaded

    def _candidates(self, text: str) -> Iterator[Span]:
        yield from self._emails(text)
        if _DIGIT.search(text) is None:
            return
        runs = numbers.runs(text)
        if runs:
            yield from self._in_runs(text, runs)
        yield from self._networks(text)
        yield from self._ibans(text)
        if self._others:
            windows = _merged((m.span() for m in _DIGIT_WORDS.finditer(text)), _OTHER_PAD, _OTHER_PAD, text)
            for entity in self._others:
                yield from self._shown(entity, text, windows)

    # e-mail

    def _emails(self, text: str) -> Iterator[Span]:
        if "EMAIL_ADDRESS" not in self._wanted:
            return
        if "@" in text:
            windows = _merged((m.span() for m in _AT.finditer(text)), 1, 1, text)
            yield from self._shown("EMAIL_ADDRESS", text, windows)
            yield from self._disguised(text, _SPACED_AT)
        if _BRACKETED.search(text):
            yield from self._disguised(text, _DISGUISED_AT)
        if " dot " in text or " DOT " in text:
            yield from self._disguised(text, _SPOKEN_AT)

    def _disguised(self, text: str, pattern: re.Pattern[str]) -> Iterator[Span]:
        tools, table = self._tools()
        for match in pattern.finditer(text):
            written = _DOT.sub(".", match.group("domain"))
            if tools.mailbox("@" + "".join(written.split())):
                place = numbers.Place(*match.span(), 0.5, pattern is _DISGUISED_AT)
                yield _weighed("EMAIL_ADDRESS", table["EMAIL_ADDRESS"], text, place)

    # runs of digits

    def _in_runs(self, text: str, runs: Sequence[numbers.Run]) -> Iterator[Span]:
        if "CREDIT_CARD" in self._wanted and any(run.digits >= 12 for run in runs):
            for run in runs:
                for place in numbers.cards(text, run):
                    yield _weighed("CREDIT_CARD", PLACED["CREDIT_CARD"], text, place)
        if "PHONE_NUMBER" in self._wanted:
            for run in runs:
                for place in numbers.phones(text, run):
                    yield _weighed("PHONE_NUMBER", PLACED["PHONE_NUMBER"], text, place)
        if self._numeric:
            windows = _merged(((run.start, run.end) for run in runs), 4, 3, text)
            for entity in self._numeric:
                yield from self._shown(entity, text, [w for w in windows if self._worth(NUMERIC[entity], text, w)])

    def _worth(self, entity: Entity, text: str, window: tuple[int, int]) -> bool:
        """Whether the window has the entity's shape and, where a match needs one, a context word near by."""
        if entity.shape.search(text, *window) is None:
            return False
        if not entity.weak or self.score <= WEAK_SCORE or entity.context is None:
            return True
        start, end = max(0, window[0] - CONTEXT_BEFORE), min(len(text), window[1] + CONTEXT_AFTER)
        return entity.context.search(text, start, end) is not None

    # addresses of machines, wallets, banks

    def _networks(self, text: str) -> Iterator[Span]:
        if "IP_ADDRESS" in self._wanted:
            places = [m.span() for m in _QUAD.finditer(text)]
            if ":" in text:
                places += [m.span() for m in _COLONS.finditer(text) if _is_ipv6_like(m.group())]
            if places:
                yield from self._shown("IP_ADDRESS", text, _merged(sorted(places), 2, 3, text))
        if "CRYPTO" in self._wanted:
            places = [m.span() for m in _WALLET.finditer(text)]
            if places:
                yield from self._shown("CRYPTO", text, places)

    def _ibans(self, text: str) -> Iterator[Span]:
        if "IBAN_CODE" in self._wanted and _IBAN_START.search(text):
            for place in numbers.ibans(text, lambda code: self._tools()[0].iban(code)):
                yield _weighed("IBAN_CODE", PLACED["IBAN_CODE"], text, place)

    def _shown(self, entity: str, text: str, windows: Sequence[tuple[int, int]]) -> Iterator[Span]:
        """What Presidio's recogniser finds in the windows, weighed by the words around it."""
        if not windows:
            return
        tools, table = self._tools()
        for start, end in windows:
            for match in tools.matches(entity, text[start:end]):
                place = numbers.Place(start + match.start, start + match.end, match.score, not table[entity].weak)
                if not _cut(text, place) and _plausible(entity, text[place.start : place.end]):
                    yield _weighed(entity, table[entity], text, place)


@contextmanager
def _no_device() -> Iterator[None]:
    """Keep Presidio's import from opening a GPU, which only its neural recognisers use."""
    if "PRESIDIO_DEVICE" in os.environ:
        yield
        return
    os.environ["PRESIDIO_DEVICE"] = "cpu"
    try:
        yield
    finally:
        os.environ.pop("PRESIDIO_DEVICE", None)


_DIGIT = re.compile(r"\d")
_DIGIT_WORDS = re.compile(r"\S*\d\S*")
_OTHER_PAD = 24
_AT = re.compile(r"[^\s@<>()\[\]{}\",;:]{1,320}@\w[\w-]{0,62}(?:\.\w[\w-]{0,62}){1,9}")
_SPACED_AT = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}[ \t]?@[ \t]?(?P<domain>[\w-]{1,63}(?:[ \t]?\.[ \t]?[\w-]{1,63}){1,4})(?![\w-])"
)
_BRACKETED = re.compile(r"[(\[{<]\s?(?:at|@)\s?[)\]}>]", re.IGNORECASE)
_DOT = re.compile(r"\s*(?:[(\[{<]\s*(?:dot|\.)\s*[)\]}>]|\bdot\b|\.)\s*", re.IGNORECASE)
_DISGUISED_AT = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s?[(\[{<]\s?(?:at|@)\s?[)\]}>]\s?"
    r"(?P<domain>[\w-]{1,63}(?:\s?(?:[(\[{<]\s?(?:dot|\.)\s?[)\]}>]|\bdot\b|\.)\s?[\w-]{1,63}){1,4})(?![\w-])",
    re.IGNORECASE,
)
_SPOKEN_AT = re.compile(
    r"(?<![\w.+-])[\w+-]{1,64}(?:(?: dot |\.)[\w+-]{1,64}){0,3} at "
    r"(?P<domain>[\w-]{1,63}(?: dot [\w-]{1,63}){1,4})(?![\w-])",
    re.IGNORECASE,
)
_QUAD = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?![\w]|\.\d)")
_COLONS = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}[0-9A-Fa-f.:]*")
_WALLET = re.compile(r"(?<![A-Za-z0-9])(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{25,59}(?![A-Za-z0-9])")
_IBAN_START = re.compile(r"[A-Za-z]{2}\d\d[ \-.A-Za-z0-9]")
_NO_ONE = re.compile(r"(?:0\.0\.0\.0|127\.\d+\.\d+\.\d+|255\.255\.\d+\.\d+|::1?)(?:/\d+)?")


def _is_ipv6_like(written: str) -> bool:
    return ("::" in written or written.count(":") >= 6) and any(char.isdigit() for char in written)


def _plausible(entity: str, written: str) -> bool:
    """Whether a match can be about somebody: not loopback, not a netmask, not ``::`` in code."""
    if entity == "IP_ADDRESS":
        return _NO_ONE.fullmatch(written) is None and any(char.isdigit() for char in written)
    return True


def _cut(text: str, place: numbers.Place) -> bool:
    """Whether the match is a piece of a longer word: the end of a window, or a pattern without boundaries."""
    before = place.start > 0 and text[place.start - 1].isalnum() and text[place.start].isalnum()
    after = place.end < len(text) and text[place.end].isalnum() and text[place.end - 1].isalnum()
    return before or after


def _weighed(entity: str, known: Entity, text: str, place: numbers.Place) -> Span:
    """The match with the score that its context leaves it; 0 where a label says that it is something else."""
    score = place.score
    if supported(text, place.start, place.end, known.context):
        score = min(1.0, max(CONTEXT_MINIMUM, score + CONTEXT_BOOST))
    elif known.labelled and labelled(text, place.start):
        score = 0.0
    elif not place.certain or (entity == "US_SSN" and "-" not in text[place.start : place.end]):
        score = min(score, WEAK_SCORE)
    return Span(entity=entity, start=place.start, end=place.end, score=round(score, 3))


def _merged(places: Iterable[tuple[int, int]], before: int, after: int, text: str) -> list[tuple[int, int]]:
    """Places in order, padded and widened to whole words (64 characters at most), with overlapping ones merged."""
    windows: list[tuple[int, int]] = []
    for start, end in places:
        start = _word_start(text, max(0, start - before))
        end = _word_end(text, min(len(text), end + after))
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(end, windows[-1][1]))
        else:
            windows.append((start, end))
    return windows


def _word_start(text: str, place: int) -> int:
    stop = max(0, place - 64)
    while place > stop and text[place - 1].isalnum():
        place -= 1
    return place


def _word_end(text: str, place: int) -> int:
    stop = min(len(text), place + 64)
    while place < stop and text[place].isalnum():
        place += 1
    return place


def _resolved(spans: list[Span]) -> tuple[Span, ...]:
    """Spans in order of their start; of those that overlap the best stays: highest score, then longest."""
    spans.sort(key=lambda span: (span.start, -span.end))
    kept: list[Span] = []
    cluster: list[Span] = []
    reach = 0
    for span in spans:
        if cluster and span.start >= reach:
            kept.extend(_best(cluster))
            cluster = []
        cluster.append(span)
        reach = max(span.end, reach) if len(cluster) > 1 else span.end
    kept.extend(_best(cluster))
    return tuple(kept)


def _best(cluster: list[Span]) -> list[Span]:
    if len(cluster) == 1:
        return cluster
    kept: list[Span] = []
    for span in sorted(cluster, key=lambda span: (-span.score, span.start - span.end, span.start, span.entity)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)
