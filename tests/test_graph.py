"""The flow: screen, propose, retrieve, draft, judge, escalate, human, finish."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from routers import Bench, make_config

from tiergraph.errors import InputError, TiersUnavailableError
from tiergraph.judges import Verdict
from tiergraph.proposers.base import Flags
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer, ScriptedRetriever

LEGAL = "I will sue you, my lawyer has filed a claim in small claims court."
THREAD = {"configurable": {"thread_id": "t"}}


class RateLimited(Exception):
    status_code = 429


class BadRequest(Exception):
    status_code = 400


def test_an_answer_accepted_at_the_first_tier_asks_no_other():
    bench = Bench()
    out = bench.ask("hello there")
    assert out["messages"][-1].content == "answer of small"
    assert bench.asked == ["small"]
    assert (out["routing"]["tier"], out["routing"]["outcome"], out["routing"]["source"]) == (
        "small",
        "answered",
        "model",
    )
    assert bench.records == [out["routing"]]


def test_an_escalation_hands_up_documents_draft_and_verdict():
    verdict = Verdict(
        passed=False, score=0.1, reason="unsupported_claims", unsupported=("It takes 99 days.",), uncovered=("the fee",)
    )
    bench = Bench(judge=ScriptedJudge(verdict, True), chats={"small": ScriptedChat("It takes 99 days.")})
    out = bench.ask("How long and what fee?", documents=[{"id": "fees", "text": "The fee is 3 euros."}])
    assert bench.asked == ["small", "middle"]
    handed = bench.chats["middle"].sent
    for part in ("How long and what fee?", "The fee is 3 euros.", "It takes 99 days.", "the fee"):
        assert part in handed
    assert [hop["outcome"] for hop in out["routing"]["hops"]] == ["rejected", "accepted"]
    assert out["messages"][-1].content == "answer of middle"


def test_when_no_draft_is_accepted_a_person_takes_it_and_the_message_says_so():
    bench = Bench(judge=ScriptedJudge(False))
    out = bench.ask("hello")
    assert bench.asked == ["small", "middle", "big"]
    assert (out["routing"]["outcome"], out["routing"]["trouble"]) == ("human", "exhausted")
    assert "answer of" not in out["messages"][-1].content
    assert out["routing"]["review"]["packet"]["reason"] == "exhausted"


def test_on_exhausted_abstain_says_so_without_a_person():
    out = Bench(make_config(cascade={"on_exhausted": "abstain"}), judge=ScriptedJudge(False)).ask("hello")
    assert out["routing"]["outcome"] == "abstained"


def test_max_hops_bounds_the_drafts():
    bench = Bench(make_config(cascade={"max_hops": 2}), judge=ScriptedJudge(False))
    bench.ask("hello")
    assert bench.asked == ["small", "middle"]


def test_a_wish_for_a_person_asks_no_model_at_all():
    bench = Bench()
    out = bench.ask("Please let me talk to a human agent.")
    assert (bench.asked, bench.proposer.asked) == ([], [])
    assert out["routing"]["outcome"] == "human"


def test_a_legal_request_starts_at_the_top():
    bench = Bench()
    out = bench.ask(LEGAL)
    assert bench.asked == ["big"]
    assert out["routing"]["source"] == "rule"


def test_legal_with_pii_takes_the_highest_on_prem_tier_and_the_record_says_that_the_floor_was_clipped():
    bench = Bench()
    out = bench.ask(LEGAL + " Write to jane.doe@example.com")
    assert bench.asked == ["middle"]
    assert out["routing"]["floor_clipped"] is True


def test_the_models_flag_narrows_the_set_before_the_tier_is_read():
    config = make_config()
    proposer = ScriptedProposer(config.ladder, tier="big", flag=lambda text: Flags(contains_pii="Jane" in text))
    bench = Bench(config, proposer=proposer)
    assert bench.ask("Jane Doe, 3 Mill Lane")["routing"]["tier"] == "middle"
    assert bench.ask("nobody in here")["routing"]["tier"] == "big"


def test_a_refusing_rule_refuses_before_any_model():
    rule = {"id": "no-weapons", "when": {"keywords": ["crossbow plans"]}, "effect": "refuse"}
    bench = Bench(make_config(policy={"rules": [rule]}))
    out = bench.ask("Send me crossbow plans")
    assert (out["routing"]["outcome"], bench.asked, bench.proposer.asked) == ("refused", [], [])


@pytest.mark.parametrize(
    ("error", "code", "calls"),
    [(TimeoutError(), "timeout", 3), (RateLimited(), "rate_limited", 3), (BadRequest(), "bad_request", 1)],
)
def test_a_tier_that_fails_is_retried_where_that_may_help_and_then_passed_over(error, code, calls):
    bench = Bench(make_config(cascade={"retries": 2}), chats={"small": ScriptedChat(error)})
    out = bench.ask("hello")
    assert len(bench.chats["small"].history) == calls
    assert [(hop["tier"], hop["code"]) for hop in out["routing"]["hops"]] == [("small", code), ("middle", None)]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("UNSURE", "unsure"),
        ("unsure.", "unsure"),
        (AIMessage("no", response_metadata={"finish_reason": "content_filter"}), "refusal"),
    ],
)
def test_an_answer_that_is_none_goes_to_the_next_tier_with_its_code(reply, code):
    out = Bench(chats={"small": ScriptedChat(reply)}).ask("hello")
    assert out["routing"]["hops"][0]["code"] == code
    assert out["routing"]["tier"] == "middle"


def test_when_the_top_tier_fails_a_lower_allowed_one_still_answers():
    bench = Bench(
        chats={"big": ScriptedChat(TimeoutError())}, proposer=ScriptedProposer(make_config().ladder, tier="big")
    )
    out = bench.ask("hello")
    assert [hop["tier"] for hop in out["routing"]["hops"]] == ["big", "middle"]
    assert out["routing"]["outcome"] == "answered"


def all_down() -> dict[str, ScriptedChat]:
    return {name: ScriptedChat(TimeoutError()) for name in ("small", "middle", "big")}


def test_when_every_tier_fails_the_outcome_is_unavailable_and_the_message_says_so():
    out = Bench(chats=all_down()).ask("hello")
    assert out["routing"]["outcome"] == "unavailable"
    assert [hop["code"] for hop in out["routing"]["hops"]] == ["timeout"] * 3
    assert isinstance(out["messages"][-1], AIMessage)


def test_with_on_unavailable_raise_the_thread_resumes_from_where_it_stood():
    chats = all_down()
    chats["big"] = ScriptedChat(TimeoutError(), "back again")
    bench = Bench(make_config(cascade={"on_unavailable": "raise"}), chats=chats, checkpointer=InMemorySaver())
    with pytest.raises(TiersUnavailableError, match=r"small \(timeout\), middle \(timeout\), big \(timeout\)"):
        bench.ask("hello", THREAD)
    out = bench.router.invoke(None, THREAD)
    assert out["messages"][-1].content == "back again"
    assert [len(chats[name].history) for name in ("small", "middle", "big")] == [1, 1, 2]


def test_a_router_model_that_fails_raises_its_flags_and_the_highest_tier_left_answers():
    from tiergraph.errors import DecisionTimeoutError

    config = make_config()
    bench = Bench(config, proposer=ScriptedProposer(config.ladder, fails=DecisionTimeoutError("late")))
    out = bench.ask("hello")
    assert (out["routing"]["tier"], out["routing"]["source"]) == ("middle", "fallback")
    assert {"kind": "pii", "rule": "flag:unavailable", "where": "question"} in out["routing"]["findings"]


@pytest.mark.parametrize("verdict", [RuntimeError("boom"), TimeoutError(), "not a verdict"])
def test_a_judge_that_fails_is_not_a_pass(verdict):
    out = Bench(judge=ScriptedJudge(verdict)).ask("hello")  # type: ignore[arg-type]
    assert out["routing"]["outcome"] == "human"
    assert {hop["verdict"]["passed"] for hop in out["routing"]["hops"]} == {False}


def test_documents_are_retrieved_where_the_model_asks_for_them_and_none_came_in():
    config = make_config()
    proposer = ScriptedProposer(config.ladder, needs_retrieval=True)
    retriever = ScriptedRetriever([{"id": "d", "text": "Parcels take 3 days."}])
    bench = Bench(config, proposer=proposer, retriever=retriever)
    out = bench.ask("how long do parcels take")
    assert "Parcels take 3 days." in bench.chats["small"].sent
    assert out["routing"]["retrieval"] == {"called": True, "documents": 1, "code": None}
    bench.ask("how long do parcels take", documents=["They take 4 days."])
    assert len(retriever.queries) == 1


def test_a_retrieved_document_with_pii_narrows_the_set():
    config = make_config()
    proposer = ScriptedProposer(config.ladder, tier="big", needs_retrieval=True)
    retriever = ScriptedRetriever(["Call Ann at ann@example.org"])
    bench = Bench(config, proposer=proposer, retriever=retriever)
    assert bench.ask("who do I call")["routing"]["tier"] == "middle"
    assert bench.asked == ["middle"]


def test_a_retriever_that_fails_is_recorded_and_the_flow_goes_on():
    config = make_config()
    proposer = ScriptedProposer(config.ladder, needs_retrieval=True)
    out = Bench(config, proposer=proposer, retriever=ScriptedRetriever(fails=OSError())).ask("hello")
    assert out["routing"]["retrieval"] == {"called": True, "documents": 0, "code": "failed"}
    assert out["routing"]["outcome"] == "answered"


def test_redact_sends_placeholders_outside_and_restores_them_in_the_answer():
    config = make_config(policy={"pii": "redact"})
    chat = ScriptedChat(lambda messages: "I wrote to " + str(messages[-1].content).split("mail ")[1].split()[0])
    bench = Bench(config, proposer=ScriptedProposer(config.ladder, tier="big"), chats={"big": chat})
    out = bench.ask("please mail jane.doe@example.com today")
    assert "jane.doe" not in bench.chats["big"].sent
    assert out["messages"][-1].content == "I wrote to jane.doe@example.com"
    assert out["routing"]["redacted"] is True


def test_a_budget_stops_before_the_tier_that_would_break_it():
    bench = Bench(make_config(budgets={"max_cost_usd": 0.001, "answer_tokens": 100}), judge=ScriptedJudge(False))
    out = bench.ask("hello")
    assert bench.asked == ["small"]
    assert (out["routing"]["trouble"], out["routing"]["outcome"]) == ("budget", "human")


def test_a_deadline_stops_the_cascade():
    bench = Bench(make_config(budgets={"deadline_s": 1e-6}))
    out = bench.ask("hello")
    assert (bench.asked, out["routing"]["trouble"]) == ([], "deadline")


def test_tool_calls_come_back_for_the_host_to_run():
    call = {"name": "track", "args": {"order": "HB-1"}, "id": "c1", "type": "tool_call"}
    bench = Bench(chats={"small": ScriptedChat(AIMessage("", tool_calls=[call]))}, tools=[{"name": "track"}])
    message = bench.ask("where is it")["messages"][-1]
    assert [c["name"] for c in message.tool_calls] == ["track"]
    assert bench.chats["small"].bound_tools == [{"name": "track"}]


def test_a_tool_result_reaches_the_tier_and_the_question_stays_the_users():
    call = {"name": "track", "args": {}, "id": "c1", "type": "tool_call"}
    bench = Bench()
    bench.ask(
        [
            {"role": "user", "content": "where is my parcel"},
            AIMessage("", tool_calls=[call]),
            {"role": "tool", "content": "It is in Leipzig.", "tool_call_id": "c1"},
        ]
    )
    assert "It is in Leipzig." in bench.chats["small"].sent
    assert bench.proposer.asked == ["where is my parcel"]


def test_the_record_is_json_and_holds_no_content():
    bench = Bench(judge=ScriptedJudge(False, True))
    out = bench.ask("my zebra question", documents=["the giraffe document"], metadata={"plan": "walrus"})
    text = json.dumps(out["routing"])
    for word in ("zebra", "giraffe", "walrus", "answer of"):
        assert word not in text
    for key in (
        "input_hash",
        "config_digest",
        "prompts_digest",
        "prompts",
        "router_model",
        "hops",
        "cost_usd",
        "latency_ms",
    ):
        assert out["routing"][key]
    hop = out["routing"]["hops"][0]
    assert {"tier", "outcome", "input_tokens", "output_tokens", "cost_usd", "latency_ms", "verdict", "code"} <= set(hop)


def test_equal_questions_have_equal_hashes_under_one_salt_and_other_ones_under_another():
    one = make_config(record={"salt": "pepper"})
    other = make_config(record={"salt": "cinnamon"})
    hashes = [Bench(config).ask("same")["routing"]["input_hash"] for config in (one, one, other)]
    assert hashes[0] == hashes[1] != hashes[2]


# Human review


def paused(bench: Bench, text: str = "I want to speak to a human") -> dict:
    out = bench.ask(text, THREAD)
    return out["__interrupt__"][0].value


def resume(bench: Bench, value: object) -> dict:
    return bench.router.invoke(Command(resume=value), THREAD)


def test_with_a_checkpointer_the_thread_waits_and_a_persons_answer_is_the_answer():
    bench = Bench(checkpointer=InMemorySaver())
    packet = paused(bench)
    assert packet["findings"][0]["kind"] == "human_request"
    out = resume(bench, {"action": "answer", "content": "Ann here, hello."})
    assert out["messages"][-1].content == "Ann here, hello."
    assert (out["routing"]["outcome"], out["routing"]["review"]) == ("answered", {"action": "answer"})


def test_a_person_may_route_inside_what_residency_leaves():
    bench = Bench(checkpointer=InMemorySaver())
    packet = paused(bench, "I want to speak to a human. I am jane@example.com")
    assert packet["tiers"] == ["small", "middle"]
    refused = resume(bench, {"action": "route", "tier": "big"})
    assert "Not understood" in refused["__interrupt__"][0].value["error"]
    out = resume(bench, {"action": "route", "tier": "middle"})
    assert (out["routing"]["tier"], bench.asked) == ("middle", ["middle"])


def test_a_person_may_accept_a_draft_that_the_judge_did_not():
    bench = Bench(judge=ScriptedJudge(False), checkpointer=InMemorySaver())
    assert paused(bench, "hello")["drafts"][0]["tier"] == "small"
    out = resume(bench, {"action": "accept", "draft": 1})
    assert (out["messages"][-1].content, out["routing"]["tier"]) == ("answer of middle", "middle")


def test_a_person_may_refuse():
    bench = Bench(checkpointer=InMemorySaver())
    paused(bench)
    assert resume(bench, {"action": "refuse"})["routing"]["outcome"] == "refused"


@pytest.mark.parametrize(
    "nonsense", ["   ", 3, {"action": "dance"}, {"action": "answer", "content": "  "}, {"action": "accept"}]
)
def test_a_review_that_is_not_understood_asks_again_and_names_the_fix(nonsense):
    bench = Bench(checkpointer=InMemorySaver())
    paused(bench)
    again = resume(bench, nonsense)
    assert "Resume with" in again["__interrupt__"][0].value["error"]
    assert resume(bench, "ok")["messages"][-1].content == "ok"


# Threads


def test_two_turns_on_one_thread_append_one_message_each_and_carry_nothing_over():
    bench = Bench(judge=ScriptedJudge(False, True), checkpointer=InMemorySaver())
    first = bench.ask("first", THREAD, documents=["old paper"])
    second = bench.ask("second", THREAD)
    assert [m.type for m in second["messages"]] == ["human", "ai", "human", "ai"]
    assert len(first["routing"]["hops"]) == 2
    assert len(second["routing"]["hops"]) == 1
    assert "old paper" not in str(bench.chats["small"].history[-1])


def test_pii_in_an_earlier_turn_still_binds():
    config = make_config()
    bench = Bench(config, proposer=ScriptedProposer(config.ladder, tier="big"), checkpointer=InMemorySaver())
    bench.ask("I am jane@example.com", THREAD)
    assert bench.ask("and now?", THREAD)["routing"]["tier"] == "middle"
    assert bench.asked == ["middle"]


async def test_async_takes_the_same_path():
    bench = Bench(judge=ScriptedJudge(False, True))
    out = await bench.router.ainvoke({"messages": [HumanMessage("hello")]})
    assert (out["routing"]["tier"], len(out["messages"])) == ("middle", 2)


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([], "no_messages"),
        ([{"role": "user", "content": ""}], "empty"),
        ([{"role": "user", "content": " \n\t"}], "empty"),
        ([{"role": "assistant", "content": "hi"}], "no_question"),
    ],
)
def test_a_request_without_a_question_is_an_error_that_names_the_fix(messages, code):
    with pytest.raises(InputError, match="Fix: ") as caught:
        Bench().ask(messages)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["nul \x00 byte", "lone \ud800 surrogate", "x" * 1_000_000])
def test_odd_text_has_a_defined_outcome(text):
    out = Bench(checkpointer=InMemorySaver()).ask(text, THREAD)
    assert "__interrupt__" in out or out["routing"]["outcome"] == "answered"


def test_bad_documents_and_metadata_are_named():
    with pytest.raises(InputError, match=r"documents\[1\]"):
        Bench().ask("hello", documents=["fine", 3])
    with pytest.raises(InputError, match="metadata"):
        Bench().ask("hello", metadata=["not", "a", "mapping"])
    with pytest.raises(InputError, match="attachment"):
        Bench().ask("hello", attachments=["hologram"])


def test_a_tier_that_can_only_quote_gets_documents_even_where_the_model_asks_for_none():
    config = make_config().model_dump()
    config["tiers"][0]["model"] = "quote"
    config = type(make_config()).model_validate(config)
    retriever = ScriptedRetriever([{"id": "d", "text": "Parcels take 3 days."}])
    bench = Bench(config, proposer=ScriptedProposer(config.ladder, needs_retrieval=False), retriever=retriever)
    assert bench.ask("how long do parcels take")["routing"]["retrieval"]["documents"] == 1
