"""The classical router: fitted on rows, stored without pickle, read by numpy alone, a router model like others."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import math
import os
import subprocess
import sys
import threading
import time
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from classifier_rows import rows, write_classifier, write_rows
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tiergraph.cli import app
from tiergraph.config import RouterModelConfig, parse_config
from tiergraph.decider import create_decider
from tiergraph.effects import run
from tiergraph.errors import ConfigError, InputError, ModelError
from tiergraph.proposal import INTENTS
from tiergraph.proposers.base import FlagReader, Flags, Proposed
from tiergraph.proposers.chain import Chain
from tiergraph.proposers.classifier import OVERLAP, WINDOW, ClassifierProposer, spans
from tiergraph.proposers.classifier_model import ClassifierModel, Curve, Linear, Trees
from tiergraph.proposers.linking import load_chain
from tiergraph.tiers import Ladder, Tier
from tiergraph.training import classical_fit, data
from tiergraph.training.classical import train_classifier

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'tiergraph[train]'")

EASY = "the parcel was dispatched and the courier has the package"
CODE = "debug the python function in this script"
HARD = "prove the lemma by induction and derive the integral"


def ladder(count: int = 3) -> Ladder:
    return Ladder(tuple(Tier(name=f"t{rung}", model="quote", location="on_prem") for rung in range(count)))


def load(folder: Path, tiers: int = 3, sufficiency: float = 0.5, **config: Any) -> ClassifierProposer:
    settings = RouterModelConfig(model=f"classifier:{folder}", **config)
    return ClassifierProposer.load(
        ladder=ladder(tiers), config=settings, sufficiency=sufficiency, config_digest="c" * 64
    )


def ask(proposer: Any, text: str, allowed: Any = None, *, seconds: float = 60, windows: int = 8) -> Proposed:
    names = tuple(allowed) if allowed is not None else tuple(ladder(6).names)
    proposed: Proposed = proposer.propose(
        text, narrow=lambda flags: names, deadline=time.monotonic() + seconds, windows=windows
    )
    return proposed


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fitted on all fields but the flags."""
    return write_classifier(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def with_flags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fitted on all fields; good enough at the flags to read them alone."""
    return write_classifier(tmp_path_factory.mktemp("flags"), flags=True)


@pytest.fixture(scope="module")
def boosted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Boosted trees for two fields, one of two and one of three values."""
    folder = tmp_path_factory.mktemp("boosted")
    file = folder / "rows.jsonl"
    kept = ("text", "needs_retrieval", "difficulty")
    file.write_text("".join(json.dumps({key: row[key] for key in kept}) + "\n" for row in rows(120)))
    train_classifier(file, folder / "out", kinds=("boosting",), quiet=True)
    return folder / "out"


def manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
    return read


def altered(source: Path, target: Path, change: Any, arrays: Any = None) -> Path:
    """A copy with a changed manifest and, where given, changed arrays whose sha256 the manifest then states."""
    target.mkdir()
    packed, said = (source / "classifier.npz").read_bytes(), manifest(source)
    if arrays is not None:
        with np.load(io.BytesIO(packed)) as archive:
            parts = {name: archive[name] for name in archive.files}
        arrays(parts)
        stream = io.BytesIO()
        np.savez(stream, **parts)
        packed = stream.getvalue()
        said["arrays_sha256"] = hashlib.sha256(packed).hexdigest()
    change(said)
    (target / "classifier.npz").write_bytes(packed)
    (target / "classifier.json").write_text(json.dumps(said), encoding="utf-8")
    return target


# The arithmetic


def test_a_linear_model_adds_the_weights_of_what_is_there() -> None:
    model = Linear(weights=np.array([[1.0], [10.0], [100.0]], np.float32), bias=np.array([0.5], np.float32))
    assert model(np.array([0, 2]), np.array([2.0, 0.25], np.float32)).tolist() == [27.5]


def test_a_tree_goes_left_up_to_its_threshold_and_its_leaves_add_up() -> None:
    stump = Trees(
        picked=np.array([1], np.int32),
        feature=np.array([0, 0, 0, 0], np.int32),
        threshold=np.array([0.5, 0.0, 0.0, 0.0]),
        left=np.array([1, -1, -1, -1], np.int32),
        right=np.array([2, -1, -1, -1], np.int32),
        value=np.array([9.0, -1.0, 2.0, 0.25], np.float32),
        roots=np.array([[0], [3]], np.int32),
    )
    at = np.array([0, 1])
    assert stump(at, np.array([7.0, 0.5], np.float32)).tolist() == [-0.75]
    assert stump(at, np.array([7.0, 0.51], np.float32)).tolist() == [2.25]
    assert stump(np.array([0]), np.array([7.0], np.float32)).tolist() == [-0.75]


def test_a_curve_divides_moves_and_follows_its_points() -> None:
    assert Curve(temperature=2.0, bias=-1.0)(2.0) == 0.5
    bent = Curve(x=(0.0, 0.5, 1.0), y=(0.0, 0.2, 1.0))
    assert bent(0.0) == pytest.approx(0.2)
    assert bent(1e9) == pytest.approx(1.0)


def test_the_written_arrays_say_what_scikit_learn_says(boosted: Path, fitted: Path, tmp_path: Path) -> None:
    """`train_classifier` compares both and would have raised; an array that is off is noticed."""
    from tiergraph.training import classical

    real = classical.fitting.export

    def off(estimator: Any) -> Any:
        model = real(estimator)
        return Linear(weights=model.weights * 3, bias=model.bias) if isinstance(model, Linear) else model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classical.fitting, "export", off)
        with pytest.raises(ModelError, match="scikit-learn differ"):
            train_classifier(write_rows(tmp_path, count=60), tmp_path / "out", kinds=("linear",), quiet=True)
    assert {entry["model"] for entry in manifest(boosted)["fields"].values()} == {"boosting"}
    assert {entry["model"] for entry in manifest(fitted)["fields"].values()} == {"linear"}


