"""Before anyone trusts a router model: does it tell easy from hard, and is no more claimed than that?"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf_factory
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import ModelServer, routed
from test_engine import ladder_of, load
from typer.testing import CliRunner, Result

import tiergraph.decider
from tiergraph.cli import app
from tiergraph.errors import ProposerUnavailableError
from tiergraph.proposers import sanity
from tiergraph.proposers.base import Flags, Proposed
from tiergraph.proposers.chain import Chain, Link
from tiergraph.proposers.sanity import Case, Interval, Sanity, Share, load_cases, measure
from tiergraph.testing import ScriptedProposer

LADDER = ladder_of("small", "large")
SUBJECTS = ("kettles", "gardens", "the sea", "trains", "old maps", "the moon", "bread", "a violin")
CASES = tuple(
    Case(text=f"Tell me about the {word} of {subject}.", hard=word in gguf_factory.TRIGGERS)
    for subject in SUBJECTS
    for word in ("theorem", "eigenvalue", "pleasure", "neighbours")
)


ROUTES = """\
clusters:
  - {name: greeting, tier: small, examples: [hello there, good morning, hi how are you, good evening to you]}
  - {name: thanks, tier: small, examples: [thank you, many thanks, good morning and thanks, thanks a lot]}
  - {name: proof, tier: large, examples: [prove the lemma, give a proof, show that it holds, derive the bound]}
