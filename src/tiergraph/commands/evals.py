"""``tiergraph eval``: suites, runs, gates, shadows and costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tiergraph.commands import eval_gate, eval_router, eval_run, eval_traffic
from tiergraph.commands.console import new_table, out, write_json
from tiergraph.commands.group import BadUse

EXAMPLE = "Example: tiergraph eval run harbor"

evals = typer.Typer(help="Evaluate routers, with baselines and intervals.", rich_markup_mode="rich")
evals.command(epilog=eval_run.EXAMPLE)(eval_run.run)
evals.command(epilog=eval_run.REPORT_EXAMPLE)(eval_run.report)
evals.command(epilog=eval_gate.EXAMPLE)(eval_gate.gate)
evals.command(epilog=eval_gate.COMPARE_EXAMPLE)(eval_gate.compare)
evals.command(epilog=eval_traffic.SHADOW_EXAMPLE)(eval_traffic.shadow)
evals.command(epilog=eval_traffic.SIMULATE_EXAMPLE)(eval_traffic.simulate)
evals.command(epilog=eval_router.EXAMPLE)(eval_router.router)


@evals.callback(invoke_without_command=True, epilog=EXAMPLE)
def main(context: typer.Context) -> None:
    """Evaluate routers on suites or on rows of your own.

    Every figure has its interval, and stands beside random, length, category mean, TF-IDF, the best single tier and an
    oracle.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@evals.command("list", epilog="Example: tiergraph eval list")
def list_(
    data: Annotated[
        Path | None, typer.Option(help="Folder of public data, $TIERGRAPH_DATA by default.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the suites, and say of each whether its data is there and how to get it."""
    from tiergraph.suites import data_folder, missing_files, suites

    folder = data_folder(data)
    rows = [
        {
            "name": info.name,
            "title": info.title,
            "needs": list(info.needs),
            "missing": missing_files(info, folder),
            "source": info.source,
            "licence": info.licence,
            "how": info.how,
        }
        for info in suites()
    ]
    if json:
        write_json(rows)
        return
    table = new_table("suite", "data", "what it measures")
    table.columns[0].no_wrap = True
    table.columns[1].no_wrap = True
    for row in rows:
        state = "none needed" if not row["needs"] else "missing" if row["missing"] else "there"
        table.add_row(str(row["name"]), state, str(row["title"]))
    out().print(table)


@evals.command("import", epilog="Example: tiergraph eval import routellm ../RouteLLM --data data")
def import_(
    source: Annotated[str, typer.Argument(help="What is imported: routellm.")],
    path: Annotated[Path, typer.Argument(help="Your own clone of its repository.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder to write to, $TIERGRAPH_DATA by default.", show_default=False)
    ] = None,
) -> None:
    """Read a public repository of which you have a clone into the layout that the suites read."""
    from tiergraph.suites import data_folder
    from tiergraph.suites.routellm_import import import_routellm

    if source != "routellm":
        raise BadUse(f"{source!r} cannot be imported. Fix: tiergraph eval import routellm PATH")
    folder = data_folder(data)
    if folder is None:
        raise BadUse("There is no folder to write to. Fix: --data FOLDER, or set TIERGRAPH_DATA.")
    for file in import_routellm(path, folder, say=lambda line: typer.echo(line, err=True)):
        typer.echo(str(file))
