"""Placeholders for PII: text that may leave the house, and its way back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tiergraph.errors import TiergraphError
from tiergraph.screening.pii import PiiScreen

LITERAL = "LITERAL"
"""Kind of the placeholders that stand for text which looked like a placeholder before anything was redacted."""

# A model that writes markdown escapes "_", "<" and ">", or writes "&lt;". A backslash right before a plain
# placeholder is the user's own, hence two forms instead of one with every part optional.
_NAME = r"(?P<{0}>[A-Za-z]+(?:\\?_[A-Za-z]+)*)\\?_(?P<{1}>\d{{1,6}})"
_TOKEN = re.compile(
    "<" + _NAME.format("name", "number") + r"\\?>"
    r"|(?:\\<|&lt;)" + _NAME.format("escaped_name", "escaped_number") + r"(?:\\>|&gt;)"
)
_ROUNDS = 3


class RedactionError(TiergraphError):
    """Something personal is left in the text after redaction. Treat the text as for on-prem tiers only."""


class _Piece(NamedTuple):
    start: int
    end: int
    kind: str


class Redactor:
    """Replaces what ``pii`` finds by placeholders such as ``<EMAIL_ADDRESS_1>``.

    A vault is a plain dict from placeholder to the text it stands for. Parts of one request share a vault, so one
    value has one placeholder in all of them. Nothing else is kept: a `Redactor` may serve any number of threads, a
    vault one request at a time.
    """

    def __init__(self, pii: PiiScreen) -> None:
        self._pii = pii

    def redact(self, text: str, vault: dict[str, str]) -> str:
        """``text`` with every value replaced; ``vault`` gains the placeholders that are new.

        Values that the vault already has are replaced wherever they stand, also where the screen by itself would
        not see them. Text that looks like a placeholder gets one of its own, so that nobody who writes
        ``<EMAIL_ADDRESS_1>`` is handed somebody's address.

        Raises:
            RedactionError: Something has no known place, such as a number with zero-width characters, or is left over.
        """
        if self._pii.read(text).unplaced:
            raise RedactionError("The text holds something personal whose place is not known.")
        pieces = [_Piece(*match.span(), LITERAL) for match in _TOKEN.finditer(text)]
        text = _replaced(text, [*pieces, *self._pieces(text), *_known(text, vault)], vault)
        for _ in range(_ROUNDS):
            again = [*self._pieces(text), *_known(text, vault)]
            if not again:
                break
            ours = [match.span() for match in _TOKEN.finditer(text)]
            if any(piece.start < end and start < piece.end for piece in again for start, end in ours):
                raise RedactionError("A value reaches into a placeholder.")
            text = _replaced(text, again, vault)
        if self._pii.kinds(text) or _known(text, vault):
            raise RedactionError("The redacted text still holds what the PII screen looks for.")
        return text

    def redact_all(self, texts: Sequence[str], vault: dict[str, str]) -> list[str]:
        """The parts of one request, redacted. A value found in one part is replaced in all of them.

        Raises:
            RedactionError: As `redact`.
        """
        for text in texts:
            self.redact(text, vault)
        return [self.redact(text, vault) for text in texts]

    def restore(self, text: str, vault: Mapping[str, str]) -> str:
        """``text`` with placeholders of the vault, in any case and markdown-escaped or not, put back."""

        def value(match: re.Match[str]) -> str:
            name = match.group("name") or match.group("escaped_name")
            number = match.group("number") or match.group("escaped_number")
            return vault.get(f"<{name.replace(chr(92), '').upper()}_{number}>", match.group())

        return _TOKEN.sub(value, text)

    def _pieces(self, text: str) -> list[_Piece]:
        return [_Piece(span.start, span.end, span.entity) for span in self._pii.find(text)]


def _known(text: str, vault: Mapping[str, str]) -> list[_Piece]:
    """Every place of a value that the vault has."""
    pieces = []
    for placeholder, value in vault.items():
        kind = placeholder[1:-1].rpartition("_")[0]
        if kind == LITERAL:
            continue
        start = text.find(value)
        while start >= 0:
            pieces.append(_Piece(start, start + len(value), kind))
            start = text.find(value, start + 1)
    return pieces


def _replaced(text: str, pieces: list[_Piece], vault: dict[str, str]) -> str:
    """``text`` with the pieces replaced. Pieces that overlap become one, of the longest one's kind."""
    parts, position = [], 0
    by_value = {value: placeholder for placeholder, value in vault.items()}
    for piece in _joined(pieces):
        value = text[piece.start : piece.end]
        placeholder = by_value.get(value)
        if placeholder is None:
            placeholder = by_value[value] = _fresh(piece.kind, vault)
            vault[placeholder] = value
        parts += [text[position : piece.start], placeholder]
        position = piece.end
    return "".join([*parts, text[position:]])


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    joined: list[_Piece] = []
    longest = 0
    for piece in sorted(pieces, key=lambda piece: (piece.start, -piece.end)):
        if joined and piece.start < joined[-1].end:
            last = joined[-1]
            longer = piece.end - piece.start > longest
            joined[-1] = _Piece(last.start, max(last.end, piece.end), piece.kind if longer else last.kind)
            longest = max(longest, piece.end - piece.start)
        else:
            joined.append(piece)
            longest = piece.end - piece.start
    return joined


def _fresh(kind: str, vault: Mapping[str, str]) -> str:
    number = 1 + sum(placeholder.startswith(f"<{kind}_") for placeholder in vault)
    while f"<{kind}_{number}>" in vault:
        number += 1
    return f"<{kind}_{number}>"
