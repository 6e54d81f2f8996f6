"""What a report says, in plain sentences that are computed from its figures; and how to read each plot.

Rule: a difference whose interval includes zero is said to be not sure, and a baseline that wins is said to win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from tiergraph.evaluation.comparing import CLOSE
from tiergraph.evaluation.report import ROUTER, Figure, Report
from tiergraph.evaluation.tables import Money, amount, interval, is_share, label, number

MOST, LEAST = 6, 3
"""Sentences of `says`."""

_SMALL, _MOST_AGAINST = 100, 3
_METRICS = ("apgr", "solved", "auc", "accuracy", "quality")
_WHO = {
    "always pass": "Passing every draft",
    "best single tier": "The best single tier",
    "most frequent": "Always saying the most frequent value",
    "word overlap": "Word overlap",
    "category mean": "The mean of the category",
    "length": "Prompt length alone",
    "oracle": "A perfect choice",
    "previous": "The previous router",
    "random": "Choosing at random",
    "TF-IDF": "A TF-IDF classifier",
}

HOW_TO_READ = {
    "cost_quality": "Higher and further left is better. Each line shows what a ranking of the requests gives as more "
    "of them go to the dearest tier; the oracle chooses knowing the scores.",
    "figures": "Points are figures, bars their 95 % intervals, the shaded band the router's. Overlapping intervals do "
    "not show a difference; the table of paired differences does.",
    "mix": "Each bar is a group of requests, its parts the tiers that took them; nobody means a person, or refused.",
    "flow": "Requests come from above, tiers stand from cheap to dear, drafts that a tier gave up go right, and what "
    "was accepted or handed to a person goes down. Hatched parts were wrong drafts, grey ones were not scored.",
    "reliability": "On the dashed line a probability means what it says. Points above it were more often so than "
    "predicted, points below it less often.",
    "worst": "The cases where a better choice would have gained the most.",
}


class _Difference(NamedTuple):
    """The router less ``than``, as a gain: above zero the router is better. ``sure``: ``None`` without an interval."""

    than: Figure
    figure: Figure
    gain: float
    sure: bool | None


def says(report: Report) -> list[str]:
    """Three to six sentences, the most important first."""
    found = [
        *_seen(report),
        *_held(report),
        *_kept(report),
        *list(_against(report))[:_MOST_AGAINST],
        *_cascade(report),
        *_policy(report),
        *_calibrated(report),
    ]
    few = list(_few(report))
    found = [*found[: MOST - len(few)], *few]
    return [*found, *list(_about(report))[: max(LEAST - len(found), 0)]]


def compared(report: Report, name: str, than: str) -> str | None:
    """The router beside one baseline in one figure, in a sentence; ``None`` where one of them lacks it."""
    difference = _difference(report, name, than)
    return _sentence(report, name, difference) if difference else None


def verdict(difference: Figure) -> Literal["better", "worse", "not sure", "no interval"]:
    """What a paired difference of the router shows, by its interval and by which way is better.

    An end of the interval that is zero but for rounding is zero.
    """
    if difference.value is None or difference.low is None or difference.high is None or difference.better is None:
        return "no interval"
    if difference.low <= CLOSE and difference.high >= -CLOSE:
        return "not sure"
    return "better" if (difference.low > CLOSE) == (difference.better == "higher") else "worse"


def _kept(report: Report) -> Iterator[str]:
    """What the router (of a cascade: all of it) costs and keeps, beside always asking the top tier.

    A share has the interval of its own figure or none: the chart may be of other cases.
    """
    chart: dict[str, Any] = report.charts.get("cost_quality") or {}
    tiers = [mark for mark in chart.get("marks", ()) if mark["kind"] == "tier"]
    points = [mark for mark in chart.get("marks", ()) if mark["kind"] == "operating"]
    if not tiers or not points:
        return
    at, whole = points[-1], points[-1]["name"] == "cascade"
    sentence = _cascade_kept(chart, tiers, at) if whole else _router_kept(report, tiers[-1]["name"])
    if sentence:
        yield sentence
    no_worse = [mark for mark in tiers if mark["y"] >= at["y"] and mark["x"] <= at["x"]]
    if no_worse:
        best = max(no_worse, key=lambda mark: mark["y"])
        who = at["name"] if whole else ROUTER
        yield f"Always using {best['name']} scores no less and costs no more: the {who} is of no use at this point."


def _seen(report: Report) -> Iterator[str]:
    """How many cases the embedded model learned from, and what is left without them."""
    trained = sum(row.strata.get("trained_on") == "yes" for row in report.rows)
    if not trained:
        return
    unseen = {(each.name, each.of): each for each in report.figures if each.by == "trained_on" and each.stratum == "no"}
    own, length = unseen.get(("apgr", ROUTER)), unseen.get(("apgr", "length"))
    said = (
        f"{trained:,} of {len(report.rows):,} cases are rows that the embedded model was trained on: quote the others."
    )
    if own is None or length is None:
        yield said
        return
    money = Money.of(report)
    yield f"{said} Over {own.n:,} of these APGR is {amount(own, money)}, of prompt length {amount(length, money)}."


def _router_kept(report: Report, top: str) -> str | None:
    """From figures over the cases that the router gave to a tier."""
    money, kept, cost = Money.of(report), _figure(report, "quality_kept"), _figure(report, "cost_kept")
    if kept is None:
        return None
    share = f"{amount(kept, money)}{_ends(kept, money)}"
    over = f"over the {kept.n:,} requests that it gave to a tier"
    if cost is None:
        return f"The router keeps {share} of the score of always using {top}, {over}."
    paid = f"{amount(cost, money)}{_ends(cost, money)}"
    where = over if cost.n == kept.n else f"{over} (cost: {cost.n:,})"
    return f"At {paid} of the cost of always using {top} the router keeps {share} of its score, {where}."


def _cascade_kept(chart: Mapping[str, Any], tiers: Sequence[Mapping[str, Any]], at: Mapping[str, Any]) -> str | None:
    """From the chart alone, without intervals."""
    dearest, unit = max(tiers, key=lambda mark: mark["x"]), str(chart.get("y_unit", ""))
    if dearest["x"] <= 0 or dearest["y"] <= 0:
        return None
    percent = " %" if is_share(unit) else f" {unit}".rstrip()
    cost = "of the cost" if "USD" in str(chart.get("x_unit")) else "of the calls"
    over = f", over {chart['n']:,} requests of the chart" if "n" in chart else ""
    return (
        f"At {_percent(at['x'] / dearest['x'])} {cost} of always using {dearest['name']} the cascade keeps "
        f"{_percent(at['y'] / dearest['y'])} of its score: {number(at['y'], unit)}{percent} against "
        f"{number(dearest['y'], unit)}{percent}{over}."
    )


def _against(report: Report) -> Iterator[str]:
    """The router beside the length, the best other baseline, and chance where it does not beat it."""
    for name in _metrics(report):
        metric = _figure(report, name)
        if metric is None or not _others(report, name):
            continue
        order = ["length", "previous"]
        rivals = [each for each in _others(report, name) if each.of not in ("oracle", "random", *order)]
        if rivals:
            sign = -1 if metric.better == "lower" else 1
            order.insert(1, max(rivals, key=lambda each: sign * (each.value or 0.0)).of)
        for of in order:
            if sentence := compared(report, name, of):
                yield sentence
        chance = _difference(report, name, "random")
        if chance and (chance.gain <= 0 or chance.sure is False):
            yield _sentence(report, name, chance)
        return


def _metrics(report: Report) -> list[str]:
    """Names of figures that a router is compared in, the best first."""
    names = dict.fromkeys(each.name for each in report.figures if each.by is None)
    return [name for metric in _METRICS for name in names if name.partition(":")[0] == metric]


def _sentence(report: Report, name: str, difference: _Difference) -> str:
    money = Money.of(report)
    router, than, gap = _figure(report, name), difference.than, difference.figure
    assert router is not None
    who = _WHO.get(than.of, f"The baseline {than.of!r}")
    said = f"{who} gives {_in_words(name)} {amount(than, money)}, the router {amount(router, money)}"
    if difference.sure is None:
        both = all(end is not None for each in (router, than) for end in (each.low, each.high))
        apart = both and (router.low > than.high or than.low > router.high)  # type: ignore[operator]
        if both and not apart:
            return f"{said}: their intervals overlap, so the difference is not sure."
        tail = "" if apart else "; without an interval, how sure that is cannot be said"
        return f"{said}: the router is {_than(difference.gain)}{tail}."
    ends = f"{amount(gap, money)}, 95 % interval {interval(gap, money)}"
    if not difference.sure:
        return f"{said}: the difference is not sure ({ends}, which includes 0)."
    return f"{said}: the router is {_than(difference.gain)} ({ends})."


def _than(gain: float) -> str:
    return "better" if gain > CLOSE else "worse" if gain < -CLOSE else "no better and no worse"


def _cascade(report: Report) -> Iterator[str]:
    money = Money.of(report)
    if (rate := _figure(report, "escalation_rate")) is not None:
        yield f"{amount(rate, money)} of {rate.n:,} requests were escalated{_ends(rate, money)}."
    if (wrong := _figure(report, "wrong_accepts")) is None:
        return
    needless = _figure(report, "needless_escalations")
    if report.subject.get("kind") == "judge":
        more = f", and {amount(needless, money)} of the supported ones did not" if needless else ""
        yield f"Of the unsupported drafts {amount(wrong, money)} passed{_ends(wrong, money)}{more}."
    else:
        more = f"; of the drafts left behind {amount(needless, money)} were right" if needless else ""
        yield f"Of the accepted drafts {amount(wrong, money)} were wrong{_ends(wrong, money)}{more}."


def _held(report: Report) -> Iterator[str]:
    """Whether policy held, and how much was not observed at all: what nobody may miss."""
    money = Money.of(report)
    asked = [each for each in report.figures if each.name.startswith("violations:") and _whole(each)]
    broken = [each for each in asked if each.value]
    for each in broken:
        where = f"{amount(each, money)} of {each.n:,} cases where it was asked"
        yield f"Policy did not hold ({_about_what(each)}) in {where}."
    if asked and not broken:
        kinds = ", ".join(f"{_about_what(each)} n {each.n:,}" for each in asked)
        yield f"Policy held wherever it was asked ({kinds})."
    if (failed := _figure(report, "failed")) is not None and failed.value:
        yield f"{amount(failed, money)} of {failed.n:,} cases gave no observation and are in no figure."


def _about_what(figure: Figure) -> str:
    return figure.name.partition(":")[2].replace("_", " ")


def _policy(report: Report) -> Iterator[str]:
    """What is missed of each kind of finding; the kinds with the least recall first."""
    money = Money.of(report)
    told = [each for each in report.figures if _whole(each) and each.value is not None]
    kinds = [each for each in told if each.name.startswith("recall:")]
    for recall in sorted(kinds, key=lambda each: each.value or 0.0)[:2]:
        kind = recall.name.partition(":")[2]
        alarms = _figure(report, f"false_positive_rate:{kind}")
        more = f"; of those without, {amount(alarms, money)} were flagged" if alarms else ""
        yield f"Of {recall.n:,} requests with {kind}, {amount(recall, money)} were found{_ends(recall, money)}{more}."
    for right in [each for each in told if each.name.startswith("accuracy:")][:1]:
        field = right.name.partition(":")[2]
        yield f"The {field} was right for {amount(right, money)} of {right.n:,} requests{_ends(right, money)}."


def _calibrated(report: Report) -> Iterator[str]:
    if (ece := _figure(report, "ece")) is not None:
        points = f"{100 * (ece.value or 0.0):.1f} percentage points"
        yield f"Its probabilities are off by {points} on average (expected calibration error, n {ece.n:,})."


def _few(report: Report) -> Iterator[str]:
    n = report.suite.get("cases", len(report.rows))
    if n < _SMALL:
        yield f"With {n:,} cases every interval is wide: take no decision from small differences."


def _about(report: Report) -> Iterator[str]:
    n = report.suite.get("cases", len(report.rows))
    yield f"{n:,} cases of {report.suite.get('name', 'the suite')} were evaluated."
    left = len(report.problems)
    yield f"{left:,} rows were left out; they are listed below." if left else "No row was left out."
    told = sum(1 for each in report.figures if each.value is not None)
    yield f"The report has {told:,} figures; those without a value need labels or scores that these cases lack."


def _difference(report: Report, name: str, than: str) -> _Difference | None:
    """The paired difference; without it that of the values, which has no interval."""
    router, other = _figure(report, name), _figure(report, name, than)
    if router is None or other is None or router.better is None:
        return None
    sign = 1 if router.better == "higher" else -1
    gap = _figure(report, name, f"{ROUTER} - {than}")
    if gap is not None and gap.value is not None:
        said = verdict(replace(gap, better=router.better))
        return _Difference(other, gap, sign * gap.value, None if said == "no interval" else said != "not sure")
    value = (router.value or 0.0) - (other.value or 0.0)
    plain = Figure(name=name, value=value, of=f"{ROUTER} - {than}", unit=router.unit, better=router.better)
    return _Difference(other, plain, sign * value, None)


def _figure(report: Report, name: str, of: str = ROUTER) -> Figure | None:
    """A figure over all cases that has a value."""
    for each in report.select(name):
        if each.of == of and each.value is not None:
            return each
    return None


def _others(report: Report, name: str) -> list[Figure]:
    return [
        each for each in report.select(name) if each.of != ROUTER and " - " not in each.of and each.value is not None
    ]


def _whole(figure: Figure) -> bool:
    return figure.by is None and figure.of == ROUTER


def _in_words(name: str) -> str:
    """A figure's name inside a sentence; what begins with two capitals keeps them."""
    words = label(name)
    return words if words[1:2].isupper() else f"the {words[:1].lower()}{words[1:]}"


def _ends(figure: Figure, money: Money) -> str:
    ends = interval(figure, money)
    return f" (95 % interval {ends})" if ends else ""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"
