"""``tiergraph check --calibrate``: what the confidence of a hosted router model is worth, on rows of the user's own.

Every row is asked once, and what is stated is set against whether the tier was right. What policy would keep from the
model's place is kept from it here too.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import typer

from tiergraph.commands.console import facts, out, progress, stages, write_json
from tiergraph.commands.group import BadUse

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig, RouterModelConfig
    from tiergraph.decider import Decider
    from tiergraph.proposers.confidence import Source
    from tiergraph.proposers.hosted import HostedProposer
    from tiergraph.tiers import Location

MOST = 2000
"""Rows of the file that are read."""

SECONDS = 60.0
"""Time for one row, re-asks included."""


class Row(NamedTuple):
    """A request and the tier that is right for it."""

    text: str
    tier: str


class _Answer(NamedTuple):
    confidence: float
    right: bool


@dataclass
class _Asked:
    """How the rows went: by where the confidence came from, each with whether the tier was right."""

    answers: dict[Source, list[_Answer]] = field(default_factory=dict)
    withheld: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    model: str = ""


def run_calibration(
    settings: RouterConfig, *, out: Path | None, data: Path | None, link: str | None, yes: bool, as_json: bool
) -> None:
    """Ask, fit, write and report.

    Raises:
        BadUse: Options, rows or a configuration that cannot be used; names the fix.
        ModelError: A model that cannot be loaded, or was refused by its probe.
    """
    if out is None or data is None:
        raise BadUse("--calibrate OUT.json and --data ROWS.jsonl go together.")
    entry = _entry(settings, link)
    rows = _read(data, settings.ladder.names)
    most = len(rows) * (1 + entry.reasks)
    if entry.location == "external" and not yes:
        raise BadUse(
            f"{entry.name} is external: {len(rows)} calls to it, at most {most} with re-asks, may cost money. "
            "Add --yes to go ahead."
        )
    typer.echo(f"{len(rows)} calls to {entry.name} ({entry.location}), at most {most} with re-asks.", err=True)
    asked = _ask(settings, entry, rows)
    report = _fit(asked, out, entry.name, len(rows))
    if as_json:
        write_json(report)
    else:
        _show(report)


def _entry(settings: RouterConfig, link: str | None) -> RouterModelConfig:
    """The hosted router model that is meant."""
    from tiergraph.endpoints import HOSTED

    hosted = [entry for entry in settings.router.links if entry.scheme in HOSTED]
    if not hosted:
        raise BadUse(
            "--calibrate is for a hosted router model, and router.yaml has none: the others state no confidence."
        )
    named = [entry for entry in hosted if link is None or link in (entry.name, entry.model)]
    if len(named) != 1:
        raise BadUse(f"Which model? Say --link with one of {[entry.name for entry in hosted]}.")
    return named[0]


def _read(data: Path, tiers: tuple[str, ...]) -> list[Row]:
    """At most `MOST` rows. An error names the line, never what stands there."""
    from tiergraph.proposers.confidence import MIN_ROWS

    try:
        lines = data.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadUse(f"{data}: it is not UTF-8.") from None
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and len(rows) < MOST:
            rows.append(_row(line, f"{data}:{number}", tiers))
    if len(rows) < MIN_ROWS:
        raise BadUse(f"{data}: {len(rows)} rows are too few to say what a confidence is worth; {MIN_ROWS} at least.")
    return rows


def _row(line: str, where: str, tiers: tuple[str, ...]) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise BadUse(f"{where}: not JSON. Fix: one object a line.") from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not row["text"].strip():
        raise BadUse(f'{where}: no \'text\'. Fix: {{"text", "tier"}}.')
    if row.get("tier") not in tiers:
        raise BadUse(f"{where}: its 'tier' is none of {list(tiers)}.")
    return Row(row["text"], row["tier"])


def _ask(settings: RouterConfig, entry: RouterModelConfig, rows: list[Row]) -> _Asked:
    from tiergraph.decider import Decider
    from tiergraph.proposers.linking import load_chain

    alone = settings.model_copy(update={"router": entry.model_copy(update={"calibration": None})})
    with stages() as told:
        chain = load_chain(alone, progress=told or (lambda _: None))
    hosted = cast("HostedProposer", chain.links[0].proposer)
    asked = _Asked(model=hosted.calibrated_as)
    with Decider(alone, chain) as decider, progress("rows", len(rows)) as advance:
        for row in rows:
            _ask_row(decider, hosted, row, asked)
            advance()
    return asked


def _ask_row(decider: Decider, hosted: HostedProposer, row: Row, asked: _Asked) -> None:
    from tiergraph.errors import ProposerError

    text = _released(decider, row.text, hosted.location)
    if text is None:
        asked.withheld += 1
        return
    try:
        guess = hosted.guess(text, deadline=time.monotonic() + SECONDS)
    except ProposerError as error:
        asked.failed[error.code] += 1
        return
    asked.answers.setdefault(guess.source, []).append(_Answer(guess.confidence, guess.tier == row.tier))


def _released(decider: Decider, text: str, location: Location) -> str | None:
    """What of a row may be sent there, by the rules that hold for requests."""
    from tiergraph.effects import run
    from tiergraph.request import parse_request

    if location == "on_prem":
        return text
    request = parse_request(text)
    findings = run(decider.flag_segments(list(request.segments()), decider.screen(request)))
    return decider.outbound(text, location, findings)


def _fit(asked: _Asked, out: Path, name: str, rows: int) -> dict[str, Any]:
    """Of the answers whose confidence came from where most of them did: a map is for one kind."""
    from tiergraph.proposers.confidence import MIN_ROWS, ConfidenceMap

    found: dict[Source, list[_Answer]] = asked.answers or {"stated": []}
    source, answers = max(found.items(), key=lambda item: len(item[1]))
    if len(answers) < MIN_ROWS:
        raise BadUse(
            f"{name} answered {len(answers)} of {rows} rows ({asked.withheld} withheld by policy, "
            f"failed: {dict(asked.failed)}); {MIN_ROWS} are needed. Nothing was written."
        )
    stated, right = [each.confidence for each in answers], [each.right for each in answers]
    fitted = ConfidenceMap.fit(stated, right, source=source, model=asked.model)
    fitted.save(out)
    return {
        "model": name,
        "file": str(out),
        "confidence_from": source,
        "rows": rows,
        "answered": len(answers),
        "withheld": asked.withheld,
        "failed": dict(asked.failed),
        "right": sum(right),
        "mean_stated": round(sum(stated) / len(stated), 4),
        "ece_before": fitted.ece_before,
        "ece_after": fitted.ece_after,
    }


def _show(report: dict[str, Any]) -> None:
    share = report["right"] / report["answered"]
    lines = [
        ("model", f"{report['model']}, confidence from {report['confidence_from']}"),
        ("rows", f"{report['answered']} of {report['rows']} answered, {report['withheld']} withheld by policy"),
        (
            "right",
            f"{report['right']} of {report['answered']} ({share:.2f}); said {report['mean_stated']:.2f} on average",
        ),
        (
            "error",
            f"expected calibration error {report['ece_before']:.3f}, mapped {report['ece_after']:.3f} (held out)",
        ),
        ("written", f"{report['file']}: name it as `calibration` of this model in router.yaml"),
    ]
    if report["failed"]:
        lines.append(("failed", ", ".join(f"{code} {count}" for code, count in report["failed"].items())))
    out().print(facts(lines))