def test_trees_answer_as_well_as_linear_models(boosted: Path) -> None:
    proposer = load(boosted)
    assert [ask(proposer, text).proposal.difficulty for text in (EASY, CODE, HARD)] == [1, 2, 3]  # type: ignore[union-attr]
    assert [ask(proposer, text).proposal.needs_retrieval for text in (EASY, HARD)] == [True, False]  # type: ignore[union-attr]


# The files


def test_nothing_in_the_files_is_pickled(fitted: Path, boosted: Path) -> None:
    for folder in (fitted, boosted):
        assert sorted(file.name for file in folder.iterdir()) == ["classifier.json", "classifier.npz"]
        with np.load(folder / "classifier.npz", allow_pickle=False) as archive:
            assert {archive[name].dtype.kind for name in archive.files} == {"i", "f"}


def test_the_same_rows_give_the_same_files(tmp_path: Path) -> None:
    file = write_rows(tmp_path, count=60)
    made = []
    for name in ("a", "b"):
        train_classifier(file, tmp_path / name, kinds=("linear",), quiet=True)
        made.append([(tmp_path / name / part).read_bytes() for part in ("classifier.npz", "classifier.json")])
    assert made[0] == made[1]


def test_no_text_and_no_path_is_in_the_manifest(fitted: Path) -> None:
    text = (fitted / "classifier.json").read_text(encoding="utf-8")
    assert [row["text"] for row in rows() if row["text"] in text] == []
    assert [word for word in ("parcel", "umbrella", "rows.jsonl", "/") if word in text] == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path, fitted: Path) -> None:
    with pytest.raises(ModelError, match=r"'classifier.json' in 'nowhere'.*--kind classifier"):
        ClassifierModel.load(tmp_path / "nowhere")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "classifier.json").write_bytes((fitted / "classifier.json").read_bytes())
    with pytest.raises(ModelError, match=r"'classifier.npz' in 'alone'"):
        ClassifierModel.load(alone)


def test_the_manifest_may_be_named_in_place_of_its_folder(fitted: Path) -> None:
    assert ClassifierModel.load(fitted / "classifier.json").digest == ClassifierModel.load(fitted).digest


