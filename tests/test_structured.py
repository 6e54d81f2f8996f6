"""Asking a hosted model for JSON: real HTTP on loopback, both wire formats, every kind of misbehaviour."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Literal

import pytest
from loopback import MISBEHAVIOURS, ModelServer, first_then, routed
from pydantic import BaseModel, ConfigDict

from tiergraph.endpoints import Endpoint
from tiergraph.errors import ConfigError, EndpointError, ModelError
from tiergraph.exchange import Exchange, compiled_for
from tiergraph.structured import StructuredClient
from tiergraph.wire import Answer, Asked, WireError, instructed, sendable, unwrapped

WIRES = ("openai", "ollama")
MODES = [("openai", mode) for mode in ("json_schema", "json_object", "tools", "text")]
MODES += [("ollama", mode) for mode in ("json_schema", "tools", "text")]
SECRET = "Ottilie Drachenfels"
GOOD = '{"tier": "local", "confidence": 80}'


class Pick(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    tier: Literal["local", "middle"]
    confidence: int


def client(wire: str, url: str, **changes: Any) -> StructuredClient:
    base = f"{url}/v1" if wire == "openai" else url
    entry = {"model": f"{wire}:m", "location": "on_prem", "base_url": base, "timeout_s": 5.0, "mode": "text", **changes}
    return StructuredClient(Endpoint(**entry))


def ask(asked: StructuredClient, text: str = "Where is my parcel?", **more: Any) -> Any:
    more = {"deadline": time.monotonic() + 30, **more}
    return asked.ask(messages(text), Pick, **more)


def either_way(asked: StructuredClient, asynchronous: bool) -> Any:
    if not asynchronous:
        return ask(asked, SECRET)
    return asyncio.run(asked.aask(messages(SECRET), Pick, deadline=time.monotonic() + 30))


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "Pick a tier."}, {"role": "user", "content": text}]


def failure(asked: StructuredClient, **more: Any) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        ask(asked, SECRET, **more)
    return caught.value


@contextmanager
def proved(wire: str, server: ModelServer, mode: str, **changes: Any) -> Iterator[StructuredClient]:
    """A client whose mode was proved before the server began to misbehave; the probe's calls are forgotten."""
    behaviour, server.behaviour = server.behaviour, "answer"
    asked = client(wire, server.url, mode=mode, **changes)
    asked.probe()
    server.behaviour = behaviour
    server.requests.clear()
    try:
        yield asked
    finally:
        asked.close()


@pytest.mark.loopback
@pytest.mark.parametrize(("wire", "mode"), MODES)
def test_every_mode_gives_a_value_of_its_type_in_one_call(wire, mode):
    with ModelServer(reply=routed, honours=(mode,)) as server, proved(wire, server, mode) as asked:
        got = ask(asked)
        assert (got.value, got.attempts, got.tokens) == (Pick(tier="local", confidence=80), 1, None)
        assert json.loads(got.text) == {"tier": "local", "confidence": 80}
        assert type(got.value) is Pick
        assert len(server.requests) == 1


ONE_CALL = {
    "slow": "timeout",
    "drip": "timeout",
    "429": "rate_limited",
    "500": "server_error",
    "cut": "unreachable",
    "garbage": "error",
    "huge": "invalid",
}
REASKED = {name: "empty" if name == "empty" else "invalid" for name in MISBEHAVIOURS if name not in ONE_CALL}


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("behaviour", MISBEHAVIOURS)
def test_each_misbehaviour_has_its_code_and_only_answers_are_asked_for_again(wire, behaviour):
    with ModelServer(behaviour, reply=routed, pause=1.5) as server, proved(wire, server, "json_schema") as asked:
        error = failure(asked, deadline=time.monotonic() + (0.4 if behaviour in ("slow", "drip") else 30))
        assert error.code == {**ONE_CALL, **REASKED}[behaviour]
        assert len(server.requests) == error.attempts == (1 if behaviour in ONE_CALL else 2)
        assert error.retryable == (error.code in ("timeout", "rate_limited", "server_error", "unreachable", "empty"))
    assert SECRET not in str(error)


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("behaviour", ["markdown fences", "reasoning first"])
def test_only_where_the_prompt_alone_asks_for_json_is_its_wrapping_forgiven(wire, behaviour):
    with ModelServer(behaviour, reply=routed) as server:
        got = ask(client(wire, server.url, mode="text"))
        assert got.value == Pick(tier="local", confidence=80)
        assert len(server.requests) == 1


