"""What a month would cost: as routed, always at the top, and always at each single tier.

The evidence is a report's rows, routing records, or shares of tiers that are given. Tokens per request are the caller's
and the same for every asking: what a request was escalated through is paid for hop by hop, retries too, though a draft
that is handed up makes the next prompt longer than that. Requests that reach no tier (a person, a refusal) cost nothing
in any column. Intervals say how sure the evidence is of the mix of tiers, not how steady the traffic will be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tiergraph.config import RouterConfig
from tiergraph.errors import InputError
from tiergraph.evaluation.charts import NOBODY
from tiergraph.evaluation.comparing import cluster, draw_sums, figures_frame, spread
from tiergraph.evaluation.intervals import RESAMPLES
from tiergraph.evaluation.report import ROUTER, Figure, Report
from tiergraph.tiers import Ladder, Price

if TYPE_CHECKING:
    import pandas

_UNSENT = ("forbidden", "over_budget", "unreachable", "withheld")
"""Codes of hops in which nothing was sent, or nothing arrived."""

_MOST_RETRIES = 1_000
"""More than any setting allows: a number beyond it is none that was counted."""

_FIRST = 5
"""First column of sums that is of a tier."""

Prices = RouterConfig | Ladder | Mapping[str, Price | Mapping[str, float]]
"""Of each tier, cheapest first: a configuration, a ladder, or tier name to USD per million tokens in and out."""

Records = str | PathLike[str] | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Costs of a period, in USD, and scores where the evidence knows them.

    Attributes:
        evidence: ``report``, ``log`` or ``shares``.
        n: Requests that it rests on; 0 for shares without a number.
        left_out: Rows of it that could not be used.
        requests: Of the period; ``days`` long.
        top: Name of the top tier.
        shares: Tier (or ``nobody``) to the share of requests that end there, in [0, 1].
        figures: ``cost_usd`` of the period and ``quality`` of ``router`` and of ``always TIER``; ``saving_usd`` and
            ``saving_share`` of ``router`` against each ``always TIER``; ``break_even_usd``: what a wrong answer would
            have to cost for ``always TOP`` to pay.
        notes: What was assumed, a line each.
    """

    evidence: str
    n: int
    left_out: int
    requests: float
    days: float
    top: str
    shares: Mapping[str, float]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def figure(self, name: str, of: str = ROUTER) -> Figure:
        """The figure of that name.

        Raises:
            KeyError: There is none; names those that there are.
        """
        for figure in self.figures:
            if (figure.name, figure.of) == (name, of):
                return figure
        raise KeyError(f"No figure {name!r} of {of!r}. There are: {[f'{f.name} of {f.of}' for f in self.figures]}")

    def frame(self) -> pandas.DataFrame:
        """The figures as a table, one row each."""
        return figures_frame(self.figures)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        return {
            **{name: getattr(self, name) for name in ("evidence", "n", "left_out", "requests", "days", "top")},
            "shares": dict(self.shares),
            "figures": [asdict(figure) for figure in self.figures],
            "notes": list(self.notes),
        }

    def sentences(self) -> list[str]:
        """What people should know, a line each."""
        cost, always = self.figure("cost_usd"), self.figure("cost_usd", f"always {self.top}")
        lines = [
            f"{self.requests:,.0f} requests in {self.days:g} days cost {_money(cost)} as routed, "
            f"{_money(always)} always at {self.top!r}."
        ]
        found = {(figure.name, figure.of): figure for figure in self.figures}
        against = f"{ROUTER} - always {self.top}"
        saved, share = found[("saving_usd", against)], found.get(("saving_share", against))
        if share is not None and share.value is not None:
            lines.append(f"That saves {_money(saved)}: {_percent(share)}.")
        routed, top = found.get(("quality", ROUTER)), found.get(("quality", f"always {self.top}"))
        if routed is not None and top is not None:
            lines.append(f"Score: {_plain(routed)} as routed, {_plain(top)} always at {self.top!r}.")
        lines += _break_even_lines(found.get(("break_even_usd", against)), routed, top, self.top)
        lines += self.notes
        return lines


