"""The command line. Each command is a file of `tiergraph.commands`."""

from __future__ import annotations

from typing import Annotated

import typer

from tiergraph.commands import ask, bench, check, decide, demo, evals, init, label, prompts, schema, train, tune
from tiergraph.commands.group import OneLineGroup

app = typer.Typer(
    cls=OneLineGroup,
    name="tiergraph",
    help="Route LLM requests to the cheapest sufficient tier, under policy that holds.",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # a local may hold a request
)
app.command(epilog=demo.EXAMPLE)(demo.demo)
app.command(epilog=decide.EXAMPLE)(decide.decide)
app.command(epilog=ask.EXAMPLE)(ask.ask)
app.command(epilog=init.EXAMPLE)(init.init)
app.command(epilog=check.EXAMPLE)(check.check)
app.command(epilog=schema.EXAMPLE)(schema.schema)
app.add_typer(prompts.prompts, name="prompts")
app.add_typer(evals.evals, name="eval")
app.command(epilog=bench.EXAMPLE)(bench.bench)
app.command(epilog=train.EXAMPLE)(train.train)
app.command(epilog=label.EXAMPLE)(label.label)
app.command(epilog=tune.EXAMPLE)(tune.tune)


@app.callback(invoke_without_command=True, epilog="Example: tiergraph demo --limit 25")
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Route LLM requests to the cheapest sufficient tier, under policy that holds."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("tiergraph"))
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


if __name__ == "__main__":
    app()
