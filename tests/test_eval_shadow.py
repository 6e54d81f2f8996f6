"""A candidate beside the live router: it sees the same requests, and nobody sees it."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import threading
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from routers import LADDER, Bench, make_config

from tiergraph.config import RouterConfig
from tiergraph.decider import Decider
from tiergraph.errors import ConfigError, InputError
from tiergraph.evaluation.shadow import Shadow, _graph_input, shadow_report
from tiergraph.proposers.base import Flags
from tiergraph.request import Request, parse_request
from tiergraph.testing import ScriptedChat, ScriptedJudge, ScriptedProposer, ScriptedRetriever

SECRET = "Tell me about the zebra crossing at Mill Lane"


class Slow(ScriptedProposer):
    """A router model that waits for leave, and says when it was asked."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.entered, self.leave = threading.Event(), threading.Event()

    def propose(self, text: str, **options: Any) -> Any:
        self.entered.set()
        self.leave.wait(30)
        return super().propose(text, **options)


def decider(tier: str = "middle", config: RouterConfig | None = None, **options: Any) -> Decider:
    config = config or make_config()
    return Decider(config, ScriptedProposer(config.ladder, tier=tier, **options))


def free_config(*free: str, **sections: Any) -> RouterConfig:
    """The usual ladder, where the tiers of ``free`` cost nothing."""
    config = make_config(LADDER, **sections)
    tiers = [
        tier.model_copy(update={"price": tier.price.model_copy(update={"input": 0.0, "output": 0.0})})
        if tier.name in free
        else tier
        for tier in config.tiers
    ]
    return config.model_copy(update={"tiers": tuple(tiers)})


def shown(shadow: Shadow) -> list[dict[str, Any]]:
    assert shadow.flush(20)
    return list(shadow.lines)


# ---- the live side


def test_the_candidate_decides_on_what_was_served_and_its_line_says_both():
    with Shadow(decider()) as shadow:
        out = Bench(shadow=shadow).ask("hello there")
        (line,) = shown(shadow)
    record = out["routing"]
    assert line["input_hash"] == record["input_hash"]
    assert (line["live"]["tier"], line["live"]["outcome"], line["live"]["source"]) == ("small", "answered", "model")
    assert line["live"]["config_digest"] == record["config_digest"]
    assert [hop["tier"] for hop in line["live"]["hops"]] == ["small"]
    assert line["live"]["hops"][0]["input_tokens"] == record["hops"][0]["input_tokens"] > 0
    assert line["live"]["cost_usd"] == record["cost_usd"]
    candidate = line["candidate"]
    assert (candidate["tier"], candidate["decided"], candidate["outcome"]) == ("middle", "middle", "route")
    assert list(candidate["tier_probabilities"]) == ["small", "middle", "big"]
    assert candidate["allowed"] == ["small", "middle", "big"]
    assert candidate["config_digest"] == shadow.config.digest
    assert candidate["error"] is None


def test_live_answers_are_the_same_with_and_without_a_shadow():
    asked = [("hello there", {}), ("Write to jane.doe@example.com", {}), ("Please let me talk to a human agent.", {})]

    def served(**options: Any) -> list[Any]:
        bench = Bench(make_config(record={"salt": "s"}), **options)
        found = []
        for text, keys in asked:
            out = bench.ask(text, **keys)
            record = {k: v for k, v in out["routing"].items() if k not in ("id", "time", "latency_ms")}
            for hop in record["hops"]:
                hop.pop("latency_ms")
            for one in record["consulted"]:
                one.pop("latency_ms")
            found.append(([message.content for message in out["messages"]], record, bench.asked))
        return found

    with Shadow(decider("big")) as shadow:
        assert json.dumps(served(shadow=shadow)) == json.dumps(served())
        assert shadow.flush(20)
        assert shadow.counts.done == 3


