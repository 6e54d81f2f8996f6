"""``tiergraph schema``: the JSON schemas of what goes in and what comes out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from tiergraph.commands.console import write_json
from tiergraph.commands.group import BadUse

EXAMPLE = "Example: tiergraph schema --allowed quote,compose"


class What(StrEnum):
    """Which schema to print."""

    proposal = "proposal"
    decision = "decision"
    config = "config"
    record = "record"


def schema(
    what: Annotated[
        What,
        typer.Option(
            help="proposal: what the router model emits. decision: a row of decide. config: router.yaml. "
            "record: what a request leaves in routing."
        ),
    ] = What.proposal,
    allowed: Annotated[
        str | None,
        typer.Option(help="Tiers that a proposal may name, with commas between.", metavar="A,B", show_default=False),
    ] = None,
) -> None:
    """Print a JSON schema (draft 2020-12).

    Without --allowed a proposal may name the tiers of the packaged default.
    """
    if allowed is not None and what is not What.proposal:
        raise BadUse("--allowed goes with --what proposal.")
    write_json(_schema(what, allowed))


def _schema(what: What, allowed: str | None) -> dict[str, Any]:
    from tiergraph.commands import schemas

    match what:
        case What.proposal:
            return schemas.proposal(None if allowed is None else [name.strip() for name in allowed.split(",")])
        case What.decision:
            return schemas.DECISION
        case What.record:
            return schemas.RECORD
        case What.config:
            return schemas.config()
