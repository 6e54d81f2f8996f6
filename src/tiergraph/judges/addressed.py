"""Sentences that talk to whoever grades or routes a text, instead of to its reader. Pure.

A judge that is a language model may obey what it reads. So what speaks to it is taken out before it reads. A sentence
counts by what it combines: who is spoken to, what about, and what is asked for; ordinary help texts speak of ratings,
reviewers and answers too. It is one line of defence of several, for no list of phrasings is complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tiergraph.extractive.sentences import Block, Span, all_sentences, blocks
from tiergraph.judges.disguise import readings
from tiergraph.judges.phrasings import says_to_judge, says_together

MAX_READ = 200_000
"""Characters that are read; what stands behind them counts as addressed."""


def addressed(text: str, *, rest: bool = False) -> tuple[Span, ...]:
    """The sentences of ``text`` that talk to a judge or router, as spans of it, in order and apart.

    Two neighbours that only together do so both count.

    Args:
        text: Of any length; the part behind `MAX_READ` characters is one span.
        rest: Whether a span runs on to the end of its paragraph or list, and from a heading over the next one, for
            what follows such a sentence is likely to go on with it.
    """
    found: list[Span] = []
    announced = False  # by a heading
    for block in blocks(text[:MAX_READ]):
        if announced and block.kind != "heading":
            spans = [Span(block.start, block.end)]
        else:
            spans = [span for span, hit in _judged(text, _sentences(text, block)) if hit]
        if spans and rest:
            spans = [Span(spans[0].start, block.end)]
        announced = rest and block.kind == "heading" and bool(spans)
        found += spans
    if len(text) > MAX_READ:
        found.append(Span(MAX_READ, len(text)))
    return tuple(found)


def without(text: str, spans: Iterable[Span]) -> str:
    """``text`` without ``spans``, which come in order; verbatim where there are none."""
    kept, at = [], 0
    for span in spans:
        kept.append(text[at : span.start])
        at = max(at, span.end)
    if not at:
        return text
    return re.sub(r"\n{3,}", "\n\n", "".join([*kept, text[at:]])).strip()


def _sentences(text: str, block: Block) -> list[Span]:
    """The sentences of a block; each item of a list has its own."""
    part = text[block.start : block.end]
    return [Span(block.start + span.start, block.start + span.end) for span in all_sentences(part)]


def _judged(text: str, spans: Sequence[Span]) -> Iterable[tuple[Span, bool]]:
    """Each sentence of one block, and whether it counts."""
    hits = [_hits(text[span.start : span.end]) for span in spans]
    for number, (span, after) in enumerate(pairwise(spans)):
        if not hits[number] and not hits[number + 1] and _together(text[span.start : after.end]):
            hits[number] = hits[number + 1] = True
    return zip(spans, hits, strict=True)


def _hits(sentence: str) -> bool:
    """Whether a sentence counts, as a whole or by one of its lines."""
    parts = {sentence: None} | dict.fromkeys(sentence.splitlines())
    return any(says_to_judge(reading) for part in parts for reading in readings(part))


def _together(pair: str) -> bool:
    """Whether two sentences count, one saying whom or what the other is about."""
    return any(says_together(reading) for reading in readings(pair))
