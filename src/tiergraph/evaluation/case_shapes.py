"""Rows of other forms to rows of ours: routing records, what ``tiergraph demo`` writes, examples of LangSmith's.

Failure rule: what is not of its form raises `InputError`, which names the key and the fix, never the row's text.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import mapping, shown

INPUT_KEYS = ("messages", "question", "input", "text", "query")
"""Where examples of LangSmith's have the request."""

_ANSWER_KEYS = ("answer", "output")
_OF_RECORD = {"outcome", "tier", "hops", "input_hash"}
_OF_DEMO = {"outcome", "tier", "hops", "expected_findings", "cost_usd_estimate"}
_LONGEST_STRATUM = 80
"""Characters; metadata that is longer is a text, not a name of a group."""


def own_shape(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of the product's: one of `build_case` as it is, a record or a message of the demo as such a row.

    What ``tiergraph label`` says of its own work is left out of its rows.
    """
    if row.keys() >= _OF_DEMO:
        return _demo_row(row)
    if "outcomes" in row and isinstance(row.get("label"), Mapping):
        row = {key: value for key, value in row.items() if key != "label"}
    return {"record": row} if row.keys() >= _OF_RECORD else row


def record_shape(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with a record, or a record itself."""
    row = own_shape(mapping(row, "A row", "not_an_object"))
    if "record" in row or "routing" in row:
        return row
    if "tier" not in row and "outcome" not in row:
        raise InputError("There is no record. Fix: give what RecordLog wrote, or {'record': ...}.", code="no_record")
    return {"record": row}


def _demo_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Only the total of cost and time is known: they are put on the last hop, whose draft was accepted."""
    tier, hops = row["tier"], list(row["hops"] or ())
    record: dict[str, Any] = {
        key: row.get(key) for key in ("id", "outcome", "tier", "decided", "source", "reason", "latency_ms")
    }
    record["findings"] = [{"kind": kind, "where": "question"} for kind in row.get("findings") or ()]
    record["cost_usd"] = row["cost_usd_estimate"]
    record["hops"] = [{"tier": hop, "outcome": "rejected", "cost_usd": 0.0, "latency_ms": 0.0} for hop in hops]
    if hops:
        accepted = "accepted" if row["outcome"] == "answered" else "rejected"
        last = {"outcome": accepted, "cost_usd": row["cost_usd_estimate"], "latency_ms": row.get("latency_ms") or 0.0}
        record["hops"][-1] |= last
    answered = tier is not None and row["outcome"] == "answered"
    return {
        "id": row.get("id"),
        "record": record,
        "kinds": row.get("kinds"),
        "outcomes": {tier: row.get("contains_expected")} if answered else None,
        "drafts": {tier: row.get("answer")} if answered else None,
        "expect": {"findings": row["expected_findings"]},
    }


def renamed(row: Mapping[str, Any], *, renames: Mapping[str, str | None], strata: Collection[str]) -> dict[str, Any]:
    """``row`` with other keys: ``renames`` as of `case_tables.places_of`, and ``strata`` put below that key."""
    found: dict[str, Any] = {}
    moved: dict[str, Any] = {}
    for key, value in mapping(row, "A row", "not_an_object").items():
        name = renames.get(key, key)
        if name is None:
            continue
        into = moved if key in strata or name in strata else found
        if name in into:
            raise InputError(f"Two keys are {shown(name)}. Fix: leave one out.", code="ambiguous")
        into[name] = value
    if moved:
        held = found.get("strata") or {}
        found["strata"] = {**held, **moved} if isinstance(held, Mapping) else held
    return found


def langsmith_shape(
    example: Any, number: int, *, input_key: str | None, output_key: str | None, contains: bool
) -> dict[str, Any]:
    """The row of an example.

    Args:
        example: With ``inputs``, and where known ``outputs``, ``metadata``, ``id`` and ``split``: keys or attributes.
        number: Makes the id where the example has none.
        input_key, output_key: Where its inputs have the request, and its outputs the answer.
        contains: Whether an answer has to contain the expected one.
    """
    inputs = _part(example, "inputs")
    outputs = _part(example, "outputs") or {}
    id = _part(example, "id")
    row = _asked(inputs, input_key)
    row["id"] = f"example-{number}" if id is None else id if isinstance(id, int) else str(id)
    row["strata"] = _groups(example)
    if not isinstance(outputs, Mapping):
        outputs = {output_key or _ANSWER_KEYS[0]: outputs}
    for key in ("outcomes", "costs", "drafts"):
        row[key] = outputs.get(key)
    keys = ("tier", "outcome", "intent", "difficulty", "needs_retrieval", "findings")
    expect = {key: outputs[key] for key in keys if outputs.get(key) is not None}
    if contains:
        expect["contains"] = _answer(outputs, output_key)
    row["expect"] = expect
    return row


def _part(example: Any, name: str) -> Any:
    return example.get(name) if isinstance(example, Mapping) else getattr(example, name, None)


def _asked(inputs: Any, input_key: str | None) -> dict[str, Any]:
    if isinstance(inputs, str):
        return {"text": inputs}
    if not isinstance(inputs, Mapping):
        raise InputError(f"'inputs' is a {type(inputs).__name__}. Fix: give an object.", code="no_text")
    there = [key for key in ((input_key,) if input_key else INPUT_KEYS) if inputs.get(key) is not None]
    if len(there) != 1:
        problem = f"'inputs' has {there or 'no request'}" if not input_key else f"'inputs' has no {input_key!r}"
        raise InputError(
            f"{problem}. Fix: name the key of the request with input_key=; known: {list(INPUT_KEYS)}.",
            code="ambiguous" if there else "no_text",
        )
    asked = inputs[there[0]]
    row: dict[str, Any] = {"text": asked} if isinstance(asked, str) else {"messages": asked}
    documents = inputs.get("documents", inputs.get("context"))
    row["documents"] = [documents] if isinstance(documents, str) else documents
    return row


def _answer(outputs: Mapping[str, Any], output_key: str | None) -> Any:
    keys = (output_key,) if output_key else _ANSWER_KEYS
    return next((outputs[key] for key in keys if outputs.get(key) is not None), None)


def _groups(example: Any) -> dict[str, Any]:
    """Short metadata and splits; longer metadata are texts and stay out of reports."""
    metadata = _part(example, "metadata")
    given = dict(metadata) if isinstance(metadata, Mapping) else {}
    split = _part(example, "split") or _part(example, "splits") or given.pop("dataset_split", None)
    found = {str(key): value for key, value in given.items() if _is_name(str(key)) and _is_group(value)}
    if split:
        found["split"] = split if isinstance(split, str) else "+".join(str(part) for part in split)
    return found


def _is_group(value: Any) -> bool:
    return _is_name(value) if isinstance(value, str) else isinstance(value, (int, float)) and math.isfinite(value)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_STRATUM and text.isprintable()
