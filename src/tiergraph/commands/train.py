"""``tiergraph train``: labelled rows to a router model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tiergraph.commands.console import write_json
from tiergraph.commands.group import BadUse

EXAMPLE = "Example: tiergraph train --rows labelled.jsonl --out my-router/ --minutes 30"


def train(
    out: Annotated[Path, typer.Option(help="Folder for the GGUF and its manifest.", show_default=False)],
    data: Annotated[Path | None, typer.Option(help="Folder of public data sets.", show_default=False)] = None,
    rows: Annotated[
        Path | None,
        typer.Option(help='JSONL of your own rows: {"text"} and any of the labels.', show_default=False),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of training; some more for the rest.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is random.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Train a router model on the CPU. Needs the train extra.

    Afterwards router.model in router.yaml names the GGUF; its manifest has to stay beside it.
    """
    if data is None and rows is None:
        raise BadUse("Give --data, --rows or both: there is nothing to train on.")
    if data is not None and not data.is_dir():
        raise BadUse(f"--data {data}: there is no such folder.")
    if rows is not None and not rows.is_file():
        raise BadUse(f"--rows {rows}: there is no such file.")
    manifest = _train(data, rows, out, minutes, seed)
    if json:
        write_json(manifest)
    else:
        typer.echo(f"Wrote {out}. Next: router.model in router.yaml names the GGUF in it.")


def _train(data: Path | None, rows: Path | None, out: Path, minutes: float, seed: int) -> Any:
    from tiergraph.training.router import train_router

    given = " --data DIR" * (data is not None) + " --rows FILE" * (rows is not None)
    command = f"tiergraph train{given} --minutes {minutes:g} --seed {seed}"  # a path could name a person
    try:
        return train_router(data, out, minutes=minutes, seed=seed, rows=rows, command=command)
    except FileNotFoundError as error:
        raise BadUse(str(error)) from None
