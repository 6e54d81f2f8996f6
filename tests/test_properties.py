"""Whatever tiers, judge, router model and findings do: the invariants of the graph hold."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from routers import Bench, make_config

from tiergraph.errors import CircuitOpenError, DecisionTimeoutError, ProposalInvalidError
from tiergraph.proposers.base import Flags
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer

TEXTS = (
    "hello",
    "write to jane.doe@example.com",
    "I will sue you in court, says my lawyer",
    "let me talk to a human",
    "what is 2 + 2?\u2028",
)
behaviours = st.sampled_from(
    ["answer", "", "UNSURE", TimeoutError(), ConnectionError(), ValueError("x"), "mail a@example.org"]
)
locations = st.sampled_from(["on_prem", "external"])


@st.composite
def benches(draw: st.DrawFn) -> Bench:
    count = draw(st.integers(2, 6))
    names = ("a", "ab", "abc", "é", "two words", '"q"')[:count]
    config = make_config(
        [(name, draw(locations)) for name in names],
        cascade={
            "max_hops": draw(st.integers(1, 6)),
            "on_exhausted": draw(st.sampled_from(["human", "abstain"])),
            "judge": draw(st.sampled_from(["evidence", "none"])),
        },
        policy={
            "pii": draw(st.sampled_from(["on_prem", "redact", "human", "allow"])),
            "legal": draw(st.sampled_from(["top", "human", "allow"])),
        },
    )
    flags = Flags(contains_pii=draw(st.booleans()), is_legal=draw(st.booleans()))
    failures = [None, None, None, DecisionTimeoutError("late"), CircuitOpenError("open"), ProposalInvalidError("bad")]
    proposer = ScriptedProposer(
        config.ladder,
        tier=draw(st.sampled_from(names)),
        confidence=draw(st.floats(0, 1)),
        fails=draw(st.sampled_from(failures)),
        flag=lambda text: flags,
    )
    verdicts = draw(st.lists(st.sampled_from([True, False, RuntimeError("boom")]), min_size=1, max_size=6))
    return Bench(
        config,
        proposer=proposer,
        judge=ScriptedJudge(*verdicts, location=draw(locations)),
        chats={name: ScriptedChat(draw(behaviours)) for name in names},
    )


@given(benches(), st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3))
def test_invariants(bench, texts):
    messages = []
    for text in texts:
        messages += [HumanMessage(text), AIMessage("ok")]
    messages.pop()
    out = bench.router.invoke({"messages": messages})
    record = out["routing"]

    assert len(out["messages"]) == len(messages) + 1
    assert isinstance(out["messages"][-1], AIMessage)
    assert json.loads(json.dumps(record)) == record
    assert record["outcome"] in ("answered", "human", "refused", "abstained", "unavailable")
    assert len(record["hops"]) <= min(len(bench.config.tiers), bench.config.cascade.max_hops)
    asked = [hop["tier"] for hop in record["hops"]]
    assert len(set(asked)) == len(asked)
    decision = bench.decider.decide(messages=messages)
    assert set(asked) <= set(decision.allowed)
    assert decision.tier is None or decision.tier in decision.allowed
    pii = [finding for finding in decision.findings if finding.kind == "pii"]
    held = bench.config.policy.pii in ("on_prem", "human")
    if pii and held:
        external = {tier.name for tier in bench.config.tiers if tier.location == "external"}
        assert not external & {name for name, chat in bench.chats.items() if chat.history}


@given(st.sampled_from(TEXTS), st.data())
def test_after_a_verdict_the_cascade_climbs_strictly(text, data):
    bench = data.draw(benches())
    hops = bench.ask(text)["routing"]["hops"]
    rungs = [bench.config.ladder.index(hop["tier"]) for hop in hops]
    for (before, after), hop in zip(pairwise(rungs), hops, strict=False):
        assert after > before or hop["outcome"] == "failed"
