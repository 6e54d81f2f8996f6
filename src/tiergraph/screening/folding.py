"""Text as the screens read it: without the tricks that hide words and numbers from a pattern."""

from __future__ import annotations

import re
import unicodedata

_QUOTES = dict.fromkeys(map(ord, "‘’‚‛ʼ`´"), "'") | dict.fromkeys(map(ord, "“”„‟«»"), '"')
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
_INVISIBLE_RANGES = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE01EF),
)
_INVISIBLE = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in _INVISIBLE_RANGES) + "]+")
_MARKS = re.compile("[\u0300-\u036f]+")
_HARD_WRAP = re.compile(r"\s+")


def visible(text: str) -> str:
    """``text`` without zero-width characters, in compatibility form (full-width digits become digits).

    Offsets may differ from those of ``text``. Equal to ``text`` for ASCII.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


def keyword_form(text: str) -> str:
    """The form in which keywords are compared: `visible`, case folded, plain quotes and dashes, no accents.

    Runs of white space are one space, so that a phrase is found across a line break.
    """
    if not text.isascii():
        text = visible(text).translate(_QUOTES | _DASHES)
        text = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return _HARD_WRAP.sub(" ", text.casefold())
