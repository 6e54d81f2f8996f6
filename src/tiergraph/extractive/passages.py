"""Documents cut into passages of one to four sentences, each a verbatim part of its document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tiergraph.documents import Document
from tiergraph.extractive.sentences import Block, Span, blocks, sentences

MAX_SENTENCES = 4
MAX_PASSAGES = 4000  # of all documents together; what lies behind them is not ranked
MAX_BLOCK = 200_000  # characters of one paragraph that are cut into passages


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A part of a document.

    Attributes:
        document: Index of the document in the list it came in.
        id: The document's id.
        title: The document's title, or "".
        heading: The heading that it stands under, without its marks, or "".
        text: The passage, verbatim.
        start: Offset of ``text`` in the document.
    """

    document: int
    id: str
    title: str
    heading: str
    text: str
    start: int


def split(documents: Sequence[Document]) -> list[Passage]:
    """Passages of ``documents`` in order, `MAX_PASSAGES` at most.

    Paragraphs of more than four sentences give overlapping passages; a list stays whole, with the
    line that leads to it.
    """
    found: list[Passage] = []
    for index, document in enumerate(documents):
        for heading, span in _spans(document["text"]):
            if len(found) == MAX_PASSAGES:
                return found
            found.append(
                Passage(
                    document=index,
                    id=document["id"],
                    title=document.get("title", ""),
                    heading=heading,
                    text=document["text"][span.start : span.end],
                    start=span.start,
                )
            )
    return found


def _spans(text: str) -> Iterator[tuple[str, Span]]:
    heading = ""
    parts = blocks(text)
    for number, block in enumerate(parts):
        after = parts[number + 1] if number + 1 < len(parts) else None
        if block.kind == "heading":
            heading = text[block.start : block.end].strip().strip("#").strip()
        elif block.kind == "list":
            yield heading, _with_lead(text, parts, number)
        elif not (after is not None and after.kind == "list" and _leads(text, block)):
            yield from ((heading, span) for span in _windows(text, block))


def _leads(text: str, block: Block) -> bool:
    return text[block.start : block.end].rstrip().endswith(":")


def _with_lead(text: str, parts: Sequence[Block], number: int) -> Span:
    block = parts[number]
    before = parts[number - 1] if number else None
    start = before.start if before is not None and before.kind == "paragraph" and _leads(text, before) else block.start
    return Span(start, start + len(text[start : block.end].rstrip()))


def _windows(text: str, block: Block) -> Iterator[Span]:
    found = sentences(text, block.start, min(block.end, block.start + MAX_BLOCK))
    last = max(0, len(found) - MAX_SENTENCES)
    for first in sorted({*range(0, last, 2), last}) if found else ():
        yield Span(found[first].start, found[min(first + MAX_SENTENCES, len(found)) - 1].end)
