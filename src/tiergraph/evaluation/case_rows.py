"""One row, a mapping of JSON-like values, to one `Case`, and back.

Failure rule: what is wrong with a row raises `InputError`, which names the key and the fix, never the row's text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import (
    advice,
    check_keys,
    described,
    kind_of,
    label,
    listed,
    mapping,
    shown,
    text,
    tier_name,
)
from tiergraph.evaluation.case_records import read_record
from tiergraph.evaluation.case_requests import read_request
from tiergraph.evaluation.cases import FINDING_KINDS, Case, Expect

KEYS = (
    "id",
    "text",
    "messages",
    "documents",
    "metadata",
    "attachments",
    "outcomes",
    "costs",
    "drafts",
    "draft",
    "expect",
    "strata",
    "difficulty",
    "intent",
    "source",
    "category",
    "kinds",
    "group",
    "variant_of",
    "record",
    "routing",
    "score",
)
"""Keys of a row. ``kinds`` is a list whose first becomes the stratum ``kind``; ``routing`` is a name of ``record``."""

EXPECT_KEYS = (
    "tier",
    "outcome",
    "intent",
    "difficulty",
    "needs_retrieval",
    "findings",
    "contains",
    "grounded",
    "human",
    "must_contain",
)
_PASSED_OVER = ("articles", "names_only", "note")
"""What Harbor's inbox says in ``expect`` beside that."""

_STRATA = ("difficulty", "intent", "source", "category")
_OUTCOMES = ("answered", "human", "refused")
_DIFFICULTIES: Mapping[Any, tuple[int, str]] = {
    name: (number, names[-1])
    for number, names in enumerate(((1, "1", "easy"), (2, "2", "medium"), (3, "3", "hard")), start=1)
    for name in names
}

V = TypeVar("V")


def build_case(
    row: Mapping[Any, Any], *, ladder: Collection[str] = (), file: str | None = None, line: int | None = None
) -> Case:
    """The case of a row. ``ladder``: names of the tiers there are; empty where any will do.

    Raises:
        InputError: The row cannot be used; ``code`` is short and stable.
    """
    check_keys(row, KEYS, "Unknown key")
    given = {key: value for key, value in row.items() if value is not None}
    record = _record(given, ladder)
    outcomes = _by_tier(given, "outcomes", _score, ladder)
    if "score" in given:
        outcomes |= _scored(given["score"], record, outcomes)
    expect = _expect(given.get("expect", {}), ladder)
    return Case(
        id=_id(given, given.get("record", given.get("routing"))),
        **read_request(given, record),
        outcomes=outcomes,
        costs=_by_tier(given, "costs", _cost, ladder),
        drafts=_by_tier(given, "drafts", text, ladder),
        draft=text(given["draft"], "'draft'") if "draft" in given else None,
        expect=expect,
        strata=_strata(given, expect, record),
        group=label(given["group"], "'group'") if "group" in given else None,
        variant_of=label(given["variant_of"], "'variant_of'") if "variant_of" in given else None,
        record=record,
        file=file,
        line=line,
    )


def to_row(case: Case) -> dict[str, Any]:
    """The row that `build_case` makes ``case`` of."""
    if case.messages and case.text:
        raise InputError(f"{shown(case.id)} has both text and messages. Fix: give one of them.", code="ambiguous")
    row: dict[str, Any] = {"id": case.id}
    if case.messages:
        row["messages"] = [dict(turn) for turn in case.messages]
    elif case.text or case.record is None:
        row["text"] = case.text
    for name in ("documents", "attachments"):
        if value := getattr(case, name):
            row[name] = list(value)
    for name in ("metadata", "outcomes", "costs", "drafts"):
        if value := getattr(case, name):
            row[name] = dict(value)
    if expect := _expect_row(case.expect):
        row["expect"] = expect
    if strata := {**dict.fromkeys(_filled(case.expect, case.record)), **case.strata}:
        row["strata"] = strata
    for name in ("draft", "group", "variant_of", "record"):
        if (value := getattr(case, name)) is not None:
            row[name] = value
    return row


def id_of(row: Any) -> str | None:
    """Id of a row that may be broken; ``None`` where it has none that can be shown."""
    if not isinstance(row, Mapping):
        row = {"id": getattr(row, "id", None)}
    record = row.get("record", row.get("routing"))
    try:
        return _id(row, record)
    except InputError:
        return None


