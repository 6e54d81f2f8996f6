"""Presidio's recognisers, set up so that nothing is downloaded, sent or logged.

Imported where PII is first looked for, since ``presidio_analyzer`` takes a second to import.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import presidio_analyzer.predefined_recognizers as predefined
import tldextract
from presidio_analyzer import Pattern

from tiergraph.screening.entities import JUDGED_HERE, NUMERIC, OTHERS, PLACED

_SPECIAL_USE = frozenset(
    {"test", "example", "invalid", "localhost", "local", "internal", "lan", "corp", "home", "intranet"}
)
"""Top-level names that are on no public list and yet carry real mailboxes, or stand for them."""


class Match(NamedTuple):
    """What a recogniser says: offsets into the text it was shown, and a score in [0, 1]."""

    start: int
    end: int
    score: float


def silence() -> None:
    """Drop what Presidio and tldextract log: some of their records carry the text that was looked at."""
    for name in ("presidio-analyzer", "tldextract"):
        logger = logging.getLogger(name)
        if _drop not in logger.filters:
            logger.addFilter(_drop)


def _drop(_record: logging.LogRecord) -> bool:
    return False


class Recognisers:
    """The recognisers of the given entities.

    Safe to share between threads once built: everything lazy in them is compiled here.
    """

    def __init__(self, entities: Iterable[str]) -> None:
        silence()
        self._suffixes = _suffix_list()
        self._by_entity = {entity: self._build(entity) for entity in entities if entity not in JUDGED_HERE}
        for entity in self._by_entity:
            self.matches(entity, "0")

    def _build(self, entity: str) -> Any:
        if entity == "EMAIL_ADDRESS":
            return _offline_email(self._suffixes)
        if entity == "IBAN_CODE":
            return predefined.IbanRecognizer(exact_match=True)
        if entity == "US_PASSPORT":
            other = Pattern("Passport elsewhere (very weak)", r"\b[A-Z]{1,2}[0-9]{6,8}\b", 0.05)
            return predefined.UsPassportRecognizer(patterns=[*predefined.UsPassportRecognizer.PATTERNS, other])
        if entity == "US_DRIVER_LICENSE":
            dashed = Pattern("Driver License - dashed (very weak)", r"\b\d{4}-\d{2}-\d{4}\b", 0.01)
            longer = Pattern("Driver License - mixed (very weak)", r"\b(?=[A-Z0-9]*[0-9]{4})[A-Z0-9]{5,19}\b", 0.01)
            return predefined.UsLicenseRecognizer(patterns=[*predefined.UsLicenseRecognizer.PATTERNS, dashed, longer])
        if entity == "UK_NINO":
            any_prefix = Pattern("NINO, any prefix (very weak)", r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", 0.05)
            return predefined.UkNinoRecognizer(patterns=[*predefined.UkNinoRecognizer.PATTERNS, any_prefix])
        known = NUMERIC.get(entity) or PLACED.get(entity)
        return getattr(predefined, known.recogniser if known else OTHERS[entity])()

    def matches(self, entity: str, text: str) -> list[Match]:
        """What the entity's recogniser finds in ``text``, any score above 0."""
        results = self._by_entity[entity].analyze(text, [entity], None)
        return [Match(result.start, result.end, float(result.score)) for result in results]

    def context(self, entity: str) -> list[str]:
        """The recogniser's own context words."""
        return list(self._by_entity[entity].context or ())

    def iban(self, code: str) -> bool:
        """Whether ``code``, upper case without separators, has a country's IBAN format and the right checksum."""
        return self._by_entity["IBAN_CODE"].validate_result(code) is True

    def mailbox(self, address: str) -> bool:
        """Whether the part after the ``@`` is a name under a public suffix."""
        return _public(self._suffixes, address)


@lru_cache(maxsize=1)
def _suffix_list() -> tldextract.TLDExtract:
    """One for the process: it holds some megabytes."""
    # an empty list of URLs leaves the snapshot inside the package: nothing is fetched, nothing is cached on disk
    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    suffixes("warm.example.com")
    return suffixes


def _public(suffixes: tldextract.TLDExtract, address: str) -> bool:
    name = suffixes(address.rpartition("@")[2])
    return bool(name.domain and name.suffix)


def _offline_email(suffixes: tldextract.TLDExtract) -> Any:
    """Presidio's e-mail recogniser, asking ``suffixes`` where its own asks a global tldextract that fetches a list."""

    class OfflineEmailRecognizer(predefined.EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool | None:
            if _public(suffixes, pattern_text):
                return True
            if pattern_text.rpartition(".")[2].lower() in _SPECIAL_USE:
                return None
            return False

    return OfflineEmailRecognizer()
