"""``tiergraph train``: labelled rows to a router model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tiergraph.commands.console import write_json
from tiergraph.commands.group import BadUse

EXAMPLE = "Example: tiergraph train --rows labelled.jsonl --out my-router/ --minutes 30"


class Kind(StrEnum):
    """What is trained."""

    GGUF = "gguf"
    CLASSIFIER = "classifier"


def train(
    out: Annotated[Path, typer.Option(help="Folder for the model and its manifest.", show_default=False)],
    kind: Annotated[
        Kind,
        typer.Option(help="gguf: a language model. classifier: word features with linear models or boosted trees."),
    ] = Kind.GGUF,
    data: Annotated[
        Path | None, typer.Option(help="For a gguf: folder of public data sets.", show_default=False)
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(help='JSONL of your own rows: {"text"} and any of the labels.', show_default=False),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of training a gguf; some more for the rest.")] = 30,
    taught: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="For a gguf: so many texts whose vectors a sentence encoder gives for it to learn; 0 for none. "
            "By default 60,000 where the teacher extra is installed.",
            show_default=False,
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="For a gguf: folder of checkpoints; the same command goes on from there.", show_default=False
        ),
    ] = None,
    false_positives: Annotated[
        float,
        typer.Option(
            min=0.0001,
            max=0.5,
            help="For a classifier: share of rows without a flag that may raise contains_pii or is_legal.",
        ),
    ] = 0.05,
    licence: Annotated[
        str, typer.Option(help="For a classifier: licence of your rows, for the manifest.")
    ] = "not stated",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is random.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Train a router model, on a GPU where PyTorch has one. Needs the train extra.

    Afterwards router.model in router.yaml names the GGUF, or classifier: and the folder; the manifest has to stay
    beside the model. A classifier takes seconds to minutes and any closed set of intents; it needs --rows.
    """
    if data is None and rows is None:
        raise BadUse("Give --data, --rows or both: there is nothing to train on.")
    if data is not None and not data.is_dir():
        raise BadUse(f"--data {data}: there is no such folder.")
    if rows is not None and not rows.is_file():
        raise BadUse(f"--rows {rows}: there is no such file.")
    if kind is Kind.CLASSIFIER:
        if data is not None or rows is None:
            raise BadUse("A classifier is fitted on your own rows. Give --rows and no --data.")
        manifest = _fit(rows, out, seed, false_positives, licence)
        told = _fitted(manifest, out)
    else:
        manifest = _train(data, rows, out, minutes, seed, taught, work)
        told = f"Wrote {out}. Next: router.model in router.yaml names the GGUF in it."
    if json:
        write_json(manifest)
    else:
        typer.echo(told)


def _train(
    data: Path | None, rows: Path | None, out: Path, minutes: float, seed: int, taught: int | None, work: Path | None
) -> Any:
    from tiergraph.training.router import train_router

    given = " --data DIR" * (data is not None) + " --rows FILE" * (rows is not None)
    given += f" --taught {taught}" * (taught is not None)
    command = f"tiergraph train{given} --minutes {minutes:g} --seed {seed}"  # a path could name a person
    try:
        return train_router(data, out, minutes=minutes, seed=seed, rows=rows, taught=taught, work=work, command=command)
    except FileNotFoundError as error:
        raise BadUse(str(error)) from None


def _fit(rows: Path, out: Path, seed: int, false_positives: float, licence: str) -> dict[str, Any]:
    from tiergraph.training.classical import train_classifier

    command = f"tiergraph train --kind classifier --rows FILE --false-positives {false_positives:g} --seed {seed}"
    return train_classifier(rows, out, seed=seed, false_positives=false_positives, licence=licence, command=command)


def _fitted(manifest: dict[str, Any], out: Path) -> str:
    """What was fitted and how good it is, field by field, and what comes next."""
    lines = []
    for name, entry in manifest["fields"].items():
        figures = entry["figures"]["cross_fitted"]
        line = f"{name}: {entry['figures']['chosen']}; accuracy {figures['accuracy']:.3f} of {figures['n']} rows, "
        lines.append(f"{line}base rate {figures['accuracy_of_base_rate']:.3f}, cross-validated")
    lines += [f"{name}: left out, {why}" for name, why in manifest["left_out"].items()]
    reader = "the classifier" if manifest["reads_flags"] else "the embedded model; the classifier's own only tighten"
    intents = manifest["fields"].get("intent", {}).get("values", [])
    lines.append(f"flags are read by {reader}")
    if not manifest["packaged_intents"]:
        lines.append(f"router.intents has to list intents of yours: [{', '.join(intents)}]")
    return "\n".join([*lines, f"Wrote {out}. Next: `model: classifier:{out}` under `router:` in router.yaml."])