@pytest.mark.loopback
@pytest.mark.parametrize(("wire", "mode"), MODES)
def test_a_re_ask_carries_the_answer_and_what_is_wrong_with_it(wire, mode):
    wrong = '{"tier": "frontier", "confidence": 1}'
    with ModelServer(reply=routed) as server, proved(wire, server, mode) as asked:
        server.reply = first_then(wrong)
        got = ask(asked)
        assert (got.value.tier, got.attempts) == ("local", 2)
        before, said, told = server.requests[1]["messages"][-3:]
    assert "Where is my parcel?" in before["content"]
    assert (said["role"], json.loads(said["content"])) == ("assistant", json.loads(wrong))
    assert told["role"] == "user"
    assert "'tier'" in told["content"]
    assert "['local', 'middle']" in told["content"]
    assert "frontier" not in told["content"]


@pytest.mark.loopback
@pytest.mark.parametrize("reasks", [0, 1, 3])
def test_re_asks_are_bounded(reasks):
    with ModelServer(text="no") as server:
        error = failure(client("openai", server.url, reasks=reasks))
        assert len(server.requests) == error.attempts == reasks + 1


@pytest.mark.loopback
def test_there_is_no_re_ask_when_no_time_is_left(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()

    def late(_: dict[str, Any]) -> str:
        clock.now += 10
        return "no"

    with ModelServer(reply=late) as server:
        asked = client("openai", server.url, reasks=5)
        monkeypatch.setattr("tiergraph.structured.time", clock)
        monkeypatch.setattr("tiergraph.guards.time", Clock())
        assert failure(asked, deadline=15.0).code == "invalid"
        assert len(server.requests) == 2


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_below_the_client_too_a_drip_ends_with_its_time(wire):
    with ModelServer("drip", text=GOOD, pause=1.5) as server:
        wired = client(wire, server.url)._wire
        asked = Asked(messages=messages("x"), schema={}, mode="text", until=time.monotonic() + 0.3)
        for call in (wired.send, lambda a: asyncio.run(wired.asend(a))):
            with pytest.raises(WireError) as caught:
                call(asked)
            assert caught.value.code == "timeout"


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_body_without_end_is_not_read_to_its_end(wire, asynchronous, monkeypatch):
    monkeypatch.setattr("tiergraph.guards.MAX_BODY", 10_000)
    with ModelServer(text=GOOD + " " * 20_000) as server:
        asked = client(wire, server.url)
        with pytest.raises(EndpointError, match="Huge output"):
            either_way(asked, asynchronous)
        assert len(server.requests) == 1


BAD_JSON = {
    "field twice": '{"tier": "local", "tier": "middle", "confidence": 1}',
    "not a number": '{"tier": "local", "confidence": NaN}',
    "a list": '[{"tier": "local", "confidence": 1}]',
    "too deep": '{"tier":' + "[" * 30_000 + "]" * 30_000 + ', "confidence": 1}',
    "whole float": '{"tier": "local", "confidence": 1.0}',
    "float": '{"tier": "local", "confidence": 1.5}',
    "flag for number": '{"tier": "local", "confidence": true}',
    "text for number": '{"tier": "local", "confidence": "1"}',
    "field missing": '{"tier": "local"}',
    "trailing": GOOD + " ok",
}


@pytest.mark.loopback
@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_json_that_is_not_of_the_schema_is_no_answer(text):
    with ModelServer(reply=routed) as server, proved("openai", server, "json_schema", reasks=0) as asked:
        server.reply = lambda _: text
        assert failure(asked).code == "invalid"


@pytest.mark.loopback
def test_the_published_schema_is_sent_and_holds_beside_the_model():
    schema = {**Pick.model_json_schema(), "properties": {"tier": {"enum": ["middle"]}, "confidence": {"minimum": 90}}}
    with ModelServer(text=GOOD) as server:
        assert failure(client("openai", server.url, reasks=0), schema=schema).code == "invalid"
        server.text = '{"tier": "middle", "confidence": 95}'
        assert ask(client("openai", server.url), schema=schema).value.tier == "middle"
        assert '"enum":["middle"]' in server.requests[0]["messages"][0]["content"]


@pytest.mark.loopback
def test_the_model_holds_beside_a_schema_that_allows_more():
    with ModelServer(text='{"tier": "frontier", "confidence": 95}') as server:
        error = failure(client("openai", server.url, reasks=0), schema={"type": "object"})
    assert "'tier'" in str(error)


@pytest.mark.loopback
def test_a_check_has_the_last_word_and_its_faults_stay_inside(caplog):
    def refuse(text: str) -> None:
        raise ValueError("rule 7 forbids it")

    def crash(text: str) -> None:
        raise KeyError(SECRET)

    with ModelServer(text=GOOD) as server:
        asked = client("openai", server.url)
        assert failure(asked, check=refuse).code == "invalid"
        assert "rule 7 forbids it" in server.requests[1]["messages"][-1]["content"]
        with caplog.at_level(logging.INFO):
            error = failure(asked, check=crash)
    assert error.code == "error"
    assert SECRET not in caplog.text + str(error)


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_a_refusal_is_not_asked_again(wire, monkeypatch):
    monkeypatch.setattr("tiergraph.wires._REFUSALS", ("stop",))
    with ModelServer(text="I will not.") as server:
        assert failure(client(wire, server.url)).code == "refusal"
        assert len(server.requests) == 1


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("behaviour", ["wrong types", "400", "429", "cut", "ignores the schema"])
def test_neither_request_nor_answer_stands_in_an_error_or_a_log(wire, asynchronous, behaviour, caplog):
    def echo(_: dict[str, Any]) -> str:
        return json.dumps({"tier": SECRET, "confidence": SECRET, SECRET: SECRET})

    with ModelServer(behaviour, reply=echo) as server, caplog.at_level(logging.INFO):
        asked = client(wire, server.url)
        with pytest.raises(EndpointError) as caught:
            either_way(asked, asynchronous)
    chain, error = "", caught.value
    while error is not None:
        chain += f"{error!r} {error} "
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert SECRET not in chain + caplog.text
    assert [record for record in caplog.records if record.name.startswith("instructor")] == []


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_any_text_travels_as_it_is(wire):
    text = "{{ 7 * 7 }} {% raw %} \x00 \ud800 🙂 </data-1>"
    with ModelServer(text=GOOD) as server:
        ask(client(wire, server.url), text)
        assert server.requests[0]["messages"][-1]["content"] == text.replace("\ud800", "?")


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_token_probabilities_come_along_where_they_are_wanted_and_given(wire):
    with ModelServer(reply=routed, logprobs={"local": 0.75, "middle": 0.25}) as server:
        asked = client(wire, server.url)
        assert ask(asked).tokens is None
        tokens = ask(asked, logprobs=5).tokens
        assert [request.get("top_logprobs") for request in server.requests] == [None, 5]
    assert "".join(token.text for token in tokens) == GOOD
    parting = next(token for token in tokens if token.text == "loca")
    assert parting.alternatives == pytest.approx({"loca": -0.28768, "midd": -1.38629}, abs=1e-4)


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("logprobs", "first"), [("refused", 2), ("ignored", 1)])
def test_a_server_without_them_is_asked_without_from_then_on(wire, logprobs, first):
    with ModelServer(reply=routed, logprobs=logprobs) as server:
        asked = client(wire, server.url)
        assert ask(asked, logprobs=5).value.tier == "local"
        assert len(server.requests) == first
        ask(asked, logprobs=5)
        assert len(server.requests) == first + 1
        assert not server.requests[-1].get("logprobs")


