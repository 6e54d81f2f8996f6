"""Labels and flags: by hand, against scikit-learn, and as properties."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tiergraph.evaluation import labelling
from tiergraph.evaluation.intervals import Interval, resamples

NEAR = 1e-9


@st.composite
def flagged(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Truth, score with ties, counts."""
    n = draw(st.integers(1, 15))
    truth = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    score = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))) / 4
    counts = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    assume(counts.sum() > 0)
    return truth, score, counts


def test_a_flag_on_eight_cases_is_that_of_hand() -> None:
    truth = np.array([1, 1, 1, 0, 0, 0, 0, 0]) > 0
    found = np.array([1, 1, 0, 1, 1, 0, 0, 0]) > 0
    # 2 hits of 4 calls, 2 of 3 positives, f1 = 2 * 2 / (4 + 3), 2 false calls of 5 negatives
    assert labelling.precision_recall(truth, found) == pytest.approx((0.5, 2 / 3, 4 / 7, 0.4, 8, 3))


def test_where_there_is_nothing_to_divide_by_there_is_no_figure() -> None:
    no, yes = np.zeros(2, dtype=bool), np.ones(2, dtype=bool)
    assert labelling.precision_recall(no, no) == (None, None, None, 0.0, 2, 0)
    assert labelling.precision_recall(yes, no) == (None, 0.0, 0.0, None, 2, 2)
    assert labelling.precision_recall([], []) == (None, None, None, None, 0, 0)
    assert labelling.accuracy([], []) is None
    assert labelling.auc([0.1, 0.2], yes) is None
    assert labelling.auc([], []) is None
    assert labelling.auc_interval([0.1, 0.2], yes) is None
    assert labelling.precision_recall_intervals(no, no)[:3] == (None, None, None)


def test_labels_are_compared_as_what_they_are() -> None:
    assert labelling.accuracy(["a", 1, None, True], ["a", "1", None, True]) == 0.75
    assert labelling.accuracy(["a", "b"], ["a", "c"], weights=[3, 1]) == 0.75
    with pytest.raises(ValueError, match="1 labels for 2 rows"):
        labelling.accuracy(["a", "b"], ["a"])


def test_auc_of_four_cases_is_that_of_hand() -> None:
    # positives .9 and .5 against .5 and .1: 1 + 1 + .5 + 1 of 4 pairs
    assert labelling.auc([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0]) == pytest.approx(0.875)


@given(flagged())
def test_they_are_scikit_learns(rows: Any) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: tiergraph[eval]")
    truth, score, counts = rows
    found = score > 0.5
    mine = labelling.precision_recall(truth, found, counts)
    for figure, value in (
        (metrics.precision_score, mine.precision),
        (metrics.recall_score, mine.recall),
        (metrics.f1_score, mine.f1),
    ):
        expected = figure(truth, found, sample_weight=counts, zero_division=math.nan)
        assert (math.nan if value is None else value) == pytest.approx(expected, nan_ok=True)
    kinds = {bool(each) for each in truth[counts > 0]}
    value = labelling.auc(score, truth, counts)
    if len(kinds) == 2:
        assert value == pytest.approx(metrics.roc_auc_score(truth, score, sample_weight=counts))
    else:
        assert value is None


@given(flagged(), st.randoms(use_true_random=False))
def test_counts_are_repeated_rows_and_their_order_changes_nothing(rows: Any, random: Any) -> None:
    truth, score, counts = rows
    order = list(np.repeat(np.arange(len(truth)), counts))
    random.shuffle(order)
    found = score > 0.5
    assert labelling.precision_recall(truth, found, counts) == labelling.precision_recall(truth[order], found[order])
    assert labelling.accuracy(truth, found, counts) == pytest.approx(labelling.accuracy(truth[order], found[order]))
    one, other = labelling.auc(score, truth, counts), labelling.auc(score[order], truth[order])
    assert one == (None if other is None else pytest.approx(other))


@given(flagged())
def test_resampled_auc_is_that_of_each_resample(rows: Any) -> None:
    truth, score, _ = rows
    weights = resamples(len(truth), count=15)
    one = [labelling.auc(score, truth, row) for row in weights]
    expected = [math.nan if value is None else value for value in one]
    assert labelling.auc_resampled(score, truth, weights) == pytest.approx(expected, nan_ok=True)


def test_intervals_hold_their_value_and_name_what_they_divide_by() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(400) < 0.3
    score = truth + rng.normal(0, 1, 400)
    found = score > 0.5
    plain = labelling.precision_recall(truth, found)
    spread = labelling.precision_recall_intervals(truth, found)
    for name, value in (*spread._asdict().items(), ("auc", labelling.auc_interval(score, truth))):
        assert value is not None
        assert value.low is not None
        assert value.high is not None
        assert value.low < value.value < value.high < value.low + 0.3
        expected = labelling.auc(score, truth) if name == "auc" else getattr(plain, name)
        assert value.value == pytest.approx(expected)
    assert spread.precision is not None
    assert spread.recall is not None
    assert (spread.precision.n, spread.recall.n) == (found.sum(), truth.sum())


def test_a_recall_of_all_has_wilsons_interval() -> None:
    truth = np.array([True] * 10 + [False] * 10)
    recall = labelling.precision_recall_intervals(truth, truth).recall
    assert recall == (1.0, pytest.approx(1 - 0.27754, abs=1e-5), 1.0, 10)


def test_groups_are_drawn_together() -> None:
    truth, score = np.array([1, 0] * 6), np.array([2, 1, 3, 2, 1, 2] * 2) / 4
    assert labelling.auc_interval(score, truth, ["one"] * 12) == Interval(labelling.auc(score, truth), None, None, 12)
    groups = [i // 4 for i in range(12)]
    weights = resamples(12, groups, seed=3)
    assert labelling.auc_interval(score, truth, groups, seed=3) == labelling.auc_interval(score, truth, weights=weights)
    grouped = labelling.accuracy_interval(truth, score > 0.5, groups, seed=3)
    assert grouped == labelling.accuracy_interval(truth, score > 0.5, groups, weights=weights)


def test_the_intervals_of_auc_cover_what_pairs_say() -> None:
    truth, score = np.array([1, 1, 0, 1, 0, 0]) > 0, np.array([0.9, 0.4, 0.4, 0.7, 0.1, 0.8])
    pairs = list(product(score[truth], score[~truth]))
    expected = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    assert labelling.auc(score, truth) == pytest.approx(expected)
