"""Curves of quality over cost: by hand, against an independent RouteLLM, against scikit-learn, and as properties."""

from __future__ import annotations

import csv
import gzip
import math
import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tiergraph.evaluation import curves
from tiergraph.evaluation.curves import CostCurve, Point
from tiergraph.evaluation.intervals import percentiles, resamples

NEAR = 1e-9
tenths = st.integers(0, 10).map(lambda whole: whole / 10)
pairs = pytest.mark.parametrize("seed", range(5))

# Four cases. Gains (strong - weak): 1, 0, 1, -1. Means: weak 2/4, strong 3/4, gap 1/4.
SCORE = [0.9, 0.8, 0.3, 0.1]
WEAK = [0, 1, 0, 1]
STRONG = [1, 1, 1, 0]


@st.composite
def two_models(draw: st.DrawFn, least: int = 1) -> tuple[Any, Any, Any, Any]:
    """Score with ties, weak, strong, counts of which one at least is not 0."""
    n = draw(st.integers(least, 12))
    score, weak, strong = (np.array(draw(st.lists(tenths, min_size=n, max_size=n))) for _ in range(3))
    counts = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    assume(counts.sum() > 0)
    return score, weak, strong, counts


@st.composite
def ladders(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Quality and cost (n, T), and counts; costs are of the case, so that a higher tier may be the cheaper one."""
    n, tiers = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    quality = draw(arrays.arrays(float, (n, tiers), elements=tenths))
    cost = draw(arrays.arrays(float, (n, tiers), elements=st.integers(0, 5).map(float)))
    if draw(st.booleans()):
        cost = np.sort(cost, axis=1)
    counts = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    assume(counts.sum() > 0)
    return quality, cost, counts


def sufficiency(quality: Any, seed: int = 0) -> Any:
    rising = np.sort(np.random.default_rng(seed).integers(0, 5, quality.shape) / 5, axis=1)
    rising[:, -1] = 1.0
    return rising


def upstream(score: Any, weak: Any, strong: Any) -> list[tuple[float, float]]:
    """What RouteLLM's loop over decile edges does, case by case: points (strong share, quality), by rising share."""
    edges = np.quantile(score, [k / 10 for k in range(11)])
    points = []
    for number, edge in enumerate(edges):
        to_strong = [value > edge if number == 10 else value >= edge for value in score]
        right = [s if up else w for up, w, s in zip(to_strong, weak, strong, strict=True)]
        points.append((sum(to_strong) / len(score), sum(right) / len(score)))
    return sorted(points)


# -- two models -------------------------------------------------------------------------------------------------------


def test_the_exact_curve_of_four_cases_is_that_of_hand() -> None:
    curve = curves.exact_curve(SCORE, WEAK, STRONG)
    assert curve.strong_share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    # each case adds its gain / 4, by falling score
    assert curve.quality.tolist() == [0.5, 0.75, 0.75, 1.0, 0.75]
    # trapezoids of width 1/4: (.5+.75)/2, .75, (.75+1)/2, (1+.75)/2 -> sum 3.125, area .78125; (.78125 - .5) / .25
    assert curves.apgr(SCORE, WEAK, STRONG) == pytest.approx(1.125)
    # half of the gap is .625, half way up the first segment
    assert curves.cpt(SCORE, WEAK, STRONG) == pytest.approx(0.125)
    # the whole gap, .75, is there after the first case
    assert curves.cpt(SCORE, WEAK, STRONG, share=1.0) == pytest.approx(0.25)


def test_tied_cases_are_one_straight_segment() -> None:
    # two values: cases 1 and 4 first (gain 1 - 1 = 0), then 2 and 3 (gain 1): from .5 level to .5, then up to .75
    score = [1, 0, 0, 1]
    curve = curves.exact_curve(score, WEAK, STRONG)
    assert curve.strong_share.tolist() == [0, 0.5, 1]
    assert curve.quality.tolist() == [0.5, 0.5, 0.75]
    # area .5 + half of (.5 * .25) = .5625; (.5625 - .5) / .25
    assert curves.apgr(score, WEAK, STRONG) == pytest.approx(0.25)
    # .625 lies half way along the second segment
    assert curves.cpt(score, WEAK, STRONG) == pytest.approx(0.75)


def test_one_value_for_all_is_chance() -> None:
    assert curves.apgr([0.3] * 4, WEAK, STRONG) == pytest.approx(0.5)
    assert curves.cpt([0.3] * 4, WEAK, STRONG, share=0.2) == pytest.approx(0.2)


def test_a_threshold_that_is_never_reached_is_not_a_number() -> None:
    # the strong model is worse: nothing to recover
    assert math.isnan(curves.cpt(SCORE, STRONG, WEAK))
    assert math.isnan(curves.routellm_cpt(SCORE, STRONG, WEAK))
    # a share above 1 asks for more than the curve has
    assert math.isnan(curves.cpt([1, 2], [0, 0], [1, 1], share=1.5))


def test_without_rows_or_without_a_gap_there_is_no_apgr() -> None:
    assert math.isnan(curves.apgr([], [], []))
    assert math.isnan(curves.routellm_apgr([], [], []))
    assert math.isnan(curves.cpt([], [], []))
    assert math.isnan(curves.apgr([1, 2], [0, 1], [1, 0]))
    assert math.isnan(curves.routellm_apgr([1, 2], [0, 1], [1, 0]))
    for draw in (curves.exact_curve, curves.routellm_curve):
        with pytest.raises(ValueError, match="no rows"):
            draw([], [], [])


def test_unscored_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="weak holds NaN"):
        curves.apgr([1, 2], [0, math.nan], [1, 1])
    with pytest.raises(ValueError, match="quality holds NaN"):
        curves.oracle_curve([[0, math.nan]], [[1, 2]])
    with pytest.raises(ValueError, match="weak has the shape"):
        curves.apgr([1, 2, 3], [0, 1], [1, 1])
    with pytest.raises(ValueError, match="negative count"):
        curves.apgr([1, 2], [0, 0], [1, 1], weights=[1, -1])


