"""``tiergraph prompts``: which prompts there are, what they say, and whether they may be released."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergraph.commands.console import listed, new_table, out, write_bytes, write_json
from tiergraph.commands.group import BAD_INPUT, BadUse

if TYPE_CHECKING:
    from tiergraph.prompting import Prompt

EXAMPLE = "Example: tiergraph prompts show tier"

_SHORT = 8  # hex digits of a sha256 in the table

prompts = typer.Typer(help="List, show and check the versioned prompts.", rich_markup_mode="rich")


@prompts.callback(invoke_without_command=True, epilog=EXAMPLE)
def main(context: typer.Context) -> None:
    """List, show and check the versioned prompts.

    The version and sha256 of each prompt in use stand in every record.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@prompts.command("list", epilog="Example: tiergraph prompts list --json")
def list_(json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False) -> None:
    """Print every version of every prompt, its variables and who uses it."""
    from tiergraph.prompt_release import packaged, take_stock

    stock = take_stock(packaged())
    rows = [{**_row(prompt), "released": _key(prompt) in stock.released} for prompt in stock.prompts]
    if json:
        write_json(rows)
        return
    table = new_table("name", "version", "variables", "sha256", "released", "used in")
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        released = "yes" if row["released"] else "no"
        used = row["used_in"] or "-"
        table.add_row(row["name"], row["version"], listed(row["variables"]), row["sha256"][:_SHORT], released, used)
    out().print(table)


@prompts.command(epilog=EXAMPLE)
def show(
    name: Annotated[str, typer.Argument(help="The prompt.")],
    version: Annotated[
        str | None, typer.Option(help="Its version, the one in use by default.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the prompt as JSON.")] = False,
) -> None:
    """Print the text of a prompt as it is; its variables go to stderr."""
    prompt = _find(name, version)
    if json:
        write_json({**_row(prompt), "text": prompt.text})
        return
    typer.echo(f"{_key(prompt)}, sha256 {prompt.sha256}, variables: {listed(sorted(prompt.variables))}", err=True)
    write_bytes(prompt.text.encode() + b"\n")


@prompts.command(epilog="Example: tiergraph prompts check")
def check(
    write_lock: Annotated[
        bool,
        typer.Option("--write-lock", help="Release the prompts in use: add them to released.json, change none in it."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check that every prompt fits the code and that no released one has changed.

    Each problem is one line on stderr with its fix, and the exit code is 2.
    """
    from tiergraph.prompt_release import LOCK, packaged, problems, release, take_stock
    from tiergraph.prompting import PROMPTS

    folder = packaged()
    stock = take_stock(folder)
    found = problems(stock, unreleased=not write_lock, in_use=PROMPTS)
    added = release(stock, Path(str(folder)), in_use=PROMPTS) if write_lock and not found else []
    if json:
        write_json({"valid": not found, "prompts": len(stock.prompts), "problems": found, "released_now": added})
    else:
        for line in found:
            typer.echo(line, err=True)
        if added:
            typer.echo(f"Released in {LOCK}: {listed(added)}")
        if not found:
            typer.echo(f"{len(stock.prompts)} prompts, none with a problem.")
    if found:
        raise typer.Exit(BAD_INPUT)


def _find(name: str, version: str | None) -> Prompt:
    from tiergraph.prompt_release import packaged, take_stock
    from tiergraph.prompting import PROMPTS

    stock = take_stock(packaged())
    there = stock.versions(name)
    wanted = version or PROMPTS.get(name) or (there or ["v1"])[-1]
    prompt = stock.find(name, wanted)
    if prompt is not None:
        return prompt
    if f"{name}/{wanted}" in stock.broken:
        raise BadUse(stock.broken[f"{name}/{wanted}"])
    if there:
        raise BadUse(f"There is no version {wanted!r} of {name!r}. Fix: use one of {there}.")
    names = list(dict.fromkeys(prompt.name for prompt in stock.prompts))
    raise BadUse(f"There is no prompt {name!r}. Fix: use one of {names}.")


def _row(prompt: Prompt) -> dict[str, Any]:
    from tiergraph.prompting import PROMPTS, USES

    used = PROMPTS.get(prompt.name) == prompt.version and prompt.name in USES
    return {
        "name": prompt.name,
        "version": prompt.version,
        "variables": sorted(prompt.variables),
        "sha256": prompt.sha256,
        "used_in": USES[prompt.name].module if used else None,
    }


def _key(prompt: Prompt) -> str:
    return f"{prompt.name}/{prompt.version}"