class _Evidence(NamedTuple):
    """One row for each request; T tiers.

    ``paid``: askings of each tier, (n, T). ``asked``: whether the request reached a tier at all, (n,). ``taken``: where
    each ended. ``quality``: score as routed, (n,), and of each tier, (n, T); NaN is unscored.
    """

    kind: str
    paid: Any
    asked: Any
    taken: Sequence[str]
    groups: Sequence[Any] | None
    quality: Any
    outcomes: Any
    left_out: int = 0
    notes: tuple[str, ...] = ()


def simulate(
    *,
    report: Report | None = None,
    log: Records | None = None,
    shares: Mapping[str, float] | None = None,
    n: int | None = None,
    prices: Prices,
    requests_per_day: float,
    input_tokens: float,
    output_tokens: float,
    days: float = 30,
    seed: int = 0,
) -> Simulation:
    """Simulate the cost of a period.

    Args:
        report: A report with its rows: their choices, hops and scores.
        log: Routing records, or the JSONL file of a `RecordLog`; lines that cannot be read are counted.
        shares: Tier name (and ``nobody``) to the share of requests that it takes; they sum to 1 within 1 %.
        n: Requests that ``shares`` were measured on; without it they have no interval.
        prices: Of each tier, cheapest first.
        requests_per_day: > 0.
        input_tokens, output_tokens: Of one asking of a tier, >= 0 and not both 0.
        days: > 0.
        seed: Of resampling.

    Raises:
        InputError: Not exactly one of ``report``, ``log`` and ``shares``; a number out of its range; a tier without a
            price.
    """
    for name, value in (("requests_per_day", requests_per_day), ("days", days)):
        _check(name, value, lambda number: number > 0, "a number > 0")
    for name, value in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        _check(name, value, lambda number: number >= 0, "a number >= 0")
    if input_tokens + output_tokens == 0:
        raise InputError("input_tokens and output_tokens are both 0. Fix: a request has some.", code="bad_option")
    usd = {
        name: (input_tokens * price.input + output_tokens * price.output) / 1e6
        for name, price in _prices(prices).items()
    }
    given = {"report": report, "log": log, "shares": shares}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise InputError(
            f"simulate needs exactly one of report, log and shares, not {named}. Fix: give one of them.",
            code="bad_option",
        )
    if n is not None and shares is None:
        raise InputError("n belongs to shares. Fix: leave it out; rows are counted.", code="bad_option")
    requests = requests_per_day * days
    if shares is not None:
        return _of_shares(shares, n, usd, requests, days, seed)
    evidence = _of_report(report, list(usd)) if report is not None else _of_log(log, list(usd))  # type: ignore[arg-type]
    return _of_rows(evidence, usd, requests, days, seed)


def _check(name: str, value: float, right: Callable[[float], bool], wanted: str) -> None:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not right(value):
        raise InputError(f"{name} is {value!r}. Fix: {wanted}.", code="bad_option")


def _prices(prices: Prices) -> dict[str, Price]:
    if isinstance(prices, (RouterConfig, Ladder)):
        ladder = prices.ladder if isinstance(prices, RouterConfig) else prices
        return {tier.name: tier.price for tier in ladder}
    found = {}
    for name, price in prices.items():
        try:
            found[name] = price if isinstance(price, Price) else Price.model_validate(dict(price))
        except (TypeError, ValueError):
            raise InputError(
                f"The price of {name!r} is {price!r}. Fix: USD per million tokens, such as "
                "{'input': 2.0, 'output': 8.0}.",
                code="bad_price",
            ) from None
        if not (math.isfinite(found[name].input) and math.isfinite(found[name].output)):
            raise InputError(f"The price of {name!r} is {price!r}. Fix: finite numbers.", code="bad_price")
    if not found:
        raise InputError("There are no prices. Fix: give those of each tier, cheapest first.", code="bad_price")
    return found


def _unpriced(tier: str, tiers: Sequence[str]) -> InputError:
    return InputError(
        f"The tier {tier!r} has no price. Fix: use the tiers {list(tiers)}, or add it.", code="unknown_tier"
    )


