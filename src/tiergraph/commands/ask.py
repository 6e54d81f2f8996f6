"""``tiergraph ask``: the whole graph, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tiergraph.commands.console import out, plain, write_json

EXAMPLE = "Example: tiergraph ask 'How long do refunds take?' --docs help-centre/"


def ask(
    text: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option(
            help="A router.yaml; without one, that of this folder, else the packaged default.", show_default=False
        ),
    ] = None,
    docs: Annotated[
        Path | None,
        typer.Option(
            help='A folder of .md and .txt files, or a JSONL file of {"id", "text"}.',
            metavar="FOLDER|FILE.jsonl",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print answer and record as JSON.")] = False,
) -> None:
    """Answer one question with the whole graph.

    Below the answer stands what it took: tier, outcome and cost.
    """
    from tiergraph.commands.loading import read_config_here, read_retriever
    from tiergraph.request import parse_request

    parse_request(text)  # a mistake in it shows before the model loads
    settings = read_config_here(config)
    retriever = None if docs is None else read_retriever(docs, k=settings.retrieval.k)
    answer, routing = _answer(settings, retriever, text)
    if json:
        write_json({"answer": answer, "routing": routing})
    else:
        console = out()
        console.print(plain(answer), markup=False)
        console.print(plain(_in_short(routing)), markup=False, style="dim")


def _answer(settings: Any, retriever: Any, text: str) -> tuple[str, dict[str, Any]]:
    from langchain_core.messages import HumanMessage

    from tiergraph.commands.loading import loaded_decider
    from tiergraph.graph import create_tier_router

    with loaded_decider(settings) as decider:
        router = create_tier_router(settings, retriever=retriever, decider=decider)
        result = router.invoke({"messages": [HumanMessage(text)]})
    return result["messages"][-1].text, result["routing"]


def _in_short(routing: dict[str, Any]) -> str:
    """Tier, outcome and cost in one line; the reason where nobody answered."""
    parts = [f"tier {routing['tier'] or 'none'}", str(routing["outcome"])]
    if routing["outcome"] != "answered":
        parts.append(f"why: {routing['trouble'] or routing['reason']}")
    estimated = any(hop["tokens_estimated"] and hop["cost_usd"] for hop in routing["hops"])
    parts.append(f"${routing['cost_usd']:.4f}{' (estimate)' if estimated else ''}")
    parts.append(f"{routing['latency_ms']:.0f} ms")
    return " · ".join(parts)