@given(two_models(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: Any, random: Any) -> None:
    score, weak, strong, counts = rows
    order = list(range(len(score)))
    random.shuffle(order)
    shuffled = [part[order] for part in (score, weak, strong)]
    for figure in (curves.apgr, curves.cpt):
        one = figure(score, weak, strong, weights=counts)
        assert figure(*shuffled, weights=counts[order]) == pytest.approx(one, abs=NEAR, nan_ok=True)
    for figure in (curves.routellm_apgr, curves.routellm_cpt):
        assert figure(*shuffled) == pytest.approx(figure(score, weak, strong), abs=NEAR, nan_ok=True)


@given(two_models())
def test_counts_are_repeated_rows(rows: Any) -> None:
    score, weak, strong, counts = rows
    repeated = [np.repeat(part, counts) for part in (score, weak, strong)]
    one, other = curves.exact_curve(score, weak, strong, counts), curves.exact_curve(*repeated)
    assert one.strong_share == pytest.approx(other.strong_share, abs=NEAR)
    assert one.quality == pytest.approx(other.quality, abs=NEAR)
    for figure in (curves.apgr, curves.cpt):
        expected = figure(*repeated)
        assert figure(score, weak, strong, weights=counts) == pytest.approx(expected, abs=NEAR, nan_ok=True)


@given(two_models())
def test_only_the_order_of_scores_counts(rows: Any) -> None:
    score, weak, strong, counts = rows
    expected = curves.apgr(score, weak, strong, counts)
    for other in (np.exp(3 * score) - 7, score**3 / 1e6):
        assert curves.apgr(other, weak, strong, counts) == pytest.approx(expected, abs=NEAR, nan_ok=True)


@given(two_models(), st.integers(0, 9))
def test_resampled_figures_are_those_of_each_resample(rows: Any, seed: int) -> None:
    score, weak, strong, _ = rows
    weights = resamples(len(score), count=20, seed=seed)
    many = curves.apgr_resampled(score, weak, strong, weights)
    assert many == pytest.approx([curves.apgr(score, weak, strong, row) for row in weights], abs=1e-8, nan_ok=True)
    many = curves.cpt_resampled(score, weak, strong, weights, 0.8)
    assert many == pytest.approx([curves.cpt(score, weak, strong, 0.8, row) for row in weights], abs=1e-8, nan_ok=True)


def test_a_tied_segment_is_the_mean_over_all_orders_of_its_cases() -> None:
    score = np.array([2, 1, 1, 1, 0])
    weak, strong = np.array([0, 1, 0, 0.5, 1]), np.array([1, 0.5, 1, 1, 0.75])
    broken = []
    for order in product([0.0, 0.1, 0.2], repeat=3):
        if len(set(order)) == 3:
            broken.append(curves.apgr(score + np.array([0, *order, 0]), weak, strong))
    assert len(broken) == 6
    assert curves.apgr(score, weak, strong) == pytest.approx(np.mean(broken))


@pairs
def test_chance_is_inside_the_interval_of_a_random_score(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    weak, strong = rng.random(2000) < 0.5, rng.random(2000) < 0.8
    score = rng.random(2000)
    values = curves.apgr_resampled(score, weak, strong, resamples(2000, count=400, seed=seed))
    found = percentiles(curves.apgr(score, weak, strong), values, 2000)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.2


# -- RouteLLM ---------------------------------------------------------------------------------------------------------


def test_routellm_on_eleven_cases_is_that_of_hand() -> None:
    # With 11 cases each decile edge is one case; the score falls with the number of the case. Weak is right on none,
    # strong on the first six: quality rises by 1/11 up to 6/11 and stays. Shares: 0 (nobody at the last edge), then
    # 2/11, 3/11 ... 11/11: at the edge of the second-highest case there are two.
    score = np.arange(11, 0, -1) / 16
    weak, strong = np.zeros(11), (np.arange(11) < 6).astype(float)
    curve = curves.routellm_curve(score, weak, strong)
    assert curve.strong_share == pytest.approx(np.array([0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) / 11)
    assert curve.quality == pytest.approx(np.array([0, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6]) / 11)
    # area: a triangle of (6/11)^2 / 2 and a rectangle of 5/11 * 6/11 = 18/121 + 30/121; over the gap 6/11: 8/11
    assert curves.routellm_apgr(score, weak, strong) == pytest.approx(8 / 11)
    # half of the gap, 3/11, is reached at 3/11
    assert curves.routellm_cpt(score, weak, strong) == pytest.approx(3 / 11)


@pairs
def test_routellm_is_its_own_loop_over_decile_edges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 503 + 10 * seed  # no edge falls on a score, where rounding would decide
    score = rng.random(n) if seed % 2 else rng.integers(20, 60, n).astype(float)
    weak, strong = (rng.random(n) < 0.5 - 0.3 * score / score.max()) * 1.0, (rng.random(n) < 0.7) * 1.0
    points = upstream(score, weak, strong)
    shares, quality = (np.array(part) for part in zip(*points, strict=True))
    curve = curves.routellm_curve(score, weak, strong)
    assert curve.strong_share == pytest.approx(shares)
    assert curve.quality == pytest.approx(quality)
    area = ((quality[1:] + quality[:-1]) / 2 * np.diff(shares)).sum()
    gap = strong.mean() - weak.mean()
    assert curves.routellm_apgr(score, weak, strong) == pytest.approx((area - weak.mean()) / gap)
    for share in (0.2, 0.5, 0.8):
        expected = np.interp(weak.mean() + share * gap, quality, shares)
        assert curves.routellm_cpt(score, weak, strong, share) == pytest.approx(expected)


@pairs
def test_deciles_come_close_to_the_exact_curve_on_many_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hard = rng.random(20_000)
    weak, strong = rng.random(20_000) > hard, rng.random(20_000) > hard / 3
    score = hard + rng.normal(0, 0.3, 20_000)
    exact = curves.apgr(score, weak, strong)
    assert exact > 0.6
    assert curves.routellm_apgr(score, weak, strong) == pytest.approx(exact, abs=0.01)
    assert curves.routellm_cpt(score, weak, strong) == pytest.approx(curves.cpt(score, weak, strong), abs=0.02)


# -- ladders ----------------------------------------------------------------------------------------------------------

# Four cases, three tiers; costs 1, 2, 4 for all of them.
QUALITY = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 1, 0]])
COST = [1.0, 2.0, 4.0]