"""


class Judging(ScriptedProposer):
    """Scores each text as it is told."""

    def __init__(self, score: Callable[[str], float], **options: Any) -> None:
        super().__init__(LADDER, **options)
        self.of = score

    def propose(self, text: str, **given: Any) -> Proposed:
        score = self.of(text)
        self.tier = LADDER.names[score >= 0.5]
        made = super().propose(text, **given)
        return Proposed(**{**vars(made), "score": score})


def chain_of(*proposers: Any, **link: Any) -> Chain:
    return Chain([Link(proposer=p, **link) for p in proposers], reader=proposers[0], sufficiency=0.5)


def measured(proposer: Any, cases: Any = CASES, **options: Any) -> Sanity:
    return measure(chain_of(proposer), LADDER.names, cases, **options)


def is_hard(text: str) -> bool:
    return any(trigger in text for trigger in gguf_factory.TRIGGERS)


# ---------------------------------------------------------------- the set


def test_the_set_is_balanced_and_its_texts_are_distinct():
    cases = load_cases()
    assert [sum(case.hard is kind for case in cases) for kind in (False, True, None)] == [24, 24, 16]
    assert len({case.text for case in cases}) == len(cases)
    flags = [case.flags for case in cases if case.flags]
    for name in ("contains_pii", "is_legal"):
        assert 5 <= sum(getattr(flag, name) for flag in flags) <= len(flags) - 5
    assert Flags(contains_pii=True, is_legal=True) in flags


def test_length_alone_does_not_solve_the_set():
    found = measured(Judging(lambda text: len(text) / 1000), load_cases())
    assert found.auc is not None
    assert found.auc.value == found.auc_length
    assert 0.6 < found.auc.value < 0.85


# ---------------------------------------------------------------- models


def test_a_model_that_routes_is_told_from_one_that_does_not(tmp_path):
    with load(gguf_factory.build_routing(tmp_path / "routing.gguf"), ladder=LADDER) as proposer:
        routes = measured(proposer)
    with load(gguf_factory.build(tmp_path / "random.gguf", contract=False, context=2048), ladder=LADDER) as proposer:
        random = measured(proposer)
    assert routes.auc == Interval(1.0, 1.0, 1.0, 32)
    assert (routes.hard_above, routes.easy_cheapest) == (Share(16, 16), Share(16, 16))
    assert routes.verdict == "AUC 1.00 (1.00 to 1.00, n 32): this model tells easy from hard"
    assert routes.warning is None
    assert random.auc is not None
    assert random.auc.low <= 0.5 <= random.auc.high
    assert abs(random.auc.value - 0.5) < 0.25
    assert random.warning is not None
    assert random.warning.endswith("this model does not tell easy from hard.")


def test_the_embedded_model_tells_them_apart():
    with load("embedded", ladder=LADDER) as proposer:
        found = measured(proposer, load_cases())
    assert found.auc is not None
    assert found.auc.low > 0.75
    assert found.warning is None
    assert found.failed == {}
    assert found.median_ms is not None
    assert min(found.pii.right, found.legal.right) >= 12


@pytest.mark.parametrize(
    ("score", "said", "warned"),
    [
        (lambda text: 0.2, "AUC .50 (.50 to .50, n 32): this model does not tell easy from hard", True),
        (lambda text: 0.9 - 0.5 * is_hard(text), "this model takes easy for hard and hard for easy", True),
        (lambda text: 0.2 + 0.5 * is_hard(text), "this model tells easy from hard", False),
        (
            lambda text: is_hard(text) if any(s in text for s in SUBJECTS[:2]) else 0.5,
            "this model tells easy from hard a little better than chance",
            False,
        ),
    ],
)
def test_the_sentence_claims_no_more_than_the_interval_allows(score, said, warned):
    found = measured(Judging(score))
    assert found.verdict.endswith(said)
    assert (found.warning is not None) == warned


def test_what_is_not_answered_is_unscored_and_not_wrong():
    def fails(text: str) -> float:
        if "kettles" in text:
            raise ProposerUnavailableError("scripted")
        if "gardens" in text:
            raise ZeroDivisionError("a proposer of the user's own")
        return 0.2 + 0.5 * is_hard(text)

    found = measured(Judging(fails))
    assert found.failed == {"proposer_unavailable": 4, "proposer_failed": 4}
    assert found.auc is not None
    assert (found.auc.value, found.auc.n) == (1.0, 24)
    assert found.hard_above == Share(12, 12)


def test_too_few_answers_give_no_figure_and_a_warning():
    found = measured(ScriptedProposer(LADDER, fails=ProposerUnavailableError("scripted")))
    assert (found.auc, found.auc_length, found.median_ms) == (None, None, None)
    assert found.failed == {"proposer_unavailable": 32}
    assert found.warning == "AUC unknown: too few requests were answered."
    json.dumps(found.as_json(), allow_nan=False)


@pytest.mark.parametrize(("count", "known"), [(sanity.LEAST, True), (sanity.LEAST - 1, False)])
def test_an_auc_needs_a_few_of_each_kind(count, known):
    hard, easy = ([case for case in CASES if case.hard is kind] for kind in (True, False))
    assert (measured(Judging(lambda text: 0.5), [*hard[:count], *easy]).auc is not None) == known
    assert (measured(Judging(lambda text: 0.5), [*hard, *easy[:count]]).auc is not None) == known


def test_flags_are_counted_where_they_are_asked():
    cases = [
        Case(text="a", flags=Flags(contains_pii=True)),
        Case(text="b", flags=Flags()),
        Case(text="c", flags=Flags(is_legal=True)),
        *CASES,
    ]
    found = measured(ScriptedProposer(LADDER, flag=lambda text: Flags(contains_pii=text != "c", is_legal=True)), cases)
    assert (found.pii, found.legal) == (Share(2, 3), Share(1, 3))
    assert found.auc is not None
    assert found.auc.n == len(CASES)


def test_flags_do_not_narrow_what_a_model_may_choose_here():
    seen = []

    class Narrowing(Judging):
        def propose(self, text: str, *, narrow: Any, **given: Any) -> Proposed:
            seen.append(tuple(narrow(Flags(contains_pii=True, is_legal=True))))
            return super().propose(text, narrow=narrow, **given)

    measured(Narrowing(lambda text: 0.9))
    assert set(seen) == {LADDER.names}


def test_answers_later_than_the_deadline_of_a_decision_are_counted(monkeypatch):
    clock = [0.0]

    def score(text: str) -> float:
        clock[0] += 0.3 if "kettles" in text else 0.1
        return 0.5

    monkeypatch.setattr(sanity.time, "perf_counter", lambda: clock[0])
    found = measured(Judging(score), deadline_ms=200)
    assert found.late == 4
    assert found.median_ms == pytest.approx(100)


def test_nothing_of_a_text_is_in_the_result():
    found = json.dumps(measured(Judging(lambda text: 0.5)).as_json())
    assert not any(subject in found for subject in SUBJECTS)


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=5, max_size=9),
    st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=5, max_size=9),
)
def test_the_auc_is_the_share_of_pairs_in_order(hard, easy):
    found = sanity._auc_of([(True, score) for score in hard] + [(False, score) for score in easy])
    pairs = [1.0 if h > e else 0.5 if h == e else 0.0 for h in hard for e in easy]
    assert found is not None
    assert found.value == pytest.approx(np.mean(pairs))
    assert 0 <= found.low <= found.high <= 1
    assert found.n == len(hard) + len(easy)


def test_the_interval_covers_what_resampling_would_show():
    """Against the plain bootstrap, written out."""
    rng = np.random.default_rng(5)
    hard, easy = rng.normal(0.7, 1, 24), rng.normal(0, 1, 24)
    found = sanity._auc_of([(True, x) for x in hard] + [(False, x) for x in easy])
    values = [np.mean(rng.choice(hard, 24)[:, None] > rng.choice(easy, 24)) for _ in range(2000)]
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))), abs=0.03)


# ---------------------------------------------------------------- canary, links


def test_the_canary_passes_who_keeps_to_the_allowed_set_and_names_who_does_not():
    class Stubborn(ScriptedProposer):
        def propose(self, text: str, *, narrow: Any, **given: Any) -> Proposed:
            return super().propose(text, narrow=lambda flags: ("large",), **given)

    assert sanity.canary(chain_of(ScriptedProposer(LADDER)), LADDER.names) is None
    assert sanity.canary(chain_of(Stubborn(LADDER)), LADDER.names) == "proposal_invalid"
    begging = ScriptedProposer(LADDER)
    sanity.canary(chain_of(begging), LADDER.names)
    assert [next(name for name in LADDER.names if f"tier {name}\n" in text) for text in begging.asked] == [
        "large",
        "small",
    ]


def test_a_link_is_measured_alone_and_a_chain_as_it_decides():
    unsure, sure = Judging(lambda text: 0.5, confidence=0.5), Judging(lambda text: 0.2 + 0.5 * is_hard(text))
    chain = chain_of(unsure, sure, boundary=0.2)
    first, whole = chain.only(0), chain
    assert measure(first, LADDER.names, CASES).auc.value == 0.5
    assert sure.asked == []
    assert measure(whole, LADDER.names, CASES).auc.value == 1.0


# ---------------------------------------------------------------- tiergraph check


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """``tiergraph check`` over two tiers with the router models that are given."""
    tiers = "".join(f"  - {{name: {name}, model: quote, location: on_prem}}\n" for name in LADDER.names)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(loaded: Any, *options: str, router: str = "") -> Result:
        if loaded is not None:
            monkeypatch.setattr(tiergraph.decider, "load_proposer", lambda config: loaded)
        (tmp_path / "router.yaml").write_text(f"tiers:\n{tiers}{router}", encoding="utf-8")
        return CliRunner().invoke(app, ["check", *options])

    return run


def report(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_check_says_how_well_each_model_separates_and_warns(check):
    chain = chain_of(ScriptedProposer(LADDER), ScriptedProposer(LADDER))
    found = report(check(chain, "--json"))
    assert [model["canary"] for model in found["router_models"]] == ["passed", "passed"]
    assert found["router_models"][0]["sanity"]["auc"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 48}
    assert found["chain"]["auc"]["value"] == 0.5
    said = "AUC .50 (.50 to .50, n 48): this model does not tell easy from hard"
    assert sum(said in warning for warning in found["warnings"]) == 3
    shown = check(chain).stdout
    assert shown.count(said) >= 2
    assert max(map(len, shown.splitlines())) <= 80
    assert not any(case.text in shown for case in load_cases())


def test_check_without_sanity_asks_for_the_canary_only(check):
    model = ScriptedProposer(LADDER)
    found = report(check(model, "--no-sanity", "--json"))
    assert (found["router_models"][0]["sanity"], found["chain"]) == (None, None)
    assert (found["router_models"][0]["canary"], len(model.asked)) == ("passed", 2)


def test_a_model_behind_the_network_is_asked_only_when_told_to(check):
    here, there = Judging(lambda text: 0.2), Judging(lambda text: 0.2, location="external")
    chain = chain_of(here, there)
    found = report(check(chain, "--json"))
    assert there.asked == []
    assert (found["router_models"][1]["sanity"], found["router_models"][1]["canary"]) == (None, None)
    assert found["chain"] is None
    assert len(here.asked) == 66
    assert "--hosted asks it, which may cost money" in " ".join(check(chain).stdout.split())
    found = report(check(chain, "--hosted", "--json"))
    assert len(there.asked) >= 66
    assert found["router_models"][1]["sanity"]["auc"]["n"] == 48
    assert found["chain"] is not None


class Reported:
    def __init__(self, **parts: Any) -> None:
        self.parts = parts

    def as_json(self) -> dict[str, Any]:
        return self.parts


def test_a_probe_and_an_overlap_are_printed_where_a_model_has_them(check):
    probe = {"mode": "tools", "tried": {"json_schema": "ignored", "tools": "holds"}, "code": None}
    pair = {"clusters": ["refund", "return"], "share": 0.25, "same_route": True, "worst": []}
    overlap = {"examples": 8, "pairs": [pair] * 7, "unseparated": [{"cluster": "chat", "accuracy": 0.51}]}
    model = ScriptedProposer(LADDER)
    model.probe = lambda: Reported(**probe)  # type: ignore[attr-defined]
    model.overlap = lambda: Reported(**overlap)  # type: ignore[attr-defined]
    found = report(check(model, "--json", "--no-sanity"))["router_models"][0]
    assert (found["probe"], found["overlap"]) == (probe, overlap)
    shown = " ".join(check(model, "--no-sanity").stdout.split())
    assert "probe: mode tools, tried json_schema ignored, tools holds overlap" in shown
    assert "of 8 examples: refund and return 25% (same route), " in shown
    assert "2 more pairs; no threshold separates chat (accuracy 0.51)" in shown


def test_a_probe_that_fails_is_a_warning(check):
    def fails() -> None:
        raise ProposerUnavailableError("nobody there")

    model = ScriptedProposer(LADDER)
    model.probe = fails  # type: ignore[attr-defined]
    assert "scripted: its probe failed: nobody there" in report(check(model, "--json", "--no-sanity"))["warnings"]


def test_the_overlap_of_an_embedding_router_is_shown(check, tmp_path):
    """With the real one: `EmbeddingProposer.overlap`."""
    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES, encoding="utf-8")
    found = report(check(None, "--json", "--no-sanity", router="router: {model: 'embedding:routes.yaml'}\n"))
    assert found["router_models"][0]["overlap"]["examples"] > 0
    shown = check(None, "--no-sanity", router="router: {model: 'embedding:routes.yaml'}\n").stdout
    assert re.search(r"^overlap +of \d+ examples: ", shown, re.MULTILINE)


def test_a_canary_that_fails_is_a_warning_with_its_code(check):
    broken = ScriptedProposer(LADDER, fails=ProposerUnavailableError("scripted"))
    found = report(check(broken, "--json"))
    assert found["router_models"][0]["canary"] == "proposer_unavailable"
    assert "scripted: its canary did not pass: proposer_unavailable." in found["warnings"]
    assert "0 of 0" not in check(broken).stdout


def test_check_of_a_gguf_states_its_memory_and_that_there_is_no_gpu(check, tmp_path, monkeypatch):
    path = gguf_factory.build_routing(tmp_path / "mine.gguf")
    monkeypatch.setattr("tiergraph.proposers.native.supports_gpu", lambda: False)
    router = "router: {model: mine.gguf, gpu_layers: -1}\n"
    found = report(check(None, "--json", "--no-sanity", router=router))
    model = found["router_models"][0]
    assert (model["name"], model["canary"]) == (path.stem, "passed")
    assert model["memory"]["total"] > model["memory"]["weights"] > 0
    assert [w for w in found["warnings"] if "GPU" in w] == [
        "mine.gguf: all layers on the GPU, and this llama.cpp has none: the model runs on the CPU."
    ]
    assert "MB: weights" in check(None, "--no-sanity", router=router).stdout
    on_the_cpu = "router: {model: mine.gguf}\n"
    assert not any("GPU" in w for w in report(check(None, "--json", "--no-sanity", router=on_the_cpu))["warnings"])
    monkeypatch.setattr("tiergraph.proposers.native.supports_gpu", lambda: True)
    assert not any("GPU" in w for w in report(check(None, "--json", "--no-sanity", router=router))["warnings"])


def test_the_models_are_closed_when_check_ends(check):
    closed = []

    class Closing(ScriptedProposer):
        def close(self) -> None:
            closed.append(time.monotonic())

    check(Closing(LADDER), "--no-sanity")
    assert closed


@pytest.mark.loopback
def test_the_judge_is_named_and_probed_only_when_told_to(check, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with ModelServer(reply=routed) as server:
        judge = f"cascade: {{judge: {{model: 'openai:j', location: external, base_url: '{server.url}/v1'}}}}\n"
        found = report(check(ScriptedProposer(LADDER), "--json", "--no-sanity", router=judge))
        assert found["judge"] == {"name": "j", "location": "external", "asked": False, "probe": None}
        assert server.requests == []
        found = report(check(ScriptedProposer(LADDER), "--json", "--no-sanity", "--hosted", router=judge))
        assert len(server.requests) > 0
    # This one gives every draft the same scores, so that it cannot pass its probe.
    assert any(warning.startswith("The judge j: its probe failed: ") for warning in found["warnings"])


# ---------------------------------------------------------------- what no interval shows


def test_a_model_that_is_no_better_than_the_length_of_the_text_is_warned_of() -> None:
    found = measured(Judging(lambda text: min(1.0, len(text) / 400)), load_cases())
    assert found.auc is not None
    assert found.auc.low > 0.5
    assert found.warning is not None
    assert "length of the text alone" in found.warning


def test_a_model_that_ranks_well_and_sends_everything_up_is_warned_of() -> None:
    hard = {case.text for case in load_cases() if case.hard}
    found = measured(Judging(lambda text: 0.9 if text in hard else 0.6), load_cases())
    assert found.easy_cheapest.right == 0
    assert found.warning is not None
    assert "hardly routes" in found.warning


def test_flags_of_all_that_were_asked_add_up() -> None:
    sees = ScriptedProposer(LADDER, confidence=0.5, flag=lambda text: Flags(contains_pii=True))
    blind = ScriptedProposer(LADDER)
    both = Chain([Link(proposer=sees, boundary=0.5), Link(proposer=blind)], reader=sees, sufficiency=0.5)
    cases = load_cases()
    assert measure(both, LADDER.names, cases).pii == measured(sees, cases).pii != measured(blind, cases).pii