def _of_report(report: Report, tiers: list[str]) -> _Evidence:
    if not report.rows:
        raise InputError("The report has no rows. Fix: save it with rows.", code="no_rows")
    rows = sorted((row for row in report.rows if row.observation.outcome != "error"), key=lambda row: row.id)
    if not rows:
        raise InputError("Every case of the report ended in an error. Fix: run it again.", code="no_cases")
    places = {tier: place for place, tier in enumerate(tiers)}
    paid, taken = np.zeros((len(rows), len(tiers))), []
    outcomes = np.full((len(rows), len(tiers)), np.nan)
    for number, row in enumerate(rows):
        seen = row.observation
        sent = [hop.tier for hop in seen.hops if hop.code not in _UNSENT]
        for tier in sent if seen.hops else ([seen.tier] if seen.tier else []):
            if tier not in places:
                raise _unpriced(tier, tiers)
            paid[number, places[tier]] += 1
        for tier, score in row.outcomes.items():
            if tier in places:
                outcomes[number, places[tier]] = score
        taken.append(seen.tier or NOBODY)
    return _Evidence(
        kind="report",
        paid=paid,
        asked=paid.sum(axis=1) > 0,
        taken=taken,
        groups=[cluster(row) for row in rows],
        quality=np.array([np.nan if row.quality is None else row.quality for row in rows]),
        outcomes=outcomes,
        left_out=len(report.rows) - len(rows),
    )


def _of_log(log: Records, tiers: list[str]) -> _Evidence:
    records, broken = _records(log)
    places = {tier: place for place, tier in enumerate(tiers)}
    paid, taken = np.zeros((len(records), len(tiers))), []
    for number, record in enumerate(records):
        for hop in record["hops"]:
            if hop.get("code") in _UNSENT:
                continue
            if hop["tier"] not in places:
                raise _unpriced(hop["tier"], tiers)
            paid[number, places[hop["tier"]]] += 1 + (hop.get("retries") or 0)
        taken.append(record.get("tier") or NOBODY)
    nothing = np.full(len(records), np.nan)
    return _Evidence(
        kind="log",
        paid=paid,
        asked=paid.sum(axis=1) > 0,
        taken=taken,
        groups=[str(record.get("input_hash") or number) for number, record in enumerate(records)],
        quality=nothing,
        outcomes=np.full((len(records), len(tiers)), np.nan),
        left_out=broken,
        notes=("The log knows no scores: what quality that costs is not in it.",),
    )


