"""``tiergraph decide``: screen and propose, without drafting."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from tiergraph.commands.console import facts, json_bytes, listed, out, progress, write_bytes, write_json
from tiergraph.commands.group import FAILED, BadUse
from tiergraph.commands.loading import loaded_decider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiergraph.decider import Decider

EXAMPLE = "Example: tiergraph decide 'How do I reset my password?' --json"


def decide(
    text: Annotated[str | None, typer.Argument(help="The request.", show_default=False)] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A router.yaml; without one, that of this folder, else the packaged default.", show_default=False
        ),
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option(
            help='Rows {"id", "text" or "messages", "documents", "metadata", "attachments"}; - reads stdin.',
            metavar="FILE|-",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the decision as JSON.")] = False,
) -> None:
    """Say which tier a request goes to, and why.

    Nothing is drafted and no tier is asked. With --jsonl one decision a row is written to stdout, in order and as
    soon as it is there; a bad row becomes an error row, and the exit code is then 1.
    """
    if (text is None) == (jsonl is None):
        raise BadUse("Give either TEXT or --jsonl, and not both.")
    from tiergraph.commands.loading import read_config_here

    settings = read_config_here(config)
    if text is not None:
        _decide_text(settings, text, as_json=json)
    else:
        assert jsonl is not None
        _decide_rows(settings, jsonl)


def _decide_text(settings: Any, text: str, *, as_json: bool) -> None:
    from tiergraph.records import decision_json
    from tiergraph.request import parse_request

    parse_request(text)  # a mistake in it shows before the model loads
    with loaded_decider(settings) as decider:
        row = decision_json(decider.decide(text))
    if as_json:
        write_json(row)
    else:
        _show(row)


def _show(row: dict[str, Any]) -> None:
    """A decision for people, at 80 columns."""
    out().print(facts(_facts(row)))


def _facts(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    confidence = "" if row["confidence"] is None else f", confidence {row['confidence']:.2f}"
    yield "tier", row["tier"] or f"none: {row['outcome']}"
    yield "source", f"{row['source']}{confidence}"
    if len(row["consulted"]) > 1:
        yield "asked", listed(f"{asked['proposer']} {asked['code']}" for asked in row["consulted"])
    yield "reasons", listed(row["reasons"])
    yield "allowed", listed(row["allowed"])
    if row["tier_probabilities"]:
        yield "probabilities", listed(f"{name} {p:.2f}" for name, p in row["tier_probabilities"].items())
    if row["score"] is not None:
        yield "score", f"{row['score']:.2f} that the cheapest tier is not enough"
    yield "findings", listed(f"{f['kind']} ({f['rule']}) in {f['where']}" for f in row["findings"])
    if row["proposal"]:
        labels = (f"{key} {str(value).lower()}" for key, value in row["proposal"].items() if key != "tier")
        yield "proposal", listed(labels)
    yield "time", f"{row['latency_ms']:.1f} ms"


def _decide_rows(settings: Any, source: str) -> None:
    with _opened(source) as stream, loaded_decider(settings) as decider:
        bad = _write_rows(decider, stream)
    if bad:
        raise typer.Exit(FAILED)


def _opened(source: str) -> AbstractContextManager[IO[bytes]]:
    if source == "-":
        return nullcontext(typer.get_binary_stream("stdin"))
    return Path(source).open("rb")


def _write_rows(decider: Decider, stream: IO[bytes]) -> int:
    """Write every row as it is decided; gives how many were bad."""
    from tiergraph.rows import decide_rows, read_rows

    bad = 0
    # Rows on a terminal are their own progress; a bar would be torn apart by them.
    with progress("rows", None, hidden=out().is_terminal) as advance:
        for row in decide_rows(decider, read_rows(stream)):
            write_bytes(json_bytes(row))
            bad += "error" in row
            advance()
    if bad:
        typer.echo(f"{bad} bad row{'s' if bad > 1 else ''}: see the rows with an error.", err=True)
    return bad
