"""Tiny text templates: ``[a|b|]`` picks one alternative, ``{slot}`` one value; both nest."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

Slots = Mapping[str, Sequence[str] | Callable[[random.Random], str]]
"""Slot name to its values, or to a function that makes one."""

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_DEPTH = 12


def expand(template: str, slots: Slots, draw: random.Random) -> str:
    """One text of ``template``; runs of spaces are closed.

    Raises:
        KeyError: a slot has no values. ValueError: the nesting does not end.
    """
    for _ in range(_DEPTH):
        text = _CHOICE.sub(lambda match: draw.choice(match[1].split("|")), template)
        text = _SLOT.sub(lambda match: _value(slots[match[1]], draw), text)
        if text == template:
            return re.sub(r" +([,.?!])", r"\1", re.sub(r"  +", " ", text)).strip()
        template = text
    raise ValueError(f"Template does not end: {template[:80]!r}")


def _value(values: Sequence[str] | Callable[[random.Random], str], draw: random.Random) -> str:
    return values(draw) if callable(values) else draw.choice(values)
