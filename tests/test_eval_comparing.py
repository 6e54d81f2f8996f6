"""Two reports on the same suite, paired case by case."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paired_reports import make_report, make_row

from tiergraph.errors import InputError
from tiergraph.evaluation.comparing import Comparison, compare, sure
from tiergraph.evaluation.observations import Hop, Observation
from tiergraph.evaluation.report import Figure, Report, Row

BEFORE = (
    make_row("a", "big", 1.0, 4.0),
    make_row("b", "big", 1.0, 4.0),
    make_row("c", "small", 0.5, 1.0),
    make_row("d", "small", 0.0, 1.0),
)
AFTER = (
    make_row("a", "small", 0.0, 1.0),
    make_row("b", "small", 0.5, 1.0),
    make_row("c", "small", 0.5, 1.0),
    make_row("d", None, None, 0.0),
)


def four() -> Comparison:
    return compare(make_report(BEFORE), make_report(AFTER))


def test_differences_are_candidate_minus_baseline_over_the_cases_that_both_know():
    found = four()
    assert found.n == 4
    # d is unscored in the candidate: (0 + .5 + .5) / 3 - (1 + 1 + .5) / 3
    assert found.difference("quality").value == pytest.approx(-0.5)
    assert found.difference("quality").n == 3
    assert found.difference("cost_usd").value == pytest.approx(3 / 4 - 10 / 4)
    assert found.difference("cost_change").value == pytest.approx(3 / 10 - 1)
    # USD per point of score, over a, b and c
    assert found.difference("cost_per_solved").value == pytest.approx(3 / 1.0 - 9 / 2.5)
    assert found.difference("share:big").value == pytest.approx(-0.5)
    assert found.difference("share:small").value == pytest.approx(0.25)
    assert found.difference("share:nobody").value == pytest.approx(0.25)


def test_every_difference_says_what_it_is_of_and_which_way_is_better():
    found = four()
    assert {figure.of for figure in found.differences} == {"candidate - baseline"}
    assert found.difference("quality").better == "higher"
    assert found.difference("cost_usd").better == "lower"
    assert found.difference("share:big").better is None


def test_agreement_is_the_share_of_cases_with_the_same_tier():
    assert four().agreement.value == 0.25


def test_moves_are_counted_from_tier_to_tier_with_their_mean_changes():
    assert four().moved == {
        "big": {"small": {"n": 2, "quality": pytest.approx(-0.75), "cost_usd": pytest.approx(-3.0)}},
        "small": {"nobody": {"n": 1, "quality": None, "cost_usd": pytest.approx(-1.0)}},
    }


def test_the_moves_that_lost_most_come_first_and_unscored_ones_are_left_out():
    assert [(move.case, move.quality) for move in four().moved_rows()] == [("a", -1.0), ("b", -0.5)]
    assert [move.case for move in four().moved_rows(1)] == ["a"]


def test_moves_that_lost_nothing_are_no_losses():
    before = [make_row("a", "big", 0.5), make_row("b", "big", 0.5), make_row("c", "big", 0.5)]
    after = [make_row("a", "small", 1.0), make_row("b", "small", 0.5), make_row("c", "small", 0.0)]
    assert [move.case for move in compare(make_report(before), make_report(after)).moved_rows()] == ["c"]


def test_cases_of_a_single_group_have_no_interval():
    before = [make_row(f"c{i}", "big", 0.1 * i, group="g") for i in range(9)]
    after = [make_row(f"c{i}", "big", 0.5, group="g") for i in range(9)]
    found = compare(make_report(before), make_report(after)).difference("quality")
    assert (found.low, found.high, found.n) == (None, None, 9)


def test_scores_are_in_the_unit_of_the_suite():
    found = compare(make_report(BEFORE, scale=10), make_report(AFTER, scale=10))
    assert found.difference("quality").value == pytest.approx(-5.0)
    assert any("Score: -5 (" in line for line in found.sentences())


def test_escalations_are_those_with_more_than_one_tier_and_absent_without_hops():
    before = (make_row("a", "big", hops=("small", "big")), make_row("b", "small", hops=("small",)))
    after = (make_row("a", "big", hops=("big",)), make_row("b", "small", hops=("small",)))
    found = compare(make_report(before), make_report(after))
    assert found.difference("escalation_rate").value == pytest.approx(-0.5)
    with pytest.raises(KeyError, match="share:small"):
        four().difference("escalation_rate")


def test_a_report_against_itself_changes_nothing_and_agrees_in_all():
    found = compare(make_report(BEFORE), make_report(BEFORE))
    assert found.agreement.value == 1.0
    assert found.agreement.low is not None
    assert found.agreement.low < 1.0  # four cases cannot show that none will ever move
    assert {figure.value for figure in found.differences} == {0.0}
    assert found.moves == ()
    assert any("no sure change" in line for line in found.sentences() if line.startswith("Score"))


def test_the_interval_is_the_paired_bootstrap_of_the_differences():
    draws = random.Random(1)
    before = [make_row(f"c{i:03}", "big", draws.random()) for i in range(200)]
    after = [make_row(row.id, "big", row.quality - 0.1 + draws.gauss(0, 0.05)) for row in before]
    found = compare(make_report(before), make_report(after)).difference("quality")
    less = [b.quality - a.quality for a, b in zip(before, after, strict=True)]
    spread = 1.96 * np.std(less) / len(less) ** 0.5
    assert found.low == pytest.approx(found.value - spread, abs=0.2 * spread)
    assert found.high == pytest.approx(found.value + spread, abs=0.2 * spread)


def test_cases_of_one_group_are_drawn_together():
    draws = random.Random(2)
    shifts = {group: draws.gauss(0, 0.2) for group in range(20)}

    def rows(grouped: bool, after: bool) -> list:
        return [
            make_row(f"c{i:03}", "big", 0.5 + after * shifts[i % 20], group=str(i % 20) if grouped else None)
            for i in range(200)
        ]

    def width(grouped: bool) -> float:
        found = compare(make_report(rows(grouped, False)), make_report(rows(grouped, True))).difference("quality")
        return found.high - found.low

    assert width(True) > 2 * width(False)  # sqrt(10) in the limit


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_the_order_of_rows_changes_nothing(one, other):
    shuffled = compare(make_report([BEFORE[i] for i in one]), make_report([AFTER[i] for i in other]))
    assert shuffled.as_json() == four().as_json()


def test_swapping_the_reports_swaps_every_sign():
    there, back = four(), compare(make_report(AFTER), make_report(BEFORE))
    for name in ("quality", "cost_usd", "share:big"):
        assert back.difference(name).value == pytest.approx(-there.difference(name).value)
    assert back.agreement == there.agreement


def test_cases_in_one_report_only_are_counted_and_left_out():
    found = compare(make_report(BEFORE), make_report((*AFTER[:2], make_row("z", "big", 1.0, 1.0))))
    assert (found.n, found.only_baseline, found.only_candidate) == (2, 2, 1)
    assert found.difference("quality").value == pytest.approx(-0.75)
    assert any(line.startswith("3 cases") for line in found.sentences())


def test_reports_of_different_suites_are_refused_with_both_digests():
    with pytest.raises(InputError, match=r"'aaa' and 'bbb'.*Fix") as caught:
        compare(make_report(BEFORE, digest="aaa"), make_report(AFTER, digest="bbb"))
    assert caught.value.code == "other_suite"


@pytest.mark.parametrize("which", [0, 1])
def test_a_report_without_rows_is_refused_and_the_fix_named(which):
    reports = [make_report(BEFORE), make_report(AFTER)]
    reports[which] = make_report()
    with pytest.raises(InputError, match=rf"{('first', 'second')[which]}.*with rows") as caught:
        compare(*reports)
    assert caught.value.code == "no_rows"


def test_a_baseline_that_costs_nothing_has_no_relative_change():
    before = [make_row("a", "small", 1.0, 0.0), make_row("b", "small", 1.0, 0.0)]
    after = [make_row("a", "big", 1.0, 2.0), make_row("b", "big", 1.0, 2.0)]
    found = compare(make_report(before), make_report(after))
    assert found.difference("cost_usd").value == 2.0
    with pytest.raises(KeyError):
        found.difference("cost_change")


def test_one_case_has_differences_and_no_interval():
    found = compare(make_report(BEFORE[:1]), make_report(AFTER[:1])).difference("quality")
    assert (found.value, found.low, found.high, found.n) == (-1.0, None, None, 1)


def test_sentences_say_what_moves_what_it_costs_and_what_is_not_sure():
    before = [make_row(f"c{i:03}", "big", float(i % 2), 1.0) for i in range(100)]
    moved = [make_row(f"c{i:03}", "small", float(i % 2), 0.25) for i in range(40)]
    after = [*moved, *before[40:]]
    found = compare(make_report(before), make_report(after))
    lines = found.sentences()
    least, most = 100 * (1 - found.agreement.high), 100 * (1 - found.agreement.low)
    assert least < 40 < most
    assert lines[0] == f"The candidate moves 40.0 % ({least:.1f} % to {most:.1f} %) of 100 requests to another tier."
    assert lines[1].startswith("Expected cost: -30.0 % (-")
    assert "no sure change" not in lines[1]
    assert lines[2] == "Score: +0.0 points (+0.0 to +0.0, n 100): no sure change."


def test_the_table_and_the_json_hold_every_difference():
    found = four()
    names = list(found.frame()["name"])
    assert names[0] == "agreement"
    assert names[1:] == [figure.name for figure in found.differences]
    value = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert [each["name"] for each in value["differences"]] == names[1:]


def test_a_change_of_nothing_but_rounding_is_not_sure():
    figure = Figure(name="quality", value=2e-12, low=1e-12, high=3e-12, n=9)
    assert not sure(figure)
    assert not sure(replace(figure, value=-2e-12, low=-3e-12, high=-1e-12))
    assert sure(replace(figure, value=1e-6, low=1e-7, high=2e-6))
    assert sure(replace(figure, value=-1e-6, low=-2e-6, high=-1e-7))


@pytest.mark.parametrize(("before", "after", "said"), [(0, 30, "30 more"), (30, 0, "30 fewer")])
def test_how_many_more_or_fewer_requests_nobody_takes_is_said_where_it_is_sure(before, after, said):
    def report(handed: int) -> Report:
        return make_report([make_row(f"c{i:03}", None if i < handed else "big", 0.5) for i in range(100)])

    lines = compare(report(before), report(after)).sentences()
    assert any(line.startswith(f"Nobody takes {said} requests: ") for line in lines)
    assert not any("Nobody takes" in line for line in compare(report(after), report(after)).sentences())
    assert not any("Nobody takes" in line for line in compare(report(0), report(1)).sentences())


def test_what_a_cascade_spent_without_an_answer_counts_for_the_cost_of_a_solved_request():
    before = [make_row("a", "big", 1.0, 4.0, solved=1.0), make_row("b", "big", 1.0, 4.0, solved=1.0)]
    after = [make_row("a", "big", 1.0, 4.0, solved=1.0), make_row("b", None, None, 4.0, solved=0.0)]
    found = compare(make_report(before), make_report(after)).difference("cost_per_solved")
    assert found.value == pytest.approx(8.0 - 4.0)


def whole() -> dict:
    """A report as its file holds it, with everything that has a type."""
    seen = Observation(
        case="a",
        tier="big",
        score=0.4,
        tier_probabilities={"small": 0.6, "big": 0.4},
        allowed=("small", "big"),
        hops=(Hop(tier="big", score=0.5, code=None),),
        quality=1.0,
    )
    row = Row(
        observation=seen, quality=1.0, cost_usd=2.0, outcomes={"big": 1.0}, costs={"big": 2.0}, right={"pii": True}
    )
    figure = Figure(name="quality", value=1.0, low=0.9, high=1.0, n=1, better="higher")
    return json.loads(json.dumps(make_report([row], figures=[figure]).as_json()))


def test_a_report_with_every_part_is_read_back():
    assert Report.from_json(whole()).as_json() == whole()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("suite",), []),
        (("suite", "digest"), 7),
        (("suite", "scale"), "x"),
        (("suite", "tiers"), {}),
        (("suite", "tiers", 0), "small"),
        (("suite", "tiers", 0, "name"), None),
        (("subject",), None),
        (("charts",), []),
        (("charts",), {"cost_quality": {"marks": 3}}),
        (("charts",), {"cost_quality": {"marks": [{"name": "a", "kind": "tier", "x": "1", "y": 1.0}]}}),
        (("timing",), 1),
        (("left_out",), []),
        (("left_out", "problems"), 3),
        (("figures",), {}),
        (("figures", 0), "quality"),
        (("figures", 0, "name"), 3),
        (("figures", 0, "value"), "1"),
        (("figures", 0, "value"), True),
        (("figures", 0, "low"), [0.1]),
        (("figures", 0, "high"), float("nan")),
        (("figures", 0, "n"), 1.5),
        (("figures", 0, "better"), "more"),
        (("figures", 0, "better"), ["higher"]),
        (("figures", 0, "by"), 1),
        (("rows",), None),
        (("rows", 0), []),
        (("rows", 0, "quality"), "good"),
        (("rows", 0, "quality"), 1.5),
        (("rows", 0, "outcomes"), [1.0]),
        (("rows", 0, "outcomes", "big"), None),
        (("rows", 0, "outcomes", "big"), -0.5),
        (("rows", 0, "right", "pii"), "yes"),
        (("rows", 0, "strata"), {"kind": ["a"]}),
        (("rows", 0, "group"), {}),
        (("rows", 0, "observation"), None),
        (("rows", 0, "observation", "case"), 1),
        (("rows", 0, "observation", "tier"), ["big"]),
        (("rows", 0, "observation", "score"), 2),
        (("rows", 0, "observation", "hops"), 3),
        (("rows", 0, "observation", "hops", 0), "big"),
        (("rows", 0, "observation", "hops", 0, "code"), 5),
        (("rows", 0, "observation", "allowed"), "big"),
        (("rows", 0, "observation", "tier_probabilities", "big"), "x"),
    ],
)
def test_a_report_with_a_part_of_another_kind_is_one_mistake_of_the_file(place, value):
    broken = whole()
    inside = broken
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    with pytest.raises(InputError, match=r"old\.json.*Fix") as caught:
        Report.from_json(broken, name="old.json")
    assert caught.value.code == "bad_report"
