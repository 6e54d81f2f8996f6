"""Where output goes: results on stdout, progress and notes on stderr, JSON always as UTF-8."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

_SURROGATE = re.compile("[\ud800-\udfff]")
_PIPE_WIDTH = 80
"""Columns where stdout is no terminal and COLUMNS is not set."""


def out() -> Console:
    """The console of results; without colour where stdout is no terminal."""
    return _console(stderr=False)


def err() -> Console:
    """The console of progress and notes."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, soft_wrap=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """``value`` as one JSON text and a line end, always valid UTF-8: lone surrogates become U+FFFD.

    Raises:
        ValueError: NaN or an infinity, which JSON has not.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    return _SURROGATE.sub("\ufffd", text).encode() + b"\n"


def write_json(value: Any) -> None:
    """A result on stdout, for people and programs: indented."""
    write_bytes(json_bytes(value, indent=1))


def write_bytes(data: bytes) -> None:
    """Bytes on stdout, flushed, so that a reader sees every row when it is there."""
    stream = typer.get_binary_stream("stdout")
    stream.write(data)
    stream.flush()


def plain(text: str) -> str:
    """``text`` for a terminal: control characters, which could steer it, and lone surrogates as U+FFFD."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in text)


def new_table(*headers: str, **options: Any) -> Table:
    """A table without lines, as narrow as its content."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", **options)
    for header in headers:
        table.add_column(header)
    return table


def facts(pairs: Iterable[tuple[str, str]], *, style: str = "") -> Table:
    """Labels with their texts beside them; a long text wraps beside its label."""
    table = new_table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style=style, overflow="fold")
    for label, text in pairs:
        table.add_row(label, escape(plain(text)))
    return table


@contextmanager
def progress(label: str, total: float | None, *, hidden: bool = False, eta: bool = False) -> Iterator[Any]:
    """A progress bar on stderr, and nothing where stderr is no terminal. Gives ``advance(steps, label)``.

    ``eta``: whether it says how long it will still take, in place of how long it took.
    """
    console = err()
    timing = TimeRemainingColumn() if eta else TimeElapsedColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), timing)
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task(label, total=total)

        def advance(steps: int = 1, label: str | None = None) -> None:
            bar.update(task, advance=steps, description=label)

        yield advance


@contextmanager
def stages() -> Iterator[Callable[[str], None] | None]:
    """What is being loaded, in one line on stderr that goes away; gives ``None`` where stderr is no terminal."""
    console = err()
    if not console.is_terminal:
        yield None
        return
    with console.status("loading") as status:
        yield lambda stage: status.update(escape(plain(stage)))


def listed(items: Iterable[str], empty: str = "none") -> str:
    """Items after each other, or a word for none."""
    return ", ".join(items) or empty
