"""Baselines learn from other folds only, split no group, and have an answer where there is nothing to learn."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.evaluation import baselines, curves

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'tiergraph[eval]'")

EASY, HARD = "please greet the visitor number", "please prove the theorem number"


def requests(n: int) -> tuple[list[str], Any]:
    """Texts of two kinds, and a gain of 1 for the second."""
    kinds = np.random.default_rng(0).random(n) < 0.4
    return [f"{HARD if hard else EASY} {i}" for i, hard in enumerate(kinds)], kinds.astype(float)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None, 7]), min_size=0, max_size=30), st.integers(0, 3))
def test_folds_split_no_group_and_are_about_as_many_groups_each(groups: list[Any], seed: int) -> None:
    found = baselines.folds(len(groups), groups, seed=seed)
    homes: dict[Any, set[int]] = {}
    for row, group in enumerate(groups):
        homes.setdefault(("row", row) if group is None else ("group", group), set()).add(int(found[row]))
    assert all(len(home) == 1 for home in homes.values())
    sizes = [sum(home == {fold} for home in homes.values()) for fold in set(found.tolist())]
    assert len(sizes) == min(len(homes), 5)
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    texts, gain = requests(60)
    labels = [int(each) for each in gain]
    for make in (
        lambda seed: baselines.random_score(60, seed),
        lambda seed: baselines.folds(60, seed=seed),
        lambda seed: baselines.category_score(labels, gain + np.arange(60), seed=seed),
        lambda seed: baselines.tfidf_score(texts, gain, seed=seed),
        lambda seed: baselines.tfidf_labels(texts, labels, seed=seed).probability,
    ):
        assert (make(1) == make(1)).all()
        assert (make(1) != make(2)).any()


def test_the_length_is_the_length() -> None:
    assert baselines.length_score([3, 1]).tolist() == [3.0, 1.0]


def test_a_category_has_the_mean_gain_of_other_folds_above_their_mean() -> None:
    categories, gain = ["a", "a", "a", "b", "b", "c"], np.array([1, 0, 1, 0, 1, 1.0])
    fold = baselines.folds(6, seed=4)
    score = baselines.category_score(categories, gain, seed=4)
    for row in range(6):
        known = fold != fold[row]
        same = known & np.array([each == categories[row] for each in categories])
        expected = gain[same].mean() - gain[known].mean() if same.any() else 0.0
        assert score[row] == pytest.approx(expected)


def test_one_category_says_nothing() -> None:
    gain = np.random.default_rng(0).random(40)
    assert baselines.category_score(["x"] * 40, gain) == pytest.approx(np.zeros(40))


def test_a_score_does_not_know_its_own_row() -> None:
    texts, gain = requests(40)
    categories = [text.split()[1] for text in texts]
    for score in (
        lambda gains: baselines.tfidf_score(texts, gains),
        lambda gains: baselines.category_score(categories, gains),
    ):
        before = score(gain)
        for row in (0, 17):
            changed = gain.copy()
            changed[row] = 5.0
            fold = baselines.folds(40)
            after = score(changed)
            own = fold == fold[row]
            assert after[own] == pytest.approx(before[own])
            assert (after[~own] != before[~own]).any()


def test_a_label_does_not_know_its_own_row() -> None:
    texts, gain = requests(40)
    labels = ["hard" if each else "easy" for each in gain]
    before = baselines.tfidf_labels(texts, labels).probability
    labels[3] = "easy" if labels[3] == "hard" else "hard"
    after = baselines.tfidf_labels(texts, labels).probability
    own = baselines.folds(40) == baselines.folds(40)[3]
    assert after[own] == pytest.approx(before[own])
    assert (after[~own] != before[~own]).any()


def test_words_are_learned() -> None:
    texts, gain = requests(120)
    score = baselines.tfidf_score(texts, gain)
    assert score[gain > 0].min() > score[gain == 0].max()
    # the perfect order recovers the gap before any easy case moves: 1 + the share of easy cases, halved
    assert curves.apgr(score, 1 - gain, np.ones(120)) == pytest.approx(1 - gain.mean() / 2)
    found = baselines.tfidf_labels(texts, ["hard" if each else "easy" for each in gain])
    assert found.classes == ("easy", "hard")
    assert [label == "hard" for label in found.labels] == (gain > 0).tolist()
    assert found.probability.sum(axis=1) == pytest.approx(np.ones(120))


def test_words_of_a_group_are_not_learned_from_the_group() -> None:
    # each word is of one group, and the gain is of the group: nothing carries over to another
    words = ["apple", "bread", "cloud", "dream", "eagle", "field", "grass", "house"]
    texts, groups = [word for word in words for _ in range(10)], [i // 10 for i in range(80)]
    gain = np.array([float(group % 2) for group in groups])
    apart, mixed = baselines.tfidf_score(texts, gain, groups), baselines.tfidf_score(texts, gain)
    weak, strong = 1 - gain, np.ones(80)
    assert curves.apgr(mixed, weak, strong) == pytest.approx(0.75)
    assert curves.apgr(apart, weak, strong) < 0.6


@pytest.mark.parametrize("texts", [["", "", ""], ["?", "!", "..."], ["one", "two", "three"], ["same"], []])
def test_texts_without_a_common_word_score_alike(texts: list[str]) -> None:
    gain = np.arange(len(texts)) / 3
    assert baselines.tfidf_score(texts, gain).tolist() == [0.0] * len(texts)
    found = baselines.tfidf_labels(texts, ["a"] * len(texts))
    assert found.labels.tolist() == ["a"] * len(texts)
    assert found.probability.tolist() == [[1.0]] * len(texts)


def test_without_a_common_word_a_label_is_the_most_frequent_of_other_folds() -> None:
    texts, labels = [f"word{i}" for i in range(20)], ["x"] * 14 + ["y"] * 6
    found = baselines.tfidf_labels(texts, labels)
    assert found.labels.tolist() == ["x"] * 20
    fold = baselines.folds(20)
    for row in range(20):
        known = fold != fold[row]
        share = np.mean([label == "x" for label in np.array(labels)[known]])
        assert found.probability[row] == pytest.approx([share, 1 - share])


def test_a_class_that_other_folds_lack_has_no_probability() -> None:
    texts, gain = requests(40)
    labels: list[Any] = ["hard" if each else "easy" for each in gain]
    labels[5] = None  # of any type
    found = baselines.tfidf_labels(texts, labels)
    assert set(found.classes) == {"easy", "hard", None}
    at = found.classes.index(None)
    assert found.probability[5, at] == 0
    assert found.probability.sum(axis=1) == pytest.approx(np.ones(40))


def test_one_group_cannot_be_split_and_scores_alike() -> None:
    texts, gain = requests(30)
    groups = ["all"] * 30
    assert baselines.tfidf_score(texts, gain, groups).tolist() == [0.0] * 30
    assert baselines.category_score(texts, gain, groups).tolist() == [0.0] * 30
    found = baselines.tfidf_labels(texts, ["a", "b", "b"] * 10, groups)
    assert found.labels.tolist() == ["b"] * 30


def test_one_gain_or_one_label_for_all_scores_alike() -> None:
    texts, _ = requests(30)
    for gain in (1.0, 0.1, 0.7):  # whose means are not all exact
        assert baselines.tfidf_score(texts, np.full(30, gain)).tolist() == [0.0] * 30
    found = baselines.tfidf_labels(texts, ["a"] * 30)
    assert (found.labels.tolist(), found.classes) == (["a"] * 30, ("a",))


def test_the_most_frequent_label_is_the_first_by_name_of_several() -> None:
    assert baselines.most_frequent(["b", "a", "b", "a", "c"]) == "a"
    assert baselines.most_frequent([]) is None


def test_lists_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 texts"):
        baselines.tfidf_labels(["a", "b"], ["x"])
    with pytest.raises(ValueError, match="gain has the shape"):
        baselines.tfidf_score(["a", "b"], [1.0])


def test_what_subjects_and_words_are_worth_on_mmlu() -> None:
    folder = os.environ.get("TIERGRAPH_DATA")
    if not folder:
        pytest.skip("TIERGRAPH_DATA is not set: the public data is elsewhere")
    with gzip.open(Path(folder) / "routellm" / "mmlu_responses.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["contaminated"] != "True"]
    weak, strong = (
        np.array([row[model] == "True" for row in rows], dtype=float)
        for model in ("mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview")
    )
    texts, subjects = [row["prompt"] for row in rows], [row["domain"] for row in rows]
    gain = strong - weak
    assert curves.apgr(baselines.category_score(subjects, gain), weak, strong) == pytest.approx(0.679, abs=5e-3)
    assert curves.apgr(baselines.tfidf_score(texts, gain), weak, strong) == pytest.approx(0.689, abs=5e-3)
    # on subjects that it never saw it is worth much less
    assert 0.55 < curves.apgr(baselines.tfidf_score(texts, gain, subjects), weak, strong) < 0.65
