"""The log of a shadow: what a line holds, and what a whole log says of the candidate.

A line names tiers, outcomes, scores, tokens, costs and times of both sides; content never. Failure rule: a line that
cannot be read is counted with its number, and the rest goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tiergraph.config import RouterConfig
from tiergraph.errors import InputError
from tiergraph.evaluation.charts import NOBODY
from tiergraph.evaluation.comparing import (
    PERCENT,
    POINTS,
    Move,
    PairPart,
    change,
    estimates,
    figures_frame,
    moved_sentence,
    moves_table,
    named,
)
from tiergraph.evaluation.intervals import Interval, wilson
from tiergraph.evaluation.report import Figure
from tiergraph.tiers import Ladder

if TYPE_CHECKING:
    import pandas

VERSION = 1
CHANGE = "candidate - live"
"""``Figure.of`` of every difference."""

_LIVE = ("tier", "outcome", "source", "score", "latency_ms", "config_digest")
_CANDIDATE = (*_LIVE, "allowed", "error", "unasked")
_HOP = ("tier", "outcome", "code", "input_tokens", "output_tokens", "cost_usd", "retries")


def live_part(live: Mapping[str, Any]) -> dict[str, Any]:
    """What a line holds of the live side: of a record, or of a decision as JSON (then ``hops`` is ``None``)."""
    hops = live.get("hops")
    return {
        **{name: live.get(name) for name in _LIVE},
        "decided": live.get("decided", live.get("tier") if hops is None else None),
        "hops": None if hops is None else [{name: hop.get(name) for name in _HOP} for hop in hops],
        "cost_usd": live.get("cost_usd"),
    }


def candidate_part(found: Mapping[str, Any], config_digest: str, ladder: Sequence[str]) -> dict[str, Any]:
    """What a line holds of the candidate; ``tier_probabilities`` in the order of its ladder."""
    probabilities = found.get("tier_probabilities") or {}
    return {
        **live_part(found),
        **{name: found.get(name) for name in _CANDIDATE},
        "allowed": list(found.get("allowed") or ()),
        "tier_probabilities": {name: probabilities[name] for name in ladder if name in probabilities},
        "config_digest": config_digest,
    }


@dataclass(frozen=True, kw_only=True)
class ShadowReport:
    """What a candidate would have changed.

    Attributes:
        n: Requests that both sides decided.
        failed: Class of an error of the candidate to how often it came; those requests are left out.
        broken: 1-based numbers of lines that could not be read.
        agreement: Share of the requests that went to the same tier.
        figures: ``candidate - live``: ``cost_usd`` per request, ``cost_change`` (relative), ``quality`` (measured on
            ``outcomes``), ``expected_quality`` (the candidate's own probabilities that a tier suffices), and
            ``share:TIER`` of every tier and of ``nobody``.
        cost_from: How the candidate's cost was had to how many requests: ``measured`` (it drafted, or takes none),
            ``tokens`` (the live request's, at the given prices), ``same tier`` (what the live one cost), ``tier mean``
            (of that tier in the log), ``unknown`` (left out of the cost).
        moves: Every request that went to another tier; ``case`` is its input hash.
    """

    n: int
    failed: Mapping[str, int]
    broken: tuple[int, ...]
    agreement: Figure
    figures: tuple[Figure, ...]
    cost_from: Mapping[str, int]
    moves: tuple[Move, ...]

    def figure(self, name: str) -> Figure:
        """The difference of that name.

        Raises:
            KeyError: There is none; names those that there are.
        """
        return named(self.figures, name, "figure")

    @property
    def moved(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Live tier to the candidate's to ``{"n", "quality", "cost_usd"}``, as of `Comparison.moved`."""
        return moves_table(self.moves)

    def frame(self) -> pandas.DataFrame:
        """The agreement and the differences as a table, one row each."""
        return figures_frame((self.agreement, *self.figures))

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        return {
            "n": self.n,
            "failed": dict(self.failed),
            "broken": list(self.broken),
            "agreement": asdict(self.agreement),
            "figures": [asdict(figure) for figure in self.figures],
            "cost_from": dict(self.cost_from),
            "moved": self.moved,
        }

    def sentences(self) -> list[str]:
        """What people should know, a line each."""
        found = {figure.name: figure for figure in self.figures}
        lines = [moved_sentence(self.agreement)]
        if "cost_change" in found:
            basis = ", ".join(f"{name} {n}" for name, n in self.cost_from.items() if n)
            lines.append(f"Expected cost: {change(found['cost_change'], PERCENT)} Costs from: {basis}.")
        if "quality" in found:
            lines.append(f"Score, measured: {change(found['quality'], POINTS)}")
        if "expected_quality" in found:
            lines.append(
                f"Sufficient answers, as the candidate itself expects: {change(found['expected_quality'], POINTS)}"
            )
        if self.failed:
            codes = ", ".join(f"{name} {n}" for name, n in self.failed.items())
            lines.append(f"The candidate failed on {sum(self.failed.values())} requests, which were left out: {codes}.")
        if self.broken:
            shown = ", ".join(map(str, self.broken[:5])) + (", ..." if len(self.broken) > 5 else "")
            lines.append(f"{len(self.broken)} lines could not be read: {shown}.")
        return lines


class _Line(NamedTuple):
    """A readable line of which the candidate's side is no error. ``whole``: both sides ran to their end."""

    input_hash: str
    live: Mapping[str, Any]
    candidate: Mapping[str, Any]

    @property
    def whole(self) -> bool:
        return self.live["hops"] is not None and self.candidate["hops"] is not None

    @property
    def source(self) -> str:
        return (self.live["tier"] if self.whole else self.live["decided"]) or NOBODY

    @property
    def target(self) -> str:
        ended = self.candidate["unasked"] or self.candidate["tier"]
        return (ended if self.whole else self.candidate["decided"]) or NOBODY


def shadow_report(
    log: str | PathLike[str] | Iterable[str | bytes | Mapping[str, Any]],
    *,
    prices: Ladder | RouterConfig | None = None,
    outcomes: Mapping[str, Mapping[str, float]] | None = None,
    seed: int = 0,
) -> ShadowReport:
    """What a shadow's log says.

    Where the candidate drafted, whole runs are compared. Else the decisions are: the cost of a side is then that of the
    first asking, and what a cascade would add to it is in neither.

    Args:
        log: The file, or its lines.
        prices: The candidate's ladder or configuration, to price the live requests' tokens.
        outcomes: Input hash to tier to the score of its answer in [0, 1], to measure the change of score with.
        seed: Of resampling.

    Raises:
        InputError: The file cannot be read, or no line of it can be used.
    """
    ladder = prices.ladder if isinstance(prices, RouterConfig) else prices
    lines, failed, broken = _read(log)
    if not lines:
        raise InputError(
            f"The shadow's log has no request that both sides decided ({sum(failed.values())} failed, {len(broken)} "
            "lines cannot be read). Fix: let it run longer, or look at what failed.",
            code="no_lines",
        )
    lines.sort(key=lambda line: (line.input_hash, json.dumps([line.live, line.candidate], sort_keys=True)))
    means, bases = _tier_means(lines), Counter[str]()
    costs, qualities, moves = [], [], []
    for line in lines:
        cost, basis = _costs(line, ladder, means)
        bases[basis] += 1
        known = (outcomes or {}).get(line.input_hash, {})
        quality = (known[line.source], known[line.target]) if {line.source, line.target} <= known.keys() else None
        costs.append(cost)
        qualities.append(quality)
        if line.source != line.target:
            less = [None if pair is None else pair[1] - pair[0] for pair in (quality, cost)]
            moves.append(
                Move(case=line.input_hash, source=line.source, target=line.target, quality=less[0], cost_usd=less[1])
            )
    columns: dict[str, list[PairPart | None]] = {
        "agreement": [(0.0, 1.0, float(line.source == line.target), 1.0) for line in lines],
        "cost_usd": [_means(cost) for cost in costs],
        "cost_change": [None if cost is None else (cost[0], cost[0], cost[1], cost[0]) for cost in costs],
        "quality": [_means(quality) for quality in qualities],
        "expected_quality": [_means(_expected(line)) for line in lines],
    }
    for tier in _tiers(lines, ladder):
        taken = [(float(line.source == tier), float(line.target == tier)) for line in lines]
        columns[f"share:{tier}"] = [_means(pair) for pair in taken]
    agreement, *figures = _figures(columns, [line.input_hash for line in lines], seed)
    return ShadowReport(
        n=len(lines),
        failed=dict(sorted(failed.items())),
        broken=tuple(broken),
        agreement=agreement,
        figures=tuple(figures),
        cost_from=dict(sorted(bases.items())),
        moves=tuple(moves),
    )


def _read(log: str | PathLike[str] | Iterable[Any]) -> tuple[list[_Line], Counter[str], list[int]]:
    lines: list[_Line] = []
    failed, broken = Counter[str](), list[int]()
    for number, raw in enumerate(_raw_lines(log), start=1):
        try:
            value = raw if isinstance(raw, Mapping) else json.loads(raw)
            live, candidate = value["live"], value["candidate"]
            line = _Line(str(value["input_hash"]), live, candidate)
            if value["version"] != VERSION:
                raise ValueError
            error = candidate["error"]
            if error is None:
                _check(line)
        except (ValueError, KeyError, TypeError, AttributeError):
            broken.append(number)
            continue
        if error is not None:
            failed[str(error)] += 1
        else:
            lines.append(line)
    return lines, failed, broken


def _check(line: _Line) -> None:
    """Raise what `_read` catches where a part that is needed is not there, or of another kind."""
    for name in (line.source, line.target):
        if not isinstance(name, str):
            raise TypeError
    for side in (line.live, line.candidate):
        for hop in side["hops"] or ():
            float(hop["cost_usd"] or 0), int(hop["input_tokens"] or 0), str(hop["tier"])
    for probability in line.candidate["tier_probabilities"].values():
        float(probability)


def _raw_lines(log: str | PathLike[str] | Iterable[Any]) -> Iterator[Any]:
    if not isinstance(log, (str, PathLike)):
        yield from log
        return
    try:
        data = Path(log).read_bytes()
    except OSError as error:
        raise InputError(f"{log}: {error.strerror}. Fix: give the file of a Shadow.", code="bad_log") from None
    yield from data.removesuffix(b"\n").split(b"\n")


def _tier_means(lines: Iterable[_Line]) -> dict[str, float]:
    """Mean cost of one answer of each tier that the live side asked, in USD."""
    seen: dict[str, list[float]] = {}
    for line in lines:
        for hop in line.live["hops"] or ():
            if hop["input_tokens"]:
                seen.setdefault(hop["tier"], []).append(float(hop["cost_usd"]))
    return {tier: sum(costs) / len(costs) for tier, costs in seen.items()}


def _costs(line: _Line, ladder: Ladder | None, means: Mapping[str, float]) -> tuple[tuple[float, float] | None, str]:
    """USD of the live side and of the candidate's, and how the latter was had."""
    if line.whole:
        live = float(line.live["cost_usd"])
        hops = line.candidate["hops"]
        if line.candidate["unasked"] is None:
            return (live, float(line.candidate["cost_usd"])), "measured"
        before = 0.0
        for hop in hops:
            if hop["tier"] == line.target:
                break
            before += float(hop["cost_usd"])
        last, basis = _estimate(line, ladder, means, None)
        return (None if last is None else (live, before + last)), basis
    first = _first(line, means)
    candidate, basis = _estimate(line, ladder, means, first)
    if first is None or candidate is None:
        return None, "unknown"
    return (first, candidate), basis


def _first(line: _Line, means: Mapping[str, float]) -> float | None:
    """USD of the tier that the live side decided on: what it cost, or that tier's mean where it gave no answer."""
    if line.source == NOBODY:
        return 0.0
    asked = [hop for hop in line.live["hops"] or () if hop["tier"] == line.source and hop["input_tokens"]]
    return float(asked[0]["cost_usd"]) if asked else means.get(line.source)


def _estimate(
    line: _Line, ladder: Ladder | None, means: Mapping[str, float], first: float | None
) -> tuple[float | None, str]:
    """USD of one answer of the candidate's tier, and from what."""
    if line.target == NOBODY:
        return 0.0, "measured"
    asked = [hop for hop in line.live["hops"] or () if hop["input_tokens"]]
    if first is not None and line.target == line.source and all(hop["tier"] != line.source for hop in asked):
        return first, "same tier"  # the live side never came to it either: both are that tier's mean
    if asked and ladder is not None and line.target in ladder:
        return ladder[line.target].price.cost(asked[0]["input_tokens"], asked[0]["output_tokens"]), "tokens"
    if first is not None and line.target == line.source:
        return first, "same tier"
    if line.target in means:
        return means[line.target], "tier mean"
    return None, "unknown"


def _expected(line: _Line) -> tuple[float, float] | None:
    """How likely the live tier and the candidate's suffice, as the candidate says."""
    probabilities = line.candidate["tier_probabilities"]
    if line.source not in probabilities or line.target not in probabilities:
        return None
    names = list(probabilities)
    live, candidate = (
        sum(float(probabilities[name]) for name in names[: names.index(tier) + 1])
        for tier in (line.source, line.target)
    )
    return min(live, 1.0), min(candidate, 1.0)


def _means(pair: tuple[float, float] | None) -> PairPart | None:
    return None if pair is None else (pair[0], 1.0, pair[1], 1.0)


def _tiers(lines: Sequence[_Line], ladder: Ladder | None) -> list[str]:
    named = {name for line in lines for name in (line.source, line.target)} - {NOBODY}
    known = [*ladder.names] if ladder is not None else []
    return [*known, *sorted(named - set(known)), NOBODY]


_ABOUT: dict[str, tuple[str, Any]] = {
    "cost_usd": ("USD", "lower"),
    "cost_change": ("share", "lower"),
    "quality": ("score", "higher"),
    "expected_quality": ("share", "higher"),
}


def _figures(columns: Mapping[str, Sequence[PairPart | None]], groups: Sequence[str], seed: int) -> list[Figure]:
    made = estimates(columns, groups, seed=seed)
    if (same := made["agreement"]) is not None and same.value in (0.0, 1.0):  # no resample of it has any spread
        made["agreement"] = Interval(same.value, *wilson(same.value, len(set(groups))), same.n)
    figures = []
    for name, found in made.items():
        unit, better = _ABOUT.get(name, ("share", None))
        if found is not None:
            figures.append(Figure(name=name, of=CHANGE, unit=unit, better=better, **found._asdict()))
    return figures