def test_single_tiers_and_their_hull_are_those_of_hand() -> None:
    # means 1/4, 3/4, 3/4
    points = curves.single_tiers(QUALITY, COST)
    assert points == [Point(1, 0.25), Point(2, 0.75), Point(4, 0.75)]
    assert curves.hull(points) == points
    # a point below the line between its neighbours is left out, and so is one on it
    assert curves.hull([(0, 0), (1, 0.2), (2, 1), (3, 1.0), (4, 1)]) == [Point(0, 0), Point(2, 1), Point(4, 1)]
    assert curves.hull([(1, 0.5), (1, 0.7), (0, 0)]) == [Point(0, 0), Point(1, 0.7)]
    assert curves.hull([]) == []


def test_the_oracle_of_four_cases_is_that_of_hand() -> None:
    # Cases 2 and 4 gain 1 for 1 on the second tier; case 3 gains 1 for 3 on the third; case 1 needs nothing. The steep
    # ones go first: cost 1 -> 1.5 (quality .25 -> .75), then 1.5 + 3/4 = 2.25 (quality 1), then level to 4.
    curve = curves.oracle_curve(QUALITY, COST)
    assert curve.cost == pytest.approx([1, 1.5, 2.25, 4])
    assert curve.quality == pytest.approx([0.25, 0.75, 1, 1])
    # over [1, 4]: .5 * .5 + .75 * .875 + 1.75 * 1 = 2.65625; mean height .885417; (.885417 - .25) / .5
    points = curves.single_tiers(QUALITY, COST)
    assert curves.area(curve, points[0], points[-1]) == pytest.approx(1.2708333)
    assert curves.quality_at(curve, 1.25) == pytest.approx(0.5)
    assert curves.cost_at(curve, 0.875) == pytest.approx(1.875)
    assert curves.quality_at(curve, 9) == 1
    assert math.isnan(curves.quality_at(curve, 0.9))
    assert math.isnan(curves.cost_at(curve, 1.1))


