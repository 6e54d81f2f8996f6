"""The embedding router: requests go where their like went, and what no example is near is said to be unknown."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gguf_factory
import llama_cpp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings

from tiergraph.config import RouterModelConfig, load_config, parse_config
from tiergraph.effects import arun, run
from tiergraph.embeddings import EmbeddingsConfig, LangChainEmbedder, load_embedder
from tiergraph.errors import (
    ConfigError,
    DecisionTimeoutError,
    ModelError,
    ProposalInvalidError,
    ProposerError,
    ProposerUnavailableError,
)
from tiergraph.proposers.base import Flags, Proposed, Proposer
from tiergraph.proposers.calibration import boundary_distance, choose
from tiergraph.proposers.chain import Chain, Link
from tiergraph.proposers.clusters import Clusters, accuracy_at, best_cut
from tiergraph.proposers.embedding import EmbeddingProposer
from tiergraph.proposers.lexical import SHARE, WIDTH, word_vector
from tiergraph.proposers.linking import load_chain
from tiergraph.proposers.native_embedding import GgufEmbedder, reading_of
from tiergraph.proposers.placing import undecided
from tiergraph.testing import ScriptedProposer
from tiergraph.tiers import Ladder, Tier

NAMES = ("quote", "compose", "frontier")
LADDER = Ladder(tuple(Tier(name=name, model="quote", location="on_prem") for name in NAMES))
SECRET = "zanzibar-4711"

PARCEL = ["where is my parcel", "track my parcel please", "my parcel is late", "when does the parcel arrive"]
CODE = ["write a python script", "debug this python function", "python script that sorts", "fix my python code"]
ROUTES: dict[str, Any] = {
    "embeddings": {"model": "python:ignored:here", "location": "on_prem"},
    "clusters": [
        {"name": "parcel", "tier": "quote", "intent": "order_delivery", "difficulty": 1, "examples": PARCEL},
        {"name": "code", "tier": "frontier", "intent": "coding", "difficulty": 3, "examples": CODE},
    ],
    "otherwise": {"tier": "compose"},
}


BLANK = [1.0] + [0.0] * (WIDTH - 1)


class Words(Embeddings):
    """Embeddings that know nothing but words. ``spoil`` changes what comes out; ``texts`` is all that came in."""

    def __init__(self, spoil: Callable[[list[list[float]]], Any] = lambda rows: rows) -> None:
        self.spoil, self.texts, self.calls = spoil, [], 0
        self.fails: Exception | None = None

    def _embed(self, texts: list[str]) -> Any:
        self.calls += 1
        if self.fails is not None:
            raise self.fails
        self.texts += texts
        return self.spoil([word_vector(text).tolist() if text.strip() else BLANK for text in texts])

    def embed_documents(self, texts: list[str]) -> Any:
        return self._embed(texts)

    def embed_query(self, text: str) -> Any:
        return self._embed([text])[0]

    async def aembed_query(self, text: str) -> Any:
        return self._embed([text])[0]


NEEDS_ARGUMENTS = Words


def write(folder: Path, **changes: Any) -> Path:
    import yaml

    file = folder / "routes.yaml"
    file.write_text(yaml.safe_dump({**ROUTES, **changes}, sort_keys=False))
    return file


def load(
    folder: Path, words: Any = None, *, model: str = "words", config: dict[str, Any] | None = None, **changes: Any
) -> Any:
    settings = RouterModelConfig(model=f"embedding:{write(folder, **changes)}", **(config or {}))
    embedder = LangChainEmbedder(words or Words(), name=model, location="on_prem")
    return EmbeddingProposer.load(
        ladder=LADDER, config=settings, sufficiency=0.5, config_digest="digest", embedder=embedder
    )


def ask(proposer: Any, text: str, allowed: Any = NAMES, *, seconds: float = 60) -> Proposed:
    proposed: Proposed = proposer.propose(
        text, narrow=lambda flags: allowed, deadline=time.monotonic() + seconds, windows=8
    )
    return proposed


# --- the mathematics


def spots(*clusters: list[float]) -> list[Any]:
    """Clusters of unit vectors in the plane, given as angles in degrees."""
    return [
        np.array([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in angles], np.float32)
        for angles in clusters
    ]


def test_a_threshold_lies_in_the_widest_gap_that_parts_own_from_others() -> None:
    own, others = np.array([0.9, 0.8, 0.7]), np.array([0.1, 0.2, 0.3])
    assert best_cut(own, others) == (pytest.approx(0.5), 1.0)
    assert accuracy_at(0.75, own, others) == pytest.approx((2 / 3 + 1) / 2)


def test_a_threshold_takes_the_fewest_errors_where_none_parts_them() -> None:
    cut = best_cut(np.array([0.9, 0.8, 0.05]), np.array([0.1, 0.15, 0.3, 0.1]))
    assert 0.3 < cut.at < 0.8
    assert cut.accuracy == pytest.approx((2 / 3 + 1) / 2)


def test_a_cluster_of_one_example_takes_the_common_threshold() -> None:
    fit = Clusters(spots([0, 5, 10], [60, 90, 120], [200]), k=3).fit
    assert fit.thresholds[2] == fit.common
    assert fit.thresholds[0] != fit.common
    assert math.isnan(fit.accuracies[2])


def test_a_stated_threshold_is_kept() -> None:
    assert Clusters(spots([0, 5], [90, 95]), k=3, thresholds=[0.77, None]).fit.thresholds[0] == 0.77


def test_an_example_never_vouches_for_itself() -> None:
    clusters = Clusters(spots([0, 90], [1, 91]), k=1)  # each one's like is in the other cluster
    (pair,), loose = clusters.overlap()
    assert pair.share == 1.0
    assert {(i, j) for i, j, _ in pair.pairs} == {(0, 0), (1, 1)}
    assert loose == (0, 1)


def test_clusters_that_lie_apart_do_not_overlap() -> None:
    assert Clusters(spots([0, 5, 10], [90, 95, 100]), k=3).overlap() == ((), ())


def test_probabilities_are_sharper_where_the_examples_agree() -> None:
    apart = Clusters(spots([0, 2, 4, 6], [90, 92, 94, 96]), k=3).match(spots([3])[0][0]).probabilities[0]
    mixed = Clusters(spots([0, 40, 4, 46], [1, 42, 5, 44]), k=3).match(spots([3])[0][0]).probabilities[0]
    assert apart > 0.85 > mixed + 0.1


@given(
    st.lists(st.lists(st.floats(0, 360), min_size=1, max_size=5), min_size=1, max_size=5),
    st.floats(0, 360),
    st.integers(1, 9),
)
def test_any_clusters_give_probabilities_and_finite_thresholds(angles: list[list[float]], at: float, k: int) -> None:
    clusters = Clusters(spots(*angles), k=k)
    match = clusters.match(spots([at])[0][0])
    assert match.probabilities.sum() == pytest.approx(1)
    assert (match.probabilities > 0).all()
    assert np.isfinite(match.margins).all()
    clusters.overlap()


@given(
    st.lists(st.booleans(), min_size=2, max_size=6).filter(any),
    st.integers(0, 5),
    st.floats(0.05, 0.95),
)
def test_the_undecided_take_the_tier_that_is_meant_and_stand_at_the_boundary(
    allowed: list[bool], tier: int, sufficiency: float
) -> None:
    tier %= len(allowed)
    chosen, probabilities = undecided(tier, allowed, sufficiency)
    assert sum(probabilities) == pytest.approx(1)
    assert all(p == 0 for p, open_ in zip(probabilities, allowed, strict=True) if not open_)
    assert choose(probabilities, allowed, sufficiency) == chosen
    if allowed[tier]:
        assert chosen == tier
    if sum(allowed) > 1:
        assert boundary_distance(probabilities, sufficiency) < 1e-5


def test_words_alone_tell_texts_apart_and_any_text_has_some_vector() -> None:
    near, far = word_vector("track my parcels"), word_vector("sorting in python")
    query = word_vector("Where is my parcel?")
    assert query @ near > query @ far
    for text in ("", "🙂", "\ud800 x", "y" * 100_000):
        assert np.linalg.norm(word_vector(text)) in (0, pytest.approx(1, abs=1e-5))


# --- decisions


def test_a_request_goes_where_its_like_goes(tmp_path: Path) -> None:
    proposer = load(tmp_path)
    parcel, code = ask(proposer, "is my parcel on its way"), ask(proposer, "python script for sorting")
    assert (parcel.proposal.tier, parcel.proposal.intent, parcel.proposal.difficulty) == ("quote", "order_delivery", 1)
    assert (code.proposal.tier, code.proposal.intent, code.proposal.difficulty) == ("frontier", "coding", 3)
    assert parcel.confidence_from == "similarity"
    assert parcel.confidence == parcel.tier_probabilities["quote"] > 0.5
    assert parcel.flags == Flags()
    assert not parcel.proposal.contains_pii
    assert parcel.field_probabilities["intent"]["order_delivery"] > 0.5
    for values in parcel.field_probabilities.values():
        assert sum(values.values()) == pytest.approx(1)


def test_a_router_model_keeps_the_contract_of_all(tmp_path: Path) -> None:
    proposer: Proposer = load(tmp_path)
    assert proposer.name == "embedding:routes"
    assert proposer.location == "on_prem"
    assert len(proposer.digest) == 64


@pytest.mark.parametrize("text", ["quantum chromodynamics of glaciers", "", "parcel python"])
def test_what_nothing_is_near_or_two_are_goes_to_otherwise_and_a_chain_asks_on(tmp_path: Path, text: str) -> None:
    proposer = load(tmp_path, margin=0.5)
    unknown = ask(proposer, text)
    assert unknown.proposal.tier == "compose"
    assert unknown.proposal.reason == "unclear"
    assert unknown.proposal.intent == "other"
    after = ScriptedProposer(LADDER, tier="quote")
    chain = Chain(
        (Link(proposer=proposer, boundary=0.05), Link(proposer=after)),
        reader=ScriptedProposer(LADDER),
        sufficiency=0.5,
    )
    steps = {"narrow": lambda flags: NAMES, "windows": 8, "read_question": lambda: iter(())}
    asked = run(chain.steps(lambda place: text, deadline=time.monotonic() + 60, **steps))
    assert [each.code for each in asked.consulted] == ["near_boundary", "decided"]
    sure = run(chain.steps(lambda place: "where is my parcel", deadline=time.monotonic() + 60, **steps))
    assert [each.code for each in sure.consulted] == ["decided"]
    again = asyncio.run(arun(chain.steps(lambda place: "my parcel is late", deadline=time.monotonic() + 60, **steps)))
    assert [each.code for each in again.consulted] == ["decided"]


def test_without_a_word_on_otherwise_the_highest_tier_takes_it(tmp_path: Path) -> None:
    assert ask(load(tmp_path, otherwise={}), "glaciers").proposal.tier == "frontier"


@given(st.sets(st.sampled_from(NAMES)), st.sampled_from([*PARCEL, *CODE, "glaciers", "use tier frontier now"]))
def test_a_forbidden_tier_never_comes_out(allowed: set[str], text: str) -> None:
    proposed = ask(_shared(), text, allowed)
    assert (proposed.proposal is None) == (not allowed)
    if proposed.proposal is not None:
        assert proposed.proposal.tier in allowed
        assert sum(proposed.tier_probabilities.values()) == pytest.approx(1)
    assert all(p == 0 for name, p in proposed.tier_probabilities.items() if name not in allowed)


_made: list[Any] = []


def _shared() -> Any:
    if not _made:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            _made.append(load(Path(folder)))
    return _made[0]


def test_what_a_forbidden_tier_would_have_got_moves_up_and_not_down(tmp_path: Path) -> None:
    proposer = load(tmp_path)
    assert ask(proposer, "where is my parcel", ("compose", "frontier")).proposal.tier == "compose"
    assert ask(proposer, "debug this python code", ("quote", "compose")).proposal.tier == "compose"


def test_an_intent_leads_to_the_tier_of_the_map_and_without_one_to_otherwise(tmp_path: Path) -> None:
    clusters = [{"name": "parcel", "intent": "order_delivery", "examples": PARCEL}, ROUTES["clusters"][1]]
    mapped = load(tmp_path, clusters=clusters, tiers={"order_delivery": "quote"})
    assert ask(mapped, "where is my parcel").proposal.tier == "quote"
    unmapped = ask(load(tmp_path, clusters=clusters), "where is my parcel").proposal
    assert (unmapped.tier, unmapped.intent) == ("compose", "order_delivery")


def test_the_same_request_is_embedded_once(tmp_path: Path) -> None:
    words = Words()
    proposer = load(tmp_path, words)
    first, second = ask(proposer, "my parcel"), ask(proposer, "my parcel")
    assert words.texts.count("my parcel") == 1
    assert (first.cached, second.cached) == (False, True)
    assert second.tier_probabilities == first.tier_probabilities
    uncached = load(tmp_path, words, config={"cache_size": 0})
    assert [ask(uncached, "my parcel").cached for _ in range(2)] == [False, False]


async def test_an_async_decision_is_the_same(tmp_path: Path) -> None:
    proposer = load(tmp_path, config={"cache_size": 0})
    proposed = await proposer.apropose(
        "late parcel", narrow=lambda flags: NAMES, deadline=time.monotonic() + 60, windows=8
    )
    assert proposed == ask(proposer, "late parcel")


# --- clusters that come and go


def test_a_new_cluster_works_at_once_and_only_its_texts_are_embedded(tmp_path: Path) -> None:
    words = Words()
    proposer = load(tmp_path, words)
    question, digest = "how do refunds on gift cards work", proposer.digest
    assert ask(proposer, question).proposal.tier == "compose"
    words.texts.clear()
    gifts = ["refund a gift card", "gift cards and refunds", "is my gift card refundable"]
    proposer.add("gifts", gifts, tier="frontier", intent="return_refund")
    assert words.texts == gifts
    assert proposer.digest != digest
    found = ask(proposer, question)
    assert (found.proposal.tier, found.proposal.intent, found.cached) == ("frontier", "return_refund", False)
    proposer.add("gifts", ["gift card balance back", *gifts])
    assert words.texts[3:] == [question, "gift card balance back"]
    proposer.remove("gifts")
    assert ask(proposer, question).proposal.tier == "compose"
    assert proposer.digest == digest


def test_what_cannot_be_added_changes_nothing(tmp_path: Path) -> None:
    words = Words()
    proposer = load(tmp_path, words)
    digest = proposer.digest
    for arguments, keys, fix in (
        (("gifts", ["a gift"]), {}, "tier="),
        (("gifts", ["a gift"]), {"tier": "gpt5"}, "quote"),
        (("gifts", ["a gift"]), {"intent": "gifts"}, "order_delivery"),
        (("gifts", [" "]), {"tier": "quote"}, "utterances"),
        (("parcel", ["a gift"]), {"tier": "frontier"}, "remove"),
    ):
        with pytest.raises(ConfigError, match=fix):
            proposer.add(*arguments, **keys)
    words.fails = RuntimeError(SECRET)
    with pytest.raises(ProposerUnavailableError):
        proposer.add("gifts", ["a gift"], tier="quote")
    assert (proposer.clusters, proposer.digest) == (("parcel", "code"), digest)
    with pytest.raises(ConfigError, match="parcel"):
        proposer.remove("gifts")
    proposer.remove("code")
    with pytest.raises(ConfigError, match="last"):
        proposer.remove("parcel")


def test_clusters_may_change_while_others_decide(tmp_path: Path) -> None:
    proposer = load(tmp_path, config={"cache_size": 0})
    stop = threading.Event()

    def decide() -> set[str]:
        seen = set()
        while not stop.is_set():
            seen.add(ask(proposer, "where is my parcel").proposal.tier)
        return seen

    with ThreadPoolExecutor(3) as pool:
        deciding = [pool.submit(decide) for _ in range(3)]
        for number in range(20):
            proposer.add(f"new {number}", [f"topic{number} alpha", f"topic{number} beta"], tier="compose")
        for number in range(20):
            proposer.remove(f"new {number}")
        stop.set()
        assert [each.result() for each in deciding] == [{"quote"}] * 3
    assert proposer.clusters == ("parcel", "code")


def test_overlap_names_clusters_and_positions_and_never_a_text(tmp_path: Path) -> None:
    clusters = [
        *ROUTES["clusters"],
        {"name": "delivery", "tier": "frontier", "examples": [PARCEL[1], "python code " + SECRET]},
    ]
    found = load(tmp_path, clusters=clusters).overlap()
    said = found.as_json()
    (pair,) = [pair for pair in said["pairs"] if pair["clusters"] == ["parcel", "delivery"]]
    assert pair["worst"][0] == {"positions": [1, 0], "similarity": 1.0}
    assert pair["same_route"] is False
    assert 0 < pair["share"] <= 1
    assert "delivery" in [each["cluster"] for each in said["unseparated"]]
    assert SECRET not in json.dumps(said)
    assert load(tmp_path).overlap().as_json() == {"examples": 8, "pairs": [], "unseparated": []}


# --- vectors that are kept


def test_vectors_are_kept_beside_the_file_and_hold_no_text(tmp_path: Path) -> None:
    words = Words()
    load(tmp_path, words, cache="kept.npz")
    kept = tmp_path / "kept.npz"
    assert words.texts == PARCEL + CODE
    assert all(text.encode() not in kept.read_bytes() for text in PARCEL)
    again = Words()
    proposer = load(tmp_path, again, cache="kept.npz")
    assert again.texts == []
    assert ask(proposer, "where is my parcel").proposal.tier == "quote"
    other = Words()
    load(tmp_path, other, model="another", cache="kept.npz")
    assert other.texts == PARCEL + CODE
    with np.load(kept) as data:
        assert data["keys"].shape == (8, 32)  # and those of the first model are gone


@pytest.mark.parametrize("damage", [b"", b"PK no archive", b"\x93NUMPY"])
def test_a_damaged_cache_counts_as_empty(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "kept.npz").write_bytes(damage)
    words = Words()
    load(tmp_path, words, cache="kept.npz")
    assert words.texts == PARCEL + CODE
    assert (tmp_path / "kept.npz").read_bytes() != damage


# --- failures


SPOILED: dict[str, tuple[Callable[[Any], Any], type[ProposerError]]] = {
    "another width": (lambda rows: [row[:7] for row in rows], ProposalInvalidError),
    "not a number": (lambda rows: [[math.nan] * len(row) for row in rows], ProposalInvalidError),
    "infinite": (lambda rows: [[math.inf] * len(row) for row in rows], ProposalInvalidError),
    "too large": (lambda rows: [[1e308] * len(row) for row in rows], ProposalInvalidError),
    "zeros": (lambda rows: [[0.0] * len(row) for row in rows], ProposalInvalidError),
    "text": (lambda rows: [["x"] for _ in rows], ProposalInvalidError),
    "none": (lambda rows: [None for _ in rows], ProposalInvalidError),
    "empty": (lambda rows: [[] for _ in rows], ProposalInvalidError),
    "nested": (lambda rows: [[row] for row in rows], ProposalInvalidError),
    "nothing": (lambda rows: [], ProposerUnavailableError),
}


@pytest.mark.parametrize("case", SPOILED)
def test_what_is_no_vector_is_a_failure_and_never_a_decision(tmp_path: Path, case: str) -> None:
    words = Words()
    proposer = load(tmp_path, words)
    words.spoil, kind = SPOILED[case]
    for failed in (
        lambda: ask(proposer, SECRET),
        lambda: asyncio.run(
            proposer.apropose(SECRET, narrow=lambda flags: NAMES, deadline=time.monotonic() + 60, windows=8)
        ),
    ):
        with pytest.raises(kind) as caught:
            failed()
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("case", [case for case in SPOILED if case not in ("another width", "nothing")])
def test_an_embedding_model_that_gives_no_vectors_is_refused_at_start_up(tmp_path: Path, case: str) -> None:
    with pytest.raises(ModelError, match="refused at start-up"):
        load(tmp_path, Words(SPOILED[case][0]))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError(SECRET), ProposerUnavailableError),
        (ConnectionError(SECRET), ProposerUnavailableError),
        (TimeoutError(SECRET), DecisionTimeoutError),
        (type("ReadTimeout", (Exception,), {})(SECRET), DecisionTimeoutError),
    ],
)
def test_an_embedding_model_that_is_down_at_start_up_is_asked_again(
    tmp_path: Path, error: Exception, kind: type[ProposerError]
) -> None:
    words = Words()
    words.fails = error
    proposer = load(tmp_path, words)
    assert not proposer.ready
    digest = proposer.digest
    with pytest.raises(kind) as caught:
        ask(proposer, SECRET)
    assert SECRET not in str(caught.value)
    words.fails = None
    assert ask(proposer, "where is my parcel").proposal.tier == "quote"
    assert (proposer.ready, proposer.digest) == (True, digest)


def test_a_late_decision_is_a_timeout_and_a_call_that_hangs_is_left_behind(tmp_path: Path) -> None:
    words = Words()
    proposer = load(tmp_path, words)
    with pytest.raises(DecisionTimeoutError):
        ask(proposer, "my parcel", seconds=-1)
    hanging = threading.Event()
    words.spoil = lambda rows: hanging.wait(30) and rows
    with pytest.raises(DecisionTimeoutError):
        ask(proposer, "another parcel", seconds=0.05)
    hanging.set()


def test_examples_that_take_too_long_end_the_start_up_and_what_was_embedded_is_kept(tmp_path: Path) -> None:
    words = Words()
    hanging = threading.Event()
    words.spoil = lambda rows: rows if words.calls == 1 else hanging.wait(30) and rows
    many = [{"name": "many", "tier": "quote", "examples": [f"topic{n} word{n}" for n in range(50)]}]
    slow = {"model": "python:ignored:here", "location": "on_prem", "startup_s": 0.5}
    proposer = load(tmp_path, words, clusters=many, embeddings=slow)
    assert not proposer.ready
    hanging.set()
    ask(proposer, "topic3 word3")
    assert sorted(words.texts).count("topic0 word0") == 1


def test_a_closed_router_decides_nothing(tmp_path: Path) -> None:
    proposer = load(tmp_path)
    proposer.close()
    proposer.close()
    with pytest.raises(ProposerError, match="closed"):
        ask(proposer, "where is my parcel")


def test_only_the_head_and_the_tail_of_a_long_text_are_sent() -> None:
    words = Words()
    embedder = LangChainEmbedder(words, name="words", location="external", max_characters=30)
    embedder.embed("begin " + "x" * 1000 + " end", time.monotonic() + 60)
    (sent,) = words.texts
    assert len(sent) == 30
    assert sent.startswith("begin ")
    assert sent.endswith(" end")


# --- the file


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ({"otherwise": {"tier": "gpt5"}}, True, "Unknown tier 'gpt5'.*quote"),
        ({"tiers": {"order_delivery": "gpt5"}}, True, "Unknown tier 'gpt5'"),
        ({"tiers": {"weather": "quote"}}, True, "Unknown intent 'weather'"),
        ({"clusters": [{"name": "a", "examples": ["x"]}]}, True, "neither a tier nor an intent"),
        ({"clusters": [{"name": "a", "tier": "quote"}]}, True, "no example"),
        ({"clusters": [{"name": "a", "tier": "quote", "examples": ["  "]}]}, True, "no example"),
        ({"clusters": [{"name": "a", "tier": "gpt5", "examples": ["x"]}]}, True, "Unknown tier"),
        ({"clusters": [{"name": "a", "intent": "weather", "examples": ["x"]}]}, True, "Unknown intent"),
        ({"clusters": [{"name": "a", "tier": "quote", "reason": "whim", "examples": ["x"]}]}, True, "Unknown reason"),
        ({"clusters": [{"name": "a", "tier": "quote", "difficulty": 4, "examples": ["x"]}]}, True, "difficulty"),
        ({"clusters": [{"name": "a", "tier": "quote", "colour": 4, "examples": ["x"]}]}, True, "colour.*remove"),
        ({"clusters": [{"name": "a", "tier": "quote", "examples_file": "none.txt"}]}, True, "none.txt"),
        ({"clusters": [{"name": "a", "tier": "quote", "examples": ["x"]}] * 2}, True, "Two clusters"),
        ({"clusters": []}, True, "clusters"),
        ({"k": 0}, True, "k"),
        ({"embeddings": {"model": "ollama:nomic"}}, True, "needs a location"),
        ({"embeddings": {"model": "gguf:x.gguf", "location": "external"}}, True, "leave location out"),
        ({"embeddings": {"model": "word2vec"}}, True, "unknown embedding model"),
        ({"embeddings": {"model": "embedded", "api_key": "x"}}, True, "api_key"),
        ({"version": 2}, True, "version"),
    ],
)
def test_a_mistake_in_the_file_names_file_line_and_fix(
    tmp_path: Path, changes: dict[str, Any], line: bool, said: str
) -> None:
    with pytest.raises(ConfigError, match=f"(?s){said}") as caught:
        load(tmp_path, **changes)
    error = caught.value
    assert error.file is not None
    assert error.file.endswith("routes.yaml")
    assert (error.line is not None) == line
    assert error.fix


def test_a_file_that_is_missing_or_no_yaml_is_the_users_mistake(tmp_path: Path) -> None:
    def start(path: Path) -> None:
        settings = RouterModelConfig(model=f"embedding:{path}")
        EmbeddingProposer.load(ladder=LADDER, config=settings, sufficiency=0.5, config_digest="d")

    with pytest.raises(ConfigError, match="no file"):
        start(tmp_path / "none.yaml")
    file = tmp_path / "broken.yaml"
    for text in ("clusters: [", "- a list", "\x00"):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"broken\.yaml"):
            start(file)


def test_examples_come_from_a_file_beside_it_too(tmp_path: Path) -> None:
    (tmp_path / "parcel.txt").write_text("\n".join([*PARCEL, "", PARCEL[0], "  "]))
    words = Words()
    load(tmp_path, words, clusters=[{"name": "parcel", "tier": "quote", "examples_file": "parcel.txt"}])
    assert words.texts == PARCEL


def test_a_location_that_contradicts_the_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the file says it"):
        load(tmp_path, config={"location": "external"})


def test_any_langchain_embeddings_are_named_by_reference(tmp_path: Path) -> None:
    for name in ("Words", "NEEDS_ARGUMENTS"):
        settings = EmbeddingsConfig(model=f"python:{__name__}:{name}", location="external")
        embedder = load_embedder(settings, folder=tmp_path)
        assert embedder.location == "external"
        assert embedder.embed("x", time.monotonic() + 60).shape == (WIDTH,)
    for name, said in (("nothing", "cannot be imported"), ("SECRET", "LangChain Embeddings")):
        with pytest.raises(ConfigError, match=said):
            load_embedder(EmbeddingsConfig(model=f"python:{__name__}:{name}", location="on_prem"), folder=tmp_path)


def test_a_hosted_model_without_key_and_address_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no key"):
        load_embedder(EmbeddingsConfig(model="openai:small", location="external"), folder=tmp_path)
    keyed = EmbeddingsConfig(model="openai:small", location="external", api_key="${TG_NO_SUCH_KEY}")
    with pytest.raises(ConfigError, match="TG_NO_SUCH_KEY"):
        load_embedder(keyed, folder=tmp_path)


# --- GGUFs


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_factory.build(tmp_path_factory.mktemp("gguf") / "decoder.gguf", contract=False, context=128)


def test_a_decoder_embeds_by_the_mean_of_its_tokens(decoder: Path) -> None:
    embedder = GgufEmbedder.load(decoder)
    texts = ["where is my parcel", "", "\x00\ud800", "word " * 5000]
    vectors = embedder.embed_many(texts, math.inf)
    assert vectors.shape == (4, 64)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert embedder.embed(texts[0], math.inf) @ vectors[0] == pytest.approx(1, abs=1e-5)
    plain = llama_cpp.Llama(
        str(decoder), embedding=True, pooling_type=llama_cpp.LLAMA_POOLING_TYPE_MEAN, n_ctx=128, verbose=False
    )
    assert vectors[0] @ np.array(plain.embed(texts[0], normalize=True)) == pytest.approx(1, abs=1e-4)
    plain.close()
    assert abs(float(vectors[0] @ vectors[3])) < 0.999
    embedder.close()
    embedder.close()
    with pytest.raises(ProposerError, match="closed"):
        embedder.embed("x", math.inf)


def test_a_text_cannot_spell_a_special_token(decoder: Path) -> None:
    embedder = GgufEmbedder.load(decoder)
    assert embedder._tokens("<|im_end|></s>").max() < 1024 - 5
    embedder.close()


def test_the_packaged_model_embeds_the_same_from_any_thread_and_in_a_loop() -> None:
    embedder = GgufEmbedder.load("embedded", contexts=2)
    texts = [f"where is order {number} of my desk" for number in range(24)]
    alone = embedder.embed_many(texts, math.inf)
    with ThreadPoolExecutor(4) as pool:
        together = np.stack(list(pool.map(lambda text: embedder.embed(text, math.inf), texts)))

    async def gather() -> Any:
        return np.stack(await asyncio.gather(*(embedder.aembed(text, math.inf) for text in texts)))

    assert np.abs(alone - together).max() < 1e-5
    assert np.abs(alone - asyncio.run(gather())).max() < 1e-5
    parcel, track, code = embedder.embed_many(
        ["where is my parcel", "please track my package", "write a sorting function in python"], math.inf
    )
    assert parcel @ track > parcel @ code + 0.1
    with pytest.raises(DecisionTimeoutError):
        embedder.embed("x", time.monotonic() - 1)
    embedder.close()


def test_the_words_stand_beside_what_the_packaged_model_learned() -> None:
    both = GgufEmbedder.load("embedded")
    dense = GgufEmbedder.load("embedded", read=lambda model: replace(reading_of(model), words=False))
    one, two = "where is my parcel", "my parcel is late"
    meant = dense.embed(one, math.inf) @ dense.embed(two, math.inf)
    written = word_vector(one) @ word_vector(two)
    joined = both.embed(one, math.inf) @ both.embed(two, math.inf)
    assert joined == pytest.approx((1 - SHARE) * meant + SHARE * written, abs=1e-4)
    assert both.digest != dense.digest
    both.close()
    dense.close()


def test_a_decode_stops_at_its_deadline(tmp_path: Path) -> None:
    size: dict[str, Any] = {"layers": 12, "width": 512, "feed_forward": 2048, "context": 600}
    slow = gguf_factory.build(tmp_path / "slow.gguf", contract=False, **size)
    embedder = GgufEmbedder.load(slow, threads=1)
    with pytest.raises(DecisionTimeoutError):
        embedder.embed("word " * 2000, time.monotonic() + 0.02)
    assert embedder.embed("parcel", math.inf).shape == (512,)  # and the next one is not harmed
    embedder.close()


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(ModelError, match="no GGUF"):
        load_embedder(EmbeddingsConfig(model="gguf:text.gguf"), folder=tmp_path)
    with pytest.raises(ModelError, match="no such file"):
        load_embedder(EmbeddingsConfig(model="gguf:none.gguf"), folder=tmp_path)


def test_digests_name_file_pooling_clusters_and_settings(tmp_path: Path, decoder: Path) -> None:
    twin = gguf_factory.build(tmp_path / "twin.gguf", contract=False, context=128, seed=1)
    one, two = GgufEmbedder.load(decoder), GgufEmbedder.load(twin)
    assert one.digest != two.digest
    one.close()
    two.close()
    digests = {load(tmp_path, **changes).digest for changes in ({}, {"k": 3}, {"margin": 0.2}, {"otherwise": {}})}
    assert len(digests) == 4
    assert load(tmp_path, model="another").digest not in digests
    assert load(tmp_path).digest in digests


def _tiny_bert(folder: Path) -> Path:
    """A BERT sentence model of random weights, as sentence-transformers keeps it."""
    rng = np.random.default_rng(0)
    words = ["where", "is", "my", "parcel", "par", "##cel", "##s", "late", "?", *"abcdefgh"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    width, wide, layers = 32, 64, 2
    config = {
        "hidden_size": width,
        "intermediate_size": wide,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "vocab_size": len(tokens),
        "layer_norm_eps": 1e-12,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(tokens), width),
        "embeddings.position_embeddings.weight": (64, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    parts = {
        "attention.self.query": (width, width),
        "attention.self.key": (width, width),
        "attention.self.value": (width, width),
        "attention.output.dense": (width, width),
        "attention.output.LayerNorm": (width,),
        "intermediate.dense": (wide, width),
        "output.dense": (width, wide),
        "output.LayerNorm": (width,),
    }
    for i in range(layers):
        for part, shape in parts.items():
            shapes[f"encoder.layer.{i}.{part}.weight"] = shape
            shapes[f"encoder.layer.{i}.{part}.bias"] = shape[:1]
    header, data = {}, b""
    for name, shape in shapes.items():
        array = rng.standard_normal(shape).astype("<f4") * (0.3 if len(shape) > 1 else 0.1)
        if name.endswith("LayerNorm.weight"):
            array = array + np.float32(1)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(tokens))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder


def test_an_encoder_gives_what_the_same_network_gives_in_numpy(
    repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(repo_root / "evals"))
    import minilm_gguf

    source = _tiny_bert(tmp_path / "bert")
    embedder = GgufEmbedder.load(minilm_gguf.convert(source, tmp_path / "bert.gguf"), contexts=1)
    plain = minilm_gguf.Forward(source)
    for text in ("where is my parcel?", "Where is my PARCELS late", "a b c d e f g h " * 3):
        assert embedder.embed(text, math.inf) @ plain.embed(text) == pytest.approx(1, abs=1e-4)
    assert abs(float(plain.embed("my parcel") @ plain.embed("a late h"))) < 0.999
    embedder.close()
    sys.modules.pop("minilm_gguf")


# --- the worked example, and real HTTP


def test_the_worked_example_routes_by_example(repo_root: Path) -> None:
    config = load_config(repo_root / "graphs" / "harbor" / "router.yaml")
    settings = RouterModelConfig(model=f"embedding:{repo_root / 'graphs' / 'harbor' / 'routes.yaml'}")
    proposer = EmbeddingProposer.load(
        ladder=config.ladder, config=settings, sufficiency=config.sufficiency, config_digest=config.digest
    )
    names = config.ladder.names
    asked = {
        "my parcel has not arrived yet": ("quote", "order_delivery"),
        "how can I return these shoes": ("quote", "return_refund"),
        "the lamp does not connect to my hub any more": ("compose", "product_support"),
        "write a Python script that pages through the orders of your API": ("frontier", "coding"),
        "photosynthesis in deep sea bacteria": ("local", "other"),
    }
    got = {text: ask(proposer, text, names).proposal for text in asked}
    assert {text: (proposal.tier, proposal.intent) for text, proposal in got.items()} == asked
    proposer.close()


def test_a_configuration_names_it_and_the_packaged_model_reads_flags_beside_it(repo_root: Path) -> None:
    text = (repo_root / "graphs" / "harbor" / "router.yaml").read_text()
    routes = repo_root / "graphs" / "harbor" / "routes.yaml"
    config = parse_config(text + f"\nrouter: {{chain: [{{model: 'embedding:{routes}'}}, {{model: embedded}}]}}\n")
    chain = load_chain(config)
    assert chain.name == "embedding:routes > embedded"
    assert not chain.reads_question
    assert chain.reader.location == "on_prem"
    chain.close()


class EmbeddingServer:
    """``/v1/embeddings`` and ``/api/embed`` on 127.0.0.1, answering with word vectors or as told to."""

    def __init__(self) -> None:
        self.behaviour = "answer"
        self.asked: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append(body)
                status, text = server.answer(self.path, body)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        if self.behaviour.isdigit():
            return int(self.behaviour), json.dumps({"error": {"message": f"told to, about {body['input']}"}})
        if self.behaviour == "garbage":
            return 200, "<html>not what you asked for</html>"
        if self.behaviour == "slow":
            time.sleep(1.0)
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        rows = [word_vector(text).tolist() for text in texts]
        if self.behaviour == "fewer":
            rows = rows[1:]
        if self.behaviour == "nulls":
            rows = [[None] * WIDTH for _ in rows]
        if path.startswith("/api"):
            return 200, json.dumps({"model": "m", "embeddings": rows})
        data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return 200, json.dumps({"object": "list", "data": data, "model": "m", "usage": usage})

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    made = EmbeddingServer()
    yield made
    made.close()


@pytest.mark.loopback
@pytest.mark.parametrize("scheme", ["openai", "ollama"])
def test_a_server_embeds_and_whatever_it_does_wrong_is_a_failure(
    tmp_path: Path, server: EmbeddingServer, scheme: str
) -> None:
    url = server.url + ("/v1" if scheme == "openai" else "")
    embeddings = {"model": f"{scheme}:nomic", "location": "external", "base_url": url, "timeout_s": 0.5}
    settings = RouterModelConfig(model=f"embedding:{write(tmp_path, embeddings=embeddings)}", cache_size=0)
    proposer = EmbeddingProposer.load(ladder=LADDER, config=settings, sufficiency=0.5, config_digest="d")
    assert proposer.location == "external"
    assert ask(proposer, "where is my parcel").proposal.tier == "quote"
    assert server.asked[-1]["model"] == "nomic"
    assert server.asked[-1]["input"] in (["where is my parcel"], "where is my parcel")  # text, not token ids
    before = len(server.asked)
    for behaviour, kind in {
        "429": ProposerUnavailableError,
        "500": ProposerUnavailableError,
        "400": ProposerUnavailableError,
        "garbage": ProposerError,
        "fewer": ProposerError,
        "nulls": ProposerError,
        "slow": DecisionTimeoutError,
    }.items():
        server.behaviour = behaviour
        with pytest.raises(kind) as caught:
            ask(proposer, SECRET)
        assert type(caught.value) is not ProposerError
        assert SECRET not in str(caught.value)
    assert len(server.asked) == before + 7  # no retries of the client's own
    server.behaviour = "answer"
    found = asyncio.run(
        proposer.apropose("my parcel", narrow=lambda flags: NAMES, deadline=time.monotonic() + 60, windows=8)
    )
    assert found.proposal.tier == "quote"
    proposer.close()


@pytest.mark.loopback
def test_a_server_that_comes_up_later_is_used_then(tmp_path: Path, server: EmbeddingServer) -> None:
    server.behaviour = "503"
    embeddings = {"model": "openai:nomic", "location": "on_prem", "base_url": server.url + "/v1"}
    settings = RouterModelConfig(model=f"embedding:{write(tmp_path, embeddings=embeddings)}")
    proposer = EmbeddingProposer.load(ladder=LADDER, config=settings, sufficiency=0.5, config_digest="d")
    assert not proposer.ready
    with pytest.raises(ProposerUnavailableError, match="503"):
        ask(proposer, "where is my parcel")
    server.behaviour = "answer"
    assert ask(proposer, "where is my parcel").proposal.tier == "quote"


@pytest.mark.loopback
@pytest.mark.parametrize("wire", ["openai", "ollama"])
def test_a_server_that_points_elsewhere_is_not_followed(wire, tmp_path):
    """A redirect would be another place than the one whose location is stated."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    reached: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reached.append(self.path)
            self.send_error(500)

        def log_message(self, *_: object) -> None:
            pass

    other = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)

    class Pointing(Elsewhere):
        def do_POST(self) -> None:
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{other.server_port}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    first = ThreadingHTTPServer(("127.0.0.1", 0), Pointing)
    for server in (first, other):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        config = EmbeddingsConfig(
            model=f"{wire}:m", location="on_prem", base_url=f"http://127.0.0.1:{first.server_port}", api_key="none"
        )
        embedder = load_embedder(config, folder=tmp_path)
        with pytest.raises(ProposerError):
            embedder.embed("jane.doe@example.com", time.monotonic() + 5)
        with pytest.raises(ProposerError):
            asyncio.run(embedder.aembed("jane.doe@example.com", time.monotonic() + 5))
    finally:
        for server in (first, other):
            server.shutdown()
            server.server_close()
    assert reached == []
