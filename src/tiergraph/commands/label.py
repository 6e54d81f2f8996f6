"""``tiergraph label``: every tier on a sample of your own requests, scored, as rows for ``tiergraph tune``."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tiergraph.commands.console import err, new_table, out, plain, progress, write_json
from tiergraph.commands.group import FAILED, INTERRUPTED, BadUse

if TYPE_CHECKING:
    from tiergraph.evaluation import Problem
    from tiergraph.outcomes import Estimate, Labelled

EXAMPLE = "Example: tiergraph label --prompts prompts.jsonl --sample 500 --out rows.jsonl"

CACHE = Path(".tiergraph") / "label"
"""Where scores are kept, below the folder that the command is started in."""

_MOST_FAILED = 0.05
"""Share of calls that may fail before the exit code says so."""
_SHOWN = 5
"""Bad rows that are named one by one."""
_QUIET_S = 15.0
"""Seconds between two lines of progress where stderr is no terminal."""

_LEFT_OUT = {
    "bad_row": "could not be read",
    "no_reference": "have no reference",
    "near_duplicate": "are nearly the same as another",
    "human": "go to a person",
    "refused": "are refused",
    "one_tier": "have one tier left by policy: nothing to learn",
    "undecided": "could not be decided",
    "not_drawn": "were not drawn",
}


def label(
    prompts: Annotated[
        Path,
        typer.Option(
            help='Your requests, JSONL or CSV: "text" or "messages", and where known "id", "documents", "reference".',
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="JSONL of rows for tiergraph tune.", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option(
            help="A router.yaml; without one, that of this folder, else the packaged default.", show_default=False
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="So many requests, spread over the router's scores.")] = 500,
    score: Annotated[
        str | None,
        typer.Option(
            metavar="SCORER",
            help="reference, exact, judge, or python:MODULE:FUNCTION. By default reference where every row has one, "
            "else the judge of the configuration.",
            show_default=False,
        ),
    ] = None,
    tier: Annotated[
        list[str] | None, typer.Option(help="Ask this tier; repeatable. All by default.", show_default=False)
    ] = None,
    docs: Annotated[
        Path | None, typer.Option(help="Documents to retrieve from, as of tiergraph ask.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Calls at the same time.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    cache: Annotated[Path, typer.Option(help="Where scores are kept, to go on after a stop.")] = CACHE,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep nothing and reuse nothing.")] = False,
    keep_answers: Annotated[
        bool,
        typer.Option("--keep-answers", help="Keep the answers too, in rows and cache: another scorer is then free."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Make paid and external calls without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Ask every tier about a sample of your own requests, and score what it answers.

    Policy holds: a tier that may not see a request is not asked, and its score is null. What a paid or external call
    will cost is shown and has to be confirmed. A run that was stopped goes on where it stood, and so does one with a
    new tier. A tier that fails leaves a null with its code; the exit code is 1 where more than 5 % of the calls fail,
    or more rows cannot be read than can.
    """
    from tiergraph.commands.loading import read_config_here, read_retriever
    from tiergraph.outcomes import label_rows
    from tiergraph.outcomes.files import check_writable

    settings = read_config_here(config)
    retriever = None if docs is None else read_retriever(docs, k=settings.retrieval.k)
    check_writable(out)  # before the work, not after it
    try:
        with _Progress() as tell:
            found = label_rows(
                prompts,
                settings,
                sample=sample,
                seed=seed,
                scorer=score,
                tiers=tier,
                retriever=retriever,
                cache=None if no_cache else cache,
                keep_answers=keep_answers,
                confirm=_confirming(tell, yes),
                workers=workers,
                progress=tell,
            )
    except KeyboardInterrupt:
        said = "nothing was kept" if no_cache else "the same command goes on where it stood"
        typer.echo(f"Stopped: {said}.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    found.write(out)
    _name_problems(found.problems)
    _name_scorer_failures(found.summary["scorer_failures"])
    following = _next(out, config)
    if json:
        write_json({**found.summary, "out": str(out), "next": following})
    else:
        _show(found, out, following)
    if _spoilt(found):
        raise typer.Exit(FAILED)


class _Progress:
    """A bar on stderr for each stage, with the time that is left; a line now and then where stderr is no terminal."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._live = err().is_terminal
        self._stage, self._done, self._began, self._said = "", 0, 0.0, 0.0
        self._advance: Callable[..., None] = lambda steps=1: None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Take the bar away."""
        self._stack.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._stack.close()
            self._stage, self._done = stage, 0
            self._began = self._said = time.monotonic()
            if self._live:
                self._advance = self._stack.enter_context(progress(stage, total, eta=True))
        if self._live:
            self._advance(done - self._done)
        elif done and time.monotonic() - self._said >= _QUIET_S:
            self._said = time.monotonic()
            left = (self._said - self._began) / done * (total - done)
            typer.echo(f"{stage}: {done:,} of {total:,}, {_duration(left)} left", err=True)
        self._done = done


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _confirming(tell: _Progress, yes: bool) -> Callable[[Estimate], bool]:
    """Shows what will be asked, and asks whether it may unless ``yes`` says so."""

    def confirm(estimate: Estimate) -> bool:
        tell.pause()
        if not yes and not _interactive():
            raise BadUse(
                f"Labelling would make paid or external calls, for about {estimate.cost_usd:.2f} USD: "
                f"{', '.join(_calls(estimate))}. Fix: add --yes to make them, or name free tiers with --tier."
            )
        _show_estimate(estimate)
        if not yes and not typer.confirm("Make these calls?", err=True):
            typer.echo("Nothing was asked.", err=True)
            raise typer.Exit(FAILED)
        return True

    return confirm


def _interactive() -> bool:
    return sys.stdin.isatty()


def _calls(estimate: Estimate) -> list[str]:
    said = [f"{tier.calls:,} of {tier.tier}" for tier in estimate.tiers if tier.paid and tier.calls]
    said += [f"{estimate.verdicts:,} or more of the judge {estimate.judge}"] if estimate.verdicts else []
    return said + ([f"{estimate.searches:,} external searches"] if estimate.searches else [])


def _show_estimate(estimate: Estimate) -> None:
    table = new_table("tier", "calls", "tokens in", "tokens out", "estimated USD")
    for column in table.columns[1:]:
        column.justify = "right"
    for tier in estimate.tiers:
        cost = f"{tier.cost_usd:.4f}" if tier.priced else "no price known" if tier.paid else "free"
        table.add_row(
            escape(plain(tier.tier)), f"{tier.calls:,}", f"{tier.input_tokens:,}", f"{tier.output_tokens:,}", cost
        )
    err().print(table)
    said = f"{estimate.requests:,} requests, {estimate.calls:,} calls, about {estimate.cost_usd:.4f} USD at most."
    notes = [said, "Tokens are estimated: four characters each, answers at budgets.answer_tokens."]
    if estimate.known:
        notes.append(f"{estimate.known:,} answers are known from an earlier run and cost nothing.")
    if estimate.verdicts:
        notes.append(
            f"The judge {estimate.judge} is asked {estimate.verdicts:,} times or more; its price is not known."
        )
    if estimate.searches:
        notes.append(f"The external retriever is asked {estimate.searches:,} times.")
    for note in notes:
        err().print(escape(plain(note)))


def _name_problems(problems: Sequence[Problem]) -> None:
    _named([str(problem) for problem in problems], "rows that cannot be used")


def _name_scorer_failures(failures: Iterable[Mapping[str, Any]]) -> None:
    _named(
        [f"row {each['id']!r}, {each['tier']}: the scorer failed ({each['error']})" for each in failures],
        "answers that the scorer failed on",
    )


def _named(lines: Sequence[str], what: str) -> None:
    for line in lines[:_SHOWN]:
        typer.echo(plain(" ".join(line.split())), err=True)
    if len(lines) > _SHOWN:
        typer.echo(f"and {len(lines) - _SHOWN:,} more {what}", err=True)


def _show(found: Labelled, path: Path, following: str) -> None:
    summary = found.summary
    console = out()
    counted = f"{summary['rows']:,} rows, scored by {summary['scorer']}"
    console.print(escape(plain(f"Wrote {path}: {counted}.")), soft_wrap=True)
    table = new_table("tier", "mean", "scored", "gave up", "failed", "withheld", "USD")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, tier in summary["tiers"].items():
        mean = "-" if tier["mean"] is None else f"{tier['mean']:.3f}"
        counts = (sum(tier[key].values()) for key in ("gave_up", "failures", "withheld"))
        table.add_row(
            escape(plain(name)), mean, f"{tier['scored']:,}", *(f"{n:,}" for n in counts), f"{tier['spent_usd']:.4f}"
        )
    console.print(table)
    for line in _sentences(summary):
        console.print(escape(plain(line)))
    console.print(escape(plain(f"Next: {following}")), soft_wrap=True)


def _sentences(summary: Mapping[str, Any]) -> Iterable[str]:
    cost = summary["cost"]
    earlier = f", {cost['earlier_usd']:.4f} in earlier runs" if summary["known"] else ""
    yield (
        f"Asked {summary['asked']:,} times, {summary['known']:,} answers were known. "
        f"Spent {cost['spent_usd']:.4f} of the estimated {cost['estimated_usd']:.4f} USD{earlier}."
    )
    for name, tier in summary["tiers"].items():
        for key, said in (("gave_up", "gave up"), ("failures", "failed"), ("withheld", "was not asked")):
            if tier[key]:
                yield f"{name} {said}: " + ", ".join(f"{code} ({count:,})" for code, count in tier[key].items())
    left_out = {"bad_row": summary["bad_rows"], **summary["left_out"]}
    if any(left_out.values()):
        counts = (f"{count:,} {_LEFT_OUT.get(reason, reason)}" for reason, count in left_out.items() if count)
        yield f"Left out: {'; '.join(counts)}."
    if summary["failed"]:
        yield "The same command asks again what failed."


def _next(path: Path, config: Path | None) -> str:
    given = shlex.quote(str(config or Path("router.yaml")))
    return f"tiergraph tune --data {shlex.quote(str(path))} --config {given} --out tuned.yaml"


def _spoilt(found: Labelled) -> bool:
    """Whether so much is missing that the rows are of something else."""
    summary = found.summary
    calls = summary["asked"] + summary["known"]
    rows = summary["rows"] + sum(summary["left_out"].values())
    return bool(summary["failed"] > _MOST_FAILED * calls or summary["bad_rows"] > rows)
