"""``tiergraph bench``: every measured figure, beside its bar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tiergraph.commands.console import new_table, out, progress, write_json
from tiergraph.commands.group import BadUse

EXAMPLE = "Example: tiergraph bench --repeats 500 --json"


def bench(
    gguf: Annotated[
        Path | None, typer.Option(help="Measure this GGUF as router model too.", show_default=False)
    ] = None,
    repeats: Annotated[int, typer.Option(min=10, help="Samples of each figure.")] = 200,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the samples: to see that it runs.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Measure every figure of the README on this machine.

    Decisions, screening, the graph's own time, import time and memory, each beside its bar. Figures of a busy
    machine are worth little; those that are ratios suffer least.
    """
    from tiergraph.bench import STEPS, run_bench

    if gguf is not None and not gguf.is_file():
        raise BadUse(f"--gguf {gguf}: there is no such file.")
    with progress("bench", STEPS) as advance:
        path = None if gguf is None else str(gguf)
        report = run_bench(gguf=path, repeats=repeats, quick=quick, step=lambda what: advance(1, what))
    if json:
        write_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    console = out()
    machine = report["machine"]
    console.print(f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['platform']}")
    samples = f"n = {report['repeats']} for each figure" + (", quick: not to be quoted" if report["quick"] else "")
    console.print(samples, style="dim")
    console.print()
    table = new_table("figure", "value", "unit", "bar", "met")
    table.columns[1].justify = "right"
    for figure in report["figures"]:
        table.add_row(figure["name"], _value(figure["value"]), figure["unit"], _bar(figure["bar"]), _met(figure["met"]))
    console.print(table)
    graph = report["graph_over_bare"]
    console.print()
    console.print(
        f"graph: {graph['graph_us']['median']:,.0f} µs, bare LangGraph of {graph['nodes']} empty nodes: "
        f"{graph['bare_us']['median']:,.0f} µs",
        style="dim",
    )


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _bar(bar: dict[str, Any] | None) -> str:
    if bar is None:
        return ""
    return f"{'<=' if bar['sense'] == 'at_most' else '>='} {bar['value']:g}"


def _met(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "no"