def test_the_operating_curve_of_four_cases_is_that_of_hand() -> None:
    suffices = np.array([[0.9, 0.95, 1], [0.4, 0.9, 1], [0.2, 0.4, 1], [0.4, 0.7, 1]])
    curve = curves.operating_curve(suffices, QUALITY, COST)
    # threshold 0: all on the first: (1, .25). Past .2: case 3 to the second, gains nothing: (1.25, .25). Past .4:
    # case 2 to the second (+1), case 3 to the third (+1), case 4 to the second (+1): cost + (1 + 2 + 1) / 4: (2.25, 1).
    # Past .7: case 4 to the third (-1): (2.75, .75). Past .9: case 1 to the second, case 2 to the third: (3.5, .75).
    # Past .95: case 1 to the third: (4, .75).
    assert curve.cost == pytest.approx([1, 1.25, 2.25, 2.75, 3.5, 4])
    assert curve.quality == pytest.approx([0.25, 0.25, 1, 0.75, 0.75, 0.75])


def test_a_probability_that_falls_along_the_ladder_counts_as_the_one_before() -> None:
    # whoever is content with the second tier is content with the first: past .6 straight to the third
    curve = curves.operating_curve([[0.6, 0.4, 1], [0.9, 0.9, 1]], [[0, 1, 1], [0, 0, 0]], COST)
    assert curve.cost == pytest.approx([1, 2.5, 4])
    assert curve.quality == pytest.approx([0, 0.5, 0.5])