@pytest.mark.loopback
def test_a_server_that_is_down_is_not_taken_for_one_without_them():
    with ModelServer("500", reply=routed, logprobs={"local": 1.0}) as server:
        asked = client("openai", server.url)
        assert failure(asked, logprobs=5).code == "server_error"
        server.behaviour = "answer"
        assert ask(asked, logprobs=5).tokens


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("honours", "otherwise"),
    [
        (("json_schema", "json_object", "tools"), "400"),
        (("json_object", "tools"), "500"),
        (("tools",), "ignores the schema"),
        (("tools",), "plain text"),
    ],
)
def test_auto_takes_the_first_mode_that_is_proved(honours, otherwise):
    with ModelServer(reply=routed, honours=honours, otherwise=otherwise) as server:
        asked = client("openai", server.url, mode="auto")
        assert asked.mode == "auto"
        report = asked.probe()
        assert (report.outcome, report.mode, asked.mode) == ("proved", honours[0], honours[0])
        assert report.tried[honours[0]] == "holds"
        assert ask(asked).value.tier == "local"


@pytest.mark.loopback
def test_a_server_that_obeys_the_prompt_and_not_the_schema_is_refused():
    with ModelServer(text='{"code": "open"}') as server:
        with pytest.raises(ModelError, match="mode: text"):
            client("openai", server.url, mode="auto").probe()
        assert all("open" in request["messages"][-1]["content"] for request in server.requests)


