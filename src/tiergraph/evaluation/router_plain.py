"""The same sentences about nobody: what is personal in a row of gold spans, replaced by words that are not.

The words are of their own and stand in no training data of this project, so that a model which learned sentences in
place of names shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

_PLACES = (
    "the loading bay",
    "the north entrance",
    "the second shelf from the left",
    "the greenhouse",
    "the ferry terminal",
    "the storage room",
)

WORDS: Mapping[str, Sequence[str]] = {
    "PERSON": (
        "the night shift",
        "the printer downstairs",
        "our supplier",
        "the catering crew",
        "a volunteer group",
        "the newsletter",
        "the new release",
        "the weather station",
    ),
    "TITLE": ("",),
    "PREFIX": ("",),
    "ADDRESS": _PLACES,
    "STREET_ADDRESS": _PLACES,
    "ZIP_CODE": ("around the corner",),
    "ORGANIZATION": ("the supplier", "the museum", "the choir", "the bakery"),
    "CREDIT_CARD": ("a gift voucher", "cash", "the house account"),
    "PHONE_NUMBER": ("the hotline", "the intercom"),
    "EMAIL_ADDRESS": ("the contact form", "the notice board"),
    "DOMAIN_NAME": ("the intranet", "the start page"),
    "US_SSN": ("still pending",),
    "US_DRIVER_LICENSE": ("left blank",),
    "IP_ADDRESS": ("the gateway",),
    "IBAN_CODE": ("the usual account",),
}
"""Entity to what may stand in its place. Dates, ages, nationalities, towns and countries stay: they name nobody."""


def plain(row: Mapping[str, Any]) -> str:
    """The text of a row of ``full_text`` and ``spans`` with other words in place of what is personal."""
    text: str = row["full_text"]
    start = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4).digest())
    for number, span in enumerate(sorted(row["spans"], key=lambda span: -span["start_position"])):
        words = WORDS.get(span["entity_type"])
        if words is not None:
            word = words[(start + number) % len(words)]
            text = text[: span["start_position"]] + word + text[span["end_position"] :]
    return text
