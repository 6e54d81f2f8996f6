"""Cheap features of a text: hashed n-grams of its words, its characters and its shape, and a few counts.

The hash is a polynomial over bytes, so that every process and platform finds the same buckets. Words and characters
are read in lower case; the shape keeps what they lose: runs of small letters, capitals and digits become one sign each,
so that "What is 3+4?" reads "Aa a 0+0?". Start and end of the text are signs too, so that n-grams at them tell
templates apart. Of a long text head and tail are read. Nothing here fails: an empty text has few n-grams.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION = 1
"""Of the arithmetic: a head that was fitted on another one cannot be used."""

WORD_BITS, CHARACTER_BITS, SHAPE_BITS = 14, 15, 14
BUCKETS = 2**WORD_BITS + 2**CHARACTER_BITS + 2**SHAPE_BITS
"""Words and pairs of words have the first buckets, characters the next, the shape the last."""

CHARACTERS_AT = 2**WORD_BITS
SHAPE_AT = CHARACTERS_AT + 2**CHARACTER_BITS

MAX_CHARACTERS = 2000
"""Characters that are read: the first half of them and the last."""

CHARACTER_ORDERS = (2, 3, 4, 5)
SHAPE_ORDERS = (2, 3, 4, 5, 6)

DENSE = (
    "log_characters",
    "log_words",
    "log_lines",
    "log_word_length",
    "digit_share",
    "capital_share",
    "punctuation_share",
    "non_ascii_share",
    "code_share",
    "quote_share",
    "math_share",
    "comma_share",
    "question_marks",
    "starts_capital",
    "ends_question",
    "ends_stop",
)
"""Names of the dense features. Logs are log(1 + x); shares of bytes are square roots; marks are log(1 + count)."""


class TextFeatures(NamedTuple):
    """Of one text.

    Attributes:
        indices: Buckets in [0, `BUCKETS`), each once, rising, int32 (k,).
        values: Their weights, > 0, float32 (k,): 1 + log(count), each of the three families scaled to length 1.
        dense: In the order of `DENSE`, float32 (d,).
    """

    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    dense: NDArray[np.float32]


_KINDS = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", ".,;:'!-()", "", "{}[]<>=_/#%&|~`@;", "\"'", "\\^$+*=<>/", ",")
_NON_ASCII = 3  # its place in _KINDS


def _kinds() -> NDArray[np.float32]:
    table = np.zeros((256, len(_KINDS)), np.float32)
    for place, signs in enumerate(_KINDS):
        table[[ord(sign) for sign in signs], place] = 1
    table[128:, _NON_ASCII] = 1
    return table


def _shapes() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    table[ord("a") : ord("z") + 1] = ord("a")
    table[ord("A") : ord("Z") + 1] = ord("A")
    table[ord("0") : ord("9") + 1] = ord("0")
    table[128:] = 128
    return table


_KIND_OF, _SHAPE_OF = _kinds(), _shapes()
_IN_WORD = np.array([byte >= 128 or chr(byte).isalnum() for byte in range(256)])

# Odd, so that it has an inverse modulo 2**64: the hash of any span is then a difference of running sums.
_BASE = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SHIFT = np.uint64(29)
_REACH = MAX_CHARACTERS * 4 + 16
_START, _END = b"\x02", b"\x03"


def _powers(base: int) -> NDArray[np.uint64]:
    found = np.full(_REACH, base, np.uint64)
    found[0] = 1
    powers: NDArray[np.uint64] = np.multiply.accumulate(found)
    return powers


_POWERS, _INVERSES = _powers(_BASE), _powers(pow(_BASE, -1, 2**64))


def text_features(text: str) -> TextFeatures:
    """Features of ``text``. Time grows with its length up to `MAX_CHARACTERS`."""
    half = MAX_CHARACTERS // 2
    read = text if len(text) <= MAX_CHARACTERS else f"{text[:half]}\n{text[-half:]}"
    # lower() may lengthen a text; what is lost by the cut is three signs in a text of foreign capitals
    lower = _signs(read.lower().encode("utf-8", "replace")[: _REACH - 8])
    raw = _signs(read.encode("utf-8", "replace"))
    shape = _SHAPE_OF[raw]
    changes = np.empty(len(shape), bool)
    changes[0] = True
    np.not_equal(shape[1:], shape[:-1], out=changes[1:])
    sums = _sums(lower)
    families = (
        _grams_of_words(lower, sums),
        _grams(sums, CHARACTER_ORDERS, CHARACTER_BITS, CHARACTERS_AT),
        _grams(_sums(shape[changes]), SHAPE_ORDERS, SHAPE_BITS, SHAPE_AT),
    )
    found = np.concatenate(families)
    found.sort(kind="stable")  # of 16 bits: a radix sort, six times as fast as the default on a long text
    first = np.empty(len(found) + 1, bool)
    first[0] = first[-1] = True
    np.not_equal(found[1:], found[:-1], out=first[1:-1])
    at = first.nonzero()[0]
    indices = found[at[:-1]].astype(np.int32)
    values = np.log((at[1:] - at[:-1]).astype(np.float32))
    values += 1
    characters, shapes = np.searchsorted(indices, (CHARACTERS_AT, SHAPE_AT)).tolist()
    for part in (values[:characters], values[characters:shapes], values[shapes:]):
        part /= np.sqrt(part @ part)
    return TextFeatures(indices, values, _dense(text, raw))


def _signs(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(_START + content + _END, np.uint8)


def _sums(signs: NDArray[np.uint8]) -> NDArray[np.uint64]:
    sums = np.empty(len(signs) + 1, np.uint64)
    sums[0] = 0
    np.cumsum(signs * _POWERS[: len(signs)], out=sums[1:])
    return sums


def _buckets(hashes: NDArray[np.uint64], bits: int, at: int) -> NDArray[np.uint16]:
    hashes ^= hashes >> _SHIFT
    hashes *= _MIX
    hashes >>= np.uint64(64 - bits)
    hashes += np.uint64(at)
    return hashes.astype(np.uint16)


def _grams(sums: NDArray[np.uint64], orders: tuple[int, ...], bits: int, at: int) -> NDArray[np.uint16]:
    parts = []
    for order in orders:
        if order < len(sums):
            part = sums[order:] - sums[:-order]
            part *= _INVERSES[: len(part)]
            part += np.uint64(order)
            parts.append(part)
    return _buckets(np.concatenate(parts), bits, at)


def _grams_of_words(signs: NDArray[np.uint8], sums: NDArray[np.uint64]) -> NDArray[np.uint16]:
    inside = _IN_WORD[signs]  # neither the first sign nor the last is
    edges = (inside[1:] != inside[:-1]).nonzero()[0] + 1
    starts, ends = edges[::2], edges[1::2]
    words = np.zeros(len(starts) + 2, np.uint64)
    words[1:-1] = (sums[ends] - sums[starts]) * _INVERSES[starts]
    pairs = words[:-1] * _MIX
    pairs += words[1:] ^ (words[1:] >> _SHIFT)
    return _buckets(np.concatenate([words[1:-1], pairs]), WORD_BITS, 0)


def _dense(text: str, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    words = text.count(" ") + text.count("\n") + 1
    shares = np.sqrt(np.bincount(raw, minlength=256) @ _KIND_OF / len(raw))
    dense = np.empty(len(DENSE), np.float32)
    dense[:4] = np.log1p((len(text), words, text.count("\n"), len(text) / words))
    dense[4:12] = shares
    last = text.rstrip()[-1:]
    dense[12:] = (np.log1p(text.count("?")), text[:1].isupper(), last == "?", last == ".")
    return dense
