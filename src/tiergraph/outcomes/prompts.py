"""Requests of a user's own, with what is known of their answers, from a file or from memory.

Failure rule: as of every suite: a row that cannot be used becomes a `Problem` with its place, and the rest is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import kind_of
from tiergraph.evaluation.case_tables import Place, read_csv_lines
from tiergraph.evaluation.cases import Suite
from tiergraph.evaluation.collecting import suite_of
from tiergraph.evaluation.reading import opened
from tiergraph.rows import Line, read_objects

ASKED = ("id", "text", "messages", "documents", "metadata", "attachments")
"""Keys that make the request; any other key is the user's own, for a scorer of theirs."""

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv")


class Prompts(NamedTuple):
    """Requests as a suite, and by the id of each its row as it was given and its references, where it has any."""

    suite: Suite
    rows: Mapping[str, Mapping[str, Any]]
    references: Mapping[str, tuple[str, ...]]


def read_prompts(source: str | PathLike[str] | Iterable[Mapping[str, Any]]) -> Prompts:
    """The requests of a file, or rows in memory.

    Rows have ``text`` or ``messages``, and may have ``id`` (else the line makes one), ``documents``, ``metadata``,
    ``attachments`` and ``reference``: a text, a number, a truth or a list of them, any of which is right.

    Args:
        source: A path that ends in one of `SUFFIXES`, with ``.gz`` where it is compressed, or rows.

    Raises:
        InputError: There is no such file, or no row of it can be used; names place and fix.
    """
    given: dict[int, Mapping[str, Any]] = {}
    known: dict[int, tuple[str, ...]] = {}

    def shape(line: Line) -> Mapping[Any, Any]:
        if not isinstance(line.value, Mapping):
            raise InputError(f"A row is a {kind_of(line.value)}. Fix: write an object.", code="not_an_object")
        row = dict(line.value)
        asked = {key: value for key, value in row.items() if key in ASKED}
        if asked.get("id") is None:
            asked["id"] = f"line-{line.number}"
        given[line.number] = row
        if references := _references(row.get("reference")):
            known[line.number] = references
        return asked

    suite = _suite(source, shape)
    lines = {case.id: case.line or 0 for case in suite}
    return Prompts(
        suite,
        {id: given[line] for id, line in lines.items()},
        {id: known[line] for id, line in lines.items() if line in known},
    )


def _suite(source: Any, shape: Any) -> Suite:
    if not isinstance(source, (str, PathLike)):
        if isinstance(source, (Mapping, bytes)) or not isinstance(source, Iterable):
            raise InputError(
                f"The prompts are a {kind_of(source)}. Fix: give a path or a list of rows.", code="bad_rows"
            )
        numbered = (Line(number, row) for number, row in enumerate(source, start=1))
        return suite_of(numbered, shape, {}, name="prompts")
    path = Path(source)
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{path}: unknown kind of file. Fix: give one that ends in {known}.", code="bad_rows")
    with opened(path) as stream:
        if kind in (".jsonl", ".ndjson"):
            return suite_of(read_objects(stream), shape, {}, name="prompts", file=path.name)
        delimiter = "\t" if kind == ".tsv" else None
        lines = read_csv_lines(stream, delimiter=delimiter, encoding="utf-8", places=_places)
        return suite_of(lines, shape, {}, name="prompts", file=path.name)


def _places(columns: Sequence[str]) -> list[Place]:
    """Every column under its own name; ``metadata.NAME`` below ``metadata``."""
    return [
        ("metadata", name.removeprefix("metadata.")) if name.startswith("metadata.") else (name,) if name else ()
        for name in columns
    ]


def _references(value: Any) -> tuple[str, ...]:
    """What is right, as texts; empty where that is not known."""
    values = value if isinstance(value, (list, tuple)) else [value]
    found = []
    for each in values:
        if each is None:
            continue
        if not isinstance(each, (str, int, float)):
            raise InputError(
                f"'reference' holds a {kind_of(each)}. Fix: write a text, a number, a truth or a list of them.",
                code="bad_reference",
            )
        found.append(str(each).strip())
    return tuple(text for text in found if text)
