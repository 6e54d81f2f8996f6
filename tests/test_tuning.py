"""Fitting of heads: what is learned, what is not, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiergraph.errors import InputError
from tiergraph.evaluation.calibration import expected_calibration_error
from tiergraph.evaluation.curves import apgr
from tiergraph.proposers.features import DENSE, text_features
from tiergraph.proposers.heads import SLOTS, FieldHead, GenericHead, LadderHead, field_probabilities
from tiergraph.tuning import field as field_module
from tiergraph.tuning import ladder as ladder_module
from tiergraph.tuning import ridge
from tiergraph.tuning.field import fit_field
from tiergraph.tuning.generic import (
    difficulty,
    fit_generic,
    pair_gain,
    recorded_gain,
    slot_levels,
    slot_losses,
    top_gain,
)
from tiergraph.tuning.ladder import MIN_ROWS, fit_ladder
from tiergraph.tuning.levels import fit_points
from tiergraph.tuning.ridge import Config, Learner, codes_of
from tiergraph.tuning.rows import read_inputs

EASY = ["pay", "bill", "card", "order", "parcel", "refund", "opening", "hours"]
HARD = ["prove", "lemma", "tensor", "integral", "derive", "manifold", "spectrum"]


def requests(n, seed=0):
    """Texts, and how hard each is in [0, 1]: its share of hard words."""
    rng = np.random.default_rng(seed)
    texts, hardness = [], []
    for number in range(n):
        hard = int(rng.integers(0, 9))
        words = [*rng.choice(EASY, 8 - hard), *rng.choice(HARD, hard)]
        texts.append(f"{' '.join(rng.permutation(words))} {number}")
        hardness.append(hard / 8)
    return texts, np.array(hardness)


def outcomes_of(hardness, seed=0):
    """Two tiers: the cheap one fails on hard requests, the dear one seldom."""
    rng = np.random.default_rng(seed)
    n = len(hardness)
    return np.stack([rng.random(n) > hardness, rng.random(n) > 0.1 * hardness], axis=1).astype(float)


NO_LOGITS = np.zeros((0, 0), np.float32)
TIERS = ("cheap", "dear")


@pytest.fixture(scope="module")
def fitted():
    texts, hardness = requests(240)
    return texts, hardness, fit_ladder(texts, NO_LOGITS, outcomes_of(hardness), tiers=TIERS)


def said(head, texts, logits=None):
    rows = np.zeros((len(texts), 0), np.float32) if logits is None else logits
    return np.array([head.cumulative(text, row) for text, row in zip(texts, rows, strict=True)])


# -- ladder -----------------------------------------------------------------------------------------------------------


def test_a_head_ranks_requests_that_it_never_saw(fitted):
    texts, hardness = requests(200, seed=5)
    outcomes = outcomes_of(hardness, seed=6)
    found = 1 - said(fitted[2].head, texts)[:, 0]
    at_best = apgr(hardness, outcomes[:, 0], outcomes[:, 1])
    assert at_best > 0.6
    assert apgr(found, outcomes[:, 0], outcomes[:, 1]) > 0.5 + 0.8 * (at_best - 0.5)
    assert np.corrcoef(found, hardness)[0, 1] > 0.8


def test_what_a_head_says_of_new_requests_is_calibrated(fitted):
    texts, hardness = requests(600, seed=7)
    outcomes = outcomes_of(hardness, seed=8)
    sufficient = 1 - np.maximum(outcomes[:, 1] - outcomes[:, 0], 0)
    assert expected_calibration_error(said(fitted[2].head, texts)[:, 0], sufficient, bins=8) < 0.08


def test_cross_fitted_levels_are_learned_without_the_row():
    texts, hardness = requests(90)
    outcomes = outcomes_of(hardness)
    changed = outcomes.copy()
    changed[0] = (0.0, 1.0) if outcomes[0, 1] <= outcomes[0, 0] else (1.0, 0.0)
    config = Config("text", 4.0)
    learner = Learner(read_inputs(texts, np.zeros((90, 0), np.float32)), codes=codes_of(texts))
    one, other = (
        learner.cross_fit((table[:, 1] - table[:, 0])[:, None], np.ones((90, 1)), configs=[config])[config]
        for table in (outcomes, changed)
    )
    same = learner.folds == learner.folds[0]
    assert one[same] == pytest.approx(other[same], abs=1e-12)
    assert not np.allclose(one[~same], other[~same], atol=1e-6)


def test_equal_texts_are_never_on_both_sides_of_a_fold():
    texts, _ = requests(60)
    doubled = texts + texts[::-1]
    learner = Learner(read_inputs(doubled, np.zeros((120, 0), np.float32)), codes=codes_of(doubled))
    assert learner.folds[:60].tolist() == learner.folds[60:][::-1].tolist()
    assert len(set(learner.folds.tolist())) > 1


def test_the_same_rows_give_the_same_head(fitted, tmp_path):
    texts, hardness, first = fitted
    again = fit_ladder(texts, NO_LOGITS, outcomes_of(hardness), tiers=TIERS)
    assert again.head.save(tmp_path / "a.npz") == first.head.save(tmp_path / "b.npz")


def test_the_stored_head_is_the_fitted_one(fitted, tmp_path):
    texts, _, fit = fitted
    fit.head.save(tmp_path / "h.npz")
    assert said(LadderHead.load(tmp_path / "h.npz"), texts[:5]).tolist() == said(fit.head, texts[:5]).tolist()


@pytest.mark.parametrize("tiers", [2, 3, 6])
def test_a_ladder_of_any_length_has_rising_levels(tiers):
    texts, hardness = requests(60)
    capability = np.linspace(0, 1, tiers)
    outcomes = np.clip(1 - hardness[:, None] * (1 - capability), 0, 1)
    fit = fit_ladder(texts, NO_LOGITS, outcomes, tiers=[f"t{k}" for k in range(tiers)])
    assert fit.cross_fitted.shape == (60, tiers - 1)
    assert (np.diff(fit.cross_fitted, axis=1) >= 0).all()
    assert ((fit.cross_fitted >= 0) & (fit.cross_fitted <= 1)).all()
    assert len(fit.head.cumulative(texts[0], np.zeros(0, np.float32))) == tiers - 1


def test_the_gain_is_that_of_the_best_higher_tier():
    texts, _ = requests(60)
    for scores, expected in (
        ((0.2, 0.9, 0.2), (0.3, 1.0)),
        ((0.2, 0.2, 0.9), (0.3, 0.3)),
        ((0.5, 0.2, 0.6), (0.9, 0.9)),
    ):
        fit = fit_ladder(texts, NO_LOGITS, np.tile(scores, (60, 1)), tiers=("a", "b", "c"))
        assert fit.cross_fitted == pytest.approx(np.tile(expected, (60, 1)), abs=0.01)


def test_missing_scores_leave_a_row_out_of_that_boundary_only():
    texts, hardness = requests(120)
    outcomes = np.column_stack([outcomes_of(hardness), np.ones(120)])
    outcomes[:40, 0] = np.nan
    outcomes[60:, 2] = np.nan
    fit = fit_ladder(texts, NO_LOGITS, outcomes, tiers=("a", "b", "c"))
    assert [fit.chosen[name]["rows"] for name in ("a", "b")] == [80, 60]
    assert np.isfinite(fit.cross_fitted).all()


def test_a_score_that_is_missing_teaches_nothing():
    texts, hardness = requests(80)
    outcomes = outcomes_of(hardness)
    outcomes[::2, 1] = np.nan
    other = outcomes.copy()
    other[::2, 0] = 1 - other[::2, 0]
    fits = [fit_ladder(texts, NO_LOGITS, table, tiers=TIERS) for table in (outcomes, other)]
    assert fits[0].cross_fitted.tolist() == fits[1].cross_fitted.tolist()


@pytest.mark.parametrize("scores", [(1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_outcomes_without_a_difference_give_one_level(scores):
    texts, _ = requests(40)
    fit = fit_ladder(texts, NO_LOGITS, np.tile(scores, (40, 1)), tiers=TIERS)
    expected = 1 - max(0.0, scores[1] - scores[0])
    assert fit.cross_fitted == pytest.approx(expected, abs=0.01)
    assert said(fit.head, texts[:3]) == pytest.approx(expected, abs=0.01)


def test_texts_of_one_length_can_be_fitted():
    texts = [f"text {number:04d}" for number in range(60)]
    fit = fit_ladder(texts, NO_LOGITS, outcomes_of(np.linspace(0, 1, 60)), tiers=TIERS)
    assert len(fit.head.scorer.knots) == 0
    assert np.isfinite(said(fit.head, texts[:3])).all()


def test_logits_are_used_where_they_say_what_words_do_not():
    rng = np.random.default_rng(0)
    texts = [f"request {number}" for number in rng.integers(0, 10_000, 300)]
    hardness = rng.random(300)
    logits = np.stack([hardness * 4, rng.normal(size=300)], axis=1).astype(np.float32)
    outcomes = outcomes_of(hardness)
    blind, seeing = (fit_ladder(texts, given, outcomes, tiers=TIERS) for given in (NO_LOGITS, logits))
    found = [np.corrcoef(1 - fit.cross_fitted[:, 0], hardness)[0, 1] for fit in (blind, seeing)]
    assert found[0] < 0.3
    assert found[1] > 0.7
    assert seeing.head.scorer.logits == 2


def test_many_rows_are_solved_in_parts(monkeypatch):
    texts, hardness = requests(300)
    outcomes = outcomes_of(hardness)
    monkeypatch.setattr(ridge, "CHUNK", 110)
    parts = fit_ladder(texts, NO_LOGITS, outcomes, tiers=TIERS)
    new, new_hardness = requests(100, seed=9)
    assert np.corrcoef(said(parts.head, new)[:, 0], new_hardness)[0, 1] < -0.75


def test_of_several_parts_the_mean_is_taken(monkeypatch):
    monkeypatch.setattr(ridge, "CHUNK", 25)
    texts, hardness = requests(60)
    inputs = read_inputs(texts, np.zeros((60, 0), np.float32))
    learner = Learner(inputs)
    y, config = (hardness - hardness.mean())[:, None], Config("text", 4.0)
    kernel = learner._kernel(learner._rows, *ridge._grams(learner._rows), ridge.MIXES["text"])
    parts = []
    for rows in learner._chunks:
        solved = np.linalg.solve(kernel[np.ix_(rows, rows)] + 4 * np.eye(len(rows)), y[rows])
        parts.append(kernel[:, rows] @ solved)
    assert sorted(np.concatenate(learner._chunks).tolist()) == list(range(60))
    assert len(parts) == 3
    scorer = learner.fit(y, np.ones((60, 1)), config)
    found = [scorer(text_features(text), np.zeros(0, np.float32))[0] for text in texts]
    assert found == pytest.approx(np.mean(parts, axis=0)[:, 0], abs=1e-4)


def test_of_rows_that_say_nothing_one_still_guesses():
    y = np.linspace(-1, 1, 40)
    ways = {Config("text", 4.0): -y, Config("logits", 4.0): -y}
    blend = ladder_module._blend(y, np.ones(40, bool), ways, None)
    assert list(blend.own.values()) == [0.5, 0.5]
    assert np.ptp(blend.score) > 0


def generic_levels(hardness):
    return np.clip(1 - hardness[:, None] * np.linspace(1, 0.1, SLOTS), 0, 1)


@pytest.fixture(scope="module")
def generic():
    texts, hardness = requests(200, seed=3)
    return fit_generic(texts, NO_LOGITS, generic_levels(hardness)).head


def test_few_rows_lean_on_the_generic_score_and_many_do_not(generic):
    texts, hardness = requests(600, seed=4)
    # the ladder's own outcomes turn on a word that the generic score knows nothing of
    rng = np.random.default_rng(1)
    fails = np.array(["refund" in text for text in texts])
    outcomes = np.stack([np.where(fails, 0.0, rng.random(600) > 0.5 * hardness), np.ones(600)], axis=1)
    few = fit_ladder(texts[:40], NO_LOGITS, outcomes[:40], tiers=TIERS, base=generic)
    many = fit_ladder(texts, NO_LOGITS, outcomes, tiers=TIERS, base=generic)
    assert few.shrinkage > many.shrinkage
    assert 0 <= many.shrinkage < 0.5


def test_a_generic_score_that_is_right_is_kept_and_one_that_is_turned_is_not(generic):
    texts, hardness = requests(300, seed=4)
    outcomes = outcomes_of(hardness)
    right = np.array([generic.cumulative(text, np.zeros(0, np.float32), tiers=2) for text in texts])
    kept = fit_ladder(texts, NO_LOGITS, outcomes, tiers=TIERS, generic=right)
    turned = fit_ladder(texts, NO_LOGITS, outcomes, tiers=TIERS, generic=1 - right)
    assert kept.chosen["cheap"]["generic"] > 0
    assert turned.chosen["cheap"]["generic"] == 0
    assert turned.shrinkage == 0


def test_with_noise_for_outcomes_the_generic_order_stays(generic):
    texts, _ = requests(60, seed=4)
    rng = np.random.default_rng(3)
    outcomes = (rng.random((60, 2)) > 0.5).astype(float)
    fit = fit_ladder(texts, NO_LOGITS, outcomes, tiers=TIERS, base=generic)
    new, new_hardness = requests(100, seed=11)
    order = [generic.score(text, np.zeros(0, np.float32)) for text in new]
    assert np.corrcoef(order, new_hardness)[0, 1] > 0.8
    assert isinstance(fit.head, LadderHead)
    assert 0 <= fit.shrinkage <= 1


def test_a_head_says_of_its_rows_what_it_was_calibrated_on_with_a_base(generic):
    texts, hardness = requests(300, seed=4)
    fit = fit_ladder(texts, NO_LOGITS, outcomes_of(hardness), tiers=TIERS, base=generic)
    new, new_hardness = requests(400, seed=12)
    outcomes = outcomes_of(new_hardness, seed=13)
    sufficient = 1 - np.maximum(outcomes[:, 1] - outcomes[:, 0], 0)
    assert fit.head.base is generic
    assert expected_calibration_error(said(fit.head, new)[:, 0], sufficient) < 0.1


def test_the_copy_of_a_generic_score_is_in_the_head(generic):
    texts, _ = requests(120, seed=4)
    right = np.array([generic.cumulative(text, np.zeros(0, np.float32), tiers=2) for text in texts])
    # the outcomes say nothing: all that can order new requests is the copy
    fit = fit_ladder(texts, NO_LOGITS, np.ones((120, 2)), tiers=TIERS, generic=right)
    assert fit.head.base is None
    assert fit.shrinkage == pytest.approx(1)
    new, hardness = requests(150, seed=12)
    assert np.corrcoef(said(fit.head, new)[:, 0].argsort().argsort(), hardness)[0, 1] < -0.7


def test_a_head_with_a_copy_is_calibrated_on_new_requests(generic):
    texts, hardness = requests(300, seed=4)
    right = np.array([generic.cumulative(text, np.zeros(0, np.float32), tiers=2) for text in texts])
    fit = fit_ladder(texts, NO_LOGITS, outcomes_of(hardness), tiers=TIERS, generic=right)
    new, new_hardness = requests(400, seed=12)
    outcomes = outcomes_of(new_hardness, seed=13)
    sufficient = 1 - np.maximum(outcomes[:, 1] - outcomes[:, 0], 0)
    assert expected_calibration_error(said(fit.head, new)[:, 0], sufficient, bins=8) < 0.1


def table(n, **changed):
    given = {"texts": requests(n)[0], "logits": NO_LOGITS, "outcomes": np.ones((n, 2)), "tiers": TIERS}
    return {**given, **changed}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (table(MIN_ROWS - 1), "too_few_rows"),
        (table(40, outcomes=np.vstack([np.full((20, 2), np.nan), np.ones((20, 2))])), "too_few_rows"),
        (table(40, outcomes=np.full((40, 2), 1.5)), "bad_outcomes"),
        (table(40, outcomes=np.full((40, 2), np.inf)), "bad_outcomes"),
        (table(40, outcomes=np.ones((39, 2))), "bad_outcomes"),
        (table(40, outcomes=np.ones((40, 3))), "bad_outcomes"),
        (table(40, outcomes=np.ones((40, 1)), tiers=("a",)), "bad_ladder"),
        (table(40, outcomes=np.ones((40, 2)), tiers=("a", "a")), "bad_ladder"),
        (table(40, outcomes=np.ones((40, 7)), tiers="abcdefg"), "bad_ladder"),
        (table(40, logits=np.ones((39, 2))), "bad_logits"),
        (table(40, logits=np.full((40, 2), np.nan)), "bad_logits"),
        (table(40, generic=np.ones((40, 2))), "bad_generic"),
        (table(40, generic=np.full((40, 1), np.nan)), "bad_generic"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(given, code):
    texts, logits, outcomes = (given.pop(name) for name in ("texts", "logits", "outcomes"))
    with pytest.raises(InputError) as caught:
        fit_ladder(texts, logits, outcomes, **given)
    assert caught.value.code == code


def test_the_message_says_how_many_rows_are_missing():
    with pytest.raises(InputError, match=r"29 rows.*'cheap'.*1 more"):
        fit_ladder(requests(29)[0], NO_LOGITS, np.ones((29, 2)), tiers=TIERS)


# -- parts ------------------------------------------------------------------------------------------------------------


def test_a_stored_scorer_is_the_kernel_it_was_solved_with():
    texts, hardness = requests(50)
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 3)).astype(np.float32)
    inputs = read_inputs(texts, logits)
    learner = Learner(inputs)
    config = Config("text and logits", 4.0)
    y = (hardness - hardness.mean())[:, None]
    scorer = learner.fit(y, np.ones((50, 1)), config)
    rows = learner._rows
    kernel = learner._kernel(rows, *ridge._grams(rows), ridge.MIXES[config.mix])
    expected = kernel @ np.linalg.solve(kernel + 4 * np.eye(50), y)
    found = [scorer(text_features(text), row)[0] for text, row in zip(texts, logits, strict=True)]
    assert found == pytest.approx(expected[:, 0], abs=1e-4)


def test_a_row_of_twice_the_weight_counts_as_two():
    texts, hardness = requests(20)
    y = hardness[:, None]
    weights = np.ones((20, 1))
    weights[0] = 2
    doubled = [*texts, texts[0]]
    basis = Learner(read_inputs(texts, np.zeros((20, 0), np.float32)))
    other = Learner(read_inputs(doubled, np.zeros((21, 0), np.float32)))
    other.basis = basis.basis
    other._rows = other._rows._replace(
        near=ridge.tents(read_inputs(doubled, np.zeros((21, 0), np.float32)).dense[:, 0], basis.basis.knots),
        waves=basis.basis.waves(read_inputs(doubled, np.zeros((21, 0), np.float32)).dense),
    )
    config = Config("text", 2.0)
    one = basis.fit(y, weights, config)
    two = other.fit(np.vstack([y, y[:1]]), np.ones((21, 1)), config)
    at = text_features(texts[3])
    assert one(at, np.zeros(0, np.float32)) == pytest.approx(two(at, np.zeros(0, np.float32)), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 1)), min_size=1, max_size=40))
def test_levels_rise_within_bounds_whatever_the_rows(rows):
    score, target = (np.array(column) for column in zip(*rows, strict=True))
    found = fit_points(score, target)
    assert (np.diff(found.x) > 0).all()
    assert (np.diff(found.y) >= 0).all()
    assert found.y[0] >= 0
    assert found.y[-1] <= 1


def test_levels_are_the_pooled_means():
    score = np.repeat([0.0, 1.0, 2.0, 3.0], 500)
    target = np.repeat([0.1, 0.6, 0.4, 0.9], 500)
    found = fit_points(score, target)
    # the two in the middle would fall: they share their mean, half way between them
    assert found([0.0, 1.5, 3.0]) == pytest.approx([0.1, 0.5, 0.9], abs=0.01)


def test_different_scores_are_not_tied_where_levels_are_level():
    found = fit_points(np.linspace(0, 1, 100), np.full(100, 0.3))
    assert (np.diff(found(np.linspace(-0.5, 1.5, 50))) > 0).all()


def test_a_step_of_few_rows_is_not_certain():
    score = np.concatenate([np.zeros(50), [1.0, 1.1]])
    target = np.concatenate([np.full(50, 0.2), [1.0, 1.0]])
    assert 0.5 < float(fit_points(score, target)(1.05)) < 0.9


# -- generic ----------------------------------------------------------------------------------------------------------


def test_the_gain_is_the_mean_over_all_pairs():
    levels = np.array([[0.1, 0.4, 0.2, 0.9], [0.5, 0.5, 0.5, 0.5]])
    pairs = [levels[:, j] - levels[:, i] for i in range(4) for j in range(i + 1, 4)]
    assert pair_gain(levels) == pytest.approx(np.mean(pairs, axis=0))


def test_the_top_gain_is_that_of_the_strongest_over_the_middle():
    levels = np.array([[0.9, 0.0, 0.2, 0.4, 0.5, 1.0]])
    assert top_gain(levels) == pytest.approx([0.75 - 0.3])


def test_the_recorded_gain_is_high_where_only_strong_models_are_right():
    models = np.arange(10) / 10
    scores = np.array([models >= 0.8, models >= 0.3, models >= 0.0, models < 0.0], float)
    found = recorded_gain(scores)
    assert found.argmax() == 0
    assert found.mean() == pytest.approx(0)
    assert found[2] == pytest.approx(found[3])  # where all are right, or none, nobody gains
    # top fifth above the middle third by 1, 0, 0, 0; all pairs of levels by the same order
    ends = np.array([1.0, 0, 0, 0])
    pairs = pair_gain(slot_levels(scores))
    expected = sum((each - each.mean()) / each.std() for each in (ends, pairs)) / 2
    assert found == pytest.approx(expected)


def test_difficulty_is_what_the_middle_fails():
    assert difficulty(np.array([[1.0, 1.0, 0.2, 0.4, 0.0, 0.0]])) == pytest.approx([0.7])


def test_levels_are_models_in_the_order_of_their_mean():
    scores = np.zeros((4, 7))
    for model, good in enumerate((3, 0, 1, 4, 2, 2, 4)):
        scores[:good, model] = 1.0
    scores[0, 0] = np.nan  # the mean of model 0 is then 2 of 3
    found = slot_levels(scores)
    # in order: 1, 2, 4, 5, 0, 3, 6; the first level has two models
    assert found.shape == (4, SLOTS)
    assert found[:, 0].tolist() == [0.5, 0, 0, 0]
    assert found[:, 1].tolist() == [1, 1, 0, 0]
    assert np.isnan(found[0, 3])
    assert found[1:, 3].tolist() == [1, 1, 0]
    assert found[:, 4].tolist() == found[:, 5].tolist() == [1, 1, 1, 1]


def test_rows_without_levels_teach_the_order_alone():
    texts, hardness = requests(120, seed=3)
    levels = generic_levels(hardness)
    levels[60:] = np.nan
    gain = pair_gain(generic_levels(hardness))
    fit = fit_generic(texts, NO_LOGITS, levels, gain=gain)
    assert np.corrcoef(fit.cross_fitted[60:], hardness[60:])[0, 1] > 0.7
    with pytest.raises(InputError, match="levels"):
        fit_generic(texts, NO_LOGITS, levels)


def test_the_loss_of_a_slot_is_what_the_best_higher_one_has_more():
    assert slot_losses(np.array([[0.2, 0.1, 0.5, 0.4]])) == pytest.approx(np.array([[0.3, 0.4, 0.0]]))


def test_a_generic_head_ranks_requests_that_it_never_saw(generic, tmp_path):
    texts, hardness = requests(150, seed=21)
    none = np.zeros(0, np.float32)
    assert np.corrcoef([generic.score(text, none) for text in texts], hardness)[0, 1] > 0.8
    generic.save(tmp_path / "g.npz")
    again = GenericHead.load(tmp_path / "g.npz")
    assert again.score(texts[0], none) == generic.score(texts[0], none)


@pytest.mark.parametrize("tiers", [2, 4, 6])
def test_a_generic_head_knows_what_suffices_on_a_ladder_that_it_never_saw(generic, tiers):
    texts, hardness = requests(300, seed=22)
    found = np.array([generic.cumulative(text, np.zeros(0, np.float32), tiers=tiers) for text in texts])
    assert (np.diff(found, axis=1) >= 0).all()
    ends = generic_levels(hardness)
    # a tier that stands at a slot's end loses what the best slot above has more
    slot = SLOTS // tiers - 1
    assert expected_calibration_error(found[:, 0], 1 - slot_losses(ends)[:, slot]) < 0.08


def test_every_source_counts_the_same():
    texts, hardness = requests(120, seed=3)
    levels = generic_levels(hardness)
    levels[30:] = generic_levels(1 - hardness[30:])
    small, big = ["a"] * 30 + ["b"] * 90, ["a"] * 120
    even, plain = (fit_generic(texts, NO_LOGITS, levels, sources=sources) for sources in (small, big))
    lean = [np.corrcoef(fit.cross_fitted[:30], hardness[:30])[0, 1] for fit in (even, plain)]
    assert lean[0] > lean[1]


@pytest.mark.parametrize(
    ("levels", "sources", "code"),
    [
        (np.ones((40, 5)), None, "bad_levels"),
        (np.full((40, SLOTS), np.nan), None, "too_few_rows"),
        (np.full((40, SLOTS), 2.0), None, "bad_levels"),
        (np.ones((40, SLOTS)), ["a"], "bad_sources"),
    ],
)
def test_levels_that_are_none_are_refused(levels, sources, code):
    with pytest.raises(InputError) as caught:
        fit_generic(requests(40)[0], NO_LOGITS, levels, sources=sources)
    assert caught.value.code == code


# -- field ------------------------------------------------------------------------------------------------------------

INTENTS = {
    "pay": ["pay", "my", "bill", "please", "now", "with", "card"],
    "move": ["move", "house", "new", "address", "next", "month"],
    "cook": ["recipe", "dinner", "soup", "noodles", "oven", "pan"],
}


def labelled(n, seed=0, outside=0):
    rng = np.random.default_rng(seed)
    names = list(INTENTS)
    labels = [names[number % 3] for number in range(n)]
    texts = [" ".join(rng.choice(INTENTS[label], 4)) for label in labels]
    strange = ["".join(rng.choice(list("qxzwvjkf"), 12)) + f" {seed}" for _ in range(outside)]
    return [*texts, *strange], [*labels, *["oos"] * outside]


def test_labels_of_new_texts_are_found(tmp_path):
    texts, labels = labelled(90)
    fit = fit_field(texts, NO_LOGITS, labels, field="intent")
    fit.head.save(tmp_path / "f.npz")
    head = FieldHead.load(tmp_path / "f.npz")
    new, truth = labelled(60, seed=5)
    found = [head.probabilities(text, np.zeros(0, np.float32)) for text in new]
    assert np.mean([max(each, key=each.get) == label for each, label in zip(found, truth, strict=True)]) > 0.95
    assert all(sum(each.values()) == pytest.approx(1) for each in found)
    assert head.field == "intent"
    assert set(head.values) == set(INTENTS)


def test_probabilities_of_labels_are_calibrated():
    rng = np.random.default_rng(0)
    texts, labels = labelled(900)
    noisy = [label if rng.random() > 0.3 else list(INTENTS)[int(rng.integers(3))] for label in labels]
    fit = fit_field(texts, NO_LOGITS, noisy, field="intent")
    said = fit.cross_fitted.max(axis=1)
    right = np.array(fit.head.values)[fit.cross_fitted.argmax(axis=1)] == np.array(noisy)
    assert said.mean() == pytest.approx(right.mean(), abs=0.04)
    assert expected_calibration_error(said, right, bins=6) < 0.12


def test_texts_from_outside_are_found():
    texts, labels = labelled(120, outside=40)
    fit = fit_field(texts, NO_LOGITS, labels, field="intent", outside="oos")
    new, truth = labelled(60, seed=9, outside=40)
    found = [fit.head.probabilities(text, np.zeros(0, np.float32)) for text in new]
    right = np.array([max(each, key=each.get) == label for each, label in zip(found, truth, strict=True)])
    assert right[:60].mean() > 0.9
    assert right[60:].mean() > 0.9
    assert fit.chosen["outside_recall"] > 0.8


def test_the_threshold_is_where_outside_is_worth_it():
    # inside is right at .9 and at .5; outside reaches .6: one inside row is worth more than one from outside
    def scores(top):
        return np.log([top, (1 - top) * 0.9, (1 - top) * 0.1])

    inside, outside = [scores(0.9)] * 90 + [scores(0.5)] * 10, [scores(0.6)] * 4
    truth = np.array([0] * 100 + [2] * 4)
    # finding all from outside costs ten in a hundred inside: too much at OUTSIDE_WORTH of less than that, else worth it
    threshold = field_module._threshold(np.array(inside + outside), truth, 2)
    worth = field_module.OUTSIDE_WORTH > 0.1
    assert (0.6 < threshold <= 0.9) is worth
    found = np.array([field_probabilities(row, 2, threshold).argmax() for row in inside + outside])
    assert (found[100:] == 2).all() == worth


def test_a_value_for_outside_without_a_row_changes_nothing():
    texts, labels = labelled(60)
    fits = [fit_field(texts, NO_LOGITS, labels, field="intent", outside=outside) for outside in (None, "oos")]
    assert fits[0].cross_fitted.tolist() == fits[1].cross_fitted.tolist()
    assert fits[1].head.outside is None


def test_two_labels_are_two_values():
    texts, labels = labelled(60)
    binary = ["true" if label == "pay" else "false" for label in labels]
    fit = fit_field(texts, NO_LOGITS, binary, field="needs_retrieval")
    assert fit.head.values == ("false", "true")
    assert (fit.cross_fitted.argmax(axis=1) == [int(label == "true") for label in binary]).mean() > 0.95


def test_many_rows_are_fitted_at_one_strength(monkeypatch):
    monkeypatch.setattr(field_module, "MANY_ROWS", 50)
    texts, labels = labelled(60)
    assert list(fit_field(texts, NO_LOGITS, labels, field="intent").chosen["accuracy_by_penalty"]) == ["2"]


@pytest.mark.parametrize(
    ("labels", "code"),
    [(["a"] * 6, "too_few_labels"), (["a", "b"] * 2, "bad_labels"), (["a"] * 4 + ["b"] * 2, "too_few_rows")],
)
def test_labels_that_cannot_be_learned_are_refused(labels, code):
    with pytest.raises(InputError) as caught:
        fit_field([f"text {number}" for number in range(6)], NO_LOGITS, labels, field="intent")
    assert caught.value.code == code


def test_only_outside_beside_one_label_is_too_few():
    with pytest.raises(InputError, match="two labels"):
        fit_field([f"t {n}" for n in range(6)], NO_LOGITS, ["a"] * 3 + ["oos"] * 3, field="intent", outside="oos")


def test_inputs_are_counts_and_then_logits():
    found = read_inputs(["pay", "prove it"], np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert found.dense.shape == (2, len(DENSE) + 2)
    assert found.dense[1, -2:].tolist() == [3.0, 4.0]
    assert found.dense[1, : len(DENSE)].tolist() == text_features("prove it").dense.tolist()
    row = text_features("prove it")
    assert found.hashed[1].toarray()[0, row.indices] == pytest.approx(row.values)
    assert found.hashed[1].sum() == pytest.approx(row.values.sum(), rel=1e-5)


def test_equal_texts_of_a_field_are_never_on_both_sides_of_a_fold():
    truth = np.array([0, 1, 2] * 20)
    codes = np.random.default_rng(0).integers(0, 15, 60)
    folds = field_module._folds(truth, codes, 0)
    assert all(len(set(folds[codes == code].tolist())) == 1 for code in range(15))
    assert set(folds.tolist()) == {0, 1, 2}
