"""Tiers over real HTTP on loopback: llama.cpp's own server, and both wire formats with every kind of failure."""

from __future__ import annotations

import socket

import pytest
from langchain_core.messages import HumanMessage
from loopback import ModelServer

from tiergraph import create_tier_router
from tiergraph.answering import why_unreachable
from tiergraph.config import RouterConfig
from tiergraph.decider import Decider
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer

pytestmark = pytest.mark.loopback
WIRES = ("openai", "ollama")


def wired(wire: str, url: str, *, judge: ScriptedJudge | None = None, tools: tuple = (), **tier: object):
    """A router whose first tier is on the wire and whose second is scripted."""
    first = {
        "name": "wire",
        "model": f"{wire}:some-model",
        "location": "on_prem",
        "base_url": f"{url}/v1" if wire == "openai" else url,
        "price": {"input": 1.0, "output": 2.0},
        **tier,
    }
    spare = {"name": "spare", "model": "python:nothing:here", "location": "on_prem"}
    config = RouterConfig.model_validate({"tiers": [first, spare], "cascade": {"backoff_s": 0.0, "retries": 1}})
    decider = Decider(config, ScriptedProposer(config.ladder))
    return create_tier_router(
        config,
        decider=decider,
        models={"spare": ScriptedChat("spare answer")},
        judge=judge or ScriptedJudge(),
        tools=tools,
    )


def ask(router, text: str = "hello"):
    return router.invoke({"messages": [HumanMessage(text)]})


@pytest.mark.parametrize("wire", WIRES)
def test_a_tier_answers_and_its_own_token_counts_make_the_cost(wire):
    with ModelServer() as server:
        out = ask(wired(wire, server.url))
    hop = out["routing"]["hops"][0]
    assert out["messages"][-1].content == "From the wire."
    assert (hop["input_tokens"], hop["output_tokens"], hop["tokens_estimated"]) == (21, 4, False)
    assert hop["cost_usd"] == pytest.approx((21 * 1.0 + 4 * 2.0) / 1e6)
    assert "hello" in server.sent


@pytest.mark.parametrize("wire", WIRES)
async def test_async(wire):
    with ModelServer() as server:
        out = await wired(wire, server.url).ainvoke({"messages": [HumanMessage("hello")]})
    assert out["messages"][-1].content == "From the wire."


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("behaviour", "code", "calls"),
    [
        ("429", "rate_limited", 2),
        ("500", "server_error", 2),
        ("400", "bad_request", 1),
        ("slow", "timeout", 2),
        ("empty", "empty", 2),
        ("garbage", "error", 1),
        ("cut", "unreachable", 2),
    ],
)
def test_each_failure_has_its_code_its_retries_and_the_next_tier(wire, behaviour, code, calls):
    with ModelServer(behaviour) as server:
        out = ask(wired(wire, server.url, timeout_s=1.0, params={"streaming": True} if wire == "openai" else {}))
        assert len(server.requests) == calls
    hop = out["routing"]["hops"][0]
    assert hop["code"] == code
    assert out["messages"][-1].content == "spare answer"


@pytest.mark.parametrize("wire", WIRES)
def test_a_server_that_is_gone_is_unreachable(wire):
    with ModelServer() as server:
        router = wired(wire, server.url)
    assert ask(router)["routing"]["hops"][0]["code"] == "unreachable"


@pytest.mark.parametrize("wire", WIRES)
def test_tools_travel_out_and_tool_calls_come_back(wire):
    def track(order: str) -> str:
        """Where a parcel is."""
        return order

    with ModelServer("tools") as server:
        message = ask(wired(wire, server.url, tools=(track,)))["messages"][-1]
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("track", {"order": "HB-1"})]
    assert server.requests[0]["tools"][0]["function"]["name"] == "track"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("accepted", [True, False])
def test_a_streaming_tier_streams_nothing_to_the_host_but_the_accepted_answer(wire, accepted):
    with ModelServer(text="word by word it comes") as server:
        params = {"streaming": True} if wire == "openai" else {}
        router = wired(wire, server.url, judge=ScriptedJudge(accepted, True), params=params)
        streamed = router.stream({"messages": [HumanMessage("hello")]}, stream_mode="messages")
        contents = [message.content for message, _ in streamed if message.type.lower().startswith("ai")]
    assert contents == ["word by word it comes" if accepted else "spare answer"]


def test_why_a_tier_cannot_be_reached_is_said_without_a_request(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tier = RouterConfig.model_validate(
        {
            "tiers": [
                {"name": "a", "model": "ollama:m", "location": "on_prem", "base_url": f"http://127.0.0.1:{port}"},
                {"name": "b", "model": "openai:m", "location": "external"},
                {"name": "c", "model": "openai:m", "location": "external", "api_key": "${NO_SUCH_KEY}"},
                {"name": "d", "model": "python:no_such_module:x", "location": "on_prem"},
                {"name": "e", "model": "quote", "location": "on_prem"},
            ]
        }
    ).tiers
    assert why_unreachable(tier[0]) == f"nothing listens at 127.0.0.1:{port}"
    assert why_unreachable(tier[1]) == "OPENAI_API_KEY is not set"
    assert "NO_SUCH_KEY" in (why_unreachable(tier[2]) or "")
    assert "cannot be imported" in (why_unreachable(tier[3]) or "")
    assert why_unreachable(tier[4]) is None
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert why_unreachable(tier[1]) is None


@pytest.mark.parametrize("streaming", [False, True])
def test_llama_cpps_own_server_is_a_tier(llama_server, streaming):
    params = {"max_tokens": 12, "temperature": 0.0, "streaming": streaming, "stream_usage": False}
    out = ask(wired("openai", llama_server, params=params))
    hop = out["routing"]["hops"][0]
    assert (hop["code"], hop["outcome"]) == (None, "accepted")
    assert out["messages"][-1].content
    assert hop["output_tokens"] > 0
