"""Flat tables to rows: columns such as ``outcome.mini`` or ``expect.pii`` become the nested keys of a row.

Failure rule: a table whose columns cannot be read raises; a line of a CSV file that cannot be read becomes a
`BadRow`, and the rest is read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import IO, Any

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import described, nearest, shown
from tiergraph.evaluation.case_rows import EXPECT_KEYS, KEYS
from tiergraph.evaluation.cases import FINDING_KINDS
from tiergraph.rows import MAX_LINE, BadRow, Line

Place = tuple[str, ...]
"""Where a column's values go: keys from the outside in; the empty place is left out."""

_HEADS = {
    "outcome": "outcomes",
    "outcomes": "outcomes",
    "cost": "costs",
    "costs": "costs",
    "draft": "drafts",
    "drafts": "drafts",
    "strata": "strata",
    "metadata": "metadata",
}
_FLATTENED = ("outcome.TIER", "cost.TIER", "draft.TIER", "expect.tier", "strata.NAME")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LISTS = ("attachments", "kinds")
_STRUCTURES = (
    *(*_LISTS, "messages", "documents", "metadata", "outcomes", "costs", "drafts", "expect", "strata"),
    *("record", "routing"),
)
_WHOLE = (("id",), ("group",), ("variant_of",), ("difficulty",))
_FLAGS = ("needs_retrieval", "grounded", "human", *FINDING_KINDS)
_DELIMITERS = ",;\t"
_FEW_LINES = 3
"""A ragged row of no more lines is taken as it stands."""


def places_of(
    columns: Sequence[str], *, renames: Mapping[str, str | None], strata: Collection[str], where: str
) -> list[Place]:
    """Where each column goes.

    Args:
        columns: Names in the table.
        renames: Name in the table to the name that is known; ``None`` leaves the column out.
        strata: Names in the table, or after renaming, of columns that are strata.
        where: The table's name, for errors.

    Raises:
        InputError: A column is unknown, is there twice, or one that is needed or renamed is missing.
    """
    missing = [name for name in (*renames, *strata) if name not in columns and name not in renames.values()]
    if missing:
        raise InputError(f"{where}: no column {missing[0]!r}. Fix: correct its name.", code="unknown_column")
    named = [renames.get(column, column) for column in columns]
    for needed, others in (("id", ("record", "routing")), ("text", ("messages", "record", "routing"))):
        if not {needed, *others} & set(named):
            # The columns are not repeated: in a table without a header they are a row.
            raise InputError(
                f"{where}: no column {needed!r}. Fix: name one so in the first line, "
                f"or say which it is with columns={{'YOUR COLUMN': {needed!r}}}.",
                code=f"no_{needed}",
            )
    places = [
        _place(name, strata=column in strata or name in strata) for column, name in zip(columns, named, strict=True)
    ]
    unknown = [number for number, place in enumerate(places) if place is None]
    if unknown:
        raise InputError(f"{where}: {_unknown(columns, unknown)}", code="unknown_column")
    known = [place for place in places if place]
    if twice := next((place for place in known if known.count(place) > 1), None):
        raise InputError(f"{where}: two columns are {shown('.'.join(twice))}. Fix: leave one out.", code="ambiguous")
    return [place or () for place in places]


def _place(name: str | None, *, strata: bool) -> Place | None:
    """``None`` where there is no such column."""
    if not name or name.startswith("Unnamed: "):  # the index that pandas writes
        return ()
    if strata:
        return ("strata", name)
    if name in KEYS:
        return (name,)
    head, _, rest = name.partition(".")
    if head in _HEADS and rest:
        return (_HEADS[head], rest)
    rest = rest.removeprefix("findings.") if rest != "findings" else rest
    if head == "expect" and rest in FINDING_KINDS:
        return ("expect", "findings", rest)
    return ("expect", rest) if head == "expect" and rest in EXPECT_KEYS else None


def _unknown(columns: Sequence[str], unknown: Sequence[int]) -> str:
    first = columns[unknown[0]]
    near = nearest(first, (*KEYS, *(f"expect.{key}" for key in (*EXPECT_KEYS, *FINDING_KINDS))))
    more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
    write = f"write {near!r}, or " if near else ""
    # In a table without a header the columns are a row.
    known = shown(first).startswith("'")
    name = shown(first) if known else "'ITS NAME'"
    said = name if known else f"{unknown[0] + 1}, {described(first)},"
    return (
        f"unknown column {said}{more}. Fix: {write}give strata=[{name}] to break figures down by it, or "
        f"columns={{{name}: None}} to leave it out. Known: {[*KEYS, *_FLATTENED]}."
    )


