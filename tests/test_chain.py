"""A chain of router models: the first that is sure decides, policy holds over all of them, and none is trusted."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from routers import make_config

from tiergraph.decider import Decider
from tiergraph.effects import arun, run
from tiergraph.errors import ConfigError, DecisionTimeoutError, ProposalInvalidError, ProposerUnavailableError
from tiergraph.proposal import Proposal
from tiergraph.proposers.base import Flags, Proposed
from tiergraph.proposers.breaker import Breaker
from tiergraph.proposers.calibration import boundary_distance, choose
from tiergraph.proposers.chain import Chain, Link
from tiergraph.request import parse_request
from tiergraph.testing import ScriptedProposer

CONFIG = make_config([("small", "on_prem"), ("cloud", "external")])
SECRET = "jane.doe@example.com"


def named(name: str, **options: Any) -> ScriptedProposer:
    proposer = ScriptedProposer(CONFIG.ladder, **options)
    proposer.name = name
    return proposer


def chain(*proposers: Any, boundary: float = 0.1, reader: Any = None, breaker: Breaker | None = None) -> Chain:
    links = [Link(proposer=proposer, boundary=boundary, breaker=breaker) for proposer in proposers]
    return Chain(links, reader=reader or proposers[0], sufficiency=CONFIG.sufficiency)


def decide(made: Chain, text: str = "hello", config: Any = CONFIG, **parts: Any) -> Any:
    return Decider(config, made).decide(text, **parts)


def codes(decision: Any) -> list[tuple[str, str]]:
    return [(asked.proposer, asked.code) for asked in decision.consulted]


def test_one_that_is_sure_decides_and_the_next_is_not_asked():
    first, second = named("first", confidence=0.9), named("second", tier="cloud")
    decision = decide(chain(first, second))
    assert (decision.tier, decision.proposer, codes(decision)) == ("small", "first", [("first", "decided")])
    assert second.asked == []


def test_near_the_boundary_the_next_one_decides():
    first, second = named("first", confidence=0.55), named("second", tier="cloud", confidence=0.95)
    decision = decide(chain(first, second))
    assert (decision.tier, decision.proposer, decision.source) == ("cloud", "second", "model")
    assert codes(decision) == [("first", "near_boundary"), ("second", "decided")]


def test_a_stated_confidence_that_is_not_earned_is_never_sure():
    class Stating(ScriptedProposer):
        def propose(self, text: str, **limits: Any) -> Proposed:
            thirds = {"small": 0.25, "middle": 0.5, "cloud": 0.25}  # far from every boundary, and worth nothing
            proposed = super().propose(text, **limits)
            return replace(proposed, tier_probabilities=thirds, confidence=0.5, confidence_from="stated")

    config = make_config([("small", "on_prem"), ("middle", "on_prem"), ("cloud", "external")])
    stating, second = Stating(config.ladder, tier="middle"), ScriptedProposer(config.ladder)
    assert decide(chain(stating, second), config=config).proposer == "scripted"
    assert [asked.code for asked in decide(chain(stating, second), config=config).consulted] == [
        "near_boundary",
        "decided",
    ]


def test_the_last_one_decides_however_unsure_it_is():
    decision = decide(chain(named("first", confidence=0.52), named("second", confidence=0.51)))
    assert (decision.proposer, decision.tier) == ("second", "small")
    assert codes(decision) == [("first", "near_boundary"), ("second", "decided")]


def test_where_the_next_one_fails_the_opinion_before_it_stands():
    second = named("second", fails=ProposerUnavailableError("503"))
    decision = decide(chain(named("first", confidence=0.55), second))
    assert (decision.tier, decision.proposer, decision.source) == ("small", "first", "model")
    assert codes(decision) == [("first", "near_boundary"), ("second", "proposer_unavailable")]


def test_where_the_first_one_fails_the_next_one_is_asked():
    first = named("first", fails=DecisionTimeoutError("late"))
    decision = decide(chain(first, named("second"), reader=named("reader")))
    assert (decision.source, decision.proposer) == ("model", "second")
    assert codes(decision) == [("first", "decision_timeout"), ("second", "decided")]


def test_where_all_fail_it_is_the_fallback_with_flags_raised():
    down = ProposerUnavailableError("down")
    decision = decide(chain(named("first", fails=down), named("second", fails=down), reader=named("reader")))
    assert (decision.source, decision.tier, decision.proposer) == ("fallback", "small", None)
    assert decision.reasons[0] == "proposer_unavailable"
    assert {(finding.kind, finding.rule) for finding in decision.findings} >= {("pii", "flag:unavailable")}


async def test_async_gives_the_same():
    made = chain(named("first", confidence=0.55), named("second", tier="cloud"))
    decision = await Decider(CONFIG, made).adecide("hello")
    assert (decision.tier, decision.proposer) == ("cloud", "second")


def test_an_external_one_is_passed_over_where_a_pattern_sees_personal_data():
    outside = named("outside", location="external", tier="cloud")
    decision = decide(chain(outside, named("inside"), reader=named("reader")), f"write to {SECRET}")
    assert (decision.proposer, outside.asked) == ("inside", [])
    assert codes(decision) == [("outside", "withheld"), ("inside", "decided")]


def test_an_external_one_is_passed_over_where_only_the_reader_sees_personal_data():
    outside = named("outside", location="external", tier="cloud")
    reader = named("reader", flag=lambda text: Flags(contains_pii="Mill Lane" in text))
    decision = decide(chain(outside, named("inside"), reader=reader), "Ann Carter, 3 Mill Lane")
    assert (decision.proposer, decision.tier, outside.asked) == ("inside", "small", [])


def test_an_external_one_that_stands_alone_is_not_asked_then_and_the_fallback_applies():
    outside = named("outside", location="external", tier="cloud")
    decision = decide(chain(outside, reader=named("reader")), f"write to {SECRET}")
    assert (decision.source, decision.tier, outside.asked) == ("fallback", "small", [])
    assert decision.reasons[0] == "proposer_withheld"


def test_personal_data_in_a_document_keeps_the_question_inside_too():
    outside = named("outside", location="external", tier="cloud")
    decide(chain(outside, named("inside"), reader=named("reader")), "who is it?", documents=[f"Write to {SECRET}."])
    assert outside.asked == []


def test_a_flag_of_an_earlier_one_keeps_the_request_from_a_later_external_one():
    first = named("first", confidence=0.55, flag=lambda text: Flags(contains_pii=True))
    outside = named("outside", location="external", tier="cloud")
    decision = decide(chain(first, outside))
    assert (decision.tier, outside.asked) == ("small", [])


def test_an_external_one_sees_placeholders_under_redact():
    config = make_config([("small", "on_prem"), ("cloud", "external")], policy={"pii": "redact"})
    outside = named("outside", location="external", tier="cloud")
    decision = decide(chain(outside, reader=named("reader")), f"write to {SECRET} please", config)
    assert decision.tier == "cloud"
    assert len(outside.asked) == 1
    assert SECRET not in outside.asked[0]


def test_flags_add_up_and_none_is_lifted():
    first = named("first", confidence=0.55, flag=lambda text: Flags(contains_pii=True))
    decision = decide(chain(first, named("second", tier="cloud")))
    assert decision.allowed == ("small",)
    assert decision.tier == "small"


def test_the_reader_reads_the_question_before_a_first_model_that_reads_no_flags():
    reader = named("reader")
    decide(chain(named("first"), reader=reader), "hello there")
    assert reader.read == ["hello there"]


def test_a_first_model_that_reads_flags_is_not_asked_twice_for_the_question():
    first = named("first")
    decide(chain(first), "hello there")
    assert (first.asked, first.read) == (["hello there"], [])


class Rogue(ScriptedProposer):
    """Breaks its contract in the way it is told to."""

    def __init__(self, change: Any) -> None:
        super().__init__(CONFIG.ladder)
        self.name, self.change = "rogue", change

    def propose(self, text: str, **limits: Any) -> Proposed:
        return self.change(super().propose(text, **limits))


def forbidden_tier(proposed: Proposed) -> Proposed:
    assert proposed.proposal is not None
    return replace(proposed, proposal=proposed.proposal.model_copy(update={"tier": "cloud"}))


def raises(error: Exception) -> Any:
    def change(_: Proposed) -> Proposed:
        raise error

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (forbidden_tier, "proposal_invalid"),
        (lambda p: replace(p, tier_probabilities={"small": 0.5, "cloud": 0.5}), "proposal_invalid"),
        (lambda p: replace(p, tier_probabilities={"small": math.nan}), "proposal_invalid"),
        (lambda p: replace(p, tier_probabilities={"small": 0.7}), "proposal_invalid"),
        (lambda p: replace(p, tier_probabilities={"small": 1.5, "cloud": -0.5}), "proposal_invalid"),
        (lambda p: replace(p, proposal=None), "proposal_invalid"),
        (lambda p: {"tier": "small"}, "proposal_invalid"),
        (lambda p: None, "proposal_invalid"),
        (raises(RuntimeError("jane.doe@example.com")), "proposer_failed"),
        (raises(ProposalInvalidError("off")), "proposal_invalid"),
        (raises(TimeoutError()), "decision_timeout"),
    ],
)
def test_one_that_breaks_its_contract_is_refused_and_the_next_is_asked(change, code):
    decision = decide(chain(Rogue(change), named("second"), reader=named("reader")), f"it is {SECRET}")
    assert codes(decision) == [("rogue", code), ("second", "decided")]
    assert decision.tier == "small"


def test_flags_that_a_model_returns_narrow_even_where_it_asked_policy_with_others():
    class Sly(ScriptedProposer):
        def propose(self, text: str, **limits: Any) -> Proposed:
            return replace(super().propose(text, **limits), flags=Flags(contains_pii=True))

    sly = Sly(CONFIG.ladder, tier="cloud")
    decision = decide(chain(sly))
    assert (decision.source, decision.tier) == ("fallback", "small")


def test_one_deadline_holds_for_all_and_one_that_hangs_is_left_behind():
    go_on, ended = threading.Event(), threading.Event()

    class Hanging(ScriptedProposer):
        def propose(self, text: str, **limits: Any) -> Proposed:
            go_on.wait(60)
            ended.set()
            return super().propose(text, **limits)

    config = make_config([("small", "on_prem"), ("cloud", "external")], router={"deadline_ms": 150})
    second = named("second")
    decision = decide(chain(Hanging(CONFIG.ladder), second, reader=named("reader")), config=config)
    assert not ended.is_set()
    assert [code for _, code in codes(decision)] == ["decision_timeout", "decision_timeout"]
    assert (decision.source, second.asked) == ("fallback", [])
    go_on.set()


def test_a_breaker_leaves_one_alone_after_failures_and_the_others_go_on():
    clock = [0.0]
    down = named("down", fails=ProposerUnavailableError("down"))
    links = [
        Link(proposer=down, breaker=Breaker(2, 30.0, now=lambda: clock[0])),
        Link(proposer=named("second")),
    ]
    made = Chain(links, reader=named("reader"), sufficiency=0.5)
    seen = [codes(decide(made))[0][1] for _ in range(3)]
    assert seen == ["proposer_unavailable", "proposer_unavailable", "circuit_open"]
    assert len(down.asked) == 2
    clock[0] = 31.0
    down.fails = None
    assert codes(decide(made)) == [("down", "decided")]


def test_what_was_consulted_is_in_the_decision_and_in_the_record():
    from tiergraph.records import decision_json

    decision = decide(chain(named("first", confidence=0.55), named("second")))
    row = decision_json(decision)
    assert [asked["code"] for asked in row["consulted"]] == ["near_boundary", "decided"]
    assert row["proposer"] == "second"
    assert row["confidence_from"] == "logits"


def test_a_model_that_reads_no_flags_needs_a_reader():
    class Blind:
        name, location, digest = "blind", "on_prem", "0" * 64

    with pytest.raises(TypeError, match="pass reader="):
        Chain.of(Blind(), sufficiency=0.5)  # type: ignore[arg-type]


def test_name_and_digest_are_those_of_the_one_or_of_all():
    one, two = named("one"), named("two")
    assert (chain(one).name, chain(one).digest) == ("one", one.digest)
    assert chain(one, two).name == "one > two"
    assert chain(one, two).digest not in (one.digest, two.digest)


@pytest.mark.parametrize(
    ("probabilities", "sufficiency", "distance"),
    [
        ((0.6, 0.4), 0.5, 0.1),
        ((0.1, 0.35, 0.55), 0.5, 0.05),
        ((1.0,), 0.5, 1.0),
        ((0.0, 1.0), 0.5, 1.0),  # a forbidden tier is no alternative
        ((0.5, 0.0, 0.5), 0.5, 0.0),
    ],
)
def test_the_distance_to_the_boundary(probabilities, sufficiency, distance):
    assert boundary_distance(probabilities, sufficiency) == pytest.approx(distance)


def test_an_error_smaller_than_the_distance_never_changes_the_choice():
    probabilities, sufficiency = (0.2, 0.25, 0.3, 0.25), 0.5
    distance = boundary_distance(probabilities, sufficiency)
    chosen = choose(probabilities, [True] * 4, sufficiency)
    for shift in (-0.99 * distance, 0.99 * distance):
        assert choose(probabilities, [True] * 4, sufficiency + shift) == chosen
    assert choose(probabilities, [True] * 4, sufficiency - 1.01 * distance) != chosen


@pytest.mark.parametrize(
    ("router", "says"),
    [
        ({"model": "openai:m"}, "needs a location"),
        ({"model": "ollama:"}, "names no model after its colon"),
        ({"model": "python:x", "location": "on_prem"}, "use python:module:attribute"),
        ({"model": "embedded", "location": "external"}, "runs inside this process"),
        ({"model": "openai:m", "location": "on_prem", "adapter": "a.gguf"}, "are for a GGUF"),
        ({"model": "m.gguf", "base_url": "http://127.0.0.1"}, "base_url and api_key are for"),
        ({"model": "embedded", "chain": [{"model": "embedded"}]}, "stands beside `chain`"),
    ],
)
def test_a_router_model_that_cannot_be_is_an_error_that_says_what_to_change(router, says):
    with pytest.raises(ValueError, match=says):
        make_config(router=router)


def test_a_chain_shares_what_is_stated_once():
    config = make_config(router={"contexts": 1, "chain": [{"model": "a.gguf", "gpu_layers": 3}, {"model": "embedded"}]})
    first, second = config.router.links
    assert (first.model, first.gpu_layers, first.contexts, first.chain) == ("a.gguf", 3, 1, ())
    assert (second.model, second.gpu_layers, second.contexts) == ("embedded", 0, 1)


def test_a_reference_that_cannot_be_imported_is_named():
    from tiergraph.proposers.linking import load_chain

    config = make_config(router={"model": "python:no_such_module:x", "location": "on_prem"})
    with pytest.raises(ConfigError, match="no_such_module"):
        load_chain(config)


def test_a_router_model_of_ones_own_gets_the_embedded_one_as_reader_where_it_is_elsewhere():
    from tiergraph.proposers.linking import with_reader

    outside = named("outside", location="external")
    made = with_reader(outside, CONFIG)
    try:
        assert made.reader is not outside
        assert made.reader.location == "on_prem"
        reading = made.reader.read_flags("hello", deadline=time.monotonic() + 60, windows=4)
        assert reading.complete
    finally:
        made.close()
    inside = named("inside")
    assert with_reader(inside, CONFIG).reader is inside


def test_steps_are_driven_alike_either_way():
    made = chain(named("first"))
    request = parse_request("hello")
    decider = Decider(CONFIG, made)
    assert run(decider.steps(request)).tier == asyncio.run(arun(decider.steps(request))).tier


MILL = "Ann Carter, 3 Mill Lane, wants a refund"


def sees_mill(text: str) -> Flags:
    """What only a model's flag sees."""
    return Flags(contains_pii="Mill Lane" in text)


