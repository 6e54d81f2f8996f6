"""A judge without a model: does the draft stand in the documents, and does it answer what was asked?

It obeys nothing that a draft or a document says, for it follows no instructions. It reads words, not meaning: a true
paraphrase in other words scores low, and the cascade then asks a higher tier, which is the safe way to be wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tiergraph.documents import Document
from tiergraph.errors import JudgeError, JudgeTimeoutError
from tiergraph.extractive.questions import Aspect, aspects, ends
from tiergraph.extractive.words import stems
from tiergraph.judges.base import Reason, Verdict
from tiergraph.judges.coverage import Stand, coverage
from tiergraph.judges.drafts import claims, no_answer, without_citations
from tiergraph.judges.facts import FactBase, codes, names, numbers
from tiergraph.judges.reversal import changed_number, reversed_negation
from tiergraph.judges.support import Evidence
from tiergraph.tiers import Location

MAX_DRAFT = 60_000  # characters of a draft that are read; those behind them count as unsupported
MAX_CLAIMS = 300  # sentences of a draft that are read; those behind them count as unsupported
MAX_LISTED = 20  # sentences in a verdict

SUPPORT_FROM = 0.1  # support of a sentence up to which it counts nothing
BEND = 0.5  # power that support is raised to: half of the words is more than half of the way
UNSUPPORTED_BELOW = 0.4  # support below which a sentence is listed
WORST_SHARE = 0.25  # of the worst sentence in the support of a draft; the rest is the mean
COVERED_FROM = 0.5  # coverage from which an aspect counts as answered
LEAST_SHARE = 0.5  # of the aspect answered least in the coverage of a question; the rest is the mean
SHORT = 6  # content words up to which a draft is a bare answer such as a name or a date
HARD_CAP, HARD_SHARE = 0.45, 0.7  # of the score of a draft with a made-up number or name, or a turned-round negation
OPEN_BASE = 0.6  # score of any answer where there are no documents to check it against


@dataclass(frozen=True, kw_only=True)
class _Support:
    share: float
    unsupported: tuple[str, ...] = ()
    hard: bool = False
    stands: tuple[Stand, ...] = ()


class EvidenceJudge:
    """Checks drafts against the documents by rules alone. Stateless; safe to share between threads.

    The score is support times coverage. Support: every sentence's overlap with a few neighbouring sentences of one
    document; a number, name or identifier without support, a turned-round negation, or a number in another's place caps
    the score below .5. Coverage: for every aspect of the question the share of its words that the draft, or the
    sentences it stands on, hold, and whether the kind of answer is there. Without documents there is nothing to check:
    any answer scores .6 and more, by coverage alone.
    """

    name = "evidence"
    version = 1
    location: Location = "on_prem"

    @property
    def digest(self) -> str:
        """sha256 over name, version and every weight."""
        weights = {key: value for key, value in globals().items() if key.isupper() and isinstance(value, int | float)}
        return hashlib.sha256(repr((self.name, self.version, sorted(weights.items()))).encode()).hexdigest()

    def judge(
        self, question: str, draft: str, documents: Sequence[Document], *, threshold: float, deadline: float
    ) -> Verdict:
        """Judge one draft. ``threshold`` in [0, 1]; ``deadline`` a time of ``time.monotonic()``.

        Raises:
            JudgeError: The deadline passed, or the draft could not be read.
        """
        try:
            return self._judge(question, draft, documents, threshold, deadline)
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            raise JudgeError(f"The evidence judge failed: {type(error).__name__}.") from error

    async def ajudge(
        self, question: str, draft: str, documents: Sequence[Document], *, threshold: float, deadline: float
    ) -> Verdict:
        """`judge` in a thread."""
        return await asyncio.to_thread(self.judge, question, draft, documents, threshold=threshold, deadline=deadline)

    def _judge(
        self, question: str, draft: str, documents: Sequence[Document], threshold: float, deadline: float
    ) -> Verdict:
        _check(deadline)
        question = ends(question)
        text = without_citations(draft[:MAX_DRAFT], [document["id"] for document in documents])
        asked = aspects(question)
        kind = no_answer(text, question)
        if kind is not None:
            return Verdict(passed=False, score=0.0, reason=kind, uncovered=tuple(a.text for a in asked if a.terms))
        evidence = Evidence(documents)
        if not evidence.texts:
            return _open(text, asked, threshold)
        _check(deadline)
        support = _support(text, question, documents, evidence, deadline)
        shares = coverage(asked, text, support.stands, evidence)
        read = min(1.0, MAX_DRAFT / max(1, len(draft)))
        return _verdict(replace(support, share=support.share * read), asked, shares, threshold)


def contradicted(question: str, draft: str, documents: Sequence[Document], *, deadline: float) -> tuple[str, ...]:
    """The sentences of ``draft`` that no reading of the documents can save, verbatim, `MAX_LISTED` of them at most.

    They have a number, name or identifier that neither documents nor question have, a negation turned round, or a
    number in another's place. Overlap of words plays no part. None where there are no documents.

    Raises:
        JudgeError: The deadline passed.
    """
    question = ends(question)
    text = without_citations(draft[:MAX_DRAFT], [document["id"] for document in documents])
    evidence = Evidence(documents)
    if not evidence.texts:
        return ()
    facts, found = _facts(question, documents), []
    for sentence in claims(text)[:MAX_CLAIMS]:
        _check(deadline)
        if _wrong(sentence, evidence.carrier(stems(sentence)), facts, evidence, question):
            found.append(sentence)
    return tuple(found[:MAX_LISTED])


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise JudgeTimeoutError("The evidence judge ran out of time.")


def _open(text: str, asked: Sequence[Aspect], threshold: float) -> Verdict:
    """The verdict where nothing can be checked: the answer counts, what it leaves out takes a little away."""
    shares = coverage(asked, text, (), None)
    score = OPEN_BASE + (1 - OPEN_BASE) * _mean(shares)
    return Verdict(passed=score >= threshold, score=score, reason="no_documents", uncovered=_uncovered(asked, shares))


def _support(text: str, question: str, documents: Sequence[Document], evidence: Evidence, deadline: float) -> _Support:
    said = claims(text)
    facts = _facts(question, documents)
    asked = frozenset(stems(question))
    shares: list[float] = []
    unsupported: list[str] = []
    stands: list[Stand] = []
    short = len(stems(text)) <= SHORT
    hard = False
    for sentence in said[:MAX_CLAIMS]:
        _check(deadline)
        terms = stems(sentence)
        share, best = evidence.support(terms, asked), evidence.carrier(terms)
        wrong = _wrong(sentence, best, facts, evidence, question)
        hard = hard or wrong
        stands.append(_stand(terms, evidence, best, short))
        shares.append(_bent((share - SUPPORT_FROM) / (1 - SUPPORT_FROM)))
        if wrong or share < UNSUPPORTED_BELOW:
            unsupported.append(sentence)
    shares += [0.0] * (len(said) - len(shares))
    unsupported += said[MAX_CLAIMS:]
    whole = (1 - WORST_SHARE) * _mean(shares) + WORST_SHARE * min(shares) if shares else 0.0
    return _Support(share=whole, unsupported=tuple(unsupported[:MAX_LISTED]), hard=hard, stands=tuple(stands))


def _stand(terms: Sequence[str], evidence: Evidence, best: int, short: bool) -> Stand:
    """What a sentence stands on. A short answer leaves the subject to the question, so its source may supply it."""
    around = evidence.around(best, 2 if short else 1)
    return Stand(own=frozenset(terms), heads=around if short else evidence.heads(best), around=around)


def _facts(question: str, documents: Sequence[Document]) -> FactBase:
    return FactBase([question, *(text for d in documents for text in (d.get("title", ""), d["text"]))])


def _wrong(sentence: str, best: int, facts: FactBase, evidence: Evidence, question: str) -> bool:
    """Whether no reading can save the sentence, the documents' row ``best`` being the one that carries it."""
    return _made_up(sentence, facts) or (best >= 0 and _turned(sentence, evidence.texts[best], question))


