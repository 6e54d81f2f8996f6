"""Own-written rows that a classical router learns in a second: telling words among words that say nothing."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "parcel shipped tracking courier delivery package dispatched arrive",
        {"tier": 0, "intent": "order_delivery", "difficulty": 1, "needs_retrieval": True, "reason": "lookup"},
    ),
    (
        "python function debug compile script regex refactor traceback",
        {"tier": 3, "intent": "coding", "difficulty": 2, "needs_retrieval": False, "reason": "code"},
    ),
    (
        "prove theorem induction lemma integral manifold derive convergence",
        {"tier": 5, "intent": "math_reasoning", "difficulty": 3, "needs_retrieval": False, "reason": "multi_step"},
    ),
)
_FILLERS = """
lamp sofa kettle jacket bicycle tent mirror ladder wallet garden window orange silver river winter summer
market corner bottle paper button candle engine forest guitar hammer island jungle kitten lemon mountain needle ocean
pencil quarry ribbon saddle ticket umbrella velvet whistle yellow zebra anchor bridge castle desert feather
"""
_PERSONAL = ["Ada", "Bruno", "Chloe", "Dmitri", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Katya"]
_LEGAL = ["landlord", "sued", "court", "lawsuit", "custody", "eviction", "probate", "tenancy"]


def rows(count: int = 150, *, flags: bool = False, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Labelled rows. ``flags``: both policy flags are labelled, a third of the rows each being true."""
    draw = random.Random(seed)
    for number in range(count):
        telling, labels = _KINDS[number % len(_KINDS)]
        personal, legal = (draw.random() < 1 / 3, draw.random() < 1 / 3) if flags else (False, False)
        words = [
            *draw.sample(telling.split(), 3),
            *draw.sample(_PERSONAL, 2) * personal,
            *draw.sample(_LEGAL, 3) * legal,
        ]
        words += draw.sample(_FILLERS.split(), 9 - len(words))  # of one length: a flag is in the words alone
        if flags:
            labels = {**labels, "contains_pii": personal, "is_legal": legal}
        draw.shuffle(words)
        yield {"text": " ".join(words), **labels}


def write_rows(folder: Path, *, flags: bool = False, count: int | None = None, **changes: Any) -> Path:
    """The rows as JSON lines; ``changes`` are put into every row."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rows.jsonl"
    made = rows(count or (450 if flags else 150), flags=flags)
    file.write_text("".join(json.dumps({**row, **changes}) + "\n" for row in made), encoding="utf-8")
    return file


@cache
def _fit(flags: bool) -> dict[str, bytes]:
    """The files of a classifier fitted on `rows`, by name."""
    from tiergraph.training.classical import train_classifier

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        train_classifier(write_rows(Path(folder), flags=flags), out, kinds=("linear",), quiet=True)
        return {file.name: file.read_bytes() for file in out.iterdir()}


def write_classifier(folder: Path, *, flags: bool = False) -> Path:
    """A fitted classifier in a folder; fitted once for all tests."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _fit(flags).items():
        (folder / name).write_bytes(content)
    return folder