@pytest.mark.parametrize("location", ["external", "on_prem"])
def test_where_the_first_one_fails_its_flags_are_read_all_the_same(location):
    """It would have read them as it decided: whoever comes next must not see, or send outside, what they would find."""

    class FailsToDecide(ScriptedProposer):
        def propose(self, text: str, **limits: Any) -> Proposed:
            raise ProposalInvalidError("off")

    first = FailsToDecide(CONFIG.ladder, flag=sees_mill)
    second = named("second", tier="cloud", location=location)
    decision = decide(chain(first, second), MILL)
    assert decision.allowed == ("small",)
    assert decision.tier == "small"
    assert first.read == [MILL]
    if location == "external":
        assert second.asked == []


def test_where_the_first_one_can_not_even_read_it_counts_as_found():
    first = named("first", fails=ProposerUnavailableError("down"))
    outside = named("outside", location="external", tier="cloud")
    decision = decide(chain(first, outside), MILL)
    assert (decision.source, decision.tier, outside.asked) == ("fallback", "small", [])


def test_a_value_that_another_part_gives_away_is_replaced_in_what_an_external_one_sees():
    config = make_config([("small", "on_prem"), ("cloud", "external")], policy={"pii": "redact"})
    turns = [("user", "My passport number is 533380006."), ("assistant", "ok"), ("user", "is 533380006 right?")]
    outside = named("outside", location="external", tier="cloud")
    Decider(config, chain(outside, reader=named("reader"))).decide(messages=turns)
    assert len(outside.asked) == 1
    assert "533380006" not in outside.asked[0]


