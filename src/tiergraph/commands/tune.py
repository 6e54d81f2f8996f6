"""``tiergraph tune``: rows with outcomes to a head for the ladder and an operating point; labelled rows to a field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergraph.commands.console import err, facts, new_table, out, progress, write_json
from tiergraph.commands.group import BadUse

if TYPE_CHECKING:
    from tiergraph.evaluation.cases import Problem
    from tiergraph.evaluation.intervals import Interval
    from tiergraph.tuning.labels import TunedField
    from tiergraph.tuning.running import Source, Tuned, Work

EXAMPLE = "Example: tiergraph tune --data rows.jsonl --config router.yaml --out tuned.yaml --target quality=0.97"

_SHOWN = 5
"""Rows that were left out and are named."""


def tune(
    data: Annotated[
        Path,
        typer.Option(
            help='JSONL of {"id", "text", "outcomes": {tier: score}}; with --field {"text", FIELD}.', show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="Where the new configuration goes; its head goes beside it.")],
    config: Annotated[
        Path | None,
        typer.Option(help="router.yaml to start from; by default the one of this folder.", show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Operating point: cost=0.4 or quality=0.97 of always the top tier, or share=0.3 of requests to it. "
            "Without one the threshold stays.",
            show_default=False,
        ),
    ] = None,
    field: Annotated[
        str | None, typer.Option(help="Fit a field, such as intent, in place of the ladder.", show_default=False)
    ] = None,
    outside: Annotated[
        str | None, typer.Option(help="With --field: the value of what is none of the others.", show_default=False)
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curve into this PNG.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of folds and intervals.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Fit the router to your own ladder, or to your own intents. Minutes on two cores.

    A head is learned from recorded outcomes, on what the router model says of each row and on its words; where rows are
    few it leans on the generic score. Every figure is of rows that the head had not seen. Needs the eval extra.
    """
    if not data.is_file():
        raise BadUse(f"--data {data}: there is no such file.")
    if output.suffix not in (".yaml", ".yml"):
        raise BadUse(f"--out {output}: name a .yaml file.")
    if plot is not None and plot.suffix.lower() != ".png":
        raise BadUse(f"--plot {plot}: name a .png file.")
    source = _source(config)
    if field is not None:
        if target is not None or plot is not None:
            raise BadUse("--target and --plot are for a ladder. Leave them out, or leave --field out.")
        with _work() as work:
            fitted = _tune_field(data, source, output, field, outside, seed, force, work)
        _named(fitted.problems, "labelled rows")
        write_json(fitted.as_json()) if json else _show_field(fitted)
        return
    if outside is not None:
        raise BadUse("--outside is for --field.")
    with _work() as work:
        tuned, problems = _tune_ladder(data, source, output, target, plot, seed, force, work)
    _named(problems, "rows")
    if json:
        write_json({**tuned.as_json(), "problems": [problem.as_json() for problem in problems]})
    else:
        _show(tuned, plot)


def _source(config: Path | None) -> Source:
    from tiergraph.commands.loading import example_text
    from tiergraph.tuning.running import Source

    here = Path("router.yaml")
    path = here if config is None and here.is_file() else config
    return Source(example_text(), "the packaged router.yaml", Path()) if path is None else Source.of(path)


def _tune_ladder(
    data: Path, source: Source, output: Path, target: str | None, plot: Path | None, seed: int, force: bool, work: Work
) -> tuple[Tuned, Sequence[Problem]]:
    from tiergraph.evaluation.reading import read_jsonl
    from tiergraph.tuning.points import parse_target
    from tiergraph.tuning.running import tune_ladder
    from tiergraph.tuning.writing import check_new

    wanted = None if target is None else parse_target(target)
    if plot is not None:
        check_new([plot], force=force)
    suite = read_jsonl(data, tiers=source.parsed().ladder)
    tuned = tune_ladder(suite, source, output, target=wanted, seed=seed, force=force, work=work)
    if plot is not None:
        from tiergraph.tuning.picture import draw, save

        work.stage("drawing")
        save(draw(tuned.facts, tuned.generic_levels, title=f"{suite.name}: score over cost"), plot)
    return tuned, suite.problems


def _tune_field(
    data: Path, source: Source, output: Path, field: str, outside: str | None, seed: int, force: bool, work: Work
) -> TunedField:
    from tiergraph.tuning.labels import read_labelled, tune_field

    rows = read_labelled(data, field)
    return tune_field(rows, source, output, field=field, outside=outside, seed=seed, force=force, work=work)


@contextmanager
def _work() -> Iterator[Work]:
    """Progress on stderr: a line for what is done, a bar for what takes long; nothing where it is no terminal."""
    from tiergraph.tuning.running import Work

    @contextmanager
    def bar(label: str, total: int) -> Iterator[Callable[[], object]]:
        with progress(label, total) as advance:
            yield advance

    def stage(label: str) -> None:
        if err().is_terminal:
            typer.echo(f"{label} ...", err=True)

    yield Work(stage=stage, bar=bar)


def _named(problems: Sequence[Problem], what: str) -> None:
    """Rows that were left out, on stderr, by file and line."""
    for problem in problems[:_SHOWN]:
        typer.echo(str(problem), err=True)
    if len(problems) > _SHOWN:
        typer.echo(f"... and {len(problems) - _SHOWN} more {what} that were left out.", err=True)


