"""Text cut into blocks and sentences by spans, so that what is quoted is a verbatim part. Linear in the length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal, NamedTuple

_STOP = re.compile(r"[.!?](?=[\s\"'”’)\]])|[。！？]|[.!?]$")
_CLOSING = "\"'”’)]"
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|mr|mrs|ms|dr|prof|st|vs|etc|no|nr|approx|inc|ltd|co|u\.s|u\.k|a\.m|p\.m)|\b(?-i:[A-Z]))\.$",
    re.I,
)
_BULLET = re.compile(r"[ \t]*(?:[-*+•–]|\(?\d{1,3}[.)])[ \t]+\S")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+\S")


MAX_SENTENCE = 2000
"""Characters of a sentence; text without an end to its sentences is cut into pieces of that size."""


class Span(NamedTuple):
    """A part of a text: ``text[start:end]``."""

    start: int
    end: int


class Block(NamedTuple):
    """Lines that belong together: one heading, one paragraph, or one list."""

    kind: Literal["heading", "paragraph", "list"]
    start: int
    end: int


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The sentences of ``text[start:end]`` without the white space around them; none for blank text."""
    return list(_sentences(text, start, len(text) if end is None else end))


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _STOP.finditer(text, start, end):
        stop = match.end()
        while stop < end and text[stop] in _CLOSING:
            stop += 1
        if stop <= begin or _goes_on(text, match.start(), stop) or _numbers_an_item(text, begin, match.start()):
            continue
        yield from _pieces(text, _stripped(text, begin, stop))
        begin = stop
    yield from _pieces(text, _stripped(text, begin, end))


def _numbers_an_item(text: str, begin: int, mark: int) -> bool:
    """Whether all before a full stop is the number of a list's item."""
    return mark - begin < 8 and text[begin:mark].strip(" \t\n(").isdigit()


def _pieces(text: str, span: Span) -> Iterator[Span]:
    """A span in pieces of at most `MAX_SENTENCE` characters, cut at spaces; nothing for a blank one."""
    start, end = span
    while end - start > MAX_SENTENCE:
        space = text.rfind(" ", start + 1, start + MAX_SENTENCE)
        cut = space if space > 0 else start + MAX_SENTENCE
        piece = _stripped(text, start, cut)
        if piece.start < piece.end:
            yield piece
        start = _stripped(text, cut, end).start
    if start < end:
        yield Span(start, end)


def _goes_on(text: str, mark: int, stop: int) -> bool:
    """Whether the full stop at ``mark`` ends an abbreviation with more text after it."""
    abbreviated = text[mark] == "." and _ABBREVIATION.search(text, max(0, mark - 8), mark + 1)
    return bool(abbreviated) and text[stop : stop + 2].strip() != ""


def _stripped(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def blocks(text: str) -> list[Block]:
    """Headings (``#`` lines), lists and paragraphs of ``text`` in order; blank lines part them."""
    found: list[Block] = []
    open_block: Block | None = None
    for start, end in _lines(text, 0, len(text)):
        line = text[start:end]
        if not line.strip():
            kind = None
        elif _HEADING.match(line):
            kind = "heading"
        elif _BULLET.match(line) or (open_block is not None and open_block.kind == "list"):
            kind = "list"
        else:
            kind = "paragraph"
        if open_block is not None and kind == open_block.kind != "heading":
            open_block = Block(open_block.kind, open_block.start, end)
            continue
        if open_block is not None:
            found.append(open_block)
        open_block = Block(kind, start, end) if kind else None  # type: ignore[arg-type]  # one of the three
    return [*found, open_block] if open_block is not None else found


def _lines(text: str, start: int, stop: int) -> Iterator[Span]:
    while start < stop:
        end = text.find("\n", start, stop)
        end = stop if end < 0 else end
        yield Span(start, end)
        start = end + 1


def all_sentences(text: str, most: int | None = None) -> list[Span]:
    """Sentences of every block of ``text``, the first ``most`` of them; a heading and each list item is one."""
    return list(islice(_all_sentences(text), most))


def _all_sentences(text: str) -> Iterator[Span]:
    for block in blocks(text):
        if block.kind == "paragraph":
            yield from _sentences(text, block.start, block.end)
            continue
        for line in _lines(text, block.start, block.end):
            yield from _sentences(text, line.start, line.end)
