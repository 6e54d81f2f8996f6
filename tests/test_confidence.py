"""What a confidence is worth: the map from stated to measured, and tiers' probabilities out of tokens."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise

import pytest
from constrained_reply import token_chances
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.errors import ConfigError
from tiergraph.proposers.confidence import MIN_ROWS, ConfidenceMap, expected_calibration_error, one_against_rest
from tiergraph.proposers.token_walk import value_probabilities
from tiergraph.wire import TokenChance

ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=MIN_ROWS, max_size=120)


def overconfident(rows: int = 400) -> tuple[list[float], list[bool]]:
    """States .8 to 1 and is right in half of the cases at .8 and in .9 of them at 1."""
    rng = random.Random(7)
    stated = [rng.choice([0.8, 0.9, 1.0]) for _ in range(rows)]
    return stated, [rng.random() < 0.5 + 2 * (value - 0.8) for value in stated]


@given(ROWS)
def test_a_map_never_falls_and_stays_a_probability(rows):
    fitted = ConfidenceMap.fit([value for value, _ in rows], [right for _, right in rows])
    mapped = [fitted(step / 50) for step in range(51)]
    assert all(0 <= value <= 1 for value in mapped)
    assert all(a <= b + 1e-12 for a, b in pairwise(mapped))
    assert all(a < b for a, b in pairwise(fitted.x))


@given(ROWS)
def test_what_was_saved_is_what_is_loaded(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("map") / "map.json"
    fitted = ConfidenceMap.fit([v for v, _ in rows], [r for _, r in rows], source="tokens", model="openai:m")
    fitted.save(file)
    assert ConfidenceMap.load(file) == fitted


def test_confidence_that_rises_with_being_right_is_set_right():
    stated, right = overconfident()
    fitted = ConfidenceMap.fit(stated, right)
    for value in (0.8, 0.9, 1.0):
        share = [was for at, was in zip(stated, right, strict=True) if at == value]
        assert fitted(value) == pytest.approx(sum(share) / len(share), abs=0.01)
    assert fitted.ece_before > 0.15
    assert fitted.ece_after < 0.06
    assert fitted.rows == 400


def test_confidence_that_says_nothing_becomes_the_overall_share():
    rng = random.Random(3)
    stated, right = [rng.random() for _ in range(600)], [rng.random() < 0.6 for _ in range(600)]
    fitted = ConfidenceMap.fit(stated, right)
    assert fitted(0.5) == pytest.approx(0.6, abs=0.08)


def test_the_error_after_is_that_of_rows_which_the_map_has_not_seen():
    rng = random.Random(3)
    stated, right = [rng.random() for _ in range(60)], [rng.random() < 0.6 for _ in range(60)]
    fitted = ConfidenceMap.fit(stated, right)
    seen = expected_calibration_error([fitted(value) for value in stated], right)
    assert fitted.ece_after > 1.5 * seen


def test_a_few_right_answers_are_not_certainty():
    stated = [0.5] * 40 + [0.99] * 2
    fitted = ConfidenceMap.fit(stated, [True, False] * 20 + [True, True])
    assert fitted(0.99) < 0.8


def test_answers_of_one_confidence_share_one_value_whatever_their_order():
    stated = [0.9] * 40
    right = [True] * 20 + [False] * 20
    assert ConfidenceMap.fit(stated, right)(0.9) == ConfidenceMap.fit(stated, right[::-1])(0.9) == pytest.approx(0.5)


def test_between_points_it_is_straight_and_beyond_them_flat():
    one = ConfidenceMap(x=(0.2, 0.6), y=(0.1, 0.5))
    assert [one(value) for value in (0.0, 0.2, 0.4, 0.6, 1.0)] == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])


def test_the_identity_takes_every_confidence_at_its_word():
    assert [ConfidenceMap.identity()(value) for value in (0.0, 0.3, 1.0)] == pytest.approx([0.0, 0.3, 1.0])


def test_calibration_error_is_the_distance_within_each_bin():
    assert expected_calibration_error([0.95] * 4, [True, True, False, False]) == pytest.approx(0.45)
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0


@pytest.mark.parametrize(
    ("stated", "right", "says"),
    [
        ([0.5] * (MIN_ROWS - 1), [True] * (MIN_ROWS - 1), "too few"),
        ([0.5] * MIN_ROWS, [True], "one outcome for each"),
        ([50.0] * MIN_ROWS, [True] * MIN_ROWS, "divide percentages by 100"),
        ([math.nan] * MIN_ROWS, [True] * MIN_ROWS, r"not in \[0, 1\]"),
    ],
)
def test_rows_that_cannot_be_used_name_the_fix(stated, right, says):
    with pytest.raises(ConfigError, match=says):
        ConfidenceMap.fit(stated, right)


GOOD = {"version": 1, "source": "stated", "map": {"x": [0, 1], "y": [0, 1]}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 2}, "no map of version 1"),
        ({"map": None}, "no map of version 1"),
        ({"source": "guessed"}, "source is 'guessed'"),
        ({"map": {"x": [0, 1], "y": [0]}}, "2 points and map.y 1"),
        ({"map": {"x": [], "y": []}}, "0 points"),
        ({"map": {"x": [1, 0], "y": [0, 1]}}, "map.x does not rise"),
        ({"map": {"x": [0, 1], "y": [1, 0]}}, "map.y falls"),
        ({"map": {"x": [0, 1], "y": [0, 1.5]}}, "map.y has 1.5"),
        ({"map": {"x": [0, True], "y": [0, 1]}}, "map.x has True"),
        ({"map": {"x": "01", "y": [0, 1]}}, "map.x is no list"),
        ({"rows": "many"}, "off its type"),
    ],
)
def test_a_file_that_is_no_map_says_what_is_wrong_and_the_fix(tmp_path, changes, says):
    file = tmp_path / "map.json"
    file.write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(ConfigError, match=says) as caught:
        ConfidenceMap.load(file)
    assert "tiergraph check --calibrate" in str(caught.value)


def test_a_file_that_is_missing_or_no_json_names_the_fix(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        ConfidenceMap.load(tmp_path / "none.json")
    (tmp_path / "map.json").write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        ConfidenceMap.load(tmp_path / "map.json")


def test_one_against_the_rest():
    assert one_against_rest("b", 0.6, ("a", "b", "c")) == pytest.approx({"a": 0.2, "b": 0.6, "c": 0.2})
    assert one_against_rest("b", 0.1, ("b",)) == {"b": 1.0}


def chances_of(text: str, chances: dict[str, float]) -> list[TokenChance]:
    return [
        TokenChance(
            text=token["token"],
            logprob=token["logprob"],
            alternatives={other["token"]: other["logprob"] for other in token["top_logprobs"]},
        )
        for token in token_chances(text, chances)
    ]


LETTERS = "abcdefghijklmnopqrstuvwxyz"
NAMES = st.lists(
    st.one_of(st.text(LETTERS, min_size=5, max_size=9), st.text('ab-1 é"\\', min_size=1, max_size=6)),
    min_size=2,
    max_size=6,
    unique=True,
)


@given(st.lists(st.text(LETTERS, min_size=5, max_size=5), min_size=2, max_size=6, unique=True), st.data())
def test_probabilities_come_out_of_tokens_as_they_went_in(names, data):
    weights = data.draw(st.lists(st.floats(0.05, 1), min_size=len(names), max_size=len(names)))
    chances = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    written = data.draw(st.sampled_from(names))
    prefix = data.draw(st.sampled_from(["", "<think>tier?</think>\n", '{"tier": "none"}\n']))
    answer = json.dumps({"tier": written, "difficulty": 1})
    tokens = chances_of(answer, chances)
    before = [TokenChance(text=part, logprob=0.0) for part in prefix]
    found = value_probabilities([*before, *tokens], answer, "tier", names)
    assert found is not None
    assert sum(found.values()) == pytest.approx(1)
    if len({name[:4] for name in names}) == len(names):  # all part at one token, and all of them are listed
        assert found == pytest.approx(chances)


@given(NAMES, st.data())
def test_any_names_give_probabilities_or_none_at_all(names, data):
    weights = data.draw(st.lists(st.just(0.0) | st.floats(1e-6, 1), min_size=len(names), max_size=len(names)))
    chances = dict(zip(names, weights, strict=True))
    answer = json.dumps({"tier": data.draw(st.sampled_from(names))}, ensure_ascii=data.draw(st.booleans()))
    found = value_probabilities(chances_of(answer, chances), answer, "tier", names)
    if found is not None:
        assert set(found) == set(names)
        assert sum(found.values()) == pytest.approx(1)
        assert all(0 <= value <= 1 for value in found.values())


def walk(*tokens: tuple[str, dict[str, float]], values: tuple[str, ...] = ("local", "frontier")) -> dict[str, float]:
    made = [
        TokenChance(
            text=text, logprob=math.log(own.get(text, 1.0)), alternatives={t: math.log(p) for t, p in own.items()}
        )
        for text, own in tokens
    ]
    answer = "".join(text for text, _ in tokens)
    found = value_probabilities(made, answer, "tier", values)
    assert found is not None
    return found


def test_a_token_may_begin_before_the_value_and_end_after_it():
    found = walk(('{"tier":', {}), (' "local",', {' "local",': 0.7, ' "fron': 0.2, " [": 0.1}), ('"x":1}', {}))
    assert found == pytest.approx({"local": 0.7 / 0.9, "frontier": 0.2 / 0.9})


def test_values_that_begin_alike_are_walked_to_where_they_part():
    values = ("mid", "mid-large", "mid-small")
    found = walk(
        ('{"tier": "', {}),
        ("mid", {"mid": 0.9, "other": 0.1}),
        ("-", {"-": 0.8, '"': 0.2}),
        ("large", {"large": 0.75, "small": 0.25}),
        ('"}', {}),
        values=values,
    )
    assert found == pytest.approx({"mid": 0.2, "mid-large": 0.6, "mid-small": 0.2})


def test_another_cut_of_the_same_value_counts_for_it():
    found = walk(('{"tier": "', {}), ("lo", {"lo": 0.5, "local": 0.2, "frontier": 0.3}), ('cal"}', {}))
    assert found == pytest.approx({"local": 0.7, "frontier": 0.3})


def test_what_every_value_may_begin_with_tells_none_apart():
    found = walk(
        ('{"tier": "', {}),
        ("mid", {"mid": 0.6, "mi": 0.3, "x": 0.1}),
        ('"}', {'"}': 0.9, "i": 0.1}),
        values=("mid", "midi"),
    )
    assert found == pytest.approx({"mid": 0.9, "midi": 0.1})


def test_a_token_that_would_not_have_begun_the_value_is_none_of_it():
    found = walk(('{"tier":', {}), (' "local"', {' "local"': 0.5, "::frontier": 0.4, ' "fro': 0.1}), ("}", {}))
    assert found == pytest.approx({"local": 5 / 6, "frontier": 1 / 6})


@pytest.mark.parametrize("ascii_", [True, False])
def test_names_are_found_as_they_were_written(ascii_):
    answer = json.dumps({"tier": "größer"}, ensure_ascii=ascii_)
    tokens = [TokenChance(text=letter, logprob=0.0) for letter in answer]
    assert value_probabilities(tokens, answer, "tier", ("größer", "kleiner")) == {"größer": 1.0, "kleiner": 0.0}


def test_a_value_that_is_not_listed_has_at_most_the_least_that_is():
    found = walk(('{"tier": "', {}), ("local", {"local": 0.9, "lo": 0.02}), ('"}', {}))
    assert found["frontier"] == pytest.approx(0.02 / 0.94)
    tight = walk(('{"tier": "', {}), ("local", {"local": 0.985, "lo": 0.01}), ('"}', {}))
    assert tight["frontier"] == pytest.approx(0.005)


def test_where_the_lists_end_above_every_value_they_say_nothing_of_them():
    listed = {"moon": math.log(0.6), "sun": math.log(0.3)}
    tokens = [
        TokenChance(text='{"tier": "', logprob=0.0),
        TokenChance(text="local", logprob=math.log(1e-4), alternatives=listed),
        TokenChance(text='"}', logprob=0.0),
    ]
    answer = '{"tier": "local"}'
    assert value_probabilities(tokens, answer, "tier", ("local", "frontier")) is None
    seen = {**listed, "frontier": math.log(0.05)}
    tokens[1] = TokenChance(text="local", logprob=math.log(0.01), alternatives=seen)
    found = value_probabilities(tokens, answer, "tier", ("local", "frontier"))
    assert found == pytest.approx({"local": 1 / 6, "frontier": 5 / 6})


def test_what_no_value_may_go_on_with_costs_none_of_them_anything():
    found = walk(
        ('{"tier": "', {}),
        ("a", {"a": 0.6, "c": 0.2, "?": 0.2}),
        ("b", {"b": 0.3, "d": 0.1, "!": 0.6}),
        ('"}', {}),
        values=("ab", "ad", "c"),
    )
    assert found == pytest.approx({"ab": 0.75 * 0.75, "ad": 0.75 * 0.25, "c": 0.25})


def test_forbidden_values_take_no_part():
    found = walk(('{"tier": "', {}), ("local", {"local": 0.1, "frontier": 0.1, "moon": 0.8}), ('"}', {}))
    assert found == pytest.approx({"local": 0.5, "frontier": 0.5})


def test_tokens_that_do_not_hold_the_answer_give_nothing():
    tokens = [TokenChance(text="I", logprob=0.0)]
    assert value_probabilities(tokens, '{"tier": "a"}', "tier", ("a", "b")) is None
    assert value_probabilities([], "", "tier", ("a", "b")) is None
    other = [TokenChance(text='{"tier": "c"}', logprob=0.0)]
    assert value_probabilities(other, '{"tier": "c"}', "tier", ("a", "b")) is None