def test_a_tier_that_is_not_allowed_is_passed_over() -> None:
    suffices = np.array([[0.1, 0.5, 1], [0.1, 0.5, 1]])
    quality, allowed = np.array([[0, 0.5, 1], [0, 0.5, 1]]), np.array([[0, 1, 1], [1, 1, 0]])
    curve = curves.operating_curve(suffices, quality, COST, allowed=allowed)
    # case 1 starts on the second tier, case 2 on the first: ((2 + 1) / 2, .25). Past .1 case 2 takes the second:
    # (2, .5). Past .5 case 1 takes the third, and case 2 stays, since it may not: (3, .75).
    assert curve.cost == pytest.approx([1.5, 2, 3])
    assert curve.quality == pytest.approx([0.25, 0.5, 0.75])
    with pytest.raises(ValueError, match="no tier"):
        curves.operating_curve(suffices, quality, COST, allowed=np.zeros((2, 3)))


@given(ladders(), st.integers(0, 9))
def test_every_threshold_lies_on_the_operating_curve(ladder: Any, seed: int) -> None:
    quality, cost, counts = ladder
    suffices = sufficiency(quality, seed)
    curve = curves.operating_curve(suffices, quality, cost, counts)
    points = [(x, y) for x, y in zip(curve.cost, curve.quality, strict=True)]
    rows, top = np.arange(len(quality)), quality.shape[1] - 1
    for threshold in (0, 0.1, 0.3, 0.5, 0.7, 0.9, 2):
        tier = np.array([next((k for k in range(top) if row[k] >= threshold), top) for row in suffices])
        wanted = [np.average(table[rows, tier], weights=counts) for table in (cost, quality)]
        assert any(point == pytest.approx(wanted, abs=NEAR) for point in points)
    assert (np.diff(curve.cost) >= 0).all()


@given(two_models())
def test_with_two_tiers_of_constant_costs_the_area_is_the_apgr(rows: Any) -> None:
    score, weak, strong, counts = rows
    quality, cost = np.column_stack([weak, strong]), [0.002, 0.03]
    ends = curves.single_tiers(quality, cost, counts)
    expected = pytest.approx(curves.apgr(score, weak, strong, counts), abs=1e-7, nan_ok=True)
    assert curves.area(curves.score_curve(score, quality, cost, counts), *ends) == expected
    # a score is a threshold on the probability that the first tier suffices
    suffices = np.column_stack([1 - score, np.ones(len(score))])
    assert curves.area(curves.operating_curve(suffices, quality, cost, counts), *ends) == expected


def test_a_score_climbs_along_the_hull() -> None:
    # the second tier costs more than the line from the first to the third is worth: it is passed over
    quality = np.array([[0, 0, 1], [0, 0, 1], [0, 0.5, 1], [0, 0, 0]])
    curve = curves.score_curve([4, 3, 2, 1], quality, [1.0, 2.0, 3.0])
    # by falling score each case goes from cost 1 to 3: + .5 a case
    assert curve.cost == pytest.approx([1, 1.5, 2, 2.5, 3])
    assert curve.quality == pytest.approx([0, 0.25, 0.5, 0.75, 0.75])
    # with the hull's middle tier each case climbs twice, first all of them to the second
    curve = curves.score_curve([4, 3, 2, 1], QUALITY, COST)
    assert curve.cost == pytest.approx([1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4])
    assert curve.quality == pytest.approx([0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 0.75, 1, 0.75])


