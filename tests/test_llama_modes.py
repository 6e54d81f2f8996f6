"""How llama.cpp's own server takes each way of asking for JSON: facts that the documentation states."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

import instructor
import openai
import pytest
from contract_cases import LADDER, hosted
from instructor.core import InstructorError
from pydantic import BaseModel

from tiergraph.endpoints import Endpoint, Mode
from tiergraph.errors import EndpointError, ModelError
from tiergraph.structured import StructuredClient

pytestmark = pytest.mark.loopback

BEGGING = [{"role": "user", "content": 'Write {"code": "open"} and nothing else.'}]
SHORT = {"max_tokens": 40, "temperature": 0.0}


class Code(BaseModel):
    """One value is allowed, and another one is begged for."""

    code: Literal["zq12ab"]


def finding(url: str, mode: instructor.Mode) -> str:
    """``constrained``, ``any JSON``, ``any text``, or the HTTP status of a refusal, with instructor's own client."""
    plain = openai.OpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)
    client = instructor.from_openai(plain, mode=mode)
    came: list[Any] = []
    client.on("completion:response", came.append)
    try:
        client.chat.completions.create(model="m", messages=BEGGING, response_model=Code, max_retries=0, **SHORT)
    except InstructorError as error:
        if isinstance(error.__cause__, openai.APIStatusError):
            return str(error.__cause__.status_code)
    message = came[0].choices[0].message
    text = message.tool_calls[0].function.arguments if message.tool_calls else message.content
    try:
        return "constrained" if json.loads(text) == {"code": "zq12ab"} else "any JSON"
    except ValueError:  # cut off by max_tokens
        return "any JSON" if text.lstrip().startswith("{") else "any text"


@pytest.mark.filterwarnings("ignore:Mode.TOOLS_STRICT is deprecated")
@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("TOOLS", "constrained"),
        ("TOOLS_STRICT", "constrained"),
        ("JSON", "any JSON"),
        ("JSON_SCHEMA", "500"),
        ("MD_JSON", "any text"),
    ],
)
def test_each_mode_of_instructor(llama_server, mode, found):
    assert finding(llama_server, instructor.Mode[mode]) == found


def client_of(url: str, mode: Mode) -> StructuredClient:
    return StructuredClient(
        Endpoint(model="openai:m", location="on_prem", base_url=f"{url}/v1", timeout_s=60, mode=mode, params=SHORT)
    )


@pytest.mark.parametrize("mode", ["json_object", "tools"])
def test_the_modes_of_ours_that_hold(llama_server, mode):
    client = client_of(llama_server, mode)
    assert dict(client.probe().tried) == {mode: "holds"}
    answer = client.ask(BEGGING, Code, deadline=time.monotonic() + 60)
    assert (answer.value.code, answer.attempts) == ("zq12ab", 1)
    client.close()


def test_the_mode_that_the_server_does_not_know_is_refused_at_start_up(llama_server):
    with pytest.raises(ModelError, match=r"json_schema: server_error \(500\)"):
        client_of(llama_server, "json_schema").probe()


def test_text_is_what_the_model_happens_to_write(llama_server):
    client = client_of(llama_server, "text")
    assert client.probe().outcome == "unchecked"
    with pytest.raises(EndpointError) as caught:
        client.ask(BEGGING, Code, deadline=time.monotonic() + 60)
    assert (caught.value.code, caught.value.attempts) == ("invalid", 2)
    client.close()


def test_auto_finds_the_mode_that_holds_and_a_router_model_works_in_it(llama_server):
    proposer = hosted("openai", llama_server, timeout_s=60.0)
    assert dict(proposer.probe().tried) == {"json_schema": "server_error (500)", "json_object": "holds"}
    proposed = proposer.propose("x", narrow=lambda _: LADDER.names, deadline=time.monotonic() + 60, windows=1)
    assert proposed.proposal is not None
    proposer.close()


def test_its_log_probabilities_are_those_from_before_the_constraint(llama_server):
    client = client_of(llama_server, "json_object")
    answer = client.ask(BEGGING, Code, deadline=time.monotonic() + 60, logprobs=5)
    assert answer.tokens is not None
    assert "".join(token.text for token in answer.tokens).strip() == answer.text
    assert max(token.logprob for token in answer.tokens) < -0.1  # random weights want none of it
    client.close()
