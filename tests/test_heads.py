"""Text features and heads: arithmetic by hand, and files that are refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiergraph.errors import ModelError
from tiergraph.proposers import features
from tiergraph.proposers.calibration import Calibration, LevelMap, TierScores
from tiergraph.proposers.features import BUCKETS, CHARACTERS_AT, DENSE, SHAPE_AT, text_features
from tiergraph.proposers.heads import (
    SLOTS,
    FieldHead,
    GenericHead,
    LadderHead,
    Points,
    Scorer,
    field_probabilities,
    sufficiency,
    tents,
)

NO_LOGITS = np.zeros(0, np.float32)
D = len(DENSE)


def points(x, y):
    return Points(x=np.array(x, np.float32), y=np.array(y, np.float32))


def scorer(outputs=1, logits=2, knots=(), bends=0, **changed):
    """All weights 0, but for what is changed."""
    inputs = D + logits
    zero = Scorer(
        knots=np.array(knots, np.float32),
        hashed=np.zeros((BUCKETS, 1 + len(knots), outputs), np.float32),
        mean=np.zeros(inputs, np.float32),
        scale=np.ones(inputs, np.float32),
        linear=np.zeros((inputs, outputs), np.float32),
        frequencies=np.zeros((inputs, bends), np.float32),
        phases=np.zeros(bends, np.float32),
        waves=np.zeros((bends, outputs), np.float32),
        bias=np.zeros(outputs, np.float32),
    )
    return replace(zero, **{name: np.asarray(value, np.float32) for name, value in changed.items()})


def some_scorer(outputs, logits=2, seed=0):
    rng = np.random.default_rng(seed)
    inputs = D + logits
    return scorer(
        outputs,
        logits,
        knots=(1.0, 3.0, 5.0),
        bends=4,
        hashed=rng.normal(size=(BUCKETS, 4, outputs)),
        mean=rng.normal(size=inputs),
        scale=rng.uniform(0.5, 2, inputs),
        linear=rng.normal(size=(inputs, outputs)),
        frequencies=rng.normal(size=(inputs, 4)),
        phases=rng.uniform(0, 6, 4),
        waves=rng.normal(size=(4, outputs)),
        bias=rng.normal(size=outputs),
    ).rounded()


def ladder_head(**changed):
    given = {
        "tiers": ("small", "mid", "top"),
        "scorer": some_scorer(2),
        "levels": (points([-60, 60], [0, 1]), points([-60, 60], [0, 0.5])),
        "model_sha256": "ab" * 32,
        "logit_names": ("probe:0", "probe:1"),
        "data": {"rows": 3},
        "figures": {"apgr": 0.7},
        "created": "2025-01-01T00:00:00+00:00",
    }
    return LadderHead(**{**given, **changed})


def generic_head(**changed):
    levels = tuple(points([-60, 60], [0.1, 1 - slot / 6]) for slot in range(SLOTS - 1))
    given = {"scorer": some_scorer(1, seed=1), "levels": levels, "logit_names": ("probe:0", "probe:1")}
    return GenericHead(**{**given, **changed})


def field_head(**changed):
    given = {
        "field": "intent",
        "values": ("pay", "move", "oos"),
        "scorer": some_scorer(3, seed=2),
        "temperature": 0.5,
        "outside": "oos",
        "outside_threshold": 0.4,
        "logit_names": ("probe:0", "probe:1"),
    }
    return FieldHead(**{**given, **changed})


HEADS = {"ladder": ladder_head, "generic": generic_head, "field": field_head}
LOGITS = np.array([0.5, -1.0], np.float32)


def said(head, text="How do I pay this bill?", logits=LOGITS):
    if isinstance(head, FieldHead):
        return head.probabilities(text, logits)
    if isinstance(head, GenericHead):
        return head.slots(text, logits)
    return head.cumulative(text, logits)


# -- features ---------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=300))
def test_each_bucket_comes_once_and_each_family_has_length_one(text):
    found = text_features(text)
    assert found.indices.dtype == np.int32
    assert found.values.dtype == found.dense.dtype == np.float32
    assert (np.diff(found.indices) > 0).all()
    assert found.indices[0] >= 0
    assert found.indices[-1] < BUCKETS
    for low, high in ((0, CHARACTERS_AT), (CHARACTERS_AT, SHAPE_AT), (SHAPE_AT, BUCKETS)):
        part = found.values[(found.indices >= low) & (found.indices < high)]
        assert np.sqrt((part**2).sum()) == pytest.approx(1, abs=1e-5)
    assert found.dense.shape == (D,)
    assert np.isfinite(found.dense).all()


def test_features_are_the_same_in_every_process():
    text = "Überweise 20 € to Anna, please?\n  Thanks!"
    told = "import sys; from tiergraph.proposers.features import text_features as f; t = f(sys.argv[1]); "
    told += "print(t.indices.tolist(), t.values.tolist(), t.dense.tolist())"
    other = subprocess.run(
        [sys.executable, "-c", told, text],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
    )
    here = text_features(text)
    assert other.stdout.strip() == f"{here.indices.tolist()} {here.values.tolist()} {here.dense.tolist()}"


def test_features_do_not_change_between_releases():
    found = text_features("How do I pay 20 EUR?\nThanks, Anna")
    digest = hashlib.sha256(found.indices.astype("<i4").tobytes()).hexdigest()
    assert (features.VERSION, digest[:16]) == (1, "995bb24f9f7db615")


def plain_hash(signs, extra=0):
    """As the module says, in whole numbers."""
    total = sum((sign * pow(features._BASE, place, 2**64)) for place, sign in enumerate(signs)) + extra
    total %= 2**64
    total ^= total >> 29
    return total * 0xD6E8FEB86659FD93 % 2**64


def test_characters_hash_to_the_polynomial_of_their_bytes():
    signs = b"\x02ab\x03"
    expected = {
        CHARACTERS_AT + (plain_hash(signs[at : at + n], extra=n) >> (64 - features.CHARACTER_BITS))
        for n in (2, 3, 4)
        for at in range(len(signs) - n + 1)
    }
    found = text_features("AB").indices
    assert set(found[(found >= CHARACTERS_AT) & (found < SHAPE_AT)].tolist()) == expected


def test_a_repeated_word_counts_by_its_logarithm():
    once, thrice = text_features("pay"), text_features("pay pay pay pay")
    bucket = plain_hash(b"pay") >> (64 - features.WORD_BITS)
    words = thrice.indices < CHARACTERS_AT
    weight = dict(zip(thrice.indices[words].tolist(), thrice.values[words].tolist(), strict=True))
    assert bucket in once.indices
    # the word four times, "start pay" and "pay end" once, "pay pay" three times
    raw = np.array([1 + np.log(4), 1, 1, 1 + np.log(3)])
    assert weight[bucket] == pytest.approx(raw[0] / np.sqrt((raw**2).sum()), abs=1e-6)
    assert len(weight) == 4


def test_letter_case_is_seen_by_the_shape_alone():
    lower, upper = text_features("pay now"), text_features("PAY now")
    assert lower.indices[lower.indices < SHAPE_AT].tolist() == upper.indices[upper.indices < SHAPE_AT].tolist()
    assert lower.indices[lower.indices >= SHAPE_AT].tolist() != upper.indices[upper.indices >= SHAPE_AT].tolist()


def test_runs_of_letters_and_digits_have_one_shape():
    short, long = (text_features(text) for text in ("Pay 7 now", "Transfer 1234 tomorrow"))
    assert short.indices[short.indices >= SHAPE_AT].tolist() == long.indices[long.indices >= SHAPE_AT].tolist()


def test_head_and_tail_of_a_long_text_are_read_and_its_middle_is_not():
    half = features.MAX_CHARACTERS // 2
    a, b = (text_features("x" * half + middle * 50 + "y" * half) for middle in ("first", "other"))
    assert a.indices.tolist() == b.indices.tolist()
    assert text_features("z" + "x" * 5000).indices.tolist() != text_features("x" * 5001).indices.tolist()
    assert text_features("x" * 5000 + "z").indices.tolist() != text_features("x" * 5001).indices.tolist()


def test_counts_are_those_of_the_text():
    dense = dict(zip(DENSE, text_features("Is 12 > 3?\nYes.").dense.tolist(), strict=True))
    n = len("Is 12 > 3?\nYes.") + 2  # start and end count as signs
    assert dense["log_characters"] == pytest.approx(np.log1p(15))
    assert dense["log_lines"] == pytest.approx(np.log1p(1))
    assert dense["digit_share"] == pytest.approx(np.sqrt(3 / n))
    assert dense["capital_share"] == pytest.approx(np.sqrt(2 / n))
    assert dense["question_marks"] == pytest.approx(np.log1p(1))
    assert (dense["starts_capital"], dense["ends_question"], dense["ends_stop"]) == (1, 0, 1)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "İ" * 3000, "😀" * 5000, "a" * 100_000])
def test_odd_texts_have_features(text):
    found = text_features(text)
    assert np.isfinite(found.values).all()
    assert len(found.indices)


# -- arithmetic -------------------------------------------------------------------------------------------------------


def test_a_score_is_bias_and_grams_and_inputs_and_waves():
    text = text_features("pay")
    weights = np.zeros((BUCKETS, 1, 1), np.float32)
    weights[text.indices[0]] = 3.0
    linear = np.zeros((D + 2, 1))
    linear[D + 1] = 0.25
    frequencies = np.zeros((D + 2, 1))
    frequencies[D] = 2.0
    mean, scale = np.zeros(D + 2), np.ones(D + 2)
    mean[D + 1], scale[D + 1] = 1.0, 4.0
    made = scorer(
        hashed=weights,
        linear=linear,
        frequencies=frequencies,
        phases=[0.5],
        waves=[[7.0]],
        bias=[10.0],
        mean=mean,
        scale=scale,
    )
    expected = 10 + 3 * text.values[0] + 0.25 * (9 - 1) / 4 + 7 * np.cos(2 * 0.3 + 0.5)
    assert made(text, np.array([0.3, 9.0], np.float32))[0] == pytest.approx(expected, abs=1e-5)


def test_weights_of_grams_are_blended_between_two_lengths():
    text = text_features("pay")
    length = float(text.dense[0])
    weights = np.zeros((BUCKETS, 3, 1), np.float32)
    weights[text.indices[0], :, 0] = (1.0, 10.0, 100.0)
    made = scorer(knots=(length - 1, length + 3), hashed=weights)
    expected = text.values[0] * (1 + 0.75 * 10 + 0.25 * 100)
    assert made(text, np.zeros(2, np.float32))[0] == pytest.approx(expected, rel=1e-5)


def test_tents_are_one_at_their_knot_and_level_beyond():
    found = tents(np.array([-5.0, 0.0, 0.5, 2.0, 9.0]), np.array([0.0, 2.0, 4.0]))
    assert found.tolist() == [[1, 0, 0], [1, 0, 0], [0.75, 0.25, 0], [0, 1, 0], [0, 0, 1]]
    assert tents(np.zeros(2), np.zeros(0)).shape == (2, 0)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80), st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=2))
def test_what_suffices_rises_with_the_tier_and_stays_in_bounds(text, logits):
    for head in (ladder_head(), ladder_head(base=generic_head(), trust=np.array([1.0, 2.0], np.float32))):
        found = head.cumulative(text, np.array(logits, np.float32))
        assert 0 <= found[0] <= found[1] <= 1


def test_a_tier_that_loses_more_than_a_lower_one_is_not_above_it():
    levels = (points([0, 1], [0, 1]), points([0, 1], [0, 1]))
    assert sufficiency(np.array([[0.2, 0.7], [0.7, 0.2]]), levels) == pytest.approx(np.array([[0.8, 0.8], [0.3, 0.8]]))


def test_the_generic_loss_is_added_times_the_trust_in_it():
    base = generic_head()
    head = ladder_head(
        scorer=scorer(2, bias=[0.1, 0.2]),
        base=base,
        trust=np.array([0.5, 0.0], np.float32),
        levels=(points([-5, 5], [0, 1]), points([-5, 5], [0, 1])),
    )
    low, high = base.cumulative("pay", LOGITS, tiers=3)
    gains = np.array([0.1 + 0.5 * (1 - low), 0.2])
    expected = np.maximum.accumulate(1 - (gains + 5) / 10)
    assert head.cumulative("pay", LOGITS) == pytest.approx(tuple(expected), abs=1e-6)
    assert high >= low


@pytest.mark.parametrize("tiers", [2, 3, 4, 5, 6])
def test_a_generic_head_spreads_over_tiers_as_the_slots_of_a_model_do(tiers):
    head = generic_head()
    slots = head.slots("pay", LOGITS)
    assert sum(slots) == pytest.approx(1)
    assert min(slots) >= 0
    scores = LevelMap(SLOTS, tiers, Calibration())(slots)
    assert np.cumsum(scores.probabilities)[:-1] == pytest.approx(head.cumulative("pay", LOGITS, tiers=tiers))
    assert isinstance(scores, TierScores)


def test_probabilities_of_a_field_are_a_softmax_at_its_temperature():
    head = field_head(scorer=scorer(3, bias=[1.0, 2.0, 0.0]), outside=None, outside_threshold=0.0)
    weights = np.exp(np.array([1.0, 2.0, 0.0]) / 0.5)
    assert list(head.probabilities("x", LOGITS).values()) == pytest.approx(list(weights / weights.sum()), abs=1e-6)
    assert list(head.probabilities("x", LOGITS)) == ["pay", "move", "oos"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=3, max_size=6), st.floats(0.05, 0.95))
def test_outside_is_likeliest_exactly_below_the_threshold(scores, threshold):
    raw = field_probabilities(np.array(scores), None, 0.0)
    found = field_probabilities(np.array(scores), 0, threshold)
    top = raw[1:].max()
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0
    if abs(top - threshold) > 1e-6:
        assert bool(found[0] > found[1:].max()) is bool(top < threshold)


@pytest.mark.parametrize("logits", [[0.0], [0.0, 0.0, 0.0]])
def test_another_number_of_logits_is_refused(logits):
    with pytest.raises(ValueError, match="2 are needed"):
        said(ladder_head(), logits=np.array(logits, np.float32))


@pytest.mark.parametrize("make", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_no_number_raises(make, bad):
    with pytest.raises(ValueError, match="finite"):
        said(make(), logits=np.array([bad, 0.0], np.float32))


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", HEADS.values(), ids=HEADS)
def test_a_head_says_the_same_after_it_was_stored(make, tmp_path):
    head = make()
    digest = head.save(tmp_path / "h.npz")
    again = type(head).load(tmp_path / "h.npz")
    assert said(again) == said(head)
    assert again.digest == digest == hashlib.sha256((tmp_path / "h.npz").read_bytes()).hexdigest()
    for name in ("model_sha256", "logit_names", "data", "figures", "created"):
        assert getattr(again, name) == getattr(head, name)


def test_a_head_that_relies_on_the_generic_one_holds_it(tmp_path):
    head = ladder_head(base=generic_head(), trust=np.array([0.7, 0.0], np.float32))
    head.save(tmp_path / "h.npz")
    assert said(LadderHead.load(tmp_path / "h.npz")) == said(head)
    assert said(head) != said(ladder_head())


def test_the_same_head_has_the_same_digest(tmp_path):
    assert ladder_head().save(tmp_path / "a.npz") == ladder_head().save(tmp_path / "b.npz")
    other = ladder_head(tiers=("small", "mid", "other"))
    assert other.save(tmp_path / "c.npz") != ladder_head().save(tmp_path / "a.npz")


def test_the_manifest_says_what_it_is(tmp_path):
    ladder_head().save(tmp_path / "h.npz")
    manifest = json.loads((tmp_path / "h.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "ladder"
    assert manifest["tiers"] == ["small", "mid", "top"]
    assert manifest["dense_names"] == list(DENSE)
    assert manifest["logit_names"] == ["probe:0", "probe:1"]
    assert manifest["data"] == {"rows": 3}


@pytest.fixture
def stored(tmp_path):
    ladder_head().save(tmp_path / "h.npz")
    return tmp_path / "h.npz"


def refused(file, kind=LadderHead):
    with pytest.raises(ModelError) as caught:
        kind.load(file)
    assert "Fix:" in str(caught.value)
    assert file.stem in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_missing_is_refused(stored):
    stored.unlink()
    assert "cannot be read" in refused(stored)
    stored.with_suffix(".json").unlink()
    assert "manifest cannot be read" in refused(stored)


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_manifest_that_is_none_is_refused(stored, text):
    stored.with_suffix(".json").write_bytes(text.encode("latin-1"))
    assert "manifest" in refused(stored)


@pytest.mark.parametrize("cut", [0, 10, -10])
def test_a_file_that_was_changed_is_refused(stored, cut):
    content = stored.read_bytes()
    stored.write_bytes(content[:cut] if cut else content[:100] + b"x" + content[101:])
    assert "sha256" in refused(stored)


def rewrite(file, **arrays):
    """Arrays replaced, or left out where ``None``; the manifest agrees."""
    with np.load(file) as known:
        found = {name: known[name] for name in known.files}
    found |= arrays
    np.savez(file, **{name: value for name, value in found.items() if value is not None})
    manifest = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    manifest["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps(manifest), encoding="utf-8")


def meta_with(file, **changed):
    with np.load(file) as known:
        meta = json.loads(known["meta"].tobytes())
    return np.frombuffer(json.dumps(meta | changed).encode(), np.uint8)


BROKEN = {
    "missing": {"bias": None},
    "no meta": {"meta": None},
    "shape": {"linear": np.zeros((3, 2), np.float32)},
    "outputs": {"bias": np.zeros(3, np.float32)},
    "dimensions": {"mean": np.zeros((1, D + 2), np.float32)},
    "not finite": {"bias": np.array([np.nan, 0], np.float32)},
    "type": {"bias": np.zeros(2, np.int64)},
    "scale": {"scale": np.zeros(D + 2, np.float32)},
    "knots": {"knots": np.array([3, 2, 1], np.float32)},
    "few levels": {"level1.x": None},
    "falling": {"level0.y": np.array([0.5, 0.1], np.float32)},
    "above one": {"level0.y": np.array([0.5, 1.5], np.float32)},
    "points": {"level0.x": np.array([0.0, 0.0], np.float32)},
    "more points": {"level0.x": np.array([0.0, 1.0, 2.0], np.float32)},
}


@pytest.mark.parametrize("arrays", BROKEN.values(), ids=BROKEN)
def test_arrays_that_do_not_fit_are_refused(stored, arrays):
    rewrite(stored, **arrays)
    refused(stored)


@pytest.mark.parametrize(
    "changed", [{"version": 2}, {"features": 0}, {"tiers": ["a"]}, {"tiers": ["a", "a", "b"]}, {"logit_names": ["a"]}]
)
def test_another_version_or_meaning_is_refused(stored, changed):
    rewrite(stored, meta=meta_with(stored, **changed))
    refused(stored)


def test_a_head_of_another_kind_is_refused(stored):
    assert "'ladder'" in refused(stored, FieldHead)
    assert "'ladder'" in refused(stored, GenericHead)


def test_a_pickle_is_never_read(stored):
    rewrite(stored, bias=np.array([{"a": 1}, None], dtype=object))
    refused(stored)


def test_a_file_that_unpacks_to_too_much_is_refused(stored, monkeypatch):
    monkeypatch.setattr("tiergraph.proposers.heads.MAX_BYTES", 1000)
    assert "unpacks to" in refused(stored)


@pytest.mark.parametrize(
    "changed", [{"temperature": 0}, {"outside": "elsewhere"}, {"outside_threshold": 2}, {"values": ["a", "a", "b"]}]
)
def test_a_field_head_off_its_bounds_is_refused(tmp_path, changed):
    field_head().save(tmp_path / "f.npz")
    rewrite(tmp_path / "f.npz", meta=meta_with(tmp_path / "f.npz", **changed))
    refused(tmp_path / "f.npz", FieldHead)


@pytest.mark.parametrize("trust", [None, [-1.0, 0.0], [1.0]])
def test_a_base_without_a_sound_trust_is_refused(tmp_path, trust):
    ladder_head(base=generic_head(), trust=np.array([0.7, 0.0], np.float32)).save(tmp_path / "h.npz")
    rewrite(tmp_path / "h.npz", trust=None if trust is None else np.array(trust, np.float32))
    refused(tmp_path / "h.npz")


def test_what_is_stored_is_close_to_what_was_fitted():
    rng = np.random.default_rng(0)
    exact = replace(some_scorer(2), hashed=(3e-5 * rng.normal(size=(BUCKETS, 4, 2))).astype(np.float32))
    text = text_features("How do I pay this bill?")
    grams = replace(
        exact, linear=np.zeros_like(exact.linear), waves=np.zeros_like(exact.waves), bias=np.zeros(2, np.float32)
    )
    found, stored = grams(text, LOGITS), grams.rounded()(text, LOGITS)
    assert stored == pytest.approx(found, rel=1e-2)
    assert np.abs(found).max() > 1e-5
