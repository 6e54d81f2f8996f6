"""Whether an answer says what a reference says: by exact match, or by shared words. Pure.

References of a closed form are never compared word by word, since a long answer contains any short word: of a number,
a letter of a multiple choice, or a yes or no it is the answer's last word on the matter that counts. It is looked for
after ``####``, in ``\\boxed{}`` and after "answer is", in this order, and then in the whole answer: its last number,
its lone letter, its first word.

Failure rule: an answer in which nothing of the wanted form is found scores 0; nothing raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

_ARTICLES = frozenset({"a", "an", "the"})
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
# Scripts without spaces between words are compared letter by letter.
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+|\d")
_NUMBER = re.compile(r"(?:(?<![\w)])[-+])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?:(?<![\w)])[-+])?\.\d+")
_WHOLE_NUMBER = re.compile(rf"[$€£¥]?\s*({_NUMBER.pattern})\s*%?\.?")
_LETTER = re.compile(r"[(\[]?([A-Z])[)\].:]?")
_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}

_MARKED = (
    re.compile(r"####[ \t]*([^\n]+)"),
    re.compile(r"\\boxed\{([^{}]*)\}"),
    re.compile(r"\banswer(?:\s+(?:is|would be|should be)\b|[\x22'*]*\s*[:=])[\s*_:\x22']*([^\n]+)", re.IGNORECASE),
)
_LED = re.compile(r"[\s*_\"'`]*(?:option|choice|letter)?[\s*_\"'`]*[(\[]?([A-Z])(?![\w'’])", re.IGNORECASE)
_OPENS = re.compile(r"[\s*_]*(?:[(\[]([A-Z])[)\]]|([A-Z])(?:[).:\]*]|\s*$|\s*\n))")
_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")
_ALONE = re.compile(r"(?<![\w'’-])([B-HJ-Z])(?![\w'’-])")  # A and I are words


def tokens(text: str) -> list[str]:
    """Words and numbers in small letters, without articles and punctuation; 1,000 is one number."""
    folded = _THOUSANDS.sub("", unicodedata.normalize("NFKC", text)).casefold()
    found = _TOKEN.findall(folded)
    return [word for word in found if word not in _ARTICLES] or found


def exact_score(answer: str, references: Sequence[str]) -> float:
    """1.0 where the answer is one of the references, else 0.0.

    A number is equal to a number of its value, a letter to the letter that the answer settles on, yes to true. Any
    other reference has to be the whole answer, or what stands after "answer is", whatever case, articles and
    punctuation.
    """
    return float(any(_exact(answer, reference) for reference in references))


def reference_score(answer: str, references: Sequence[str]) -> float:
    """How much of the best reference the answer has, in [0, 1].

    1.0 where the reference's words stand in the answer one after the other; else F1 of the words that both have. A
    number, a letter or a yes or no is matched as by `exact_score`.
    """
    return max((_reference(answer, reference) for reference in references), default=0.0)


def _reference(answer: str, reference: str) -> float:
    if _closed(reference):
        return float(_exact(answer, reference))
    wanted, said = tokens(reference), tokens(answer)
    return 1.0 if _contains(said, wanted) else _f1(said, wanted)


def _contains(said: Sequence[str], wanted: Sequence[str]) -> bool:
    width = len(wanted)
    return bool(width) and any(said[at : at + width] == wanted for at in range(len(said) - width + 1))


def _f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0


def _closed(reference: str) -> bool:
    text = reference.strip()
    return bool(_WHOLE_NUMBER.fullmatch(text) or _LETTER.fullmatch(text)) or _truth(text) is not None


def _exact(answer: str, reference: str) -> bool:
    text, marked = reference.strip(), _marked(answer)
    if number := _WHOLE_NUMBER.fullmatch(text):
        found = _number_in(answer, marked)
        return found is not None and found == _decimal(number[1])
    if letter := _LETTER.fullmatch(text):
        return _letter_in(answer, marked) == letter[1]
    if (truth := _truth(text)) is not None:
        return _truth_in(marked or answer) is truth
    wanted = tokens(text)
    return bool(wanted) and any(tokens(said) == wanted for said in (answer, marked or ""))


def _marked(answer: str) -> str | None:
    """What the answer itself marks as its end: the last of the first mark that there is."""
    for mark in _MARKED:
        if found := mark.findall(answer):
            return str(found[-1])
    return None


def _number_in(answer: str, marked: str | None) -> Decimal | None:
    if marked is not None and (found := _NUMBER.findall(marked.rpartition("=")[2])):
        return _decimal(found[0])
    found = _NUMBER.findall(answer)
    return _decimal(found[-1]) if found else None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _letter_in(answer: str, marked: str | None) -> str | None:
    if marked is not None and (led := _LED.match(marked)) and (led[1].isupper() or len(marked.strip(" .*)(")) == 1):
        return str(led[1].upper())
    bare = answer.strip().strip("*()[]. ")
    if len(bare) == 1 and bare.isalpha():
        return bare.upper()
    if opened := _OPENS.match(answer):
        return str(opened[1] or opened[2])
    alone = _BRACKETED.findall(answer) or _ALONE.findall(answer)
    return str(alone[-1]) if alone else None


def _truth(text: str) -> bool | None:
    return _TRUTHS.get(text.strip(" .!*\"'").casefold())


def _truth_in(text: str) -> bool | None:
    first = re.search(r"[^\W\d_]+", text)
    return _TRUTHS.get(first[0].casefold()) if first else None
