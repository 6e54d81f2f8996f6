"""The routing fields and the tokens that stand for their values.

One table, read by training, export and the engine's contract. A request is written as

    <bos> request tokens <decide>

and at the single position of ``<decide>`` the logits of every field are read at once. Every field owns its own
value tokens (``<intent:coding>``), no two fields share one, and a softmax is taken over one field's tokens at a
time. ``<probe:0>`` to ``<probe:127>`` are rows of the output matrix whose "logits" are a projection of the final
hidden state: features for a head that is fitted later to a user's own ladder.

All of these are CONTROL tokens in the GGUF: text tokenised with ``parse_special=False`` never produces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from tiergraph.proposal import INTENTS, REASONS
from tiergraph.proposers.calibration import SLOTS

CONTRACT_VERSION = 1
"""Version of the layout that the engine reads; raised when an old engine would misread a new model."""

MAX_REQUEST_TOKENS = 384
"""Request tokens (without ``<bos>`` and ``<decide>``) in one window."""

PROBES = 128
"""Number of probe tokens."""

TIER_SLOTS = SLOTS
"""Values of the field ``tier``."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "tier": tuple(str(slot) for slot in range(TIER_SLOTS)),
    "difficulty": ("1", "2", "3"),
    "intent": INTENTS,
    "needs_retrieval": ("true", "false"),
    "contains_pii": ("true", "false"),
    "is_legal": ("true", "false"),
    "reason": REASONS,
    "needs_tools": ("true", "false"),
    "planned_calls": ("0", "1", "2-3", "4+"),
    "structure": ("none", "single", "parallel", "chain", "dag"),
}
"""Field name to its closed set of values, in token order. The last three are of a step of an agent."""

FLAGS = ("needs_retrieval", "contains_pii", "is_legal", "needs_tools")
"""The boolean fields."""

BOS, EOS, PAD, DECIDE = "<bos>", "<eos>", "<pad>", "<decide>"


class Contract(TypedDict):
    """What the engine needs to know of a model: token ids by name (metadata key ``tiergraph.contract``)."""

    version: int
    bos: int
    decide: int
    fields: dict[str, dict[str, int]]
    probes: list[int]
    max_request_tokens: int


def value_token(field: str, value: str) -> str:
    """Name of the token that stands for ``value`` of ``field``."""
    return f"<{field}:{value}>"


def control_tokens() -> list[str]:
    """Every control token, in the order of their ids (which follow the ordinary vocabulary)."""
    values = [value_token(field, value) for field, names in FIELDS.items() for value in names]
    return [BOS, EOS, PAD, DECIDE, *values, *(f"<probe:{i}>" for i in range(PROBES))]


def contract(first_id: int) -> Contract:
    """The contract of a vocabulary whose first control token has the id ``first_id``."""
    ids = {token: first_id + i for i, token in enumerate(control_tokens())}
    return {
        "version": CONTRACT_VERSION,
        "bos": ids[BOS],
        "decide": ids[DECIDE],
        "fields": {
            field: {value: ids[value_token(field, value)] for value in names} for field, names in FIELDS.items()
        },
        "probes": [ids[f"<probe:{i}>"] for i in range(PROBES)],
        "max_request_tokens": MAX_REQUEST_TOKENS,
    }
