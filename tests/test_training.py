"""Training: the fields, the split, a user's rows, calibration, and a router trained from scratch in seconds."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import random
from importlib.resources import files
from pathlib import Path

import pytest

from tiergraph import proposal
from tiergraph.errors import InputError
from tiergraph.training import calibration, data, fields, grammar, labels, sources, teacher
from tiergraph.training.augment import augment, document
from tiergraph.training.labels import Row
from tiergraph.training.supplements import supplements

MODELS = Path(str(files("tiergraph.models")))  # the checkout's or the installed wheel's
MAX_BYTES = 12_000_000

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed: pip install 'tiergraph[train]'"
)


def test_every_field_owns_its_tokens() -> None:
    contract = fields.contract(100)
    ids = [token for values in contract["fields"].values() for token in values.values()]
    ids += [*contract["probes"], contract["bos"], contract["decide"]]
    assert len(ids) == len(set(ids))
    assert len(fields.control_tokens()) == len(set(fields.control_tokens()))
    assert min(ids) == 100


def test_soft_labels_are_distributions() -> None:
    for row in supplements(2000, seed=1):
        for name, soft in row.labels.items():
            assert len(soft) == len(fields.FIELDS[name])
            assert abs(sum(soft) - 1.0) < 1e-6
            assert max(soft) < 1.0


def test_an_unknown_value_names_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="Unknown value 'poetry' of field 'intent'"):
        labels.soft("intent", "poetry")


def test_a_step_follows_from_an_intent_that_says_something_of_it() -> None:
    ordered = labels.with_steps(labels.label(intent="device_action"))
    assert ordered["needs_tools"][0] > 0.9
    assert fields.FIELDS["planned_calls"][ordered["planned_calls"].index(max(ordered["planned_calls"]))] == "1"
    assert labels.with_steps(labels.label(intent="conversation"))["needs_tools"][0] < 0.1
    unsure = labels.label(intent="order_delivery")
    assert labels.with_steps(unsure) == unsure
    given = {
        **labels.label(intent="device_action"),
        **labels.step(needs=False, calls=(1, 0, 0, 0), structure=(1, 0, 0, 0, 0)),
    }
    assert labels.with_steps(given) == given


def test_the_encoder_is_asked_about_every_source_and_no_text_twice() -> None:
    rows = [Row(text=f"big {i % 400}", source="big") for i in range(800)] + [
        Row(text=f"small {i}", source="small") for i in range(10)
    ]
    texts = teacher.choose(rows, 100, seed=0)
    assert len(texts) == len(set(texts)) <= 100
    assert {text for text in texts if text.startswith("small")} == {f"small {i}" for i in range(10)}
    assert len(texts) >= 95
    assert texts == teacher.choose(rows, 100, seed=0) != teacher.choose(rows, 100, seed=1)


@needs_torch
def test_a_changed_text_is_taught_the_vector_of_its_original() -> None:
    import numpy as np

    known = teacher.Teacher(places={"one": 1, "two": 0}, vectors=np.array([[0.0, 1.0], [1.0, 0.0]], np.float16))
    rows = [Row(text="ONE", source="s", original="one"), Row(text="other", source="s"), Row(text="two", source="s")]
    at, vectors = known.of(rows)
    assert at == [0, 2]
    assert vectors.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@needs_torch
def test_embeddings_start_from_what_the_encoder_says() -> None:
    import numpy as np
    import torch

    from tiergraph.training import network, router

    draw = random.Random(0)
    about = {"cat": ["cat", "kitten", "purr", "whiskers"], "car": ["car", "engine", "wheel", "brake"]}
    texts = sorted({" ".join(draw.choices(words, k=3)) for words in about.values() for _ in range(60)})
    vectors = np.zeros((len(texts), teacher.WIDTH), np.float16)
    for i, text in enumerate(texts):
        vectors[i, 0 if text.split()[0] in about["cat"] else 1] = 1.0
    vectors[:, 2:] = np.random.default_rng(0).normal(0, 0.001, (len(texts), teacher.WIDTH - 2))
    corpus = router.Corpus(parts={"train": [Row(text=t, source="s") for t in texts]}, shares={})
    vocabulary = router.prepare_vocabulary(corpus, 500, None, seed=0)
    torch.manual_seed(0)
    net = network.build(router.shape_for(vocabulary, layers=1, width=64))
    known = teacher.Teacher(places={text: i for i, text in enumerate(texts)}, vectors=vectors)
    assert teacher.start_embeddings(net, vocabulary, known, 0, epochs=150) > 0.9

    def decided(text: str) -> torch.Tensor:
        with torch.inference_mode():
            return net(torch.tensor(vocabulary.requests([text])))[0, -1]

    def near(one: str, other: str) -> float:
        return float(torch.cosine_similarity(decided(one), decided(other), dim=0))

    assert near("cat kitten", "purr whiskers") > near("cat kitten", "engine brake") + 0.2


def test_near_equal_rows_share_a_part() -> None:
    rows = [
        Row(text="What is the date of the final match in 1998 at the old stadium?", source="a"),
        Row(text="what is the date of the final match in 2004 at the old stadium", source="b"),
        Row(text="Please turn off the kitchen lights", source="a"),
    ]
    one, two, three = data.groups(rows)
    assert one == two != three


def test_rows_of_one_template_stay_together() -> None:
    parts = data.split(supplements(3000, seed=2))
    seen = {name: {row.group for row in rows} for name, rows in parts.items()}
    assert not seen["train"] & (seen["held_out"] | seen["calibration"])
    assert not seen["held_out"] & seen["calibration"]


def test_supplements_follow_from_the_seed() -> None:
    assert supplements(300, seed=5) == supplements(300, seed=5)


def test_templates_nest_and_end() -> None:
    text = grammar.expand("[a {b}|a {b}] [ ,|]", {"b": ["[c|c]"]}, random.Random(0))
    assert text.replace(",", "").strip() == "a c"


def test_a_request_that_asks_for_a_tier_keeps_its_labels() -> None:
    row = Row(text="where is my order", source="templates", labels=labels.label(tier="trivial", legal=False))
    for seed in range(200):
        changed = augment(row, random.Random(seed), rate=5.0)
        assert changed.labels["tier"] == row.labels["tier"]
        assert changed.labels["is_legal"] == row.labels["is_legal"]


def test_a_document_is_personal_when_one_part_is() -> None:
    parts = [Row(text="a", source="x", labels=labels.label(pii=flag, legal=False)) for flag in (False, True, False)]
    joined = document(parts, random.Random(0))
    assert joined.labels["contains_pii"][0] > 0.9
    assert joined.labels["is_legal"][0] < 0.1
    assert set(joined.labels) == {"contains_pii", "is_legal"}


def test_a_users_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"text": "hello", "tier": 0, "contains_pii": false}\n\n{"text": "prove it", "tier": 1.0, "difficulty": 3}\n'
    )
    easy, hard = data.read_rows(path)
    assert easy.labels["tier"].index(max(easy.labels["tier"])) == 0
    assert hard.labels["tier"].index(max(hard.labels["tier"])) == fields.TIER_SLOTS - 1
    assert hard.labels["difficulty"][2] > 0.9


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Expecting property name"),
        ("[]", "expected an object"),
        ('{"tier": 1}', "'text' must be a non-empty string"),
        ('{"text": "a"}', "no label"),
        ('{"text": "a", "tier": 7}', "'tier' must be a slot 0 to 5"),
        ('{"text": "a", "tier": true}', "'tier' must be a slot 0 to 5"),
        ('{"text": "a", "intent": "poetry"}', "Unknown value 'poetry'"),
        ('{"text": "a", "is_legal": "yes"}', "'is_legal' must be true or false"),
        ('{"text": "a", "teir": 1}', "Unknown keys"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "fine", "tier": 0}\n' + line + "\n")
    with pytest.raises(data.RowError, match=f"line 2: .*{problem}") as caught:
        list(data.read_rows(path))
    assert caught.value.line == 2
    assert isinstance(caught.value, InputError)


def test_tier_probabilities_sum_to_one_and_follow_the_level_map() -> None:
    slots = (0.5, 0.2, 0.1, 0.1, 0.05, 0.05)
    for count in range(1, 9):
        ladder = [(i + 1) / count for i in range(count)]
        for level in (calibration.LevelMap(), calibration.LevelMap(x=(0.0, 0.5, 1.0), y=(0.0, 0.3, 1.0))):
            found = calibration.tier_probabilities(slots, level, ladder)
            assert abs(sum(found) - 1.0) < 1e-9
            assert min(found) >= -1e-12
    assert calibration.tier_probabilities(slots, calibration.LevelMap(), [1 / 3, 2 / 3, 1.0]) == pytest.approx(
        [0.7, 0.2, 0.1]
    )


def test_pool_adjacent_violators_is_monotone() -> None:
    assert calibration.pool_adjacent([0.1, 0.3, 0.2, 0.6], [1, 1, 1, 1]) == pytest.approx([0.1, 0.25, 0.25, 0.6])


def test_no_data_set_in_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No known data set"):
        sources.available(tmp_path)


def test_the_shipped_manifest_is_of_the_shipped_model() -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is not installed: pip install 'tiergraph[train]'")
    model, manifest = (
        MODELS / "embedded.gguf",
        json.loads((MODELS / "embedded.json").read_text(encoding="utf-8")),
    )
    assert model.stat().st_size <= MAX_BYTES
    assert hashlib.sha256(model.read_bytes()).hexdigest() == manifest["gguf_sha256"]
    written = gguf.GGUFReader(str(model)).get_field("tiergraph.contract").contents()
    assert json.loads(written) == manifest["contract"]
    shipped = {name: tuple(values) for name, values in manifest["contract"]["fields"].items()}
    assert set(shipped) >= set(proposal.FIELDS)
    assert shipped.items() <= fields.FIELDS.items()


def test_nothing_excluded_is_in_the_shipped_weights() -> None:
    manifest = json.loads((MODELS / "embedded.json").read_text(encoding="utf-8"))
    used = {entry["name"] for entry in manifest["data"]}
    excluded = {entry["name"] for entry in manifest["excluded"]}
    assert used
    assert excluded >= {"routellm", "alpaca_eval", "learned_hands", "gpteacher", "gorilla_apibench"}
    assert not used & excluded
    known = {source.name for source in sources.SOURCES} | {"templates", "templates_legal", "templates_pii"}
    assert used <= known
    assert all(entry["licence"] for entry in manifest["data"])


@needs_torch
def test_a_tiny_router_says_the_same_in_llama_cpp(tmp_path: Path) -> None:
    from tiergraph.training import equality, train_router
    from tiergraph.training.fields import Contract

    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "is the moon made of cheese", "tier": 0.2, "intent": "conversation"}\n' * 2)
    manifest = train_router(
        None,
        tmp_path / "out",
        rows=rows,
        own_written=500,
        taught=0,
        steps=12,
        vocabulary=700,
        layers=2,
        width=64,
        threads=1,
        work=tmp_path / "work",
        quiet=True,
    )
    assert manifest["equality"]["token_mismatches"] == 0
    assert manifest["equality"]["probability"] < 0.02
    model = tmp_path / "out" / "embedded.gguf"
    assert hashlib.sha256(model.read_bytes()).hexdigest() == manifest["gguf_sha256"]
    with equality.LlamaCpp(model, threads=1) as llama:
        contract: Contract = json.loads(llama.metadata["tiergraph.contract"])
        assert contract == manifest["contract"]
        controls = range(contract["bos"], contract["bos"] + len(fields.control_tokens()))
        spelt = llama.tokenise("<bos> <tier:5> <decide> <probe:3>")
        assert not set(spelt) & set(controls)
    assert json.loads((tmp_path / "out" / "embedded.json").read_text(encoding="utf-8")) == manifest
    assert {entry["name"] for entry in manifest["data"]} >= {"templates", "templates_pii"}


@needs_torch
def test_an_interrupted_training_goes_on_where_it_stood(tmp_path: Path) -> None:
    from tiergraph.training import router, train

    corpus = router.gather(None, None, 200, seed=0)
    vocabulary = router.prepare_vocabulary(corpus, 600, tmp_path, seed=0)
    shape = router.shape_for(vocabulary, layers=1, width=32)

    def run(steps: int) -> train.Outcome:
        plan = train.Plan(steps=steps, threads=1, work=tmp_path, quiet=True)
        return train.train(router.passes(corpus), vocabulary, shape, plan, [])

    assert run(2).steps == 2
    assert run(3).steps == 3


def test_training_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tiergraph.training import train_router

    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'tiergraph\[train\]'"):
        train_router(None, tmp_path)
