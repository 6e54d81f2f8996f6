"""Rows of any source, one after the other, to a `Suite`.

Failure rule: a row that cannot be used becomes a `Problem` with its place, and the rest is read; with ``strict`` the
first one raises. A source without any row that can be used raises. No message holds a row's text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import shown
from tiergraph.evaluation.case_rows import build_case, id_of
from tiergraph.evaluation.cases import Case, Problem, Suite
from tiergraph.rows import BadRow, Line
from tiergraph.tiers import Ladder, Tier

Tiers = Ladder | Sequence[Tier] | Sequence[str]
Shape = Callable[[Line], Mapping[Any, Any]]
"""From a line, or whatever stands in its place, to a row that `build_case` reads."""

_FIXES = {
    "not_json": "Fix: write one JSON object a line; a list of them belongs into a .json file.",
    "not_utf8": "Fix: save the file as UTF-8.",
    "too_long": "Fix: shorten the row.",
}


class SuiteOptions(TypedDict, total=False):
    """What every reader takes.

    Keys:
        name: Of the suite; by default the file's, without its suffix.
        title: One line for people.
        tiers: A ladder, tiers or names of tiers, cheapest first: a row that names another tier is left out. Tiers
            become those of the suite.
        strict: Whether the first row that cannot be used raises.
        scale, unit: As of `Suite`. Scores are in [0, 1] whatever they are.
        file: What problems call the source; by default its name; rows in memory have none.
    """

    name: str | None
    title: str
    tiers: Tiers | None
    strict: bool
    scale: float
    unit: str
    file: str | None


def suite_of(
    lines: Iterable[Line | BadRow], shape: Shape, options: SuiteOptions, *, name: str, file: str | None = None
) -> Suite:
    """The suite of all lines.

    Args:
        lines: With numbers that are those of the file's lines, or that count rows.
        shape: From a line to a row.
        options: As `SuiteOptions`.
        name: Of the suite, where the options have none.
        file: For places, where the options have none; ``None`` where there is no file.

    Raises:
        InputError: No row can be used; with ``strict``, one cannot.
    """
    file = options.get("file") or file
    names, tiers = read_tiers(options.get("tiers"))
    found = _Found(file=file, ladder=names, strict=options.get("strict", False))
    for line in lines:
        found.add(line, shape)
    found.check_variants()
    if not found.cases:
        first = f"The first problem: {_placed(found.problems[0])}" if found.problems else "Fix: give one with a row."
        raise InputError(f"{file or name}: no row can be used. {first}", code="no_cases")
    return Suite(
        name=options.get("name") or name,
        cases=tuple(found.cases.values()),
        tiers=tiers,
        title=options.get("title", ""),
        problems=tuple(sorted(found.problems, key=lambda problem: problem.line or 0)),
        scale=options.get("scale", 1.0),
        unit=options.get("unit", Suite.unit),
    )


def _placed(problem: Problem) -> str:
    """Without a file the message itself says which row it is."""
    return problem.message if problem.file is None else str(problem)


class _Found:
    """The cases and problems of one source."""

    def __init__(self, *, file: str | None, ladder: Collection[str], strict: bool) -> None:
        self.cases: dict[str, Case] = {}
        self.problems: list[Problem] = []
        self._file, self._ladder, self._strict = file, ladder, strict

    def add(self, line: Line | BadRow, shape: Shape) -> None:
        if isinstance(line, BadRow):
            fix = f" {_FIXES[line.code]}" if line.code in _FIXES and "Fix:" not in line.message else ""
            self._leave_out(line.line, None if line.id is None else str(line.id), line.code, line.message + fix)
            return
        row: Any = line.value
        try:
            row = shape(line)
            case = build_case(row, ladder=self._ladder, file=self._file, line=line.number)
        except InputError as error:
            self._leave_out(line.number, id_of(row), error.code, str(error))
        except Exception as error:
            # One odd row must not end the reading; its message could repeat the row, its type cannot.
            self._leave_out(line.number, id_of(row), "unreadable", f"The row cannot be read ({type(error).__name__}).")
        else:
            self._keep(case)

    def _keep(self, case: Case) -> None:
        first = self.cases.setdefault(case.id, case)
        if first is not case:
            where = "row" if self._file is None else "line"
            message = f"The id {shown(case.id)} is that of {where} {first.line} too. Fix: give each row its own."
            self._leave_out(case.line, case.id, "duplicate_id", message)

    def check_variants(self) -> None:
        """Leave out variants whose original is not there, until none is left."""
        while gone := [case for case in self.cases.values() if case.variant_of and not self._has_original(case)]:
            for case in gone:
                del self.cases[case.id]
                message = (
                    f"'variant_of' names {shown(case.variant_of)}, which is not there. Fix: add it, or correct it."
                )
                self._leave_out(case.line, case.id, "no_original", message)

    def _has_original(self, case: Case) -> bool:
        return case.variant_of != case.id and case.variant_of in self.cases

    def _leave_out(self, line: int | None, id: str | None, code: str, message: str) -> None:
        message = f"row {line}: {message}" if self._file is None else message
        problem = Problem(file=self._file, line=line, id=id, code=code, message=message)
        if self._strict:
            raise InputError(_placed(problem), code=code)
        self.problems.append(problem)


def read_tiers(given: Tiers | None) -> tuple[tuple[str, ...], tuple[Tier, ...]]:
    """Names of the ladder, and its tiers where those were given and not only their names."""
    if given is None:
        return (), ()
    if isinstance(given, Ladder):
        return given.names, given.tiers
    items = () if isinstance(given, (str, Mapping)) else tuple(given)
    if items and all(isinstance(item, str) for item in items):
        return cast(tuple[str, ...], items), ()
    if not items or not all(isinstance(item, Tier) for item in items):
        raise InputError(
            f"tiers is a {type(given).__name__} without tiers. Fix: give a Ladder, tiers or names of tiers.",
            code="bad_tiers",
        )
    try:
        ladder = Ladder(cast(tuple[Tier, ...], items))
    except ValueError as error:
        raise InputError(f"tiers: {error}.", code="bad_tiers") from None
    return ladder.names, ladder.tiers