def test_arrays_of_another_digest_are_refused(tmp_path: Path, fitted: Path) -> None:
    copy = altered(fitted, tmp_path / "copy", lambda said: None)
    packed = bytearray((copy / "classifier.npz").read_bytes())
    packed[len(packed) // 2] ^= 1
    (copy / "classifier.npz").write_bytes(bytes(packed))
    with pytest.raises(ModelError, match="its manifest says"):
        ClassifierModel.load(copy)


def test_a_manifest_that_is_none_is_refused(tmp_path: Path, fitted: Path) -> None:
    for number, text in enumerate(("{", "[]", "{}", "[" * 10_000)):
        copy = altered(fitted, tmp_path / str(number), lambda said: None)
        (copy / "classifier.json").write_text(text)
        with pytest.raises(ModelError, match="is no manifest"):
            ClassifierModel.load(copy)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("version",), 2, "version 2"),
        (("format",), "other", "'other'"),
        (("features", "version"), 99, "other features"),
        (("fields", "difficulty", "values"), ["1", "2", "4"], "not some of"),
        (("fields", "tier", "values"), ["0", "1", "2", "3", "4", "6"], "not some of"),
        (("fields", "intent", "values"), ["coding", "coding", "other"], "twice"),
        (("fields", "intent", "values"), ["coding", "other", "x" * 65], "1 to 64"),
        (("fields", "intent", "values"), ["coding"], "1 values"),
        (("fields", "intent", "values"), ["a", "b", "c", "d"], "intent.weights"),
        (("fields", "needs_retrieval", "values"), ["false", "true"], "not \\['true', 'false'\\]"),
        (("fields", "intent", "model"), "forest", "'forest'"),
        (("fields", "intent", "model"), "boosting", "intent.picked"),
        (("fields", "mood"), {"values": ["a", "b"], "model": "linear", "figures": {}}, "'mood'"),
        (("reads_flags",), True, "reads_flags"),
        (("reads_flags",), "yes", "reads_flags"),
        (("calibration", "tier", "temperature"), 0, "not above 0"),
        (("calibration", "needs_retrieval", "curve", "temperature"), -1.0, "temperature"),
        (("calibration", "needs_retrieval", "curve", "x"), [0.0, 0.0], "points without partner"),
        (("calibration", "needs_retrieval", "curve"), {"temperature": 1, "bias": 0, "x": [0, 1], "y": [1, 0]}, "rise"),
        (("calibration",), None, "cannot be used"),
    ],
)
def test_what_the_manifest_says_is_checked(
    tmp_path: Path, fitted: Path, path: tuple[str, ...], value: Any, problem: str
) -> None:
    def change(said: dict[str, Any]) -> None:
        for key in path[:-1]:
            said = said[key]
        said[path[-1]] = value

    with pytest.raises(ModelError, match=problem):
        ClassifierModel.load(altered(fitted, tmp_path / "copy", change))


def _swap(name: str, change: Any) -> Any:
    def arrays(parts: dict[str, Any]) -> None:
        parts[name] = change(parts[name].copy())

    return arrays


def _put(place: Any, value: Any) -> Any:
    def change(array: Any) -> Any:
        array[place] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("difficulty.left", _put(0, 0), "lead nowhere"),
        ("difficulty.left", _put(0, 10**6), "lead nowhere"),
        ("difficulty.right", _put(0, -1), "lead nowhere"),
        ("difficulty.feature", _put(0, 10**6), "lead nowhere"),
        ("difficulty.roots", _put((0, 0), -1), "lead nowhere"),
        ("difficulty.picked", _put(0, 10**6), "not there"),
        ("difficulty.value", _put(0, math.nan), "wrong type, shape or numbers"),
        ("difficulty.roots", lambda array: array[:, :2], "wrong type, shape or numbers"),
        ("columns", _put(0, 10**6), "do not rise"),
        ("columns", lambda array: array[::-1], "do not rise"),
        ("idf", lambda array: array[:-1], "wrong type, shape or numbers"),
        ("scale", _put(0, 0.0), "not above 0"),
        ("mean", lambda array: array.astype(str), "wrong type, shape or numbers"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(
    tmp_path: Path, boosted: Path, name: str, change: Any, problem: str
) -> None:
    with pytest.raises(ModelError, match=problem):
        ClassifierModel.load(altered(boosted, tmp_path / "copy", lambda said: None, _swap(name, change)))


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path, fitted: Path) -> None:
    class Opened:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "opened"),))

    def arrays(parts: dict[str, Any]) -> None:
        parts["idf"] = np.array([Opened()], dtype=object)

    with pytest.raises(ModelError, match="cannot be used"):
        ClassifierModel.load(altered(fitted, tmp_path / "copy", lambda said: None, arrays))
    assert not (tmp_path / "opened").exists()


def test_an_array_that_is_missing_is_named(tmp_path: Path, fitted: Path) -> None:
    with pytest.raises(ModelError, match=r"lacks 'intent\.bias'"):
        ClassifierModel.load(
            altered(fitted, tmp_path / "copy", lambda said: None, lambda parts: parts.pop("intent.bias"))
        )


def test_the_digest_is_of_all_that_decides(tmp_path: Path, with_flags: Path) -> None:
    def lower(said: dict[str, Any]) -> None:
        said["calibration"]["is_legal"]["threshold"] = 0.01

    copy = altered(with_flags, tmp_path / "copy", lower)
    assert load(copy).digest != load(with_flags).digest


