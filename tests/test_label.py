"""Labelling: every tier on a sample of requests, under policy, scored, resumable, and never paid for unasked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from routers import make_config
from typer.testing import CliRunner, Result

import tiergraph.decider
from tiergraph.cli import app
from tiergraph.commands import label as command
from tiergraph.config import RouterConfig
from tiergraph.decider import Decider
from tiergraph.errors import InputError
from tiergraph.evaluation.reading import read_any
from tiergraph.judges import Verdict
from tiergraph.outcomes import Estimate, Labelled, label_rows
from tiergraph.outcomes.asking import PATIENCE
from tiergraph.outcomes.matching import exact_score, reference_score
from tiergraph.outcomes.prompts import read_prompts
from tiergraph.outcomes.sampling import STRATA, distinct, stratified
from tiergraph.proposers.base import Flags, Proposed
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer, ScriptedRetriever

TWO = (("small", "on_prem"), ("big", "on_prem"))
SECRET = "zebra-crossing"
PII = "write to jane.roe@example.org about it"


class Asked:
    """A tier that says what it is told, and keeps what it was asked."""

    def __init__(self, answer: str | Callable[[str], Any] = "yes") -> None:
        self.answer, self.seen, self._lock = answer, [], threading.Lock()

    def __call__(self, text: str) -> Any:
        with self._lock:
            self.seen.append(text)
        return self.answer(text) if callable(self.answer) else self.answer

    @property
    def all(self) -> str:
        return "\n".join(self.seen)


def requests(n: int = 6, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "text": f"alpha{i} beta{i} gamma{i}", "reference": "yes", **more} for i in range(n)]


def free(tiers: Any = TWO, **sections: Any) -> RouterConfig:
    """A scripted ladder without prices."""
    config = make_config(tiers, **sections)
    return config.model_copy(
        update={"tiers": tuple(tier.model_copy(update={"price": type(tier.price)()}) for tier in config.tiers)}
    )


def labelled(rows: Any = None, config: RouterConfig | None = None, *, proposer: Any = None, **options: Any) -> Labelled:
    """`label_rows` over scripted tiers that all say yes, with a scripted router model."""
    config = config or free()
    models = {name: Asked() for name in config.ladder.names} | dict(options.pop("models", {}))
    decider = Decider(config, proposer or ScriptedProposer(config.ladder))
    options = {"workers": 2, **options}
    return label_rows(requests() if rows is None else rows, config, decider=decider, models=models, **options)


# What is written


def test_every_tier_is_asked_about_every_request_and_its_score_is_written() -> None:
    found = labelled(models={"small": Asked(lambda text: "yes" if "alpha1 " in text else "no")})
    assert [row["id"] for row in found.rows] == [f"r{i}" for i in range(6)]
    assert found.rows[0]["outcomes"] == {"small": 0.0, "big": 1.0}
    assert found.rows[1]["outcomes"] == {"small": 1.0, "big": 1.0}
    assert found.rows[1]["text"] == "alpha1 beta1 gamma1"
    assert found.rows[1]["label"] == {"scorer": "reference", "score": 0.0, "codes": {}}
    assert found.summary["tiers"]["small"]["mean"] == pytest.approx(1 / 6, abs=1e-6)
    assert (found.summary["asked"], found.summary["rows"]) == (12, 6)


def test_the_rows_are_a_suite_of_the_evaluation_too(tmp_path: Path) -> None:
    rows = [*requests(3), {"text": "who is it", "documents": ["It is Ada."], "reference": "yes"}]
    found = labelled(rows, keep_answers=True)
    suite = read_any(found.write(tmp_path / "rows.jsonl"))
    assert not suite.problems
    assert suite.cases[0].outcomes == {"small": 1.0, "big": 1.0}
    assert suite.cases[3].documents == ("It is Ada.",)
    assert suite.cases[3].id == "line-4"
    assert suite.cases[0].drafts == {"small": "yes", "big": "yes"}


def test_costs_are_those_of_the_tokens_that_the_provider_counted() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010}
    big = ScriptedChat(AIMessage("yes", usage_metadata=usage))
    found = labelled(requests(2), make_config(TWO), models={"big": big})
    assert found.rows[0]["costs"]["big"] == pytest.approx(10 * 1010 / 1e6)  # 10 USD a million tokens, of both kinds
    assert found.summary["cost"]["spent_usd"] == pytest.approx(
        2 * 10 * 1010 / 1e6 + 2 * found.rows[0]["costs"]["small"]
    )


def test_neither_rows_nor_cache_hold_an_answer_or_the_cache_a_request(tmp_path: Path) -> None:
    config = free()
    rows = [{**row, "text": f"{row['text']} {SECRET}"} for row in requests(3)]
    found = labelled(rows, config, models={"big": Asked("yes, says the walrus")}, cache=tmp_path, digest="1")
    kept = "".join(file.read_text() for file in tmp_path.iterdir())
    assert kept.count("\n") == 6
    assert SECRET not in kept
    assert "walrus" not in kept + json.dumps(found.rows)
    assert "drafts" not in found.rows[0]
    told = labelled(rows, config, models={"big": Asked("yes, says the walrus")}, keep_answers=True)
    assert told.rows[0]["drafts"] == {"small": "yes", "big": "yes, says the walrus"}


def test_rows_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("what was there")
    odd = replace(labelled(requests(2)), rows=({"id": "a", "text": object()},))
    with pytest.raises(InputError, match="JSON has no form"):
        odd.write(path)
    assert path.read_text() == "what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]
    with pytest.raises(InputError, match="cannot be written"):
        labelled(requests(2)).write(path / "below.jsonl")


# Policy


@pytest.mark.parametrize("seen_by", ["patterns", "model"])
def test_what_policy_keeps_on_prem_is_never_sent_outside(seen_by: str) -> None:
    config = free((("small", "on_prem"), ("middle", "on_prem"), ("big", "external")))
    private = {"id": "private", "text": PII if seen_by == "patterns" else "Harold from number nine", "reference": "yes"}
    proposer = ScriptedProposer(config.ladder, flag=lambda text: Flags(contains_pii="Harold" in text))
    big, middle = Asked(), Asked()
    found = labelled(
        [*requests(3), private], config, proposer=proposer, models={"big": big, "middle": middle}, allow_paid=True
    )
    row = next(row for row in found.rows if row["id"] == "private")
    assert row["outcomes"] == {"small": 1.0, "middle": 1.0, "big": None}
    assert row["label"]["codes"] == {"big": "policy:pii:on_prem"}
    assert private["text"] in middle.all
    assert len(big.seen) == 3
    assert private["text"] not in big.all
    assert found.summary["tiers"]["big"]["withheld"] == {"policy:pii:on_prem": 1}


def test_documents_that_are_found_later_narrow_the_set_as_well_and_nobody_else_is_asked() -> None:
    config = free((("small", "on_prem"), ("middle", "on_prem"), ("big", "external")))
    tiers = {name: Asked() for name in config.ladder.names}
    found = labelled(
        requests(1), config, models=tiers, retriever=ScriptedRetriever([PII]), allow_paid=True,
    )  # fmt: skip
    assert found.rows[0]["outcomes"] == {"small": 1.0, "middle": 1.0, "big": None}
    assert found.rows[0]["label"]["codes"] == {"big": "policy"}
    assert {name: len(tier.seen) for name, tier in tiers.items()} == {"small": 1, "middle": 1, "big": 0}


def test_redacted_requests_leave_with_placeholders_only() -> None:
    config = free((("small", "on_prem"), ("big", "external")), policy={"pii": "redact"})
    big = Asked()
    found = labelled([{"text": PII, "reference": "yes"}], config, models={"big": big}, allow_paid=True)
    assert found.rows[0]["outcomes"] == {"small": 1.0, "big": 1.0}
    assert len(big.seen) == 1
    assert "jane.roe" not in big.all


def test_what_goes_to_a_person_is_refused_or_has_one_tier_left_is_counted_and_not_asked() -> None:
    config = free(
        (("small", "on_prem"), ("big", "external")),
        policy={
            "rules": [
                {"id": "no", "effect": "refuse", "when": {"keywords": ["forbidden"]}},
                {"id": "ask", "effect": "human", "when": {"keywords": ["delicate"]}},
            ]
        },
    )
    rows = [
        *requests(2),
        {"text": "a forbidden thing", "reference": "yes"},
        {"text": "a delicate thing", "reference": "yes"},
        {"text": PII, "reference": "yes"},
    ]
    tiers = {"small": Asked(), "big": Asked()}
    found = labelled(rows, config, models=tiers)
    assert [row["id"] for row in found.rows] == ["r0", "r1"]
    assert found.summary["left_out"] == {"refused": 1, "human": 1, "one_tier": 1}
    assert len(tiers["small"].seen) == len(tiers["big"].seen) == 2


def test_where_nothing_is_left_to_label_it_says_what_became_of_the_requests() -> None:
    config = free((("small", "on_prem"), ("big", "external")))
    with pytest.raises(InputError, match=r"one_tier \(1\)"):
        labelled([{"text": PII, "reference": "yes"}], config)


# The sample


class Scoring(ScriptedProposer):
    """A router whose score of a request is the number in it, in percent."""

    def propose(self, text: str, **asked: Any) -> Proposed:
        return replace(super().propose(text, **asked), score=int(text.split()[0]) / 100)


def test_the_sample_is_spread_evenly_over_the_scores_of_the_router() -> None:
    rows = [{"id": str(i), "text": f"{i} alpha{i} beta{i}", "reference": "yes"} for i in range(100)]
    config = free()
    found = labelled(rows, config, proposer=Scoring(config.ladder), sample=20, seed=3)
    scores = [row["label"]["score"] for row in found.rows]
    assert Counter(int(score * 10) for score in scores) == dict.fromkeys(range(10), 2)
    assert [row["id"] for row in found.rows] == sorted((row["id"] for row in found.rows), key=int)
    assert found.summary["left_out"] == {"not_drawn": 80}
    again = labelled(rows, config, proposer=Scoring(config.ladder), sample=20, seed=3)
    other = labelled(rows, config, proposer=Scoring(config.ladder), sample=20, seed=4)
    assert again.rows == found.rows
    assert [row["id"] for row in other.rows] != [row["id"] for row in found.rows]


@given(
    scores=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=120),
    n=st.integers(1, 60),
    seed=st.integers(0, 5),
)
def test_each_part_of_the_scores_gives_as_many_as_any_other(scores: list[float | None], n: int, seed: int) -> None:
    places = stratified(scores, n, seed=seed)
    assert places == sorted(set(places))
    assert len(places) == min(n, len(scores))
    assert set(places) <= set(range(len(scores)))
    known = sorted(score for score in scores if score is not None)
    if n >= 2 and len(known) == len(scores) > n and known[0] < known[-1]:
        # with one from each part, the lowest is not over the first part's edge nor the highest under the last's
        parts = min(STRATA, n)
        drawn = sorted(scores[place] for place in places)  # type: ignore[type-var]
        assert drawn[0] <= known[-(-len(known) // parts) - 1]
        assert drawn[-1] >= known[len(known) - len(known) // parts - 1]


def test_near_duplicates_are_counted_once() -> None:
    long = " ".join(f"word{i}" for i in range(60))
    rows = [
        {"id": "a", "text": long, "reference": "yes"},
        {"id": "b", "text": long.upper() + " indeed!", "reference": "yes"},
        {"id": "c", "text": "Something else", "reference": "yes"},
        {"id": "d", "text": "something else?", "reference": "yes"},
        {"id": "e", "text": "something else?", "documents": ["other text"], "reference": "yes"},
    ]
    found = labelled(rows)
    assert [row["id"] for row in found.rows] == ["a", "c", "e"]
    assert found.summary["left_out"] == {"near_duplicate": 2}


@given(st.lists(st.text("ab c", max_size=12), max_size=30))
def test_what_is_distinct_stays_so_and_nothing_equal_is_left_twice(texts: list[str]) -> None:
    kept = distinct(texts, [""] * len(texts))
    left = [texts[place] for place in kept]
    assert len(set(left)) == len(left)
    assert distinct(left, [""] * len(left)) == list(range(len(left)))
    assert not texts or kept[0] == 0


def test_a_hosted_router_is_not_asked_to_draw_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[RouterConfig] = []

    def load(config: RouterConfig) -> ScriptedProposer:
        loaded.append(config)
        return ScriptedProposer(config.ladder)

    monkeypatch.setattr(tiergraph.decider, "load_proposer", load)
    config = free(router={"model": "openai:costly", "location": "external", "intents": ["one", "other"]})
    label_rows(requests(2), config, models={"small": Asked(), "big": Asked()})
    assert [(each.router.model, each.router.intents) for each in loaded] == [("embedded", ("one", "other"))]


# Money


def test_nothing_paid_is_asked_without_leave() -> None:
    # models that the caller brings are the caller's; those of the configuration are asked only with leave
    config = free((("small", "on_prem"), ("big", "external")))
    decider = Decider(config, ScriptedProposer(config.ladder))
    small = Asked()
    with pytest.raises(InputError, match="allow_paid=True") as caught:
        label_rows(requests(), config, decider=decider, models={"small": small})
    assert caught.value.code == "paid"
    with pytest.raises(InputError, match="not confirmed"):
        label_rows(requests(), config, decider=decider, models={"small": small}, confirm=lambda estimate: False)
    assert small.seen == []


def test_the_estimate_counts_calls_tokens_and_money_by_tier() -> None:
    config = make_config((("small", "on_prem"), ("big", "external")), budgets={"answer_tokens": 100})
    decider = Decider(config, ScriptedProposer(config.ladder))
    seen: list[Estimate] = []

    def refuse(estimate: Estimate) -> bool:
        seen.append(estimate)
        return False

    def estimated(text: str) -> Estimate:
        with pytest.raises(InputError, match="not confirmed"):
            label_rows([{"text": text, "reference": "a"}], config, decider=decider, confirm=refuse)
        return seen[-1]

    short, long = estimated("x" * 400), estimated("x" * 800)
    assert [tier.tier for tier in short.tiers] == ["small", "big"]
    assert [tier.calls for tier in short.tiers] == [1, 1]
    assert long.tiers[0].input_tokens - short.tiers[0].input_tokens == 100  # at four characters a token
    assert short.tiers[0].output_tokens == 100
    tokens = short.tiers[1].input_tokens
    assert short.tiers[1].cost_usd == pytest.approx((tokens + 100) * 10 / 1e6)
    assert short.cost_usd == pytest.approx((tokens + 100) * 11 / 1e6)
    assert short.paid


def test_an_external_judge_needs_leave_even_over_free_tiers() -> None:
    judge = ScriptedJudge(True, location="external")
    with pytest.raises(InputError, match="allow_paid"):
        labelled(judge=judge, scorer="judge")
    assert judge.seen == []
    found = labelled(judge=judge, scorer="judge", allow_paid=True)
    assert found.summary["tiers"]["small"]["mean"] == 1.0


# Going on


def test_what_was_scored_is_not_asked_again_and_a_new_tier_costs_only_its_own_calls(tmp_path: Path) -> None:
    first = labelled(cache=tmp_path, digest="1")
    again = {"small": Asked(), "big": Asked()}
    second = labelled(cache=tmp_path, digest="1", models=again)
    assert again["small"].seen == again["big"].seen == []
    assert second.rows == first.rows
    assert (second.summary["asked"], second.summary["known"]) == (0, 12)
    longer = free((("tiny", "on_prem"), *TWO))
    three = {name: Asked() for name in ("tiny", *again)}
    labelled(None, longer, cache=tmp_path, digest="1", models=three)
    assert [len(three[name].seen) for name in ("tiny", "small", "big")] == [6, 0, 0]


@pytest.mark.parametrize("changed", ["text", "reference", "digest", "scorer"])
def test_whatever_decides_a_score_makes_it_asked_again(tmp_path: Path, changed: str) -> None:
    labelled(cache=tmp_path, digest="1")
    rows = requests()
    options: dict[str, Any] = {"digest": "1"}
    if changed in ("text", "reference"):
        rows = [{**row, changed: row[changed] + " x"} for row in rows]
    else:
        options[changed] = {"digest": "2", "scorer": "exact"}[changed]
    small = Asked()
    labelled(rows, cache=tmp_path, models={"small": small}, **options)
    assert len(small.seen) == 6


def test_a_torn_line_costs_one_call(tmp_path: Path) -> None:
    labelled(cache=tmp_path, digest="1", workers=1)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    tiers = {"small": Asked(), "big": Asked()}
    labelled(cache=tmp_path, digest="1", models=tiers)
    assert len(tiers["small"].seen) + len(tiers["big"].seen) == 1


def test_kept_answers_are_scored_anew_without_a_call(tmp_path: Path) -> None:
    labelled(cache=tmp_path, digest="1", keep_answers=True)
    small = Asked()
    found = labelled(cache=tmp_path, digest="1", scorer=lambda row, answer: len(answer) / 10, models={"small": small})
    assert small.seen == []
    assert found.rows[0]["outcomes"] == {"small": 0.3, "big": 0.3}
    assert "drafts" not in found.rows[0]


def test_a_cache_needs_a_name_for_what_has_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"models and scorer.*digest="):
        labelled(cache=tmp_path, scorer=lambda row, answer: 1.0)


TIERS = """
import os, time
from pathlib import Path
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

