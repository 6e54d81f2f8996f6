"""The constraint algebra: whatever is found, proposed or unreachable, the tier is one that policy allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.config import MapRule, PolicyConfig, Rule, RuleCondition
from tiergraph.policy import Finding, allowed_tiers, clip, next_tier, resolve
from tiergraph.proposal import INTENTS, Proposal
from tiergraph.tiers import Ladder, Tier

NAMES = ("a", "ab", "abc", "é “quoted”", "two words", '"q"')


def ladder_of(*locations: str, names: tuple[str, ...] = NAMES, **changes: object) -> Ladder:
    return Ladder(
        tuple(
            Tier(name=name, model="quote", location=location, **changes)  # type: ignore[arg-type]
            for name, location in zip(names, locations, strict=False)
        )
    )


ladders = st.lists(st.sampled_from(["on_prem", "external"]), min_size=2, max_size=6).map(
    lambda places: ladder_of(*places)
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Ladder, PolicyConfig, tuple[Finding, ...], frozenset[str]]:
    ladder = draw(ladders)
    names = st.sampled_from(ladder.names)
    when = RuleCondition(keywords=("x",))
    rules = draw(
        st.lists(
            st.one_of(
                st.builds(lambda t: ("floor", (t,)), names),
                st.builds(lambda e, t: (e, tuple(t)), st.sampled_from(["only", "exclude"]), st.sets(names, min_size=1)),
                st.builds(lambda e: (e, ()), st.sampled_from(["human", "refuse"])),
            ),
            max_size=3,
        )
    )
    policy = PolicyConfig(
        pii=draw(st.sampled_from(["on_prem", "redact", "human", "allow"])),
        legal=draw(st.sampled_from(["top", "human", "allow"])),
        safety=draw(st.sampled_from(["human", "refuse", "allow"])),
        min_confidence=draw(st.floats(0, 1)),
        below_min_confidence=draw(st.sampled_from(["next_tier", "human"])),
        rules=tuple(Rule(id=f"r{i}", when=when, effect=e, tiers=t) for i, (e, t) in enumerate(rules)),  # type: ignore[arg-type]
    )
    rule_ids = [rule.id for rule in policy.rules] or ["gone"]
    kinds = st.one_of(
        st.builds(Finding, kind=st.just("pii"), rule=st.just("E"), where=st.just("question"), spans=st.booleans()),
        st.builds(
            Finding,
            kind=st.sampled_from(["legal", "safety", "human_request"]),
            rule=st.just("w"),
            where=st.just("history"),
        ),
        st.builds(
            Finding, kind=st.just("attachment"), rule=st.sampled_from(["image", "audio"]), where=st.just("question")
        ),
        st.builds(
            Finding,
            kind=st.just("context"),
            rule=st.just("tokens"),
            where=st.just("question"),
            amount=st.integers(1, 20_000),
        ),
        st.builds(Finding, kind=st.just("rule"), rule=st.sampled_from(rule_ids), where=st.just("metadata")),
    )
    findings = tuple(draw(st.lists(kinds, max_size=5)))
    return ladder, policy, findings, frozenset(draw(st.sets(names, max_size=3)))


@given(situations(), st.data())
def test_the_resolved_tier_is_in_the_allowed_set_or_a_person_takes_it(situation, data):
    ladder, policy, findings, unreachable = situation
    allowed = allowed_tiers(findings, ladder, policy, unreachable=unreachable)
    assert (allowed.stop is None) == bool(allowed.tiers)
    assert not set(allowed.tiers) & unreachable
    proposal = data.draw(
        st.none()
        | st.builds(
            Proposal,
            tier=st.sampled_from(ladder.names),
            difficulty=st.sampled_from([1, 2, 3]),
            intent=st.sampled_from(INTENTS),
            needs_retrieval=st.booleans(),
            contains_pii=st.booleans(),
            is_legal=st.booleans(),
            reason=st.just("lookup"),
        )
    )
    maps = data.draw(st.lists(st.builds(MapRule, tier=st.sampled_from(ladder.names)), max_size=2))
    resolution = resolve(proposal, data.draw(st.floats(0, 1)), allowed, ladder, policy, maps)
    if allowed.stop is not None:
        assert resolution.tier is None
    else:
        assert resolution.tier in allowed.tiers or (resolution.tier is None and resolution.source == "human")


@given(situations(), st.data())
def test_a_further_finding_never_lets_a_request_reach_a_place_that_it_could_not_reach(situation, data):
    ladder, policy, findings, unreachable = situation
    kept = data.draw(st.lists(st.sampled_from(findings), unique=True)) if findings else []
    rank = {None: 0, "human": 1, "refuse": 2}
    fewer = allowed_tiers(kept, ladder, policy, unreachable=unreachable)
    more = allowed_tiers(findings, ladder, policy, unreachable=unreachable)
    assert rank[more.stop] >= rank[fewer.stop]
    # Narrowing may clip a floor and so bring back lower tiers, but never one that residency had shut out.
    shut = {t.name for t in ladder if t.location == "external"} if _residency(kept, policy) else set()
    assert not set(more.tiers) & shut


def _residency(findings, policy):
    pii = [f for f in findings if f.kind == "pii"]
    return bool(pii) and (policy.pii == "on_prem" or (policy.pii == "redact" and not all(f.spans for f in pii)))


@given(situations())
def test_a_reviewers_release_never_lets_pii_out(situation):
    ladder, policy, findings, unreachable = situation
    released = allowed_tiers(findings, ladder, policy, unreachable=unreachable, reviewed=True)
    pii = [f for f in findings if f.kind == "pii"]
    held = policy.pii in ("on_prem", "human") or (policy.pii == "redact" and not all(f.spans for f in pii))
    if pii and held:
        assert all(ladder[name].location == "on_prem" for name in released.tiers)
    assert released.stop != "refuse" or any(c.endswith("refuse") for c in released.why)


PII = Finding(kind="pii", rule="EMAIL_ADDRESS", where="question", spans=True)
LEGAL = Finding(kind="legal", rule="threat", where="question")
PERSON = Finding(kind="human_request", rule="agent", where="question")


@pytest.mark.parametrize(
    ("findings", "policy", "unreachable", "tiers", "stop"),
    [
        ([], {}, [], ["a", "ab", "abc"], None),
        ([PII], {}, [], ["a", "ab"], None),
        ([PII], {"pii": "allow"}, [], ["a", "ab", "abc"], None),
        ([PII], {"pii": "redact"}, [], ["a", "ab", "abc"], None),
        ([PII], {"pii": "human"}, [], [], "human"),
        ([LEGAL], {}, [], ["abc"], None),
        ([LEGAL], {"legal": "human"}, [], [], "human"),
        ([LEGAL], {}, ["abc"], [], "human"),
        ([PII, LEGAL], {}, [], ["ab"], None),
        ([PII, LEGAL], {}, ["ab"], [], "human"),
        ([PII, LEGAL, PERSON], {}, [], [], "human"),
        ([PERSON], {"legal": "allow", "pii": "allow", "safety": "allow"}, [], [], "human"),
    ],
)
def test_precedence_is_as_designed(findings, policy, unreachable, tiers, stop):
    ladder = ladder_of("on_prem", "on_prem", "external")
    allowed = allowed_tiers(findings, ladder, PolicyConfig(**policy), unreachable=frozenset(unreachable))
    assert list(allowed.tiers) == tiers
    assert allowed.stop == stop


def test_pii_and_legal_together_take_the_highest_on_prem_tier_and_say_so():
    allowed = allowed_tiers([PII, LEGAL], ladder_of("on_prem", "on_prem", "external"), PolicyConfig())
    assert (allowed.floor, allowed.clipped) == ("ab", True)


def test_one_finding_without_a_span_turns_redact_into_on_prem():
    ladder = ladder_of("on_prem", "external")
    flagged = Finding(kind="pii", rule="flag:model", where="question")
    allowed = allowed_tiers([PII, flagged], ladder, PolicyConfig(pii="redact"))
    assert (allowed.tiers, allowed.redact) == (("a",), False)


def test_refuse_wins_over_a_wish_for_a_person():
    rule = Rule(id="no", when=RuleCondition(keywords=("x",)), effect="refuse")
    found = [PERSON, Finding(kind="rule", rule="no", where="question")]
    assert allowed_tiers(found, ladder_of("on_prem", "on_prem"), PolicyConfig(rules=(rule,))).stop == "refuse"


def test_a_finding_of_an_unknown_rule_is_a_person():
    found = [Finding(kind="rule", rule="gone", where="question")]
    assert allowed_tiers(found, ladder_of("on_prem", "on_prem"), PolicyConfig()).stop == "human"


def test_next_tier_climbs_strictly_and_skips_what_was_tried():
    ladder = ladder_of("on_prem", "on_prem", "on_prem")
    assert next_tier("a", ladder.names, ladder) == "ab"
    assert next_tier("a", ladder.names, ladder, tried={"ab"}) == "abc"
    assert next_tier("abc", ladder.names, ladder) is None


def test_clip_prefers_the_next_allowed_tier_above():
    ladder = ladder_of("on_prem", "on_prem", "on_prem")
    assert clip("ab", ("a", "abc"), ladder) == "abc"
    assert clip("abc", ("a", "ab"), ladder) == "ab"
    assert clip("ab", ("a", "ab"), ladder) == "ab"


def proposal(**changes):
    values = {
        "tier": "a",
        "difficulty": 1,
        "intent": "coding",
        "needs_retrieval": False,
        "contains_pii": False,
        "is_legal": False,
        "reason": "code",
    }
    return Proposal(**{**values, **changes})


def test_below_min_confidence_the_next_allowed_tier_takes_it_or_a_person():
    ladder = ladder_of("on_prem", "on_prem")
    allowed = allowed_tiers([], ladder, PolicyConfig())
    higher = resolve(proposal(), 0.2, allowed, ladder, PolicyConfig(min_confidence=0.5))
    assert (higher.tier, higher.reasons[0]) == ("ab", "low_confidence")
    human = PolicyConfig(min_confidence=0.5, below_min_confidence="human")
    assert resolve(proposal(), 0.2, allowed, ladder, human).source == "human"
    assert resolve(proposal(), 0.6, allowed, ladder, human).tier == "a"


def test_the_first_map_line_that_matches_wins_and_is_clipped_to_the_allowed_set():
    ladder = ladder_of("on_prem", "on_prem", "external")
    lines = (
        MapRule(intent=("writing",), tier="ab"),
        MapRule(intent=("coding",), difficulty=(1,), tier="abc"),
        MapRule(tier="a"),
    )
    allowed = allowed_tiers([], ladder, PolicyConfig())
    assert resolve(proposal(), 0.9, allowed, ladder, PolicyConfig(), lines).tier == "abc"
    inside = allowed_tiers([PII], ladder, PolicyConfig())
    clipped = resolve(proposal(), 0.9, inside, ladder, PolicyConfig(), lines)
    assert (clipped.tier, clipped.source) == ("ab", "rule")


def test_without_a_proposal_the_highest_tier_left_answers():
    ladder = ladder_of("on_prem", "on_prem", "external")
    fallback = resolve(None, None, allowed_tiers([PII], ladder, PolicyConfig()), ladder, PolicyConfig())
    assert (fallback.tier, fallback.source) == ("ab", "fallback")


def test_a_person_who_releases_a_request_with_pii_releases_it_to_on_prem_tiers_only():
    ladder = ladder_of("on_prem", "external")
    assert allowed_tiers([PII, PERSON], ladder, PolicyConfig(pii="human"), reviewed=True).tiers == ("a",)