def test_deciding_needs_numpy_alone_and_is_the_same_in_every_process(fitted: Path, boosted: Path) -> None:
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("sklearn", "scipy", "torch", "llama_cpp"):
            raise ImportError(name)

sys.meta_path.insert(0, Absent())
import hashlib
from tiergraph.proposers.classifier import ClassifierProposer
from tiergraph.proposers.classifier_model import ClassifierModel
for folder in sys.argv[2:]:
    model = ClassifierModel.load(folder)
    print({name: logits.tobytes().hex() for name, logits in model.logits(sys.argv[1]).items()})
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code, CODE, str(fitted), str(boosted)],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert "difficulty" in said[0]
    assert said[0] == said[1]


# Deciding


def test_requests_go_where_their_like_went(fitted: Path) -> None:
    proposer = load(fitted, tiers=6)
    easy, code, hard = (ask(proposer, text) for text in (EASY, CODE, HARD))
    tiers = [int(each.proposal.tier[1:]) for each in (easy, code, hard) if each.proposal]
    assert tiers == sorted(tiers)
    assert tiers[0] <= 1
    assert tiers[2] >= 4
    assert easy.score < 0.5 < min(code.score, hard.score)
    assert [each.proposal.intent for each in (easy, code, hard) if each.proposal] == [
        "order_delivery",
        "coding",
        "math_reasoning",
    ]
    assert code.field_probabilities["intent"]["coding"] > 0.8
    assert code.confidence_from == "logits"


@pytest.mark.parametrize("count", range(2, 7))
def test_any_ladder_of_two_to_six_tiers_is_served_and_policy_holds(fitted: Path, count: int) -> None:
    proposer, names = load(fitted, tiers=count), ladder(count).names
    for size in (1, 2, count):
        for allowed in combinations(names, size):
            for text in (EASY, CODE, HARD):
                proposed = ask(proposer, text, allowed)
                assert proposed.proposal is not None
                assert proposed.proposal.tier in allowed
                assert {name for name, p in proposed.tier_probabilities.items() if p > 0} <= set(allowed)
                assert sum(proposed.tier_probabilities.values()) == pytest.approx(1)
    top = ask(proposer, HARD, names).proposal
    assert top is not None
    assert top.tier == names[-1]


def test_a_higher_profile_never_takes_a_lower_tier(fitted: Path) -> None:
    for text in (EASY, CODE, HARD):
        tiers = [
            ask(load(fitted, tiers=6, sufficiency=level), text).proposal.tier  # type: ignore[union-attr]
            for level in (0.05, 0.35, 0.5, 0.75, 0.95)
        ]
        assert tiers == sorted(tiers)


def test_threads_get_what_one_thread_gets(with_flags: Path) -> None:
    proposer = load(with_flags, cache_size=4)
    texts = [f"{text} {number}" for number in range(6) for text in (EASY, CODE, HARD)]
    alone = {text: dict(ask(proposer, text).tier_probabilities) for text in texts}
    wrong: list[Any] = []

    def work(start: int) -> None:
        for text in (*texts[start:], *texts[:start]):
            if dict(ask(proposer, text).tier_probabilities) != alone[text]:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_decision_is_cached_under_any_policy(fitted: Path) -> None:
    proposer = load(fitted)
    assert [ask(proposer, EASY, allowed).cached for allowed in (("t0",), ("t0",), ("t2",))] == [False, True, True]
    assert ask(proposer, EASY, ("t2",)).proposal.tier == "t2"  # type: ignore[union-attr]
    assert [ask(load(fitted, cache_size=0), EASY).cached for _ in range(2)] == [False, False]


# Fields that no row labelled


def test_without_tiers_the_top_is_proposed_and_a_chain_asks_the_next_model(boosted: Path) -> None:
    proposed = ask(load(boosted), EASY, ("t0", "t1", "t2"))
    assert proposed.proposal is not None
    assert proposed.proposal.tier == "t2"
    chain = two_links(boosted)
    consultation = run(
        chain.steps(
            lambda location: EASY,
            narrow=lambda flags: ("t0", "t1", "t2"),
            deadline=time.monotonic() + 60,
            windows=4,
            read_question=lambda: iter(()),  # type: ignore[arg-type, return-value]
        )
    )
    chain.close()
    assert [each.code for each in consultation.consulted] == ["near_boundary", "decided"]


