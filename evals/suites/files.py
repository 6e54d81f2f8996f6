"""Rows of the public files, and what several suites ask of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tiergraph.training import sources
from tiergraph.training.labels import Row


def json_rows(file: Path) -> list[dict[str, Any]]:
    """Objects of a ``.jsonl`` or ``.jsonl.gz`` file."""
    if file.suffix == ".gz":
        return list(sources.read_jsonl(file))
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def table(file: Path) -> list[dict[str, str]]:
    """Rows of a ``.csv.gz`` file, by the names of its first."""
    return list(sources.read_csv(file))


def labelled(source: str, data: Path) -> Iterator[Row]:
    """The rows of one of training's sources, with its labels."""
    return next(known for known in sources.SOURCES if known.name == source).read(data)


def short(text: str) -> str:
    """Ten hexadecimal digits that stand for a text: the id of a row that has none of its own."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]


def unique(texts: Iterable[str]) -> list[str]:
    """Each text once, in order of first sight; blank ones are left out."""
    return [text for text in dict.fromkeys(texts) if text.strip()]


def drawn(texts: Iterable[str], most: int) -> list[str]:
    """At most so many texts: the same whatever their order, and spread over all."""
    return sorted(texts, key=short)[:most]


def shared(texts: Iterable[str]) -> dict[str, str]:
    """A group for each text that occurs more than once."""
    seen: set[str] = set()
    groups: dict[str, str] = {}
    for text in texts:
        if text in seen:
            groups[text] = short(text)
        seen.add(text)
    return groups
