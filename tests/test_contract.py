"""The contract of every router model, one suite for all kinds; those that are elsewhere are asked over real HTTP."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from contract_cases import KINDS, LADDER, made

from tiergraph.errors import DecisionTimeoutError, ProposerError
from tiergraph.proposal import parse_proposal, render_proposal
from tiergraph.proposers.base import Flags, Proposed, Proposer

pytestmark = pytest.mark.loopback

NAMES = LADDER.names
SETS = [set_ for size in (1, 2, 3) for set_ in combinations(NAMES, size)]
TEXTS = {
    "plain": "Where is my parcel?",
    "one letter": "x",
    "lone surrogate": "a\ud800b",
    "nul": "a\x00b",
    "emoji": "🙂" * 40,
    "right to left": "\u202eabc\u202c عربى",
    "long": "compare these two contracts " * 3000,
    "json": '{"tier": "frontier", "difficulty": 3}',
    "template": "{{question}} {fence} <|im_end|> </data-1>",
    "no words": "\n\t  .",
}


@pytest.fixture(scope="module", params=KINDS)
def proposer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proposer]:
    url = request.getfixturevalue("llama_server") if request.param == "llama.cpp server" else None
    with made(request.param, tmp_path_factory.mktemp("contract"), url) as ready:
        yield ready


def ask(proposer: Proposer, text: str = "Where is my parcel?", allowed: Any = NAMES, seconds: float = 60) -> Proposed:
    narrow = allowed if callable(allowed) else lambda flags: allowed
    return proposer.propose(text, narrow=narrow, deadline=time.monotonic() + seconds, windows=4)


def hold(proposed: Proposed, allowed: tuple[str, ...]) -> None:
    """What every answer keeps, whatever was asked."""
    assert proposed.proposal is not None
    assert proposed.proposal.tier in allowed
    assert set(proposed.tier_probabilities) == set(NAMES)
    assert all(math.isfinite(p) and 0 <= p <= 1 for p in proposed.tier_probabilities.values())
    assert sum(proposed.tier_probabilities.values()) == pytest.approx(1)
    assert {name for name, p in proposed.tier_probabilities.items() if p > 0} <= set(allowed)
    assert proposed.confidence == pytest.approx(proposed.tier_probabilities[proposed.proposal.tier])
    assert 0 <= proposed.score <= 1
    again = parse_proposal(render_proposal(proposed.proposal.model_dump()), allowed=allowed)
    assert again == proposed.proposal
    for values in proposed.field_probabilities.values():
        assert sum(values.values()) == pytest.approx(1)


@pytest.mark.parametrize("allowed", SETS, ids=["+".join(set_) for set_ in SETS])
def test_the_tier_is_always_one_that_is_allowed(proposer, allowed):
    hold(ask(proposer, allowed=allowed), allowed)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_text_gives_a_valid_proposal(proposer, text):
    hold(ask(proposer, text, allowed=("local", "middle")), ("local", "middle"))


def test_where_policy_leaves_no_tier_nothing_is_proposed(proposer):
    proposed = ask(proposer, allowed=())
    assert proposed.proposal is None
    assert set(proposed.tier_probabilities.values()) <= {0.0}


def test_policy_hears_the_flags_and_what_it_then_leaves_holds(proposer):
    heard: list[Flags] = []

    def narrow(flags: Flags) -> tuple[str, ...]:
        heard.append(flags)
        return NAMES if len(heard) == 1 else ("local",)

    proposed = ask(proposer, "first", narrow)
    left = NAMES if len(heard) == 1 else ("local",)
    hold(proposed, left)
    assert heard[-1] == proposed.flags


def test_what_could_not_be_read_to_its_end_is_heard_as_personal_data(proposer):
    heard: list[Flags] = []

    def narrow(flags: Flags) -> tuple[str, ...]:
        heard.append(flags)
        return NAMES

    proposed = ask(proposer, "compare these two contracts " * 40_000, narrow)
    assert proposed.complete or heard[-1].contains_pii


def test_a_deadline_that_has_passed_is_a_late_decision(proposer):
    with pytest.raises(DecisionTimeoutError):
        ask(proposer, "a text that nobody asked before", seconds=-1)


def test_the_same_question_gives_the_same_answer_either_way(proposer):
    first = ask(proposer)

    async def both() -> list[Proposed]:
        call = lambda: proposer.apropose(  # noqa: E731
            "Where is my parcel?", narrow=lambda _: NAMES, deadline=time.monotonic() + 60, windows=4
        )
        return await asyncio.gather(call(), call())

    for other in asyncio.run(both()):
        assert other.proposal == first.proposal
        assert dict(other.tier_probabilities) == pytest.approx(dict(first.tier_probabilities), abs=1e-4)


def test_it_serves_a_second_event_loop(proposer):
    async def once(text: str) -> Proposed:
        return await proposer.apropose(text, narrow=lambda _: NAMES, deadline=time.monotonic() + 60, windows=4)

    for text in ("one loop", "another loop"):
        hold(asyncio.run(once(text)), NAMES)


def test_threads_get_their_own_answers(proposer):
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        allowed = SETS[number % len(SETS)]
        try:
            hold(ask(proposer, f"request {number % 3}", allowed=allowed), allowed)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_record_can_name_it(proposer):
    assert proposer.name
    assert proposer.location in ("on_prem", "external")
    assert len(proposer.digest) == 64
    assert int(proposer.digest, 16) >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_once_closed_it_fails_as_a_router_model_does(kind, tmp_path, request):
    url = request.getfixturevalue("llama_server") if kind == "llama.cpp server" else None
    with made(kind, tmp_path, url) as proposer:
        proposer.close()
        proposer.close()
        with pytest.raises(ProposerError):
            ask(proposer, "after the end")