def fold(cells: Sequence[Any], places: Sequence[Place]) -> dict[str, Any]:
    """The row of a table's cells; ``None`` and the empty text are not known.

    Raises:
        InputError: A cell cannot be read, or says what another one says too.
    """
    row: dict[str, Any] = {}
    for cell, place in zip(cells, places, strict=True):
        if place and cell is not None and cell != "":
            _set(row, place, _value(cell, place))
    return row


def _set(row: dict[str, Any], place: Place, value: Any) -> None:
    inside: dict[str, Any] = row
    for key in place[:-1]:
        held = inside.get(key, {})
        if not isinstance(held, Mapping):
            raise InputError(f"{key!r} is given twice. Fix: leave one of the columns out.", code="ambiguous")
        inside[key] = dict(held)
        inside = inside[key]
    held = inside.get(place[-1])
    if isinstance(held, Mapping) and isinstance(value, Mapping) and not set(held) & set(value):
        value = {**held, **value}
    elif held is not None:
        raise InputError(
            f"{shown('.'.join(place))} is given twice. Fix: leave one of the columns out.", code="ambiguous"
        )
    inside[place[-1]] = value


def _value(cell: Any, place: Place) -> Any:
    """A cell as the row has it: numbers, truths and JSON where its column holds those."""
    head, last = place[0], place[-1]
    if head == "expect" and last in _FLAGS:
        return _truth(cell)
    if not isinstance(cell, str):
        # A column of whole numbers becomes one of floats where a cell is empty.
        whole = isinstance(cell, float) and cell.is_integer() and place in _WHOLE
        return int(cell) if whole else cell
    if (len(place) == 2 and head in ("outcomes", "costs")) or place == ("score",):
        return _number(cell, truths=head != "costs")
    if place in (("expect", "contains"), ("expect", "must_contain")):
        return _texts(cell)
    if place == ("expect", "findings") or (len(place) == 1 and head in _STRUCTURES):
        return _structure(cell, place)
    return cell


def _truth(cell: Any) -> Any:
    if isinstance(cell, (int, float)):
        return bool(cell) if cell in (0, 1) else cell
    return _TRUTHS.get(cell.strip().casefold(), cell) if isinstance(cell, str) else cell


def _number(cell: str, *, truths: bool) -> Any:
    try:
        return float(cell)
    except ValueError:
        return _TRUTHS.get(cell.strip().casefold(), cell) if truths else cell


def _texts(cell: str) -> Any:
    """A list of texts, or the one text that the cell is."""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return value if isinstance(value, list) and all(isinstance(part, str) for part in value) else cell


def _structure(cell: str, place: Place) -> Any:
    if cell.lstrip().startswith(("{", "[")):
        try:
            return json.loads(cell, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise InputError(f"{'.'.join(place)!r} is not JSON. Fix: write JSON.", code="not_json") from None
    if place == ("documents",):
        return [cell]
    if place[-1] in (*_LISTS, "findings"):
        return [part.strip() for part in cell.split(",") if part.strip()]
    return cell


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def read_csv_lines(
    stream: IO[bytes], *, delimiter: str | None, encoding: str, places: Callable[[Sequence[str]], Sequence[Place]]
) -> Iterator[Line | BadRow]:
    """The rows of a CSV stream, each with the line that it begins on; lines without a value are skipped.

    Args:
        stream: From its start.
        delimiter: One character; ``None``: the one of comma, semicolon and tab that the header has most of.
        encoding: Of the text; bytes that are none make a row bad.
        places: Called once with the header.
    """
    # Cells hold documents: the default of 128 KiB is too little. The limit is the process's, so it only ever grows.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    before = [text.readline().removeprefix("\ufeff")]
    while before[-1].isspace():
        before.append(text.readline())
    table = _Table(chain(before, text), delimiter or max(_DELIMITERS, key=before[-1].count))
    header: Sequence[Place] | None = None
    while True:
        begins = table.line + 1
        cells: list[str] | None
        try:
            cells = table.row()
        except StopIteration:
            return
        except csv.Error:
            if header is None:
                raise InputError("The header is not CSV. Fix: close its quotes.", code="not_csv") from None
            cells = None
        if cells is None or (header is not None and table.swallowed(cells, len(header))):
            assert header is not None
            table.pass_over(len(header))
            yield _no_csv(begins, table.line)
            continue
        if not any(cells):
            continue
        if header is None:
            header = places([name.strip() for name in cells])
        else:
            yield _line(cells, header, begins)


class _Table:
    """The rows of CSV text, and the way back where a quote that is never closed swallowed some of them.

    Attributes:
        line: Of the text, the last one that was read; 1-based.
    """

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        self.line = 0
        self._lines, self._delimiter = lines, delimiter
        self._ahead: deque[str] = deque()
        self._row: list[str] = []
        mark = re.escape(delimiter)
        self._cell = re.compile(rf'(?:"(?:[^"]++|"")*+"?|(?P<bare>[^{mark}\r\n]*))(?:{mark}|[\r\n]*$)')

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._lines)
        self.line += 1
        self._row.append(line)
        return line

    def row(self) -> list[str]:
        """The cells of the next row.

        Raises:
            csv.Error: It is no CSV; all lines up to where that shows are read.
            StopIteration: There is none.
        """
        self._row = []
        return next(csv.reader(self, delimiter=self._delimiter, strict=True))

    def swallowed(self, cells: Sequence[str], columns: int) -> bool:
        """Whether the row is ragged because a later row's quote closed its own: most of its lines are rows."""
        if len(cells) == columns or len(self._row) <= _FEW_LINES:
            return False
        rows = sum(_cells(line, self._delimiter) == columns for line in self._row[1:])
        return 2 * rows >= len(self._row)

    def pass_over(self, columns: int) -> None:
        """After a broken row: back to its first line, and past what belongs to it.

        It ends before the next line that begins a row of as many cells as there are columns.
        """
        self._back(len(self._row) - 1)
        while not self._begins_row(columns):
            try:
                next(self)
            except StopIteration:
                return

    def _back(self, count: int) -> None:
        self._ahead.extendleft(self._row[: -count - 1 : -1])
        self.line -= count

    def _begins_row(self, columns: int) -> bool:
        """Whether the next line does; it is not passed."""
        self._row = []
        line = next(self, "")
        self._back(len(self._row))
        if line.count('"') % 2 == 0:
            return _cells(line, self._delimiter) == columns
        try:
            found = len(self.row())
        except csv.Error:
            found = 0
        whole = sum(part.count('"') for part in self._row) % 2 == 0
        self._back(len(self._row))
        if whole and found:
            return found == columns
        # Broken itself, or with a mark of inches; the end of the cell whose quote was amiss belongs to that cell.
        return not self._ends_cell(line) and columns in (found, _cells(line, self._delimiter))

    def _ends_cell(self, line: str) -> bool:
        """Whether a cell ends with a quote that did not begin with one."""
        bare = (cell["bare"] or "" for cell in self._cell.finditer(line))
        return any(cell.endswith('"') and not cell.startswith('"') for cell in bare)


