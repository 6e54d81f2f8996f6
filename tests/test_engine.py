"""The engine on small models of random weights: whatever they say, what comes out is inside what policy leaves."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import gguf_factory
import llama_cpp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tiergraph.config import RouterModelConfig
from tiergraph.errors import (
    CanaryError,
    CircuitOpenError,
    ConfigError,
    DecisionTimeoutError,
    ModelError,
    ProposalInvalidError,
    ProposerError,
)
from tiergraph.proposal import INTENTS, proposal_schema
from tiergraph.proposers.base import Flags, Proposed
from tiergraph.proposers.breaker import Breaker
from tiergraph.proposers.cache import LruCache
from tiergraph.proposers.calibration import softmax
from tiergraph.proposers.llamacpp import LlamaCppProposer
from tiergraph.proposers.native import Slot, Watch
from tiergraph.proposers.windows import OVERLAP, spans
from tiergraph.tiers import Ladder, Tier

TEXTS = ["Where is order 12?", "", "Write a parser for TOML.", "Ümlaut 寿司 🙂", "compare " * 40, "x"]
FLAG_FIELDS = ("needs_retrieval", "contains_pii", "is_legal")


def ladder_of(*names: str) -> Ladder:
    return Ladder(tuple(Tier(name=n, model="quote", location="on_prem", criteria=f"for {n}") for n in names))


LADDER = ladder_of("local", "mid", "frontier")
ALL = LADDER.names


def load(path: Path | str, *, ladder: Ladder = LADDER, load: dict[str, Any] | None = None, **config: Any) -> Any:
    settings = RouterModelConfig(**{"contexts": 2, "cache_size": 0, **config})
    options = {"sufficiency": 0.5, "config_digest": "digest", **(load or {})}
    return LlamaCppProposer.load(path, ladder=ladder, config=settings, **options)


def ask(
    proposer: LlamaCppProposer, text: str, allowed: Any = ALL, *, windows: int = 8, seconds: float = 60
) -> Proposed:
    narrow = allowed if callable(allowed) else lambda flags: allowed
    return proposer.propose(text, narrow=narrow, deadline=time.monotonic() + seconds, windows=windows)


def said(proposed: Proposed) -> dict[str, Any]:
    """What must be equal between two answers, in plain numbers."""
    return {
        "proposal": proposed.proposal,
        "flags": proposed.flags,
        "numbers": pytest.approx(
            [proposed.confidence, proposed.score, *proposed.tier_probabilities.values()], abs=1e-4
        ),
        "fields": {
            name: pytest.approx(dict(values), abs=1e-4) for name, values in proposed.field_probabilities.items()
        },
    }


def numbers(proposed: Proposed) -> dict[str, Any]:
    return {
        "proposal": proposed.proposal,
        "flags": proposed.flags,
        "numbers": [proposed.confidence, proposed.score, *proposed.tier_probabilities.values()],
        "fields": {name: dict(values) for name, values in proposed.field_probabilities.items()},
    }


@pytest.fixture(scope="session")
def contract_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_factory.build(tmp_path_factory.mktemp("gguf") / "contract.gguf", scale=4.0)


@pytest.fixture(scope="session")
def other_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_factory.build(
        tmp_path_factory.mktemp("gguf") / "other.gguf", contract=False, context=2048, scale=4.0, seed=1
    )


@pytest.fixture(scope="module", params=["contract", "other"])
def proposer(request: pytest.FixtureRequest, contract_gguf: Path, other_gguf: Path) -> Iterator[LlamaCppProposer]:
    with load(contract_gguf if request.param == "contract" else other_gguf) as loaded:
        yield loaded


@pytest.fixture
def embedded(contract_gguf: Path) -> Iterator[LlamaCppProposer]:
    with load(contract_gguf) as loaded:
        yield loaded


class Script:
    """Stands in for the decode: gives the logits that it is told and keeps the token ids that it was asked with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[int]] = []
        self.say: Callable[[list[int], int], list[float]] = lambda ids, count: [0.0] * count
        script = self

        def decode(slot: Slot, ids: Any, deadline: float) -> list[float]:
            script.asked.append(ids.tolist())
            return script.say(ids.tolist(), len(slot._gather))

        monkeypatch.setattr(Slot, "decode", decode)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, proposer: LlamaCppProposer) -> Script:
    return Script(monkeypatch)


