"""Nothing that policy keeps inside leaves: not to a tier, a judge, a router model or a retriever, whatever fails."""

from __future__ import annotations

import json
import logging

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from routers import Bench, make_config

from tiergraph.errors import CircuitOpenError, DecisionTimeoutError, ProposalInvalidError
from tiergraph.proposers.base import Flags
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer, ScriptedRetriever

SECRET = "jane.doe@example.com"
ALSO = "jane.doe"
CALL = {"name": "crm", "args": {}, "id": "c1", "type": "tool_call"}

PLACES = {
    "question": ([HumanMessage(f"write to {SECRET} please")], []),
    "history": ([HumanMessage(f"I am {SECRET}"), AIMessage("Hello."), HumanMessage("and my parcel?")], []),
    "document": ([HumanMessage("who do I write to?")], [{"id": "d1", "text": f"Write to {SECRET}."}]),
    "document id": ([HumanMessage("who do I write to?")], [{"id": SECRET, "text": "See above."}]),
    "tool result": (
        [
            HumanMessage("who is it?"),
            AIMessage("", tool_calls=[CALL]),
            ToolMessage(f"It is {SECRET}", tool_call_id="c1"),
        ],
        [],
    ),
    "tool call": (
        [
            HumanMessage("look it up"),
            AIMessage("", tool_calls=[{**CALL, "args": {"mail": SECRET}}]),
            ToolMessage("found", tool_call_id="c1"),
        ],
        [],
    ),
    "draft": ([HumanMessage("who is my contact?")], []),
    "retrieved": ([HumanMessage("who is my contact here?")], []),
}
FAILURES = {
    "nothing": {},
    "router model late": {"proposer": DecisionTimeoutError("late")},
    "router model down": {"proposer": CircuitOpenError("open")},
    "router model invalid": {"proposer": ProposalInvalidError("bad")},
    "judge fails": {"judge": RuntimeError("boom")},
    "judge is late": {"judge": TimeoutError()},
    "tier times out": {"tier": TimeoutError()},
    "tier refuses": {"tier": AIMessage("no", response_metadata={"finish_reason": "content_filter"})},
    "tier is unsure": {"tier": "UNSURE"},
    "tier is empty": {"tier": ""},
    "retriever fails": {"retriever": OSError("down")},
    "screen fails": {"screen": True},
}


