"""Figures and charts put together: what counts, what is left out, what is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tiergraph.evaluation import Case, Expect, Suite, evaluate
from tiergraph.evaluation.costs import ANSWER_TOKENS, case_costs
from tiergraph.evaluation.figures import LEAST_IN_STRATUM, NAMES, strata_of
from tiergraph.tiers import Price, Tier

TIERS = tuple(
    Tier(
        name=name,
        model="python:tiergraph.evaluation.replay:recorded",
        location="on_prem",
        price=Price(input=price, output=2 * price),
    )
    for name, price in (("low", 1.0), ("mid", 4.0), ("top", 20.0))
)


def graded(n: int = 60, **changes: Any) -> Suite:
    """Case n is solved from rung n % 3 on; its text says which."""
    cases = tuple(
        Case(
            id=f"c{i}",
            text=f"level {i % 3} number {i}",
            outcomes={"low": float(i % 3 == 0), "mid": float(i % 3 <= 1), "top": 1.0},
            costs={"low": 1.0, "mid": 2.0, "top": 4.0},
            strata={"source": "a" if i < 2 * n // 3 else "b", "rare": "x" if i < 3 else "y"},
        )
        for i in range(n)
    )
    return Suite(name="graded", cases=cases, tiers=TIERS, **changes)


def knows(text: str) -> str:
    return ("low", "mid", "top")[int(text.split()[1])]


def test_every_figure_is_explained() -> None:
    suite = graded()
    labelled = replace(
        suite,
        cases=tuple(
            replace(case, expect=Expect(tier=knows(case.text), findings={"pii": i % 2 == 0}), variant_of=None)
            for i, case in enumerate(suite.cases)
        ),
    )
    for report in (evaluate(knows, suite), evaluate(knows, labelled)):
        assert {each.name.partition(":")[0] for each in report.figures} <= set(NAMES)


def test_a_ladder_of_three_is_scored_at_what_it_costs() -> None:
    report = evaluate(knows, graded())
    assert report.figure("quality").value == 1.0
    assert report.figure("cost_usd").value == pytest.approx((1 + 2 + 4) / 3)
    assert report.figure("cost_usd", "oracle").value == pytest.approx((1 + 2 + 4) / 3)
    assert report.figure("quality", "always mid").value == pytest.approx(2 / 3)
    assert report.figure("cost_per_solved", "always low").value == pytest.approx(3.0)
    assert report.figure("quality", "best single tier").value == 1.0
    assert report.figure("quality_kept").value == 1.0
    assert report.figure("cost_kept").value == pytest.approx(7 / 12)
    assert report.figure("quality", "router - always mid").value == pytest.approx(1 / 3)
    assert report.figure("cost_usd", "router - always top").value == pytest.approx(7 / 3 - 4)
    marks = {mark["name"]: (mark["x"], mark["y"]) for mark in report.charts["cost_quality"]["marks"]}
    assert marks["mid"] == pytest.approx((2.0, 2 / 3))
    assert marks["router"] == pytest.approx((7 / 3, 1.0))


def test_scores_are_told_on_the_scale_of_the_suite() -> None:
    report = evaluate(lambda text: "low", graded(scale=10.0, unit="points of 10"))
    figure = report.figure("quality")
    assert (figure.value, figure.unit) == (pytest.approx(10 / 3), "points of 10")
    assert report.figure("quality", "oracle").value == 10.0
    assert report.rows[0].quality == 1.0


def test_the_oracle_is_above_every_other_line_at_every_cost() -> None:
    import numpy as np

    lines = {
        line["name"]: line
        for line in evaluate(lambda text: len(text) % 7 / 7, graded()).charts["cost_quality"]["lines"]
    }
    oracle = lines.pop("oracle")
    assert {"router", "random", "length", "TF-IDF"} <= set(lines)
    for line in lines.values():
        assert (np.interp(line["x"], oracle["x"], oracle["y"]) >= np.array(line["y"]) - 1e-9).all()


def test_a_difference_to_a_baseline_is_paired() -> None:
    """The router's score is the length itself: the difference is 0 in every resample, though neither figure is sure."""
    report = evaluate(lambda text: len(text) / 100, graded())
    difference = report.figure("apgr", "router - length")
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
    own = report.figure("apgr")
    assert own.low is not None
    assert own.high is not None
    assert own.high > own.low


def test_the_previous_configuration_stands_beside_the_new_one() -> None:
    before = evaluate(lambda text: 0.5, graded())
    after = evaluate(knows, graded(), previous=before)
    assert after.figure("apgr", "previous").value == pytest.approx(0.5)
    assert after.figure("apgr", "router - previous").value == pytest.approx(after.figure("apgr").value - 0.5)  # type: ignore[operator]
    kinds = {line["name"]: line["kind"] for line in after.charts["cost_quality"]["lines"]}
    assert kinds["previous"] == "previous"


