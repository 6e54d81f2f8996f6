"""How long the screens take, on texts written for it. Nothing is cached between two readings."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from tiergraph.config import DEFAULT_PII_ENTITIES
from tiergraph.screening.legal import legal_request
from tiergraph.screening.pii import PiiScreen
from tiergraph.screening.words import SafetyWords, human_request

_QUESTION = "Where is my parcel? Order HB-204817 was sent on 2024-11-23 and should have been here two days ago."
_PAGE = (
    "Returns and refunds. You may send an item back within 30 days of delivery if it is unused and in its packaging. "
    "Print the label from your account, quote the order number (it looks like HB-204817) and drop the parcel at any "
    "shop. Postage of £4.95 is refunded when an item arrived broken. Refunds reach the card you paid with after 3 to 5 "
    "working days; gift cards are refunded as credit. Version 2.14.0 of the app shows the state of each return, "
    "updated 2024-10-01. Batteries, opened software and underwear cannot be sent back unless they are faulty. "
)
_LADEN = (
    "Name: Sam. E-mail sam.hill@example.com, phone +1 212 555 0142, card 4111 1111 1111 1111, account number 12345678. "
    "Second contact: kim@example.org, call 020 7946 0958, IBAN GB82 WEST 1234 5698 7654 32, server 192.0.2.17. "
    "My passport number is 123456789 and my SSN is 219-09-9999. Order HB-204818, 2024-11-24, $19.99. "
)

SAMPLES: dict[str, str] = {"question": _QUESTION, "ordinary": _PAGE * 12, "pii_laden": _LADEN * 18}
"""Name to text: a question of about 100 characters, a help page and a list of personal data of 6 to 7 KB each."""


def measure_screening(repeats: int = 30) -> dict[str, Any]:
    """Milliseconds of each text screen on each sample.

    Args:
        repeats: Readings of each, >= 1. Presidio's import is not among them; it is ``import_ms``.

    Returns:
        ``{"n": repeats, "import_ms": …, "samples": {sample: {"chars": …, screen: {"median_ms", "p90_ms",
        "median_ms_per_kb"}}}}``, JSON only; a KB is 1,000 characters.
    """
    pii, safety = PiiScreen(DEFAULT_PII_ENTITIES, 0.4), SafetyWords()
    start = time.perf_counter()
    pii.find(_LADEN)
    import_ms = (time.perf_counter() - start) * 1000
    screens: dict[str, Callable[[str], object]] = {
        "pii": pii.kinds,
        "legal": legal_request,
        "safety": safety.find,
        "human_request": human_request,
    }
    samples = {
        name: {"chars": len(text), **{screen: _timed(read, text, repeats) for screen, read in screens.items()}}
        for name, text in SAMPLES.items()
    }
    return {"n": repeats, "import_ms": round(import_ms, 1), "samples": samples}


def _timed(read: Callable[[str], object], text: str, repeats: int) -> dict[str, float]:
    times = sorted(_once(read, text) for _ in range(repeats))
    median = statistics.median(times)
    return {
        "median_ms": round(median, 4),
        "p90_ms": round(_quantile(times, 0.9), 4),
        "median_ms_per_kb": round(median * 1000 / len(text), 4),
    }


def _once(read: Callable[[str], object], text: str) -> float:
    start = time.perf_counter()
    read(text)
    return (time.perf_counter() - start) * 1000


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
