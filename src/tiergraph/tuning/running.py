"""From rows with outcomes, or labels, to a head beside a configuration that names it: what ``tiergraph tune`` does.

Failure rule: a mistake in the rows, the configuration or the target raises before anything is written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiergraph.config import RouterConfig, load_config, parse_config
from tiergraph.errors import InputError
from tiergraph.tuning import figures, points
from tiergraph.tuning.figures import Beside
from tiergraph.tuning.points import Point, Target
from tiergraph.tuning.reading import Read, load_unfitted, read_texts, tunable
from tiergraph.tuning.writing import changed_text, check_new, head_path, write_tuned

if TYPE_CHECKING:
    from tiergraph.config import RouterModelConfig
    from tiergraph.evaluation.cases import Case, Suite
    from tiergraph.evaluation.facts import Facts
    from tiergraph.evaluation.intervals import Interval
    from tiergraph.proposers.llamacpp import LlamaCppProposer

MIN_ROWS = 30
"""Rows with a score of every tier that a curve needs at least."""

FEW_ROWS = 300
"""Below it a head is little better than the generic score, or not surely so."""

Floats = NDArray[np.float64]


class Source(NamedTuple):
    """A configuration as text. ``folder`` is where its own paths begin; ``name`` is for errors."""

    text: str
    name: str
    folder: Path

    @classmethod
    def of(cls, path: Path) -> Source:
        """Raises `ConfigError` where it is not there or cannot be used."""
        load_config(path)
        return cls(path.read_text(encoding="utf-8-sig"), path.name, path.parent)

    def parsed(self) -> RouterConfig:
        config = parse_config(self.text, file=self.name)
        config.__dict__["folder"] = self.folder
        return config


@dataclass(frozen=True, kw_only=True)
class Work:
    """How it goes on, for people: each is told on stderr by the command."""

    stage: Callable[[str], None] = lambda _: None
    bar: Callable[[str, int], AbstractContextManager[Callable[[], object]]] = field(
        default=lambda label, total: nullcontext(lambda: None)
    )


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What tuning a ladder found.

    Attributes:
        config, head: Files that were written.
        digest: sha256 of the head.
        model: Name and sha256 of the model that it was fitted on.
        rows: ``used``, ``complete``, ``left_out``, ``unscored`` rows.
        tiers: For each its ``name``, how many rows ``scored`` it, and the mean ``score``, ``low`` and ``high``.
        beside: The figure of every score; ``measure`` says which it is.
        generic: Weight in [0, 1] of the generic score in what was fitted.
        chosen: What was tried and which won.
        target: What was asked, or ``None``: the configured threshold is kept.
        point: The operating point; ``quality`` and ``cost`` are its intervals, ``cost_unit`` what costs are in.
        new_rows: Mean score and cost where the threshold is picked on other rows than it is applied to; ``None`` where
            it was not picked, or not every part of the rows reaches the target.
        before: The point of the generic score at the configured threshold.
        warnings: Each a sentence.
        facts, generic_levels: For the plot: the tuned levels with what is known, and those of the generic score.
    """

    config: Path
    head: Path
    digest: str
    model: Mapping[str, str]
    rows: Mapping[str, int]
    tiers: Sequence[Mapping[str, Any]]
    measure: str
    beside: Sequence[Beside]
    generic: float
    chosen: Mapping[str, Any]
    target: Target | None
    point: Point
    quality: Interval | None
    cost: Interval | None
    cost_unit: str
    new_rows: Mapping[str, float] | None
    before: Point
    warnings: Sequence[str]
    seconds: float
    facts: Facts
    generic_levels: Floats

    def as_json(self) -> dict[str, Any]:
        """All of it but the facts."""
        names = [tier["name"] for tier in self.tiers]
        return {
            "config": str(self.config),
            "head": {"file": str(self.head), "sha256": self.digest, "model": dict(self.model)},
            "rows": dict(self.rows),
            "tiers": [dict(tier) for tier in self.tiers],
            "measure": self.measure,
            "figures": figures.as_json(self.beside),
            "generic_weight": round(self.generic, 4),
            "chosen": dict(self.chosen),
            "target": None if self.target is None else str(self.target),
            "point": {
                **_point(self.point, names),
                "quality_interval": _ends(self.quality),
                "cost_interval": _ends(self.cost),
            },
            "cost_unit": self.cost_unit,
            "on_new_rows": None if self.new_rows is None else dict(self.new_rows),
            "generic_at_configured_threshold": _point(self.before, names),
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 1),
        }


