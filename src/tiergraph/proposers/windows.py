"""Text of any size and kind, cut to what a model can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

OVERLAP = 32
"""Tokens that neighbouring windows share, so that what is cut at one window's end is whole in the next."""

CHARACTERS_PER_TOKEN = 8
"""A window's worth of text in characters, at most. More text than that is cut before it is tokenised, so that a
megabyte costs no more than what can be read of it; what is cut off counts as unread."""


class Cut(NamedTuple):
    """Text to tokenise.

    head: From the start.
    tail: From the end, where the middle was left out; else empty.
    """

    head: str
    tail: str


def cut(text: str, *, window: int, windows: int) -> Cut:
    """``text`` whole where it may fit into ``windows`` windows of ``window`` tokens, else its head and tail.

    Text of any kind, since tokenising replaces what no tokeniser takes.
    """
    limit = window * max(windows, 1) * CHARACTERS_PER_TOKEN
    if len(text) <= limit:
        return Cut(text, "")
    return Cut(text[:limit], text[-window * CHARACTERS_PER_TOKEN :])


def head_and_tail(window: int) -> tuple[int, int]:
    """Tokens from the start and from the end that fill one window: requests state what they want at either."""
    tail = window // 3
    return window - tail, tail


def spans(tokens: int, window: int) -> Iterator[tuple[int, int]]:
    """Start and end of each window over so many tokens, each sharing `OVERLAP` tokens with the one before."""
    step = max(1, window - min(OVERLAP, window // 2))
    start = 0
    while True:
        yield start, min(start + window, tokens)
        if start + window >= tokens:
            return
        start += step
