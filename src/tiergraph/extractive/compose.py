"""The second tier without a language model: a passage or two for each thing that is asked, under plain headings."""

from __future__ import annotations

from collections.abc import Sequence

from tiergraph.documents import Document
from tiergraph.extractive.answer import GIVE_UP, Answer
from tiergraph.extractive.passages import Passage, split
from tiergraph.extractive.questions import aspects, in_context
from tiergraph.extractive.rank import Ranked, Ranking
from tiergraph.extractive.words import stems

COMPOSE_K = 8  # documents that this tier is meant to be given
MIN_COVERAGE = 0.3
MAX_PASSAGES = 6
PER_ASPECT = 2
ONLY_ASPECT = 3  # passages where one thing is asked
NEAR = 0.6  # share of the best score from which a further passage is worth its place
DIVERSITY = 0.5  # what overlap with a chosen passage costs, against a score of 1


def compose(question: str, documents: Sequence[Document], *, history: Sequence[str] = ()) -> Answer:
    """Passages for every aspect of ``question``, verbatim, cited and grouped by document; or `UNSURE`.

    An aspect for which nothing is found is left out, and the judge says so. ``history``: as for `quote`.
    """
    asked = in_context(question, history)
    ranking = Ranking(split(documents))
    parts = aspects(asked)
    room = PER_ASPECT if len(parts) > 1 else ONLY_ASPECT
    chosen: list[Passage] = []
    coverage = 0.0
    for part in parts:
        ranked = ranking.rank(part, stems(asked))
        if not ranked or ranked[0].coverage < MIN_COVERAGE:
            continue
        coverage += ranked[0].coverage
        chosen.extend(_diverse(ranked, chosen, room))
    if not chosen:
        return GIVE_UP
    chosen = chosen[:MAX_PASSAGES]
    citations = tuple(dict.fromkeys(passage.id for passage in chosen))
    return Answer(text=_text(chosen), citations=citations, confidence=min(1.0, coverage / len(parts)))


def _diverse(ranked: Sequence[Ranked], chosen: Sequence[Passage], room: int) -> list[Passage]:
    """Up to ``room`` passages by maximal marginal relevance, none that overlaps one already chosen in its document."""
    best = ranked[0].score
    left = [item for item in ranked[:40] if item.score >= NEAR * best]
    picked: list[Passage] = []
    while left and len(picked) < room:
        taken = [*chosen, *picked]
        left = [item for item in left if not any(_shares(item.passage, other) for other in taken)]
        if not left:
            break
        item = max(left, key=lambda item: item.score / best - DIVERSITY * _likeness(item.passage, taken))
        picked.append(item.passage)
    return picked


def _shares(one: Passage, other: Passage) -> bool:
    """Whether two passages hold the same stretch of one document."""
    apart = one.start + len(one.text) <= other.start or other.start + len(other.text) <= one.start
    return one.document == other.document and not apart


def _likeness(passage: Passage, others: Sequence[Passage]) -> float:
    """The greatest Jaccard overlap of words with one of ``others``, in [0, 1]."""
    own = set(stems(passage.text))
    return max((len(own & (set(stems(o.text)))) / (len(own | set(stems(o.text))) or 1) for o in others), default=0.0)


def _text(chosen: Sequence[Passage]) -> str:
    """One part per passage, those of a document together, each under what the document itself calls it."""
    order = list(dict.fromkeys(passage.document for passage in chosen))
    parts = []
    for passage in sorted(chosen, key=lambda passage: (order.index(passage.document), passage.start)):
        heading = " - ".join(part for part in (passage.title, passage.heading) if part)
        parts.append((f"{heading}:\n" if heading else "") + f"{passage.text} [{passage.id}]")
    return "\n\n".join(parts)
