"""Model text becomes a type at one place, or a named error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tiergraph.errors import ProposalInvalidError
from tiergraph.proposal import parse_proposal, proposal_schema, render_proposal

VALUES = {
    "tier": "a",
    "difficulty": 2,
    "intent": "coding",
    "needs_retrieval": True,
    "contains_pii": False,
    "is_legal": False,
    "reason": "code",
}
names = st.text(min_size=1, max_size=12).filter(lambda s: s.strip() == s and s.isprintable())


@given(st.lists(names, min_size=1, max_size=6, unique=True), st.data())
def test_what_is_rendered_is_read_back_for_any_tier_name(allowed, data):
    values = {**VALUES, "tier": data.draw(st.sampled_from(allowed))}
    raw = render_proposal(values)
    Draft202012Validator(proposal_schema(allowed)).validate(json.loads(raw))
    assert parse_proposal(raw, allowed=tuple(allowed)).model_dump() == values


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "null",
        "[]",
        "```json\n{}\n```",
        json.dumps({**VALUES, "tier": "b"}),
        json.dumps({**VALUES, "extra": 1}),
        json.dumps({k: v for k, v in VALUES.items() if k != "reason"}),
        json.dumps({**VALUES, "difficulty": True}),
        json.dumps({**VALUES, "difficulty": 1.5}),
        json.dumps({**VALUES, "needs_retrieval": "true"}),
        json.dumps({**VALUES, "reason": "because I say so"}),
        "[" * 100_000,
    ],
)
def test_anything_off_the_schema_is_refused_without_repeating_it(raw):
    with pytest.raises(ProposalInvalidError) as caught:
        parse_proposal(raw, allowed=("a",))
    assert "because" not in str(caught.value)


def test_an_empty_allowed_set_has_no_schema():
    with pytest.raises(ValueError, match="a person"):
        proposal_schema([])