def _records(log: Records) -> tuple[list[Mapping[str, Any]], int]:
    """The records, in an order of their own, and how many lines are none."""
    good: list[Mapping[str, Any]] = []
    broken = 0
    for line in _lines(log):
        try:
            record = line if isinstance(line, Mapping) else json.loads(line)
            _check_record(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            broken += 1
        else:
            good.append(record)
    if not good:
        raise InputError("The log has no record that can be read. Fix: give what a RecordLog wrote.", code="no_records")
    return sorted(good, key=lambda record: (str(record.get("input_hash")), str(record.get("id")))), broken


def _check_record(record: Mapping[str, Any]) -> None:
    """Raise what `_records` catches where a part that is needed is not there, or of another kind."""
    if not isinstance(record.get("tier"), str | None):
        raise TypeError
    for hop in record["hops"]:
        retries = hop.get("retries")
        count = retries is None or (isinstance(retries, int) and 0 <= retries <= _MOST_RETRIES)
        if not (isinstance(hop["tier"], str) and count):
            raise TypeError


def _lines(log: Records) -> Iterable[Any]:
    if not isinstance(log, (str, PathLike)):
        return log
    try:
        return [line for line in Path(log).read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise InputError(f"{log}: {error.strerror}. Fix: give the file of a RecordLog.", code="bad_log") from None


def _of_rows(evidence: _Evidence, usd: Mapping[str, float], requests: float, days: float, seed: int) -> Simulation:
    tiers, prices = list(usd), np.array(list(usd.values()))
    routed = evidence.paid @ prices
    scored = ~np.isnan(evidence.quality)
    # Columns of sums: requests, USD as routed, requests that reach a tier, score and count as routed; from _FIRST on,
    # for each tier, score there, score as routed beside it, and count; at last what the top costs more where both are
    # scored.
    columns = [np.ones(len(routed)), routed, evidence.asked, np.where(scored, evidence.quality, 0.0), scored]
    for place in range(len(tiers)):
        both = scored & ~np.isnan(evidence.outcomes[:, place])
        columns += [np.where(both, evidence.outcomes[:, place], 0.0), np.where(both, evidence.quality, 0.0), both]
    columns.append(np.where(both, evidence.asked * prices[-1] - routed, 0.0))
    table = np.column_stack(columns).astype(float)
    sums = table.sum(axis=0, keepdims=True)
    counts = [int(count) for count in sums[0, _FIRST + 2 :: 3]]
    drawn = draw_sums(table, evidence.groups, seed=seed)
    units = len(set(evidence.groups)) if evidence.groups is not None else len(table)
    make = _Maker(sums=sums, drawn=drawn, n=len(table), units=units, requests=requests)
    figures = _costs(make, tiers, prices)
    figures += _scores(make, tiers, counts, int(sums[0, 4]))
    n = len(evidence.taken)
    shares = {name: evidence.taken.count(name) / n for name in (*tiers, NOBODY)}
    return Simulation(
        evidence=evidence.kind,
        n=n,
        left_out=evidence.left_out,
        requests=requests,
        days=days,
        top=tiers[-1],
        shares=shares,
        figures=tuple(figures),
        notes=(*evidence.notes, *_notes(1 - float(evidence.asked.mean()))),
    )


def _of_shares(
    shares: Mapping[str, float], n: int | None, usd: Mapping[str, float], requests: float, days: float, seed: int
) -> Simulation:
    tiers, prices = list(usd), np.array(list(usd.values()))
    for name, share in shares.items():
        if name not in usd and name != NOBODY:
            raise _unpriced(name, tiers)
        _check(f"The share of {name!r}", share, lambda number: 0 <= number <= 1.01, "a number in [0, 1]")
    total = sum(shares.values())
    if abs(total - 1) > 0.01:
        raise InputError(f"The shares sum to {total:.4g}. Fix: let them sum to 1.", code="bad_shares")
    if n is not None:
        _check("n", n, lambda number: number >= 1, "the number of requests that the shares were measured on, >= 1")
    mix = np.array([shares.get(name, 0.0) / total for name in (*tiers, NOBODY)])
    kept = mix if NOBODY in shares else mix[:-1]
    drawn = np.full((1, len(mix)), np.nan)
    if n is not None:
        # Half a request more for each, so that a tier that was never seen taking one has an interval too.
        random = np.random.default_rng(seed)
        drawn = np.zeros((RESAMPLES, len(mix)))
        drawn[:, : len(kept)] = random.dirichlet(kept * n + 0.5, RESAMPLES)

    def columns(part: Any) -> Any:
        """As in `_of_rows`, with a request as the unit; nothing is scored."""
        return np.column_stack([np.ones(len(part)), part[:, :-1] @ prices, 1 - part[:, -1]])

    make = _Maker(sums=columns(mix[None, :]), drawn=columns(drawn), n=n or 0, units=max(n or 2, 2), requests=requests)
    notes = () if n is not None else ("The shares come without a number of requests, and have no interval.",)
    return Simulation(
        evidence="shares",
        n=n or 0,
        left_out=0,
        requests=requests,
        days=days,
        top=tiers[-1],
        shares=dict(zip((*tiers, NOBODY), mix.tolist(), strict=True)),
        figures=tuple(_costs(make, tiers, prices)),
        notes=(
            *notes,
            "Shares know no escalations: what was tried before the tier that took a request is not in it.",
            *_notes(float(mix[-1])),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Maker:
    """Makes figures of the same sums (1, columns) and resamples of them (r, columns)."""

    sums: Any
    drawn: Any
    n: int
    units: int
    requests: float

    def __call__(self, name: str, of: str, formula: Any, *, n: int | None = None, **about: Any) -> Figure | None:
        with np.errstate(divide="ignore", invalid="ignore"):
            value, drawn = float(formula(self.sums)[0]), formula(self.drawn)
        if not math.isfinite(value):
            return None
        found = spread(value, drawn, n=max(self.n if n is None else n, 1), units=self.units)
        low, high = (None, None) if found is None else (found.low, found.high)
        if low is not None and high is not None:
            low, high = min(low, value), max(high, value)
        return Figure(name=name, of=of, value=value, low=low, high=high, n=self.n if n is None else n, **about)


def _costs(make: _Maker, tiers: Sequence[str], prices: Any) -> list[Figure]:
    def routed(sums: Any) -> Any:
        return make.requests * sums[:, 1] / sums[:, 0]

    def always(sums: Any, price: float) -> Any:
        return make.requests * price * sums[:, 2] / sums[:, 0]

    made = [make("cost_usd", ROUTER, routed, unit="USD", better="lower")]
    for tier, price in zip(tiers, prices, strict=True):
        of, against = f"always {tier}", f"{ROUTER} - always {tier}"
        made += [
            make("cost_usd", of, lambda sums, p=price: always(sums, p), unit="USD", better="lower"),
            make("saving_usd", against, lambda s, p=price: always(s, p) - routed(s), unit="USD", better="higher"),
            make(
                "saving_share", against, lambda s, p=price: 1 - routed(s) / always(s, p), unit="share", better="higher"
            ),
        ]
    return [figure for figure in made if figure is not None]


def _scores(make: _Maker, tiers: Sequence[str], counts: Sequence[int], scored: int) -> list[Figure]:
    def mean(sums: Any, at: int, count: int) -> Any:
        return sums[:, at] / sums[:, count]

    made = [make("quality", ROUTER, lambda sums: mean(sums, 3, 4), n=scored, unit="score", better="higher")]
    for place, tier in enumerate(tiers):
        at = _FIRST + 3 * place
        formula = partial(mean, at=at, count=at + 2)
        made.append(make("quality", f"always {tier}", formula, n=counts[place], unit="score", better="higher"))
    made.append(_break_even(make, tiers, counts[-1]))
    return [figure for figure in made if figure is not None]


def _break_even(make: _Maker, tiers: Sequence[str], n: int) -> Figure | None:
    """USD that the top tier costs more for each wrong answer that it saves; ``None`` where it saves none.

    An end of the interval at which it saves none has no number.
    """
    at = _FIRST + 3 * (len(tiers) - 1)

    def price(sums: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            better = sums[:, at] - sums[:, at + 1]
            return np.where(better > 0, np.maximum(sums[:, at + 3], 0.0) / better, np.inf)

    value = float(price(make.sums)[0])
    if not math.isfinite(value):
        return None
    ends: tuple[float | None, float | None] = (None, None)
    if make.units > 1:
        low, high = np.sort(price(make.drawn))[[int(0.025 * len(make.drawn)), -int(0.025 * len(make.drawn)) - 1]]
        ends = (float(low) if math.isfinite(low) else None, float(high) if math.isfinite(high) else None)
    against = f"{ROUTER} - always {tiers[-1]}"
    return Figure(name="break_even_usd", of=against, value=value, low=ends[0], high=ends[1], n=n, unit="USD")


def _notes(nobody: float) -> tuple[str, ...]:
    told = [f"{nobody * 100:.1f} % of requests reach no tier and cost nothing in any column."] if nobody > 0 else []
    return (*told, "Every asking of a tier is taken to have the same tokens.")


def _break_even_lines(price: Figure | None, routed: Figure | None, top: Figure | None, name: str) -> list[str]:
    if routed is None or top is None:
        return []
    if price is None:
        return [f"{name!r} answers no better than the router here: it pays at no price of a wrong answer."]
    end = " The interval reaches to no gain at all." if price.high is None else ""
    return [f"{name!r} for everything pays where a wrong answer costs more than {_money(price)}.{end}"]


def _money(figure: Figure) -> str:
    assert figure.value is not None
    if figure.low is None or figure.high is None or figure.low == figure.high:
        return f"{_amount(figure.value)} USD"
    return f"{_amount(figure.value)} USD ({_amount(figure.low)} to {_amount(figure.high)})"


def _amount(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"


def _percent(figure: Figure) -> str:
    assert figure.value is not None
    if figure.low is None or figure.high is None:
        return f"{figure.value * 100:.1f} %"
    return f"{figure.value * 100:.1f} % ({figure.low * 100:.1f} % to {figure.high * 100:.1f} %)"


def _plain(figure: Figure) -> str:
    assert figure.value is not None
    ends = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{ends}"
