"""The cheapest tier: the one passage that answers best, word for word."""

from __future__ import annotations

from collections.abc import Sequence

from tiergraph.documents import Document
from tiergraph.extractive.answer import GIVE_UP, Answer
from tiergraph.extractive.passages import split
from tiergraph.extractive.questions import Aspect, answer_kind, aspects, in_context
from tiergraph.extractive.rank import Ranking
from tiergraph.extractive.words import stems

QUOTE_K = 3  # documents that this tier is meant to be given
MIN_COVERAGE = 0.25  # share of the question's words, by weight, below which nothing is quoted


def quote(question: str, documents: Sequence[Document], *, history: Sequence[str] = ()) -> Answer:
    """The one passage of ``documents`` that best answers ``question``, verbatim, and its citation; or `UNSURE`.

    ``history`` is the earlier user turns, oldest first; a short follow-up is read together with them.
    """
    asked = in_context(question, history)
    whole = _whole(asked)
    ranked = Ranking(split(documents)).rank(whole, stems(asked))
    if not ranked or ranked[0].coverage < MIN_COVERAGE:
        return GIVE_UP
    best = ranked[0]
    text = f"{best.passage.text} [{best.passage.id}]"
    return Answer(text=text, citations=(best.passage.id,), confidence=min(1.0, best.coverage))


def _whole(asked: str) -> Aspect:
    """All that is asked, as one aspect: this tier gives one passage."""
    parts = aspects(asked)
    terms = tuple(dict.fromkeys(term for part in parts for term in part.terms))
    kind = next((part.kind for part in reversed(parts) if part.kind != "any"), answer_kind(asked))
    return Aspect(text=asked, kind=kind, terms=terms or tuple(dict.fromkeys(stems(asked))))