@given(ladders(), st.data())
def test_the_oracle_is_never_beaten(ladder: Any, data: st.DataObject) -> None:
    quality, cost, counts = ladder
    n, tiers = quality.shape
    oracle = curves.oracle_curve(quality, cost, counts)
    score = np.array(data.draw(st.lists(tenths, min_size=n, max_size=n)))
    suffices = sufficiency(quality, data.draw(st.integers(0, 9)))
    rivals = [
        curves.score_curve(score, quality, cost, counts),
        curves.operating_curve(suffices, quality, cost, counts),
        CostCurve(*(np.array(part) for part in zip(*curves.single_tiers(quality, cost, counts), strict=True))),
    ]
    rows = np.arange(n)
    for tier in product(range(tiers), repeat=n) if tiers**n <= 256 else ():
        at = [np.array([np.average(t[rows, list(tier)], weights=counts)]) for t in (cost, quality)]
        rivals.append(CostCurve(*at))
    for rival in rivals:
        for x, y in zip(rival.cost, rival.quality, strict=True):
            assert y <= curves.quality_at(oracle, float(x)) + NEAR


@given(ladders())
def test_the_oracle_is_reached_by_some_mixture(ladder: Any) -> None:
    # the corners of the oracle are those of the hull of all assignments
    quality, cost, counts = ladder
    n, tiers = quality.shape
    assume(tiers**n <= 256)
    rows = np.arange(n)
    points = []
    for tier in product(range(tiers), repeat=n):
        points.append(tuple(float(np.average(t[rows, list(tier)], weights=counts)) for t in (cost, quality)))
    best = curves.hull(points)
    oracle = curves.oracle_curve(quality, cost, counts)
    x = [point.cost for point in best]
    for at in np.linspace(x[0], x[-1], 7):
        reached = max(float(np.interp(at, x, [p.quality for p in best])), *(p.quality for p in best if p.cost <= at))
        assert curves.quality_at(oracle, float(at)) == pytest.approx(reached, abs=1e-8)


@given(ladders(), st.integers(0, 9))
def test_counts_are_repeated_rows_on_any_ladder(ladder: Any, seed: int) -> None:
    quality, cost, counts = ladder
    score, suffices = np.random.default_rng(seed).integers(0, 3, len(quality)), sufficiency(quality, seed)
    repeat = lambda table: np.repeat(table, counts, axis=0)  # noqa: E731
    for one, other in (
        (curves.oracle_curve(quality, cost, counts), curves.oracle_curve(repeat(quality), repeat(cost))),
        (
            curves.score_curve(score, quality, cost, counts),
            curves.score_curve(repeat(score), repeat(quality), repeat(cost)),
        ),
        (
            curves.operating_curve(suffices, quality, cost, counts),
            curves.operating_curve(repeat(suffices), repeat(quality), repeat(cost)),
        ),
    ):
        ends = [Point(float(cost.min()) - 1, 0.0), Point(float(cost.max()) + 1, 1.0)]
        assert curves.area(one, *ends) == pytest.approx(curves.area(other, *ends), abs=1e-8)
        assert one.cost[[0, -1]] == pytest.approx(other.cost[[0, -1]], abs=NEAR)


@given(ladders(), st.integers(0, 9))
def test_resampled_areas_are_those_of_each_resample(ladder: Any, seed: int) -> None:
    quality, cost, _ = ladder
    score, suffices = np.random.default_rng(seed).integers(0, 3, len(quality)), sufficiency(quality, seed)
    weights = resamples(len(quality), count=8, seed=seed)
    many = {
        "oracle": curves.oracle_area_resampled(quality, cost, weights),
        "score": curves.score_area_resampled(score, quality, cost, weights),
        "operating": curves.operating_area_resampled(suffices, quality, cost, weights),
    }
    for number, row in enumerate(weights):
        points = curves.single_tiers(quality, cost, row)
        one = {
            "oracle": curves.oracle_curve(quality, cost, row),
            "score": curves.score_curve(score, quality, cost, row),
            "operating": curves.operating_curve(suffices, quality, cost, row),
        }
        for name, curve in one.items():
            expected = curves.area(curve, points[0], points[-1])
            assert many[name][number] == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)


# -- reading a curve --------------------------------------------------------------------------------------------------


