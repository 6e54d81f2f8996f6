"""The routing record of a row: what evaluation reads of it, checked, and nothing else of it.

Records of other systems, or of an older version, may hold content. Failure rule: a known part of another type raises
`InputError`, which never repeats a value; a code that is no code, a field of a proposal off its type and every unknown
key are dropped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, get_args

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import advice, described, kind_of, mapping, shown, tier_name
from tiergraph.policy import FindingKind, Outcome, Source, Where
from tiergraph.proposal import DIFFICULTIES, FIELDS

OUTCOMES = (*get_args(Outcome), "route", "refuse")
"""How a request ended, or what was decided of it."""

_HOP_OUTCOMES = ("drafted", "accepted", "rejected", "failed")
_CODE = re.compile(r"[\w:.+-]{1,64}")
_LONG_CODE = re.compile(r"[\w:.+/=-]{1,128}")
"""Digests, and reasons with the id of a rule in them, which alone has up to 64 characters."""

_MODEL_NAME = re.compile(r"(?=.{1,160}\Z)[\w:.+/@-]+( > [\w:.+/@-]+)*")
"""A chain of router models is named after all of them."""
_FIX = "Fix: give it as RecordLog wrote it."

Read = Callable[[Any, str], Any]
"""From a part that is there, and what errors call it, to what is kept of it; ``None`` drops it."""


def read_record(value: Any, ladder: Collection[str] = ()) -> dict[str, Any]:
    """What is read of a routing record. ``ladder``: names of the tiers there are; empty where any will do.

    Raises:
        InputError: ``bad_record``, or ``unknown_tier``.
    """
    given = mapping(value, "The record", "bad_record")
    if "tier" not in given or given.get("outcome") is None:
        raise InputError(f"The record has no outcome or no tier. {_FIX}", code="bad_record")

    def tier(value: Any, where: str) -> str:
        return _tier(value, where, ladder)

    record = _parts(
        given,
        "record",
        {
            "id": _id,
            "version": _version,
            "outcome": _one_of(OUTCOMES),
            "tier": tier,
            "decided": tier,
            "source": _one_of(get_args(Source)),
            "score": _share,
            "confidence": _share,
            "tier_probabilities": lambda value, where: _by_tier(value, where, ladder),
            "findings": _each(_finding),
            "allowed": _each(tier),
            "reason": _coded(_LONG_CODE),
            "hops": _each(lambda value, where: _hop(value, where, ladder)),
            "cost_usd": _amount,
            "latency_ms": _amount,
            "config_digest": _coded(_LONG_CODE),
            "prompts_digest": _coded(_LONG_CODE),
            "input_hash": _coded(_LONG_CODE),
            "router_model": _model,
        },
    )
    if record.get("hops", ()) is None:
        del record["hops"]
    if "proposal" in given:
        record["proposal"] = _proposal(given["proposal"], {record["tier"], *(record.get("allowed") or ())})
    return record


def _parts(given: Mapping[Any, Any], where: str, readers: Mapping[str, Read]) -> dict[str, Any]:
    """The parts of ``readers`` that are there; ``None`` is not known, and stays."""
    found: dict[str, Any] = {}
    for key in readers.keys() & given.keys():
        value = given[key]
        kept = None if value is None else readers[key](value, f"{where}[{key!r}]")
        if value is None or kept is not None:
            found[key] = kept
    return {key: found[key] for key in given if key in found}


def _bad(problem: str) -> InputError:
    return InputError(f"{problem}. {_FIX}", code="bad_record")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _bad(f"{where} is a {kind_of(value)}, not a text")
    return value


def _coded(pattern: re.Pattern[str]) -> Read:
    return lambda value, where: value if pattern.fullmatch(_text(value, where)) else None


def _one_of(known: Sequence[str]) -> Read:
    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in known:
            hint = advice(value, known) if isinstance(value, str) else f"Fix: use one of {list(known)}."
            raise InputError(f"{where} is {shown(value)}. {hint}", code="bad_record")
        return value

    return read


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _bad(f"{where} is a {kind_of(value)}, not a number")
    return value


def _share(value: Any, where: str) -> float:
    if not 0 <= _number(value, where) <= 1:
        raise _bad(f"{where} is not in [0, 1]")
    return float(value)


def _amount(value: Any, where: str) -> float:
    if not 0 <= _number(value, where) < math.inf:
        raise _bad(f"{where} is under 0 or not finite")
    return value  # type: ignore[no-any-return]


def _tier(value: Any, where: str, ladder: Collection[str]) -> str:
    return tier_name(_text(value, where), where, ladder, code="bad_record")


def _each(read: Read) -> Read:
    def read_all(value: Any, where: str) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise _bad(f"{where} is {described(value)}, not a list")
        return [read(part, f"{where}[{number}]") for number, part in enumerate(value)]

    return read_all


def _by_tier(value: Any, where: str, ladder: Collection[str]) -> dict[str, float]:
    given = mapping(value, where, "bad_record")
    return {
        _tier(name, f"A key of {where}", ladder): _share(part, f"A value of {where}") for name, part in given.items()
    }


def _id(value: Any, where: str) -> str | int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _bad(f"{where} is a {kind_of(value)}, not a text")
    return value


def _version(value: Any, where: str) -> int:
    if value != 1 or isinstance(value, bool):
        raise InputError(f"{where} is not 1. Fix: give a record of version 1.", code="bad_record")
    return 1


def _finding(value: Any, where: str) -> dict[str, Any]:
    given = _with(value, where, ("kind", "where"))
    kinds, places = get_args(FindingKind), get_args(Where)
    return _parts(given, where, {"kind": _one_of(kinds), "rule": _coded(_CODE), "where": _one_of(places)})


def _hop(value: Any, where: str, ladder: Collection[str]) -> dict[str, Any]:
    given = _with(value, where, ("tier", "outcome", "cost_usd", "latency_ms"))
    return _parts(
        given,
        where,
        {
            "tier": lambda value, where: _tier(value, where, ladder),
            "outcome": _one_of(_HOP_OUTCOMES),
            "code": _coded(_CODE),
            "verdict": _verdict,
            **dict.fromkeys(("cost_usd", "latency_ms", "input_tokens", "output_tokens", "retries"), _amount),
        },
    )


def _with(value: Any, where: str, needed: Sequence[str]) -> Mapping[Any, Any]:
    given = mapping(value, where, "bad_record")
    missing = [key for key in needed if given.get(key) is None]
    if missing:
        raise _bad(f"{where} has no {missing[0]!r}")
    return given


def _verdict(value: Any, where: str) -> dict[str, Any]:
    given = _with(value, where, ("passed",))
    if not isinstance(given["passed"], bool):
        raise _bad(f"{where}['passed'] is a {kind_of(given['passed'])}, not true or false")
    return {"passed": given["passed"], **_parts(given, where, {"score": _share})}


def _model(value: Any, where: str) -> dict[str, Any]:
    given = mapping(value, where, "bad_record")
    return _parts(given, where, {"name": _coded(_MODEL_NAME), "digest": _coded(_LONG_CODE)})


def _proposal(value: Any, tiers: Collection[str | None]) -> dict[str, Any] | None:
    """The fields of a proposal that have a value of theirs. ``tiers``: those that the record names elsewhere."""
    if value is None:
        return None
    given = mapping(value, "record['proposal']", "bad_record")
    return {name: given[name] for name in given if name in FIELDS and _fits(name, given[name], tiers)}


def _fits(name: str, value: Any, tiers: Collection[str | None]) -> bool:
    if name == "difficulty":
        return type(value) is int and value in DIFFICULTIES
    if name in ("tier", "intent", "reason"):
        named = isinstance(value, str) and _CODE.fullmatch(value) is not None
        return named or (name == "tier" and isinstance(value, str) and value in tiers)
    return isinstance(value, bool)
