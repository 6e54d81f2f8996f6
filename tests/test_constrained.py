"""Whole values get exact probabilities, whatever their names and however a tokeniser cuts them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gguf_factory import build
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.proposers.calibration import Calibration, LevelMap, TierScores, choose, mask_tiers, softmax
from tiergraph.proposers.constrained import compile_trie, spell

names = st.text(min_size=1, max_size=12).filter(lambda s: s.strip() == s and s.isprintable())
ladders = st.one_of(
    st.lists(names, min_size=2, max_size=6, unique=True),
    st.lists(
        st.text("ab \"'{", min_size=1, max_size=5).filter(lambda s: s.strip() == s), min_size=2, max_size=6, unique=True
    ),
    st.permutations(["a", "ab", "abc", "a b", 'a"', "a\N{COMBINING ACUTE ACCENT}"]).flatmap(
        lambda order: st.integers(2, 6).map(lambda n: order[:n])
    ),
)
finite = st.floats(-30, 30, allow_nan=False)


class Toy:
    """A greedy tokeniser: the longest known piece, else one character. Pieces may span label, value and line break."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = sorted({piece for piece in pieces if piece}, key=len, reverse=True)

    def __call__(self, text: str) -> list[int]:
        ids = []
        while text:
            piece = next((piece for piece in self.pieces if text.startswith(piece)), text[0])
            ids.append(self.pieces.index(piece) if piece in self.pieces else 10_000 + ord(piece))
            text = text[len(piece) :]
        return ids


def logit(path: tuple[int, ...], token: int) -> float:
    """Any fixed number for a token after a path."""
    return (hash((path, token)) % 2001 - 1000) / 150


def by_brute_force(sequences: dict[str, list[int]]) -> dict[str, float]:
    """Each value to the product, over its tokens, of the softmax over what may stand there."""
    found = {}
    for value, ids in sequences.items():
        probability = 1.0
        for depth, token in enumerate(ids):
            path = tuple(ids[:depth])
            possible = {other[depth] for other in sequences.values() if tuple(other[:depth]) == path}
            total = sum(math.exp(logit(path, other)) for other in possible)
            probability *= math.exp(logit(path, token)) / total
        found[value] = probability
    return found


def check_against_brute_force(values: list[str], tokenise) -> None:
    spelling = spell(["tier"], {value: value for value in values}, tokenise)
    trie = spelling.trie
    logits = [[logit(branch.path, token) for token in branch.tokens] for branch in trie.branches]
    probabilities = trie.probabilities(logits)
    sequences = {v: list(tokenise(f"{spelling.label} {form}\n")) for v, form in spelling.forms.items()}
    expected = by_brute_force(sequences)
    assert list(probabilities) == values
    assert sum(probabilities.values()) == pytest.approx(1)
    assert probabilities == pytest.approx(expected)


@given(ladders, st.data())
def test_values_sum_to_one_and_equal_the_product_of_their_tokens(values, data):
    texts = [f"tier {value}\n" for value in values]
    cuts = st.tuples(st.sampled_from(texts), st.integers(0, 20), st.integers(1, 8))
    pieces = data.draw(st.lists(cuts.map(lambda cut: cut[0][cut[1] : cut[1] + cut[2]]), max_size=12))
    check_against_brute_force(values, Toy(pieces))


@pytest.fixture(scope="module")
def tokenise(tmp_path_factory: pytest.TempPathFactory):
    from tiergraph.proposers.native import NativeModel

    model = NativeModel(build(tmp_path_factory.mktemp("gguf") / "m.gguf", contract=False))
    yield lambda text: model.tokenise(text).tolist()
    model.free()


@given(values=ladders)
def test_the_same_holds_with_a_tokeniser_of_llama_cpp(tokenise, values):
    check_against_brute_force(values, tokenise)


def test_a_name_that_begins_another_is_told_apart_by_its_end():
    trie = spell(["tier"], {"a": "a", "ab": "ab", "abc": "abc"}, Toy([])).trie
    assert [[chr(token - 10_000) for token in branch.tokens] for branch in trie.branches] == [["\n", "b"], ["\n", "c"]]
    certain = trie.probabilities([[0.0, -math.inf], [0.0, 0.0]])
    assert certain == {"a": 1.0, "ab": 0.0, "abc": 0.0}


def test_forced_tokens_are_walked_and_never_scored():
    trie = compile_trie({"x": [1, 2, 3, 7, 7], "y": [1, 2, 4, 8, 8]})
    assert [branch.path for branch in trie.branches] == [(1, 2)]
    assert trie.decoded == {(1,), (1, 2)}


def test_values_of_the_same_tokens_are_refused_by_name():
    with pytest.raises(ValueError, match=r"'Big' and 'big' have the same tokens"):
        compile_trie({"Big": [1], "big": [1]})


def test_a_value_whose_tokens_begin_another_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'a' begin those of 'ab'"):
        compile_trie({"ab": [1, 2], "a": [1]})


def test_a_tokeniser_that_folds_case_gets_numbers():
    spelling = spell(["tier"], {"Big": "Big", "big": "big"}, lambda text: [ord(c) for c in text.lower()])
    assert spelling.forms == {"Big": "1", "big": "2"}
    assert spelling.trie.values == ("Big", "big")


