"""Heads in the engine: what they say replaces what the model says, inside policy, and only where they fit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import gguf_factory
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tiergraph.config import RouterConfig, RouterModelConfig, load_config
from tiergraph.errors import CanaryError, ConfigError, ModelError, ProposalInvalidError
from tiergraph.proposers import features, llamacpp
from tiergraph.proposers.base import Proposed
from tiergraph.proposers.fitted import tier_scores
from tiergraph.proposers.heads import FieldHead, GenericHead, LadderHead, Points, Scorer
from tiergraph.proposers.linking import load_chain
from tiergraph.proposers.llamacpp import LlamaCppProposer
from tiergraph.proposers.native import Slot
from tiergraph.tiers import Ladder, Tier

TIERS = ("local", "mid", "frontier")
LADDER = Ladder(tuple(Tier(name=name, model="quote", location="on_prem") for name in TIERS))
INTENTS = ("parcel", "refund", "elsewhere")


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_factory.build(tmp_path_factory.mktemp("heads") / "contract.gguf", scale=4.0)


@pytest.fixture(scope="module")
def plain(gguf: Path) -> Iterator[LlamaCppProposer]:
    with load(gguf) as proposer:
        yield proposer


def load(path: Path | str, *, tiers: Sequence[str] = TIERS, **config: Any) -> LlamaCppProposer:
    settings = RouterModelConfig(**{"contexts": 1, "cache_size": 0, **config})
    ladder = Ladder(tuple(Tier(name=name, model="quote", location="on_prem") for name in tiers))
    return LlamaCppProposer.load(path, ladder=ladder, config=settings, sufficiency=0.5, config_digest="digest")


def ask(proposer: LlamaCppProposer, text: str, allowed: Sequence[str] = TIERS) -> Proposed:
    return proposer.propose(text, narrow=lambda _: allowed, deadline=time.monotonic() + 60, windows=8)


def scorer(plain: LlamaCppProposer, bias: Sequence[float], *, reads: str | None = None) -> Scorer:
    """Says ``bias`` of every text, and with ``reads`` the logit of that name more, of the first output."""
    inputs, outputs = len(features.DENSE) + len(plain.feature_names), len(bias)
    linear = np.zeros((inputs, outputs), np.float32)
    if reads is not None:
        linear[len(features.DENSE) + plain.feature_names.index(reads), 0] = 1.0
    return Scorer(
        knots=np.zeros(0, np.float32),
        hashed=np.zeros((features.BUCKETS, 1, outputs), np.float32),
        mean=np.zeros(inputs, np.float32),
        scale=np.ones(inputs, np.float32),
        linear=linear,
        frequencies=np.zeros((inputs, 0), np.float32),
        phases=np.zeros(0, np.float32),
        waves=np.zeros((0, outputs), np.float32),
        bias=np.array(bias, np.float32),
    )


def identity() -> Points:
    """From a gain to the same loss."""
    return Points(x=np.array([0.0, 1.0], np.float32), y=np.array([0.0, 1.0], np.float32))


def ladder_head(plain: LlamaCppProposer, losses: Sequence[float] = (0.75, 0.25), **changes: Any) -> LadderHead:
    reads = changes.pop("reads", None)
    return LadderHead(
        **{
            "tiers": TIERS,
            "scorer": scorer(plain, losses, reads=reads),
            "levels": tuple(identity() for _ in losses),
            "model_sha256": plain.model_sha256,
            "logit_names": plain.feature_names,
            **changes,
        }
    )


def field_head(plain: LlamaCppProposer, field: str, values: Sequence[str], scores: Sequence[float]) -> FieldHead:
    return FieldHead(
        field=field,
        values=tuple(values),
        scorer=scorer(plain, scores),
        model_sha256=plain.model_sha256,
        logit_names=plain.feature_names,
    )


def saved(head: Any, path: Path) -> str:
    head.save(path)
    return str(path)


# ---------------------------------------------------------------- what a head says


def test_a_ladder_head_replaces_the_scores_of_the_tiers_and_nothing_else(plain, gguf, tmp_path):
    with load(gguf, heads=(saved(ladder_head(plain), tmp_path / "a.npz"),)) as tuned:
        own, other = ask(tuned, "Where is order 12?"), ask(plain, "Where is order 12?")
    assert own.tier_probabilities == pytest.approx({"local": 0.25, "mid": 0.5, "frontier": 0.25})
    assert own.score == pytest.approx(0.75)
    assert own.proposal.tier == "mid"
    assert own.proposal.intent == other.proposal.intent
    assert own.flags == other.flags
    for name, values in other.field_probabilities.items():
        assert dict(own.field_probabilities[name]) == pytest.approx(dict(values), abs=1e-4)


def test_a_head_reads_the_logits_that_features_gives(plain, gguf, tmp_path):
    text = "Where is order 12?"
    for name in ("probe:1", "tier:0", "intent:coding"):
        levels = Points(x=np.array([-100, 100], np.float32), y=np.array([0.0, 1.0], np.float32))
        head = ladder_head(plain, (0.0, -100.0), levels=(levels, levels), reads=name)
        with load(gguf, heads=(saved(head, tmp_path / "a.npz"),)) as tuned:
            score = ask(tuned, text).score
        logit = plain.features(text)[plain.feature_names.index(name)]
        assert score == pytest.approx((logit + 100) / 200, abs=1e-5)


def test_features_are_named_after_the_contract_and_are_the_same_with_heads(plain, gguf, tmp_path):
    contract = json.loads(plain.model.metadata("tiergraph.contract") or "")
    wanted = [f"{field}:{value}" for field, values in contract["fields"].items() for value in values]
    wanted += [f"probe:{number}" for number in range(len(contract["probes"]))]
    assert plain.feature_names == tuple(wanted)
    assert plain.features("hello").dtype == np.float32
    assert plain.features("hello").shape == (len(wanted),)
    with load(gguf, heads=(saved(ladder_head(plain), tmp_path / "a.npz"),)) as tuned:
        assert tuned.features("hello") == pytest.approx(plain.features("hello"), abs=1e-5)
        assert tuned.read_features("hello").cumulative == pytest.approx((0.25, 0.75))
    probabilities = ask(plain, "hello").tier_probabilities
    assert plain.read_features("hello").cumulative == pytest.approx(
        (probabilities["local"], probabilities["local"] + probabilities["mid"])
    )


@pytest.mark.parametrize(
    "text", ["", "short", "some words " * 300, "z " * 60_000], ids=["empty", "short", "long", "cut"]
)
def test_features_of_a_text_are_of_the_tokens_that_a_decision_reads(plain, monkeypatch, text):
    asked: list[list[int]] = []
    real = Slot.decode
    monkeypatch.setattr(Slot, "decode", lambda slot, ids, *rest: asked.append(ids.tolist()) or real(slot, ids, *rest))
    plain.propose(text, narrow=lambda _: TIERS, deadline=time.monotonic() + 60, windows=32)
    first, asked[:] = asked[0], []
    plain.features(text)
    assert asked == [first]


def test_an_intent_head_brings_its_own_values(plain, gguf, tmp_path):
    head = saved(field_head(plain, "intent", INTENTS, (0.0, math.log(6), 0.0)), tmp_path / "i.npz")
    with load(gguf, heads=(head,), intents=INTENTS) as tuned:
        proposed = ask(tuned, "give it back")
    assert proposed.proposal.intent == "refund"
    assert dict(proposed.field_probabilities["intent"]) == pytest.approx(
        {"parcel": 1 / 8, "refund": 6 / 8, "elsewhere": 1 / 8}
    )
    assert proposed.tier_probabilities == pytest.approx(ask(plain, "give it back").tier_probabilities, abs=1e-5)


@pytest.mark.parametrize(
    ("field", "values", "scores", "said"),
    [
        ("difficulty", ("1", "2", "3"), (0.0, 0.0, 5.0), 3),
        ("needs_retrieval", ("false", "true"), (0.0, 5.0), True),
        ("needs_retrieval", ("true", "false"), (0.0, 5.0), False),
        ("reason", ("red", "green"), (0.0, 5.0), "green"),
    ],
)
def test_heads_may_read_other_fields(plain, gguf, tmp_path, field, values, scores, said):
    more = {"reasons": values} if field == "reason" else {}
    head = saved(field_head(plain, field, values, scores), tmp_path / "f.npz")
    with load(gguf, heads=(head,), **more) as tuned:
        assert getattr(ask(tuned, "anything").proposal, field) == said


def test_a_ladder_head_and_a_field_head_work_together(plain, gguf, tmp_path):
    heads = (
        saved(field_head(plain, "difficulty", ("1", "2", "3"), (9.0, 0.0, 0.0)), tmp_path / "f.npz"),
        saved(ladder_head(plain, (0.1, 0.05)), tmp_path / "l.npz"),
    )
    with load(gguf, heads=heads) as tuned:
        proposal = ask(tuned, "anything").proposal
    assert (proposal.tier, proposal.difficulty) == ("local", 1)


@given(
    levels=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
    allowed=st.sampled_from([chosen for n in (1, 2, 3) for chosen in combinations(TIERS, n)]),
)
def test_whatever_a_head_says_the_tier_is_allowed(head_proposer, levels, allowed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LadderHead, "cumulative", lambda *_: tuple(levels))
        proposed = ask(head_proposer, "anything", allowed)
    assert proposed.proposal.tier in allowed
    assert all(p == 0 for tier, p in proposed.tier_probabilities.items() if tier not in allowed)
    assert sum(proposed.tier_probabilities.values()) == pytest.approx(1)


@pytest.fixture(scope="module")
def head_proposer(plain, gguf, tmp_path_factory) -> Iterator[LlamaCppProposer]:
    head = saved(ladder_head(plain), tmp_path_factory.mktemp("head") / "a.npz")
    with load(gguf, heads=(head,)) as tuned:
        yield tuned


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (0.5, 0.4), (-0.1, 0.5), (0.5, 1.1), (math.inf, math.inf)])
def test_levels_that_are_none_are_a_failed_decision(head_proposer, monkeypatch, bad):
    monkeypatch.setattr(LadderHead, "cumulative", lambda *_: bad)
    with pytest.raises(ProposalInvalidError):
        ask(head_proposer, "anything")
    head_proposer._breaker.leave(True, trying=False)


def test_the_canary_refuses_a_head_whose_levels_are_none(plain, gguf, tmp_path, monkeypatch):
    head = saved(ladder_head(plain), tmp_path / "a.npz")
    monkeypatch.setattr(LadderHead, "cumulative", lambda *_: (math.nan, math.nan))
    with pytest.raises(CanaryError):
        load(gguf, heads=(head,))


def test_damaged_probes_are_a_failed_decision_only_where_heads_read_them(plain, head_proposer, monkeypatch):
    real = Slot.decode

    def damaged(slot: Slot, ids: Any, *rest: Any) -> list[float]:
        values = real(slot, ids, *rest)
        values[-1] = math.nan
        return values

    monkeypatch.setattr(Slot, "decode", damaged)
    with pytest.raises(ProposalInvalidError):
        ask(head_proposer, "anything")
    head_proposer._breaker.leave(True, trying=False)
    with pytest.raises(ProposalInvalidError):
        plain.features("anything")


def test_levels_to_probabilities_by_hand():
    assert tier_scores((0.2, 0.7)).probabilities == pytest.approx((0.2, 0.5, 0.3))
    assert tier_scores((0.0, 1.0)).probabilities == (0.0, 1.0, 0.0)
    assert tier_scores((0.4, 0.4)).insufficient == pytest.approx(0.6)


# ---------------------------------------------------------------- without heads


def test_without_heads_no_more_logits_are_read_than_the_fields_have(plain, head_proposer):
    values = sum(
        len(names) for names in json.loads(plain.model.metadata("tiergraph.contract") or "")["fields"].values()
    )
    assert len(plain._head.tail.gather) == values
    assert plain._head.read([0.0] * values).logits is None
    assert len(head_proposer._head.tail.gather) == values + len(plain.feature_names)


def test_what_is_remembered_holds_no_logits(plain, gguf, tmp_path):
    head = saved(ladder_head(plain), tmp_path / "a.npz")
    with load(gguf, heads=(head,), cache_size=4) as tuned:
        first, again = ask(tuned, "anything"), ask(tuned, "anything")
        assert [reading.logits for reading in tuned._readings._entries.values()] == [None]
    assert again.cached
    assert again.tier_probabilities == first.tier_probabilities


# ---------------------------------------------------------------- what does not fit


def test_the_digest_names_the_heads(plain, gguf, tmp_path):
    digests = [plain.digest]
    for losses in ((0.75, 0.25), (0.5, 0.25)):
        with load(gguf, heads=(saved(ladder_head(plain, losses), tmp_path / "a.npz"),)) as tuned:
            digests.append(tuned.digest)
            assert tuned.model_sha256 == plain.model_sha256 == plain.digest
    assert len(set(digests)) == 3


def test_a_head_for_another_ladder_is_refused_and_both_are_named(plain, gguf, tmp_path):
    head = saved(ladder_head(plain), tmp_path / "a.npz")
    for tiers in (("mid", "local", "frontier"), ("local", "mid"), ("a", "b", "c")):
        with pytest.raises(ConfigError) as caught:
            load(gguf, tiers=tiers, heads=(head,))
        assert str(list(TIERS)) in str(caught.value)
        assert str(list(tiers)) in str(caught.value)
        assert "tiergraph tune" in str(caught.value)


def test_a_head_of_another_model_is_refused(plain, gguf, tmp_path):
    head = saved(ladder_head(plain, model_sha256="0" * 64), tmp_path / "a.npz")
    with pytest.raises(ModelError, match=r"a\.npz: it was fitted on .*000000.*tiergraph tune"):
        load(gguf, heads=(head,))


def test_two_heads_for_one_thing_are_refused(plain, gguf, tmp_path):
    ladder = saved(ladder_head(plain), tmp_path / "a.npz")
    field = saved(field_head(plain, "difficulty", ("1", "2", "3"), (0, 0, 0)), tmp_path / "f.npz")
    for heads, what in (((ladder, ladder), "the ladder"), ((field, field), "difficulty")):
        with pytest.raises(ConfigError, match=f"second head for '?{what}"):
            load(gguf, heads=heads)


def test_a_head_for_a_flag_is_refused(plain, gguf, tmp_path):
    head = saved(field_head(plain, "contains_pii", ("true", "false"), (0, 0)), tmp_path / "f.npz")
    with pytest.raises(ConfigError, match="contains_pii"):
        load(gguf, heads=(head,))


@pytest.mark.parametrize("stated", [{}, {"intents": ("parcel", "refund")}, {"intents": (*INTENTS, "more")}])
def test_intents_that_are_not_the_heads_are_refused_with_those_to_write(plain, gguf, tmp_path, stated):
    head = saved(field_head(plain, "intent", INTENTS, (0, 0, 0)), tmp_path / "i.npz")
    with pytest.raises(ConfigError, match=r"intents: \[parcel, refund, elsewhere\]"):
        load(gguf, heads=(head,), **stated)


def test_values_that_a_field_cannot_have_are_refused(plain, gguf, tmp_path):
    head = saved(field_head(plain, "difficulty", ("1", "2"), (0, 0)), tmp_path / "f.npz")
    with pytest.raises(ConfigError, match="difficulty"):
        load(gguf, heads=(head,))


def test_another_gguf_can_have_no_heads(plain, tmp_path):
    other = gguf_factory.build(tmp_path / "other.gguf", contract=False, context=2048)
    head = saved(ladder_head(plain), tmp_path / "a.npz")
    with pytest.raises(ConfigError, match="tiergraph train"):
        load(other, heads=(head,))
    with load(other) as proposer, pytest.raises(ConfigError, match="tiergraph train"):
        proposer.features("anything")


def test_a_model_elsewhere_can_have_no_heads():
    with pytest.raises(ValidationError, match="heads are for embedded"):
        RouterModelConfig(model="openai:m", location="external", heads=("a.npz",))


@pytest.mark.parametrize("damage", ["missing", "truncated", "no manifest", "not an npz"])
def test_a_damaged_head_is_named(plain, gguf, tmp_path, damage):
    path = tmp_path / "a.npz"
    head = saved(ladder_head(plain), path)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "no manifest":
        path.with_suffix(".json").unlink()
    else:
        head = str(path.rename(tmp_path / "a.yaml"))
    with pytest.raises((ModelError, ConfigError), match=r"a\.(npz|json|yaml)"):
        load(gguf, heads=(head,))


# ---------------------------------------------------------------- configuration


def yaml_of(gguf: Path, heads: str) -> str:
    tiers = "".join(f"  - {{name: {name}, model: quote, location: on_prem}}\n" for name in TIERS)
    return f"tiers:\n{tiers}router:\n  model: {gguf}\n  heads: [{heads}]\n"


def test_paths_of_heads_are_relative_to_the_file_that_names_them(plain, gguf, tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    ladder_head(plain).save(folder / "tuned.npz")
    (folder / "router.yaml").write_text(yaml_of(gguf, "tuned.npz"), encoding="utf-8")
    monkeypatch.chdir(elsewhere)
    config = load_config(Path("..") / "here" / "router.yaml")
    chain = load_chain(config)
    try:
        (link,) = chain.links
        assert link.proposer.digest != plain.digest
        assert ask(link.proposer, "anything").score == pytest.approx(0.75)
    finally:
        chain.close()


def test_where_a_file_lies_changes_neither_its_digest_nor_its_equality(gguf, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "router.yaml").write_text(yaml_of(gguf, "x.npz"), encoding="utf-8")
    one, other = (load_config(tmp_path / name / "router.yaml") for name in ("a", "b"))
    assert one == other
    assert one.digest == other.digest
    assert one.folder != other.folder
    assert RouterConfig.model_validate(one.model_dump()) == one
    assert one.model_copy(update={"profile": "quality"}).folder == one.folder


# ---------------------------------------------------------------- the packaged head


def test_the_embedded_model_takes_the_packaged_head_where_no_other_is_named(tmp_path, monkeypatch):
    with load("embedded") as bare:
        line = Points(x=np.array([0.0, 1.0], np.float32), y=np.array([0.5, 0.5], np.float32))
        generic = GenericHead(
            scorer=scorer(bare, (0.5,)),
            levels=(line,) * 5,
            model_sha256=bare.model_sha256,
            logit_names=bare.feature_names,
        )
        generic.save(tmp_path / "embedded.head.npz")
        own = saved(ladder_head(bare), tmp_path / "a.npz")
        digest = bare.digest
    monkeypatch.setattr(llamacpp, "_packaged_head", lambda file: tmp_path / "embedded.head.npz")
    with load("embedded") as packaged:
        assert packaged.digest != digest
        assert packaged.read_features("hello").cumulative == pytest.approx((0.5, 0.5))
        assert ask(packaged, "hello").score == pytest.approx(0.5)
    with load("embedded", heads=(own,)) as tuned:
        assert ask(tuned, "hello").score == pytest.approx(0.75)


def test_there_is_a_packaged_head_only_where_its_file_is(tmp_path):
    model = tmp_path / "embedded.gguf"
    assert llamacpp._packaged_head(model) is None
    (tmp_path / "embedded.head.npz").write_bytes(b"")
    assert llamacpp._packaged_head(model) == tmp_path / "embedded.head.npz"
