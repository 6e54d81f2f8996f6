"""Numbers in a text: runs of digits, and the cards, phones and IBANs among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

PHONE_REGIONS: tuple[str, ...] = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR", "AU", "ES", "IT", "NL")
"""Regions whose national phone formats are known; numbers with a country code are known from everywhere."""

RUN = re.compile(r"\d(?:[\s().\-–/·]{0,3}\d){5,}")
"""At least six digits with at most three separators between two of them."""

_GROUP = re.compile(r"\d+")
_PHONE_GROUPS = 8


class Place(NamedTuple):
    """A possible match: offsets into the text, the score in [0, 1] that its form earns, and whether it is certain.

    A place that is not certain scores `entities.WEAK_SCORE` at most unless a context word stands near by.
    """

    start: int
    end: int
    score: float
    certain: bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of digits.

    Attributes:
        start, end: Offsets into the text.
        groups: Offsets of its groups of digits, in order.
        digits: How many digits it has.
    """

    start: int
    end: int
    groups: tuple[tuple[int, int], ...]
    digits: int


def runs(text: str) -> list[Run]:
    """Every run of at least six digits, in order."""
    found = []
    for match in RUN.finditer(text):
        groups = tuple(group.span() for group in _GROUP.finditer(text, *match.span()))
        digits = sum(end - start for start, end in groups)
        found.append(Run(start=match.start(), end=match.end(), groups=groups, digits=digits))
    return found


# Cards

_BRANDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|64[4-9]\d|65\d\d|62\d\d|60\d\d|8[12]\d\d)\d{12}(?:\d{3})?"
    r"|35(?:2[89]|[3-8]\d)\d{12}|(?:50|5[6-9]|6\d)\d{10,17}|(?:2131|1800)\d{11}"
)
_SURE_LENGTHS = (14, 15, 16, 19)
_CARD_GROUPS = 6
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _alone(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit touches ``text[start:end]``."""
    return not (start and text[start - 1].isalnum()) and not (end < len(text) and text[end].isalnum())


def luhn(digits: str) -> bool:
    """Whether the checksum of a card number passes. Presidio's own costs ten times as much."""
    odd = sum(map(int, digits[-1::-2]))
    even = sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return (odd + even) % 10 == 0


def cards(text: str, run: Run) -> Iterator[Place]:
    """Card numbers of 12 to 19 digits in a run: up to `_CARD_GROUPS` groups, or the run as a whole.

    Certain: a known brand, the right length, a passing checksum, groups of three or more digits.
    """
    if run.digits < 12:
        return
    if len(run.groups) > _CARD_GROUPS and run.digits <= 19:
        place = _card(text, run.groups)
        if place is not None:
            yield place
        return
    taken = run.start
    for first, (start, _) in enumerate(run.groups):
        if start < taken:
            continue
        place = _card_from(text, run.groups[first : first + _CARD_GROUPS])
        if place is not None:
            taken = place.end
            yield place


def _card_from(text: str, groups: tuple[tuple[int, int], ...]) -> Place | None:
    """The best card that starts with the first group: a certain one, else the shortest."""
    digits, best = 0, None
    for number, (low, high) in enumerate(groups):
        digits += high - low
        if digits > 19:
            break
        place = _card(text, groups[: number + 1]) if digits >= 12 else None
        if place is not None and (best is None or place.certain or place.score > best.score):
            best = place
    return best


def _card(text: str, groups: tuple[tuple[int, int], ...]) -> Place | None:
    start, end = groups[0][0], groups[-1][1]
    digits = "".join(text[low:high] for low, high in groups)
    if not _alone(text, start, end):
        return None
    brand = _BRANDS.fullmatch(digits) is not None
    if luhn(digits) and (brand or digits[0] in "123456"):
        whole = all(high - low >= 3 for low, high in groups[:-1])
        certain = brand and whole and len(digits) in _SURE_LENGTHS and len(set(digits)) > 1
        return Place(start, end, 1.0, certain)
    if brand and len(digits) in (15, 16):
        return Place(start, end, 0.05, False)  # mistyped: counts only where the text calls it a card
    return None


# Phones

_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./ ](?:0?[1-9]|[12]\d|3[01])[-./ ](?:19|20)\d\d(?!\d)"
    r"|(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|[12]\d|3[01])\1\d\d(?!\1?\d)"
)
_NANP = re.compile(r"(?:1[ .-]?)?(?:\([2-9]\d\d\)[ .-]{0,2}|[2-9]\d\d(?:[.-] ?| [.-]))[2-9]\d\d[ .-]{1,2}\d{4}")
_SPACED_NANP = re.compile(r"(?:1 )?[2-9]\d\d ?[2-9]\d\d ?\d{4}")
_NATIONAL = re.compile(r"\(?0\d{1,5}\)?[ ./-]{1,2}\d[\d ./-]*\d|\(\d{2,4}\) ?(?:\d[ ./-]?){5,}\d")
_BEFORE = re.compile(r"[\w#$€£¥@]\Z|\w[.,:/-]\Z|[#$€£¥]\s\Z")
_CONTINUES = re.compile(r"[.,:]\d|(?!x\d)[^\W\d]", re.IGNORECASE)
_EXTENSION = re.compile(r"\s?(?:x|ext\.?|extension|#)\s?\d{1,6}(?!\w)", re.IGNORECASE)
_SCORE = 0.4  # Presidio's for a number that phonenumbers takes for valid


