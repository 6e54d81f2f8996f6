"""A server that misbehaves costs a decision nothing but itself: over real HTTP, through the whole decider and graph."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from contract_cases import LADDER, WIRES, hosted
from loopback import MISBEHAVIOURS, ModelServer, routed

from tiergraph import create_tier_router
from tiergraph.config import RouterConfig
from tiergraph.decider import Decider
from tiergraph.judges import EvidenceJudge
from tiergraph.proposers.chain import Chain, Link
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer

pytestmark = pytest.mark.loopback

SECRET_WORDS = "the quick violet walrus"
FORBIDDEN = "frontier"
HARMLESS = ("markdown fences", "reasoning first")
"""What ``mode: text`` reads around; in every other mode it is off the schema too."""


def config_of(**sections: Any) -> RouterConfig:
    tiers = [{**tier.model_dump(), "model": "python:tests_do_not:import_this"} for tier in LADDER]
    rule = {"id": "inside", "when": {"metadata": {"plan": ["inside"]}}, "effect": "exclude", "tiers": [FORBIDDEN]}
    cascade = {"backoff_s": 0.0, "retries": 0}
    return RouterConfig.model_validate({"tiers": tiers, "policy": {"rules": [rule]}, "cascade": cascade, **sections})


def patience(behaviour: str) -> int:
    """Milliseconds for a decision: short where the server is late on purpose, else more than a busy machine needs."""
    return 700 if behaviour in ("slow", "drip") else 10_000


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens, no log holds the request."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert SECRET_WORDS not in caplog.text


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("behaviour", MISBEHAVIOURS)
@pytest.mark.parametrize("mode", ["json_schema", "tools", "text"])
@pytest.mark.parametrize("wire", WIRES)
def test_alone_it_gives_an_allowed_tier_or_the_fallback(wire, mode, behaviour):
    config = config_of(router={"deadline_ms": patience(behaviour)})
    with ModelServer(reply=routed, pause=1.5) as server:
        proposer = hosted(wire, server.url, mode=mode, reasks=1)
        server.behaviour = behaviour
        server.requests.clear()
        chain = Chain((Link(proposer=proposer),), reader=ScriptedProposer(LADDER), sufficiency=0.5)
        decision = Decider(config, chain).decide(SECRET_WORDS, metadata={"plan": "inside"})
        asked = len(server.requests)
        proposer.close()
    assert decision.tier in ("local", "middle")
    assert not decision.tier_probabilities.get(FORBIDDEN)
    # Ollama gives the arguments of a call as an object, so what a model pads its text with is not in them.
    padded = (wire, mode, behaviour) == ("ollama", "tools", "huge")
    if padded or (behaviour in HARMLESS and mode == "text"):
        assert decision.source == "model"
    else:
        assert (decision.source, decision.tier) == ("fallback", "middle")
    assert asked <= 3  # one call, one re-ask, and one more where log probabilities may have been the trouble


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("behaviour", MISBEHAVIOURS)
async def test_behind_a_model_that_answered_it_changes_nothing(behaviour):
    config = config_of(router={"deadline_ms": patience(behaviour)})
    with ModelServer(reply=routed, pause=1.5) as server:
        proposer = hosted("openai", server.url, mode="json_schema", reasks=0)
        server.behaviour = behaviour
        first = ScriptedProposer(LADDER, confidence=0.51)
        links = (Link(proposer=first, boundary=0.5), Link(proposer=proposer))
        decision = await Decider(config, Chain(links, reader=first, sufficiency=0.5)).adecide(SECRET_WORDS)
        proposer.close()
    assert (decision.proposer, decision.tier, decision.source) == ("scripted", "local", "model")
    assert decision.consulted[0].code == "near_boundary"
    assert decision.consulted[1].code not in ("decided", "near_boundary")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("behaviour", MISBEHAVIOURS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_judge_that_misbehaves_is_never_a_pass(wire, behaviour):
    def verdict(body: dict[str, Any]) -> str:
        return json.dumps({"faithfulness": 5, "helpfulness": 5, "unsupported": []})

    with ModelServer(reply=verdict, pause=1.5) as server:
        base = f"{server.url}/v1" if wire == "openai" else server.url
        judge = {"model": f"{wire}:m", "location": "on_prem", "base_url": base, "mode": "json_schema", "timeout_s": 0.7}
        config = config_of(cascade={"backoff_s": 0.0, "retries": 0, "judge": {**judge, "reasks": 0}})
        decider = Decider(config, ScriptedProposer(LADDER))
        server.behaviour = "500"  # nothing is proved at start-up, and nothing is refused
        models = {tier.name: ScriptedChat(f"Answer of {tier.name}.") for tier in LADDER}
        router = create_tier_router(config, decider=decider, models=models)
        server.behaviour = behaviour
        out = router.invoke({"messages": [("user", SECRET_WORDS)]})
    hops = out["routing"]["hops"]
    assert [hop["outcome"] for hop in hops] == ["rejected"] * 3
    assert {hop["verdict"]["reason"] for hop in hops} <= {"judge_failed", "judge_timeout"}
    assert out["routing"]["outcome"] == "human"


@pytest.mark.parametrize("wire", WIRES)
def test_what_policy_keeps_inside_never_reaches_an_external_judge(wire):
    secret = "jane.doe@example.com"
    with ModelServer("500") as server:  # down at start-up, so that nothing is proved and nothing refused
        base = f"{server.url}/v1" if wire == "openai" else server.url
        judge = {"model": f"{wire}:m", "location": "external", "base_url": base, "mode": "text"}
        config = config_of(cascade={"backoff_s": 0.0, "retries": 0, "judge": judge})
        models = {tier.name: ScriptedChat(f"Write to {secret}.") for tier in LADDER}
        router = create_tier_router(config, decider=Decider(config, ScriptedProposer(LADDER)), models=models)
        server.behaviour = "answer"
        server.reply = lambda body: json.dumps({"faithfulness": 5, "helpfulness": 5, "unsupported": []})
        server.requests.clear()
        out = router.invoke({"messages": [("user", "Who do I write to?")], "documents": [f"Write to {secret}."]})
        assert secret not in server.sent
    verdict = out["routing"]["hops"][0]["verdict"]
    assert verdict["judge"] == EvidenceJudge.name


def test_a_judge_given_in_code_stands_in_place_of_the_configured_one():
    configured = {"model": "openai:m", "location": "external", "mode": "text"}
    config = config_of(cascade={"backoff_s": 0.0, "judge": configured})
    models = {tier.name: ScriptedChat("An answer.") for tier in LADDER}
    decider = Decider(config, ScriptedProposer(LADDER))
    router = create_tier_router(config, decider=decider, models=models, judge=ScriptedJudge(True))
    out = router.invoke({"messages": [("user", "hello")]})
    assert out["routing"]["hops"][0]["verdict"]["judge"] == "scripted-judge"