def test_cases_of_one_group_are_drawn_together() -> None:
    """Twenty copies of three cases say no more than three cases: the interval is wide."""
    suite = graded()
    grouped = replace(suite, cases=tuple(replace(case, group=str(i % 3)) for i, case in enumerate(suite.cases)))
    alone, together = (evaluate(lambda text: "low", each).figure("quality") for each in (suite, grouped))
    assert alone.value == together.value
    assert together.high - together.low > 2 * (alone.high - alone.low)  # type: ignore[operator]


def test_a_stratum_of_few_cases_is_left_out() -> None:
    found = strata_of(graded().cases)
    assert set(found) == {"source"}
    assert {value: len(at) for value, at in found["source"].items()} == {"a": 40, "b": 20}
    assert min(len(at) for at in found["source"].values()) >= LEAST_IN_STRATUM
    assert strata_of(graded().cases, by=["rare"]) == {}


def test_a_stratum_gives_what_its_cases_give_alone() -> None:
    suite = graded()
    report = evaluate(lambda text: "mid", suite)
    alone = evaluate(lambda text: "mid", replace(suite, cases=suite.cases[:40]))
    for name, of in (("quality", "router"), ("cost_usd", "always top"), ("apgr", "length")):
        within = report.figure(name, of, by="source", stratum="a")
        assert within.value == pytest.approx(alone.figure(name, of).value)


def test_an_answer_costs_what_was_recorded_else_what_its_price_gives() -> None:
    case = Case(id="a", text="x" * 400, drafts={"mid": "y" * 80}, costs={"top": 7.0})
    costs = case_costs(case, TIERS)
    assert costs["top"] == 7.0
    assert costs["mid"] == pytest.approx((100 * 4 + 20 * 8) / 1e6)
    assert costs["low"] == pytest.approx((100 * 1 + ANSWER_TOKENS * 2) / 1e6)


def test_documents_and_history_are_paid_for_too() -> None:
    turns = ({"role": "user", "content": "x" * 100}, {"role": "assistant", "content": "x" * 100})
    case = Case(id="a", messages=turns, documents=("y" * 100, {"text": "z" * 100}), drafts={"low": "d"})
    assert case_costs(case, TIERS[:1])["low"] == pytest.approx((100 + 2 * 1) / 1e6)


def test_the_worst_misses_come_first_and_hold_no_text_and_no_time() -> None:
    report = evaluate(lambda text: "low", graded())
    worst = report.charts["worst"]
    assert len(worst) == 20
    assert {miss["loss"] for miss in worst} == {1.0}
    assert "level" not in str(worst)
    assert "latency_ms" not in str(worst)
    assert not evaluate(lambda text: "top", graded()).charts.get("worst")


def test_who_took_what_adds_up_in_every_stratum() -> None:
    mix = evaluate(knows, graded()).charts["mix"]
    assert mix["tiers"] == ["low", "mid", "top"]
    for stratum in mix["strata"]:
        assert sum(stratum["shares"].values()) == pytest.approx(1.0)
    assert mix["strata"][0]["shares"] == pytest.approx({"low": 1 / 3, "mid": 1 / 3, "top": 1 / 3, "nobody": 0.0})


def test_tiers_without_prices_are_shown_by_their_place_on_the_ladder() -> None:
    free = tuple(tier.model_copy(update={"price": Price()}) for tier in TIERS[:2])
    suite = graded()
    cases = tuple(
        replace(case, costs={}, outcomes={name: case.outcomes[name] for name in ("low", "mid")}) for case in suite.cases
    )
    report = evaluate(lambda text: "low", replace(suite, tiers=free, cases=cases))
    assert report.charts["cost_quality"]["x_unit"] == "share of requests to mid"
    assert "cost_usd" not in {each.name for each in report.figures}


def test_the_manifest_names_all_that_a_figure_depends_on() -> None:
    manifest = evaluate(knows, graded(), seed=7, resamples=200).manifest
    assert manifest["data_digest"] == graded().digest
    assert (manifest["options"]["seed"], manifest["options"]["resamples"]) == (7, 200)
    assert manifest["machine"]["versions"]["tiergraph"]


def test_one_case_and_equal_tiers_give_what_can_be_had() -> None:
    one = replace(graded(), cases=graded().cases[:1])
    report = evaluate(knows, one)
    assert report.figure("quality").value == 1.0
    assert "cost_quality" not in report.charts
    level = replace(
        graded(), cases=tuple(replace(case, outcomes=dict.fromkeys(case.outcomes, 1.0)) for case in graded().cases)
    )
    flat = evaluate(knows, level)
    assert "apgr" not in {each.name for each in flat.figures}
    assert flat.figure("quality").value == 1.0


def test_what_each_tier_scores_does_not_depend_on_what_the_router_did() -> None:
    """A third of the cases gives an error: the tiers' own scores still stand over all."""

    def fails(text: str) -> str:
        if text.startswith("level 2"):
            raise ValueError("no")
        return "low"

    report = evaluate(fails, graded())
    assert (report.figure("quality").value, report.figure("quality").n) == (0.5, 40)
    assert (report.figure("quality", "always top").value, report.figure("quality", "always top").n) == (1.0, 60)
    assert report.figure("quality", "router - always top").n == 40