def phones(text: str, run: Run) -> Iterator[Place]:
    """Phone numbers of 7 to 15 digits in a run.

    Certain: a country code, a national format with its trunk zero or parentheses that is valid in one of
    `PHONE_REGIONS`, or the North American grouping. Other groupings count only near a word such as "call".
    """
    if run.digits < 7:
        return
    taken = run.start
    for first, (start, _) in enumerate(run.groups):
        if start < taken:
            continue
        place = _phone_from(text, run, first)
        if place is not None:
            taken = place.end
            yield place


def _phone_from(text: str, run: Run, first: int) -> Place | None:
    start = _with_prefix(text, run.groups[first][0])
    if _BEFORE.search(text, max(0, start - 2), start) or _DATE.match(text, start):
        return None
    ends, digits = [], 0
    for low, high in run.groups[first : first + _PHONE_GROUPS]:
        digits += high - low
        if digits > 15:
            break
        if digits >= 7 and _CONTINUES.match(text, high) is None:
            ends.append(high)
    for end in reversed(ends):
        if _certain_phone(text[start:end]):
            return Place(start, _with_extension(text, end), _SCORE, True)
    if not ends:
        return None
    return Place(start, _with_extension(text, ends[0] if digits > 15 else ends[-1]), 0.1, False)


def _with_prefix(text: str, start: int) -> int:
    """``start`` moved to the left over ``+``, ``(`` or ``+(``."""
    while start and text[start - 1] in "+(＋":
        start -= 1
    return start


def _with_extension(text: str, end: int) -> int:
    match = _EXTENSION.match(text, end)
    return match.end() if match else end


def _certain_phone(written: str) -> bool:
    squeezed = " ".join(written.split())
    if squeezed[0] in "+＋" or squeezed.startswith("(+"):
        return _possible("+" + re.sub(r"\D", "", squeezed))
    if squeezed.startswith("00"):
        return _valid("+" + re.sub(r"\D", "", squeezed)[2:], None)
    if _NANP.fullmatch(squeezed):
        return True
    if _SPACED_NANP.fullmatch(squeezed) and " " in squeezed:
        return _valid(squeezed, "US")
    if _NATIONAL.fullmatch(squeezed) and not squeezed.startswith("0.") and _digits(squeezed) <= 12:
        return any(_valid(squeezed, region) for region in PHONE_REGIONS)
    return False


def _digits(written: str) -> int:
    return sum(char.isdigit() for char in written)


def _valid(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, region)))
    except phonenumbers.NumberParseException:
        return False


def _possible(number: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(number, None)))
    except phonenumbers.NumberParseException:
        return False


# IBANs

_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \-.\u00a0]?\n?[A-Za-z0-9]){11,30}")
_IBAN_LENGTHS = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT ST", 26: "IS TR", 27: "FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC",
    }.items()
    for code in codes.split()
}  # fmt: skip


def ibans(text: str, valid: Callable[[str], bool]) -> Iterator[Place]:
    """IBANs in groups or in one piece, any case. ``valid`` judges upper-case text without separators.

    A country's IBANs have one length, so the words that follow one are not taken for further groups.
    """
    position = 0
    while match := _IBAN.search(text, position):
        place = _iban_at(text, *match.span(), valid)
        if place is not None:
            yield place
            position = place.end
        else:
            position = match.start() + 4


def _iban_at(text: str, start: int, end: int, valid: Callable[[str], bool]) -> Place | None:
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return None
    offsets = [number for number in range(start, end) if text[number].isalnum()][:length]
    last = offsets[-1] + 1
    if len(offsets) < length or (last < len(text) and text[last].isalnum()):
        return None
    code = "".join(text[number] for number in offsets).upper()
    if not (_checksum(code) and valid(code)):
        return None
    return Place(start, last, 1.0, True)


def _checksum(code: str) -> bool:
    """ISO 7064: the number modulo 97 is 1. Cheaper than the format, which is looked at next."""
    if not code.isascii():
        return False
    return int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1
