"""Rows to train on: a user's own, the public sources, the own-written supplements; and the split.

The split is decided by a hash of each row's group, never by chance: the same row always lands on the same side.
Rows with near-equal texts share a group, so that none stands on both sides.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tiergraph.errors import InputError
from tiergraph.training import labels
from tiergraph.training.fields import FIELDS, FLAGS, TIER_SLOTS
from tiergraph.training.labels import Row, Soft

Split = Literal["train", "calibration", "held_out"]

_SHARES: tuple[tuple[Split, float], ...] = (("held_out", 0.07), ("calibration", 0.07), ("train", 1.0))
_LARGEST_GROUP = 400  # a chain of near-duplicates longer than this stays in training as a whole


class RowError(InputError):
    """A line of a user's rows that cannot be used. ``line`` counts from 1."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}, line {line}: {problem}", code="bad_row")
        self.path, self.line, self.problem = path, line, problem


def read_rows(path: Path, fields: Mapping[str, Sequence[str]] = FIELDS) -> Iterator[Row]:
    """A user's rows, one JSON object a line. ``fields``: the closed set of each, such as intents of the user's own.

    Keys: ``text`` and any of ``tier`` (a slot 0 to 5 as an integer, or a level from 0.0 to 1.0 as a float),
    ``difficulty``, ``intent``, ``reason``, ``needs_retrieval``, ``contains_pii``, ``is_legal``. Blank lines are
    skipped.

    Raises:
        RowError: a line is no JSON object, has no text, an unknown key or a value that its field does not have.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield _row(json.loads(line), fields)
            except ValueError as error:
                raise RowError(path, number, str(error)) from error


def _row(values: Any, fields: Mapping[str, Sequence[str]]) -> Row:
    if not isinstance(values, dict):
        raise ValueError(f"expected an object, got {type(values).__name__}")
    text = values.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("'text' must be a non-empty string")
    unknown = sorted(set(values) - {"text", *fields})
    if unknown:
        raise ValueError(f"Unknown keys {unknown}. Allowed: {['text', *fields]}")
    given = {name: value for name, value in values.items() if name != "text" and value is not None}
    known = {name: _soft(name, value, fields[name]) for name, value in given.items()}
    if not known:
        raise ValueError("no label: give at least one field")
    return Row(text=text, source="rows", labels=known)


def _soft(name: str, value: Any, names: Sequence[str]) -> Soft:
    if name == "tier":
        return _tier(value)
    if name in FLAGS:
        if not isinstance(value, bool):
            raise ValueError(f"{name!r} must be true or false, got {value!r}")
        return labels.soft(name, "true" if value else "false")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name!r} must be one of {list(names)}, got {value!r}")
    return labels.soft(name, str(value), names=names)


def _tier(value: Any) -> Soft:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"'tier' must be a slot 0 to {TIER_SLOTS - 1} or a level 0.0 to 1.0, got {value!r}")
    level = value / (TIER_SLOTS - 1) if isinstance(value, int) else value
    if not 0.0 <= level <= 1.0:
        raise ValueError(f"'tier' must be a slot 0 to {TIER_SLOTS - 1} or a level 0.0 to 1.0, got {value!r}")
    return labels.tier_from_level(level)


def normalised(text: str) -> str:
    """Lower case, letters and digits only, single spaces, digits as 0."""
    return re.sub(r"\d", "0", " ".join(re.findall(r"\w+", text.lower())))


def split(rows: Sequence[Row]) -> Mapping[Split, list[Row]]:
    """Train, calibration and held-out rows; exact duplicates of a text are kept once."""
    parts: dict[Split, list[Row]] = {"train": [], "calibration": [], "held_out": []}
    unique = list({(row.source, row.text): row for row in rows}.values())
    for row, group in zip(unique, groups(unique), strict=True):
        parts["held_out" if row.judged else side(group)].append(row)
    return parts


def side(group: str) -> Split:
    """The part that a group belongs to."""
    if group == "train":
        return "train"
    position = int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest()) / 2**64
    return next(name for name, edge in _cumulated() if position < edge)


def _cumulated() -> Iterator[tuple[Split, float]]:
    edge = 0.0
    for name, share in _SHARES:
        edge += share
        yield name, edge


def groups(rows: Sequence[Row]) -> list[str]:
    """A group for each row: its own where it names one, else one shared with all near-equal texts.

    Near-equal: texts that agree in one of four pairs of MinHash values over three-word runs; the relation is
    closed transitively (union-find).
    """
    leader = list(range(len(rows)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    first: dict[object, int] = {}
    for i, row in enumerate(rows):
        for key in [f"group:{row.group}"] if row.group else _sketch(normalised(row.text)):
            leader[find(i)] = find(first.setdefault(key, i))
    members: dict[int, list[int]] = {}
    for i in range(len(rows)):
        members.setdefault(find(i), []).append(i)
    names = [""] * len(rows)
    for chain in members.values():
        named = min((rows[i].group for i in chain if rows[i].group), default="")
        name = named or min(normalised(rows[i].text) for i in chain)
        for i in chain:
            names[i] = "train" if not named and len(chain) > _LARGEST_GROUP else name
    return names


def _sketch(text: str) -> Iterable[object]:
    words = text.split()
    runs = [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]
    hashes = [hash_of(run) for run in runs]
    minima = [min((h * factor + offset) & 0xFFFFFFFF for h in hashes) for factor, offset in _PERMUTATIONS]
    return [text, *((band, minima[2 * band], minima[2 * band + 1]) for band in range(4))]


def hash_of(text: str) -> int:
    """A 32-bit hash that does not depend on the process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


_PERMUTATIONS = [(2 * hash_of(f"factor {i}") + 1, hash_of(f"offset {i}")) for i in range(8)]