@pytest.mark.loopback
def test_a_mode_that_holds_only_sometimes_is_refused():
    with ModelServer(reply=_alternating()) as server, pytest.raises(ModelError):
        client("openai", server.url, mode="json_schema").probe()


def _alternating() -> Callable[[dict[str, Any]], str]:
    calls: list[int] = []

    def reply(body: dict[str, Any]) -> str:
        calls.append(1)
        return routed(body) if len(calls) % 2 else '{"code": "open"}'

    return reply


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("otherwise", ["ignores the schema", "400", "500"])
def test_a_stated_mode_is_proved_too(wire, otherwise):
    with ModelServer(reply=routed, honours=("text",), otherwise=otherwise) as server:
        asked = client(wire, server.url, mode="json_schema")
        with pytest.raises(ModelError, match="json_schema"):
            asked.probe()
        assert failure(asked).code == "invalid"


@pytest.mark.loopback
@pytest.mark.parametrize(("status", "what"), [("401", "api_key"), ("404", "base_url")])
def test_a_probe_says_what_to_fix(status, what):
    with ModelServer(status) as server, pytest.raises(ModelError, match=what):
        client("openai", server.url, mode="auto").probe()


def test_text_has_nothing_to_prove():
    report = client("openai", "http://127.0.0.1:9", mode="text").probe()
    assert (report.outcome, report.mode) == ("unchecked", "text")


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("mode", ["auto", "json_schema"])
@pytest.mark.parametrize(
    ("behaviour", "code"), [("500", "server_error"), ("429", "rate_limited"), ("cut", "unreachable")]
)
def test_a_server_that_is_down_at_start_up_is_probed_by_the_first_request(wire, mode, behaviour, code):
    with ModelServer(behaviour, reply=routed) as server:
        asked = client(wire, server.url, mode=mode)
        report = asked.probe()
        assert (report.outcome, report.mode, report.code) == ("unreachable", None, code)
        assert failure(asked).code == code
        server.behaviour = "answer"
        assert ask(asked).value.tier == "local"
        assert asked.mode == "json_schema"


@pytest.mark.loopback
async def test_async_it_is_probed_by_the_first_request_too():
    with ModelServer(reply=routed) as server:
        asked = client("ollama", server.url, mode="auto")
        got = await asked.aask(messages("x"), Pick, deadline=time.monotonic() + 30)
    assert (got.value.tier, asked.mode) == ("local", "json_schema")


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_one_client_serves_several_loops_and_threads(wire):
    with ModelServer(reply=routed) as server:
        asked = client(wire, server.url)
        wrong: list[object] = []

        async def gathered() -> None:
            calls = (asked.aask(messages(f"{n}"), Pick, deadline=time.monotonic() + 30) for n in range(2))
            wrong.extend(got for got in await asyncio.gather(*calls) if got.value.tier != "local")

        def work() -> None:
            try:
                ask(asked)
                asyncio.run(gathered())
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(server.requests) == 2 * 3


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_one_client_serves_loops_that_come_and_go(wire):
    with ModelServer(text=GOOD) as server:
        asked = client(wire, server.url)
        for _ in range(3):
            assert either_way(asked, True).value.tier == "local"


def test_an_answer_that_was_cut_off_is_none_even_where_it_is_whole():
    exchange = Exchange(Pick, compiled_for(Pick), None, 0.0, 0, 1, "json_schema")
    exchange.take(Answer(text=GOOD))
    assert exchange.refused() is None
    exchange.take(Answer(text=GOOD, finish="length"))
    assert "cut off" in (exchange.refused() or "")


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("behaviour", ["slow", "drip"])
async def test_async_too_the_deadline_holds(wire, behaviour):
    with ModelServer(behaviour, text=GOOD, pause=1.5) as server:
        asked = client(wire, server.url, timeout_s=0.3)
        with pytest.raises(EndpointError) as caught:
            await asked.aask(messages("x"), Pick, deadline=time.monotonic() + 30)
    assert caught.value.code == "timeout"


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_a_passed_deadline_or_a_closed_client_asks_nothing(wire):
    with ModelServer(text=GOOD) as server:
        asked = client(wire, server.url)
        assert failure(asked, deadline=time.monotonic() - 1).code == "timeout"
        asked.close()
        asked.close()
        assert failure(asked).code == "unreachable"
        assert server.requests == []


