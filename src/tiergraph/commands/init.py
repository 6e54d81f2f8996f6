"""``tiergraph init``: a commented router.yaml to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tiergraph.commands.group import BadUse

EXAMPLE = "Example: tiergraph init my-router.yaml"


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("router.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Write a router.yaml that works as it is, with every key explained."""
    from tiergraph.commands.loading import example_text

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(example_text())
    except FileExistsError:
        raise BadUse(f"{path} is there already. Fix: another name, or --force.") from None
    typer.echo(f"Wrote {path}. Next: tiergraph check {path}")
