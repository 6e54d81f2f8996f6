"""JSON schemas of a decision row and of a record; a test holds real ones against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from tiergraph.commands.group import BadUse
from tiergraph.policy import FindingKind, Source, Where
from tiergraph.proposal import DIFFICULTIES, FIELDS, proposal_schema
from tiergraph.proposers.base import ConfidenceFrom

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_MAYBE_TEXT = {"type": ["string", "null"]}
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_AMOUNT = {"type": "number", "minimum": 0}
_SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _object(properties: dict[str, Any], *, optional: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    required = [key for key in properties if key not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_FINDING = _object(
    {"kind": {"enum": list(get_args(FindingKind))}, "rule": _TEXT, "where": {"enum": list(get_args(Where))}}
)
_PROPOSAL = _object(
    {
        "tier": _TEXT,
        "difficulty": {"enum": list(DIFFICULTIES)},
        "intent": _TEXT,
        "needs_retrieval": _FLAG,
        "contains_pii": _FLAG,
        "is_legal": _FLAG,
        "reason": _TEXT,
    }
)
assert tuple(_PROPOSAL["properties"]) == FIELDS
_CONFIDENCE_FROM = {"enum": [*get_args(ConfidenceFrom), None]}
_CONSULTED = _object({"proposer": _TEXT, "code": _TEXT, "latency_ms": _AMOUNT})
_SHARES = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}}

DECISION: dict[str, Any] = {
    "$schema": _DIALECT,
    "title": "tiergraph decision",
    **_object(
        {
            "id": {"type": ["string", "integer"]},
            "tier": _MAYBE_TEXT,
            "outcome": {"enum": ["route", "human", "refuse"]},
            "source": {"enum": list(get_args(Source))},
            "confidence": _SHARE,
            "score": _SHARE,
            "tier_probabilities": _SHARES,
            "findings": {"type": "array", "items": _FINDING},
            "allowed": _TEXTS,
            "reason": _MAYBE_TEXT,
            "reasons": _TEXTS,
            "proposal": _maybe(_PROPOSAL),
            "proposer": _MAYBE_TEXT,
            "confidence_from": _CONFIDENCE_FROM,
            "consulted": {"type": "array", "items": _CONSULTED},
            "floor_clipped": _FLAG,
            "latency_ms": _AMOUNT,
            "config_digest": _DIGEST,
        },
        optional=("id",),
    ),
}
"""A row of ``decide --jsonl``; ``decide --json`` leaves out the id."""

_VERDICT = _object(
    {
        "passed": _FLAG,
        "score": _SHARE,
        "reason": _TEXT,
        "unsupported": _COUNT,
        "uncovered": _COUNT,
        "judge": _MAYBE_TEXT,
    }
)
_HOP = _object(
    {
        "tier": _TEXT,
        "outcome": {"enum": ["drafted", "accepted", "rejected", "failed"]},
        "code": _MAYBE_TEXT,
        "input_tokens": _COUNT,
        "output_tokens": _COUNT,
        "tokens_estimated": _FLAG,
        "cost_usd": _AMOUNT,
        "latency_ms": _AMOUNT,
        "retries": _COUNT,
        "redacted": _FLAG,
        "verdict": _maybe(_VERDICT),
    }
)

RECORD: dict[str, Any] = {
    "$schema": _DIALECT,
    "title": "tiergraph record",
    **_object(
        {
            "version": {"const": 1},
            "id": {"type": "string", "format": "uuid"},
            "time": {"type": "string", "format": "date-time"},
            "input_hash": _DIGEST,
            "config_digest": _DIGEST,
            "prompts_digest": _DIGEST,
            "prompts": {"type": "object", "additionalProperties": _DIGEST},
            "router_model": _object({"name": _TEXT, "digest": _TEXT}),
            "outcome": {"enum": ["answered", "human", "refused", "abstained", "unavailable"]},
            "tier": _MAYBE_TEXT,
            "decided": _MAYBE_TEXT,
            "source": {"enum": list(get_args(Source))},
            "reason": _MAYBE_TEXT,
            "reasons": _TEXTS,
            "confidence": _SHARE,
            "confidence_from": _CONFIDENCE_FROM,
            "score": _SHARE,
            "tier_probabilities": _SHARES,
            "proposer": _MAYBE_TEXT,
            "consulted": {"type": "array", "items": _CONSULTED},
            "proposal": _maybe(_PROPOSAL),
            "findings": {"type": "array", "items": _FINDING},
            "allowed": _TEXTS,
            "constraints": _TEXTS,
            "floor_clipped": _FLAG,
            "redacted": _FLAG,
            "retrieval": _object({"called": _FLAG, "documents": _COUNT, "code": _MAYBE_TEXT}),
            "documents": _COUNT,
            "hops": {"type": "array", "items": _HOP},
            "trouble": {"enum": ["exhausted", "unavailable", "deadline", "budget", None]},
            "review": _maybe({"type": "object"}),
            "cost_usd": _AMOUNT,
            "latency_ms": _AMOUNT,
        }
    ),
}
"""What every finished request leaves in ``routing``."""


def proposal(allowed: Sequence[str] | None) -> dict[str, Any]:
    """The published schema of a proposal for an allowed set; without one, for the tiers of the packaged default."""
    from tiergraph.commands.loading import read_config

    names = read_config(None).ladder.names if allowed is None else allowed
    if not all(names) or len(set(names)) != len(names):
        raise BadUse("--allowed names each tier once, with commas between.")
    return proposal_schema(names)


def config() -> dict[str, Any]:
    """The schema of ``router.yaml``."""
    from tiergraph.config import RouterConfig

    return {"$schema": _DIALECT, **RouterConfig.model_json_schema()}