def _id(given: Mapping[Any, Any], record: Any) -> str:
    id = given.get("id")
    if id is None and isinstance(record, Mapping):
        id = record.get("id")
    if id is None:
        raise InputError("There is no 'id'. Fix: add one.", code="no_id")
    if not isinstance(id, (str, int)) or isinstance(id, bool):
        raise InputError(f"'id' is a {kind_of(id)}. Fix: write a text or a whole number.", code="bad_id")
    return label(id, "'id'", code="bad_id")


def _by_tier(
    given: Mapping[Any, Any], key: str, read: Callable[[Any, str], V], ladder: Collection[str]
) -> dict[str, V]:
    """Tier name to what ``read`` makes of its value; ``None`` is not known and left out."""
    found: dict[str, V] = {}
    for tier, value in mapping(given.get(key, {}), f"'{key}'", "not_an_object").items():
        name = tier_name(tier, f"A tier in '{key}'", ladder)
        if value is not None:
            found[name] = read(value, f"{key}[{shown(name)}]")
    return found


def _score(value: Any, where: str) -> float:
    if not isinstance(value, (int, float)):
        raise InputError(f"{where} is a {kind_of(value)}. Fix: write a number in [0, 1], or null.", code="bad_score")
    if not 0 <= value <= 1:
        raise InputError(f"{where} is not in [0, 1]. Fix: scale scores to [0, 1]; null is unscored.", code="bad_score")
    return float(value)


