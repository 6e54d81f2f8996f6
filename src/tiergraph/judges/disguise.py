"""The readings of a text that tries to look like something else: look-alike letters, gaps, encodings. Pure.

A pattern is searched in each reading, so a trick has to beat all of them. Readings are for matching only.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from tiergraph.screening.folding import keyword_form

MAX_DECODED = 4000
"""Characters that are decoded from one piece of a text."""

_LOOKS = {
    **dict(zip("авеєзиіїјкӏлмнорсѕтуԝхьһԁԛґ", "abeezuiijklлmhopcstywxbhdqr", strict=True)),  # Cyrillic
    **dict(zip("αβεηικνορτυχωγς", "abenikvoptuxwyc", strict=True)),  # Greek
    **dict(zip("ɑɡɩıʟɴʀɪᴀʙᴄᴅᴇɢʜᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡʏᴢ", "agiilnriabcdeghjkmopstuvwyz", strict=True)),  # phonetic letters
}
_SOUNDS = dict(zip("нрвсхугдлбзпифщшчэюяцρημλδσπ", "nrvshugdlbzpifwwceuacrnmldsp", strict=True))
_BY_LOOKS = str.maketrans(_LOOKS)
_BY_SOUND = str.maketrans(_LOOKS | _SOUNDS)
_DIGITS_AS_LETTERS = str.maketrans("013457@$!|", "oieastasil")
_LATIN = re.compile("[a-z]")
_FOREIGN = re.compile("[\u0131\u0250-\u02af\u0370-\u052f\u1d00-\u1d7f\ua730-\ua731]")
_MIXED = re.compile(r"[a-z@$!|]*[013457@$!|]+[a-z@$!|013457]*")
_GLUE = re.compile(r"[_*~]+|(?<=[a-z])[-./](?=[a-z])")
_SPACED = re.compile(r"(?<!\w)\w(?:[ .\-_*·]{1,3}\w(?!\w)){4,}")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :]?){12,}")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_SPACE = re.compile(r"\s+")


def readings(text: str) -> Iterator[str]:
    """Every way to read ``text``, each in small letters with single spaces; the plain one first, none twice."""
    seen = set()
    for reading in _readings(text):
        if reading not in seen:
            seen.add(reading)
            yield reading


def _readings(text: str) -> Iterator[str]:
    yield from _spelled(text)
    for hidden in decoded(text):
        yield from _spelled(hidden)


def _spelled(text: str) -> Iterator[str]:
    plain = keyword_form(text)
    yield plain
    if _disguised(plain):
        yield from _unspelled(plain.translate(_BY_LOOKS), text, _BY_LOOKS)
        yield from _unspelled(plain.translate(_BY_SOUND), text, _BY_SOUND)
    else:
        yield from _unspelled(plain, text, {})


def _unspelled(folded: str, text: str, table: dict[int, Any]) -> Iterator[str]:
    yield folded
    if _GLUE.search(folded):
        yield _SPACE.sub(" ", _GLUE.sub(" ", folded))
    if re.search("[013457@$!|]", folded):
        yield _MIXED.sub(_as_letters, folded)
    if _SPACED.search(raw := _flat(text).translate(table)):
        yield _SPACE.sub(" ", _SPACED.sub(_joined, raw))


def _disguised(text: str) -> bool:
    """Whether look-alikes of Latin letters stand among Latin ones; a text in that other script is not disguised."""
    return not text.isascii() and 0 < len(_FOREIGN.findall(text)) <= len(_LATIN.findall(text))


def decoded(text: str) -> Iterator[str]:
    """What stands in ``text`` in base64, in hexadecimal, as entities, per cent signs or invisible tag characters."""
    for match in _TAGS.finditer(text):
        yield "".join(chr(ord(character) - 0xE0000) for character in match[0][:MAX_DECODED])
    if "&" in text and (unescaped := html.unescape(text)) != text:
        yield unescaped
    if "%" in text and (unquoted := unquote(text, errors="ignore")) != text:
        yield unquoted
    for match in _ENCODED.finditer(text):
        yield from _readable(_base64(match[0][:MAX_DECODED]))
    for match in _HEX.finditer(text):
        yield from _readable(bytes.fromhex(re.sub("[ :]", "", match[0])[:MAX_DECODED]))


def _flat(text: str) -> str:
    """As `keyword_form`, but two or more spaces stay two: between spaced letters they part words."""
    return "  ".join(keyword_form(part) for part in re.split(r"\s{2,}", text))


def _as_letters(match: re.Match[str]) -> str:
    word = match[0]
    return word.translate(_DIGITS_AS_LETTERS) if _LATIN.search(word) else word


def _joined(match: re.Match[str]) -> str:
    """Spaced letters as words, parted by two spaces, or by one where the letters are parted by something else."""
    words = re.split(
        r" {2,}" if re.search(r"\w \w", match[0]) and not re.search(r"\w[-.*_·]\w", match[0]) else " +", match[0]
    )
    return " ".join(re.sub(r"[\W_]", "", word) for word in words)


def _base64(piece: str) -> bytes:
    body = piece.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body[: len(body) // 4 * 4] if len(body) % 4 == 1 else body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return b""


def _readable(data: bytes) -> Iterator[str]:
    """The bytes as text, where they are one: letters and spaces for the most part."""
    text = data.decode("utf-8", "ignore")
    likely = sum(character.isalpha() or character == " " for character in text)
    if len(text) >= 12 and len(text) * 4 >= len(data) * 3 and likely >= 0.8 * len(text):
        yield text
