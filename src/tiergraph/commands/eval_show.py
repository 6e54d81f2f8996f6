"""Reports on a terminal, at 80 columns."""

from __future__ import annotations

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

_MOST_NAME = 20
_MOST_LABEL = 34
_MOST_BESIDE = 18
_MOST_PROBLEMS = 5


def show_report(report: Report) -> None:
    """The report for people: who did how well, further figures, what was left out."""
    from tiergraph.evaluation.tables import Money

    money, console = Money.of(report), out()
    suite, subject = report.suite, report.subject
    console.print(f"[bold]{escape(plain(suite['title'] or suite['name']))}[/bold]")
    digest = str(subject.get("config_digest", ""))[:12]
    console.print(f"{suite['cases']:,} cases; {escape(str(subject['name']))}{', config ' + digest if digest else ''}")
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


def _show_across(report: Report, names: list[str], money: Money) -> None:
    from tiergraph.evaluation.tables import cell, is_difference, number, written_unit

    who = dict.fromkeys(each.of for name in names for each in report.select(name) if not is_difference(each.of))
    table = new_table()
    table.add_column("", no_wrap=True)
    for name in names:
        unit = written_unit(next(report.select(name)).unit, money).removeprefix("US ")
        table.add_column(unit if name == "cost_usd" else _HEADS[name], justify="right", no_wrap=True)
    for of in who:
        row = [escape(plain(of if len(of) <= _MOST_NAME else f"{of[: _MOST_NAME - 1]}…"))]
        for name in names:
            figure = next((each for each in report.select(name) if each.of == of), None)
            if figure is None or figure.value is None:
                row.append("-")
            else:
                row.append(cell(figure, money) if name in _WHOLE else number(figure.value, figure.unit, money))
        table.add_row(*row)
    out().print(table)
    unit = written_unit(report.suite["unit"], money)
    notes = [f"score in {unit}" if "quality" in names else "", "at cost: score at what the router's choices cost"]
    out().print("; ".join(note for note in notes[: 2 if "quality_at_cost" in names else 1] if note), style="dim")


def _show_rest(report: Report, names: list[str], money: Money) -> None:
    """The router's other figures, each beside the best of its baselines, since there is no room for all."""
    from tiergraph.evaluation.tables import interval, number, written_unit

    table = new_table("figure", "router", "95 % interval", "n", "best baseline")
    for place, column in enumerate(table.columns):
        column.no_wrap = True
        column.justify = "right" if 0 < place < 4 else "left"
    for name in names:
        figures = {each.of: each for each in report.select(name) if each.value is not None}
        own = figures.get("router")
        if own is None:
            continue
        unit = written_unit(own.unit, money)
        best = _best(figures)
        beside = "" if best is None else f"{number(best.value, best.unit, money)} {best.of}"
        label = f"{name} ({unit})" if unit else name
        table.add_row(
            escape(plain(label if len(label) <= _MOST_LABEL else f"{label[: _MOST_LABEL - 1]}…")),
            number(own.value, own.unit, money),
            interval(own, money),
            f"{own.n:,}",
            escape(plain(beside if len(beside) <= _MOST_BESIDE else f"{beside[: _MOST_BESIDE - 1]}…")),
        )
    out().print(table)


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
