"""``tiergraph eval router``: what the embedded router is worth, beside what it must reach and cheap baselines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergraph.commands.console import err, json_bytes, new_table, out, write_json
from tiergraph.commands.eval_run import CACHE
from tiergraph.commands.group import FAILED, BadUse

if TYPE_CHECKING:
    from rich.table import Table

    from tiergraph.evaluation.intervals import Interval
    from tiergraph.evaluation.router_measures import Measure
    from tiergraph.evaluation.router_rows import Bar, Measured, Row

EXAMPLE = "Example: tiergraph eval router --only pii --only legal --json"

_WORKERS = 2

_BASELINES = {
    "random": ("random",),
    "length": ("length",),
    "category": ("category mean",),
    "TF-IDF": ("TF-IDF",),
    "generic": ("TF-IDF on the generic gain",),
    "constant": ("best single tier", "most frequent", "base rate"),
    "oracle": ("oracle",),
}
"""Column of the second table to the baselines that stand in it."""


def router(
    data: Annotated[
        Path | None, typer.Option(help="Folder of public data, $TIERGRAPH_DATA by default.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A router.yaml; the packaged default without one.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This measure; repeatable.", show_default=False)
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=100, help="So many rows of each set: a quick look.", show_default=False)
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the JSON to this file too.", show_default=False)
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where what the router said is kept, to go on after a stop.")] = CACHE,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep nothing and reuse nothing.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Texts at the same time.")] = _WORKERS,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of drawing, resampling, folds and fits.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Prove the router model on public data: every figure with interval, bar, verdict and baselines.

    Rows that the model was trained on are left out, and heads are judged on rows that they were not fitted on. A run
    that was stopped goes on where it stood. All of it takes tens of minutes on two cores. The exit code is 1 where a
    measure could not be had, whatever the verdicts are.
    """
    from tiergraph.commands.loading import read_config
    from tiergraph.evaluation.extras import require
    from tiergraph.evaluation.paid import refuse_paid_models
    from tiergraph.evaluation.router_asking import Asking
    from tiergraph.evaluation.router_measures import as_json, check_data, chosen, measured
    from tiergraph.evaluation.router_trial import Trial

    if out_file is not None and not out_file.parent.is_dir():
        raise BadUse(f"--out {out_file}: there is no such folder. Fix: make it first.")
    measures = chosen(only or ())
    settings = read_config(config)
    refuse_paid_models(settings, "the evaluation")
    asking = Asking(config=settings, cache=None if no_cache else cache, workers=workers)
    trial = Trial(asking=asking, data=data, sample=sample, seed=seed, count=resamples)
    _ = asking.model  # which says where it is no GGUF
    check_data(measures, trial)
    require("sklearn")
    with _shown(len(measures)) as (step, tell):
        found = measured(measures, replace(trial, asking=replace(asking, tell=tell)), step=step)
    report = as_json(found, trial)
    if out_file is not None:
        out_file.write_bytes(json_bytes(report, indent=1))
    if json:
        write_json(report)
    else:
        _show(found, sample)
    gone = [each for each in found if each.missing]
    for each in gone:
        typer.echo(f"{each.name}: {each.missing}", err=True)
    if gone:
        raise typer.Exit(FAILED)


@contextmanager
def _shown(measures: int) -> Iterator[Any]:
    """Bars on stderr, of the measures and of the texts of one, with the time that is left; none without a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = err()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        whole, part = bar.add_task("measures", total=measures), bar.add_task("texts", total=None)
        begun = 0

        def step(measure: Measure) -> None:
            nonlocal begun
            bar.update(whole, completed=begun, description=measure.name)
            bar.reset(part, total=None)
            begun += 1

        def tell(done: int, total: int) -> None:
            bar.update(part, completed=done, total=total)

        yield step, tell


def _show(found: list[Measured], sample: int | None) -> None:
    """The figures with their bars, then the baselines, each at 80 columns."""
    console = out()
    if sample is not None:
        console.print(f"{sample:,} rows of each set at most: a quick look, not to be quoted.", style="dim")
    table = new_table("measure", "figure", "95 % interval", "n", "must", "aim", "verdict")
    for column in (1, 3):
        table.columns[column].justify = "right"
    for column in (1, 2, 3, 4, 5):
        table.columns[column].no_wrap = True
    for each in found:
        table.add_row(f"[bold]{each.title}[/bold]")
        for row in each.rows:
            table.add_row(row.name, *_cells(row))
    console.print(table)
    console.print()
    console.print(_compared([row for each in found for row in each.rows if row.baselines]))


def _compared(rows: list[Row]) -> Table:
    """The same figures of the baselines; their intervals are in the JSON."""
    table = new_table("of baselines", *_BASELINES)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for row in rows:
        cells = []
        for names in _BASELINES.values():
            known = [name for name in names if name in row.baselines]
            cells.append(_number(row.baselines[known[0]]) if known else "")
        table.add_row(row.name, *cells)
    return table


def _cells(row: Row) -> tuple[str, ...]:
    n = "-" if row.figure is None else f"{row.figure.n:,}"
    return (_number(row.figure), _interval(row.figure), n, _bar(row.bar, "must"), _bar(row.bar, "aim"), row.verdict)


def _number(figure: Interval | None) -> str:
    return "-" if figure is None else _short(figure.value)


def _interval(figure: Interval | None) -> str:
    if figure is None or figure.low is None or figure.high is None:
        return ""
    return f"{_short(figure.low)} to {_short(figure.high)}"


def _bar(bar: Bar | None, which: str) -> str:
    value = None if bar is None else bar.must if which == "must" else bar.aim
    if bar is None or value is None:
        return ""
    strict = bar.strict and which == "must"
    sign = {"at_least": ">" if strict else ">=", "at_most": "<" if strict else "<="}[bar.sense]
    return f"{sign} {_short(value)}"


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