def test_a_rule_that_leaves_no_external_tier_keeps_the_request_from_external_models_too():
    rule = {"id": "codename", "when": {"keywords": ["nightjar"]}, "effect": "only", "tiers": ["small"]}
    config = make_config([("small", "on_prem"), ("cloud", "external")], policy={"rules": [rule]})
    outside = named("outside", location="external", tier="cloud")
    decision = decide(chain(outside, named("inside"), reader=named("reader")), "project nightjar", config)
    assert (decision.proposer, outside.asked) == ("inside", [])


def test_a_reader_that_raises_anything_counts_as_having_found():
    class Exploding(ScriptedProposer):
        def read_flags(self, text: str, **limits: Any) -> Any:
            raise RuntimeError(text)

    outside = named("outside", location="external", tier="cloud")
    decision = decide(chain(outside, named("inside"), reader=Exploding(CONFIG.ladder)), MILL)
    assert (decision.tier, outside.asked) == ("small", [])


def test_one_deadline_holds_for_reading_flags_and_deciding_together():
    asked: list[float] = []

    class Late(ScriptedProposer):
        def read_flags(self, text: str, *, deadline: float, windows: int) -> Any:
            asked.append(deadline)
            return super().read_flags(text, deadline=deadline, windows=windows)

        def propose(self, text: str, *, deadline: float, **limits: Any) -> Proposed:
            asked.append(deadline)
            return super().propose(text, deadline=deadline, **limits)

    decide(chain(Late(CONFIG.ladder)), documents=["one", "two"])
    assert len(asked) == 3
    assert len(set(asked)) == 1