def flag_logits(proposer: LlamaCppProposer, *, pii: bool) -> list[float]:
    """Logits of a model with the contract that is sure of one flag."""
    gather = [token for _, token in proposer._head.tail.gather]
    logits = [0.0] * len(gather)
    fields = json.loads(proposer.model.metadata("tiergraph.contract") or "")["fields"]
    logits[gather.index(fields["contains_pii"]["true" if pii else "false"])] = 20.0
    logits[gather.index(fields["is_legal"]["false"])] = 20.0
    return logits


# ---------------------------------------------------------------- what comes out is allowed


@given(data=st.data())
def test_whatever_the_logits_the_tier_is_allowed_and_the_json_validates(proposer, data):
    names = proposer._names
    allowed = tuple(data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True)))
    count = len(proposer._head.tail.gather)
    numbers_ = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.floats(-5, 5)
    logits = data.draw(st.lists(numbers_, min_size=count, max_size=count))
    with pytest.MonkeyPatch.context() as patch:
        Script(patch).say = lambda ids, count: logits
        proposed = ask(proposer, "anything", allowed)
    assert proposed.proposal is not None
    assert proposed.proposal.tier in allowed
    in_order = [name for name in names if name in allowed]
    Draft202012Validator(proposal_schema(in_order)).validate(json.loads(proposed.proposal.model_dump_json()))
    assert all(p == 0.0 for name, p in proposed.tier_probabilities.items() if name not in allowed)
    for values in (proposed.tier_probabilities, *proposed.field_probabilities.values()):
        assert sum(values.values()) == pytest.approx(1)
    assert proposed.confidence == proposed.tier_probabilities[proposed.proposal.tier]
    assert 0 <= proposed.score <= 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_an_error(proposer, script, bad):
    script.say = lambda ids, count: [bad] * count
    with pytest.raises(ProposalInvalidError):
        ask(proposer, "anything")


@given(data=st.data(), bad=st.sampled_from([math.nan, math.inf]))
def test_one_logit_that_is_not_finite_is_an_error_wherever_it_is(proposer, data, bad):
    count = len(proposer._head.tail.gather)
    place = data.draw(st.integers(0, count - 1))
    with pytest.MonkeyPatch.context() as patch:
        Script(patch).say = lambda ids, count: [bad if i == place else 0.0 for i in range(count)]
        with pytest.raises(ProposalInvalidError):
            ask(proposer, "anything")
        proposer._breaker.leave(True, trying=False)


def test_an_empty_allowed_set_gives_labels_and_no_proposal(proposer):
    proposed = ask(proposer, "anything", ())
    assert proposed.proposal is None
    assert set(proposed.tier_probabilities.values()) == {0.0}
    assert set(proposed.field_probabilities) == {"difficulty", "intent", "reason", *FLAG_FIELDS}


def test_tiers_that_the_ladder_lacks_are_never_proposed(proposer):
    assert ask(proposer, "anything", ("elsewhere",)).proposal is None


def test_the_score_does_not_depend_on_the_allowed_set(proposer):
    scores = {ask(proposer, "a text", allowed).score for n in (1, 2, 3) for allowed in combinations(ALL, n)}
    assert len(scores) == 1


def test_narrow_sees_the_flags_and_the_proposal_repeats_them(proposer):
    seen: list[Flags] = []
    proposed = ask(proposer, "a text", lambda flags: seen.append(flags) or ALL)
    assert seen == [proposed.flags]
    assert proposed.proposal is not None
    assert proposed.proposal.contains_pii == proposed.flags.contains_pii
    assert proposed.proposal.is_legal == proposed.flags.is_legal


def test_an_error_of_narrow_is_the_callers_own_and_no_failure_of_the_model(embedded):
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            ask(embedded, "a text", lambda flags: 1 // 0)
    assert ask(embedded, "a text").proposal is not None


# ---------------------------------------------------------------- one decode reads what many would


def reference_logits(path: Path, ids: list[int], token_ids: list[int]) -> list[float]:
    """Logits after ``ids``, from a fresh context and a batch that llama.cpp makes itself."""
    llama = llama_cpp.Llama(str(path), n_ctx=2048, n_batch=2048, n_threads=1, verbose=False)
    try:
        llama.eval(ids)
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llama.ctx, -1), (llama.n_vocab(),))
        return [float(logits[token]) for token in token_ids]
    finally:
        llama.close()