def test_a_tokeniser_that_tells_nothing_apart_is_an_error_that_names_both():
    with pytest.raises(ValueError, match=r"'Big' and 'big'"):
        spell(["tier"], {"Big": "Big", "big": "big"}, lambda text: [1])


def test_a_line_break_in_a_value_is_refused():
    with pytest.raises(ValueError, match="line break"):
        spell(["tier"], {"a\nb": "a\nb", "c": "c"}, Toy([]))


def test_the_label_that_costs_fewer_tokens_is_taken_and_else_the_first():
    assert spell(["tier", "T"], {"a": "a", "b": "b"}, Toy([])).label == "T"
    assert spell(["tier", "T"], {"a": "a", "b": "b"}, Toy(["tier"])).label == "tier"


@given(st.lists(finite, min_size=2, max_size=6), st.data())
def test_forbidden_categories_get_nothing_and_the_rest_is_normalised(logits, data):
    allowed = data.draw(st.lists(st.booleans(), min_size=len(logits), max_size=len(logits)).filter(any))
    probabilities = softmax(logits)
    scores = TierScores(tuple(probabilities), tuple(math.log(p) for p in probabilities))
    masked = mask_tiers(scores, allowed)
    left = sum(p for p, open_ in zip(probabilities, allowed, strict=True) if open_)
    expected = [p / left if open_ else 0.0 for p, open_ in zip(probabilities, allowed, strict=True)]
    assert masked == pytest.approx(expected)
    assert all(p == 0.0 for p, open_ in zip(masked, allowed, strict=True) if not open_)


def test_a_category_is_chosen_even_where_all_mass_was_forbidden():
    scores = TierScores((1.0, 0.0, 0.0), (0.0, -2000.0, -2001.0))
    assert mask_tiers(scores, [False, True, True]) == pytest.approx((0.0, 0.7310586, 0.2689414))


@given(st.lists(finite, min_size=6, max_size=6), st.integers(2, 6), st.data())
def test_forbidden_mass_moves_up_to_the_next_allowed_tier(logits, tiers, data):
    allowed = data.draw(st.lists(st.booleans(), min_size=tiers, max_size=tiers).filter(any))
    scores = LevelMap(6, tiers, Calibration())(softmax(logits))
    masked = mask_tiers(scores, allowed)
    expected = [0.0] * tiers
    for tier, probability in enumerate(scores.probabilities):
        above = [i for i in range(tier, tiers) if allowed[i]]
        expected[above[0] if above else max(i for i in range(tiers) if allowed[i])] += probability
    assert masked == pytest.approx(expected)
    assert sum(masked) == pytest.approx(1)
    assert all(p == 0.0 for p, open_ in zip(masked, allowed, strict=True) if not open_)


@given(
    st.lists(finite, min_size=6, max_size=6),
    st.integers(2, 6),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8, unique_by=lambda point: point[0]),
)
def test_the_levels_of_a_ladder_are_interpolated_from_calibrated_slots(logits, tiers, points):
    x = sorted(point[0] for point in points)
    y = sorted(point[1] for point in points)
    slots = softmax(logits)
    calibration = Calibration.parse({"level": {"x": x, "y": y}})
    cdf = np.minimum(np.cumsum(slots), 1.0)
    mapped = np.interp(cdf, x, y) if points else cdf
    levels = np.interp([(i + 1) / tiers for i in range(tiers - 1)], [i / 6 for i in range(7)], [0.0, *mapped])
    expected = np.diff([0.0, *levels, 1.0])
    scores = LevelMap(6, tiers, calibration)(slots)
    assert scores.probabilities == pytest.approx(tuple(expected), abs=1e-9)
    assert scores.insufficient == pytest.approx(1 - levels[0], abs=1e-9)


@pytest.mark.parametrize(
    ("sufficiency", "allowed", "tier"),
    [
        (0.2, [True, True, True], 0),
        (0.5, [True, True, True], 1),
        (0.9, [True, True, True], 2),
        (0.9, [True, True, False], 1),
    ],
)
def test_the_cheapest_tier_that_suffices_is_chosen(sufficiency, allowed, tier):
    assert choose(mask_tiers(TierScores((0.25, 0.5, 0.25)), allowed), allowed, sufficiency) == tier


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ({"tier": {"temperature": 0}}, "tier.temperature"),
        ({"intent": {"temperature": math.nan}}, "intent.temperature"),
        ({"level": {"x": [0, 1], "y": [0]}}, "2 points"),
        ({"level": {"x": [0, 0], "y": [0, 1]}}, "does not rise"),
        ({"level": {"x": [0, 1], "y": [1, 0]}}, "level.y falls"),
        ({"tier": 1}, "no mapping"),
    ],
)
def test_a_calibration_that_cannot_be_used_names_its_part(calibration, message):
    with pytest.raises(ValueError, match=message):
        Calibration.parse(calibration)


def test_the_factory_writes_the_same_file_twice(tmp_path: Path):
    assert build(tmp_path / "a.gguf").read_bytes() == build(tmp_path / "b.gguf").read_bytes()
