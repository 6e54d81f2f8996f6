"""Operating points: every threshold comes to what `choose` would do, and a target is met or said to be out of reach."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.errors import InputError
from tiergraph.proposers.calibration import choose
from tiergraph.proposers.fitted import tier_scores
from tiergraph.tuning.points import Target, at, chosen, parse_target, pick, picked_elsewhere, sweep

# Four rows, two tiers: the strong one is right everywhere, the weak one on the two that look easy.
LEVELS = np.array([[0.9], [0.7], [0.4], [0.2]])
QUALITY = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
COST = np.array([1.0, 10.0])


@st.composite
def ladders(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tiers, n = draw(st.integers(2, 6)), draw(st.integers(1, 12))
    share = st.integers(0, 8).map(lambda eighths: eighths / 8)
    levels = [sorted(draw(st.lists(share, min_size=tiers - 1, max_size=tiers - 1))) for _ in range(n)]
    quality = [draw(st.lists(share, min_size=tiers, max_size=tiers)) for _ in range(n)]
    cost = sorted(draw(st.lists(st.integers(1, 9), min_size=tiers, max_size=tiers)))
    return np.array(levels), np.array(quality), np.array(cost, float)


def test_the_sweep_by_hand():
    found = sweep(LEVELS, QUALITY, COST)
    assert found.quality.tolist() == [0.5, 0.75, 1.0, 1.0, 1.0]
    assert found.cost.tolist() == pytest.approx([1.0, 3.25, 5.5, 7.75, 10.0])
    assert found.shares[:, 1].tolist() == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    assert found.thresholds.tolist() == [0.1, 0.3, 0.55, 0.8, 0.95]


@given(ladders())
def test_every_threshold_of_the_sweep_comes_to_what_choose_does(given_):
    levels, quality, cost = given_
    found = sweep(levels, quality, cost)
    tiers = quality.shape[1]
    for number, threshold in enumerate(found.thresholds):
        took = [choose(tier_scores(row).probabilities, [True] * tiers, threshold) for row in levels]
        assert took == chosen(levels, threshold).tolist()
        point = found.point(number)
        assert point.quality == pytest.approx(np.mean([quality[i, t] for i, t in enumerate(took)]))
        assert point.cost == pytest.approx(np.mean([cost[t] for t in took]))
        assert point.shares == pytest.approx([took.count(tier) / len(took) for tier in range(tiers)])
        assert at(levels, quality, cost, threshold).quality == pytest.approx(point.quality)


@given(ladders(), st.floats(0.001, 0.999))
def test_no_threshold_is_missing_from_the_sweep(given_, threshold):
    levels, quality, cost = given_
    if np.abs(levels - threshold).min() < 1e-3:  # at an edge rounding decides
        return
    point = at(levels, quality, cost, threshold)
    found = sweep(levels, quality, cost)
    shares = np.abs(found.shares - np.array(point.shares)).max(axis=1)
    assert shares.min() == pytest.approx(0, abs=1e-9)


def test_a_level_that_is_the_threshold_suffices():
    assert chosen([[0.5], [0.49]], 0.5).tolist() == [0, 1]
    assert choose((0.5, 0.5), [True, True], 0.5) == 0


def test_a_quality_is_reached_as_cheaply_as_can_be():
    found = sweep(LEVELS, QUALITY, COST)
    assert pick(found, Target("quality", 1.0), top="big").sufficiency == 0.55
    assert pick(found, Target("quality", 0.7), top="big").shares == pytest.approx((0.75, 0.25))
    assert pick(found, Target("quality", 0.0), top="big").quality_kept == 0.5


def test_within_a_cost_or_a_share_the_best_is_taken_and_of_equals_the_cheapest():
    found = sweep(LEVELS, QUALITY, COST)
    assert pick(found, Target("cost", 0.5), top="big").quality == 0.75
    assert pick(found, Target("cost", 0.55), top="big").quality == 1.0
    assert pick(found, Target("cost", 1.0), top="big").sufficiency == 0.55
    assert pick(found, Target("share", 0.3), top="big").shares == pytest.approx((0.75, 0.25))
    assert pick(found, Target("share", 0.5), top="big").quality == 1.0


def test_more_budget_is_not_spent_where_it_makes_the_score_worse():
    quality = QUALITY.copy()
    quality[1] = (1.0, 0.0)  # here the strong tier is wrong
    assert pick(sweep(LEVELS, quality, COST), Target("share", 1.0), top="big").shares == pytest.approx((0.5, 0.5))


@given(ladders(), st.sampled_from(["cost", "quality", "share"]), st.floats(0, 1))
def test_a_point_that_is_picked_reaches_its_target(given_, kind, value):
    levels, quality, cost = given_
    try:
        point = pick(sweep(levels, quality, cost), Target(kind, value), top="big")
    except InputError:
        return
    again = at(levels, quality, cost, point.sufficiency)
    assert again.quality == pytest.approx(point.quality)
    if kind == "cost":
        assert again.cost <= value * cost[-1] + 1e-9
    elif kind == "share":
        assert again.shares[-1] <= value + 1e-9
    else:
        assert again.quality >= value * quality[:, -1].mean() - 1e-9


def test_what_cannot_be_reached_is_said_with_what_can():
    found = sweep(LEVELS, QUALITY * 0.5, COST)
    with pytest.raises(InputError, match=r"cost=0\.05: .*The least is cost=0\.100 of always 'big'"):
        pick(found, Target("cost", 0.05), top="big")
    certain = sweep(np.zeros((4, 1)), QUALITY, COST)  # no threshold over 0 leaves anything with the weak tier
    with pytest.raises(InputError, match=r"The least is share=1\.000"):
        pick(certain, Target("share", 0.5), top="big")
    hopeless = sweep(np.ones((4, 1)), QUALITY, COST)  # nor does one below 1 take anything from it
    with pytest.raises(InputError, match=r"The most is quality=0\.500"):
        pick(hopeless, Target("quality", 0.9), top="big")


def test_what_is_named_as_reachable_can_be_asked_for():
    levels = np.array([[0.1], [0.0], [0.0]])
    quality, cost = np.array([[1.0, 0.9], [0.0, 1.0], [0.0, 1.0]]), np.array([0.0, 3.0])
    found = sweep(levels, quality, cost)
    with pytest.raises(InputError) as caught:
        pick(found, Target("share", 0.5), top="big")
    named = float(str(caught.value).split("share=")[2].rstrip("."))
    assert pick(found, Target("share", named), top="big").shares[-1] == pytest.approx(2 / 3)


def test_a_threshold_from_other_folds_judges_each_row_by_the_rest():
    levels = np.array([[0.9], [0.9], [0.2], [0.2]])
    quality = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    took = picked_elsewhere(levels, quality, COST, Target("quality", 1.0), [0, 1, 0, 1], top="big")
    assert took.tolist() == [0, 0, 1, 1]
    # Where the levels mislead, a threshold from one half is wrong on the other, and that shows.
    levels = np.array([[0.5], [0.5], [0.6], [0.6]])
    took = picked_elsewhere(levels, quality, COST, Target("quality", 1.0), [0, 0, 1, 1], top="big")
    assert took.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    "text", ["cost", "cost=", "price=0.4", "cost=1.5", "share=-1", "quality=nan", "quality=97%", ""]
)
def test_a_target_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=r"cost=0\.4, quality=0\.97 or share=0\.3"):
        parse_target(text)


@pytest.mark.parametrize("text", ["cost=0.4", "quality=0.97", "share=0.3", "share=0", "quality=1"])
def test_a_target_is_read(text):
    assert str(parse_target(text)) == text


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5).map(sorted))
def test_the_running_sum_that_choose_sees_is_the_level(levels):
    assert list(accumulate(tier_scores(levels).probabilities))[:-1] == pytest.approx(levels, abs=1e-12)
