"""What kind of thing a draft is, before anything is checked: empty, giving up, refusing, repeating; and its claims."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tiergraph.extractive.answer import UNSURE
from tiergraph.extractive.sentences import all_sentences
from tiergraph.extractive.words import stems, words
from tiergraph.judges.base import Reason

_UNSURE = re.compile(rf"\W*{UNSURE}\W*", re.IGNORECASE)
_ABSTAINS = re.compile(
    r"\bi (?:really |just |honestly )?(?:do not|don['’]t) (?:actually )?"
    r"(?:know|have (?:any |enough |that |this |the ){0,3}(?:information|details|data))\b"
    r"|\bi(?: am|['’]m) (?:really |quite )?(?:not sure|unsure|not certain|uncertain)\b"
    r"|\b(?:documents?|context|text|passages?|articles?|sources?|information)"
    r"(?: (?:given|provided|above|here|available))? (?:do|does)(?: not|n['’]t) (?:\w+ )?"
    r"(?:say|state|mention|contain|cover|include|specify|provide|answer|address)"
    r"|\b(?:could|can) ?(?:not|n['’]t) find (?:any |an |the |this |that )?(?:answer|information|mention|details?)\b"
    r"|\bno (?:relevant )?information (?:on|about|is|was)\b|\bthere is (?:not enough|insufficient) information\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\bi(?:['’]m| am)? ?(?:sorry[,.]? (?:but )?i ?)?"
    r"(?:(?:can ?not|can['’]t|won['’]t|will not)|(?:am )?(?:not able|unable|not allowed) to) "
    r"(?:help|assist|answer|comply|discuss|provide|do that|do this|fulfil|fulfill|continue|engage|respond|support)\b"
    r"|\bas an? (?:ai|artificial intelligence|language model)\b|\bi must (?:decline|refuse)\b"
    r"|\bagainst my (?:guidelines|policy|programming)\b",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"\W*(?:sure|of course|certainly|great question|good question|hello|hi|dear|thanks?|thank you|sorry"
    r"|i(?:['’]m| am) sorry|i hope|hope this|let me know|feel free|please (?:let me|feel)"
    r"|if you (?:have|need) (?:any )?(?:other|further|more)|happy to help|(?:kind|best) regards|have a)\b",
    re.IGNORECASE,
)
_MARK = re.compile(r"^(?:[-*+•–]|\(?\d{1,3}[.)])[ \t]+")
_POLITE_WORDS = 6  # content words that a courtesy has at most; a longer sentence is read as a claim
_REFUSAL_WORDS = 80  # a longer draft that declines one thing is still an answer
_BRACKETS = re.compile(r"\s?\[([^\[\]\n]{1,200})\]")


def without_citations(draft: str, ids: Iterable[str]) -> str:
    """``draft`` without ``[id]`` and ``[1]`` marks, lists of them included; other brackets stay."""
    known = {id.casefold() for id in ids}

    def kept(match: re.Match[str]) -> str:
        parts = [part.strip().casefold() for part in re.split(r"[,;]", match[1])]
        cites = match[1].strip().casefold() in known or all(part in known or part.isdigit() for part in parts)
        return "" if cites else match.group()

    return _BRACKETS.sub(kept, draft)


def no_answer(draft: str, question: str) -> Reason | None:
    """Why a draft, its citations taken out, is no answer at all, whatever the documents say; ``None`` where it is one.

    ``empty``, ``abstained``, ``refusal`` or ``echo``.
    """
    if not stems(draft) and not any(character.isalnum() for character in draft):
        return "empty"
    if abstains(draft):
        return "abstained"
    if refuses(draft):
        return "refusal"
    return "echo" if echoes(draft, question) else None


def abstains(draft: str) -> bool:
    """Whether the draft is `UNSURE`, or says that it does not know and makes no claim beside that."""
    if _UNSURE.fullmatch(draft):
        return True
    return _ABSTAINS.search(draft[:20_000]) is not None and not claims(draft)


def refuses(draft: str) -> bool:
    """Whether a short draft declines to answer at all. "We cannot ship to Norway" declines nothing."""
    return len(words(draft[:20_000])) <= _REFUSAL_WORDS and _REFUSES.search(draft[:2000]) is not None


def echoes(draft: str, question: str) -> bool:
    """Whether the draft is the question, or most of it, over again."""
    said, asked = words(draft), words(question)
    if len(said) < 4 or len(said) < 0.6 * len(asked):
        return False
    whole, part = f" {' '.join(asked)} ", f" {' '.join(said)} "
    only_asks = not claims(draft) and set(stems(draft)) <= set(stems(question))
    return part in whole or only_asks


def claims(draft: str) -> list[str]:
    """The sentences of ``draft`` that say something to check: no headings, questions, courtesies or "I do not know"."""
    found = [_MARK.sub("", draft[span.start : span.end]) for span in all_sentences(draft)]
    return [sentence for sentence in found if _claims(sentence)]


def _claims(sentence: str) -> bool:
    if sentence.startswith("#") or sentence.endswith((":", "?", "？")) or _ABSTAINS.search(sentence):
        return False
    content = stems(sentence)
    return bool(content) and not (len(content) <= _POLITE_WORDS and _POLITE.match(sentence))