def test_the_area_of_a_constant_is_its_place_between_the_ends() -> None:
    low, high = Point(1, 0.2), Point(3, 0.6)
    for level, expected in ((0.2, 0), (0.6, 1), (0.4, 0.5)):
        flat = CostCurve(np.array([0.0, 5.0]), np.array([level, level]))
        assert curves.area(flat, low, high) == pytest.approx(expected)
    # it starts at 2: before that it counts as low; from there on .6: half of the gap on average
    late = CostCurve(np.array([2.0, 2.5]), np.array([0.6, 0.6]))
    assert curves.area(late, low, high) == pytest.approx(0.5)


def test_an_area_between_equal_ends_is_not_a_number() -> None:
    flat = CostCurve(np.array([0.0, 5.0]), np.array([0.5, 0.5]))
    assert math.isnan(curves.area(flat, Point(1, 0.2), Point(1, 0.6)))
    assert math.isnan(curves.area(flat, Point(1, 0.2), Point(2, 0.2)))
    # nor where the top tier costs less
    assert math.isnan(curves.area(flat, Point(2, 0.2), Point(1, 0.6)))


def test_a_thinned_curve_lies_on_the_curve_and_keeps_its_ends() -> None:
    score = np.random.default_rng(0).random(1000)
    full = curves.score_curve(score, np.column_stack([score < 0.5, score < 2]), [0.0, 1.0])
    thin = curves.thin(full, 50)
    assert len(thin.cost) == 50
    assert [thin.cost[0], thin.cost[-1]] == [full.cost[0], full.cost[-1]]
    assert [thin.quality[0], thin.quality[-1]] == [full.quality[0], full.quality[-1]]
    assert thin.quality == pytest.approx([curves.quality_at(full, float(x)) for x in thin.cost])
    assert curves.thin(thin, 50) is thin


# -- RouteLLM's data --------------------------------------------------------------------------------------------------


def routellm(name: str) -> tuple[Any, Any, Any]:
    """Characters of the prompt, weak, strong; in the file's order, without contaminated rows."""
    folder = os.environ.get("TIERGRAPH_DATA")
    if not folder:
        pytest.skip("TIERGRAPH_DATA is not set: the public data is elsewhere")
    with gzip.open(Path(folder) / "routellm" / f"{name}_responses.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["contaminated"] != "True"]
    names = ("mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview")
    outcomes = [np.array([row[model] == "True" for row in rows], dtype=float) for model in names]
    return np.array([len(row["prompt"]) for row in rows], dtype=float), *outcomes


@pytest.mark.parametrize(
    ("name", "n", "ends", "published", "deciles", "exact", "oracle"),
    [
        ("mmlu", 14_037, (0.6809, 0.8059), 0.583, 0.5837, 0.5858, 1.297),
        ("gsm8k", 1_307, (0.6373, 0.8577), 0.598, 0.5987, 0.5978, 1.133),
    ],
)
def test_the_length_on_routellms_data(
    name: str, n: int, ends: Any, published: float, deciles: float, exact: float, oracle: float
) -> None:
    length, weak, strong = routellm(name)
    assert len(length) == n
    assert (weak.mean(), strong.mean()) == pytest.approx(ends, abs=5e-5)
    assert curves.routellm_apgr(length, weak, strong) == pytest.approx(deciles, abs=5e-5)
    assert curves.apgr(length, weak, strong) == pytest.approx(exact, abs=5e-5)
    # lengths tie; with ties broken in the file's order, as for a continuous score, these are the known figures
    broken = length + np.arange(n) * 1e-9
    assert curves.routellm_apgr(broken, weak, strong) == pytest.approx(published, abs=5e-4)
    quality = np.column_stack([weak, strong])
    points = curves.single_tiers(quality, [0.0, 1.0])
    assert curves.area(curves.oracle_curve(quality, [0.0, 1.0]), *points) == pytest.approx(oracle, abs=1e-3)
