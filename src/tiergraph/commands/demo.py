"""``tiergraph demo``: a whole inbox through the graph, with what it came to."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergraph.commands.console import facts, json_bytes, new_table, out, plain, progress, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiergraph.config import RouterConfig
    from tiergraph.demo import Routed

EXAMPLE = "Example: tiergraph demo --limit 25"

_ORDER = ("answered", "human", "refused", "abstained", "unavailable")


def demo(
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many messages, evenly over the inbox.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print summary and messages as JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Also write every message with its answer as JSONL.", show_default=False)
    ] = None,
) -> None:
    """Route a whole support inbox and show what it came to.

    The inbox of Harbor Support, a made-up shop: 249 messages, 68 help articles, four tiers. The two
    lowest tiers quote the help centre and need no language model. The others become real with a running Ollama
    and with OPENAI_API_KEY (and OPENAI_BASE_URL).
    """
    from tiergraph.demo import as_row, spread, summarise, top_costs

    harbor: Any = importlib.import_module("tiergraph.graphs.harbor_support")
    config = harbor.harbor_config()
    rows = spread(harbor.inbox(), limit)
    sink = None if output is None else output.open("wb")
    _announce(config, len(rows))
    routed = _route(harbor, config, rows)
    lines = [as_row(item, cost) for item, cost in zip(routed, top_costs(routed, config), strict=True)]
    if sink is not None:
        with sink:
            sink.writelines(json_bytes(line) for line in lines)
    summary = summarise(routed, config)
    if json:
        write_json({"summary": summary, "messages": lines})
    else:
        _show_messages(lines)
        _show_summary(summary)


def _route(harbor: Any, config: RouterConfig, rows: Sequence[Any]) -> list[Routed]:
    from tiergraph.decider import create_decider
    from tiergraph.demo import route_inbox

    with create_decider(config) as decider, progress("routing", len(rows)) as advance:
        router = harbor.create_harbor(config=config, decider=decider)
        routed = []
        for item in route_inbox(router, rows, harbor.harbor_retriever().search):
            routed.append(item)
            advance()
    return routed


def _announce(config: RouterConfig, messages: int) -> None:
    """Say on stderr what can be reached, and that it may cost money, before it does."""
    from tiergraph.answering import why_unreachable

    typer.echo(f"Harbor Support: {messages} messages. Tiers, cheapest first:", err=True)
    for tier in config.tiers:
        why = why_unreachable(tier)
        price = f"${tier.price.input:g} in, ${tier.price.output:g} out per million tokens"
        paid = bool(tier.price.input or tier.price.output)
        if why is not None:
            state = f"not reachable: {why}"
        elif paid and tier.location == "external":
            state = f"WILL BE CALLED, and is paid for ({price}); --limit keeps it small"
        else:
            state = f"reachable ({price})" if paid else "reachable, free"
        typer.echo(f"  {tier.name:<9} {state}", err=True)


def _show_messages(lines: Sequence[dict[str, Any]]) -> None:
    """One line a message, at 80 columns; costs in US cents, estimated."""
    table = new_table()
    table.padding = (0, 1, 0, 0)
    for header in ("id", "tier", "source", "reason", "hops", "est. ¢", "top ¢", "outcome"):
        right = header in ("hops", "est. ¢", "top ¢")
        table.add_column(
            header,
            justify="right" if right else "left",
            no_wrap=header != "reason",
            overflow="ellipsis",
        )
    for line in lines:
        table.add_row(
            line["id"],
            plain(line["tier"] or "-"),
            line["source"],
            plain(line["reason"].removeprefix("model:")),
            str(len(line["hops"])),
            _cents(line["cost_usd_estimate"]),
            _cents(line["top_cost_usd_estimate"]),
            line["outcome"],
        )
    out().print(table)


def _cents(usd: float) -> str:
    return "0" if usd == 0 else f"{usd * 100:.2f}"


def _show_summary(summary: dict[str, Any]) -> None:
    console = out()
    console.print()
    console.print(_kinds_table(summary["kinds"]))
    console.print()
    console.print(facts(_facts(summary)))
    console.print()
    console.print(_findings_table(summary["findings"]))


def _kinds_table(kinds: dict[str, dict[str, int]]) -> Any:
    shown = [outcome for outcome in _ORDER if any(outcome in counts for counts in kinds.values())]
    table = new_table("kind", "messages", *shown)
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, counts in kinds.items():
        table.add_row(kind, str(sum(counts.values())), *(str(counts.get(outcome, 0) or "") for outcome in shown))
    return table


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    cost, policy, answers = summary["cost"], summary["policy"], summary["answers"]
    total, time = summary["messages"], summary["latency_ms"]
    outcomes = ", ".join(f"{name} {count} ({count / total:.0%})" for name, count in summary["outcomes"].items())
    tiers = ", ".join(f"{name} {count} ({count / total:.0%})" for name, count in summary["tiers"].items())
    right = ", ".join(f"{name} {n['right']}/{n['answered']}" for name, n in answers["by_tier"].items() if n["answered"])
    return [
        ("outcome", outcomes),
        ("tier", f"{tiers}; {summary['escalated']} escalated"),
        (
            "cost",
            f"estimate ${cost['routed_usd']:.4f}; everything to {cost['top_tier']}: "
            f"estimate ${cost['all_to_top_usd']:.4f}",
        ),
        (
            "",
            f"of the {cost['answered']} answered: estimate ${cost['answered_routed_usd']:.4f} "
            f"against estimate ${cost['answered_to_top_usd']:.4f}",
        ),
        (
            "",
            f"(tokens at {cost['chars_per_token']} characters each, at the configured prices; "
            "what people cost is not counted)",
        ),
        (
            "policy",
            f"messages with PII sent outside: {policy['pii_sent_outside']} of {policy['pii_messages']}; "
            f"PII that only the model can see found: {policy['names_only_found']} of {policy['names_only']}",
        ),
        ("", f"legal ones answered below the top: {policy['legal_answered_below_top']} of {policy['legal_messages']}"),
        ("", f"asked for a person and get one: {policy['humans_honoured']} of {policy['humans_asked_for']}"),
        (
            "answers",
            f"of {answers['asked']} easy and medium messages with a known answer, {answers['answered']} answered",
        ),
        (
            "",
            f"{answers['right']} of those answers hold every expected string ({right or 'none'})",
        ),
        ("time", f"{time['median']:g} ms a message (median), {time['max']:g} at most"),
    ]


def _findings_table(findings: dict[str, dict[str, Any]]) -> Any:
    table = new_table("finding", "expected", "found", "precision", "recall", "missed, and found in vain")
    for column in table.columns[1:5]:
        column.justify = "right"
    table.columns[5].overflow = "ellipsis"
    for kind, counts in findings.items():
        shares = ("-" if counts[key] is None else f"{counts[key]:.2f}" for key in ("precision", "recall"))
        astray = [*(f"-{id}" for id in counts["missed"]), *(f"+{id}" for id in counts["extra"])]
        shown = " ".join(astray[:3]) + (f" and {len(astray) - 3} more" if len(astray) > 3 else "")
        table.add_row(kind, str(counts["expected"]), str(counts["found"]), *shares, shown)
    return table