class Spies:
    """A router whose every external place is spied on."""

    def __init__(self, place: str, failure: dict, policy: str, spied: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages, documents = PLACES[place]
        self.documents = documents
        config = make_config(
            [("small", "on_prem"), ("cloud", "external"), ("inside", "on_prem"), ("frontier", "external")],
            policy={"pii": policy},
            retrieval={"location": "external" if spied in ("retriever", "all") else "on_prem"},
        )
        draft = f"Your contact is {SECRET}." if place == "draft" else "An answer."
        inside = failure.get("tier", draft)
        self.proposer = ScriptedProposer(
            config.ladder,
            tier="small",
            needs_retrieval=True,
            fails=failure.get("proposer"),
            location="external" if spied in ("proposer", "all") else "on_prem",
        )
        self.judge = ScriptedJudge(
            failure.get("judge", False), location="external" if spied in ("judge", "all") else "on_prem"
        )
        self.retriever = ScriptedRetriever(
            [f"Your contact is {SECRET}."] if place == "retrieved" else ["Nothing personal."],
            fails=failure.get("retriever"),
        )
        # A draft with PII stands first, so that every later hop would carry it up.
        self.bench = Bench(
            config,
            proposer=self.proposer,
            judge=self.judge,
            retriever=self.retriever,
            checkpointer=InMemorySaver(),
            chats={
                "small": ScriptedChat(draft if place == "draft" else inside),
                "inside": ScriptedChat(inside),
                "cloud": ScriptedChat("From the cloud."),
                "frontier": ScriptedChat("From the frontier."),
            },
        )
        if failure.get("screen"):
            monkeypatch.setattr(type(self.bench.decider.screens.pii), "find", _explode)
            monkeypatch.setattr(type(self.bench.decider.screens.pii), "kinds", _explode)
        self.spied = spied

    def outside(self) -> str:
        """All that any external place was sent."""
        sent = [self.bench.chats[name].sent for name in ("cloud", "frontier")]
        if self.spied in ("proposer", "all"):
            sent += [*self.proposer.asked, *self.proposer.read]
        if self.spied in ("judge", "all"):
            sent += [json.dumps(seen) for seen in self.judge.seen]
        if self.spied in ("retriever", "all"):
            sent += self.retriever.queries
        return "\n".join(sent)


def _explode(*_: object, **__: object) -> None:
    raise RuntimeError("the screen is broken")


# Every failure with every place, once with external tiers alone and once with everything external; and each external
# place by itself where nothing fails.
CASES = [
    (place, failure, policy, spied)
    for place in PLACES
    for failure in FAILURES
    for policy in ("on_prem", "redact", "human")
    for spied in (("tiers", "judge", "proposer", "retriever", "all") if failure == "nothing" else ("tiers", "all"))
    if policy != "human" or failure == "nothing"
]


@pytest.mark.parametrize(("place", "failure", "policy", "spied"), CASES)
def test_nothing_leaves(place, failure, policy, spied, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    spies = Spies(place, FAILURES[failure], policy, spied, monkeypatch)
    streamed = list(
        spies.bench.router.stream(
            {"messages": spies.messages, "documents": spies.documents},
            {"configurable": {"thread_id": "t"}},
            stream_mode=["custom", "updates"],
        )
    )
    assert ALSO not in spies.outside()
    assert ALSO not in caplog.text
    events = [event for mode, event in streamed if mode == "custom" or "finish" not in event]
    assert ALSO not in str(events)
    for record in spies.bench.records:
        assert ALSO not in json.dumps(record)


def test_the_spies_do_see_what_policy_lets_out(monkeypatch):
    """The test above would pass with spies that are blind: here PII is allowed out, and each of them sees it."""
    for spied in ("tiers", "judge", "proposer", "retriever"):
        spies = Spies("question", {}, "allow", spied, monkeypatch)
        spies.bench.ask(spies.messages, {"configurable": {"thread_id": "t"}})
        assert ALSO in spies.outside(), spied


def test_what_only_the_models_flag_sees_stays_inside_too():
    config = make_config([("small", "on_prem"), ("cloud", "external")])
    flag = lambda text: Flags(contains_pii="Mill Lane" in text)  # noqa: E731
    for messages, documents in (
        ([HumanMessage("Ann Carter, 3 Mill Lane, wants a refund")], []),
        ([HumanMessage("who wants a refund?")], ["Ann Carter, 3 Mill Lane"]),
        ([HumanMessage("Ann Carter, 3 Mill Lane"), AIMessage("Yes?"), HumanMessage("a refund")], []),
    ):
        proposer = ScriptedProposer(config.ladder, tier="cloud", flag=flag)
        bench = Bench(config, proposer=proposer, judge=ScriptedJudge(False))
        bench.ask(messages, documents=documents)
        assert bench.asked == ["small"]


def test_a_draft_that_only_the_flag_sees_through_is_not_handed_outside():
    config = make_config([("small", "on_prem"), ("cloud", "external")])
    proposer = ScriptedProposer(config.ladder, flag=lambda text: Flags(contains_pii="Mill Lane" in text))
    bench = Bench(
        config, proposer=proposer, judge=ScriptedJudge(False), chats={"small": ScriptedChat("Ann Carter, 3 Mill Lane")}
    )
    bench.ask("who is it?")
    assert bench.asked == ["small"]


def test_text_that_the_flag_budget_leaves_unread_counts_as_found():
    config = make_config([("small", "on_prem"), ("cloud", "external")], policy={"flag_windows": 1})
    bench = Bench(config, proposer=ScriptedProposer(config.ladder, tier="cloud"))
    bench.ask("hello", documents=["one", "two", "three"])
    assert bench.asked == ["small"]


def test_an_attached_picture_does_not_travel_beside_redacted_text():
    config = make_config([("small", "on_prem"), ("cloud", "external")], policy={"pii": "redact"})
    config = config.model_copy(
        update={"tiers": tuple(t.model_copy(update={"modalities": ("text", "image")}) for t in config.tiers)}
    )
    bench = Bench(config, proposer=ScriptedProposer(config.ladder, tier="cloud"))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    bench.ask([HumanMessage([{"type": "text", "text": f"I am {SECRET}"}, picture])])
    assert bench.asked == ["small"]


def test_a_value_that_only_one_part_gives_away_is_replaced_in_every_part():
    config = make_config([("small", "on_prem"), ("cloud", "external")], policy={"pii": "redact"})
    bench = Bench(
        config, proposer=ScriptedProposer(config.ladder, tier="cloud"), judge=ScriptedJudge(location="external")
    )
    bench.ask("is 533380006 right?", documents=["My passport number is 533380006."])
    assert bench.asked == ["cloud"]
    assert "533380006" not in bench.chats["cloud"].sent
    assert "533380006" not in str(bench.judge.seen)


def test_a_person_cannot_route_outside_what_only_the_models_flag_sees():
    """The router model is not asked before a person is; its flags are read before a tier outside is offered."""
    config = make_config([("small", "on_prem"), ("cloud", "external")])
    proposer = ScriptedProposer(config.ladder, flag=lambda text: Flags(contains_pii="Mill Lane" in text))
    bench = Bench(config, proposer=proposer, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}}
    waiting = bench.ask("Ann Carter, 3 Mill Lane. Let me talk to a human.", thread)
    assert waiting["__interrupt__"][0].value["tiers"] == ["small"]
    again = bench.router.invoke(Command(resume={"action": "route", "tier": "cloud"}), thread)
    assert "Not understood" in again["__interrupt__"][0].value["error"]
    out = bench.router.invoke(Command(resume={"action": "route", "tier": "small"}), thread)
    assert (out["routing"]["tier"], bench.asked) == ("small", ["small"])


@pytest.mark.parametrize("place", ["question", "document"])
def test_an_external_judge_sees_nothing_that_only_the_flag_sees_after_a_person_routed(place):
    """No router model had read the request, and every tier that the person could choose was on-prem."""
    config = make_config([("small", "on_prem"), ("middle", "on_prem")])
    proposer = ScriptedProposer(config.ladder, flag=lambda text: Flags(contains_pii="Mill Lane" in text))
    judge = ScriptedJudge(location="external")
    bench = Bench(config, proposer=proposer, judge=judge, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}}
    address = "Ann Carter, 3 Mill Lane."
    asked = f"{address if place == 'question' else ''} Let me talk to a human."
    bench.ask(asked, thread, documents=[address] if place == "document" else [])
    bench.router.invoke(Command(resume={"action": "route", "tier": "small"}), thread)
    assert judge.seen == []
    assert bench.asked[0] == "small"  # a draft was there to be judged


@pytest.mark.parametrize("where", ["history", "tool result"])
def test_a_value_that_history_gives_away_is_replaced_for_retriever_and_judge_too(where):
    config = make_config(
        [("small", "on_prem"), ("cloud", "external")], policy={"pii": "redact"}, retrieval={"location": "external"}
    )
    number = "533380006"
    told = f"My passport number is {number}."
    first = (
        [HumanMessage(told), AIMessage("ok")]
        if where == "history"
        else [HumanMessage("look"), AIMessage("", tool_calls=[CALL]), ToolMessage(told, tool_call_id="c1")]
    )
    judge, retriever = ScriptedJudge(location="external"), ScriptedRetriever(["Nothing personal."])
    bench = Bench(
        config,
        proposer=ScriptedProposer(config.ladder, tier="cloud", needs_retrieval=True),
        judge=judge,
        retriever=retriever,
        chats={"cloud": ScriptedChat(f"Yes, {number} is right.")},
    )
    bench.ask([*first, HumanMessage(f"is {number} right, can you tell me please?")])
    assert retriever.queries
    assert judge.seen
    assert number not in str(retriever.queries) + str(judge.seen) + bench.chats["cloud"].sent