def test_a_candidate_that_hangs_keeps_nothing_waiting_and_what_is_too_much_is_dropped():
    config = make_config(router={"deadline_ms": 60_000})
    slow = Slow(config.ladder)
    shadow = Shadow(Decider(config, slow), queue=2)
    bench = Bench(shadow=shadow)
    bench.ask("first")
    assert slow.entered.wait(20)
    # The candidate hangs on the first; two wait; the rest is dropped. Every answer is there all the same.
    answers = [bench.ask(f"number {i}")["messages"][-1].content for i in range(5)]
    assert answers == ["answer of small"] * 5
    assert not shadow.flush(0)
    counts = shadow.counts
    assert (counts.seen, counts.sampled, counts.dropped, counts.done) == (6, 6, 3, 0)
    slow.leave.set()
    assert shadow.flush(20)
    assert shadow.counts.done == 3
    shadow.close()


def test_closing_does_not_wait_for_a_candidate_that_hangs():
    config = make_config(router={"deadline_ms": 60_000})
    slow = Slow(config.ladder)
    shadow = Shadow(Decider(config, slow))
    shadow.observe("first", decider().decide("first"))
    assert slow.entered.wait(20)
    shadow.observe("second", decider().decide("second"))
    shadow.close(timeout_s=0)
    assert shadow.counts.dropped == 1
    slow.leave.set()


@pytest.mark.parametrize("hangs", [True, False])
def test_what_was_loaded_is_given_back_unless_the_candidate_still_uses_it(monkeypatch, hangs):
    config, closed = make_config(router={"deadline_ms": 60_000}), []
    slow = Slow(config.ladder)
    slow.close = lambda: closed.append(1)
    monkeypatch.setattr("tiergraph.decider.create_decider", lambda *_, **__: Decider(config, slow))
    shadow = Shadow(config)
    shadow.observe("hello", decider().decide("hello"))
    assert slow.entered.wait(20)
    if not hangs:
        slow.leave.set()
    shadow.close(timeout_s=0 if hangs else 20)
    shadow.close(timeout_s=0)
    assert bool(closed) is not hangs
    slow.leave.set()


def test_what_comes_after_the_close_is_dropped():
    shadow = Shadow(decider())
    shadow.close()
    shadow.observe("hello", decider().decide("hello"))
    assert shown(shadow) == []
    assert shadow.counts.dropped == 1


def test_a_crash_of_the_candidate_is_counted_by_class_and_changes_nothing():
    config = make_config()

    class Broken(Decider):
        def steps(self, request: Request) -> Any:
            raise RuntimeError(request.question)

    with Shadow(Broken(config, ScriptedProposer(config.ladder))) as shadow:
        out = Bench(shadow=shadow).ask(SECRET)
        (line,) = shown(shadow)
    assert out["messages"][-1].content == "answer of small"
    assert line["candidate"]["error"] == "RuntimeError"
    assert line["candidate"]["tier"] is None
    assert dict(shadow.counts.failures) == {"RuntimeError": 1}
    assert "zebra" not in json.dumps(line)


def test_a_candidate_that_asks_the_process_to_end_ends_nothing():
    config = make_config(router={"deadline_ms": 60_000})

    class Leaving(Decider):
        def steps(self, request: Request) -> Any:
            raise SystemExit(1)

    with Shadow(Leaving(config, ScriptedProposer(config.ladder))) as shadow:
        for text in ("one", "two"):
            shadow.observe(text, decider().decide(text))
        assert [line["candidate"]["error"] for line in shown(shadow)] == ["SystemExit"] * 2
        assert dict(shadow.counts.failures) == {"SystemExit": 2}


def test_a_request_that_cannot_be_read_reaches_nobody():
    with Shadow(decider()) as shadow:
        shadow.observe({"messages": 7}, decider().decide("hello"))
        shadow.observe(lambda: 1 / 0, decider().decide("hello"))
        shadow.observe("hello", {"no": "record"})
        assert dict(shadow.counts.failures) == {"InputError": 1, "ZeroDivisionError": 1, "KeyError": 1}
        assert shown(shadow) == []


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, BaseException])
def test_a_request_that_asks_the_process_to_end_when_it_is_called_ends_nothing(error):
    def leave() -> str:
        raise error

    with Shadow(decider()) as shadow:
        shadow.observe(leave, decider().decide("hello"))
        assert dict(shadow.counts.failures) == {error.__name__: 1}


