"""Any instruct GGUF as the router: its chat template, an adapter, what it takes in memory, and how loading is told."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf_factory
import llama_cpp
import pytest
from rich.console import Console
from test_engine import ask, ladder_of, load
from typer.testing import CliRunner

from tiergraph.cli import app
from tiergraph.commands import console
from tiergraph.config import RouterConfig
from tiergraph.decider import create_decider
from tiergraph.errors import ConfigError, ModelError
from tiergraph.prompting import PROMPTS, load_prompt
from tiergraph.proposers import memory
from tiergraph.proposers.adapter import Adapter
from tiergraph.proposers.linking import load_chain
from tiergraph.proposers.native import NativeModel, Slot
from tiergraph.tiers import Ladder, Tier

LADDER = ladder_of("small", "mid", "large")
TEXT = "Where is order 12?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    return gguf_factory.build(folder / "plain.gguf", contract=False, context=2048, scale=4.0)


@pytest.fixture(scope="module")
def lora(folder: Path) -> Path:
    return gguf_factory.build_lora(folder / "lora.gguf")


def logits(path: Path, **config: Any) -> list[float]:
    """What a model says to one text on its one context."""
    with load(path, ladder=LADDER, contexts=1, **config) as proposer:
        slot = proposer._pool.take(math.inf)
        read = slot.decode(proposer.model.tokenise(TEXT), math.inf)
        proposer._pool.give_back(slot)
    assert len(read) > 10
    return read


def digest(path: Path, **config: Any) -> str:
    with load(path, ladder=LADDER, contexts=1, **config) as proposer:
        return proposer.digest


# ---------------------------------------------------------------- the model that routes


def test_the_hand_made_model_sends_triggers_to_the_dear_tier_and_all_else_to_the_cheap_one(folder):
    path = gguf_factory.build_routing(folder / "routing.gguf")
    with load(path, ladder=LADDER) as proposer:
        assert not any(
            trigger in "".join(map(proposer.model.piece, proposer.prompt)) for trigger in gguf_factory.TRIGGERS
        )
        for trigger in gguf_factory.TRIGGERS:
            for text in (trigger, f"Explain the {trigger} to me.", "words " * 200 + trigger):
                proposed = ask(proposer, text, LADDER.names)
                assert (proposed.proposal.tier, proposed.score > 0.99) == ("large", True)
        for text in ("", "hello", TEXT, "words " * 200):
            proposed = ask(proposer, text, LADDER.names)
            assert (proposed.proposal.tier, proposed.score < 0.01) == ("small", True)
            assert (proposed.flags.contains_pii, proposed.flags.is_legal) == (False, False)


# ---------------------------------------------------------------- adapter


def test_an_adapter_changes_what_is_read_on_every_context_and_a_scale_of_zero_does_not(plain, lora):
    without, one = logits(plain), logits(plain, adapter=str(lora))
    assert logits(plain, adapter=str(lora), adapter_scale=0.0) == without
    assert max(abs(a - b) for a, b in zip(one, without, strict=True)) > 0.5
    with load(plain, ladder=LADDER, contexts=3, adapter=str(lora)) as proposer:
        slots = [proposer._pool.take(math.inf) for _ in range(3)]
        read = [slot.decode(proposer.model.tokenise(TEXT), math.inf) for slot in slots]
        for slot in slots:
            proposer._pool.give_back(slot)
    assert all(values == pytest.approx(one, abs=1e-2) for values in read)


def test_the_prompt_is_decoded_with_the_adapter_too(plain, lora, monkeypatch):
    """An adapter that came only after the prompt would leave the prompt's keys and values without it."""
    whole = logits(plain, adapter=str(lora))
    real = Slot._decode_prompt

    def adapt(model: NativeModel, path: Path, scale: float) -> None:
        model.adapter = Adapter(model.handle, path, scale)
        applied.append(model.adapter)

    def late(slot: Slot, prompt: Any, size: int) -> None:
        llama_cpp.llama_set_adapters_lora(slot._context, None, 0, None)
        real(slot, prompt, size)
        applied[0].apply(slot._context)

    applied: list[Adapter] = []
    monkeypatch.setattr(Slot, "_decode_prompt", late)
    monkeypatch.setattr(NativeModel, "adapt", adapt)
    assert max(abs(a - b) for a, b in zip(logits(plain, adapter=str(lora)), whole, strict=True)) > 0.01


