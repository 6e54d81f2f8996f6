"""Whether JSON-like data has the types that a dataclass or a typed dictionary names: where a file enters.

Keys that are not known are passed over, and so are those that are missing: who builds the value knows what it needs.
Failure rule: what does not fit raises `TypeError`, which names the place and the type that was found, and no value.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def check_fit(value: Any, hint: Any, where: str) -> None:
    """Raise `TypeError` where ``value`` is not what ``hint`` says.

    Args:
        hint: A dataclass, a typed dictionary, ``str``, ``int``, ``float`` (finite), ``bool``, ``None``, or a union,
            list, tuple (a list in JSON), mapping or literal of such.
        where: Place of the value, for the error.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        _check_any(value, parts, where)
    elif is_dataclass(hint) or is_typeddict(hint):
        _check(isinstance(value, Mapping), value, "an object", where)
        for name, part in _hints(hint).items():
            if name in value:
                check_fit(value[name], part, f"{where}.{name}")
    elif origin in (list, tuple):
        _check(isinstance(value, list), value, "a list", where)
        for number, each in enumerate(value):
            check_fit(each, parts[0], f"{where}.{number}")
    elif origin in (Mapping, dict):
        _check(isinstance(value, Mapping), value, "an object", where)
        for each in value.values():
            check_fit(each, parts[1], f"a value of {where}")
    elif origin is Literal:
        _check(value in parts, value, f"one of {list(parts)}", where)
    elif hint is not Any:
        _check(_is(value, hint), value, "nothing" if hint is NoneType else f"a {hint.__name__}", where)


@cache
def _hints(hint: Any) -> dict[str, Any]:
    return get_type_hints(hint)


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    return isinstance(value, kind)


def _check_any(value: Any, hints: tuple[Any, ...], where: str) -> None:
    if value is None and NoneType in hints:
        return
    others = [hint for hint in hints if hint is not NoneType]
    for hint in others[:-1]:
        try:
            check_fit(value, hint, where)
        except TypeError:
            continue
        return
    check_fit(value, others[-1], where)


def _check(fits: bool, value: Any, wanted: str, where: str) -> None:
    if not fits:
        raise TypeError(f"{where} is a {type(value).__name__} and not {wanted}")