def test_an_interrupt_reaches_the_host_in_its_main_thread_and_only_there():
    def interrupted() -> str:
        raise KeyboardInterrupt

    live = decider().decide("hello")
    with Shadow(decider()) as shadow:
        with pytest.raises(KeyboardInterrupt):
            shadow.observe(interrupted, live)
        assert shadow.counts.failed == 0
        thread = threading.Thread(target=shadow.observe, args=(interrupted, live))
        thread.start()
        thread.join()
        assert dict(shadow.counts.failures) == {"KeyboardInterrupt": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_was_forked_while_the_lock_was_held_serves_and_has_a_shadow_of_its_own():
    live = decider().decide("hello")
    slow = Slow(make_config().ladder, tier="middle")
    with Shadow(Decider(make_config(), slow), queue=5) as shadow:
        for text in ("one", "two"):  # one is with the parent's thread, the other waits
            shadow.observe(text, live)
        assert slow.entered.wait(20)
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with shadow._changed:
                held.set()
                done.wait(20)

        holder = threading.Thread(target=hold)
        holder.start()
        assert held.wait(20)
        child = os.fork()
        if child == 0:  # nothing may leave this branch
            code = 3
            try:
                signal.alarm(20)  # a lock that is never given back would stop the test
                slow.leave.set()
                fresh = shadow.counts.seen == 0 and not shadow._waiting
                shadow.observe("three", live)
                code = 0 if fresh and shadow.flush(10) and shadow.counts.done == 1 else 4
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        done.set()
        holder.join()
        slow.leave.set()
        assert os.waitstatus_to_exitcode(status) == 0
        assert shadow.flush(20)
        assert shadow.counts.done == 2


def test_a_shadow_that_nobody_holds_is_collected():
    shadow = Shadow(decider())
    seen = weakref.ref(shadow)
    del shadow
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("fails", [False, True])
def test_a_short_write_is_finished_or_counted_and_never_swallows_the_next_line(fails, tmp_path, monkeypatch):
    log = tmp_path / "shadow.jsonl"
    write, pieces = os.write, []

    def short(file: int, data: bytes) -> int:
        if b'"version"' not in data and not pieces:
            return write(file, data)
        pieces.append(len(data))
        if fails and len(pieces) == 2:
            raise OSError(errno.ENOSPC, "full")
        return write(file, data[:40] if len(pieces) == 1 else data)

    with Shadow(decider(), log=log) as shadow:
        monkeypatch.setattr(os, "write", short)
        for text in ("one", "two", "three"):
            shadow.observe(text, decider().decide(text))
            assert shadow.flush(20)
        monkeypatch.undo()
        counts = shadow.counts
    assert (counts.done, dict(counts.failures)) == ((2, {"OSError": 1}) if fails else (3, {}))
    report = shadow_report(log)
    assert (report.n, report.broken) == ((2, (1,)) if fails else (3, ()))


def test_a_log_that_cannot_be_written_any_more_is_counted(tmp_path):
    log = tmp_path / "shadow.jsonl"
    with Shadow(decider(), log=log) as shadow:
        log.unlink()
        log.mkdir()
        out = Bench(shadow=shadow).ask("hello")
        assert shadow.flush(20)
        assert out["messages"][-1].content == "answer of small"
        assert dict(shadow.counts.failures) == {"IsADirectoryError": 1}


async def test_an_async_host_is_served_and_observed():
    with Shadow(decider()) as shadow:
        out = await Bench(shadow=shadow).router.ainvoke({"messages": [("user", "hello")]})
        assert out["messages"][-1].content == "answer of small"
        assert shown(shadow)[0]["candidate"]["tier"] == "middle"


def test_on_record_hears_of_live_requests_only_and_the_thread_is_not_shared():
    saver = InMemorySaver()
    config = free_config("small", "middle")
    with Shadow(decider(config=config), draft=True, models=chats(), judge=ScriptedJudge(True)) as shadow:
        bench = Bench(shadow=shadow, checkpointer=saver)
        bench.ask("hello", {"configurable": {"thread_id": "t"}})
        assert shadow.flush(20)
        assert shadow.counts.done == 1
    assert len(bench.records) == 1
    assert {item.config["configurable"]["thread_id"] for item in saver.list(None)} == {"t"}
    contents = [m.content for m in bench.router.get_state({"configurable": {"thread_id": "t"}}).values["messages"]]
    assert contents == ["hello", "answer of small"]


def test_the_candidate_gets_the_request_as_it_came_in_and_not_what_was_retrieved_for_it():
    config = make_config(policy={"rules": [{"id": "r", "when": {"keywords": ["walrus"]}, "effect": "human"}]})
    with Shadow(decider(config=config)) as shadow:
        bench = Bench(
            proposer=ScriptedProposer(make_config().ladder, needs_retrieval=True),
            retriever=ScriptedRetriever(["The walrus is in Mill Lane."]),
            shadow=shadow,
        )
        bench.ask("hello")
        bench.ask("hello", documents=["A walrus came in with it."])
        lines = shown(shadow)
    assert [line["candidate"]["outcome"] for line in lines] == ["route", "human"]


def test_the_candidates_own_policy_screens_the_request():
    config = make_config(policy={"pii": "human"})
    with Shadow(decider(config=config)) as shadow:
        Bench(shadow=shadow).ask("Write to jane.doe@example.com")
        (line,) = shown(shadow)
    assert line["live"]["outcome"] == "answered"
    assert (line["candidate"]["outcome"], line["candidate"]["tier"]) == ("human", None)


def test_a_decider_can_be_observed_without_a_graph():
    live = decider("big")
    with Shadow(decider()) as shadow:
        for request in ({"text": "hello"}, {"messages": [("user", "hello")]}, "hello", parse_request("hello")):
            shadow.observe(request, live.decide("hello"))
        lines = shown(shadow)
    assert {line["live"]["decided"] for line in lines} == {"big"}
    assert {line["candidate"]["decided"] for line in lines} == {"middle"}
    assert len({line["input_hash"] for line in lines}) == 1
    assert lines[0]["live"]["hops"] is None


# ---- sampling


def test_the_sample_is_chosen_by_the_question_and_about_as_large_as_asked():
    live = decider().decide("hello")
    texts = [f"question {i}" for i in range(400)]

    def sampled(salt: str) -> set[str]:
        config = make_config(record={"salt": "fixed"})
        with Shadow(decider(config=config), sample=0.25, queue=1000, salt=salt) as shadow:
            for text in texts:
                shadow.observe(text, live)
            lines = shown(shadow)
            assert shadow.counts.seen == 400
            assert shadow.counts.sampled == len(lines)
            return {line["input_hash"] for line in lines}

    one, again, other = sampled(""), sampled(""), sampled("other")
    assert one == again
    assert one != other
    assert 60 <= len(one) <= 140  # 100 expected, four standard deviations


@pytest.mark.parametrize(("sample", "seen"), [(0.0, 0), (1.0, 20)])
def test_none_and_all_can_be_sampled(sample, seen):
    with Shadow(decider(), sample=sample) as shadow:
        for i in range(20):
            shadow.observe(str(i), decider().decide("hello"))
        assert len(shown(shadow)) == seen


@pytest.mark.parametrize(
    "options", [{"sample": 1.5}, {"sample": float("nan")}, {"queue": 0}, {"models": {"small": ScriptedChat()}}]
)
def test_an_option_out_of_its_range_is_refused(options):
    with pytest.raises(InputError, match="Fix"):
        Shadow(decider(), **options)


# ---- privacy


def test_the_log_holds_nothing_of_the_request_or_of_any_answer(tmp_path):
    log = tmp_path / "new" / "shadow.jsonl"
    config = free_config("small", "middle")
    texts = {"question": SECRET, "document": "The quokka sleeps", "answer": "Xylophone answer", "meta": "platinumplan"}
    candidates = {name: ScriptedChat("Candidate xylophone") for name in config.ladder.names}
    with Shadow(
        decider(config=config), log=log, draft=True, models=candidates, judge=ScriptedJudge(False, True)
    ) as shadow:
        bench = Bench(shadow=shadow, chats={"small": ScriptedChat(texts["answer"])})
        bench.ask(
            [("user", "Earlier ocelot"), ("assistant", "Reply narwhal"), ("user", texts["question"])],
            documents=[{"id": "gnu", "text": texts["document"]}],
            metadata={"plan": texts["meta"]},
        )
        assert shadow.flush(20)
    data = log.read_bytes().lower()
    for word in (b"zebra", b"mill lane", b"quokka", b"xylophone", b"platinumplan", b"ocelot", b"narwhal", b"gnu"):
        assert word not in data
    assert json.loads(data)["candidate"]["hops"][0]["tier"] == "middle"


def test_a_torn_last_line_does_not_swallow_the_next(tmp_path):
    log = tmp_path / "shadow.jsonl"
    log.write_bytes(b'{"version": 1, "tor')
    with Shadow(decider(), log=log) as shadow:
        shadow.observe("hello", decider().decide("hello"))
    report = shadow_report(log)
    assert (report.n, report.broken) == (1, (1,))


def test_a_log_that_cannot_be_opened_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        Shadow(decider(), log=tmp_path)


# ---- what is paid


@pytest.mark.parametrize(
    "router",
    [
        {"model": "openai:gpt", "location": "external"},
        {"model": "ollama:small", "location": "on_prem"},
        {"model": "python:tests_do_not:import_this", "location": "external"},
        {"chain": [{"model": "embedded"}, {"model": "openai:gpt", "location": "on_prem"}]},
    ],
)
def test_a_hosted_or_external_router_model_is_refused_before_it_is_loaded(router):
    with pytest.raises(ConfigError, match="allow_paid=True"):
        Shadow(make_config(router=router))


def test_a_hosted_embedding_model_is_refused_before_it_is_asked(tmp_path):
    routes = tmp_path / "routes.yaml"
    routes.write_text(
        "embeddings: {model: 'openai:embed', location: on_prem}\n"
        "clusters: [{name: a, tier: small, examples: [hello]}, {name: b, tier: big, examples: [prove it]}]\n"
    )
    with pytest.raises(ConfigError, match=r"openai:embed.*allow_paid"):
        Shadow(make_config(router={"model": f"embedding:{routes}"}))


def test_a_decider_with_an_external_router_model_is_refused_unless_it_is_allowed():
    config = make_config()
    reader = ScriptedProposer(config.ladder)
    from tiergraph.proposers.chain import Chain

    chain = Chain.of(ScriptedProposer(config.ladder, location="external"), sufficiency=0.5, reader=reader)
    with pytest.raises(ConfigError, match="allow_paid=True"):
        Shadow(Decider(config, chain))
    Shadow(Decider(config, chain), allow_paid=True).close()


def test_a_hosted_judge_is_refused_where_drafts_are_judged_and_only_there():
    judge = {"model": "openai:judge", "location": "external", "api_key": "k"}
    config = make_config(cascade={"judge": judge})
    with pytest.raises(ConfigError, match=r"openai:judge.*allow_paid"):
        Shadow(decider(config=config), draft=True)
    Shadow(decider(config=config)).close()
    with pytest.raises(ConfigError, match="scripted-judge"):
        Shadow(decider(), draft=True, judge=ScriptedJudge(location="external"))


def test_an_external_retriever_is_refused():
    config = make_config(retrieval={"location": "external"})
    with pytest.raises(ConfigError, match="retrieval"):
        Shadow(decider(config=config), draft=True, retriever=ScriptedRetriever())


def chats() -> dict[str, ScriptedChat]:
    return {name: ScriptedChat(f"candidate's {name}") for name, _ in LADDER}


@pytest.mark.parametrize("tier", ["small", "middle", "big"])
def test_a_paid_tier_is_never_called(tier):
    # middle has a price; big has one and is external; only small is free.
    models, config = chats(), free_config("small")
    with Shadow(decider(tier, config), draft=True, models=models, judge=ScriptedJudge(False)) as shadow:
        Bench(shadow=shadow).ask("hello")
        (line,) = shown(shadow)
    assert (models["middle"].history, models["big"].history) == ([], [])
    assert line["candidate"]["decided"] == tier
    assert line["candidate"]["unasked"] == ("big" if tier == "big" else "middle")


def test_an_external_tier_without_a_price_is_not_called_either():
    models, config = chats(), free_config("small", "middle", "big")
    with Shadow(decider("big", config), draft=True, models=models) as shadow:
        Bench(shadow=shadow).ask("hello")
        (line,) = shown(shadow)
    assert models["big"].history == []
    assert line["candidate"]["unasked"] == "big"


def test_a_paid_tier_is_called_where_that_is_allowed():
    models, config = chats(), free_config("small")
    with Shadow(
        decider("big", config), draft=True, models=models, judge=ScriptedJudge(True), allow_paid=True
    ) as shadow:
        Bench(shadow=shadow).ask("hello")
        (line,) = shown(shadow)
    assert len(models["big"].history) == 1
    assert (line["candidate"]["tier"], line["candidate"]["unasked"]) == ("big", None)
    assert line["candidate"]["cost_usd"] > 0


def test_without_drafting_no_tier_is_called_at_all():
    config = free_config("small", "middle", "big")
    with Shadow(decider(config=config), allow_paid=True) as shadow:
        Bench(shadow=shadow).ask("hello")
        (line,) = shown(shadow)
    assert line["candidate"]["hops"] is None


def test_a_configuration_is_loaded_and_its_paid_tiers_count_as_there(tmp_path):
    # Neither key nor server is there: alone, the candidate would take the top tier for unreachable.
    file = tmp_path / "router.yaml"
    file.write_text(
        "tiers:\n"
        "  - {name: quote, model: quote, location: on_prem}\n"
        "  - {name: big, model: 'openai:gpt', location: external, price: {input: 1, output: 1}}\n"
    )
    with Shadow(file) as shadow:
        shadow.observe("hello", decider().decide("hello"))
        (line,) = shown(shadow)
    assert line["candidate"]["allowed"] == ["quote", "big"]


TURNS = st.sampled_from(
    [
        HumanMessage("earlier"),
        AIMessage("said"),
        AIMessage("", tool_calls=[{"name": "look", "args": {"q": 1}, "id": "1"}]),
        ToolMessage("found", tool_call_id="1"),
        SystemMessage("be kind"),
    ]
)


@given(st.lists(TURNS, max_size=5), st.booleans())
def test_the_candidates_graph_takes_the_request_apart_into_the_same_parts(turns, picture):
    block = {"type": "image_url", "image_url": {"url": "data:,"}}
    asked = HumanMessage([{"type": "text", "text": "what?"}, block] if picture else "what?")
    request = parse_request(
        [*turns, asked], documents=[{"id": "d", "text": "t"}], metadata={"plan": "x"}, attachments=["audio"]
    )
    assert parse_request(**_graph_input(request)) == request


# ---- the report of a log


def line(
    hash: str,
    live: str | None,
    candidate: str | None,
    *,
    tokens: tuple[int, int] | None = (1000, 100),
    cost: float = 0.0,
    probabilities: tuple[float, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    hop = {"tier": live, "outcome": "accepted", "code": None, "cost_usd": cost, "retries": 0}
    hop |= {"input_tokens": tokens[0] if tokens else 0, "output_tokens": tokens[1] if tokens else 0}
    hops = [hop] if live else []
    names = [name for name, _ in LADDER]
    return {
        "version": 1,
        "input_hash": hash,
        "live": {"tier": live, "decided": live, "hops": hops, "cost_usd": cost, **more.pop("live", {})},
        "candidate": {
            "tier": candidate,
            "decided": candidate,
            "hops": None,
            "cost_usd": None,
            "unasked": None,
            "error": None,
            "tier_probabilities": dict(zip(names, probabilities, strict=False)),
            **more,
        },
    }


def test_cost_is_priced_from_the_live_requests_tokens():
    # prices of the ladder: 1, 10 and 100 USD per million; 1,100 tokens
    log = [line("a", "big", "small", cost=0.11), line("b", "small", "small", cost=0.0011)]
    report = shadow_report(log, prices=make_config())
    assert report.figure("cost_usd").value == pytest.approx((0.0011 + 0.0011 - 0.11 - 0.0011) / 2)
    assert report.figure("cost_change").value == pytest.approx(0.0022 / 0.1111 - 1)
    assert dict(report.cost_from) == {"tokens": 2}
    assert report.agreement.value == 0.5
    assert report.moved == {"big": {"small": {"n": 1, "quality": None, "cost_usd": pytest.approx(-0.1089)}}}


def test_without_prices_cost_is_the_mean_of_that_tier_in_the_log():
    log = [
        line("a", "big", "small", cost=0.11),
        line("b", "small", "small", cost=0.001),
        line("c", "small", None, cost=0.003),
        line("d", "small", "middle", cost=0.002),
    ]
    report = shadow_report(log)
    # a: mean of small .002; b: what it cost; c: nobody is free; d: nobody knows middle
    assert report.figure("cost_usd").value == pytest.approx((0.002 - 0.11 + 0 - 0.003) / 3)
    assert report.figure("cost_usd").n == 3
    assert dict(report.cost_from) == {"measured": 1, "same tier": 1, "tier mean": 1, "unknown": 1}
    assert any("tier mean 1" in sentence for sentence in report.sentences())


def test_an_escalated_live_request_is_compared_by_its_decision_where_the_candidate_did_not_draft():
    one = line("a", "small", "small", cost=0.001)
    two = line("b", "small", "small", cost=0.001)
    two["live"] |= {"tier": "big", "cost_usd": 0.101, "hops": [*two["live"]["hops"], {**one["live"]["hops"][0]}]}
    two["live"]["hops"][1] |= {"tier": "big", "cost_usd": 0.1}
    report = shadow_report([one, two])
    assert report.agreement.value == 1.0
    assert report.figure("cost_usd").value == 0.0


def test_whole_runs_are_compared_where_the_candidate_drafted():
    hop = {"tier": "small", "outcome": "rejected", "code": None, "input_tokens": 9, "output_tokens": 9}
    hops = [{**hop, "cost_usd": 0.001}, {**hop, "tier": "middle", "cost_usd": 0.01}]
    log = [line("a", "big", "middle", cost=0.1, hops=hops, cost_usd=0.011)]
    log[0]["candidate"]["decided"] = "small"
    report = shadow_report(log)
    assert [(move.source, move.target) for move in report.moves] == [("big", "middle")]
    assert report.figure("cost_usd").value == pytest.approx(-0.089)
    assert dict(report.cost_from) == {"measured": 1}


def test_a_run_that_came_to_a_tier_that_is_never_asked_ends_there_at_its_estimated_price():
    hop = {"tier": "small", "outcome": "rejected", "code": None, "input_tokens": 9, "output_tokens": 9}
    below = {**hop, "tier": "middle", "outcome": "failed", "cost_usd": 0.0}
    hops = [{**hop, "cost_usd": 0.001}, below, {**hop, "cost_usd": 0.5}]
    log = [line("a", "big", "small", cost=0.11, hops=hops, cost_usd=0.501, unasked="middle")]
    report = shadow_report(log, prices=make_config())
    assert [(move.source, move.target) for move in report.moves] == [("big", "middle")]
    assert report.figure("cost_usd").value == pytest.approx(0.001 + 0.011 - 0.11)


def test_quality_is_measured_where_outcomes_are_known_and_else_the_candidates_own_expectation():
    log = [
        line("a", "big", "small", probabilities=(0.6, 0.3, 0.1)),
        line("b", "big", "middle", probabilities=(0.2, 0.3, 0.5)),
        line("c", "big", None, probabilities=()),
    ]
    outcomes = {"a": {"small": 0.5, "big": 1.0}, "b": {"big": 1.0}}
    report = shadow_report(log, outcomes=outcomes)
    assert (report.figure("quality").value, report.figure("quality").n) == (-0.5, 1)
    # the candidate thinks that small suffices with .6 and middle with .5, big with 1
    assert report.figure("expected_quality").value == pytest.approx((0.6 - 1 + 0.5 - 1) / 2)
    assert report.figure("expected_quality").n == 2
    assert any("as the candidate itself expects" in sentence for sentence in report.sentences())
    with pytest.raises(KeyError):
        shadow_report(log).figure("quality")


def test_broken_lines_are_counted_with_their_numbers_and_failures_by_class(tmp_path):
    good = json.dumps(line("a", "big", "small"))
    failed = json.dumps(line("b", "big", None, error="RuntimeError"))
    torn, other = good[: len(good) // 2], json.dumps({**line("c", "big", "small"), "version": 2})
    lacking = json.dumps({**line("d", "big", "small"), "live": {"tier": "big"}})
    log = tmp_path / "log.jsonl"
    log.write_bytes("\n".join([good, torn, failed, "[]", other, lacking, "\ufffd", good]).encode() + b"\n\xff\n")
    report = shadow_report(log)
    assert report.n == 2
    assert report.broken == (2, 4, 5, 6, 7, 9)
    assert dict(report.failed) == {"RuntimeError": 1}
    assert report.as_json()["broken"] == [2, 4, 5, 6, 7, 9]
    assert any("6 lines could not be read" in sentence for sentence in report.sentences())


def test_a_log_without_a_line_that_can_be_used_is_refused(tmp_path):
    with pytest.raises(InputError, match="no request that both sides decided"):
        shadow_report(["{"])
    with pytest.raises(InputError, match="Fix"):
        shadow_report(tmp_path / "none.jsonl")


@given(st.permutations(range(5)))
def test_the_order_of_lines_changes_nothing(order):
    log = [
        line("a", "big", "small", cost=0.1, probabilities=(0.6, 0.3, 0.1)),
        line("a", "big", "middle", cost=0.2, probabilities=(0.2, 0.3, 0.5)),
        line("b", "small", "small", cost=0.001),
        line("c", None, "small"),
        line("d", "middle", None, cost=0.01),
    ]
    expected = shadow_report(log, prices=make_config()).as_json()
    assert shadow_report([log[i] for i in order], prices=make_config()).as_json() == expected


def test_repeats_of_one_question_are_no_further_evidence():
    def width(hashes: list[str]) -> float:
        log = [line(hash, "big", "small" if int(hash) % 2 else "big") for hash in hashes]
        agreement = shadow_report(log).agreement
        return agreement.high - agreement.low

    few = [str(i) for i in range(20)]
    assert width(few * 10) == pytest.approx(width(few), abs=0.1)
    assert width([str(i) for i in range(200)]) < width(few) / 2


def test_a_whole_log_is_read_back(tmp_path):
    log = tmp_path / "shadow.jsonl"
    flagged = decider(flag=lambda text: Flags(contains_pii="Jane" in text))
    with Shadow(flagged, log=log) as shadow:
        bench = Bench(shadow=shadow)
        for text in ("hello", "Jane Doe, 3 Mill Lane", "Please let me talk to a human agent."):
            bench.ask(text)
        assert shadow.flush(20)
    report = shadow_report(log, prices=make_config())
    assert (report.n, report.broken) == (3, ())
    assert report.moved["small"]["middle"]["n"] == 2
    assert report.agreement.value == pytest.approx(1 / 3)  # both give the third to a person
    assert report.figure("cost_usd").value > 0
    assert list(report.frame()["name"])[:2] == ["agreement", "cost_usd"]
    assert json.dumps(report.as_json(), allow_nan=False)