@pytest.mark.loopback
@pytest.mark.parametrize("wire", WIRES)
def test_a_redirect_is_another_place_and_not_followed(wire):
    with ModelServer(text=GOOD) as elsewhere:

        class Redirect(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                self.send_response(307)
                self.send_header("Location", f"{elsewhere.url}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()

        http = HTTPServer(("127.0.0.1", 0), Redirect)
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        try:
            assert failure(client(wire, f"http://127.0.0.1:{http.server_port}")).code == "error"
        finally:
            http.shutdown()
            http.server_close()
        assert elsewhere.requests == []


@pytest.mark.loopback
def test_the_key_of_openai_goes_to_no_other_server_by_itself(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("MINE", "sk-mine")
    with ModelServer(text=GOOD) as server:
        ask(client("openai", server.url))
        ask(client("openai", server.url, api_key="${MINE}"))
        sent = [{name.lower(): value for name, value in headers.items()} for headers in server.headers]
    assert [headers["authorization"] for headers in sent] == ["Bearer none", "Bearer sk-mine"]


@pytest.mark.loopback
def test_params_stand_in_the_body():
    params = {"temperature": 0, "seed": 7}
    with ModelServer(text=GOOD) as server:
        ask(client("openai", server.url, params=params))
        ask(client("ollama", server.url, params={**params, "keep_alive": "5m", "options": {"num_ctx": 4096}}))
        first, second = server.requests
    assert (first["temperature"], first["seed"]) == (0, 7)
    assert second["options"] == {"temperature": 0, "seed": 7, "num_ctx": 4096}
    assert second["keep_alive"] == "5m"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("key", ["stream", "messages", "response_format", "format"])
def test_params_cannot_take_over_what_is_ours(wire, key):
    with pytest.raises(ConfigError, match=key):
        client(wire, "http://127.0.0.1:9", params={key: 1})


def test_a_missing_key_or_variable_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        StructuredClient(Endpoint(model="openai:m", location="external"))
    with pytest.raises(ConfigError, match="NO_SUCH_HOST"):
        client("ollama", "http://${NO_SUCH_HOST}")
    with pytest.raises(ConfigError, match="openai:NAME"):
        StructuredClient(Endpoint(model="embedded"))


def test_the_digest_names_the_model_and_holds_no_key(monkeypatch):
    monkeypatch.setenv("HOST", "127.0.0.1:9")
    whole = {"api_key": "a", "params": {"temperature": 0}}
    base = client("openai", "http://${HOST}", **whole).digest
    assert client("openai", "http://${HOST}", **{**whole, "api_key": "b"}).digest == base
    others = [{"params": {}}, {"mode": "tools"}, {"model": "openai:n"}, {"base_url": "http://127.0.0.1:9/v1"}]
    digests = {client("openai", "http://${HOST}", **{**whole, **other}).digest for other in others}
    assert len(digests | {base}) == len(others) + 1


def test_the_last_object_counts_whatever_stands_around_it():
    assert unwrapped('{"a": 1} then {"b": {"c": 2}} done') == '{"b": {"c": 2}}'
    assert unwrapped('<think>{"a": 1}</think> {"b": 2}') == '{"b": 2}'
    assert unwrapped('swallowed {"a": 1}</think>\n```json\n{"b": 2}\n```') == '{"b": 2}'
    assert unwrapped('<think>{"a": 1}</think> <think>{"b": 2}</think> none') == "none"
    assert unwrapped(" none ") == "none"
    assert unwrapped('{"a":' * 10_000)


def test_a_schema_is_sent_with_types_beside_its_enums():
    sent = sendable(
        {"$schema": "x", "properties": {"a": {"enum": ["b"]}, "c": {"enum": [1, 2]}, "d": {"enum": [1, ""]}}}
    )
    assert sent == {
        "properties": {
            "a": {"type": "string", "enum": ["b"]},
            "c": {"type": "integer", "enum": [1, 2]},
            "d": {"enum": [1, ""]},
        }
    }


def test_without_a_system_message_the_schema_is_one():
    assert [m["role"] for m in instructed([{"role": "user", "content": "x"}], {})] == ["system", "user"]
    told = instructed([{"role": "system", "content": "x"}], {"type": "object"})
    assert len(told) == 1
    assert told[0]["content"].endswith('{"type":"object"}')


def test_the_providers_packages_are_loaded_where_they_are_used():
    code = "import sys, tiergraph.structured; print([m for m in ('openai', 'instructor', 'httpx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