def typed_off(proposed: Proposed, **changes: Any) -> Proposed:
    return replace(proposed, **changes)


def free_text(proposed: Proposed) -> Proposed:
    assert proposed.proposal is not None
    values = {**proposed.proposal.model_dump(), "reason": f"because of {SECRET}"}
    return replace(proposed, proposal=Proposal.model_construct(**values))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: typed_off(p, confidence="high"),
        lambda p: typed_off(p, score="x"),
        lambda p: typed_off(p, score=math.nan),
        lambda p: typed_off(p, confidence_from=SECRET),
        lambda p: typed_off(p, flags=None),
        lambda p: typed_off(p, proposal=SimpleNamespace(tier="small")),
        lambda p: typed_off(p, tier_probabilities={"small": "all"}),
        free_text,
    ],
)
def test_what_is_off_its_type_or_its_closed_set_never_reaches_the_record(change):
    from tiergraph.records import decision_json

    decision = decide(chain(Rogue(change), named("second"), reader=named("reader")))
    assert codes(decision) == [("rogue", "proposal_invalid"), ("second", "decided")]
    assert SECRET not in json.dumps(decision_json(decision), allow_nan=False)


def test_a_tier_that_fell_out_after_it_was_proposed_keeps_no_probability():
    class RaisesAndFails(ScriptedProposer):
        def propose(self, text: str, *, narrow: Any, **limits: Any) -> Proposed:
            narrow(Flags(contains_pii=True))
            raise ProposerUnavailableError("then it went down")

    first = named("first", confidence=0.55)
    decision = decide(chain(first, RaisesAndFails(CONFIG.ladder)))
    assert (decision.tier, decision.allowed) == ("small", ("small",))
    assert dict(decision.tier_probabilities) == {"small": 1.0, "cloud": 0.0}