@pytest.mark.parametrize("text", ["Where is order 12?", ""])
def test_branches_decoded_in_parallel_equal_separate_decodes(tmp_path, text):
    other_gguf = gguf_factory.build(tmp_path / "m.gguf", contract=False, context=2048)
    names = ("small one", "small two", "small", 'big "x"', "größer", "b")
    with load(other_gguf, ladder=ladder_of(*names), contexts=1) as proposer:
        head = proposer._head
        ids = proposer.model.tokenise(text)
        slot = proposer._pool.take(math.inf)
        slot.decode(proposer.model.tokenise("another request, longer than the one to come"), math.inf)
        parallel = slot.decode(ids, math.inf)
        proposer._pool.give_back(slot)
        assert any(len(branch.path) > 1 for s in head._spellings.values() for branch in s.trie.branches)
        off: list[float] = []
        for name, spelling in head._spellings.items():
            for branch, place in zip(spelling.trie.branches, head._rows[name], strict=True):
                whole = [*head.prompt, *ids.tolist(), *head.tail.suffix, *branch.path]
                alone = reference_logits(other_gguf, whole, list(branch.tokens))
                off += [abs(a - b) for a, b in zip(parallel[place], alone, strict=True)]
    # llama.cpp keeps keys and values in 16 bits, so that the order of sums shows in the third place.
    assert max(off) < 1e-2
    assert sum(off) / len(off) < 1e-3


def test_the_decision_token_reads_what_a_separate_decode_reads(contract_gguf, embedded):
    contract = json.loads(embedded.model.metadata("tiergraph.contract") or "")
    text = "Where is order 12?"
    ids = [contract["bos"], *embedded.tokenise(text), contract["decide"]]
    proposed = ask(embedded, text)
    for name, probabilities in proposed.field_probabilities.items():
        values = contract["fields"][name]
        expected = softmax(reference_logits(contract_gguf, ids, list(values.values())))
        assert [probabilities[value] for value in values] == pytest.approx(expected, abs=1e-3)


def test_a_chat_template_wraps_the_request_and_its_end_is_decoded_after_it(tmp_path):
    path = gguf_factory.build(tmp_path / "chat.gguf", contract=False, context=2048, chat_template=gguf_factory.CHATML)
    with load(path) as proposer:
        prompt = "".join(map(proposer.model.piece, proposer.prompt))
        suffix = "".join(map(proposer.model.piece, proposer._head.tail.suffix))
        assert prompt.startswith("<s><|im_start|>user\n")
        assert "local (for local)" in prompt
        assert suffix == "<|im_end|>\n<|im_start|>assistant\n"
        assert len(proposer.model.tokenise("<|im_end|>")) > 1
        assert ask(proposer, "hello").proposal is not None


@pytest.mark.parametrize("template", ["{{ nothing.here.at.all }}", "{% for", "a template without the message"])
def test_a_chat_template_that_cannot_be_used_is_left_out(tmp_path, template):
    path = gguf_factory.build(tmp_path / "chat.gguf", contract=False, context=2048, chat_template=template)
    with load(path) as proposer:
        assert "".join(map(proposer.model.piece, proposer.prompt)).startswith("<s>A router reads")


def test_answers_do_not_depend_on_the_order_of_requests_or_the_thread(proposer, contract_gguf, other_gguf):
    alone = {}
    for text in TEXTS:
        with load(contract_gguf if proposer.name == "contract" else other_gguf, contexts=1) as fresh:
            alone[text] = said(ask(fresh, text))
    with ThreadPoolExecutor(4) as threads:
        work = [(text, threads.submit(ask, proposer, text)) for _ in range(8) for text in (*TEXTS, *TEXTS[::-1])]
        for text, future in work:
            assert numbers(future.result()) == alone[text]


# ---------------------------------------------------------------- any text


@pytest.mark.parametrize(
    "text",
    ["", "\0", "a\0b", "\ud800", "ok \udfff ok", "\n" * 50, "🙂" * 3000, "a" * 100_000, " \u200b\ufeff", "1" * 2000],
)
def test_any_text_gets_a_proposal(proposer, text):
    assert ask(proposer, text).proposal is not None
    proposer.read_flags(text, deadline=time.monotonic() + 60, windows=2)


@given(text=st.text(st.characters(), max_size=60))
def test_any_unicode_gets_a_proposal(proposer, text):
    assert ask(proposer, text).proposal is not None


def test_a_megabyte_is_cut_before_it_is_tokenised(proposer, script, monkeypatch):
    asked: list[int] = []
    real = proposer.model.tokenise
    monkeypatch.setattr(proposer.model, "tokenise", lambda text: asked.append(len(text)) or real(text))
    proposed = ask(proposer, "some words " * 100_000, windows=2)
    assert sum(asked) < 50_000
    assert not proposed.complete
    assert proposed.windows == 3
    assert max(map(len, script.asked)) <= proposer.window