def two_links(folder: Path) -> Chain:
    text = yaml.safe_dump(
        {
            "tiers": [{"name": f"t{rung}", "model": "quote", "location": "on_prem"} for rung in range(3)],
            "router": {"contexts": 1, "chain": [{"model": f"classifier:{folder}"}, {"model": "embedded"}]},
        }
    )
    return load_chain(parse_config(text))


def test_without_labels_a_field_takes_what_is_always_right_to_have(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": row["text"], "tier": row["tier"]}) + "\n" for row in rows(60)))
    said = train_classifier(file, tmp_path / "out", kinds=("linear",), quiet=True)
    assert sorted(said["left_out"]) == sorted(set(data.FIELDS) & set(said["left_out"]))
    assert set(said["left_out"]) == {"difficulty", "intent", "needs_retrieval", "contains_pii", "is_legal", "reason"}
    proposal = ask(load(tmp_path / "out"), EASY).proposal
    assert proposal is not None
    assert (proposal.difficulty, proposal.intent, proposal.needs_retrieval, proposal.reason) == (
        2,
        "other",
        True,
        "unclear",
    )


def test_a_classifier_without_flags_is_no_reader_and_the_embedded_model_reads(fitted: Path) -> None:
    proposer = load(fitted)
    assert not isinstance(proposer, FlagReader)
    with pytest.raises(TypeError, match="reads no flags"):
        Chain.of(proposer, sufficiency=0.5)
    with create_decider(make_config(fitted)) as decider:
        assert type(decider.chain.reader).__name__ == "LlamaCppProposer"
        assert not decider.chain.reads_question


def make_config(folder: Path, **sections: Any) -> Any:
    tiers = [
        {"name": "small", "model": "quote", "location": "on_prem"},
        {"name": "big", "model": "openai:gpt", "location": "external", "api_key": "${KEY}"},
    ]
    router = {"model": f"classifier:{folder}", "contexts": 1, **sections.pop("router", {})}
    return parse_config(yaml.safe_dump({"tiers": tiers, "router": router, **sections}))


def test_a_classifier_with_flags_reads_them_itself(with_flags: Path) -> None:
    with create_decider(make_config(with_flags)) as decider:
        assert decider.chain.reads_question
        personal = decider.decide(f"Chloe and Dmitri ask: {EASY}")
        assert ("pii", "flag:model", "question") in [(f.kind, f.rule, f.where) for f in personal.findings]
        assert personal.allowed == ("small",)
        assert decider.decide(EASY).findings == ()


def test_a_flag_of_a_classifier_that_does_not_read_them_alone_still_tightens(tmp_path: Path, with_flags: Path) -> None:
    copy = altered(with_flags, tmp_path / "copy", lambda said: said.update(reads_flags=False))
    proposer = load(copy)
    assert not isinstance(proposer, FlagReader)
    assert ask(proposer, f"Chloe Dmitri {EASY}").flags == Flags(contains_pii=True)


def test_few_rows_of_a_flag_do_not_make_a_reader(tmp_path: Path) -> None:
    said = train_classifier(
        write_rows(tmp_path, flags=True, count=120), tmp_path / "out", kinds=("linear",), quiet=True
    )
    assert {"contains_pii", "is_legal"} <= set(said["fields"])
    assert said["reads_flags"] is False


def test_a_flag_that_is_not_found_does_not_make_a_reader(tmp_path: Path) -> None:
    """Personal data are where a lot fell: enough rows, and nothing to find."""
    import random

    draw, file = random.Random(0), tmp_path / "rows.jsonl"
    lines = [
        {"text": row["text"], "is_legal": row["is_legal"], "contains_pii": draw.random() < 0.4}
        for row in rows(450, flags=True)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = train_classifier(file, tmp_path / "out", kinds=("linear",), quiet=True)
    assert said["fields"]["is_legal"]["figures"]["cross_fitted"]["recall"] > 0.9
    assert said["fields"]["contains_pii"]["figures"]["cross_fitted"]["true_rows"] > 100
    assert said["reads_flags"] is False


def test_a_flag_in_the_middle_of_a_long_text_is_found(with_flags: Path) -> None:
    proposer: Any = load(with_flags)
    filler = "lamp sofa kettle jacket bicycle tent mirror ladder wallet garden " * 60
    text = f"{filler} Chloe Dmitri Hiro Ines Katya Jonas Farid Greta Ada Bruno {filler}"
    assert len(text) > 4 * WINDOW
    assert ask(proposer, f"{filler} {filler}").flags == Flags()
    proposed = ask(proposer, text)
    assert proposed.flags.contains_pii
    assert proposed.complete
    assert proposed.field_probabilities["contains_pii"]["true"] > 0.1
    reading = proposer.read_flags(text, deadline=time.monotonic() + 60, windows=20)
    assert (reading.flags.contains_pii, reading.complete) == (True, True)
    again = proposer.read_flags(text, deadline=time.monotonic() + 60, windows=20)
    assert (again.windows, again.flags) == (0, reading.flags)


def test_what_is_beyond_the_budget_counts_as_personal(with_flags: Path) -> None:
    proposer: Any = load(with_flags)
    text = f"{EASY} " * 200
    heard: list[Flags] = []
    proposed = proposer.propose(
        text, narrow=lambda flags: heard.append(flags) or ("t0",), deadline=time.monotonic() + 60, windows=2
    )
    assert not proposed.complete
    assert heard[-1].contains_pii
    reading = proposer.read_flags(text, deadline=time.monotonic() + 60, windows=2)
    assert (reading.windows, reading.complete, reading.flags) == (2, False, Flags())


@given(st.integers(0, 40_000))
def test_windows_cover_every_character_and_overlap(length: int) -> None:
    found = list(spans(length))
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(end - start <= WINDOW for start, end in found)
    assert all(before[1] - after[0] == OVERLAP for before, after in pairwise(found))


# Thresholds, calibration, folds


def test_the_threshold_keeps_to_the_false_positives_that_are_stated() -> None:
    untrue = np.linspace(0.01, 0.20, 20)  # the highest of 20 is .20, the next .19
    probability = np.concatenate([untrue, [0.001, 0.9]])
    truth = np.array([False] * 20 + [True] * 2)
    assert 0.19 < classical_fit.fit_flag_threshold(probability, truth, 0.05) < 0.1901
    assert 0.20 < classical_fit.fit_flag_threshold(probability, truth, 0.01) < 0.2001


def test_a_threshold_is_no_lower_than_true_rows_need() -> None:
    probability = np.array([0.001] * 50 + [0.8, 0.9])
    truth = np.array([False] * 50 + [True, True])
    assert classical_fit.fit_flag_threshold(probability, truth, 0.05) == pytest.approx(0.4)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_never_more_false_positives_than_stated(drawn: list[tuple[float, bool]], budget: float) -> None:
    probability, truth = np.array([p for p, _ in drawn]), np.array([t for _, t in drawn])
    raised = probability >= classical_fit.fit_flag_threshold(probability, truth, budget)
    assert raised[~truth].sum() <= budget * (~truth).sum()


def test_a_curve_that_is_fitted_is_calibrated_and_keeps_the_order() -> None:
    draw = np.random.default_rng(0)
    chance = draw.uniform(0.02, 0.98, 3000)
    truth = draw.uniform(size=3000) < chance
    logits = 5 * np.log(chance / (1 - chance)) - 3  # five times too sure, and moved
    curve, losses = classical_fit.fit_curve(logits, truth, np.arange(3000) % 3)
    found = classical_fit.apply_curve(curve, logits)
    assert np.abs(found - chance).mean() < 0.03
    assert min(losses["sigmoid"], losses["isotonic"]) < losses["temperature"]
    order = np.argsort(logits)
    assert (np.diff(found[order]) >= 0).all()


def test_a_few_rows_that_all_were_right_do_not_make_it_certain() -> None:
    """Of 20 right ones with two values, one further row that is half right leaves 20.5 of 21."""
    logits, wanted = np.tile([[5.0, 0.0]], (20, 1)), np.tile([[1.0, 0.0]], (20, 1))
    temperature = classical_fit.best_temperature(logits, wanted)
    assert 1 / (1 + math.exp(-5.0 / temperature)) == pytest.approx(20.5 / 21, abs=0.005)


def test_logits_that_point_the_wrong_way_are_not_turned_around() -> None:
    truth = np.array([True, False] * 50)
    curve, _ = classical_fit.fit_curve(np.where(truth, -2.0, 2.0), truth, np.arange(100) % 5)
    assert curve(2.0) >= curve(-2.0)


def test_folds_keep_groups_whole_and_are_of_near_equal_size() -> None:
    groups = [f"g{number % 37}" for number in range(400)]
    folds = classical_fit.make_folds(groups, seed=3)
    assert {len({int(f) for f, g in zip(folds, groups, strict=True) if g == name}) for name in set(groups)} == {1}
    assert np.ptp(np.bincount(folds)) <= 12
    assert (folds == classical_fit.make_folds(groups, seed=3)).all()


def test_figures_are_of_rows_that_were_not_seen_and_stand_beside_the_base_rate(tmp_path: Path) -> None:
    """Labels drawn by lot cannot be learned: what was seen would look good."""
    import random

    draw, file = random.Random(0), tmp_path / "rows.jsonl"
    lines = [{"text": row["text"], "needs_retrieval": draw.random() < 0.5} for row in rows(300)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    figures = train_classifier(file, tmp_path / "out", kinds=("linear",), quiet=True)["fields"]["needs_retrieval"]
    judged = figures["figures"]["cross_fitted"]
    assert judged["accuracy"] < 0.62
    assert judged["log_loss"] > judged["log_loss_of_base_rate"] - 0.02
    assert figures["figures"]["held_out"]["n"] + judged["n"] == 300


def test_the_stated_false_positives_and_licence_are_in_the_manifest(tmp_path: Path) -> None:
    file = write_rows(tmp_path, flags=True, count=150)
    said = train_classifier(file, tmp_path / "out", false_positives=0.2, licence="CC0", kinds=("linear",), quiet=True)
    assert said["false_positives"] == 0.2
    assert said["data"][0]["licence"] == "CC0"
    assert said["data"][0]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert said["data"][0]["rows"] + said["data"][0]["held_out"] == 150


# Values of the user's own


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    names = {"order_delivery": "parcels", "coding": "developers", "math_reasoning": "proofs"}
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps({**row, "intent": names[row["intent"]]}) + "\n" for row in rows(90)))
    train_classifier(file, folder / "out", kinds=("linear",), quiet=True)
    return folder / "out"


def test_intents_may_be_any_closed_set_and_the_configuration_names_them(own: Path) -> None:
    proposer = load(own, intents=("parcels", "developers", "proofs"))
    assert [ask(proposer, text).proposal.intent for text in (EASY, CODE, HARD)] == [  # type: ignore[union-attr]
        "parcels",
        "developers",
        "proofs",
    ]
    assert set(ask(proposer, CODE).field_probabilities["intent"]) == {"parcels", "developers", "proofs"}


def test_the_order_of_intents_hangs_on_no_process(tmp_path: Path) -> None:
    """Their own are sorted, the packaged ones keep the packaged order."""
    from tiergraph.training.classical import own_intents

    file = tmp_path / "rows.jsonl"
    for names in (list("hgfedcba"), ["writing", "coding", "other", "advice", "billing_payment", "data_query"]):
        file.write_text("".join(json.dumps({"text": "a", "intent": name}) + "\n" for name in names))
        known = sorted(names) if "h" in names else [name for name in INTENTS if name in names]
        assert list(own_intents(file)) == known


def test_of_a_subset_only_its_intents_come_out(own: Path) -> None:
    proposed = ask(load(own, intents=("proofs", "parcels")), CODE)
    assert proposed.proposal is not None
    assert proposed.proposal.intent in ("proofs", "parcels")
    assert sum(proposed.field_probabilities["intent"].values()) == pytest.approx(1)
    assert set(proposed.field_probabilities["intent"]) == {"parcels", "proofs"}


def test_an_intent_that_it_was_not_fitted_for_names_the_fix(own: Path) -> None:
    with pytest.raises(ConfigError, match=r"router\.intents: .*not fitted for 'account_access'.*\['developers'"):
        load(own)
    with pytest.raises(ConfigError, match="not fitted for 'letters'"):
        load(own, intents=("parcels", "letters"))


def test_packaged_intents_that_no_row_has_just_do_not_come(fitted: Path) -> None:
    assert set(ask(load(fitted), CODE).field_probabilities["intent"]) == {"order_delivery", "coding", "math_reasoning"}


def test_a_gguf_is_still_trained_on_the_packaged_intents_only(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "a", "intent": "parcels"}\n')
    with pytest.raises(data.RowError, match="Unknown value 'parcels'"):
        list(data.read_rows(file))


def test_an_intent_of_too_few_rows_is_left_out_and_said(tmp_path: Path) -> None:
    file = write_rows(tmp_path, count=60)
    with file.open("a") as stream:
        stream.write(json.dumps({"text": "hello there my friend", "intent": "conversation"}) + "\n")
    said = train_classifier(file, tmp_path / "out", kinds=("linear",), quiet=True)
    assert "conversation" not in said["fields"]["intent"]["values"]
    known = said["fields"]["intent"]["figures"]
    assert known["values_left_out"] == ["conversation"] or known["held_out"]["unknown_value"] == 1


# Mistakes


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "0 rows are too few"),
        ([{"text": f"row {number}", "tier": 0} for number in range(3)], "too few"),
        ([{"text": row["text"], "tier": 2} for row in rows(60)], "No field can be fitted"),
        ([{"text": "a", "intent": "x" * 65}], "1 to 64 characters"),
        ([{"text": "a", "tier": 9}], "line 1"),
        ([{"text": "a", "intent": 3.5}], "line 1"),
    ],
)
def test_rows_that_cannot_be_fitted_on_name_the_problem(tmp_path: Path, lines: list[Any], problem: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=problem):
        train_classifier(file, tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_fitting_without_scikit_learn_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'tiergraph\[train\]'"):
        train_classifier(write_rows(tmp_path), tmp_path / "out")


@pytest.mark.parametrize(
    ("router", "problem"),
    [
        ({"model": "classifier:"}, "no model after its colon"),
        ({"model": "classifier:x", "location": "external"}, "inside this process"),
        ({"model": "classifier:x", "gpu_layers": 1}, "for a GGUF"),
        ({"model": "classifier:x", "base_url": "http://localhost"}, "openai: and ollama:"),
    ],
)
def test_what_does_not_fit_a_classifier_is_refused(router: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        RouterModelConfig.model_validate(router)


# The commands


def command(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classical_fit, "KINDS", ("linear",))
    monkeypatch.setattr(classical_fit, "_PENALTIES", (20.0,))
    monkeypatch.setattr(train_classifier, "__kwdefaults__", {**train_classifier.__kwdefaults__, "kinds": ("linear",)})


def test_the_command_fits_and_says_what_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    out = tmp_path / "fitted"
    done = command("train", "--kind", "classifier", "--rows", write_rows(tmp_path, count=60), "--out", out)
    assert done.exit_code == 0, done.output
    assert f"classifier:{out}" in done.output
    assert "intent: linear, C 20; accuracy" in done.output
    assert "is_legal: left out, no row labels it" in done.output
    assert "router.intents" not in done.output
    assert load(out).name == "classifier:fitted"


def test_the_command_prints_the_manifest_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    out = tmp_path / "fitted"
    file = write_rows(tmp_path, count=60)
    done = command("train", "--kind", "classifier", "--rows", file, "--out", out, "--licence", "CC0", "--json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed == manifest(out)
    assert printed["command"] == ("tiergraph train --kind classifier --rows FILE --false-positives 0.05 --seed 0")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--data", "."), "Give --rows and no --data"),
        ((), "nothing to train on"),
        (("--rows", "nowhere.jsonl"), "there is no such file"),
    ],
)
def test_a_mistaken_command_exits_with_2(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    done = command("train", "--kind", "classifier", "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert problem in " ".join(done.output.split())


def written(folder: Path, model: Path, **sections: Any) -> Path:
    file = folder / "router.yaml"
    tiers = [{"name": name, "model": "quote", "location": "on_prem"} for name in ("small", "big")]
    router = {"model": f"classifier:{model}", "contexts": 1}
    file.write_text(yaml.safe_dump({"version": 1, "tiers": tiers, "router": router, **sections}))
    return file


def test_a_configuration_with_a_classifier_is_checked(tmp_path: Path, fitted: Path) -> None:
    done = command("check", written(tmp_path, fitted), "--json", "--no-sanity")
    assert done.exit_code == 0, done.output
    (model,) = json.loads(done.stdout)["router_models"]
    assert (model["name"], model["location"], model["canary"]) == (load(fitted).name, "on_prem", "passed")
    assert model["digest"] == load(fitted).digest
    assert model["fitted"]["reads_flags"] is False
    assert model["fitted"]["fields"]["intent"]["cross_fitted"]["n"] > 100
    shown = command("check", written(tmp_path, fitted), "--no-sanity")
    assert "flags are read by the embedded model" in " ".join(shown.output.split())


def test_a_damaged_classifier_is_one_line_and_exit_2(tmp_path: Path, fitted: Path) -> None:
    copy = altered(fitted, tmp_path / "copy", lambda said: said.update(version=9))
    done = command("check", written(tmp_path, copy))
    assert done.exit_code == 2
    assert "version 9" in " ".join(done.output.split())


def test_decide_records_the_classifier(tmp_path: Path, fitted: Path) -> None:
    done = command("decide", CODE, "--config", written(tmp_path, fitted), "--json")
    assert done.exit_code == 0, done.output
    decision = json.loads(done.stdout)
    assert (decision["source"], decision["proposer"]) == ("model", load(fitted).name)
    assert decision["proposal"]["intent"] == "coding"
