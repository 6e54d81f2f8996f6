"""Calibration: by hand, against scikit-learn, and as properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tiergraph.evaluation import calibration, charts
from tiergraph.evaluation.intervals import wilson

NEAR = 1e-9
tenths = st.integers(0, 10).map(lambda whole: whole / 10)


@st.composite
def said_and_came(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    n = draw(st.integers(1, 20))
    said, came = (np.array(draw(st.lists(tenths, min_size=n, max_size=n))) for _ in range(2))
    counts = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    assume(counts.sum() > 0)
    return said, came, counts


def test_four_cases_in_two_bins_are_those_of_hand() -> None:
    said, came = [0.1, 0.3, 0.8, 0.9], [0, 1, 1, 1]
    # bins of two: said .2, came .5: gap .3; said .85, came 1: gap .15; mean (.3 + .15) / 2
    assert calibration.expected_calibration_error(said, came, bins=2) == pytest.approx(0.225)
    # one bin: said .525, came .75
    assert calibration.expected_calibration_error(said, came, bins=1) == pytest.approx(0.225)
    # four and more: (.1 + .7 + .2 + .1) / 4
    assert calibration.expected_calibration_error(said, came) == pytest.approx(0.275)
    # (.01 + .49 + .04 + .01) / 4; always saying 3/4 has (9 + 1 + 1 + 1) / 64
    assert calibration.brier(said, came) == pytest.approx(0.1375)
    assert calibration.brier_skill(said, came) == pytest.approx(1 - 0.1375 / 0.1875)


def test_a_bin_that_ends_within_a_row_takes_a_part_of_it() -> None:
    # three rows in two bins of 1.5: gaps -.5 + .25 and .25 - .2, over 3
    said, came = [0.5, 0.6, 0.8], [1, 0.1, 1]
    assert calibration.expected_calibration_error(said, came, bins=2) == pytest.approx((0.25 + 0.05) / 3)


def test_what_comes_as_often_as_it_is_said_is_calibrated_whatever_the_order() -> None:
    said = [0.25] * 8 + [0.75] * 8
    came = [1, 1, 0, 0, 0, 0, 0, 0] + [1] * 6 + [0] * 2
    assert calibration.expected_calibration_error(said, came) == pytest.approx(0)


def test_it_is_the_array_split_of_sorted_rows_where_bins_come_out_even() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(300)
    came = (rng.random(300) < said**2).astype(float)
    order = np.argsort(said)
    gaps = [abs(said[part].mean() - came[part].mean()) for part in np.split(order, 15)]
    assert calibration.expected_calibration_error(said, came) == pytest.approx(np.mean(gaps))


def test_fractions_are_outcomes_too() -> None:
    assert calibration.expected_calibration_error([0.4, 0.4], [0.3, 0.5]) == pytest.approx(0)
    assert calibration.brier([0.4, 0.4], [0.3, 0.5]) == pytest.approx(0.01)


@given(said_and_came())
def test_brier_is_scikit_learns(rows: Any) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: tiergraph[eval]")
    said, came, counts = rows
    right = came > 0.5
    expected = metrics.brier_score_loss(right, said, sample_weight=counts, pos_label=True)
    assert calibration.brier(said, right, counts) == pytest.approx(expected)


def test_the_base_rate_has_no_skill_and_the_truth_all_of_it() -> None:
    came = [1, 0, 0, 1, 1]
    assert calibration.brier_skill([0.6] * 5, came) == pytest.approx(0)
    assert calibration.brier_skill(came, came) == 1
    assert calibration.brier_skill([1 - each for each in came], came) < 0
    assert math.isnan(calibration.brier_skill([0.9, 0.8], [1, 1]))
    assert math.isnan(calibration.brier_skill([0.9, 0.8, 0.1], [1, 1, 0], weights=[2, 1, 0]))


@given(said_and_came(), st.integers(1, 20))
def test_counts_are_repeated_rows(rows: Any, bins: int) -> None:
    said, came, counts = rows
    many = [np.repeat(part, counts) for part in (said, came)]
    expected = calibration.expected_calibration_error(*many, bins)
    assert calibration.expected_calibration_error(said, came, bins, counts) == pytest.approx(expected, abs=NEAR)
    assert calibration.brier(said, came, counts) == pytest.approx(calibration.brier(*many), abs=NEAR)
    expected = calibration.brier_skill(*many)
    assert calibration.brier_skill(said, came, counts) == pytest.approx(expected, abs=1e-7, nan_ok=True)
    one, other = calibration.reliability(said, came, bins, counts), calibration.reliability(*many, bins)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert dict(a) == pytest.approx(dict(b), abs=NEAR)


@given(said_and_came(), st.integers(1, 20), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: Any, bins: int, random: Any) -> None:
    said, came, _ = rows
    order = list(range(len(said)))
    random.shuffle(order)
    for figure in (calibration.expected_calibration_error, calibration.brier, calibration.brier_skill):
        assert figure(said[order], came[order]) == pytest.approx(figure(said, came), abs=NEAR, nan_ok=True)
    for a, b in zip(
        calibration.reliability(said, came, bins), calibration.reliability(said[order], came[order], bins), strict=True
    ):
        assert dict(a) == pytest.approx(dict(b), abs=NEAR)


@given(said_and_came(), st.integers(1, 20))
def test_the_error_lies_between_the_gap_of_the_means_and_the_mean_gap(rows: Any, bins: int) -> None:
    said, came, _ = rows
    error = calibration.expected_calibration_error(said, came, bins)
    assert abs(said.mean() - came.mean()) - NEAR <= error <= np.abs(said - came).mean() + NEAR


@given(said_and_came(), st.integers(1, 12))
def test_bins_hold_every_row_once_and_follow_each_other(rows: Any, bins: int) -> None:
    said, came, _ = rows
    found = calibration.reliability(said, came, bins)
    assert 1 <= len(found) <= bins
    assert sum(each["n"] for each in found) == len(said)
    assert [each["high"] for each in found[:-1]] == [each["low"] for each in found[1:]]
    assert (found[0]["low"], found[-1]["high"]) == (0.0, 1.0)
    for number, each in enumerate(found):
        assert set(each) == set(charts.Bin.__annotations__)
        inside = (said >= each["low"]) & ((said < each["high"]) | (number == len(found) - 1))
        assert each["n"] == inside.sum()
        assert each["predicted"] == pytest.approx(said[inside].mean())
        assert each["observed"] == pytest.approx(came[inside].mean())
        assert (each["observed_low"], each["observed_high"]) == pytest.approx(wilson(each["observed"], each["n"]))
        assert each["observed_low"] <= each["observed"] <= each["observed_high"]


def test_bins_of_distinct_probabilities_are_of_equal_size() -> None:
    said = np.random.default_rng(0).random(1000)
    found = calibration.reliability(said, said > 0.5)
    assert [each["n"] for each in found] == [100] * 10
    assert all(type(value) in (int, float) for each in found for value in each.values())
    # rows that say the same fill one bin, and leave the other to all the rest
    tied = np.concatenate([np.full(500, 0.1), 0.2 + said[:500] / 2])
    assert [each["n"] for each in calibration.reliability(tied, tied, bins=2)] == [500, 500]


def test_nothing_gives_nothing() -> None:
    assert calibration.reliability([], []) == []
    figures = (calibration.expected_calibration_error, calibration.brier, calibration.brier_skill)
    assert all(math.isnan(figure([], [])) for figure in figures)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"probability goes from 0\.1 to 1\.5"):
        calibration.brier([0.1, 1.5], [0, 1])
    with pytest.raises(ValueError, match="outcome holds NaN"):
        calibration.reliability([0.1, 0.5], [0, math.nan])
