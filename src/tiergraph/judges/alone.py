"""What of a draft has to stand alone before a hosted judge: the sentences that the words of the documents do not carry.

Patterns find text that speaks to a judge only in phrasings that somebody thought of. What a text says can sway a model
only where the model sees it; so a sentence without literal support is vouched for by a call that shows no other
sentence of the draft, and of the documents only the sentences that share words with it. An order beside a false claim
is then out of sight when the claim is judged. What it does not hold is an order inside the claim's own sentence, or
inside a sentence of a document that shares the claim's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tiergraph.documents import Document
from tiergraph.extractive.sentences import all_sentences
from tiergraph.extractive.words import is_weak, stems
from tiergraph.judges.drafts import claims, without_citations
from tiergraph.judges.support import Evidence

MOST_ALONE = 6
"""Sentences that are judged alone; a draft with more of them does not pass."""

CARRIED_FROM = 0.5
"""Support in [0, 1] from which the words of the documents carry a sentence: half of it stands there."""


def uncarried(question: str, draft: str, documents: Sequence[Document]) -> tuple[str, ...]:
    """The claims of ``draft`` that the words of the documents do not carry, verbatim and in order, each once."""
    evidence = Evidence(documents)
    asked = frozenset(stems(question))
    text = without_citations(draft, [document["id"] for document in documents])
    return tuple(dict.fromkeys(said for said in claims(text) if evidence.support(stems(said), asked) < CARRIED_FROM))


def related(claim: str, question: str, documents: Sequence[Document]) -> tuple[Document, ...]:
    """The documents cut down to the sentences that share a content word with ``claim``.

    Words that the question brought count only where no sentence shares another one.
    """
    own = frozenset(stem for stem in stems(claim) if not is_weak(stem))
    told = own - frozenset(stems(question))
    return _sharing(told, documents) or _sharing(own, documents)


def _sharing(terms: frozenset[str], documents: Sequence[Document]) -> tuple[Document, ...]:
    found = []
    for document in documents:
        text = document["text"]
        kept = [text[span.start : span.end] for span in all_sentences(text)]
        kept = [sentence for sentence in kept if terms & frozenset(stems(sentence))]
        if kept:
            found.append(cast(Document, {"id": document["id"], "text": "\n".join(kept)}))
    return tuple(found)