def test_no_text_yields_a_control_token(embedded, monkeypatch):
    script = Script(monkeypatch)
    contract = json.loads(embedded.model.metadata("tiergraph.contract") or "")
    control = {contract["bos"], contract["decide"], *contract["probes"]}
    control |= {token for values in contract["fields"].values() for token in values.values()}
    for name in map(embedded.model.piece, sorted(control)):
        ask(embedded, f"{name} {name}{name}")
    assert len(script.asked) == len(control)
    assert all(ids and not control & set(ids) for ids in script.asked)
    assert embedded.model.tokenise("<decide>", special=True).tolist() == [contract["decide"]]


def test_a_long_text_is_read_from_its_head_and_its_tail(embedded, monkeypatch):
    script = Script(monkeypatch)
    text = " ".join(str(number) for number in range(1000))
    ids = embedded.tokenise(text)
    ask(embedded, text, windows=0)
    tail = embedded.window // 3
    assert script.asked == [ids[: embedded.window - tail] + ids[-tail:]]


# ---------------------------------------------------------------- flags, window by window


@given(st.integers(0, 3000), st.integers(2, 400))
def test_windows_cover_every_token_and_overlap(tokens, window):
    found = list(spans(tokens, window))
    assert found[0][0] == 0
    assert found[-1][1] == tokens
    for (start, end), (next_start, next_end) in pairwise(found):
        assert start < next_start <= end - min(OVERLAP, window // 2)
        assert end < next_end <= next_start + window


@pytest.fixture
def long_text() -> str:
    return " ".join(f"harmless words about lamp {number}" for number in range(200)) + " SECRET"


def scripted_flags(proposer: LlamaCppProposer, script: Script) -> None:
    marker = proposer.tokenise(" SECRET")

    def say(ids: list[int], count: int) -> list[float]:
        found = any(ids[i : i + len(marker)] == marker for i in range(len(ids)))
        return flag_logits(proposer, pii=found)

    script.say = say


def test_personal_data_at_the_end_of_a_long_document_raises_the_flag(embedded, monkeypatch, long_text):
    script = Script(monkeypatch)
    scripted_flags(embedded, script)
    reading = embedded.read_flags(long_text, deadline=time.monotonic() + 60, windows=32)
    assert reading.flags == Flags(contains_pii=True)
    assert reading.complete
    assert reading.windows == len(script.asked) > 3
    covered = embedded.tokenise(long_text)
    step = embedded.window - 32
    assert script.asked == [covered[i : i + embedded.window] for i in range(0, len(covered) - 32, step)]


def test_beyond_the_budget_a_document_is_not_complete(embedded, monkeypatch, long_text):
    scripted_flags(embedded, Script(monkeypatch))
    reading = embedded.read_flags(long_text, deadline=time.monotonic() + 60, windows=2)
    assert reading.flags == Flags()
    assert (reading.windows, reading.complete) == (2, False)


def test_windows_of_a_document_are_read_once(embedded, monkeypatch, long_text):
    script = Script(monkeypatch)
    scripted_flags(embedded, script)
    first = embedded.read_flags(long_text, deadline=time.monotonic() + 60, windows=2)
    second = embedded.read_flags(long_text, deadline=time.monotonic() + 60, windows=32)
    assert first.windows == 2
    assert len(script.asked) == first.windows + second.windows
    assert len({tuple(ids) for ids in script.asked}) == len(script.asked)
    assert second.flags == Flags(contains_pii=True)
    third = embedded.read_flags(long_text, deadline=time.monotonic() + 60, windows=32)
    assert (third.flags, third.windows, third.complete) == (second.flags, 0, True)


def test_flags_in_the_middle_of_a_long_question_reach_policy_and_proposal(embedded, monkeypatch):
    script = Script(monkeypatch)
    scripted_flags(embedded, script)
    text = "harmless words " * 300 + "SECRET" + " harmless words" * 300
    proposed = ask(embedded, text, lambda flags: ("local",) if flags.contains_pii else ALL, windows=32)
    assert proposed.flags == Flags(contains_pii=True)
    assert proposed.proposal is not None
    assert (proposed.proposal.tier, proposed.proposal.contains_pii) == ("local", True)
    assert proposed.field_probabilities["contains_pii"]["true"] > 0.9
    assert (proposed.complete, proposed.windows) == (True, len(script.asked))
    assert not ask(embedded, text, windows=1).complete
    assert not ask(embedded, text, windows=0).complete


def test_where_time_runs_out_the_rest_counts_as_unread(embedded, monkeypatch, long_text):
    script = Script(monkeypatch)
    deadline = time.monotonic() + 30

    def say(ids: list[int], count: int) -> list[float]:
        if len(script.asked) == 2:
            monkeypatch.setattr("tiergraph.proposers.llamacpp.time.monotonic", lambda: deadline - 1e-9)
        return [0.0] * count

    script.say = say
    reading = embedded.read_flags(long_text, deadline=deadline, windows=32)
    assert (reading.windows, reading.complete) == (2, False)


# ---------------------------------------------------------------- deadlines


def test_a_deadline_that_has_passed_is_late(proposer):
    with pytest.raises(DecisionTimeoutError):
        ask(proposer, "a text", seconds=-1)
    with pytest.raises(DecisionTimeoutError):
        proposer.read_flags("a text that nobody has read", deadline=time.monotonic() - 1, windows=1)


def test_a_call_that_was_late_before_it_began_is_no_failure_of_the_model(embedded, monkeypatch):
    script = Script(monkeypatch)
    for _ in range(20):
        with pytest.raises(DecisionTimeoutError):
            ask(embedded, "a text", seconds=-1)
    assert script.asked == []
    assert ask(embedded, "a text").proposal is not None


def test_a_result_that_comes_late_is_late(proposer):
    deadline = time.monotonic() + 1

    def slow(flags: Flags) -> tuple[str, ...]:
        while time.monotonic() <= deadline:
            time.sleep(0.05)
        return ALL

    with pytest.raises(DecisionTimeoutError, match=r"later than|stopped"):
        proposer.propose("a text", narrow=slow, deadline=deadline, windows=1)


def test_llama_cpp_stops_a_decode_at_its_deadline_and_the_context_stays_good(proposer, monkeypatch):
    before = said(ask(proposer, "a text"))

    def at_once(watch: Watch, key: int, deadline: float, flag: Any) -> None:
        flag[0] = b"1"

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "arm", at_once)
        with pytest.raises(DecisionTimeoutError, match="stopped"):
            ask(proposer, "another text")
    assert numbers(ask(proposer, "a text")) == before