def _cost(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{where} is a {kind_of(value)}. Fix: write USD as a number, or null.", code="bad_cost")
    if not 0 <= value < math.inf:
        raise InputError(f"{where} is under 0 or not finite. Fix: write USD, 0 or more.", code="bad_cost")
    return float(value)


def _record(given: Mapping[Any, Any], ladder: Collection[str]) -> dict[str, Any] | None:
    """The routing record of a row, with what is read from it, checked."""
    if "record" in given and "routing" in given:
        raise InputError("There are both 'record' and 'routing'. Fix: give one of them.", code="ambiguous")
    value = given.get("record", given.get("routing"))
    return None if value is None else read_record(value, ladder)


def _scored(score: Any, record: Mapping[str, Any] | None, outcomes: Mapping[str, float]) -> dict[str, float]:
    """``score`` is of the tier that answered, so that only a row with a record can have one."""
    tier = record["tier"] if record else None
    if tier is None:
        problem = "The record names no tier" if record else "There is a 'score' and no 'record'"
        raise InputError(f"{problem}. Fix: write 'outcomes' with tier and score.", code="ambiguous")
    if tier in outcomes:
        raise InputError(f"'score' and 'outcomes' both score {shown(tier)}. Fix: give one of them.", code="ambiguous")
    return {tier: _score(score, "'score'")}


def _expect(value: Any, ladder: Collection[str]) -> Expect:
    value = mapping(value, "'expect'", "bad_expect")
    check_keys(value, (*EXPECT_KEYS, *FINDING_KINDS, *_PASSED_OVER), "Unknown key in 'expect':")
    given = {key: part for key, part in value.items() if part is not None}
    if "contains" in given and "must_contain" in given:
        raise InputError("There are both 'contains' and 'must_contain'. Fix: give one of them.", code="ambiguous")
    contains = given.get("contains", given.get("must_contain"))
    return Expect(
        tier=tier_name(given["tier"], "expect['tier']", ladder) if "tier" in given else None,
        outcome=_outcome(given),
        intent=label(given["intent"], "expect['intent']") if "intent" in given else None,
        difficulty=_difficulty(given["difficulty"], "expect['difficulty']")[0] if "difficulty" in given else None,  # type: ignore[arg-type]
        needs_retrieval=_flag(given, "needs_retrieval"),
        findings=_findings(given),
        contains=() if contains is None else _contains(contains),
        grounded=_flag(given, "grounded"),
    )


def _outcome(given: Mapping[str, Any]) -> Any:
    outcome, human = given.get("outcome"), _flag(given, "human")
    if outcome is not None and outcome not in _OUTCOMES:
        raise InputError(f"expect['outcome'] is {shown(outcome)}. {advice(str(outcome), _OUTCOMES)}", code="bad_expect")
    if human and outcome not in (None, "human"):
        raise InputError("expect: 'human' and 'outcome' disagree. Fix: give one of them.", code="ambiguous")
    return "human" if human else outcome


def _difficulty(value: Any, where: str) -> tuple[int, str]:
    known = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    found = _DIFFICULTIES.get(value.casefold() if isinstance(value, str) else value) if known else None
    if found is None:
        raise InputError(
            f"{where} is {described(value)}. Fix: write easy, medium or hard, or 1 to 3.", code="bad_difficulty"
        )
    return found


def _flag(given: Mapping[str, Any], key: str) -> bool | None:
    value = given.get(key)
    if value is not None and not isinstance(value, bool):
        raise InputError(f"expect[{key!r}] is a {kind_of(value)}. Fix: write true or false.", code="bad_expect")
    return value


def _findings(given: Mapping[str, Any]) -> dict[str, bool]:
    """Kind to whether it is there. A list says what is there, and that the other kinds are not."""
    value = given.get("findings", {})
    if isinstance(value, (list, tuple)):
        for kind in value:
            _check_kind(kind)
        found = {kind: kind in value for kind in FINDING_KINDS}
    else:
        for kind in mapping(value, "expect['findings']", "bad_expect"):
            _check_kind(kind)
        stated = {kind: _flag(value, kind) for kind in value}
        found = {kind: there for kind, there in stated.items() if there is not None}
    for kind in FINDING_KINDS:
        if kind in given:
            if kind in found:
                raise InputError(f"expect: {kind!r} is said twice. Fix: say it once.", code="ambiguous")
            found[kind] = bool(_flag(given, kind))
    return found


def _check_kind(kind: Any) -> None:
    if kind not in FINDING_KINDS:
        raise InputError(f"Unknown finding {shown(kind)}. {advice(str(kind), FINDING_KINDS)}", code="unknown_finding")


def _contains(value: Any) -> tuple[str, ...]:
    parts = (value,) if isinstance(value, str) else listed(value, "expect['contains']")
    if not all(isinstance(part, str) and part for part in parts):
        raise InputError("expect['contains'] holds something else than texts. Fix: write texts.", code="bad_expect")
    return tuple(parts)


def _strata(given: Mapping[Any, Any], expect: Expect, record: Mapping[str, Any] | None) -> dict[str, str]:
    """What the row states; difficulty, intent and source else come from what is expected, or from the record.

    ``None`` states that there is none.
    """
    stated = {
        label(name, "A name in 'strata'"): None if value is None else label(value, f"strata[{shown(name)}]")
        for name, value in mapping(given.get("strata", {}), "'strata'", "bad_strata").items()
    }
    for name, value in _short_strata(given).items():
        if stated.get(name, value) != value:
            raise InputError(f"{name!r} and strata[{name!r}] disagree. Fix: give one of them.", code="ambiguous")
        stated[name] = value
    return {name: value for name, value in {**_filled(expect, record), **stated}.items() if value is not None}


def _short_strata(given: Mapping[Any, Any]) -> dict[str, str]:
    found = {}
    for name in _STRATA:
        if name in given:
            value = given[name]
            found[name] = _difficulty(value, f"'{name}'")[1] if name == "difficulty" else label(value, f"'{name}'")
    if kinds := listed(given.get("kinds", []), "'kinds'"):
        found["kind"] = label(kinds[0], "kinds[0]")
    return found


def _filled(expect: Expect, record: Mapping[str, Any] | None) -> dict[str, str]:
    proposal = (record or {}).get("proposal")
    proposed = proposal if isinstance(proposal, Mapping) else {}
    found: dict[str, str] = {}
    for name, value in (
        ("difficulty", expect.difficulty or proposed.get("difficulty")),
        ("intent", expect.intent or proposed.get("intent")),
        ("source", (record or {}).get("source")),
    ):
        if value is not None:
            found[name] = _difficulty(value, "A difficulty")[1] if name == "difficulty" else label(value, name)
    return found


def _expect_row(expect: Expect) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in ("tier", "outcome", "intent", "difficulty", "needs_retrieval", "grounded"):
        if (value := getattr(expect, name)) is not None:
            row[name] = value
    if expect.findings:
        row["findings"] = dict(expect.findings)
    if expect.contains:
        row["contains"] = list(expect.contains)
    return row