def _cells(line: str, delimiter: str) -> int:
    """How many cells one line has, for itself."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter)))
    except (csv.Error, StopIteration):
        return 0


def _no_csv(begins: int, ends: int) -> BadRow:
    lines = f" (lines {begins} to {ends})" if ends > begins else ""
    message = f"A cell is not CSV{lines}. Fix: put a quoted cell into quotes whole, and double the quotes in it."
    return BadRow(line=begins, id=None, code="not_csv", message=message)


def _line(cells: Sequence[str], places: Sequence[Place], line: int) -> Line | BadRow:
    id = next((cell for cell, place in zip(cells, places, strict=False) if place == ("id",)), None)

    def bad(code: str, message: str) -> BadRow:
        return BadRow(line=line, id=id if code != "not_utf8" else None, code=code, message=message)

    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        return bad("not_utf8", "The row is not in the file's encoding. Fix: save it as UTF-8, or give encoding=.")
    if len(cells) != len(places):
        message = f"There are {len(cells)} cells for {len(places)} columns. Fix: quote cells that hold delimiters."
        return bad("ragged", message)
    try:
        return Line(line, fold(cells, places))
    except InputError as error:
        return bad(error.code, str(error))


def frame_lines(
    frame: Any, pandas: Any, *, places: Callable[[Sequence[str]], Sequence[Place]]
) -> Iterator[Line | BadRow]:
    """The rows of a pandas table, counted from 1."""
    columns = [str(column) for column in frame.columns]
    if "id" not in columns and frame.index.name == "id":
        return frame_lines(frame.reset_index(), pandas, places=places)
    return _frame_lines(frame, pandas, places(columns))


def _frame_lines(frame: Any, pandas: Any, places: Sequence[Place]) -> Iterator[Line | BadRow]:
    for number, cells in enumerate(frame.to_dict("split")["data"], start=1):
        try:
            yield Line(number, fold([_native(cell, pandas) for cell in cells], places))
        except InputError as error:
            yield BadRow(line=number, id=None, code=error.code, message=str(error))


def _native(cell: Any, pandas: Any) -> Any:
    """A cell without numpy's and pandas' own types; what is missing is ``None``."""
    if isinstance(cell, Mapping):
        return {str(key): _native(value, pandas) for key, value in cell.items()}
    if isinstance(cell, (list, tuple)):
        return [_native(value, pandas) for value in cell]
    if hasattr(cell, "tolist"):  # arrays and numbers of numpy's
        return _native(cell.tolist(), pandas)
    if pandas.api.types.is_scalar(cell):
        if pandas.isna(cell):
            return None
        return cell.isoformat() if hasattr(cell, "isoformat") else cell
    return cell
