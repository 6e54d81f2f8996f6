"""``tiergraph eval gate`` and ``tiergraph eval compare``: two reports, one question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergraph.commands.console import plain, write_json
from tiergraph.commands.eval_run import evaluate_suite, read_suites
from tiergraph.commands.group import FAILED, BadUse
from tiergraph.commands.pairs import named_numbers

if TYPE_CHECKING:
    from tiergraph.evaluation import Report

EXAMPLE = "Example: tiergraph eval gate --against baseline.json --config router.yaml"
COMPARE_EXAMPLE = "Example: tiergraph eval compare live.json candidate.json"


def gate(
    report: Annotated[
        Path | None, typer.Argument(help="The new report; without one the suite is run again.", show_default=False)
    ] = None,
    against: Annotated[Path, typer.Option(help="The report that it must not fall behind.")] = Path("baseline.json"),
    suite: Annotated[
        str | None,
        typer.Option(help="What to run: a suite or a file, by default that of the baseline.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The router.yaml to run, as of tiergraph eval run.", show_default=False)
    ] = None,
    cascade: Annotated[bool, typer.Option("--cascade", help="As of tiergraph eval run.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder of public data, $TIERGRAPH_DATA by default.", show_default=False)
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Check this figure only; repeatable.", show_default=False)
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=AMOUNT", help="How much worse a figure may be; repeatable.", show_default=False),
    ] = None,
    strata: Annotated[bool, typer.Option("--strata", help="Check the figures of each stratum too.")] = False,
    allow_data_change: Annotated[
        bool, typer.Option("--allow-data-change", help="Compare although the cases differ.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Fail when a figure is surely worse than in the baseline: for CI.

    Where both reports say what happened to each case, figures are compared pair by pair. A policy that held and does
    not hold any more always fails. The exit code is 0 where the gate passes and 1 where it does not.
    """
    from tiergraph.evaluation import Report
    from tiergraph.evaluation import gate as check

    if report is not None and (suite or config or cascade):
        raise BadUse("REPORT is checked as it is. Fix: leave out --suite, --config and --cascade, or REPORT.")
    baseline = Report.load(against)
    new = Report.load(report) if report is not None else _run(baseline, suite, config, cascade, data)
    verdict = check(
        new,
        baseline,
        metrics=metric,
        tolerance=named_numbers(tolerance or (), "--tolerance", "NAME=AMOUNT", "apgr=0.02"),
        strata=strata,
        allow_data_change=allow_data_change,
    )
    if json:
        write_json(verdict.as_json())
    else:
        for line in verdict.lines():
            typer.echo(plain(line))
    if not verdict.passed:
        raise typer.Exit(FAILED)


def compare(
    live: Annotated[Path, typer.Argument(help="A report.")],
    candidate: Annotated[Path, typer.Argument(help="A report of the same cases.")],
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Say what changes from one report to another, case by case, with paired intervals."""
    from tiergraph.evaluation import Report
    from tiergraph.evaluation import compare as paired

    found = paired(Report.load(live), Report.load(candidate))
    if json:
        write_json(found.as_json())
        return
    for line in found.sentences():
        typer.echo(plain(line))


def _run(baseline: Report, name: str | None, config: Path | None, cascade: bool, data: Path | None) -> Report:
    """The baseline's suite through the configuration as it is now, with the baseline's seed and resamples."""
    from tiergraph.suites import names

    wanted = name or baseline.suite["name"]
    if name is None and wanted not in names():
        raise BadUse(f"The baseline is of rows of your own, {wanted!r}. Fix: add --suite FILE to say where they are.")
    loaded, how = read_suites(wanted, data)
    fitting = [suite for suite in loaded if suite.name == baseline.suite["name"]] or loaded
    cases = fitting[0]
    if baseline.suite["cases"] < len(cases):
        drawn = cases.sample(baseline.suite["cases"], seed=baseline.manifest["options"]["seed"])
        cases = drawn if drawn.digest == baseline.suite["digest"] else cases
    options = baseline.manifest["options"]
    return evaluate_suite(
        cases,
        how,
        config=config,
        cascade=cascade or baseline.subject["kind"] == "graph",
        resamples=options["resamples"],
        seed=options["seed"],
    )
