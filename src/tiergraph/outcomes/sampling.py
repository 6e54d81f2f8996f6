"""Which requests are worth asking every tier about: each once, drawn evenly over the router's scores. Pure.

Failure rule: none; the same arguments give the same sample.
"""

from __future__ import annotations

import heapq
import random
import re
import zlib
from collections.abc import Hashable, Sequence

NEAR = 0.85
"""Share of three-word runs that two requests have in common from which on they count as one."""

STRATA = 10
"""Parts of equal size that the scores are cut into."""

_WORD = re.compile(r"\w+")
_SKETCH = 6
"""Smallest hashes of a text's runs; texts that share none of them are not compared."""
_MOST_COMPARED = 64


def distinct(texts: Sequence[str], beside: Sequence[Hashable]) -> list[int]:
    """Places of the texts that are no near-duplicate of an earlier one, rising.

    Near: `NEAR` of their runs of three words are shared, whatever case and punctuation. ``beside``: of each text what
    goes with it, such as a digest of its documents; texts beside different things are never near.
    """
    kept: list[int] = []
    runs: dict[int, frozenset[int]] = {}
    holders: dict[tuple[Hashable, int], list[int]] = {}
    for place, text in enumerate(texts):
        own = _runs(text)
        keys = [(beside[place], hashed) for hashed in heapq.nsmallest(_SKETCH, own)]
        near = dict.fromkeys(other for key in keys for other in holders.get(key, ()))
        if any(len(own & runs[other]) >= NEAR * len(own | runs[other]) for other in near):
            continue
        kept.append(place)
        runs[place] = own
        for key in keys:
            held = holders.setdefault(key, [])
            if len(held) < _MOST_COMPARED:
                held.append(place)
    return kept


def _runs(text: str) -> frozenset[int]:
    words = _WORD.findall(text.casefold()) or [text]
    ends = range(max(1, len(words) - 2))
    return frozenset(zlib.crc32(" ".join(words[at : at + 3]).encode("utf-8", "replace")) for at in ends)


def drawn(places: Sequence[int], n: int, *, seed: int) -> list[int]:
    """``n`` of them at random, in their order; all where there are no more."""
    if len(places) <= n:
        return list(places)
    chosen = set(random.Random(seed).sample(range(len(places)), n))
    return [place for number, place in enumerate(places) if number in chosen]


def stratified(scores: Sequence[float | None], n: int, *, seed: int, strata: int = STRATA) -> list[int]:
    """``n`` places, equally many from each of ``strata`` parts that hold equally many scores; rising.

    Scores that are not known come last. All places where there are no more than ``n``.
    """
    if len(scores) <= n:
        return list(range(len(scores)))
    random_of = random.Random(seed)
    # Ties in a random order: equal scores at an edge would else go by their place in the file.
    order = sorted(range(len(scores)), key=lambda place: (*_rank(scores[place]), random_of.random()))
    strata = min(strata, n)
    parts = zip(_sizes(len(order), strata), _sizes(n, strata), strict=True)
    chosen: list[int] = []
    begin = 0
    for size, wanted in parts:
        chosen += random_of.sample(order[begin : begin + size], wanted)
        begin += size
    return sorted(chosen)


def _rank(score: float | None) -> tuple[bool, float]:
    return score is None, 0.0 if score is None else score


def _sizes(total: int, parts: int) -> list[int]:
    """``total`` in so many whole parts that differ by one at most, the larger ones first."""
    each, more = divmod(total, parts)
    return [each + (number < more) for number in range(parts)]