def tier():
    def answer(messages):
        with open(os.environ["COUNT"], "a") as file:
            file.write(messages[-1].text + "\\n")
        time.sleep(float(os.environ["PAUSE"]))
        return AIMessage("yes")
    return RunnableLambda(answer)
"""

LADDER = """
version: 1
tiers:
  - {name: small, model: "python:counted_tiers:tier", location: on_prem}
  - {name: big, model: "python:counted_tiers:tier", location: on_prem}
"""


def test_a_killed_run_goes_on_without_asking_again(tmp_path: Path) -> None:
    (tmp_path / "counted_tiers.py").write_text(TIERS)
    (tmp_path / "router.yaml").write_text(LADDER)
    (tmp_path / "prompts.jsonl").write_text("\n".join(json.dumps(row) for row in requests(40)))
    count = tmp_path / "count"

    def start(pause: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COUNT": str(count), "PAUSE": pause}
        line = [sys.executable, "-m", "tiergraph.cli", "label", "--prompts", "prompts.jsonl", "--out", "rows.jsonl"]
        return subprocess.Popen(
            line, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    process = start("0.05")
    cache = tmp_path / ".tiergraph" / "label"
    for _ in range(1200):
        if cache.is_dir() and any(file.read_bytes().count(b"\n") >= 10 for file in cache.iterdir()):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert not (tmp_path / "rows.jsonl").exists()
    (journal,) = cache.iterdir()
    kept = journal.read_bytes().count(b"\n")
    before = len(count.read_text().splitlines())
    assert 10 <= kept < 80
    assert before - kept <= 8  # what was in flight, four calls at a time

    assert start("0").wait(120) == 0
    asked = len(count.read_text().splitlines()) - before
    assert 80 - kept <= asked <= 80 - kept + 1  # the last line may be torn
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 40


def test_no_more_calls_run_at_a_time_than_there_are_workers() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def slow(text: str) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return "yes"

    labelled(requests(12), models={"small": slow, "big": slow}, workers=3)
    assert 2 <= most[0] <= 3


# Tiers that fail


class RateLimited(Exception):
    status_code = 429


class Unauthorised(Exception):
    status_code = 401


def failing(error: Exception) -> Callable[[str], str]:
    def fail(text: str) -> str:
        raise error

    return fail


def test_a_tier_that_fails_leaves_a_null_with_its_code_after_retries_and_the_rest_goes_on() -> None:
    small = Asked(failing(RateLimited()))
    found = labelled(requests(2), free(cascade={"retries": 2}), models={"small": small}, workers=1)
    assert found.rows[0]["outcomes"] == {"small": None, "big": 1.0}
    assert found.rows[0]["label"]["codes"] == {"small": "rate_limited"}
    assert len(small.seen) == 2 * 3
    assert found.summary["tiers"]["small"] == {
        "mean": None,
        "scored": 0,
        "gave_up": {},
        "failures": {"rate_limited": 2},
        "withheld": {},
        "spent_usd": 0.0,
        "earlier_usd": 0.0,
    }
    assert found.summary["failed"] == 2


def test_what_failed_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    labelled(requests(2), models={"small": failing(RateLimited())}, cache=tmp_path, digest="1")
    small, big = Asked(), Asked()
    found = labelled(requests(2), models={"small": small, "big": big}, cache=tmp_path, digest="1")
    assert (len(small.seen), len(big.seen)) == (2, 0)
    assert found.rows[0]["outcomes"] == {"small": 1.0, "big": 1.0}


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("UNSURE", "unsure"),
        (AIMessage("no can do", response_metadata={"finish_reason": "content_filter"}), "refusal"),
        ("", "empty"),
    ],
)
def test_a_tier_that_gives_up_scores_nothing_and_is_not_asked_again(tmp_path: Path, reply: Any, code: str) -> None:
    found = labelled(requests(2), models={"small": lambda text: reply}, cache=tmp_path, digest="1")
    assert found.rows[0]["outcomes"] == {"small": 0.0, "big": 1.0}
    assert found.rows[0]["label"]["codes"] == {"small": code}
    assert found.summary["tiers"]["small"]["gave_up"] == {code: 2}
    assert found.summary["failed"] == 0
    small = Asked()
    labelled(requests(2), models={"small": small}, cache=tmp_path, digest="1")
    assert small.seen == []


def test_a_tier_that_fails_again_and_again_is_left_alone_and_the_others_are_not() -> None:
    small = Asked(failing(Unauthorised()))
    found = labelled(requests(PATIENCE + 5), models={"small": small}, workers=1)
    assert len(small.seen) == PATIENCE
    assert found.summary["tiers"]["small"]["failures"] == {"bad_request": PATIENCE, "stopped": 5}
    assert found.summary["tiers"]["big"]["scored"] == PATIENCE + 5


def test_a_tier_that_succeeds_now_and_then_is_not_given_up() -> None:
    turn = iter(range(10**6))

    def now_and_then(text: str) -> str:
        if next(turn) % PATIENCE:
            raise Unauthorised()
        return "yes"

    found = labelled(requests(3 * PATIENCE), models={"small": now_and_then}, workers=1)
    assert found.summary["tiers"]["small"]["failures"] == {"bad_request": 3 * (PATIENCE - 1)}


@pytest.mark.loopback
def test_tiers_behind_http_are_scored_and_their_failures_named() -> None:
    from loopback import ModelServer

    with ModelServer(text="The answer is 12.") as good, ModelServer("500") as broken:
        config = free(cascade={"retries": 1})
        tiers = tuple(
            tier.model_copy(update={"model": "openai:any", "base_url": f"{server.url}/v1", "api_key": "k"})
            for tier, server in zip(config.tiers, (good, broken), strict=True)
        )
        config = config.model_copy(update={"tiers": tiers})
        rows = [{**row, "reference": 12} for row in requests(2)]
        decider = Decider(config, ScriptedProposer(config.ladder))
        found = label_rows(rows, config, decider=decider)
        assert found.rows[0]["outcomes"] == {"small": 1.0, "big": None}
        assert found.rows[1]["label"]["codes"] == {"big": "server_error"}
        assert (len(good.requests), len(broken.requests)) == (2, 4)


def test_a_tier_that_cannot_be_reached_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    config = free()
    tiers = (config.tiers[0], config.tiers[1].model_copy(update={"model": "openai:gpt", "base_url": None}))
    config = config.model_copy(update={"tiers": tiers})
    small = Asked()
    decider = Decider(config, ScriptedProposer(config.ladder), unreachable=["big"])
    with pytest.raises(InputError, match="'big' cannot be reached: OPENAI_API_KEY is not set"):
        label_rows(requests(), config, decider=decider, models={"small": small})
    assert small.seen == []
    found = label_rows(requests(), config, decider=decider, models={"small": small}, tiers=["small"])
    assert found.rows[0]["outcomes"] == {"small": 1.0, "big": None}
    assert found.rows[0]["label"]["codes"] == {"big": "not_asked"}


# Scorers


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("It was Ada Lovelace, in 1843.", "Ada Lovelace", 1.0),  # all its words in a row
        ("the Ada and the Lovelace", "Ada Lovelace", 0.8),  # 2 of 3 (ada and lovelace) and 2 of 2: 2*2/(3+2)
        ("red green blue", "green yellow", 0.4),  # 1 shared: 2*1/(3+2)
        ("Rot, grün", "blau", 0.0),
        ("", "blau", 0.0),
        ("東京です", "東京", 1.0),
        ("It is 1,000 metres away", "1000 metres", 1.0),
        ("there is no reason against it: yes", "no", 0.0),  # a closed form is not looked for as a word
        ("I counted 3 and 4, so it is 12", "12", 1.0),
        ("12,000 people", "12", 0.0),
    ],
)
def test_the_reference_score_is_containment_or_f1_of_words(answer: str, reference: str, score: float) -> None:
    assert reference_score(answer, [reference]) == pytest.approx(score)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("The Answer!", "answer", 1.0),
        ("The answer is Paris.", "paris", 1.0),
        ("Paris, of course", "paris", 0.0),
        ("So 3 + 4 = 7.\n#### 7", "7", 1.0),
        ("#### 1,234.00 dollars", "$1234", 1.0),
        ("Thus \\boxed{-5} apples, not 6", "-5", 1.0),
        ("from 3-5 on", "-5", 0.0),
        ("The answer is 3 * 4 = 12", "12", 1.0),
        ("first 12, then 13", "12", 0.0),  # without a mark the last number counts
        ("half of it", "0.5", 0.0),
        ("First answer: 3\nFinal answer: 4\nchecked 5 times", "4", 1.0),
        ("The answer is a little unclear, so C", "A", 0.0),
        ('{"reasoning": "3 of 12", "answer": "9"} for 4', "9", 1.0),
        ("50%", "50", 1.0),
        ("The answer is (B) because A is wrong", "B", 1.0),
        ("B) Paris", "B", 1.0),
        ("**B**", "B", 1.0),
        ("b", "(B)", 1.0),
        ("A cat would say C", "C", 1.0),
        ("A cat would say so", "A", 0.0),
        ("Answer: C\nor so", "B", 0.0),
        ("Between (A) and (D) it is (D)", "D", 1.0),
        ("Yes, it can.", "yes", 1.0),
        ("No. Yes would be wrong", "yes", 0.0),
        ("True", "Yes", 1.0),
        ("The answer is no, since yes means more", "no", 1.0),
    ],
)
def test_the_exact_score_reads_numbers_letters_and_truths_as_the_field_does(
    answer: str, reference: str, score: float
) -> None:
    assert exact_score(answer, [reference]) == score


def test_the_best_of_several_references_counts() -> None:
    assert reference_score("green", ["red", "green"]) == exact_score("green", ["red", "green"]) == 1.0
    rows = [{**row, "reference": ["no", True]} for row in requests(2)]
    assert labelled(rows).rows[0]["outcomes"] == {"small": 1.0, "big": 1.0}


WORDS = st.lists(st.sampled_from(["red", "Green", "über", "7.5", "the", "x-ray", "東京"]), max_size=8).map(" ".join)


@given(answer=st.one_of(WORDS, st.text(max_size=60)), reference=st.one_of(WORDS, st.text(max_size=20)))
def test_scores_are_in_range_and_no_exact_match_is_worth_less_by_reference(answer: str, reference: str) -> None:
    loose, exact = reference_score(answer, [reference]), exact_score(answer, [reference])
    assert 0.0 <= loose <= 1.0
    assert exact in (0.0, 1.0)
    assert loose >= exact or "answer" in answer.casefold() or "####" in answer


@given(before=WORDS, reference=WORDS, after=WORDS)
def test_a_reference_within_an_answer_is_right_whatever_stands_around_it(
    before: str, reference: str, after: str
) -> None:
    long = f"{reference} red x-ray"  # of no closed form
    assert reference_score(f"{before}, {long.upper()}; {after}", [long]) == 1.0


def test_a_scorer_of_ones_own_reads_the_row_as_it_was_given_and_the_answer() -> None:
    seen: list[tuple[dict[str, Any], str]] = []

    def score(row: dict[str, Any], answer: str) -> float:
        seen.append((row, answer))
        return row["weight"] / 10

    found = labelled(requests(1, weight=4, nested={"a": 1}), scorer=score)
    assert found.rows[0]["outcomes"] == {"small": 0.4, "big": 0.4}
    assert seen[0] == ({**requests(1)[0], "weight": 4, "nested": {"a": 1}}, "yes")


@pytest.mark.parametrize(
    ("gives", "error"),
    [(ZeroDivisionError(SECRET), "ZeroDivisionError"), (1.5, "[0, 1]"), (float("nan"), "[0, 1]"), (None, "NoneType")],
)
def test_a_scorer_that_fails_is_named_with_its_row_and_the_run_goes_on(gives: Any, error: str) -> None:
    def score(row: dict[str, Any], answer: str) -> Any:
        if row["id"] != "r1":
            return 1
        if isinstance(gives, Exception):
            raise gives
        return gives

    found = labelled(requests(3), scorer=score)
    assert [row["outcomes"]["big"] for row in found.rows] == [1.0, None, 1.0]
    assert found.rows[1]["label"]["codes"] == {"small": "scorer_failed", "big": "scorer_failed"}
    failures = found.summary["scorer_failures"]
    assert {(each["id"], each["tier"]) for each in failures} == {("r1", "small"), ("r1", "big")}
    assert all(error in each["error"] for each in failures)
    assert SECRET not in json.dumps(found.summary)


def test_the_judge_scores_what_has_no_reference() -> None:
    rows = [{key: value for key, value in row.items() if key != "reference"} for row in requests(2)]
    judge = ScriptedJudge(Verdict(passed=False, score=0.25, reason="unsupported_claims"))
    found = labelled(rows, judge=judge)
    assert found.rows[0]["outcomes"] == {"small": 0.25, "big": 0.25}  # each tier alone: no draft goes up the ladder
    assert found.summary["scorer"] == "judge"
    assert len(judge.seen) == 4


def test_a_judge_that_fails_or_may_not_see_gives_no_score() -> None:
    failed = labelled(requests(1), scorer="judge", judge=ScriptedJudge(RuntimeError("down")))
    assert failed.rows[0]["outcomes"] == {"small": None, "big": None}
    assert failed.rows[0]["label"]["codes"]["big"] == "judge_failed"
    outside = ScriptedJudge(True, location="external")
    config = free((("small", "on_prem"), ("middle", "on_prem"), ("big", "external")))
    withheld = labelled([{"text": PII}], config, scorer="judge", judge=outside, allow_paid=True)
    assert withheld.rows[0]["label"]["codes"]["small"] == "judge_withheld"
    assert withheld.rows[0]["outcomes"]["small"] is None
    assert outside.seen == []


def test_the_judge_without_a_model_says_nothing_where_there_are_no_documents() -> None:
    rows = [
        {"text": "Which colour has the door?", "documents": ["The door is green."]},
        {"text": "And the roof of it?"},
    ]
    found = labelled(rows, models={"small": Asked("The door is green."), "big": Asked("Nobody has a submarine.")})
    assert found.summary["scorer"] == "judge"
    assert found.rows[0]["outcomes"]["small"] > found.rows[0]["outcomes"]["big"]
    assert found.rows[1]["outcomes"] == {"small": None, "big": None}
    assert found.rows[1]["label"]["codes"] == {"small": "no_documents", "big": "no_documents"}
    # a judge that has a model may still know
    judge = ScriptedJudge(Verdict(passed=True, score=0.75, reason="no_documents"))
    assert labelled(rows[1:], judge=judge).rows[0]["outcomes"] == {"small": 0.75, "big": 0.75}


@pytest.mark.parametrize(
    ("scorer", "said"),
    [
        (None, "2 of 2 requests have no 'reference'"),
        ("exact", r"no_reference \(2\)"),
        ("bleu", "Unknown scorer 'bleu'"),
        ("python:no_such_module:f", "cannot be imported"),
    ],
)
def test_where_nothing_can_score_it_says_what_to_give(scorer: str | None, said: str) -> None:
    small = Asked()
    with pytest.raises(Exception, match=said):
        labelled([{"text": "one thing"}, {"text": "another thing"}], scorer=scorer, models={"small": small})
    assert small.seen == []


def test_requests_without_a_reference_are_not_drawn_where_references_are_asked_for() -> None:
    rows = [*requests(2), {"text": "nobody knows"}]
    small = Asked()
    found = labelled(rows, scorer="reference", models={"small": small})
    assert found.summary["left_out"] == {"no_reference": 1}
    assert len(small.seen) == 2


# Reading


def test_csv_and_conversations_are_read(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text('text,reference,documents,note\n"Who, then?",Ada,"[""It is Ada.""]",x\nWhat?,42,,\n')
    read = read_prompts(path)
    assert [case.id for case in read.suite] == ["line-2", "line-3"]
    assert read.suite.cases[0].documents == ("It is Ada.",)
    assert read.references == {"line-2": ("Ada",), "line-3": ("42",)}
    assert read.rows["line-2"]["note"] == "x"
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    found = labelled([{"messages": [*turns, {"role": "user", "content": "And now?"}], "reference": "yes"}])
    assert found.rows[0]["text"] == "And now?"


def test_bad_rows_are_named_with_file_and_line_and_the_others_are_labelled(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    good = [json.dumps(row) for row in requests(2)]
    path.write_text(
        "\n".join([good[0], "{not json", json.dumps({"id": "e"}), good[1], good[1], '{"text": "a", "reference": {}}'])
    )
    found = labelled(path)
    assert [row["id"] for row in found.rows] == ["r0", "r1"]
    assert [(each.line, each.code) for each in found.problems] == [
        (2, "not_json"),
        (3, "no_text"),
        (5, "duplicate_id"),
        (6, "bad_reference"),
    ]
    assert found.summary["bad_rows"] == 4
    assert str(found.problems[0]).startswith("prompts.jsonl:2: ")


@pytest.mark.parametrize("source", [{"text": "a"}, 7, "prompts.docx"])
def test_what_is_no_list_of_requests_is_refused(source: Any) -> None:
    with pytest.raises(InputError, match="Fix: give"):
        labelled(source)


# The command line

Cli = Callable[..., Result]

PAID = """
version: 1
tiers:
  - {name: small, model: "python:said_tiers:small", location: on_prem}
  - {name: big, model: "python:said_tiers:big", location: external, price: {input: 10, output: 30}}
