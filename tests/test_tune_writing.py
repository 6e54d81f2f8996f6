"""The configuration that tuning writes: the user's own with a few values changed, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tiergraph.config import canonical, parse_config
from tiergraph.errors import ConfigError, InputError
from tiergraph.tuning.writing import changed_text, check_new, head_path, write_tuned

TIERS = """\
tiers:
  - {name: small, model: quote, location: on_prem}  # ours
  - {name: big, model: 'openai:m', location: external}
"""
CHANGES = {("router", "heads"): ["tuned.head.npz"], ("profile",): 0.62}

FORMS = {
    "block": "# mine\nprofile: balanced  # how sure\n" + TIERS + "router:\n  # the model\n  model: embedded  # small\n",
    "no profile": TIERS + "router:\n  contexts: 1\n",
    "no router": "# mine\nprofile: 0.5\n" + TIERS,
    "empty router": "profile: 0.5\n" + TIERS + "router:\n  # nothing yet\npolicy: {pii: allow}\n",
    "null router": "profile: 0.5\n" + TIERS + "router: null\n",
    "flow router": "profile: 'quality'\n" + TIERS + "router: {model: embedded, contexts: 1}  # one\n",
    "empty flow router": TIERS + "router: {}\n",
    "heads in flow": TIERS + "router:\n  heads: [a.npz, b.npz] # old\n  contexts: 1\n",
    "heads in block": TIERS + "router:\n  heads:\n    - a.npz\n    # the last\n    - b.npz\n  # after\n  contexts: 1\n",
    "heads empty": TIERS + "router:\n  heads:\n  contexts: 1\n",
    "quoted keys": '"profile": "balanced"\n' + TIERS + '"router": {"model": "embedded"}\n',
    "no end of line": TIERS + "router:\n  model: embedded",
    "windows": ("profile: balanced\n" + TIERS + "router:\n  model: embedded\n").replace("\n", "\r\n"),
    "document marks": "---\nprofile: balanced\n" + TIERS + "...\n",
    "flow all": "{tiers: [{name: a, model: quote, location: on_prem}, {name: b, model: quote, location: on_prem}]}\n",
    "anchors": "profile: balanced\n" + TIERS + "router: &own {model: embedded}\n",
    "unicode": "# Grüße 🙂\nprofile: balanced # é\n" + TIERS + "router: {model: embedded}\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_what_is_written_says_what_was_meant_and_nothing_else(text):
    changed = changed_text(text, CHANGES, name="router.yaml")
    data = yaml.safe_load(text)
    data["router"] = {**(data.get("router") or {}), "heads": ["tuned.head.npz"]}
    data["profile"] = 0.62
    assert canonical(parse_config(changed)) == canonical(parse_config(yaml.safe_dump(data)))


@pytest.mark.parametrize("name", [name for name in FORMS if name != "anchors"])
def test_comments_stay(name):
    changed = changed_text(FORMS[name], CHANGES, name="router.yaml")
    comments = [part.split("#")[1].strip() for part in FORMS[name].splitlines() if "#" in part]
    kept = [comment for comment in comments if f"# {comment}" in changed]
    assert kept == [comment for comment in comments if comment != "the last"]
    assert "comments are lost" not in changed


def test_where_the_text_cannot_be_edited_the_first_line_says_what_was_changed():
    text = "# mine\n" + TIERS + "router: *own\npolicy: {}\n"
    text = text.replace("tiers:", "retrieval: &own {}\ntiers:")
    changed = changed_text(text, CHANGES, name="router.yaml")
    first = changed.splitlines()[0]
    assert "router.yaml, whose comments are lost. Changed: router.heads, profile." in first
    assert parse_config(changed).router.heads == ("tuned.head.npz",)
    assert parse_config(changed).profile == 0.62


def test_a_model_of_a_chain_gets_the_head():
    for chain in (
        "router:\n  chain:\n    - {model: embedded, boundary: 0.1}\n    - {model: 'openai:m', location: external}\n",
        "router:\n  chain:\n    - model: embedded  # first\n      boundary: 0.1\n    - boundary: 0.2\n",
        "router:\n  chain:\n    - boundary: 0.1\n",
    ):
        changed = changed_text(TIERS + chain, {("router", "chain", 0, "heads"): ["a.npz"]}, name="router.yaml")
        heads = [link.heads for link in parse_config(changed).router.links]
        assert heads[0] == ("a.npz",)
        assert set(heads[1:]) <= {()}
        assert "comments are lost" not in changed


def test_twice_is_the_same_as_once():
    once = changed_text(FORMS["block"], CHANGES, name="router.yaml")
    assert changed_text(once, CHANGES, name="router.yaml") == once


def test_values_that_make_no_configuration_are_refused():
    text = TIERS + "map:\n  - {intent: [coding], tier: big}\n"
    with pytest.raises(ConfigError, match="coding"):
        changed_text(text, {("router", "intents"): ["a", "b"]}, name="router.yaml")


def test_a_head_lies_beside_its_configuration(tmp_path):
    assert head_path(tmp_path / "tuned.yaml") == tmp_path / "tuned.head.npz"
    assert head_path(Path("a.b.yaml"), "intent") == Path("a.b.intent.npz")


def test_nothing_is_overwritten_unasked(tmp_path):
    (tmp_path / "there").write_text("mine", encoding="utf-8")
    check_new([tmp_path / "new", tmp_path / "there"], force=True)
    with pytest.raises(InputError, match="--force"):
        check_new([tmp_path / "new", tmp_path / "there"], force=False)
    with pytest.raises(InputError, match="no folder"):
        check_new([tmp_path / "nowhere" / "new"], force=True)


class Stub:
    """A head that saves two files, or fails in between."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    def save(self, path: Path) -> str:
        path.write_bytes(b"new")
        if self.fails:
            raise OSError("disk full")
        path.with_suffix(".json").write_text("new", encoding="utf-8")
        return "digest"


def test_what_fails_leaves_everything_as_it_was(tmp_path):
    out, file = tmp_path / "tuned.yaml", tmp_path / "tuned.head.npz"
    for path in (out, file, file.with_suffix(".json")):
        path.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="disk full"):
        write_tuned(Stub(fails=True), file, "new", out)
    assert {path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"old"}
    assert write_tuned(Stub(), file, "new", out) == "digest"
    assert {path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"new"}
    assert len(list(tmp_path.iterdir())) == 3
