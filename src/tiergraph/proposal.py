"""The proposal: the JSON that a router model emits, and the one place where its text becomes a type.

Every field is a closed set. Reasons are codes, because free text from a router cannot be audited and can be injected.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tiergraph.errors import ProposalInvalidError

INTENTS: tuple[str, ...] = (
    "account_access",
    "billing_payment",
    "order_delivery",
    "return_refund",
    "product_support",
    "purchase_booking",
    "factual_question",
    "device_action",
    "data_query",
    "coding",
    "math_reasoning",
    "writing",
    "advice",
    "conversation",
    "other",
)
REASONS: tuple[str, ...] = (
    "lookup",
    "procedure",
    "transaction",
    "multi_step",
    "calculation",
    "code",
    "long_form",
    "specialist",
    "judgement",
    "small_talk",
    "unclear",
)
DIFFICULTIES: tuple[int, ...] = (1, 2, 3)
FIELDS: tuple[str, ...] = (
    "tier",
    "difficulty",
    "intent",
    "needs_retrieval",
    "contains_pii",
    "is_legal",
    "reason",
)


class Proposal(BaseModel):
    """What the router model proposes: one value of every field, the tier inside the allowed set."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tier: str
    difficulty: Literal[1, 2, 3]
    intent: str
    needs_retrieval: bool
    contains_pii: bool
    is_legal: bool
    reason: str = Field(max_length=64)


def proposal_schema(
    allowed: Sequence[str], *, intents: Sequence[str] = INTENTS, reasons: Sequence[str] = REASONS
) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a proposal whose tier is one of ``allowed``.

    Raises:
        ValueError: ``allowed`` is empty; then there is nothing to propose.
    """
    if not allowed:
        raise ValueError("the allowed set is empty: that is a person, not a proposal")
    flag = {"type": "boolean"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tiergraph routing proposal",
        "type": "object",
        "properties": {
            "tier": {"enum": list(allowed)},
            "difficulty": {"enum": list(DIFFICULTIES)},
            "intent": {"enum": list(intents)},
            "needs_retrieval": flag,
            "contains_pii": flag,
            "is_legal": flag,
            "reason": {"enum": list(reasons)},
        },
        "required": list(FIELDS),
        "additionalProperties": False,
    }


@lru_cache(maxsize=64)
def _validator(allowed: tuple[str, ...], intents: tuple[str, ...], reasons: tuple[str, ...]) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(proposal_schema(allowed, intents=intents, reasons=reasons))


@lru_cache(maxsize=4096)  # every field is a closed set, so the same few texts come again and again
def parse_proposal(
    raw: str,
    *,
    allowed: tuple[str, ...],
    intents: tuple[str, ...] = INTENTS,
    reasons: tuple[str, ...] = REASONS,
) -> Proposal:
    """Text of a router model, validated against the published schema and by pydantic.

    Raises:
        ProposalInvalidError: Not JSON, off the schema, or a tier outside ``allowed``. The message names the field
            and never repeats the text.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise ProposalInvalidError("The proposal is not JSON.") from None
    error = next(_validator(allowed, intents, reasons).iter_errors(value), None)
    if error is not None:
        field = "/".join(str(part) for part in error.absolute_path) or "(root)"
        raise ProposalInvalidError(f"The proposal is off the schema at {field!r}.")
    try:
        return Proposal.model_validate(value)
    except ValidationError as mistyped:
        field = "/".join(str(part) for part in mistyped.errors()[0]["loc"])
        raise ProposalInvalidError(f"The proposal is off its type at {field!r}.") from None


def render_proposal(values: dict[str, Any]) -> str:
    """The proposal as JSON text: keys in the order of the schema, no spare spaces."""
    return json.dumps({name: values[name] for name in FIELDS}, ensure_ascii=False, separators=(",", ":"))