def test_the_digest_covers_the_adapter_and_its_scale(plain, lora, folder):
    other = gguf_factory.build_lora(folder / "other.gguf", seed=8)
    found = [
        digest(plain),
        digest(plain, adapter=str(lora)),
        digest(plain, adapter=str(other)),
        digest(plain, adapter=str(lora), adapter_scale=0.5),
    ]
    assert len(set(found)) == 4
    assert digest(plain, adapter=str(lora)) == found[1]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: gguf_factory.build_lora(folder / "shape.gguf", width=32), "incorrect shape"),
        (lambda folder: gguf_factory.build_lora(folder / "layers.gguf", layers=4), "does not exist in base model"),
        (lambda folder: gguf_factory.build_lora(folder / "arch.gguf", arch="qwen2"), "mismatch"),
        (lambda folder: folder / "absent.gguf", "no such adapter"),
        (lambda folder: folder / "plain.gguf", "general.type"),
        (lambda folder: Path(__file__), "convert_lora_to_gguf"),
        (lambda folder: folder, "cannot be read"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_with_the_fix(plain, folder, make, problem):
    path = make(folder)
    with pytest.raises(ModelError, match=problem) as caught:
        load(plain, ladder=LADDER, adapter=str(path))
    assert path.name in str(caught.value)
    assert "Fix: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_a_scale_that_is_no_number_is_refused(plain, lora, scale):
    with pytest.raises(ConfigError, match=r"adapter_scale.*Fix: "):
        load(plain, ladder=LADDER, adapter=str(lora), adapter_scale=scale)


def test_the_path_of_an_adapter_may_name_an_environment_variable(plain, lora, monkeypatch):
    monkeypatch.setenv("TIERGRAPH_TEST_LORA", str(lora))
    assert digest(plain, adapter="${TIERGRAPH_TEST_LORA}") == digest(plain, adapter=str(lora))


def test_adapter_contexts_and_model_are_freed_in_an_order_that_does_not_crash(plain, lora):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_engine import *
for _ in range(3):
    proposer = load(sys.argv[1], adapter=sys.argv[2])
    busy = proposer._pool.take(math.inf)
    proposer.close()
    proposer.close()
    proposer._pool.give_back(busy)
    assert proposer.model.adapter._handle is None and proposer.model.handle is None
load(sys.argv[1], adapter=sys.argv[2])
print("survived")
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(plain), str(lora)], capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == ("survived\n", "", 0)


# ---------------------------------------------------------------- chat templates


SYSTEM_FIRST = (
    "{% if messages[0]['role'] != 'system' %}{{ raise_exception('system first') }}{% endif %}"
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[assistant]"
)
WITH_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}[system]Be kind.{% endif %}"
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[assistant]"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "[user]{{ messages[0]['content'] }}[assistant]"
)
TRIMS = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | trim }}[end]{% endfor %}[assistant]"
TWICE = "{{ messages[0]['content'] }}{{ messages[0]['content'] }}"
WITH_BOS = "{{ bos_token }}[user]{{ messages[0]['content'] }}[assistant]"


@pytest.mark.parametrize(
    ("template", "before", "after"),
    [
        (SYSTEM_FIRST, "<s>[system]You are a router.[user]A router reads", "[assistant]"),
        (WITH_SYSTEM, "<s>[system]Be kind.[user]A router reads", "[assistant]"),
        (NO_SYSTEM, "<s>[user]A router reads", "[assistant]"),
        (TRIMS, "<s>[user]A router reads", "[end][assistant]"),
        (WITH_BOS, "<s>[user]A router reads", "[assistant]"),
        (TWICE, "<s>A router reads", "\n"),
        ("{{ raise_exception('never') }}", "<s>A router reads", "\n"),
        (None, "<s>A router reads", "\n"),
    ],
)
def test_the_models_own_template_wraps_the_request_whatever_it_is_like(tmp_path, template, before, after):
    path = gguf_factory.build_routing(tmp_path / "chat.gguf", chat_template=template)
    with load(path, ladder=LADDER, contexts=1) as proposer:
        prompt = "".join(map(proposer.model.piece, proposer.prompt))
        assert prompt.startswith(before)
        assert prompt.count("<s>") == 1
        assert "".join(map(proposer.model.piece, proposer._head.tail.suffix)) == after
        for text, tier in ((TEXT, "small"), (" a topology \n", "large")):
            assert ask(proposer, text, LADDER.names).proposal.tier == tier