def test_the_watch_marks_what_is_late_and_nothing_else():
    watch = Watch()
    late, early, gone = ([b"\0"] for _ in range(3))
    watch.arm(1, math.inf, early)
    time.sleep(0.2)  # asleep without a deadline now, so that the next one must wake it
    watch.arm(2, time.monotonic() - 1, gone)
    watch.disarm(2)
    gone[0] = b"\0"
    watch.arm(3, time.monotonic() + 0.01, late)
    give_up = time.monotonic() + 30
    while late[0] == b"\0" and time.monotonic() < give_up:
        time.sleep(0.01)
    watch.close()
    assert (late, early, gone) == ([b"1"], [b"\0"], [b"\0"])


def test_who_waits_for_a_context_waits_until_the_deadline_only(proposer):
    taken = [proposer._pool.take(math.inf) for _ in range(2)]
    with pytest.raises(DecisionTimeoutError, match="became free"):
        ask(proposer, "a text", seconds=0.05)
    for slot in taken:
        proposer._pool.give_back(slot)
    assert ask(proposer, "a text").proposal is not None


# ---------------------------------------------------------------- failures in a row


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def fail(ids: list[int], count: int) -> list[float]:
    raise ProposerError("scripted")


def test_failures_in_a_row_open_the_circuit_and_one_try_closes_it(contract_gguf, monkeypatch):
    clock = Clock()
    with load(contract_gguf, load={"now": clock}, breaker_failures=3, breaker_reset_s=10) as proposer:
        script = Script(monkeypatch)
        script.say = fail
        for _ in range(3):
            with pytest.raises(ProposerError, match="scripted"):
                ask(proposer, "a text")
        for _ in range(5):
            with pytest.raises(CircuitOpenError):
                ask(proposer, "a text")
            with pytest.raises(CircuitOpenError):
                proposer.read_flags("a text", deadline=math.inf, windows=1)
        assert len(script.asked) == 3
        clock.seconds = 10
        with pytest.raises(ProposerError, match="scripted"):
            ask(proposer, "a text")
        with pytest.raises(CircuitOpenError):
            ask(proposer, "a text")
        clock.seconds = 20
        script.say = lambda ids, count: [0.0] * count
        assert ask(proposer, "a text").proposal is not None
        assert ask(proposer, "a text").proposal is not None
        assert len(script.asked) == 6


def test_whatever_fails_in_the_model_is_a_proposer_error_without_the_text(embedded, monkeypatch):
    def crash(ids: list[int], count: int) -> list[float]:
        raise MemoryError("a secret text")

    Script(monkeypatch).say = crash
    with pytest.raises(ProposerError, match=r"^The router model failed with MemoryError\.$"):
        ask(embedded, "a secret text")
    with pytest.raises(ProposerError, match="MemoryError"):
        embedded.read_flags("a secret text", deadline=math.inf, windows=1)