def _show(tuned: Tuned, plot: Path | None) -> None:
    console = out()
    console.print(facts(_heading(tuned)))
    console.print()
    console.print(_tier_table(tuned))
    console.print()
    if tuned.beside:
        console.print(_figure_table(tuned))
        console.print(f"n = {tuned.rows['complete']:,}; in brackets 95 % intervals", style="dim")
    else:
        console.print("No figure: the top tier is no better than the cheapest on these rows.")
    console.print()
    console.print(facts([*_point(tuned), *_written(tuned.config, tuned.head, tuned.digest)]))
    if plot is not None:
        console.print(facts([("plot", str(plot))]))
    for warning in tuned.warnings:
        console.print(facts([("warning", warning)]))


def _heading(tuned: Tuned) -> list[tuple[str, str]]:
    rows = tuned.rows
    parts = [f"{rows['used']:,} used, {rows['complete']:,} with a score of every tier"]
    parts += [f"{rows['unscored']:,} without any"] if rows["unscored"] else []
    parts += [f"{rows['left_out']:,} left out"] if rows["left_out"] else []
    weight = f"{tuned.generic:.2f} of the generic score is in it"
    model = f"fitted on {tuned.model['name']} ({tuned.model['sha256'][:12]}) in {tuned.seconds:.0f} s; {weight}"
    return [("rows", ", ".join(parts)), ("head", model)]


def _tier_table(tuned: Tuned) -> Any:
    priced = tuned.cost_unit.startswith("USD")
    table = new_table("tier", "scored", "mean score", *(("USD per 1,000",) if priced else ()))
    for column in table.columns[1:]:
        column.justify = "right"
    for tier in tuned.tiers:
        cells = [tier["name"], f"{tier['scored']:,}", _with(tier["score"], tier["low"], tier["high"])]
        table.add_row(*cells, *([f"{1000 * tier['usd_per_request']:.3g}"] if priced else []))
    return table


def _figure_table(tuned: Tuned) -> Any:
    table = new_table("score", tuned.measure, "tuned minus it")
    for each in tuned.beside:
        table.add_row(each.name, _interval(each.value), _interval(each.difference, sign=True))
    return table


def _point(tuned: Tuned) -> list[tuple[str, str]]:
    point, top = tuned.point, tuned.tiers[-1]["name"]
    asked = f"for {tuned.target}" if tuned.target is not None else "as configured"
    names = [tier["name"] for tier in tuned.tiers]
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in zip(names, point.shares, strict=True))
    kept = "" if point.quality_kept is None else f", {100 * point.quality_kept:.1f} % of always {top}"
    paid = "" if point.cost_kept is None else f"{100 * point.cost_kept:.0f} % of always {top}"
    lines = [
        ("threshold", f"{point.sufficiency:g}, {asked}: a tier is taken that suffices so surely"),
        ("requests", shares),
        ("score", f"{_interval(tuned.quality)}{kept}"),
        ("cost", f"{paid} ({_cost_note(tuned)})"),
    ]
    if tuned.new_rows is not None:
        new = tuned.new_rows
        said = f"{100 * new['quality_kept']:.1f} % of the score for {100 * new['cost_kept']:.0f} % of the cost"
        lines.append(("on new rows", f"{said}, with the threshold picked on other rows than it is judged on"))
    before = tuned.before
    lines.append(
        (
            "untuned",
            f"the generic score at {before.sufficiency:g}: score {before.quality:.3f}, "
            f"{100 * before.shares[-1]:.0f} % to {top}",
        )
    )
    return lines


def _cost_note(tuned: Tuned) -> str:
    from tiergraph.evaluation.costs import ANSWER_TOKENS

    if not tuned.cost_unit.startswith("USD"):
        return "places on the ladder stand for costs: the tiers have no prices"
    return f"by the tiers' prices, 4 characters a token and {ANSWER_TOKENS} tokens an answer; recorded costs go first"


def _written(config: Path, head: Path, digest: str) -> list[tuple[str, str]]:
    return [("written", f"{config}, and {head.name} with its manifest beside it ({digest[:12]})")]


def _show_field(fitted: TunedField) -> None:
    console = out()
    share = f"{fitted.rows:,} used" + (f", {len(fitted.problems):,} left out" if fitted.problems else "")
    console.print(facts([("rows", share), ("values", f"{len(fitted.values)} of {fitted.field}")]))
    console.print()
    table = new_table("figure", "by", "share of rows")
    for name, cells in fitted.figures.items():
        for number, (by, interval) in enumerate(cells.items()):
            table.add_row("" if number else name, by, _interval(interval))
    console.print(table)
    console.print("each row by a head that was fitted without it; in brackets 95 % intervals", style="dim")
    console.print()
    console.print(facts(_written(fitted.config, fitted.head, fitted.digest)))


def _interval(interval: Interval | None, *, sign: bool = False) -> str:
    if interval is None:
        return ""
    return _with(interval.value, interval.low, interval.high, sign=sign)


def _with(value: float | None, low: float | None, high: float | None, *, sign: bool = False) -> str:
    if value is None:
        return ""
    form = "{:+.3f}" if sign else "{:.3f}"
    ends = "" if low is None or high is None else f" ({form.format(low)} to {form.format(high)})"
    return form.format(value) + ends