def _made_up(sentence: str, facts: FactBase) -> bool:
    """Whether the sentence has a number, identifier or name that neither documents nor question have."""
    return (
        any(number.certain and not facts.holds_number(number) for number in numbers(sentence))
        or any(not facts.holds_code(code) for code in codes(sentence))
        or any(not facts.holds_name(name) for name in names(sentence))
    )


def _turned(sentence: str, source: str, question: str) -> bool:
    return reversed_negation(sentence, source) or changed_number(sentence, source, question)


def _verdict(support: _Support, asked: Sequence[Aspect], shares: Sequence[float], threshold: float) -> Verdict:
    answered = (1 - LEAST_SHARE) * _mean(shares) + LEAST_SHARE * min(shares)
    score = support.share * answered
    if support.hard:
        score = min(HARD_CAP, HARD_SHARE * score)
    uncovered = _uncovered(asked, shares)
    passed = score >= threshold
    reason: Reason = "supported"
    if not passed:
        reason = "unsupported_claims" if support.hard or support.share < answered else "uncovered_aspects"
    return Verdict(passed=passed, score=score, reason=reason, unsupported=support.unsupported, uncovered=uncovered)


def _uncovered(asked: Sequence[Aspect], shares: Sequence[float]) -> tuple[str, ...]:
    return tuple(aspect.text for aspect, share in zip(asked, shares, strict=True) if share < COVERED_FROM)


def _bent(share: float) -> float:
    return float(min(1.0, max(0.0, share)) ** BEND)


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 1.0
