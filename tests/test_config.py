"""A configuration that is wrong says where and how to mend it; one that is right has one digest."""

from __future__ import annotations

import pytest

from tiergraph.config import RouterConfig, canonical, diff, expand_env, load_config, parse_config
from tiergraph.errors import ConfigError

GOOD = """\
version: 1
tiers:
  - name: small
    model: quote
    location: on_prem
  - name: big
    model: openai:gpt
    location: external
    api_key: ${SOME_KEY}
    price: {input: 2.0, output: 8.0}
policy:
  pii: on_prem
"""


def broken(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (broken("pii: on_prem", "pii: onprem"), 12, "policy.pii"),
        (broken("version: 1", "version: 1\nverson: 1"), 2, "unknown key 'verson'"),
        (broken("input: 2.0", "input: -2.0"), 10, "greater than or equal to 0"),
        (broken("model: quote", "model: kwote"), 4, "unknown model reference 'kwote'"),
        (broken("    location: on_prem\n", ""), 3, "location: missing"),
        (broken("name: big", "name: small"), 6, "two tiers are named 'small'"),
        (GOOD + "map:\n  - {intent: [coding], tier: huge}\n", 14, "unknown tier 'huge'"),
        (
            GOOD + "  rules:\n    - {id: x, when: {keywords: [k]}, effect: floor, tiers: [huge]}\n",
            14,
            "unknown tier 'huge'",
        ),
        (GOOD + "  rules:\n    - {id: x, when: {regex: ['(']}, effect: human}\n", 14, "no regular expression"),
        (GOOD + "router: {model: 'openia:gpt', location: external}\n", 13, "unknown scheme in 'openia:gpt'"),
        (GOOD + "cascade:\n  judge: {model: 'openai:gpt'}\n", 14, "needs a location"),
        (GOOD + "cascade:\n  judge: {model: 'openai:gpt', location: external, threshold: 0.65}\n", 14, "threshold"),
        (GOOD + "cascade:\n  judge: {model: 'openai:gpt', location: external, treshold: 4}\n", 14, "'treshold'"),
        (GOOD + "cascade:\n  judge: nobody\n", 14, "'evidence' or 'none'"),
        ("tiers: [", 1, "not YAML"),
        ("just text", 1, "no mapping"),
        ("", 1, "no mapping"),
    ],
)
def test_an_error_names_file_line_and_problem(text, line, says):
    with pytest.raises(ConfigError) as caught:
        parse_config(text, file="router.yaml")
    assert str(caught.value).startswith(f"router.yaml:{line}: "), str(caught.value)
    assert says in str(caught.value)
    assert "Fix: " in str(caught.value)


def test_an_unknown_key_is_answered_with_the_keys_there_are():
    with pytest.raises(ConfigError, match=r"one of \[.*'legal'.*'pii'"):
        parse_config(GOOD + "  pi: on_prem\n")


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match="tiergraph init"):
        load_config(tmp_path / "none.yaml")


def test_a_file_that_is_no_utf8_is_an_error(tmp_path):
    file = tmp_path / "router.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(file)


def test_the_digest_is_of_the_meaning_not_of_the_text():
    spaced = GOOD.replace("version: 1\n", "") + "\n# a comment\n"
    assert parse_config(GOOD).digest == parse_config(spaced).digest
    assert parse_config(GOOD).digest != parse_config(broken("pii: on_prem", "pii: human")).digest


def test_a_secret_is_in_no_digest_text_and_no_repr(monkeypatch):
    before = parse_config(GOOD).digest
    monkeypatch.setenv("SOME_KEY", "s3cret")
    config = parse_config(GOOD)
    assert config.digest == before
    assert "s3cret" not in canonical(config) + repr(config) + str(config)
    assert expand_env(config.tiers[1].api_key or "") == "s3cret"


def test_a_missing_environment_variable_is_named(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ConfigError, match="'SOME_KEY' is not set"):
        expand_env("${SOME_KEY}")


def test_configurations_are_frozen():
    config = parse_config(GOOD)
    with pytest.raises(Exception, match="frozen"):
        config.profile = "quality"  # type: ignore[misc]


@pytest.mark.parametrize(("profile", "needed"), [("economy", 0.35), ("balanced", 0.5), ("quality", 0.75), (0.9, 0.9)])
def test_a_profile_is_the_probability_of_being_sufficient(profile, needed):
    assert parse_config(GOOD + f"profile: {profile}\n").sufficiency == needed


def test_diff_names_what_changed_and_nothing_else():
    other = parse_config(broken("pii: on_prem", "pii: human"))
    assert diff(parse_config(GOOD), other) == {"policy.pii": ("on_prem", "human")}
    assert diff(other, other) == {}


def test_a_configuration_survives_its_own_json():
    config = parse_config(GOOD)
    assert RouterConfig.model_validate_json(config.model_dump_json()) == config


def test_a_changed_copy_has_a_ladder_and_a_digest_of_its_own() -> None:
    config = parse_config(
        "tiers:\n- {name: a, model: quote, location: on_prem}\n- {name: b, model: compose, location: on_prem}\n"
    )
    before, names = config.digest, config.ladder.names
    changed = config.model_copy(update={"tiers": tuple(reversed(config.tiers))})
    assert changed.ladder.names == tuple(reversed(names))
    assert changed.digest != before
    assert (config.digest, config.ladder.names) == (before, names)