def test_the_prompt_says_when_a_tier_is_right_and_that_the_cheapest_comes_first(plain):
    tiers = (
        Tier(name="large", model="quote", location="on_prem", criteria="one fact"),
        Tier(name="small", model="quote", location="on_prem", criteria="several steps"),
        Tier(name="bare", model="quote", location="on_prem"),
    )
    with load(plain, ladder=Ladder(tiers), contexts=1) as proposer:
        prompt = "".join(map(proposer.model.piece, proposer.prompt))
    assert "large (one fact), small (several steps), bare\n" in prompt
    assert "cheapest first" in prompt


def test_the_first_version_of_the_prompt_stays_as_it_was_released():
    assert load_prompt("router", "v1").sha256 == "523f8e63c626f22c4f6afdd418288efef713d83853957ba4ee3149ab08f7da58"
    assert PROMPTS["router"] != "v1"


# ---------------------------------------------------------------- GPU


@pytest.mark.parametrize("layers", [0, 5, -1])
def test_gpu_layers_reach_llama_cpp(plain, monkeypatch, layers):
    asked: list[int] = []
    real = llama_cpp.llama_model_load_from_file

    def note(path: bytes, params: Any) -> Any:
        asked.append(params.n_gpu_layers)
        return real(path, params)

    monkeypatch.setattr(llama_cpp, "llama_model_load_from_file", note)
    assert logits(plain, gpu_layers=layers)
    assert asked == [layers]


# ---------------------------------------------------------------- memory


def test_memory_is_what_llama_cpp_allocates(plain):
    with load(plain, ladder=LADDER, contexts=3) as proposer:
        found = proposer.memory
        slot = proposer._pool.take(math.inf)
        cells = llama_cpp.llama_n_ctx(slot._context)
        proposer._pool.give_back(slot)
        weights = llama_cpp.llama_model_size(proposer.model.handle)
    layers, width, sixteen_bits = 2, 64, 2
    assert found.weights == weights > 700_000
    assert found.kv_cache == pytest.approx(2 * layers * width * cells * sixteen_bits, abs=1 << 14)
    assert found.compute is not None
    assert found.compute > 1 << 20
    assert found.total == found.weights + 3 * (found.kv_cache + found.compute)
    assert found.as_json()["total"] == found.total


def test_memory_in_words():
    of = memory.Memory
    assert str(of(weights=8_000_000, contexts=2, kv_cache=10_000_000, compute=3_000_000)) == (
        "34 MB: weights 8.0, 2 contexts 26"
    )
    assert (
        str(of(weights=8_000_000, contexts=1, kv_cache=None, compute=None)) == "8.0 MB: weights 8.0, 1 context unknown"
    )


