"""What a month costs as routed, and always at one tier."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paired_reports import make_report, make_row
from routers import Bench, make_config

from tiergraph.errors import InputError
from tiergraph.evaluation.observations import Hop
from tiergraph.evaluation.simulating import Simulation, simulate
from tiergraph.records import RecordLog
from tiergraph.testing import ScriptedChat, ScriptedJudge
from tiergraph.tiers import Price

PRICES = {"small": {"input": 1.0, "output": 1.0}, "big": {"input": 10.0, "output": 30.0}}
# One asking at 1,000 + 100 tokens: small .0011 USD, big .013 USD. 30,000 requests a month: 33 and 390.
TRAFFIC = {"prices": PRICES, "requests_per_day": 1000, "input_tokens": 1000, "output_tokens": 100, "days": 30}
SMALL, BIG = 33.0, 390.0


def of_rows(*rows, **options) -> Simulation:
    return simulate(report=make_report(rows), **{**TRAFFIC, **options})


def value(simulation: Simulation, name: str, of: str = "router") -> float:
    return simulation.figure(name, of).value


def test_a_report_is_paid_for_at_the_tiers_that_it_chose():
    found = of_rows(make_row("a", "small"), make_row("b", "small"), make_row("c", "small"), make_row("d", "big"))
    routed = 0.75 * SMALL + 0.25 * BIG
    assert value(found, "cost_usd") == pytest.approx(routed)
    assert value(found, "cost_usd", "always small") == pytest.approx(SMALL)
    assert value(found, "cost_usd", "always big") == pytest.approx(BIG)
    assert value(found, "saving_usd", "router - always big") == pytest.approx(BIG - routed)
    assert value(found, "saving_share", "router - always big") == pytest.approx(1 - routed / BIG)
    assert value(found, "saving_usd", "router - always small") == pytest.approx(SMALL - routed)
    assert (found.requests, found.top, found.n) == (30_000, "big", 4)
    assert found.shares == {"small": 0.75, "big": 0.25, "nobody": 0.0}


def test_every_hop_of_an_escalation_is_paid():
    found = of_rows(make_row("a", "big", hops=("small", "big")), make_row("b", "small", hops=("small",)))
    assert value(found, "cost_usd") == pytest.approx((SMALL + BIG + SMALL) / 2)
    # A person took it in the end, but both tiers had been asked.
    exhausted = of_rows(make_row("a", None, hops=("small", "big"), outcome="human"))
    assert value(exhausted, "cost_usd") == pytest.approx(SMALL + BIG)
    assert value(exhausted, "cost_usd", "always big") == pytest.approx(BIG)


@pytest.mark.parametrize("code", ["forbidden", "over_budget", "unreachable", "withheld"])
def test_a_hop_in_which_nothing_was_sent_costs_nothing_in_a_report_as_in_a_log(code):
    rows = [make_row(f"c{i}", "big", hops=("small", "big")) for i in range(10)]
    unsent = [
        replace(row, observation=replace(row.observation, hops=(Hop(tier="small", code=code), Hop(tier="big"))))
        for row in rows
    ]
    hops = [{"tier": "small", "code": code, "retries": 0}, {"tier": "big", "code": None, "retries": 0}]
    log = [{"id": str(i), "input_hash": str(i), "tier": "big", "hops": hops} for i in range(10)]
    assert value(of_rows(*unsent), "cost_usd") == pytest.approx(BIG)
    assert value(simulate(log=log, **TRAFFIC), "cost_usd") == pytest.approx(BIG)
    assert value(of_rows(*rows), "cost_usd") == pytest.approx(SMALL + BIG)


def test_what_was_never_sent_reaches_no_tier():
    row = make_row("b", "small")
    unsent = replace(row, observation=replace(row.observation, hops=(Hop(tier="small", code="unreachable"),)))
    assert value(of_rows(make_row("a", "big"), unsent), "cost_usd") == pytest.approx(BIG / 2)


@pytest.mark.parametrize(
    "broken",
    [
        {"hops": [{"tier": "big", "retries": "x"}], "tier": "big"},
        {"hops": [{"tier": "big", "retries": -1}], "tier": "big"},
        {"hops": [{"tier": "big", "retries": 10**400}], "tier": "big"},
        {"hops": [{"tier": "big", "retries": 1.5}], "tier": "big"},
        {"hops": ["big"], "tier": "big"},
        {"hops": [], "tier": ["big"]},
        {"hops": None, "tier": "big"},
        ["hops"],
        7,
    ],
)
def test_a_line_of_a_log_with_a_part_of_another_kind_is_counted_as_unreadable(broken, tmp_path):
    log = tmp_path / "log.jsonl"
    good = {"tier": "big", "hops": [{"tier": "big", "retries": None}]}
    log.write_text(f"{json.dumps(broken)}\n{json.dumps(good)}\n")
    found = simulate(log=log, **TRAFFIC)
    assert (found.n, found.left_out) == (1, 1)
    assert value(found, "cost_usd") == pytest.approx(BIG)


def test_requests_that_reach_no_tier_cost_nothing_in_any_column():
    found = of_rows(make_row("a", "big"), make_row("b", None, outcome="human"))
    assert value(found, "cost_usd") == pytest.approx(BIG / 2)
    assert value(found, "cost_usd", "always big") == pytest.approx(BIG / 2)
    assert value(found, "saving_share", "router - always big") == pytest.approx(0)
    assert any(line.startswith("50.0 % of requests reach no tier") for line in found.sentences())


def test_cases_that_ended_in_an_error_are_left_out_and_counted():
    found = of_rows(make_row("a", "big"), make_row("b", None, outcome="error"))
    assert (found.n, found.left_out) == (1, 1)
    assert value(found, "cost_usd") == pytest.approx(BIG)


def scored(id: str, tier: str, small: float, big: float):
    outcomes = {"small": small, "big": big}
    return make_row(id, tier, outcomes[tier], outcomes=outcomes)


def test_scores_and_the_price_at_which_the_top_pays():
    found = of_rows(scored("a", "small", 0.0, 1.0), scored("b", "small", 1.0, 1.0), scored("c", "big", 0.0, 1.0))
    assert value(found, "quality") == pytest.approx(2 / 3)
    assert value(found, "quality", "always small") == pytest.approx(1 / 3)
    assert value(found, "quality", "always big") == pytest.approx(1.0)
    # Always big costs two times (.013 - .0011) more and saves one wrong answer of the three.
    assert value(found, "break_even_usd", "router - always big") == pytest.approx(2 * (0.013 - 0.0011))
    assert any("pays where a wrong answer costs more than 0.0238 USD" in line for line in found.sentences())


def test_the_break_even_is_had_from_the_scored_requests_alone():
    rows = (scored("a", "small", 0.0, 1.0), scored("b", "big", 0.0, 1.0))
    unscored = [make_row(f"u{i}", "small") for i in range(10)]
    lone = [make_row(f"l{i}", "small", 1.0, outcomes={"small": 1.0}) for i in range(10)]  # big is not scored
    price = value(of_rows(*rows), "break_even_usd", "router - always big")
    assert value(of_rows(*rows, *unscored, *lone), "break_even_usd", "router - always big") == pytest.approx(price)


def test_where_the_top_answers_no_better_it_pays_at_no_price():
    found = of_rows(scored("a", "small", 1.0, 1.0), scored("b", "small", 1.0, 0.0))
    with pytest.raises(KeyError, match="break_even_usd"):
        found.figure("break_even_usd", "router - always big")
    assert any("pays at no price" in line for line in found.sentences())


def test_an_interval_that_reaches_to_no_gain_has_no_upper_price():
    rows = [scored(f"c{i:02}", "small", 1.0, 1.0) for i in range(30)]
    rows += [scored("x", "small", 0.0, 1.0), scored("y", "small", 0.0, 1.0), scored("z", "small", 1.0, 0.0)]
    figure = of_rows(*rows).figure("break_even_usd", "router - always big")
    assert figure.low is not None
    assert figure.low < figure.value
    assert figure.high is None


def test_without_scores_nothing_is_said_of_them():
    found = of_rows(make_row("a", "small"), make_row("b", "big"))
    assert {figure.name for figure in found.figures} == {"cost_usd", "saving_usd", "saving_share"}
    assert not any("Score" in line for line in found.sentences())


def test_intervals_come_from_the_requests_and_narrow_with_them():
    def width(n: int) -> float:
        rows = [make_row(f"c{i:04}", "big" if i % 4 == 0 else "small") for i in range(n)]
        figure = of_rows(*rows).figure("cost_usd")
        assert figure.low < figure.value < figure.high
        return figure.high - figure.low

    # standard error of the share of big: sqrt(.25 * .75 / n)
    assert width(100) == pytest.approx(2 * 1.96 * (0.1875 / 100) ** 0.5 * (BIG - SMALL), rel=0.15)
    assert width(1600) == pytest.approx(width(100) / 4, rel=0.15)


def test_cases_of_one_group_are_drawn_together():
    def width(grouped: bool) -> float:
        rows = [
            make_row(f"c{i:03}", "big" if i < 100 else "small", group=str(i // 10) if grouped else None)
            for i in range(200)
        ]
        figure = of_rows(*rows).figure("cost_usd")
        return figure.high - figure.low

    assert width(True) > 2 * width(False)


@given(st.permutations(range(6)))
def test_the_order_of_rows_changes_nothing(order):
    rows = [scored(f"c{i}", ("small", "big")[i % 2], 0.1 * i, 1.0) for i in range(6)]
    assert of_rows(*(rows[i] for i in order)).as_json() == of_rows(*rows).as_json()


# ---- a log of records


def record(tier: str | None, *hops: tuple[str, str | None, int], **known) -> dict:
    return {"tier": tier, "hops": [{"tier": name, "code": code, "retries": n} for name, code, n in hops], **known}


def of_log(*records: object, **options) -> Simulation:
    return simulate(log=records, **{**TRAFFIC, **options})


def test_a_log_pays_for_every_hop_and_every_retry():
    found = of_log(record("big", ("small", "timeout", 2), ("big", None, 0)), record("small", ("small", None, 0)))
    assert value(found, "cost_usd") == pytest.approx((3 * SMALL + BIG + SMALL) / 2)
    assert found.shares == {"small": 0.5, "big": 0.5, "nobody": 0.0}
    assert any("knows no scores" in line for line in found.sentences())


@pytest.mark.parametrize("code", ["unreachable", "withheld", "forbidden", "over_budget"])
def test_a_hop_in_which_nothing_was_sent_costs_nothing(code):
    found = of_log(record("big", ("small", code, 0), ("big", None, 0)))
    assert value(found, "cost_usd") == pytest.approx(BIG)


def test_what_a_real_router_records_is_read_and_broken_lines_are_counted(tmp_path):
    log = tmp_path / "records.jsonl"
    bench = Bench(make_config(record={"salt": "s"}), judge=ScriptedJudge(False, True), chats={"big": ScriptedChat("b")})
    bench.ask("hello")
    for each in bench.records:
        RecordLog(log)(each)
    with log.open("ab") as file:
        file.write(b'{"hops": [\n\n[1]\n{"hops": [{"no": "tier"}]}\n\xff\n')
    found = simulate(log=log, **{**TRAFFIC, "prices": bench.config})
    # small was rejected and middle accepted, at 1 and 10 USD per million
    assert value(found, "cost_usd") == pytest.approx(30_000 * 1100 * 11 / 1e6)
    assert (found.n, found.left_out, found.top) == (1, 4, "big")


def test_repeats_of_one_question_are_no_further_evidence():
    def width(times: int) -> float:
        records = [record("x", (("big", "small")[i % 2], None, 0), input_hash=f"h{i:02}") for i in range(20)]
        figure = of_log(*records * times).figure("cost_usd")
        return figure.high - figure.low

    assert width(10) == pytest.approx(width(1), rel=0.1)


# ---- shares


def test_shares_are_priced_as_they_are():
    found = simulate(shares={"small": 0.8, "big": 0.2}, **TRAFFIC)
    figure = found.figure("cost_usd")
    assert figure.value == pytest.approx(0.8 * SMALL + 0.2 * BIG)
    assert (figure.low, figure.high, found.n) == (None, None, 0)
    assert any("have no interval" in line for line in found.sentences())
    assert any("know no escalations" in line for line in found.sentences())


def test_shares_with_their_number_have_an_interval():
    figure = simulate(shares={"small": 0.75, "big": 0.25}, n=400, **TRAFFIC).figure("cost_usd")
    spread = 1.96 * (0.1875 / 400) ** 0.5 * (BIG - SMALL)
    assert figure.high - figure.low == pytest.approx(2 * spread, rel=0.1)
    assert figure.low < figure.value < figure.high


def test_a_tier_that_was_never_seen_to_take_a_request_may_still_take_some():
    figure = simulate(shares={"small": 1.0, "big": 0.0}, n=50, **TRAFFIC).figure("cost_usd")
    assert figure.value == pytest.approx(SMALL)
    assert figure.low == figure.value
    assert figure.high > 1.1 * SMALL


def test_shares_to_nobody_cost_nothing():
    found = simulate(shares={"small": 0.5, "big": 0.25, "nobody": 0.25}, **TRAFFIC)
    assert value(found, "cost_usd") == pytest.approx(0.5 * SMALL + 0.25 * BIG)
    assert value(found, "cost_usd", "always big") == pytest.approx(0.75 * BIG)


def test_shares_that_miss_1_by_rounding_are_made_to_sum_to_it():
    found = simulate(shares={"small": 0.667, "big": 0.334}, **TRAFFIC)
    assert sum(found.shares.values()) == pytest.approx(1.0)


@given(st.floats(0, 1), st.floats(0, 100), st.floats(0, 100))
def test_savings_are_the_difference_of_the_costs(share, cheap, dear):
    prices = {"small": Price(input=cheap, output=cheap), "big": Price(input=dear, output=dear)}
    found = simulate(shares={"small": share, "big": 1 - share}, **{**TRAFFIC, "prices": prices})
    saved = value(found, "cost_usd", "always big") - value(found, "cost_usd")
    assert value(found, "saving_usd", "router - always big") == pytest.approx(saved, abs=1e-9)


# ---- mistakes


@pytest.mark.parametrize(
    ("shares", "code"),
    [
        ({"small": 0.5, "big": 0.4}, "bad_shares"),
        ({"small": 0.6, "big": 0.5}, "bad_shares"),
        ({}, "bad_shares"),
        ({"small": 0.5, "huge": 0.5}, "unknown_tier"),
        ({"small": -0.5, "big": 1.5}, "bad_option"),
        ({"small": float("nan"), "big": 1.0}, "bad_option"),
        ({"small": "half", "big": 0.5}, "bad_option"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares, code):
    with pytest.raises(InputError, match="Fix") as caught:
        simulate(shares=shares, **TRAFFIC)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["requests_per_day", "days", "input_tokens", "output_tokens"])
@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "many", True])
def test_a_number_out_of_its_range_is_refused_by_name(name, wrong):
    with pytest.raises(InputError, match=rf"{name} is .*Fix"):
        simulate(shares={"big": 1.0}, **{**TRAFFIC, name: wrong})


@pytest.mark.parametrize("options", [{"requests_per_day": 0}, {"days": 0}, {"input_tokens": 0, "output_tokens": 0}])
def test_nothing_at_all_is_refused(options):
    with pytest.raises(InputError, match="Fix"):
        simulate(shares={"big": 1.0}, **{**TRAFFIC, **options})


@pytest.mark.parametrize(
    "prices", [{}, {"big": -1}, {"big": {"input": -1}}, {"big": {"in": 1}}, {"big": {"input": float("inf")}}]
)
def test_prices_that_cannot_be_are_refused(prices):
    with pytest.raises(InputError, match="Fix") as caught:
        simulate(shares={"big": 1.0}, **{**TRAFFIC, "prices": prices})
    assert caught.value.code == "bad_price"


def test_a_tier_without_a_price_is_refused_by_name():
    for evidence in ({"report": make_report([make_row("a", "middle")])}, {"log": [record("x", ("middle", None, 0))]}):
        with pytest.raises(InputError, match=r"'middle' has no price.*'small', 'big'"):
            simulate(**evidence, **TRAFFIC)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "bad_option"),
        ({"shares": {"big": 1.0}, "log": []}, "bad_option"),
        ({"log": [], "n": 5}, "bad_option"),
        ({"shares": {"big": 1.0}, "n": 0}, "bad_option"),
        ({"log": []}, "no_records"),
        ({"log": "there/is/none.jsonl"}, "bad_log"),
        ({"report": make_report()}, "no_rows"),
        ({"report": make_report([make_row("a", None, outcome="error")])}, "no_cases"),
    ],
)
def test_evidence_that_is_none_is_refused(options, code):
    with pytest.raises(InputError, match="Fix") as caught:
        simulate(**options, **TRAFFIC)
    assert caught.value.code == code


def test_the_table_and_the_json_hold_every_figure():
    draws = random.Random(3)
    rows = [scored(f"c{i:02}", ("small", "big")[i % 3 == 0], draws.random(), draws.random()) for i in range(40)]
    found = of_rows(*rows)
    assert len(found.frame()) == len(found.figures)
    stated = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert {(each["name"], each["of"]) for each in stated["figures"]} == {(f.name, f.of) for f in found.figures}
    assert found.sentences()[0].startswith("30,000 requests in 30 days cost ")
