"""The router as a node in somebody else's graph."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command
from routers import Bench

from tiergraph.testing import ScriptedChat, ScriptedJudge

THREAD = {"configurable": {"thread_id": "host"}}


class HostState(TypedDict, total=False):
    """Names on purpose what our private state is named, with other types and an additive reducer."""

    messages: Annotated[list[AnyMessage], add_messages]
    routing: dict[str, Any]
    documents: Annotated[list[Document], operator.add]
    metadata: dict[str, Any]
    drafts: Annotated[list[str], operator.add]
    findings: str
    decision: int
    hops: str
    current: list[str]
    outcome: float


def host(bench: Bench, **compile_options: Any) -> Any:
    graph = StateGraph(HostState)
    graph.add_node("answer", bench.router)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile(**compile_options)


def test_two_turns_on_one_thread_with_the_hosts_checkpointer():
    bench = Bench(judge=ScriptedJudge(False, True))
    graph = host(bench, checkpointer=InMemorySaver())
    graph.invoke({"messages": [HumanMessage("one")]}, THREAD)
    out = graph.invoke({"messages": [HumanMessage("two")]}, THREAD)
    assert [message.type for message in out["messages"]] == ["human", "ai", "human", "ai"]
    assert len(out["routing"]["hops"]) == 1
    assert "one" in str(bench.chats["small"].history[-1])


def test_keys_that_clash_stay_the_hosts():
    bench = Bench()
    given = {
        "messages": [HumanMessage("hello")],
        "documents": [Document("A paper.", id="p1")],
        "drafts": ["mine"],
        "findings": "mine",
        "decision": 7,
        "hops": "mine",
        "current": ["mine"],
        "outcome": 0.5,
        "metadata": {"plan": "free"},
    }
    out = host(bench).invoke(given)
    for key in ("drafts", "findings", "decision", "hops", "current", "outcome", "metadata"):
        assert out[key] == given[key]
    assert len(out["documents"]) == 1
    assert "A paper." in bench.chats["small"].sent
    assert out["routing"]["outcome"] == "answered"


async def test_async_host():
    out = await host(Bench()).ainvoke({"messages": [HumanMessage("hello")]})
    assert out["messages"][-1].content == "answer of small"


def test_interrupt_and_resume_inside_a_host():
    graph = host(Bench(), checkpointer=InMemorySaver())
    waiting = graph.invoke({"messages": [HumanMessage("let me talk to a human")]}, THREAD)
    assert waiting["__interrupt__"][0].value["type"] == "tiergraph.review"
    out = graph.invoke(Command(resume="A person here."), THREAD)
    assert [m.content for m in out["messages"]] == ["let me talk to a human", "A person here."]


async def test_interrupt_and_resume_inside_an_async_host():
    graph = host(Bench(), checkpointer=InMemorySaver())
    await graph.ainvoke({"messages": [HumanMessage("let me talk to a human")]}, THREAD)
    out = await graph.ainvoke(Command(resume={"action": "route", "tier": "middle"}), THREAD)
    assert out["messages"][-1].content == "answer of middle"


@pytest.mark.parametrize("subgraphs", [False, True])
def test_no_draft_judge_or_router_token_reaches_the_message_stream(subgraphs):
    bench = Bench(judge=ScriptedJudge(False, True), chats={"small": ScriptedChat("a draft nobody may see")})
    streamed = list(host(bench).stream({"messages": [HumanMessage("hi")]}, stream_mode="messages", subgraphs=subgraphs))
    texts = [str(item) for item in streamed]
    assert not any("a draft nobody may see" in text for text in texts)
    assert any("answer of middle" in text for text in texts)


async def test_the_async_message_stream_holds_the_accepted_answer_once():
    bench = Bench(judge=ScriptedJudge(False, True))
    seen = [
        message.content
        async for message, _ in host(bench).astream({"messages": [HumanMessage("hi")]}, stream_mode="messages")
        if isinstance(message, AIMessage)
    ]
    assert seen == ["answer of middle"]


@pytest.mark.parametrize("mode", ["updates", "values"])
@pytest.mark.parametrize("embedded", [True, False])
def test_the_stream_holds_the_answer_and_the_record_and_no_private_state(mode, embedded):
    bench = Bench(judge=ScriptedJudge(False, True), chats={"small": ScriptedChat("a draft nobody may see")})
    graph = host(bench) if embedded else bench.router
    streamed = list(graph.stream({"messages": [HumanMessage("hi")]}, stream_mode=mode, subgraphs=True))
    assert "a draft nobody may see" not in str(streamed)
    assert "answer of middle" in str(streamed)
    assert "input_hash" in str(streamed)


def test_progress_events_reach_a_host_that_streams_custom():
    events = list(host(Bench()).stream({"messages": [HumanMessage("hi")]}, stream_mode="custom", subgraphs=True))
    assert [event["type"] for _, event in events] == [
        "tiergraph.decision",
        "tiergraph.draft",
        "tiergraph.verdict",
        "tiergraph.finish",
    ]


def test_a_host_without_a_routing_key_still_gets_the_answer_and_the_record_goes_to_on_record():
    class Plain(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]

    bench = Bench()
    graph = StateGraph(Plain)
    graph.add_node("answer", bench.router)
    graph.add_edge(START, "answer")
    out = graph.compile().invoke({"messages": [HumanMessage("hello")]})
    assert set(out) == {"messages"}
    assert len(bench.records) == 1


STRICT = """
import warnings
warnings.simplefilter("error")
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from routers import Bench
from tiergraph.testing import ScriptedJudge
with SqliteSaver.from_conn_string({path!r}) as saver:
    bench = Bench(judge=ScriptedJudge(False), checkpointer=saver)
    thread = {{"configurable": {{"thread_id": "t"}}}}
    bench.ask("hello", thread, documents=["paper"], metadata={{"plan": "free"}})
    out = bench.router.invoke(Command(resume={{"action": "accept", "draft": 0}}), thread)
    assert out["messages"][-1].content == "answer of small", out
"""


def test_every_checkpoint_survives_strict_msgpack(tmp_path):
    script = STRICT.format(path=str(tmp_path / "state.db"))
    environment = {**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true", "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "unregistered" not in done.stderr.lower()


KILLED = """
import os
from langgraph.checkpoint.sqlite import SqliteSaver
from routers import Bench
from tiergraph.testing import ScriptedChat, ScriptedJudge

class Killer(ScriptedJudge):
    def judge(self, *args, **kwargs):
        if {kill}:
            os._exit(9)
        return super().judge(*args, **kwargs)

def count(messages):
    with open({log!r}, "a") as file:
        file.write("asked\\n")
    return "an answer"

with SqliteSaver.from_conn_string({path!r}) as saver:
    bench = Bench(judge=Killer(True), chats={{"small": ScriptedChat(count)}}, checkpointer=saver)
    thread = {{"configurable": {{"thread_id": "t"}}}}
    given = {{"messages": [{{"role": "user", "content": "hello"}}]}} if {kill} else None
    out = bench.router.invoke(given, thread, durability="sync")
    print(out["messages"][-1].content)
"""


def test_under_sync_durability_a_killed_process_asks_no_tier_again_that_had_answered(tmp_path):
    paths = {"path": str(tmp_path / "state.db"), "log": str(tmp_path / "log")}
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}

    def start(kill: bool) -> subprocess.CompletedProcess[str]:
        script = KILLED.format(kill=kill, **paths)
        return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)

    assert start(kill=True).returncode == 9
    resumed = start(kill=False)
    assert resumed.stdout.strip() == "an answer", resumed.stderr[-2000:]
    assert (tmp_path / "log").read_text() == "asked\n"