def test_failures_that_are_not_in_a_row_do_not_open_it(contract_gguf, monkeypatch):
    with load(contract_gguf, breaker_failures=2) as proposer:
        script = Script(monkeypatch)
        for _ in range(5):
            script.say = fail
            with pytest.raises(ProposerError, match="scripted"):
                ask(proposer, "a text")
            script.say = lambda ids, count: [0.0] * count
            assert ask(proposer, "a text").proposal is not None


def test_a_half_open_circuit_lets_one_try_through():
    clock = Clock()
    breaker = Breaker(1, 10, now=clock)
    breaker.leave(False, trying=breaker.enter())
    clock.seconds = 10
    trying = breaker.enter()
    assert trying
    with pytest.raises(CircuitOpenError):
        breaker.enter()
    breaker.leave(None, trying=trying)  # says nothing of the model: the next one is the try
    assert breaker.enter()


# ---------------------------------------------------------------- caches


def test_a_hit_is_the_same_reading_under_the_policy_of_now(contract_gguf, monkeypatch):
    with load(contract_gguf, cache_size=4) as proposer:
        script = Script(monkeypatch)
        first = ask(proposer, "a text")
        assert (first.cached, len(script.asked)) == (False, 1)
        again = ask(proposer, "a text")
        assert (again.cached, len(script.asked)) == (True, 1)
        assert numbers(again) == numbers(first)
        for allowed in ALL:
            hit = ask(proposer, "a text", (allowed,))
            assert hit.cached
            assert hit.proposal is not None
            assert hit.proposal.tier == allowed
            assert hit.score == first.score
        assert ask(proposer, "a text", ()).proposal is None
        assert len(script.asked) == 1
        assert not ask(proposer, "a text ").cached
        assert not ask(proposer, "a text", windows=1).cached


def test_a_cache_of_size_zero_is_off(embedded, monkeypatch):
    script = Script(monkeypatch)
    assert not any(ask(embedded, "a text").cached for _ in range(3))
    assert len(script.asked) == 3


def test_failures_are_never_cached(contract_gguf, monkeypatch):
    with load(contract_gguf, cache_size=4) as proposer:
        script = Script(monkeypatch)
        script.say = fail
        with pytest.raises(ProposerError):
            ask(proposer, "a text")
        script.say = lambda ids, count: [0.0] * count
        assert not ask(proposer, "a text").cached


def test_a_cache_forgets_what_was_used_longest_ago():
    cache: LruCache[int, int] = LruCache(2)
    cache.put(1, 1)
    cache.put(2, 2)
    assert cache.get(1) == 1
    cache.put(3, 3)
    assert [cache.get(key) for key in (1, 2, 3)] == [1, None, 3]


# ---------------------------------------------------------------- async


async def test_a_decision_does_not_block_the_loop(contract_gguf, monkeypatch):
    ticks, enough = 0, threading.Event()
    with load(contract_gguf) as proposer:
        script = Script(monkeypatch)

        def wait(ids: list[int], count: int) -> list[float]:
            assert enough.wait(30), "the loop stood still while the model decoded"
            return [0.0] * count

        script.say = wait

        async def tick() -> None:
            nonlocal ticks
            while ticks < 200:
                ticks += 1
                await asyncio.sleep(0)
            enough.set()

        decision = proposer.apropose("a text", narrow=lambda flags: ALL, deadline=time.monotonic() + 60, windows=1)
        proposed, _ = await asyncio.gather(decision, tick())
    assert proposed.proposal is not None
    assert ticks == 200