def test_a_file_larger_than_the_memory_is_refused_before_it_is_loaded(plain, tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:        100 kB\n")
    with pytest.raises(ModelError, match=r"plain\.gguf: it has 0\.9 MB, and 0\.1 MB .* Fix: use a smaller GGUF"):
        load(plain, ladder=LADDER)
    assert logits(plain, gpu_layers=-1)  # nothing is known of a GPU's memory
    for text in ("MemAvailable: 99999999 kB\n", "MemTotal: 1 kB\n", "MemAvailable:\n", "MemAvailable: many kB\n"):
        meminfo.write_text(text)
        assert logits(plain)
    meminfo.unlink()
    assert logits(plain)


# ---------------------------------------------------------------- progress


def test_loading_tells_its_stages_in_order(plain):
    told: list[str] = []
    with load(plain, ladder=LADDER, load={"progress": told.append}):
        pass
    assert told[0].startswith("loading model ")
    assert "loading model 100 %" in told
    percents = [int(stage.split()[2]) for stage in told if stage.startswith("loading model")]
    assert percents == sorted(set(percents))
    assert told[len(percents) :] == ["context 1 of 2", "prompt", "context 2 of 2", "prompt", "canary"]


@pytest.mark.parametrize("stage", ["loading model", "context 2", "prompt", "canary"])
def test_an_interrupt_while_loading_ends_it_and_frees_what_was_loaded(plain, monkeypatch, stage):
    freed: list[str] = []
    for name in ("llama_free", "llama_model_free"):
        real = getattr(llama_cpp, name)
        monkeypatch.setattr(llama_cpp, name, lambda handle, name=name, real=real: (freed.append(name), real(handle))[1])

    def interrupt(told: str) -> None:
        if told.startswith(stage):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(plain, ladder=LADDER, load={"progress": interrupt})
    contexts = {"loading model": 0, "context 2": 1, "prompt": 1, "canary": 2}[stage]
    assert freed.count("llama_free") == contexts
    assert freed.count("llama_model_free") == (0 if stage == "loading model" else 1)


def test_a_configuration_tells_which_model_it_loads(plain):
    config = RouterConfig.model_validate(
        {
            "tiers": [tier.model_dump(exclude_none=True) for tier in LADDER],
            "router": {"chain": [{"model": str(plain)}, {"model": "embedded"}]},
        }
    )
    told: list[str] = []
    load_chain(config, progress=told.append).close()
    assert "plain.gguf: loading model 100 %" in told
    assert told[-1] == "embedded: canary"
    again: list[str] = []
    with create_decider(config, progress=again.append):
        pass
    assert again == told


def test_after_loading_every_context_has_its_prompt(plain, monkeypatch):
    """The first decision decodes the request and nothing else."""
    with load(plain, ladder=LADDER, contexts=2) as proposer:
        counts: list[int] = []
        real = llama_cpp.llama_decode
        monkeypatch.setattr(
            llama_cpp, "llama_decode", lambda context, batch: (counts.append(batch.n_tokens), real(context, batch))[1]
        )
        tail = proposer._head.tail
        ask(proposer, TEXT, LADDER.names)
        assert counts == [len(proposer.tokenise(TEXT)) + len(tail.suffix) + len(tail.tokens)]


def test_a_terminal_sees_the_stages_and_a_pipe_sees_nothing(monkeypatch):
    for terminal in (True, False):
        console_ = Console(file=io.StringIO(), force_terminal=terminal, width=80)
        monkeypatch.setattr(console, "err", lambda made=console_: made)
        with console.stages() as progress:
            assert (progress is not None) == terminal
            if progress is not None:
                progress("m.gguf: loading model 37 %")
                progress("[bold]x.gguf\x1b[2J: canary")
                time.sleep(0.3)  # rich draws from a thread of its own, some ten times a second
        shown = console_.file.getvalue()
        assert ("[bold]x.gguf\ufffd[2J: canary" in shown) == terminal
        assert (shown == "") != terminal


@pytest.mark.parametrize("command", [("decide", TEXT, "--json"), ("ask", TEXT)])
def test_decide_and_ask_tell_what_they_load(monkeypatch, command):
    told: list[str] = []

    @contextmanager
    def stages() -> Iterator[Callable[[str], None]]:
        yield told.append

    monkeypatch.setattr(console, "stages", stages)
    assert CliRunner().invoke(app, list(command)).exit_code == 0
    assert "embedded: canary" in told


def test_beside_a_gguf_that_was_not_trained_for_flags_the_embedded_model_reads_them(tmp_path):
    tiers = [{"name": name, "model": "quote", "location": "on_prem"} for name in ("small", "big")]
    other = gguf_factory.build(tmp_path / "other.gguf", contract=False, context=2048)
    trained = gguf_factory.build(tmp_path / "trained.gguf")
    for path, own in ((other, False), (trained, True)):
        config = RouterConfig.model_validate({"tiers": tiers, "router": {"model": str(path), "contexts": 1}})
        chain = load_chain(config)
        try:
            assert chain.links[0].proposer.trained is own
            assert chain.reads_question is own
            assert (chain.reader is chain.links[0].proposer) is own
            assert own or chain.reader.name == "embedded"
        finally:
            chain.close()