async def test_callees_that_hang_leave_the_event_loop_its_threads():
    go_on = threading.Event()

    class Hanging(ScriptedProposer):
        def read_flags(self, text: str, **limits: Any) -> Any:
            go_on.wait(60)
            return super().read_flags(text, **limits)

    config = make_config([("small", "on_prem"), ("cloud", "external")], router={"deadline_ms": 100})
    decider = Decider(config, chain(named("first"), reader=Hanging(CONFIG.ladder)))
    try:
        hung = await asyncio.gather(*(decider.adecide(f"request {number}") for number in range(40)))
        assert {decision.tier for decision in hung} == {"small"}
        assert (await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 30)) == "free"
    finally:
        go_on.set()


async def test_a_cancelled_try_is_given_back_at_once():
    class Slow(ScriptedProposer):
        async def apropose(self, text: str, **limits: Any) -> Proposed:
            await asyncio.sleep(60)
            raise AssertionError("unreachable")

    breaker = Breaker(1, 1.0, now=lambda: 0.0)
    made = Chain((Link(proposer=Slow(CONFIG.ladder), breaker=breaker),), reader=named("reader"), sufficiency=0.5)
    breaker.leave(False, trying=breaker.enter())
    breaker._now = lambda: 10.0  # half-open: one try
    kept = None
    try:
        await asyncio.wait_for(Decider(CONFIG, made).adecide("hello"), 0.2)
    except TimeoutError as error:
        kept = error  # as a logger does, with all frames that it holds
    assert breaker.enter() is True
    assert kept is not None
