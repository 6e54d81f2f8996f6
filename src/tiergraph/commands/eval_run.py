"""``tiergraph eval run`` and ``tiergraph eval report``: a suite through a router, and what is made of it."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergraph.commands.console import progress, write_json
from tiergraph.commands.group import FAILED, INTERRUPTED, BadUse
from tiergraph.evaluation.extras import require

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig
    from tiergraph.evaluation import Case, Report, Suite

EXAMPLE = "Example: tiergraph eval run harbor --out results"
REPORT_EXAMPLE = "Example: tiergraph eval report results/harbor.json --html harbor.html"

_MOST_FAILED = 0.05
"""Share of cases that may fail before the exit code says so."""

CACHE = Path(".tiergraph") / "eval"
"""Where observations are kept, below the folder that the command is started in."""


def run(
    suite: Annotated[str, typer.Argument(help="A suite (tiergraph eval list), or a file of rows of your own.")],
    config: Annotated[
        Path | None,
        typer.Option(
            help="A router.yaml; without one, that of this folder, else the packaged default.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for SUITE.json, SUITE.html and plots.", show_default=False)
    ] = None,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Run the whole graph, over recorded drafts where the rows have them.")
    ] = False,
    previous: Annotated[
        Path | None, typer.Option(help="An earlier SUITE.json, to stand beside as a baseline.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many cases, drawn with --seed.", show_default=False)
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Break down by this stratum; repeatable. All by default.", show_default=False),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OWN=KNOWN",
            help="A key or column of your file under its known name; repeatable.",
            show_default=False,
        ),
    ] = None,
    docs: Annotated[
        Path | None, typer.Option(help="Documents to retrieve from, with --cascade.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of public data, $TIERGRAPH_DATA by default.", show_default=False)
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where what was observed is kept, to go on after a stop.")] = CACHE,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep nothing and reuse nothing.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Cases at the same time.", show_default=False)
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of resampling, drawing and learning baselines.")] = 0,
    allow_paid: Annotated[
        bool, typer.Option("--allow-paid", help="Call what is hosted, external or has a price.")
    ] = False,
    show_text: Annotated[
        bool, typer.Option("--show-text", help="Put the requests of the worst misses into the page.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the reports as JSON, without rows.")] = False,
) -> None:
    """Evaluate a router on a suite, or on rows of your own, with baselines and intervals.

    Rows are JSONL, CSV or routing records: an id, a text, and what you know: scores of each tier's answer (outcomes),
    or what is right (expect). A row that cannot be used is named with file and line, and the others go on; the exit
    code is 1 where more rows are left out than used, or more than 5 % of the cases fail. A run that was stopped goes on
    where it stood.
    """
    from tiergraph.evaluation import Report

    if docs is not None and not cascade:
        raise BadUse("--docs is for --cascade: without it nothing is drafted. Fix: add --cascade.")
    if out is not None:
        require("matplotlib")  # before the work, not after it
    earlier = None if previous is None else Report.load(previous)
    loaded, how = read_suites(suite, data, column or ())
    reports = []
    for each in loaded:
        cases = each if limit is None else each.sample(limit, seed=seed)
        kept = earlier if earlier is not None and earlier.suite["digest"] == cases.digest else None
        if earlier is not None and kept is None and len(loaded) == 1:
            raise BadUse(
                f"{previous}: a report of other cases. Fix: evaluate the same suite with both, or leave it out."
            )
        options = {"previous": kept, "workers": workers, "resamples": resamples, "seed": seed, "by": by or None}
        try:
            report = evaluate_suite(
                cases,
                how,
                config=config,
                cascade=cascade,
                docs=docs,
                allow_paid=allow_paid,
                cache=None if no_cache else cache,
                **options,
            )
        except KeyboardInterrupt:
            said = "nothing was kept" if no_cache else "the same command goes on where it stood"
            typer.echo(f"Stopped in {each.name}: {said}.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        reports.append(report)
        if out is not None:
            _write(report, out, _texts(report, cases) if show_text else None)
        if not json:
            _show(report, last=each is loaded[-1])
    if json:
        found = [report.as_json(rows=False) for report in reports]
        write_json(found if len(found) > 1 else found[0])
    if any(_spoilt(report) for report in reports):
        raise typer.Exit(FAILED)


def _spoilt(report: Report) -> bool:
    """Whether so much is missing that the figures are of something else: said on stderr."""
    rows, left_out = len(report.rows), len(report.problems)
    failed = Counter(row.observation.error for row in report.rows if row.observation.outcome == "error")
    if left_out > rows:
        typer.echo(f"{report.suite['name']}: {left_out:,} of {rows + left_out:,} rows were left out.", err=True)
    if sum(failed.values()) > _MOST_FAILED * rows:
        codes = ", ".join(f"{code} ({count:,})" for code, count in failed.most_common(3))
        typer.echo(f"{report.suite['name']}: {sum(failed.values()):,} of {rows:,} cases failed: {codes}.", err=True)
    return left_out > rows or sum(failed.values()) > _MOST_FAILED * rows


def report(
    file: Annotated[Path, typer.Argument(help="A SUITE.json of tiergraph eval run.")],
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page.", show_default=False)] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Write each plot as PNG to this folder.", show_default=False)
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Print the figures of each value of this stratum.", show_default=False)
    ] = None,
    published: Annotated[
        Path | None,
        typer.Option(help="Write it again without what happened to each case.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON, without rows.")] = False,
) -> None:
    """Show a report again, as tables, a page or pictures."""
    from tiergraph.evaluation import Report

    found = Report.load(file)
    if html is not None:
        typer.echo(f"wrote {found.write_html(html)}", err=True)
    if plots is not None:
        for path in found.write_plots(plots):
            typer.echo(f"wrote {path}", err=True)
    if published is not None:
        typer.echo(f"wrote {found.save(published, rows=False)}", err=True)
    if json:
        write_json(found.as_json(rows=False))
    elif by is not None:
        typer.echo(found.table(by=by).iloc[:, :1].to_string())
    else:
        _show(found, last=True)


def evaluate_suite(
    suite: Suite,
    how: str,
    *,
    config: Path | None,
    cascade: bool = False,
    docs: Path | None = None,
    allow_paid: bool = False,
    cache: Path | None = CACHE,
    **options: Any,
) -> Report:
    """One suite as the command line evaluates it, with its bar.

    ``how``: ``decider``, ``graph``, ``judge`` or ``records``; the others as of the options of `run`, ``options`` as of
    `tiergraph.evaluation.evaluate`.
    """
    from tiergraph.commands.loading import read_config_here, read_retriever
    from tiergraph.evaluation import evaluate as evaluated

    def evaluate(subject: Any, suite: Suite, **more: Any) -> Report:
        with progress(suite.name, len(suite)) as advance:
            return evaluated(subject, suite, cache=cache, progress=_ticking(advance), **options, **more)

    if how == "records":
        settings = None if config is None else read_config_here(config)
        return evaluate(None, suite, config=settings)
    settings = _harbor_config() if suite.name == "harbor" and config is None else read_config_here(config)
    if how == "judge":
        judge, threshold = _judge(settings, allow_paid)
        return evaluate(judge, suite, threshold=threshold)
    if how == "graph" or cascade:
        retriever = None if docs is None else read_retriever(docs, k=settings.retrieval.k)
        if suite.name == "harbor" and docs is None:
            retriever = importlib.import_module("tiergraph.graphs.harbor_support").harbor_retriever()
        return evaluate(settings, suite, cascade=True, retriever=retriever, allow_paid=allow_paid)
    return evaluate(settings, suite, allow_paid=allow_paid)


def read_suites(name: str, data: Path | None, columns: Sequence[str] = ()) -> tuple[list[Suite], str]:
    """The suites of a name or a file, and how they are evaluated. ``columns``: ``OWN=KNOWN`` names of a file."""
    from tiergraph.evaluation.reading import read_any
    from tiergraph.suites import find, load_suite, names

    if name in names():
        return load_suite(name, data), find(name).subject
    path = Path(name)
    if path.exists() or path.suffix or len(path.parts) > 1:
        own = read_any(path, **({"columns": _renamed(columns)} if columns else {}))
        past = [case for case in own if case.record is not None and not case.text and not case.messages]
        if len(past) == len(own):
            typer.echo("evaluating what the records say; give rows with a text to route them again", err=True)
            return [own], "records"
        own = _without(own, past)
        return [own], "judge" if all(case.draft is not None for case in own) else "decider"
    find(name)  # which says what suites there are
    raise AssertionError(name)


def _without(suite: Suite, past: Sequence[Case]) -> Suite:
    """The cases that can be routed; those of which only the record is known become problems."""
    from tiergraph.evaluation import Problem

    if not past:
        return suite
    typer.echo(f"routing the rows with a text; {len(past)} with only a record left out", err=True)
    gone = {case.id for case in past}
    message = "There is a record and no text to route. Fix: add the text, or evaluate records in a file of their own."
    left_out = (Problem(file=case.file, line=case.line, id=case.id, code="no_text", message=message) for case in past)
    problems = sorted((*suite.problems, *left_out), key=lambda problem: problem.line or 0)
    return replace(suite, cases=tuple(case for case in suite if case.id not in gone), problems=tuple(problems))


def _renamed(given: Sequence[str]) -> dict[str, str | None]:
    """``OWN=KNOWN`` pairs; ``OWN=`` leaves the key out."""
    for each in given:
        if not each.partition("=")[0] or "=" not in each:
            raise BadUse(
                f"--column {each!r} is no OWN=KNOWN. Fix: as in --column prompt=text, or --column junk= to skip."
            )
    return {own: known or None for own, _, known in (each.partition("=") for each in given)}


def _harbor_config() -> RouterConfig:
    harbor: Any = importlib.import_module("tiergraph.graphs.harbor_support")
    settings: RouterConfig = harbor.harbor_config()
    return settings


def _judge(settings: RouterConfig, allow_paid: bool) -> tuple[Any, float]:
    """The judge that the configuration names, and the score from which it passes a draft."""
    from tiergraph.evaluation.paid import refuse_paid_helpers
    from tiergraph.judges.loading import load_judges, probe_judges

    if not allow_paid:
        refuse_paid_helpers(settings, "the evaluation")
    judges = load_judges(settings)
    probe_judges(judges[:1])
    return judges[0], settings.cascade.threshold


def _ticking(advance: Any) -> Any:
    """A progress function of `evaluate` that moves a bar of `console.progress`."""
    seen = [0]

    def tell(done: int, total: int) -> None:
        advance(done - seen[0])
        seen[0] = done

    return tell


def _texts(report: Report, suite: Suite) -> Mapping[str, str]:
    worst = {miss["case"] for miss in report.charts.get("worst", ())}
    return {case.id: case.question for case in suite if case.id in worst}


def _write(report: Report, folder: Path, texts: Mapping[str, str] | None) -> None:
    name = report.suite["name"]
    written = [
        report.save(folder / f"{name}.json"),
        report.write_html(folder / f"{name}.html", texts=texts),
        *report.write_plots(folder),
    ]
    for path in written:
        typer.echo(f"wrote {path}", err=True)


def _show(report: Report, *, last: bool) -> None:
    from tiergraph.commands.eval_show import show_report

    show_report(report)
    if not last:
        typer.echo()
