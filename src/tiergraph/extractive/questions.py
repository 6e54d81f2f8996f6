"""What a question asks: its aspects, the kind of answer each wants, and what a short follow-up refers to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tiergraph.extractive.sentences import all_sentences
from tiergraph.extractive.words import is_weak, stems, words

AnswerKind = Literal["duration", "money", "date", "count", "place", "steps", "person", "any"]

_ASKS = (
    r"how|what|what's|when|where|who|whom|whose|which|why|can|could|do|does|did|is|are|was|were|will|would|should|may|must"
    r"|has|have"
)
_OPENING = re.compile(rf"\s*(?:(?:and|but|or|also|so|then|please|hi|hello)\b[\s,]*)*(?:{_ASKS})\b", re.IGNORECASE)
_REQUEST = re.compile(
    r"\b(?:tell me|explain|describe|show me|give me|list|let me know|i(?: would|'d)? (?:like|want|need) to|i want"
    r"|i need|help me)\b",
    re.IGNORECASE,
)
_JOINT = re.compile(
    rf"[?？;\n]+|,?\s+(?:and also|as well as)\s+|(?:,\s*|\s+)(?:and|or|but)\s+(?:also\s+|then\s+)?(?=(?:{_ASKS})\b)",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"[\s,]+(?:and|or|but)(?:\s+also|\s+then)?\s*$|\s+as well as\s*$", re.IGNORECASE)
MAX_QUESTION = 16_000  # characters of a question that are read
MAX_CLAUSES = 64  # of a question that are read
_SHORT = 3  # content words up to which a question leans on the turns before it
_LEANS = re.compile(
    r"\s*(?:and|but|or|so|also|what about|how about|what if|ok|then)\b"
    r"|\b(?:it|its|that|this|those|these|them|they|one|there|same)\b",
    re.IGNORECASE,
)

_HOW_MUCH = r"\bhow much (?:is|are|does|do|will|would|must|should|can|did|extra|to)\b|\bhow expensive\b"
_KINDS: tuple[tuple[AnswerKind, str], ...] = (
    ("duration", r"\bhow (?:long|soon|fast|quickly|often)\b|\bhow many (?:minutes|hours|days|weeks|months|years)\b"),
    ("money", _HOW_MUCH + r"|\b(?:what|which)\b.{0,30}\b(?:price|cost|costs|fee|fees)\b"),
    ("count", r"\bhow (?:many|big|large|far|heavy|high|old|much)\b|\bmaximum\b|\bminimum\b|\blimit\b"),
    ("date", r"\bwhen\b|\bwhat (?:date|day|time|year)\b|\bby which date\b|\bdeadline\b|\buntil what\b"),
    ("steps", r"\bhow (?:do|can|should|would|could|to|does one)\b|\bwhat (?:should|must|can|do) i do\b|\bsteps\b"),
    ("place", r"\bwhere\b|\bwhich (?:page|menu|country|countries|address)\b"),
    ("person", r"\bwho\b|\bwhom\b"),
)
_ASKED = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)

_TIME = r"(?:second|minute|hour|day|week|month|year)s?"
_NUMBER = (
    r"(?:\d[\d.,]{0,12}|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|twenty|thirty|sixty|ninety)"
)
_CURRENCY = r"(?:[£$€¥]|(?:pounds?|dollars?|euros?|pence|cents?|usd|eur|gbp)\b)"
_DAY_OR_MONTH = (
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b(?:january|february|march|april|may|june|july|august|september"
    r"|october|november|december)\b"
)
_ACTIONS = (
    "add apply ask attach call cancel change check choose click connect contact create download drop enter fill follow"
    " give go hold install keep make open pack pay place plug press put remove reply report request return scan select"
    " send set show sign start stop switch take tap tell turn upload use wait write"
)
_SIGNS: dict[AnswerKind, re.Pattern[str]] = {
    "duration": re.compile(
        rf"\b{_NUMBER}[ -](?:working |business |full )?{_TIME}\b|\b(?:immediately|at once|overnight|same day)\b", re.I
    ),
    "money": re.compile(rf"[£$€¥]\s?\d|\d\s?{_CURRENCY}|\d\s?%|\bfree\b|\bno (?:extra )?(?:fee|cost|charge)", re.I),
    "count": re.compile(rf"\b{_NUMBER}\b|\bno limit\b|\bunlimited\b", re.I),
    "date": re.compile(
        rf"\b{_NUMBER}[ -](?:working |business )?{_TIME}\b|\b\d{{1,2}}(?::\d\d)?\s?(?:am|pm)\b|\b\d\d:\d\d\b"
        rf"|\b(?:19|20)\d\d\b|{_DAY_OR_MONTH}"
        r"|\b(?:after|before|once|until|as soon as|when|at night|at once|today|tomorrow)\b",
        re.I,
    ),
    "steps": re.compile(
        r"(?:^|[.!?:\n]\s|\d[.)]\s|[-*]\s|\b(?:then|and|first|can|must|should) )(?:you )?"
        rf"(?:{_ACTIONS.replace(' ', '|')})\b",
        re.I,
    ),
    "place": re.compile(
        r"\b(?:at|in|on|under|to|from|inside|near|behind|page|menu|account|shop|address|https?)\b|>", re.I
    ),
    "person": re.compile(
        r"\b(?:we|you|they|team|support|owner|administrator|manager|customer|seller|buyer)s?\b|\b(?-i:[A-Z][a-z])", re.I
    ),
}


@dataclass(frozen=True, kw_only=True)
class Aspect:
    """One thing that a question asks.

    Attributes:
        text: The clause, verbatim.
        kind: What an answer should hold.
        terms: Stems of its content words, distinct, in order; where they say little ("how long should I wait?"), then
            those of the nearest clause that says more.
    """

    text: str
    kind: AnswerKind
    terms: tuple[str, ...]

    def answered_in_kind(self, text: str) -> bool:
        """Whether ``text`` holds what an answer of this kind needs, such as a duration after "how long"."""
        return self.kind == "any" or _SIGNS[self.kind].search(text) is not None


def ends(question: str) -> str:
    """``question``, or where it is very long its head and its tail, which are where people ask."""
    half = MAX_QUESTION // 2
    return question if len(question) <= MAX_QUESTION else f"{question[:half]}\n{question[-half:]}"


def answer_kind(clause: str) -> AnswerKind:
    """The kind of answer that a clause wants; ``any`` where its wording does not tell."""
    return next((kind for kind, pattern in _ASKED if pattern.search(clause)), "any")


def aspects(question: str) -> tuple[Aspect, ...]:
    """The clauses of ``question`` that ask something, in order, at most 8; the whole question where none does.

    A request ("tell me ...") asks; a sentence that only tells the story does not.
    """
    told = _clauses(ends(question))
    found: list[Aspect] = []
    for number, clause in enumerate(told):
        if not _asks(clause) and any(map(_asks, told)):
            continue
        terms = tuple(dict.fromkeys([*stems(clause), *_borrowed(told, number)]))
        aspect = Aspect(text=clause, kind=answer_kind(clause), terms=terms)
        if terms and all((aspect.kind, aspect.terms) != (other.kind, other.terms) for other in found):
            found.append(aspect)
    return tuple(found[:8]) or (Aspect(text=question.strip(), kind=answer_kind(question), terms=()),)


def _borrowed(told: Sequence[str], number: int) -> list[str]:
    """What a clause that names no subject takes from the nearest one that does: before it, else after it."""
    if _says_something(told[number]):
        return []
    others = [*reversed(told[:number]), *told[number + 1 :]]
    return next((stems(other) for other in others if _says_something(other)), [])


def _says_something(clause: str) -> bool:
    return any(not is_weak(term) for term in stems(clause))


def _clauses(question: str) -> list[str]:
    found: list[str] = []
    for sentence in all_sentences(question):
        text = question[sentence.start : sentence.end]
        cuts = [0, *(match.end() for match in _JOINT.finditer(text)), len(text)]
        found.extend(_TRAILING.sub("", text[start:end]).strip() for start, end in pairwise(cuts))
    return [clause for clause in found if clause.strip(" ?!.,;")][:MAX_CLAUSES]


def _asks(clause: str) -> bool:
    return clause.endswith(("?", "？")) or _OPENING.match(clause) is not None or _REQUEST.search(clause) is not None


def leans_on_history(question: str) -> bool:
    """Whether ``question`` is too short, or points back too much, to be understood without the turns before it."""
    return len(set(stems(question))) <= _SHORT and (
        _LEANS.search(question) is not None or len(words(question)) <= _SHORT
    )


def in_context(question: str, history: Sequence[str]) -> str:
    """``question`` with the user turn it leans on in front of it; alone where it stands by itself.

    ``history`` is the earlier user turns, oldest first. Of turns that lean themselves the chain is kept, up to 3.
    """
    turns = [ends(question)]
    for earlier in map(ends, reversed(history[-3:])):
        if not leans_on_history(turns[0]):
            break
        turns.insert(0, earlier)
    return "\n".join(turns)