def _point(point: Point, names: Sequence[str]) -> dict[str, Any]:
    return {
        "threshold": point.sufficiency,
        "quality": round(point.quality, 4),
        "quality_kept": None if point.quality_kept is None else round(point.quality_kept, 4),
        "cost": float(f"{point.cost:.6g}"),
        "cost_kept": None if point.cost_kept is None else round(point.cost_kept, 4),
        "shares": {name: round(share, 4) for name, share in zip(names, point.shares, strict=True)},
    }


def _ends(interval: Interval | None) -> list[float] | None:
    if interval is None or interval.low is None or interval.high is None:
        return None
    return [float(f"{interval.low:.4g}"), float(f"{interval.high:.4g}")]


def tune_ladder(
    suite: Suite,
    source: Source,
    out: Path,
    *,
    target: Target | None = None,
    seed: int = 0,
    force: bool = False,
    work: Work | None = None,
) -> Tuned:
    """Fit a head to recorded outcomes of the ladder, choose the operating point, and write both.

    Args:
        suite: Rows with outcomes, read against the ladder of the configuration.
        source: The configuration to start from.
        out: The configuration to write; the head goes beside it.
        target: What the operating point is to reach; ``None`` keeps the configured threshold.

    Raises:
        InputError: Too few rows, a tier without scores, a target that cannot be reached, a file that is there.
        ConfigError: The configuration cannot be tuned.
        ModelError: The model cannot be loaded.
    """
    work, began = work or Work(), time.monotonic()
    config = source.parsed()
    file = head_path(out)
    check_new([out, file, file.with_suffix(".json")], force=force)
    place, entry = tunable(config)
    names = config.ladder.names
    cases = [case for case in suite if case.outcomes]
    outcomes = np.array([[case.outcomes.get(name, np.nan) for name in names] for case in cases]).reshape(-1, len(names))
    _check_rows(suite, outcomes, names)
    priced = _check_target(target, cases, config)
    with load_unfitted(config, entry, progress=work.stage) as proposer:
        read = _read(proposer, [case.question for case in cases], work)
        model = {"name": proposer.name, "sha256": proposer.model_sha256}
        logit_names = proposer.feature_names
    from tiergraph.tuning.ladder import fit_ladder

    work.stage("fitting")
    fit = fit_ladder(
        [case.question for case in cases],
        read.logits,
        outcomes,
        tiers=names,
        generic=read.cumulative,
        seed=seed,
        model_sha256=model["sha256"],
        logit_names=logit_names,
        data={"rows": len(cases), "sha256": suite.digest, "source": suite.name},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    work.stage("measuring")
    facts = figures.facts_on(cases, config.tiers, fit.cross_fitted, config.sufficiency, seed)
    beside = figures.ranked(facts, read.cumulative)
    at = np.flatnonzero(facts.complete)
    tables = fit.cross_fitted[at], facts.quality[at], facts.cost[at]
    if target is None:
        point = points.at(*tables, config.sufficiency)
    else:
        point = points.pick(points.sweep(*tables), target, top=names[-1])
        facts = figures.facts_on(cases, config.tiers, fit.cross_fitted, point.sufficiency, seed)
    quality, cost = _intervals(facts, at, points.chosen(tables[0], point.sufficiency))
    head = replace(fit.head, figures={**fit.head.figures, "apgr_or_area": figures.as_json(beside)})
    text = changed_text(source.text, _changes(config, place, entry, file, out, point, target), name=source.name)
    digest = write_tuned(head, file, text, out)
    return Tuned(
        config=out,
        head=file,
        digest=digest,
        model=model,
        rows={
            "used": len(cases),
            "complete": len(at),
            "unscored": len(suite) - len(cases),
            "left_out": len(suite.problems),
        },
        tiers=_tiers(outcomes, names, facts, seed),
        measure="APGR" if len(names) == 2 else "area under score over cost",
        beside=beside,
        generic=float(fit.shrinkage),
        chosen=fit.chosen,
        target=target,
        point=point,
        quality=quality,
        cost=cost,
        cost_unit="USD per request" if priced else "position on the ladder, 0 to 1",
        new_rows=None if target is None else _on_new_rows(tables, target, facts, at, seed, names[-1]),
        before=points.at(read.cumulative[at], *tables[1:], config.sufficiency),
        warnings=_warnings(len(cases), outcomes, beside),
        seconds=time.monotonic() - began,
        facts=facts,
        generic_levels=read.cumulative,
    )


def _check_rows(suite: Suite, outcomes: Floats, names: Sequence[str]) -> None:
    first = f" The first row that was left out: {suite.problems[0]}" if suite.problems else ""
    scored = (~np.isnan(outcomes)).sum(axis=0)
    for name, count in zip(names, scored, strict=True):
        if not count and len(outcomes):
            raise InputError(
                f"No row has a score of {name!r}. Fix: label rows with every tier of the ladder {list(names)}, "
                f"or leave that tier out of router.yaml.{first}",
                code="unscored_tier",
            )
    complete = int((~np.isnan(outcomes)).all(axis=1).sum())
    if complete < MIN_ROWS:
        raise InputError(
            f"{complete} rows have a score of every tier, and {MIN_ROWS} are needed at least. Fix: label more, "
            f"with `tiergraph label`; some hundred are worth the most.{first}",
            code="too_few_rows",
        )


def _check_target(target: Target | None, cases: Sequence[Case], config: RouterConfig) -> bool:
    """Whether there are prices; a cost that is asked for without them is refused."""
    from tiergraph.evaluation.costs import case_costs

    costs = np.array([[case_costs(case, config.tiers)[name] for name in config.ladder.names] for case in cases])
    priced = bool((costs.max(axis=1) > costs.min(axis=1)).any())
    if target is not None and target.kind == "cost" and not priced:
        raise InputError(
            f"--target {target}: the tiers have no prices. Fix: write `price: {{input: ..., output: ...}}` (USD per "
            "million tokens) at each tier, or 'costs' into the rows, or ask for share= or quality=.",
            code="no_prices",
        )
    return priced


def _read(proposer: LlamaCppProposer, texts: Sequence[str], work: Work) -> Read:
    with work.bar("reading", len(set(texts))) as tick:
        return read_texts(proposer, texts, tick=tick)


def _changes(
    config: RouterConfig,
    place: int,
    entry: RouterModelConfig,
    file: Path,
    out: Path,
    point: Point,
    target: Target | None,
) -> dict[tuple[str | int, ...], Any]:
    where = ("router", "chain", place) if config.router.chain else ("router",)
    changes: dict[tuple[str | int, ...], Any] = {(*where, "heads"): heads_of(config, entry, "ladder", file, out)}
    if target is not None:
        changes[("profile",)] = point.sufficiency
    return changes


def heads_of(config: RouterConfig, entry: RouterModelConfig, kind: str, file: Path, out: Path) -> list[str]:
    """The heads of the new configuration: the new one in place of the one of its kind, the others as seen from ``out``.

    ``kind``: ``ladder``, or the field that a head reads.
    """
    from tiergraph.proposers.fitted import kind_of

    kept = [Path(head) for head in entry.heads if kind_of(config.folder / head) != kind]
    seen = [path if path.is_absolute() else Path(relpath(config.folder / path, out.parent)) for path in kept]
    return [*(path.as_posix() for path in seen), file.name]


def _intervals(facts: Facts, at: Any, took: Any) -> tuple[Interval | None, Interval | None]:
    from tiergraph.evaluation.intervals import mean_interval

    rows = np.arange(len(at))
    groups = None if facts.groups is None else facts.groups[at]
    tables = (facts.quality[at], facts.cost[at])
    quality, cost = (mean_interval(table[rows, took], groups, share=False, seed=facts.seed) for table in tables)
    return quality, cost


def _on_new_rows(
    tables: tuple[Floats, Floats, Floats], target: Target, facts: Facts, at: Any, seed: int, top: str
) -> dict[str, float] | None:
    from tiergraph.evaluation.baselines import folds

    fold = folds(len(at), None if facts.groups is None else facts.groups[at], seed=seed)
    if not fold.max():
        return None
    try:
        took = points.picked_elsewhere(*tables, target, fold.tolist(), top=top)
    except InputError:
        return None
    rows, (_, quality, cost) = np.arange(len(at)), tables
    return {
        "quality": round(float(quality[rows, took].mean()), 4),
        "quality_kept": round(float(quality[rows, took].mean() / max(quality[:, -1].mean(), 1e-12)), 4),
        "cost_kept": round(float(cost[rows, took].mean() / max(cost[:, -1].mean(), 1e-12)), 4),
        "top_share": round(float((took == quality.shape[1] - 1).mean()), 4),
    }


def _tiers(outcomes: Floats, names: Sequence[str], facts: Facts, seed: int) -> list[dict[str, Any]]:
    from tiergraph.evaluation.intervals import mean_interval

    found = []
    for number, name in enumerate(names):
        known = ~np.isnan(outcomes[:, number])
        mean = mean_interval(outcomes[known, number], share=False, seed=seed)
        usd = float(facts.usd[:, number].mean())
        low, high = _ends(mean) or (None, None)
        score = None if mean is None else round(mean.value, 4)
        found.append(
            {
                "name": name,
                "scored": int(known.sum()),
                "score": score,
                "low": low,
                "high": high,
                "usd_per_request": float(f"{usd:.6g}"),
            }
        )
    return found


def _warnings(rows: int, outcomes: Floats, beside: Sequence[Beside]) -> list[str]:
    found = []
    complete = outcomes[~np.isnan(outcomes).any(axis=1)]
    if complete[:, -1].mean() <= complete[:, :-1].mean(axis=0).max():
        found.append("The top tier is no better on these rows than a cheaper one: there is nothing to route for.")
    gap = next((each.difference for each in beside if each.name == figures.GENERIC), None)
    if gap is None or gap.low is None or gap.high is None:
        return found
    if gap.low <= 0:
        found.append(f"The head is not surely better than the generic score: {_rows_that_help(rows, gap)}")
    elif rows < FEW_ROWS:
        found.append(f"{rows} rows are few: about {FEW_ROWS} give most of what there is to gain.")
    return found


def _rows_that_help(rows: int, gap: Interval) -> str:
    """Intervals narrow with the root of the rows."""
    half = ((gap.high or 0.0) - (gap.low or 0.0)) / 2
    if gap.value <= 0.005:
        return f"label about {_hundreds(max(FEW_ROWS, 3 * rows))} rows and tune again."
    return f"a difference of this size would show with about {_hundreds(rows * (half / gap.value) ** 2)} rows."


def _hundreds(rows: float) -> str:
    return f"{int(np.ceil(min(rows, 100_000) / 100) * 100):,}"


def text_digest(texts: Sequence[str], labels: Sequence[str]) -> str:
    """sha256 over labelled texts, whatever their order."""
    rows = sorted(f"{label}\0{text}" for text, label in zip(texts, labels, strict=True))
    return hashlib.sha256("\0\0".join(rows).encode("utf-8", "surrogatepass")).hexdigest()