async def test_a_cancelled_await_gives_its_context_back(contract_gguf, monkeypatch):
    with load(contract_gguf, contexts=1) as proposer:
        go, began = threading.Event(), threading.Event()
        with monkeypatch.context() as patch:

            def wait(ids: list[int], count: int) -> list[float]:
                began.set()
                go.wait(30)
                return [0.0] * count

            Script(patch).say = wait
            call = proposer.apropose("a", narrow=lambda flags: ALL, deadline=time.monotonic() + 60, windows=1)
            task = asyncio.ensure_future(call)
            await asyncio.to_thread(began.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go.set()
            assert ask(proposer, "b").proposal is not None
        proposed = await proposer.apropose("b", narrow=lambda flags: ALL, deadline=time.monotonic() + 60, windows=1)
        assert proposed.proposal is not None


# ---------------------------------------------------------------- the canary


def open_wide(scores: Any, allowed: Any) -> tuple[float, ...]:
    return tuple(scores.probabilities)


def leak(scores: Any, allowed: Any) -> tuple[float, ...]:
    return tuple(0.98 if open_ else 0.01 for open_ in allowed) if sum(allowed) == 1 else (0.5, 0.25, 0.25)


@pytest.mark.parametrize("mask", [open_wide, leak])
@pytest.mark.parametrize("gguf", ["contract_gguf", "other_gguf"])
def test_the_canary_refuses_a_mask_that_does_not_hold(gguf, mask, request):
    with pytest.raises(CanaryError, match="refused at start-up"):
        load(request.getfixturevalue(gguf), load={"mask": mask})


def test_the_canary_refuses_a_model_whose_logits_are_no_numbers(contract_gguf, monkeypatch):
    Script(monkeypatch).say = lambda ids, count: [math.nan] * count
    with pytest.raises(CanaryError, match="not finite"):
        load(contract_gguf)


def test_a_mask_that_breaks_later_is_an_invalid_proposal(embedded):
    embedded._mask = lambda scores, allowed: (1.0, 0.0, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tiergraph.proposers.llamacpp.choose", lambda *_: 0)
        with pytest.raises(ProposalInvalidError):
            ask(embedded, "a text", ("frontier",))


# ---------------------------------------------------------------- files that are no router model


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_files_that_are_no_model_are_named(tmp_path, contract_gguf):
    for path, problem in [
        (tmp_path / "absent.gguf", "no such file"),
        (write(tmp_path / "text.gguf", b"hello, I am no model at all"), "no GGUF"),
        (write(tmp_path / "empty.gguf", b""), "no GGUF"),
        (write(tmp_path / "short.gguf", contract_gguf.read_bytes()[:20]), "cut off"),
        (tmp_path, "cannot be read"),
        (gguf_factory.build(tmp_path / "arch.gguf", arch="nonsense"), "unknown model architecture"),
        (gguf_factory.build(tmp_path / "vocabulary.gguf", with_weights=False), "no weights"),
    ]:
        with pytest.raises(ModelError, match=problem) as caught:
            load(path)
        assert path.name in str(caught.value)
        assert "Fix: " in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_truncated_file_is_an_error_and_no_crash(tmp_path, contract_gguf):
    code = """
import sys
from pathlib import Path
from tiergraph.errors import ModelError
from tiergraph.proposers.native import NativeModel
whole, cut = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
for i in range(40):
    cut.write_bytes(whole[: 4 + len(whole) * i // 40])
    try:
        NativeModel(cut)
        print("loaded", i)
    except ModelError as error:
        assert cut.name in str(error) and "\\n" not in str(error), error
print("survived")
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(contract_gguf), str(tmp_path / "cut.gguf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr, run.returncode) == ("survived\n", "", 0)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"version": 2}, "version 2"),
        ({"decide": 960}, "both|outside|control"),
        ({"decide": 10_000_000}, "outside the vocabulary"),
        ({"decide": 5}, "a text can spell"),
        ({"fields": {}}, "lacks the fields"),
        ({"max_request_tokens": 0}, "max_request_tokens"),
        ({"bos": "x"}, "cannot be read"),
    ],
)
def test_a_contract_that_does_not_hold_is_refused(tmp_path, changes, problem):
    path = gguf_factory.build(tmp_path / "bad.gguf", contract_changes=changes)
    with pytest.raises(ModelError, match=problem):
        load(path)


def test_value_tokens_that_overlap_are_named(tmp_path, embedded):
    contract = json.loads(embedded.model.metadata("tiergraph.contract") or "")
    contract["fields"]["is_legal"]["true"] = contract["fields"]["contains_pii"]["true"]
    path = gguf_factory.build(tmp_path / "bad.gguf", contract_changes=contract)
    with pytest.raises(ModelError, match="both contains_pii:true and is_legal:true"):
        load(path)


def test_intents_may_be_fewer_and_never_others(contract_gguf):
    with load(contract_gguf, intents=INTENTS[:2], reasons=("lookup", "code")) as proposer:
        proposed = ask(proposer, "a text")
        assert set(proposed.field_probabilities["intent"]) == set(INTENTS[:2])
        assert sum(proposed.field_probabilities["intent"].values()) == pytest.approx(1)
    with pytest.raises(ConfigError, match=r"'gardening'.*Fix: use a subset"):
        load(contract_gguf, intents=("coding", "gardening"))


def test_another_gguf_takes_any_intents_and_any_ladder(other_gguf):
    with load(other_gguf, ladder=ladder_of("a", "ab", "abc", 'x"y', "ü", "a b"), intents=("gardening", "garden")) as p:
        for name in p._names:
            proposed = ask(p, "a text", (name,))
            assert proposed.proposal is not None
            assert proposed.proposal.tier == name
            assert proposed.proposal.intent in ("gardening", "garden")


def test_criteria_that_leave_no_room_for_a_request_are_refused(other_gguf):
    tiers = tuple(t.model_copy(update={"criteria": "words " * 700}) for t in LADDER)
    with pytest.raises(ModelError, match="shorten the tiers' criteria"):
        load(other_gguf, ladder=Ladder(tiers))


# ---------------------------------------------------------------- manifest, lifetime


def test_the_manifest_calibrates(tmp_path, contract_gguf):
    path = write(tmp_path / "m.gguf", contract_gguf.read_bytes())
    plain, hot = (
        [],
        {"intent": {"temperature": 5.0}, "contains_pii": {"threshold": 0.0}, "is_legal": {"threshold": 1.0}},
    )
    with load(path) as proposer:
        plain = ask(proposer, "a text").field_probabilities["intent"]
    gguf_factory.manifest(path, hot)
    with load(path) as proposer:
        proposed = ask(proposer, "a text")
    flatter = softmax([math.log(p) for p in plain.values()], 5.0)
    assert list(proposed.field_probabilities["intent"].values()) == pytest.approx(flatter)
    assert proposed.flags == Flags(contains_pii=True, is_legal=False)


def test_a_manifest_of_another_file_is_refused(tmp_path, contract_gguf):
    path = write(tmp_path / "m.gguf", contract_gguf.read_bytes())
    gguf_factory.manifest(path)
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="sha256 begins"):
        load(path)


def test_the_packaged_model_loads_and_says_what_it_is():
    with load("embedded") as proposer:
        assert (proposer.name, proposer.location, len(proposer.digest)) == ("embedded", "on_prem", 64)
        assert ask(proposer, "How do I return a lamp?").proposal is not None


def test_closing_twice_is_harmless_and_asking_afterwards_is_an_error(contract_gguf):
    proposer = load(contract_gguf)
    busy = proposer._pool.take(math.inf)
    proposer.close()
    proposer.close()
    proposer._pool.give_back(busy)
    with pytest.raises(ProposerError, match="closed"):
        ask(proposer, "a text")
    with pytest.raises(ProposerError, match="closed"):
        asyncio.run(proposer.apropose("a", narrow=lambda flags: ALL, deadline=math.inf, windows=1))


def test_nothing_is_printed_and_the_process_ends_well_without_close(contract_gguf):
    code = f"""
import asyncio, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_engine import *
proposer = load(sys.argv[1])
asyncio.run(proposer.apropose("a", narrow=lambda flags: ALL, deadline=time.monotonic() + 60, windows=1))
"""
    run = subprocess.run([sys.executable, "-c", code, str(contract_gguf)], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("", "", 0)


def test_contexts_share_the_cores_and_a_small_model_gets_one_thread(embedded, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(12), raising=False)
    assert embedded.model.threads(1) == 1
    monkeypatch.setattr(embedded.model, "parameters", 500_000_000)
    assert [embedded.model.threads(contexts) for contexts in (1, 2, 5, 64)] == [8, 6, 2, 1]


def test_a_proposer_is_not_pickled(embedded):
    import pickle

    with pytest.raises(TypeError, match="load it in the process"):
        pickle.dumps(embedded)


def test_the_bench_reports_every_figure(contract_gguf, monkeypatch):
    from tiergraph import engine_bench

    report = engine_bench.bench_engine(str(contract_gguf), repeats=10, request_tokens=(8, 16))
    json.dumps(report)
    assert set(report["request_tokens"]) == {"8", "16"}
    for entry in report["request_tokens"].values():
        assert entry["decision_us"]["n"] == entry["floor_us"]["n"] == 10
    assert report["decision_over_floor_worst"] == max(
        entry["decision_over_floor"] for entry in report["request_tokens"].values()
    )
    assert report["grammar"]["grammar_over_decision"] > 0
    assert report["grammar"]["valid_json"] == 5


def test_proposed_is_made_of_plain_values(proposer):
    proposed = ask(proposer, "a text")
    plain = {name: dict(values) for name, values in proposed.field_probabilities.items()}
    json.dumps([plain, dict(proposed.tier_probabilities), proposed.confidence, proposed.score])
    assert asdict(proposed)["flags"]
