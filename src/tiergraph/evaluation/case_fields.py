"""Reading one value of a row: what it should be, and what is said where it is something else.

Failure rule: `InputError` with the key and the fix. A value is never repeated; the name of a tier, an outcome, a
finding or a key is, where it looks like a code (`shown`), since whoever mistyped it has to find it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tiergraph.errors import InputError

_LONGEST_LABEL = 200
_LONGEST_TIER = 80
_SHOWN = re.compile("[!-~]{1,40}")
"""What a message repeats of names: other letters and spaces make texts."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def label(value: Any, where: str, *, code: str = "bad_label") -> str:
    """A short name on one line: it goes into reports and onto terminals."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise InputError(f"{where} is a {kind_of(value)}. Fix: write a text or a number.", code=code)
    if not value or len(value) > _LONGEST_LABEL or _UNPRINTABLE.search(value):
        raise InputError(
            f"{where} is no name. Fix: write 1 to {_LONGEST_LABEL} characters on one line, without control characters.",
            code=code,
        )
    return value


def kind_of(value: Any) -> str:
    """Its type, for a message."""
    return "text" if isinstance(value, str) else type(value).__name__


def mapping(value: Any, where: str, code: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is a {kind_of(value)}. Fix: write an object.", code=code)
    return value


def text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} is a {kind_of(value)}. Fix: write a text.", code="not_text")
    return value


def listed(value: Any, where: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where} is a {kind_of(value)}. Fix: write a list.", code="not_a_list")
    return list(value)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``name``, or ``None`` where none is."""
    return next(iter(difflib.get_close_matches(name.casefold(), list(known), n=1)), None)


def shown(name: object) -> str:
    """The name of a tier, an outcome, a finding or a key for a message; its kind where it could be a text."""
    if isinstance(name, (str, int)) and _SHOWN.fullmatch(str(name)):
        return repr(str(name))
    return f"({described(name)})"


def described(value: object) -> str:
    """A value for a message that must not repeat it."""
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"


def tier_name(value: Any, where: str, ladder: Collection[str], *, code: str = "bad_label") -> str:
    """A name that `tiergraph.tiers.Tier` accepts. ``ladder``: the names there are; empty where any will do."""
    name = label(value, where, code=code)
    if name != name.strip() or not name.isprintable() or len(name) > _LONGEST_TIER:
        raise InputError(
            f"{where} is no name of a tier. Fix: write 1 to {_LONGEST_TIER} characters without space at the ends.",
            code=code,
        )
    if ladder and name not in ladder:
        raise InputError(
            f"{where} is {shown(name)}, an unknown tier. Tiers: {list(ladder)}. Fix: correct it, or give other tiers.",
            code="unknown_tier",
        )
    return name


def check_keys(row: Iterable[Any], known: Sequence[str], what: str) -> None:
    """Refuse a key that is not known: a typo would leave out in silence what it was meant to say."""
    for key in row:
        if key not in known:
            raise InputError(f"{what} {shown(key)}. {advice(str(key), known)}", code="unknown_key")


def advice(name: str, known: Sequence[str]) -> str:
    """What to do about a name that is not known."""
    near = nearest(name, known)
    return f"Fix: write {near!r}, or leave it out." if near else f"Fix: use one of {list(known)}, or leave it out."
