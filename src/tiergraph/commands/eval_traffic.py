"""``tiergraph eval shadow`` and ``tiergraph eval simulate``: what a change would do to your own traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergraph.commands.console import plain, write_json
from tiergraph.commands.eval_run import evaluate_suite, read_suites
from tiergraph.commands.group import BadUse
from tiergraph.commands.pairs import named_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

SHADOW_EXAMPLE = "Example: tiergraph eval shadow rows.jsonl --live router.yaml --candidate next.yaml"
SIMULATE_EXAMPLE = "Example: tiergraph eval simulate --log records.jsonl --requests-per-day 20000"


def shadow(
    suite: Annotated[
        str | None, typer.Argument(help="A suite, or a file of rows of your own.", show_default=False)
    ] = None,
    live: Annotated[Path | None, typer.Option(help="The router.yaml that serves.", show_default=False)] = None,
    candidate: Annotated[Path | None, typer.Option(help="The router.yaml that might.", show_default=False)] = None,
    log: Annotated[
        Path | None, typer.Option(help="In place of both: what a Shadow wrote in production.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many cases, drawn with --seed.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of public data, $TIERGRAPH_DATA by default.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of resampling and drawing.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Run a candidate configuration beside the live one on the same requests, and pair what they do.

    Only decisions are made: the candidate serves nobody and no tier is asked. In production
    tiergraph.evaluation.Shadow does the same beside a router, and --log reads what it wrote.
    """
    if log is not None:
        if suite or live:
            raise BadUse("--log stands alone. Fix: leave out SUITE and --live.")
        _show_log(log, candidate, seed, json)
        return
    if suite is None or live is None or candidate is None:
        raise BadUse("Fix: tiergraph eval shadow SUITE --live router.yaml --candidate next.yaml, or --log shadow.jsonl")
    from tiergraph.evaluation import compare

    loaded, how = read_suites(suite, data)
    if how not in ("decider", "graph"):
        raise BadUse(f"{suite!r} has no requests to route. Fix: give rows with a text.")
    cases = loaded[0] if limit is None else loaded[0].sample(limit, seed=seed)
    reports = [evaluate_suite(cases, "decider", config=config, seed=seed) for config in (live, candidate)]
    found = compare(*reports, seed=seed)
    if json:
        write_json(found.as_json())
    else:
        _say(found.sentences())


def simulate(
    requests_per_day: Annotated[float, typer.Option(help="How many requests a day come.")],
    report: Annotated[
        Path | None, typer.Option(help="What the shares and scores rest on: a SUITE.json.", show_default=False)
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Or routing records, JSONL.", show_default=False)] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="TIER=SHARE", help="Or the shares themselves; repeatable.", show_default=False),
    ] = None,
    measured_on: Annotated[
        int | None, typer.Option(min=1, help="Requests that --share was measured on.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Prices: a router.yaml. With --report those of its suite.", show_default=False)
    ] = None,
    input_tokens: Annotated[float, typer.Option(help="Tokens of one prompt.")] = 800,
    output_tokens: Annotated[float, typer.Option(help="Tokens of one answer.")] = 300,
    days: Annotated[float, typer.Option(help="Length of the period.")] = 30,
    seed: Annotated[int, typer.Option(help="Of resampling.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the simulation as JSON.")] = False,
) -> None:
    """Say what your traffic would cost, as routed and always at one tier, with the uncertainty of the evidence."""
    from tiergraph.commands.loading import read_config_here
    from tiergraph.evaluation import Report
    from tiergraph.evaluation import simulate as simulated
    from tiergraph.tiers import Price

    loaded = None if report is None else Report.load(report)
    if loaded is not None and config is None:
        prices = {tier["name"]: Price(**tier["price"]) for tier in loaded.suite["tiers"]}
    else:
        prices = {tier.name: tier.price for tier in read_config_here(config).tiers}
    if not any(price.input or price.output for price in prices.values()):
        raise BadUse(
            "The tiers have no prices, so that there is nothing to compute. Fix: give them `price:` and --config."
        )
    found = simulated(
        report=loaded,
        log=log,
        shares=None if share is None else named_numbers(share, "--share", "TIER=SHARE", "quote=60%", _share),
        n=measured_on,
        prices=prices,
        requests_per_day=requests_per_day,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        days=days,
        seed=seed,
    )
    if json:
        write_json(found.as_json())
    else:
        _say(found.sentences())


def _show_log(log: Path, candidate: Path | None, seed: int, json: bool) -> None:
    from tiergraph.commands.loading import read_config
    from tiergraph.evaluation.shadow_log import shadow_report

    found = shadow_report(log, prices=None if candidate is None else read_config(candidate), seed=seed)
    if json:
        write_json(found.as_json())
    else:
        _say(found.sentences())


def _share(text: str) -> float:
    """A share as a number or in per cent."""
    return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(plain(line))
