"""Intervals: what is drawn, what they cover, and where there is none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.evaluation import intervals
from tiergraph.evaluation.intervals import Interval

grouped = st.lists(st.sampled_from(["a", "b", "c", None, 1]), min_size=1, max_size=12)


def ends(found: Interval | None) -> tuple[float, float]:
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


@given(grouped, st.integers(0, 5))
def test_a_resample_draws_as_many_groups_as_there_are_and_each_whole(groups: list[Any], seed: int) -> None:
    n = len(groups)
    drawn = intervals.resamples(n, groups, count=20, seed=seed)
    codes = intervals.group_codes(n, groups)
    assert drawn.shape == (20, n)
    assert drawn.dtype.itemsize <= 2
    for row in drawn:
        counts = {int(code): set(row[codes == code].tolist()) for code in codes}
        assert all(len(each) == 1 for each in counts.values())
        assert sum(each.pop() for each in counts.values()) == len(counts)


@given(st.integers(0, 30), st.integers(1, 9), st.integers(0, 5))
def test_chunks_are_the_same_draws(n: int, rows: int, seed: int) -> None:
    whole = intervals.resamples(n, count=20, seed=seed)
    chunks = list(intervals.resample_chunks(n, count=20, seed=seed, rows=rows))
    assert max(len(chunk) for chunk in chunks) <= rows
    assert (np.concatenate(chunks) == whole).all()
    assert (whole.sum(axis=1) == n).all()


def test_rows_without_a_group_are_each_their_own() -> None:
    assert intervals.group_codes(5, ["x", None, "x", None, "y"]).tolist() == [0, 1, 0, 2, 3]
    assert intervals.group_codes(3, None).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="2 values for 3 rows"):
        intervals.group_codes(3, ["a", "b"])


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    one, same, other = (intervals.resamples(50, count=5, seed=seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_many_rows_are_drawn_into_a_few_bytes() -> None:
    assert intervals.resamples(15_000, count=100).nbytes == 15_000 * 100 * 2
    assert next(intervals.resample_chunks(15_000)).nbytes < 10_000_000


def test_the_interval_of_a_mean_is_that_of_theory_on_many_rows() -> None:
    values = np.random.default_rng(0).normal(3, 2, 4000)
    found = intervals.mean_interval(values)
    low, high = ends(found)
    half = intervals.Z * values.std() / math.sqrt(4000)
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(values.mean()), 4000)
    assert (found.value - low, high - found.value) == pytest.approx((half, half), rel=0.1)


def test_groups_that_agree_widen_the_interval_as_much_as_they_repeat() -> None:
    values = np.random.default_rng(1).random(400)
    low, high = ends(intervals.mean_interval(values))
    found = intervals.mean_interval(np.repeat(values, 9), np.repeat(np.arange(400), 9))
    low_grouped, high_grouped = ends(found)
    low_naive, high_naive = ends(intervals.mean_interval(np.repeat(values, 9)))
    assert high_grouped - low_grouped == pytest.approx(high - low, rel=0.1)
    assert high_naive - low_naive == pytest.approx((high - low) / 3, rel=0.15)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        low, high = ends(intervals.mean_interval(rng.random(80) < 0.4, count=200))
        covered += low <= 0.4 <= high
    assert 176 <= covered <= 199


def test_one_row_or_one_group_has_no_spread_and_no_row_has_no_figure() -> None:
    assert intervals.mean_interval([]) is None
    assert intervals.mean_interval([0.25]) == Interval(0.25, None, None, 1)
    assert intervals.mean_interval([0.25, 0.75], ["a", "a"]) == Interval(0.5, None, None, 2)
    assert intervals.interval(lambda weights: 1.0, intervals.resamples(0)) is None
    assert intervals.interval(lambda weights: 1.0, intervals.resamples(1)) == Interval(1.0, None, None, 1)
    assert intervals.percentiles(math.nan, [1.0], 3) is None
    assert intervals.percentiles(1.0, [math.nan], 3) == Interval(1.0, None, None, 3)


def test_a_share_of_all_or_none_has_wilsons_interval() -> None:
    # Wilson, none of 10: high = z^2 / (n + z^2) = 3.8415 / 13.8415 = .27754
    found = intervals.mean_interval(np.zeros(10, dtype=bool))
    assert found == (0.0, 0.0, pytest.approx(0.27754, abs=1e-5), 10)
    found = intervals.mean_interval(np.ones(10, dtype=bool))
    assert found == (1.0, pytest.approx(1 - 0.27754, abs=1e-5), 1.0, 10)
    # ten rows of two groups say no more than two rows: 3.8415 / 5.8415
    found = intervals.mean_interval(np.zeros(10, dtype=bool), [0] * 5 + [1] * 5)
    assert found == (0.0, 0.0, pytest.approx(0.65762, abs=1e-5), 10)


def test_a_cost_of_nothing_is_no_share() -> None:
    assert intervals.mean_interval([0.0, 0.0, 0.0]) == Interval(0.0, 0.0, 0.0, 3)
    assert ends(intervals.mean_interval([0.0, 0.0, 0.0], share=True))[1] > 0.5


@given(st.integers(0, 50), st.integers(1, 50))
def test_wilson_holds_its_share_and_stays_in_the_unit_interval(right: int, more: int) -> None:
    n = right + more
    low, high = intervals.wilson(right / n, n)
    assert 0 <= low <= right / n <= high <= 1
    assert intervals.wilson(1 - right / n, n) == pytest.approx((1 - high, 1 - low))


def test_wilson_of_five_of_ten_is_that_of_hand() -> None:
    # centre .5; half = z * sqrt(.025 + z^2 / 400) / (1 + z^2 / 10) = 1.95996 * .185998 / 1.384146 = .26340
    assert intervals.wilson(0.5, 10) == pytest.approx((0.23660, 0.76340), abs=1e-4)
    assert intervals.wilson(0.5, 0) == (0.0, 1.0)


def test_a_ratio_counts_what_it_divides_by() -> None:
    hits, calls = np.array([1, 0, 1, 0, 1, 0]) > 0, np.array([1, 1, 1, 0, 1, 0]) > 0
    found = intervals.ratio_interval(hits, calls)
    low, high = ends(found)
    assert found is not None
    assert (found.value, found.n) == (0.75, 4)
    assert 0 <= low < 0.75 < high <= 1
    assert intervals.ratio_interval(hits, np.zeros(6, dtype=bool)) is None


def test_a_ratio_is_not_a_mean_of_ratios() -> None:
    # 4 USD for 1 hit and 1 USD for 3 hits: 5 USD for 4
    found = intervals.ratio_interval([4.0, 1.0], [1, 3])
    assert found is not None
    assert found.value == 1.25


def test_a_paired_difference_is_narrower_than_what_is_paired() -> None:
    rng = np.random.default_rng(3)
    base = rng.normal(0, 5, 500)
    found = intervals.difference_interval(base + 0.1 + rng.normal(0, 0.1, 500), base)
    low, high = ends(found)
    wide = ends(intervals.mean_interval(base))
    assert 0.05 < low < 0.1 < high < 0.15
    assert high - low < (wide[1] - wide[0]) / 10
    assert intervals.difference_interval([1.0, 2.0], [1.0, 2.0]) == Interval(0.0, 0.0, 0.0, 2)


def test_given_resamples_are_used_in_place_of_new_ones() -> None:
    values, groups = np.random.default_rng(4).random(60), [i // 3 for i in range(60)]
    weights = intervals.resamples(60, groups, seed=7)
    assert intervals.mean_interval(values, groups, weights=weights) == intervals.mean_interval(values, groups, seed=7)
    assert intervals.mean_interval(values, groups, weights=weights) != intervals.mean_interval(values, groups)
    with pytest.raises(ValueError, match="weights has the shape"):
        intervals.mean_interval(values[:5], weights=weights)


def test_any_statistic_of_weights_gets_the_same_interval_as_the_product() -> None:
    values = np.random.default_rng(5).random(40)
    weights = intervals.resamples(40, count=300)
    found = intervals.interval(lambda counts: np.average(values, weights=counts), weights)
    assert found == pytest.approx(intervals.mean_interval(values, weights=weights))


def test_a_resample_without_a_figure_is_left_out() -> None:
    weights = np.array([[0, 2], [2, 0], [1, 1]])
    found = intervals.interval(lambda counts: 3.0 if counts[0] else None, weights)
    assert found == Interval(3.0, 3.0, 3.0, 2)
    # the first row has no denominator: a resample of it alone gives nothing, and the other one 6 / 3
    weights = np.array([[3, 0, 0], [1, 1, 1]])
    assert intervals.ratio_interval([0.0, 4.0, 2.0], [0, 2, 1], weights=weights) == (2, 2, 2, 2)


@given(grouped, st.randoms(use_true_random=False))
def test_the_value_does_not_depend_on_the_order_of_rows(groups: list[Any], random: Any) -> None:
    values = [float(i % 4) for i in range(len(groups))]
    order = list(range(len(groups)))
    random.shuffle(order)
    one = intervals.mean_interval(values, groups, count=10)
    other = intervals.mean_interval([values[i] for i in order], [groups[i] for i in order], count=10)
    assert one is not None
    assert other is not None
    assert (other.value, other.n) == (pytest.approx(one.value), one.n)


def test_bad_input_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="values holds NaN"):
        intervals.mean_interval([1.0, math.nan])
    with pytest.raises(ValueError, match=r"b has the shape \(1,\)"):
        intervals.difference_interval([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="negative"):
        intervals.as_weights([-1], 1)
