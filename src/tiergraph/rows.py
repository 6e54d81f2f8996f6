"""JSONL rows in and out: one request a line, one decision a line, in input order and constant memory.

Failure rule: a row that cannot be read or routed becomes an error row with its line; the rest goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tiergraph.errors import InputError

if TYPE_CHECKING:
    from tiergraph.decider import Decider

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one line; the rest of a longer one is skipped and the row is bad."""

_BOM = b"\xef\xbb\xbf"
_PARTS = ("documents", "metadata", "attachments")

RowId = str | int | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One request.

    Attributes:
        line: 1-based line in the input.
        id: As given: text or a whole number.
        request: Keyword arguments of `Decider.decide`.
    """

    line: int
    id: RowId
    request: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that cannot be used. ``code`` is short and stable; the message never holds the row's content."""

    line: int
    id: RowId
    code: str
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "error": {"code": self.code, "message": self.message, "line": self.line}}


class Line(NamedTuple):
    """One JSON object with its 1-based line."""

    number: int
    value: dict[str, Any]


def read_rows(stream: IO[bytes]) -> Iterator[Row | BadRow]:
    """The rows of a JSONL stream, one at a time. Blank lines are skipped but counted."""
    for line in read_objects(stream):
        yield line if isinstance(line, BadRow) else _row(line.value, line.number)


def read_objects(stream: IO[bytes]) -> Iterator[Line | BadRow]:
    """The objects of a JSONL stream, whatever their keys, one at a time. Blank lines are skipped but counted."""
    number = 0
    while data := stream.readline(MAX_LINE + 1):
        number += 1
        if len(data) > MAX_LINE:
            _skip_line(stream, data)
            yield BadRow(line=number, id=None, code="too_long", message=f"The line is over {MAX_LINE} bytes.")
            continue
        if number == 1:
            data = data.removeprefix(_BOM)
        if data.strip():
            yield _object(data, number)


def _skip_line(stream: IO[bytes], data: bytes) -> None:
    while data and not data.endswith(b"\n"):
        data = stream.readline(MAX_LINE)


def _object(data: bytes, line: int) -> Line | BadRow:
    def bad(code: str, message: str) -> BadRow:
        return BadRow(line=line, id=None, code=code, message=message)

    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        return bad("not_utf8", "The line is not UTF-8.")
    except (ValueError, RecursionError):
        return bad("not_json", "The line is not JSON.")
    if not isinstance(value, dict):
        return bad("not_an_object", f"The line is a {type(value).__name__}. Fix: write an object.")
    return Line(line, value)


def _row(value: dict[str, Any], line: int) -> Row | BadRow:
    def bad(code: str, message: str, id: RowId = None) -> BadRow:
        return BadRow(line=line, id=id, code=code, message=message)

    id = value.get("id")
    if id is None:
        return bad("no_id", "There is no 'id'. Fix: add one.")
    if not isinstance(id, (str, int)) or isinstance(id, bool):
        return bad("bad_id", f"'id' is a {type(id).__name__}. Fix: write a text or a whole number.")
    asked = [key for key in ("text", "messages") if value.get(key) is not None]
    if len(asked) != 1:
        problem = "There is neither 'text' nor 'messages'." if not asked else "There are both 'text' and 'messages'."
        return bad("no_text" if not asked else "ambiguous", f"{problem} Fix: give one of them.", id)
    if asked == ["text"] and not isinstance(value["text"], str):
        return bad("not_text", f"'text' is a {type(value['text']).__name__}. Fix: write a text.", id)
    request = {key: value[key] for key in (*asked, *_PARTS) if value.get(key) is not None}
    return Row(line=line, id=id, request=request)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def decide_rows(decider: Decider, rows: Iterator[Row | BadRow]) -> Iterator[dict[str, Any]]:
    """A decision or an error for every row, in order. Error rows hold ``error``, the others do not."""
    for row in rows:
        yield row.as_json() if isinstance(row, BadRow) else decide_row(decider, row)


def decide_row(decider: Decider, row: Row) -> dict[str, Any]:
    """One row's decision as JSON, or its error."""
    from tiergraph.records import decision_json

    try:
        decision = decider.decide(**row.request)
    except InputError as error:
        return BadRow(line=row.line, id=row.id, code=error.code, message=str(error)).as_json()
    except Exception as error:
        # One odd row must not end a run of a million; the message could repeat the row, the type cannot.
        return BadRow(line=row.line, id=row.id, code="internal", message=type(error).__name__).as_json()
    return {"id": row.id, **decision_json(decision)}
