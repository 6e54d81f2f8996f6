"""Reports to draw and to read: simulated, seeded, with every chart of their kind. No figure in them is a measurement.

`recorded` is a router on recorded outcomes, `cascade` a graph that escalates, `labelled` a decider against labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tiergraph.evaluation.cases import Problem
from tiergraph.evaluation.observations import Hop, Observation
from tiergraph.evaluation.report import Figure, Report, Row

BASELINES = ("random", "length", "category mean", "TF-IDF", "previous", "oracle")
_SKILL = {"router": 1.0, "random": 0.0, "length": 0.55, "category mean": 0.4, "TF-IDF": 0.7, "previous": 0.8}
_RESAMPLES = 60
_PRICES = (0.00004, 0.0011, 0.0094, 0.021, 0.043, 0.09)
Array = np.ndarray[Any, Any]
Weighed = Callable[[Array], float | None]


def recorded(
    *,
    tiers: Sequence[str] = ("mixtral-8x7b", "gpt-4-1106"),
    n: int = 400,
    seed: int = 1,
    router_skill: float = 1.0,
    strata: int = 4,
    suite: str = "gsm8k-pairs",
    problems: int = 3,
) -> Report:
    """A router on recorded outcomes.

    ``router_skill``: noise-free share of what it sees of the gain; below 0.55 it is worse than the length.
    ``strata``: how many intents there are.
    """
    draw = np.random.default_rng(seed)
    hard = draw.beta(1.3, 1.6, n)
    scores = np.array([draw.random(n) < 1 - hard * reach for reach in np.linspace(0.75, 0.22, len(tiers))], dtype=float)
    costs = np.array([_PRICES[i + 6 - len(tiers)] * (0.6 + 0.8 * draw.random(n)) for i in range(len(tiers))])
    skills = {**_SKILL, "router": router_skill}
    ranks = {name: hard * skill + draw.normal(0, 0.33, n) for name, skill in skills.items()}
    ranks["oracle"] = scores[-1] - scores[0] + 1e-6 * draw.random(n)
    intents = draw.zipf(1.4, n) % strata
    kinds = {"difficulty": np.where(hard < 0.4, "easy", "hard"), "intent": np.array([f"intent {i}" for i in intents])}
    chosen = _chosen(ranks["router"], len(tiers))

    figures = _all_figures(ranks, scores, costs, chosen, tiers, draw)
    figures += _by_strata(kinds, ranks, scores, draw)
    x_unit = "USD per request"
    lines = [_line(name, rank, scores, costs, previous=name == "previous") for name, rank in ranks.items()]
    at = (chosen, np.arange(n))
    marks = [
        *(
            {"name": tier, "kind": "tier", "x": float(costs[i].mean()), "y": float(scores[i].mean())}
            for i, tier in enumerate(tiers)
        ),
        {"name": "router", "kind": "operating", "x": float(costs[at].mean()), "y": float(scores[at].mean())},
    ]
    order = {"router": 0, "oracle": 1}
    lines.sort(key=lambda line: order.get(line["name"], 2))
    rows = tuple(
        Row(
            observation=Observation(case=f"case-{i}", tier=tiers[chosen[i]], score=float(hard[i]), source="model"),
            quality=float(scores[chosen[i], i]),
            cost_usd=float(costs[chosen[i], i]),
            strata={name: str(values[i]) for name, values in kinds.items()},
        )
        for i in range(n)
    )
    missed = [i for i in range(n) if scores[chosen[i], i] < scores[:, i].max()][:12]
    charts = {
        "cost_quality": {"x_unit": x_unit, "y_unit": "share of cases", "lines": lines, "marks": marks},
        "reliability": [_reliability("the cheapest tier is not enough", hard, 1 - scores[0], draw)],
        "mix": _mix(tiers, chosen, kinds),
        "worst": [_miss(rows[i], 1.0, "A cheaper tier was chosen; a higher one was right.") for i in missed],
    }
    return _report(suite, tiers, figures, charts, rows, problems=problems, kind="decider")


def cascade(*, tiers: Sequence[str] = ("local", "mid", "large"), n: int = 300, seed: int = 2) -> Report:
    """A graph that drafts, judges and escalates; a few requests go to a person."""
    draw = np.random.default_rng(seed)
    counts: dict[tuple[str, str], list[int]] = {}
    rows, wrong_accepts, needless = [], 0, 0
    taken: list[int] = []

    def count(source: str, target: str, right: int | None) -> None:
        link = counts.setdefault((source, target), [0, 0, 0])
        link[0] += 1
        if right is not None:
            link[1] += right
            link[2] += 1

    for i in range(n):
        hops: list[Hop] = []
        if draw.random() < 0.03:
            count("start", "human", None)
            rows.append(Row(observation=Observation(case=f"case-{i}", outcome="human", source="rule"), quality=None))
            taken.append(-1)
            continue
        at = int(draw.choice(len(tiers), p=_start_shares(len(tiers))))
        source, outcome = "start", "unavailable"
        while True:
            count(source, tiers[at], int(hops[-1].quality or 0) if hops else None)
            right = int(draw.random() < 0.55 + 0.4 * at / len(tiers))
            passed = bool(draw.random() < (0.85 if right else 0.2))
            hops.append(Hop(tier=tiers[at], passed=passed, quality=float(right), cost_usd=_PRICES[at], latency_ms=20.0))
            if passed:
                count(tiers[at], "accepted", right if draw.random() < 0.9 else None)
                wrong_accepts += 1 - right
                outcome = "answered"
                break
            needless += right
            if at == len(tiers) - 1:
                count(tiers[at], "human", None)
                outcome = "human"
                break
            source, at = tiers[at], min(at + (2 if draw.random() < 0.1 else 1), len(tiers) - 1)
        taken.append(at if outcome == "answered" else -1)
        seen = Observation(
            case=f"case-{i}", tier=tiers[at], outcome=outcome, hops=tuple(hops), quality=hops[-1].quality
        )
        rows.append(Row(observation=seen, quality=hops[-1].quality, cost_usd=sum(hop.cost_usd for hop in hops)))

    quality = [row.quality for row in rows if row.quality is not None]
    spent = [row.cost_usd for row in rows if row.cost_usd is not None]
    escalated = [len(row.observation.hops) > 1 for row in rows]
    accepted = sum(link[0] for (_, target), link in counts.items() if target == "accepted")
    figures = [
        _figure("quality", quality, unit="share of cases", better="higher"),
        _figure("cost_usd", spent, unit="USD", better="lower"),
        _figure("escalation_rate", escalated, unit="share"),
        _figure("wrong_accepts", [1] * wrong_accepts + [0] * (accepted - wrong_accepts), unit="share", better="lower"),
        _figure(
            "needless_escalations",
            [1] * needless + [0] * max(sum(escalated) - needless, 1),
            unit="share",
            better="lower",
        ),
        replace(_figure("quality", [0.64] * 60 + [0.7] * 60, unit="share of cases", better="higher"), of="random"),
    ]
    charts = {
        "flow": {
            "tiers": list(tiers),
            "links": [
                {"source": s, "target": t, "n": n, "right": float(right), "scored": scored}
                for (s, t), (n, right, scored) in counts.items()
            ],
        },
        "mix": _mix(tiers, np.array(taken), {"plan": np.where(np.arange(n) % 3 == 0, "free", "enterprise")}),
        "worst": [_miss(row, 1.0, "A wrong draft was accepted.") for row in rows if row.quality == 0.0][:5],
    }
    return _report("support-cascade", tiers, figures, charts, tuple(rows), problems=0, kind="graph")


def labelled(*, n: int = 240, seed: int = 3) -> Report:
    """A decider against labels of policy and of the proposal; nothing to draw but calibration."""
    draw = np.random.default_rng(seed)
    there, seen = draw.random(n) < 0.2, draw.random(n)
    found = np.where(there, seen < 0.94, seen < 0.03)
    said = draw.beta(4, 1.5, n)
    right = (draw.random(n) < said * 0.95).astype(float)
    rows = tuple(Row(observation=Observation(case=f"case-{i}", confidence=float(said[i]))) for i in range(n))
    figures = [
        _figure("precision:pii", list(there[found]), unit="share", better="higher"),
        _figure("recall:pii", list(found[there]), unit="share", better="higher"),
        _figure("false_positive_rate:pii", list(found[~there]), unit="share", better="lower"),
        _figure("accuracy:intent", list(right), unit="share", better="higher"),
        replace(
            _figure("accuracy:intent", list(draw.random(n) < 0.18), unit="share", better="higher"), of="most frequent"
        ),
        _figure("violations:pii_outside", [0] * 40, unit="share", better="lower"),
        Figure(name="recall:legal", value=None, n=0, unit="share", better="higher"),
        Figure(name="ece", value=0.041, low=0.02, high=0.07, n=n, better="lower"),
    ]
    charts = {"reliability": [_reliability("intent", said, right, draw)]}
    return _report("policy-labels", (), figures, charts, rows, problems=1, kind="decider")


def every_kind() -> dict[str, Report]:
    """One of each kind, by name."""
    return {
        "two tiers": recorded(),
        "three tiers": recorded(tiers=("local", "mid", "large"), seed=4, suite="three-rungs"),
        "cascade": cascade(),
        "labels": labelled(),
    }


def _report(
    suite: str,
    tiers: Sequence[str],
    figures: list[Figure],
    charts: dict[str, Any],
    rows: tuple[Row, ...],
    *,
    problems: int,
    kind: str,
) -> Report:
    left_out = tuple(
        Problem(file="cases.jsonl", line=10 * i + 7, id=None, code="not_json", message="The line is not JSON.")
        for i in range(problems)
    )
    return Report(
        suite={
            "name": suite,
            "title": f"Simulated cases of {suite}",
            "digest": "5f2c" * 16,
            "cases": len(rows),
            "scale": 1.0,
            "unit": "share of cases",
            "tiers": [{"name": tier, "location": "external", "price": None} for tier in tiers],
            "sources": ["simulated"],
        },
        subject={
            "name": "router.yaml",
            "kind": kind,
            "config_digest": "9ab1" * 16,
            "model": {"name": "tiny-router", "digest": "77e0" * 16},
        },
        manifest={
            "created": "2026-01-02T03:04:05+00:00",
            "tiergraph": "0.1.0",
            "packages": {"numpy": "2.0"},
            "machine": {"cpus": 2},
            "seed": 7,
        },
        figures=tuple(figures),
        charts=charts,
        problems=left_out,
        timing={"seconds": 12.4, "latency_ms": {"p50": 8.1, "p95": 14.9}},
        rows=rows,
    )


def _figure(name: str, values: Sequence[Any], *, unit: str = "", better: Any = None) -> Figure:
    numbers = np.asarray(values, dtype=float)
    draw = np.random.default_rng(len(numbers))
    means = [draw.choice(numbers, len(numbers)).mean() for _ in range(_RESAMPLES)]
    low, high = (float(end) for end in np.quantile(means, (0.025, 0.975)))
    value = min(max(float(numbers.mean()), low), high)
    return Figure(name=name, value=value, low=low, high=high, n=len(numbers), unit=unit, better=better)


def _chosen(rank: Array, tiers: int) -> Array:
    cuts = np.quantile(
        rank, np.linspace(0, 1, tiers + 1)[1:-1] * 1.25 if tiers == 2 else np.linspace(0, 1, tiers + 1)[1:-1]
    )
    return np.searchsorted(cuts, rank)


def _curve(rank: Array, scores: Array, costs: Array, steps: int = 40) -> tuple[Array, Array]:
    """Mean cost and mean score as more and more cases, hardest first, go from the cheapest to the dearest tier."""
    order = np.argsort(-rank, kind="stable")
    score = np.concatenate([[0.0], np.cumsum((scores[-1] - scores[0])[order])]) / len(rank) + scores[0].mean()
    cost = np.concatenate([[0.0], np.cumsum((costs[-1] - costs[0])[order])]) / len(rank) + costs[0].mean()
    at = np.linspace(0, len(rank), steps + 1).astype(int)
    return cost[at], score[at]


def _line(name: str, rank: Array, scores: Array, costs: Array, *, previous: bool) -> dict[str, Any]:
    if name == "random":
        x, y = costs[[0, -1]].mean(axis=1), scores[[0, -1]].mean(axis=1)
    else:
        x, y = _curve(rank, scores, costs)
    kind = name if name in ("router", "oracle") else "previous" if previous else "baseline"
    return {"name": name, "kind": kind, "x": [float(v) for v in x], "y": [float(v) for v in y]}


def _apgr(rank: Array, scores: Array) -> float:
    order = np.argsort(-rank, kind="stable")
    gain = np.cumsum((scores[-1] - scores[0])[order])
    return float(gain.mean() / gain[-1]) if gain[-1] > 0 else 0.5


def _all_figures(
    ranks: dict[str, Array], scores: Array, costs: Array, chosen: Array, tiers: Sequence[str], draw: Any
) -> list[Figure]:
    n, figures = len(chosen), []
    resamples = [draw.integers(0, n, n) for _ in range(_RESAMPLES)]
    at = {name: chosen if name == "router" else _chosen(rank, len(tiers)) for name, rank in ranks.items()}
    got = {name: scores[picks, np.arange(n)] for name, picks in at.items()}
    paid = {name: costs[picks, np.arange(n)] for name, picks in at.items()}
    solved = {name: paid[name].sum() / max(got[name].sum(), 1) for name in ranks}

    def both(name: str, of: Callable[[str, Array], float], unit: str, better: Any, who: Sequence[str]) -> None:
        drawn = {each: np.array([of(each, picks) for picks in resamples]) for each in who}
        for each in who:
            low, high = (float(end) for end in np.quantile(drawn[each], (0.025, 0.975)))
            value = min(max(of(each, np.arange(n)), low), high)
            figures.append(Figure(name=name, value=value, low=low, high=high, n=n, of=each, unit=unit, better=better))
        for each in who[1:]:
            low, high = (float(end) for end in np.quantile(drawn["router"] - drawn[each], (0.025, 0.975)))
            value = min(max(of("router", np.arange(n)) - of(each, np.arange(n)), low), high)
            figures.append(
                Figure(name=name, value=value, low=low, high=high, n=n, of=f"router - {each}", unit=unit, better=better)
            )

    who = ("router", *BASELINES)
    both("quality", lambda name, picks: float(got[name][picks].mean()), "share of cases", "higher", who)
    both("cost_usd", lambda name, picks: float(paid[name][picks].mean()), "USD", "lower", who)
    both("apgr", lambda name, picks: _apgr(ranks[name][picks], scores[:, picks]), "", "higher", who)
    both("apgr_routellm", lambda name, picks: _apgr(ranks[name][picks], scores[:, picks]) - 0.01, "", "higher", who)
    for name, value in (("cpt50", 0.31), ("cpt80", 0.66)):
        figures += [
            Figure(name=name, value=value + 0.03 * i, n=n, of=each, unit="share", better="lower")
            for i, each in enumerate(who[:3])
        ]
    always = [
        replace(_figure("quality", list(scores[i]), unit="share of cases", better="higher"), of=f"always {tier}")
        for i, tier in enumerate(tiers)
    ]
    figures += [
        *always,
        Figure(name="area", value=0.74, low=0.71, high=0.77, n=n, better="higher"),
        Figure(name="gap_to_oracle", value=0.11, low=0.08, high=0.14, n=n, better="lower"),
        *(
            Figure(name="cost_per_solved", value=float(solved[each]), n=n, of=each, unit="USD", better="lower")
            for each in who
        ),
        Figure(name="ece", value=0.034, low=0.02, high=0.06, n=n, better="lower"),
        Figure(name="brier", value=0.191, low=0.17, high=0.21, n=n, better="lower"),
        *(_figure(f"share:{tier}", list(chosen == i), unit="share") for i, tier in enumerate(tiers)),
    ]
    return sorted(figures, key=lambda figure: figure.of != "router")


def _by_strata(kinds: dict[str, Array], ranks: dict[str, Array], scores: Array, draw: Any) -> list[Figure]:
    found = []
    for by, values in kinds.items():
        for value in sorted(set(values)):
            inside = np.flatnonzero(values == value)
            for name in ("router", "length"):
                apgrs = [
                    _apgr(ranks[name][p], scores[:, p]) for p in (draw.choice(inside, len(inside)) for _ in range(20))
                ]
                low, high = (float(end) for end in np.quantile(apgrs, (0.025, 0.975)))
                here = min(max(_apgr(ranks[name][inside], scores[:, inside]), low), high)
                found.append(
                    Figure(
                        name="apgr",
                        value=here,
                        low=low,
                        high=high,
                        n=len(inside),
                        of=name,
                        better="higher",
                        by=by,
                        stratum=value,
                    )
                )
    return found


def _mix(tiers: Sequence[str], chosen: Array, kinds: dict[str, Array]) -> dict[str, Any]:
    def shares(picks: Array) -> dict[str, float]:
        found = {tier: float((picks == i).mean()) for i, tier in enumerate(tiers)}
        return {**found, "nobody": float((picks < 0).mean())}

    strata = [{"by": None, "value": None, "n": len(chosen), "shares": shares(chosen)}]
    for by, values in kinds.items():
        for value in sorted(set(values)):
            here = chosen[values == value]
            strata.append({"by": by, "value": str(value), "n": len(here), "shares": shares(here)})
    return {"tiers": list(tiers), "strata": strata}


def _reliability(name: str, said: Array, came: Array, draw: Any) -> dict[str, Any]:
    bins = []
    for low in np.arange(0, 1, 0.1):
        inside = (said >= low) & (said < low + 0.1)
        if not inside.any():
            continue
        means = [draw.choice(came[inside], inside.sum()).mean() for _ in range(40)]
        observed = float(came[inside].mean())
        bins.append(
            {
                "low": float(low),
                "high": float(low + 0.1),
                "predicted": float(said[inside].mean()),
                "observed": observed,
                "observed_low": min(observed, float(np.quantile(means, 0.025))),
                "observed_high": max(observed, float(np.quantile(means, 0.975))),
                "n": int(inside.sum()),
            }
        )
    ece = sum(b["n"] * abs(b["predicted"] - b["observed"]) for b in bins) / len(said)
    return {"name": name, "bins": bins, "ece": float(ece), "brier": float(((said - came) ** 2).mean())}


def _miss(row: Row, loss: float, why: str) -> dict[str, Any]:
    return {
        "case": row.id,
        "why": why,
        "loss": loss,
        "strata": dict(row.strata),
        "observation": asdict(row.observation),
    }


def _start_shares(tiers: int) -> list[float]:
    shares = [0.6**i for i in range(tiers)]
    return [share / sum(shares) for share in shares]