"""

SAID = """
from tiergraph.testing import ScriptedChat
small, big = ScriptedChat("no"), ScriptedChat("yes")
def half(row, answer):
    return 0.5
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The command line in a folder with a ladder whose upper tier costs money."""
    monkeypatch.setattr(tiergraph.decider, "load_proposer", lambda config: ScriptedProposer(config.ladder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    sys.modules.pop("said_tiers", None)
    (tmp_path / "said_tiers.py").write_text(SAID)
    (tmp_path / "router.yaml").write_text(PAID)
    (tmp_path / "prompts.jsonl").write_text("\n".join(json.dumps(row) for row in requests(4)))

    def run(*args: str, input: str | None = None) -> Result:
        return CliRunner().invoke(
            app, ["label", "--prompts", "prompts.jsonl", "--out", "rows.jsonl", *args], input=input
        )

    return run


def asked_of(name: str) -> int:
    return len(getattr(sys.modules["said_tiers"], name).history)


def test_without_a_terminal_and_without_yes_nothing_is_asked(cli: Cli, tmp_path: Path) -> None:
    found = cli()
    assert found.exit_code == 2
    assert len(found.stderr.splitlines()) == 1
    assert "4 of big" in found.stderr
    assert "--yes" in found.stderr
    assert asked_of("small") == asked_of("big") == 0
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.parametrize(("said", "code", "calls"), [("n\n", 1, 0), ("y\n", 0, 4)])
def test_the_cost_is_shown_and_has_to_be_confirmed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, said: str, code: int, calls: int
) -> None:
    monkeypatch.setattr(command, "_interactive", lambda: True)
    found = cli(input=said)
    assert found.exit_code == code, found.stderr
    assert "estimated USD" in found.stderr
    assert "4 requests, 8 calls" in found.stderr
    assert asked_of("big") == asked_of("small") == calls


def test_free_tiers_need_no_confirmation(cli: Cli) -> None:
    found = cli("--tier", "small")
    assert found.exit_code == 0, found.stderr
    assert (asked_of("small"), asked_of("big")) == (4, 0)


def test_the_summary_fits_80_columns_and_says_what_to_run_next(cli: Cli, tmp_path: Path) -> None:
    found = cli("--yes")
    assert found.exit_code == 0, found.stderr
    assert max(map(len, found.stdout.splitlines())) <= 80
    assert "Next: tiergraph tune --data rows.jsonl --config router.yaml --out tuned.yaml" in found.stdout
    assert "Spent" in found.stdout
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["outcomes"] for row in rows] == [{"small": 0.0, "big": 1.0}] * 4
    again = cli()  # all is known: nothing paid is left to confirm
    assert again.exit_code == 0, again.stderr
    assert asked_of("big") == 4


def test_json_is_the_summary_and_nothing_else(cli: Cli) -> None:
    found = cli("--yes", "--json", "--score", "python:said_tiers:half")
    summary = json.loads(found.stdout)
    assert summary["tiers"]["big"]["mean"] == 0.5
    assert summary["scorer"] == "python:said_tiers:half"
    assert summary["next"].startswith("tiergraph tune --data rows.jsonl")
    assert summary["cost"]["spent_usd"] == pytest.approx(summary["tiers"]["big"]["spent_usd"])
    assert 0 < summary["cost"]["spent_usd"] <= summary["cost"]["estimated_usd"]


def test_bad_rows_are_named_on_stderr(cli: Cli, tmp_path: Path) -> None:
    with (tmp_path / "prompts.jsonl").open("a") as file:
        file.write("\n{torn\n")
    found = cli("--yes")
    assert found.exit_code == 0
    assert "prompts.jsonl:5: The line is not JSON." in found.stderr
    assert "1 could not be read" in found.stdout


def test_many_failures_make_the_exit_code_1(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "said_tiers.py").write_text(SAID.replace('ScriptedChat("yes")', 'ScriptedChat(TimeoutError("x"))'))
    config = (tmp_path / "router.yaml").read_text()
    (tmp_path / "router.yaml").write_text(config + "cascade: {retries: 0}\n")
    found = cli("--yes")
    assert found.exit_code == 1
    assert "big failed: timeout (4)" in found.stdout
    assert "asks again what failed" in found.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--out", "."), "cannot be written"),
        (("--prompts", "none.jsonl"), "No such file"),
        (("--tier", "huge"), "no tier 'huge'"),
        (("--score", "bleu"), "Unknown scorer"),
        (("--config", "none.yaml"), "no such file"),
        (("--sample", "0"), "--sample"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(cli: Cli, args: Sequence[str], said: str) -> None:
    found = cli("--yes", *args)
    assert found.exit_code == 2
    assert said in found.stderr
    assert len(found.stderr.splitlines()) == 1
    if "said_tiers" in sys.modules:
        assert asked_of("small") == 0
