"""Reports on a terminal, at 80 columns."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape

from tiergraph.commands.console import new_table, out, plain

if TYPE_CHECKING:
    from tiergraph.evaluation import Figure, Report
    from tiergraph.evaluation.tables import Money

_ACROSS = ("quality", "cost_usd", "quality_at_cost", "apgr", "area")
"""Figures that the router and every baseline have: columns of the first table."""

_HEADS = {"quality": "score", "cost_usd": "cost", "quality_at_cost": "at cost", "apgr": "APGR (95 %)", "area": "area"}
_WHOLE = ("apgr",)
"""Of these the table has room for the interval."""

_MOST_BESIDE = 18
_LEAST_NAME = 12
_GAP = 2
_MOST_PROBLEMS = 5
_LEAST = 20


def show_report(report: Report) -> None:
    """The report for people: who did how well, further figures, what was left out."""
    from tiergraph.evaluation.tables import Money

    money, console = Money.of(report), out()
    suite, subject = report.suite, report.subject
    console.print(f"[bold]{escape(plain(suite['title'] or suite['name']))}[/bold]")
    digest = str(subject.get("config_digest", ""))[:12]
    left_out = f" of {suite['cases'] + len(report.problems):,} rows" if report.problems else " cases"
    console.print(
        f"{suite['cases']:,}{left_out}; {escape(str(subject['name']))}{', config ' + digest if digest else ''}"
    )
    for note in _notes(report):
        console.print(note, style="dim")
    across = [name for name in _ACROSS if sum(1 for _ in report.select(name)) > 2]
    if across:
        console.print()
        _show_across(report, across, money)
    rest = [
        name for name in dict.fromkeys(each.name for each in report.figures if each.by is None) if name not in across
    ]
    if rest:
        console.print()
        _show_rest(report, rest, money)
    _show_left_out(report)


def _notes(report: Report) -> list[str]:
    """What has to be known before the figures are read."""
    notes = []
    seen = {each.stratum: each for each in report.figures if each.by == "trained_on" and each.name == "apgr"}
    kinds = Counter(row.strata.get("trained_on") for row in report.rows)
    if kinds["yes"]:
        notes.append(
            f"{kinds['yes']:,} cases are rows that the embedded model was trained on: quote the others, "
            f"{'--by trained_on' if seen else 'trained_on=no'}."
        )
    complete = sum(bool(row.outcomes) for row in report.rows)
    if not complete and not any(row.right or row.solved is not None for row in report.rows):
        notes.append("No row says what is right: nothing can be scored.")
    elif 0 < complete < _LEAST:
        notes.append(f"Baselines that rank or learn need at least {_LEAST} scored cases.")
    return notes


def _show_across(report: Report, names: list[str], money: Money) -> None:
    """The router and its baselines, a row each."""
    from tiergraph.evaluation.tables import cell, is_difference, number, written_unit

    heads = [""]
    for name in names:
        unit = written_unit(next(report.select(name)).unit, money).removeprefix("US ")
        heads.append(unit if name == "cost_usd" else _HEADS[name])
    rows = []
    for of in dict.fromkeys(each.of for name in names for each in report.select(name) if not is_difference(each.of)):
        row = [of]
        for name in names:
            figure = next((each for each in report.select(name) if each.of == of), None)
            if figure is None or figure.value is None:
                row.append("-")
            else:
                row.append(cell(figure, money) if name in _WHOLE else number(figure.value, figure.unit, money))
        rows.append(row)
    _print(heads, rows)
    unit = written_unit(report.suite["unit"], money)
    notes = [f"score in {unit}" if "quality" in names else "", "at cost: score at what the router's choices cost"]
    out().print("; ".join(note for note in notes[: 2 if "quality_at_cost" in names else 1] if note), style="dim")


def _show_rest(report: Report, names: list[str], money: Money) -> None:
    """The router's other figures, each beside the best of its baselines, since there is no room for all."""
    from tiergraph.evaluation.tables import interval, number, written_unit

    rows = []
    for name in names:
        figures = {each.of: each for each in report.select(name) if each.value is not None}
        own = figures.get("router")
        if own is None:
            continue
        unit, best = written_unit(own.unit, money), _best(figures)
        beside = "" if best is None else f"{number(best.value, best.unit, money)} {best.of}"
        rows.append(
            [
                f"{name} ({unit})" if unit else name,
                number(own.value, own.unit, money),
                interval(own, money),
                f"{own.n:,}",
                _cut(beside, _MOST_BESIDE),
            ]
        )
    _print(["figure", "router", "95 % interval", "n", "best baseline"], rows, left=(0, 4))


def _print(heads: list[str], rows: list[list[str]], *, left: tuple[int, ...] = (0,)) -> None:
    """A table in which names give way where the terminal is narrow, and numbers never."""
    console = out()
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(1, len(heads))]
    room = max(console.width - sum(widths) - _GAP * len(widths), _LEAST_NAME)
    table = new_table()
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(plain(text)) for text in (_cut(row[0], room), *row[1:])))
    console.print(table)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _best(figures: dict[str, Figure]) -> Figure | None:
    """The best of what is neither the router nor the oracle, nor a difference; ``None`` where nothing is better."""
    from tiergraph.evaluation.tables import is_difference

    others = [each for of, each in figures.items() if of not in ("router", "oracle") and not is_difference(of)]
    directed = [each for each in others if each.better is not None and each.value is not None]
    if not directed:
        return None
    sign = 1 if directed[0].better == "higher" else -1
    return max(directed, key=lambda each: sign * (each.value or 0.0))


def _show_left_out(report: Report) -> None:
    if not report.problems:
        return
    out().print(f"\n{len(report.problems):,} rows were left out:")
    for problem in report.problems[:_MOST_PROBLEMS]:
        out().print(f"  {escape(plain(str(problem)))}")
    if len(report.problems) > _MOST_PROBLEMS:
        out().print(f"  and {len(report.problems) - _MOST_PROBLEMS:,} more; --json and the page list them all.")
