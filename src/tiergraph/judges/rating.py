"""From a hosted judge's answer to a verdict: what is on the menu, which claims count, what no model can lift. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tiergraph.documents import Document
from tiergraph.extractive.sentences import all_sentences
from tiergraph.extractive.words import stems, words
from tiergraph.judges.base import Reason, Verdict

MOST_CLAIMS = 20
"""Claims that one answer may list."""

MOST_IN_CLAIM = 2000
"""Characters of one of them."""

MOST_LISTED = 20
"""Sentences in a verdict."""

_SAME = 0.6  # share of the content words of claim or sentence that the other must have
_LEAST_SHARED = 2  # content words that a sentence shares with a longer claim at least

Score = Literal[1, 2, 3, 4, 5]


class Rating(BaseModel):
    """A hosted judge's answer; anything else is no verdict.

    Attributes:
        unsupported: Claims of the draft without support; checked against the draft, for a model may make them up.
        faithfulness: 1 to 5.
        helpfulness: 1 to 5.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    unsupported: list[str]
    faithfulness: Score
    helpfulness: Score


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a hosted judge is shown, and what was found before it.

    Attributes:
        question: Without what speaks to a judge, as are draft and documents.
        draft: Never blank.
        documents: Those with any text left.
        addressed: Sentences of the draft that speak to its judge, verbatim. A draft with one does not pass.
        contradicted: Sentences of the draft that no reading of the documents can save. As above.
    """

    question: str
    draft: str
    documents: tuple[Document, ...]
    addressed: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()


def verdict_of(rating: Rating, case: Case, threshold: float) -> Verdict:
    """The verdict on a case. ``threshold``: 1 to 5, for both scores.

    The score is the lower one of the two, laid out on [0, 1]. It stays as given where something else forbids a pass.
    """
    against = listed((*case.addressed, *case.contradicted, *standing(rating.unsupported, case.draft)))
    reason: Reason = "supported" if case.documents else "no_documents"
    if against or rating.faithfulness < threshold:
        reason = "unsupported_claims"
    elif rating.helpfulness < threshold:
        reason = "uncovered_aspects"
    return Verdict(
        passed=reason in ("supported", "no_documents"),
        score=(min(rating.faithfulness, rating.helpfulness) - 1) / 4,
        reason=reason,
        unsupported=against,
    )


def check_of(draft: str) -> Callable[[str], None]:
    """A check of an answer's JSON text against the draft that it speaks of.

    It raises `ValueError`, without content, where the answer lists too much, or contradicts itself: full faithfulness,
    and claims of the draft without support.
    """

    def check(text: str) -> None:
        rating = Rating.model_validate_json(text)
        if len(rating.unsupported) > MOST_CLAIMS:
            raise ValueError(f"unsupported lists more than {MOST_CLAIMS} claims")
        if any(len(claim) > MOST_IN_CLAIM for claim in rating.unsupported):
            raise ValueError(f"a claim in unsupported is longer than {MOST_IN_CLAIM} characters")
        if rating.faithfulness == 5 and standing(rating.unsupported, draft):
            raise ValueError("faithfulness 5 and claims without support contradict each other")

    return check


def standing(claims: Sequence[str], draft: str) -> tuple[str, ...]:
    """The sentences of ``draft`` that the claims speak of, verbatim, each once.

    A claim that stands nowhere in the draft is dropped: the judge made it up, or a document told it to.
    """
    if not claims:
        return ()
    sentences = [draft[span.start : span.end] for span in all_sentences(draft)]
    spoken = [(sentence, _joined(sentence), frozenset(stems(sentence))) for sentence in sentences]
    whole = _joined(draft)
    found: list[str] = []
    for claim in claims:
        said, terms = _joined(claim), frozenset(stems(claim))
        shares = [_share(said, terms, words_, stems_) for _, words_, stems_ in spoken]
        best = max(range(len(shares)), key=shares.__getitem__, default=-1)
        if best >= 0 and shares[best] >= _SAME:
            found.append(spoken[best][0])
        elif said in whole:
            found.append(" ".join(claim.split()))
    return tuple(dict.fromkeys(found))


def listed(sentences: Sequence[str]) -> tuple[str, ...]:
    """Each sentence once, `MOST_LISTED` at most, none of them blank."""
    return tuple(dict.fromkeys(sentence for sentence in sentences if sentence.strip()))[:MOST_LISTED]


def _share(claim: str, terms: frozenset[str], sentence: str, held: frozenset[str]) -> float:
    """How far claim and sentence are the same, in [0, 1]; 1 where one stands in the other."""
    if claim in sentence or (len(held) >= _LEAST_SHARED and sentence in claim):
        return 1.0
    common = len(terms & held)
    of_sentence = common / len(held) if common >= _LEAST_SHARED else 0.0
    return max(common / len(terms) if terms else 0.0, of_sentence)


def _joined(text: str) -> str:
    return f" {' '.join(words(text))} "
