"""Numbers, names and identifiers of a text: what a draft must not make up. Every pattern is linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tiergraph.extractive.sentences import all_sentences
from tiergraph.extractive.vocabulary import STOP_WORDS, WEAK_WORDS
from tiergraph.extractive.words import fold, stem

_DIGITS = re.compile(
    r"(?<![\w.,:])(?P<currency>[£$€¥]|(?:usd|eur|gbp)\s)?\s?(?P<number>\d{1,15}(?:[.,:]\d{1,15}){0,8})"
    r"(?P<tail>[a-z%]{0,4}\b|%)?",
    re.I,
)
_ONES = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS: dict[str, float] = {word: n for n, word in enumerate(_ONES, start=1)}
_WORDS.update({word: 10 * n for n, word in enumerate(_TENS, start=2)})
_WORDS.update({"dozen": 12, "once": 1, "twice": 2, "both": 2, "half": 0.5})
_SPELLED = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})[- ](?P<unit>{'|'.join(_ONES[:9])})|(?P<word>{'|'.join(_WORDS)}))\b"
    r"(?:[- ](?P<times>hundred|thousand|million)\b)?",
    re.I,
)
_TIMES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "k": 1e3, "m": 1e6, "bn": 1e9, "billion": 1e9}
_UNIT = re.compile(
    r"[- ]?(?:(?P<times>hundred|thousand|million|billion)[- ])?(?:(?:working|business|calendar|full|more)[- ])?"
    r"(?P<unit>%|percent|per cent|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?"
    r"|pounds?|dollars?|euros?|pence|cents?|gbp|usd|eur|£|\$|€)(?!\w)",
    re.I,
)
_AFTER = re.compile(r"\s(am|pm|hundred|thousand|million|billion|bn)\b", re.I)
_RANGE = re.compile(r"\s?(?:-|–|to|and|or)\s?[£$€¥]?\d", re.I)
_SECONDS = {"sec": 1, "min": 60, "hour": 3600, "hr": 3600, "day": 86400, "week": 604800}
_MONEY = {"£": "gbp", "pound": "gbp", "gbp": "gbp", "pence": "p", "$": "usd", "dollar": "usd", "usd": "usd", "€": "eur",
          "euro": "eur", "eur": "eur", "cent": "p", "¥": "jpy"}  # fmt: skip
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)")
_SPACED = re.compile(r"(?<=\d)([.,]) (?=\d)")  # "3, 800", as extracted text has it
_CODE = re.compile(
    r"https?://[^\s<>\"')\]]+|www\.[^\s<>\"')\]]+|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|\b[A-Za-z0-9]+(?:[-_/][A-Za-z0-9]+)*\b"
)
_NAME = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_AFTER_OPENING = "\"'“‘”(:>•*|/-–\n#"
_SURE_FROM = 13  # smaller numbers in words are too often ways of speaking
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number: what its notation may mean, and its unit: seconds, months, clock, percent, money or unknown."""

    values: frozenset[float]
    unit: str | None
    certain: bool = True


def numbers(text: str) -> list[Number]:
    """Every number of ``text``, in digits or words; one in words that may be a way of speaking is not ``certain``."""
    text = _ISO.sub(lambda m: f"{int(m[3])} {int(m[2])} {m[1]}", text)
    text = "".join(_without_codes(text))
    found = [_from_digits(text, match) for match in _DIGITS.finditer(text)]
    found += [_from_words(text, match) for match in _SPELLED.finditer(text)]
    return found


def _from_digits(text: str, match: re.Match[str]) -> Number:
    tail, end = (match["tail"] or "").lower(), match.end()
    if not tail and (after := _AFTER.match(text, end)):
        tail, end = after[1].lower(), after.end()
    factor = _TIMES.get(tail, 1.0)
    values = {value * factor for value in _values(match["number"])}
    currency = (match["currency"] or "").strip().lower()
    if tail in ("am", "pm") or ":" in match["number"]:
        return Number(values=frozenset(values | {v + 12 for v in values if tail == "pm" and v < 12}), unit="clock")
    if currency:
        return Number(values=frozenset(values), unit=_MONEY[currency])
    if tail == "%":
        return Number(values=frozenset(values), unit="%")
    if tail in ("h", "hr", "hrs", "min", "mins", "sec", "secs", "d"):
        return _with_unit(values, "day" if tail == "d" else tail)
    return _with_unit(values, _unit_after(text, end))


def _from_words(text: str, match: re.Match[str]) -> Number:
    spelled = (match["word"],) if match["word"] else (match["tens"], match["unit"])
    value = sum(_WORDS[fold(word)] for word in spelled)
    value *= _TIMES.get((match["times"] or "").lower(), 1.0)
    number = _with_unit({value}, _unit_after(text, match.end()))
    sure = value >= _SURE_FROM or (number.unit is not None and value > 1)
    return Number(values=number.values, unit=number.unit, certain=sure)


def _values(digits: str) -> set[float]:
    """What a notation may mean: 1,000 is a thousand, 1.000 may be too, 2,5 may be two and a half, 15:30 is 15.5."""
    parts = re.split(r"[.,:]", digits)
    if ":" in digits:
        return {_float(parts[0]) + _float(parts[1]) / 60}
    values = {_float("".join(parts))} if len(parts) > 1 and all(len(part) == 3 for part in parts[1:]) else set()
    if len(parts) == 2:
        values.add(_float(f"{parts[0]}.{parts[1]}"))
    if len(parts) > 2 and "." in digits and "," in digits:
        values.add(_float(f"{''.join(parts[:-1])}.{parts[-1]}"))
    return values or {_float(parts[0])}


def _float(digits: str) -> float:
    return float(digits[:300])


def _unit_after(text: str, end: int) -> str | None:
    match = _UNIT.match(text, end)
    if match is None and (range_ := _RANGE.match(text, end)) is not None:
        other = _DIGITS.match(text, range_.end() - 1)
        match = _UNIT.match(text, other.end()) if other else None
    return match["unit"].lower() if match else None


def _with_unit(values: set[float], unit: str | None) -> Number:
    if unit is None:
        return Number(values=frozenset(values), unit=None)
    name = unit.rstrip("s") if unit not in ("£", "$", "€", "%") else unit
    if name in ("%", "percent", "per cent"):
        return Number(values=frozenset(values), unit="%")
    if name in _MONEY:
        return Number(values=frozenset(values), unit=_MONEY[name])
    if name in ("month", "year"):
        return Number(values=frozenset(v * (12 if name == "year" else 1) for v in values), unit="months")
    scale = next(seconds for prefix, seconds in _SECONDS.items() if name.startswith(prefix))
    return Number(values=frozenset(v * scale for v in values), unit="seconds")


def _is_code(word: str) -> bool:
    """Whether a word is an identifier: an address, or letters and digits mixed as in HB-1042 or SHA256."""
    if word.isalpha() or word.isdigit():
        return False
    if "@" in word or "://" in word or word.startswith("www."):
        return True
    parts = re.split(r"[-_/]", word)
    mixed = any(not p.isalpha() and not p.isdigit() and not _measure(p) for p in parts)
    upper = any(p.isalpha() and p.isupper() for p in parts) and any(p.isdigit() for p in parts)
    return mixed or upper


def _measure(part: str) -> bool:
    """Whether a part such as 30k, 1st or 16GB is a number with its unit and not an identifier."""
    digits = len(part) - len(part.lstrip("0123456789"))
    return digits > 0 and part[digits:].isalpha() and len(part) - digits <= 4


def _without_codes(text: str) -> Iterator[str]:
    at = 0
    for match in _CODE.finditer(text):
        if _is_code(match.group()):
            yield text[at : match.start()] + " "
            at = match.end()
    yield text[at:]


def codes(text: str) -> set[str]:
    """Identifiers, e-mail addresses and URLs of ``text``, folded, without the punctuation after them."""
    return {fold(m.group().rstrip(".,;:!?/")) for m in _CODE.finditer(text) if _is_code(m.group())}


def names(text: str) -> set[str]:
    """Words of ``text`` with a capital where grammar asks for none, folded. A line set all in capitals has none."""
    found: set[str] = set()
    for span in all_sentences(text):
        sentence = text[span.start : span.end]
        words = list(_NAME.finditer(sentence))
        if sum(word.group()[:1].isupper() for word in words) > 0.6 * len(words) and len(words) > 2:
            continue
        found.update(fold(word.group()) for word in words if _is_name(sentence, word))
    return found


def _is_name(sentence: str, word: re.Match[str]) -> bool:
    text = word.group()
    if not text[0].isupper() or len(text) < 2 or fold(text) in STOP_WORDS or fold(text) in WEAK_WORDS:
        return False
    before = sentence[max(0, word.start() - 8) : word.start()].rstrip(" ")
    return bool(before) and before[-1] not in _AFTER_OPENING + ".!?…"


class FactBase:
    """The numbers, identifiers and words that documents and question hold, to check drafts against."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._units: dict[float, set[str | None]] = {}
        self._named: set[str | None] = set()
        self._codes: set[str] = set()
        self._words: set[str] = set()
        for text in texts:
            self._add(text)

    def _add(self, text: str) -> None:
        for number in numbers(_SPACED.sub(r"\1", text)) + numbers(text):
            self._named.add(_family(number.unit))
            for value in number.values:
                self._units.setdefault(_rounded(value), set()).add(number.unit)
        for match in _ISO.finditer(text):
            self._words.add(_MONTHS[(int(match[2]) - 1) % 12])
        self._codes |= codes(text)
        self._words.update(piece for word in _NAME.findall(text) for piece in _spellings(word))

    def holds_number(self, number: Number) -> bool:
        """Whether the number is there with the same unit; or with none, if the texts name that unit nowhere.

        A time also counts where it stands as a bare number, for its unit may stand further off ("5, 7 or 10 days").
        """
        found = {unit for value in number.values for unit in self._units.get(_rounded(value), ())}
        if number.unit in found or (found and number.unit is None):
            return True
        timed = number.unit in ("seconds", "months")
        return self._holds_bare(number) if timed else None in found and _family(number.unit) not in self._named

    def _holds_bare(self, number: Number) -> bool:
        """Whether a time is there as a bare number, whose unit stands too far off to be read."""
        scales = {"seconds": (1, 60, 3600, 86400, 604800), "months": (1, 12)}.get(number.unit or "", ())
        return any(None in self._units.get(_rounded(v / scale), ()) for v in number.values for scale in scales)

    def holds_code(self, code: str) -> bool:
        return code in self._codes

    def holds_name(self, name: str) -> bool:
        """Whether every part of a hyphenated name is a word of the texts, in any form."""
        if name in self._words or stem(name) in self._words:
            return True
        parts = re.split(r"[-'’]", name)
        return len(parts) > 1 and all(p in self._words or stem(p) in self._words or len(p) < 2 for p in parts)


def _spellings(word: str) -> set[str]:
    folded = fold(word)
    pieces = re.split(r"[-']", folded)
    return {folded, stem(folded), *pieces, *(stem(piece) for piece in pieces if piece)}


def _family(unit: str | None) -> str | None:
    """The unit, but one for all money: where prices have a currency, a bare number is no price in any."""
    return "money" if unit in _MONEY.values() else unit


def _rounded(value: float) -> float:
    return round(value, 4)
